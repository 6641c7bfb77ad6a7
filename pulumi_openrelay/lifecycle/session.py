"""What one plugin process shares: the client, the lists, the organization, and what it has seen."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from ..api.client import Client, Request
from ..api.pages import read_all
from ..errors import Forbidden, Interrupted, Misconfigured, NotFound, OpenRelayError, Unauthorized
from ..urn import type_of
from .declare import Listed, Row
from .journal import Journal, NoteFiles
from .shared import Shared

if TYPE_CHECKING:
    from ..caller import Caller
    from .declare import Kind

GATHER_SECONDS = 0.02
OPTIONAL_SECONDS = 5.0
"""For how long what one can do without is asked for again. A read that is under way then is waited
for."""
FRESH_SECONDS = 30.0
"""How old a list may be that a refresh reads from."""

Rows = dict[str, dict[str, Any]]


class Session:
    """Shared by all calls of one plugin process to one service.

    organization_id: None asks `whoami` once. The API binds a key to one organization.
    organization_source: where a given one came from.
    """

    def __init__(
        self,
        client: Client,
        organization_id: str | None = None,
        journal: Journal | None = None,
        *,
        organization_source: str = "openrelay:organizationId",
    ) -> None:
        self.client = client
        self.journal = NoteFiles() if journal is None else journal
        self.history = History()
        self._lock = threading.Lock()
        self._lists: dict[Listed, Shared[Rows]] = {}
        self._told: dict[str, Shared[Mapping[str, Row]]] = {}
        self._changed = float("-inf")
        self._offers: dict[str, Shared[Any]] = {}
        self._given_organization = organization_id
        self._organization_source = organization_source
        self._organization = Shared(self._ask_organization)

    def organization(self, caller: Caller) -> str:
        """The organization's id."""
        if self._given_organization:
            return self._given_organization
        return self._organization.get(caller, since=float("-inf")).value

    def key_organization(self, caller: Caller) -> str:
        """The id of the key's own organization, or the given one where the key may not ask."""
        try:
            return self._organization.get(caller, since=float("-inf")).value
        except Forbidden:
            if self._given_organization:
                return self._given_organization
            raise

    def foreign(self, caller: Caller, recorded: str) -> OpenRelayError | None:
        """What to say of what another organization than this session's has; None of any other.
        recorded: the id of its organization."""
        own = self.organization(caller)
        if own == recorded:
            return None
        if self._given_organization:
            source = self._organization_source
            return OpenRelayError(
                f"it belongs to the organization {recorded}, and {source} names {own}",
                f"correct {source}, or leave it out and use a key of its own organization",
            )
        return OpenRelayError(
            f"it belongs to the organization {recorded}, and the API key to {own}",
            "use a key of its own organization",
        )

    def send(
        self, caller: Caller, method: str, path: str, parts: Mapping[str, str], **keywords: Any
    ) -> Any:
        """Send a request whose path may name `{org}`."""
        request = Request(method, path, self.parts(caller, path, parts), **keywords)
        try:
            return self.client.send(request, caller)
        finally:
            if method != "GET":
                self._changed = caller.now()

    def read_since(self, caller: Caller) -> float:
        """From when on a list is as good as new for a refresh: its reads come one after another,
        not all at once, and as long as this process changes nothing, one list serves them all."""
        return max(self._changed, caller.now() - FRESH_SECONDS)

    def rows(self, caller: Caller, listed: Listed, since: float) -> tuple[Rows, float]:
        """The list as read at `since` or later, and when that reading began.

        Raises NotFound where the organization's API has no such list.
        """
        try:
            snapshot = self._list(listed).get(caller, since)
        except NotFound as error:
            if listed.missing is None:
                raise
            advice = "take it out of the program, or out of the state with `pulumi state delete`"
            raise NotFound(listed.missing, advice, status=404, code=error.code) from None
        return snapshot.value, snapshot.began

    def begin_rows(self, caller: Caller, listed: Listed, since: float) -> None:
        """Read the list for `rows` to come, unless another call does so already."""
        self._list(listed).begin(caller, since)

    def told(self, caller: Caller, kind: Kind, since: float) -> Mapping[str, Row]:
        """What another list tells of each of a kind's things, by id; nothing where that list cannot
        be read."""
        return self._telling(kind).get(caller, since).value

    def begin_told(self, caller: Caller, kind: Kind, since: float) -> None:
        """Read both lists for `told` to come, unless other calls do so already."""
        self.begin_rows(caller, kind.listed, since)
        self._telling(kind).begin(caller, since)

    def _telling(self, kind: Kind) -> Shared[Mapping[str, Row]]:
        with self._lock:
            if kind.token not in self._told:
                self._told[kind.token] = Shared(partial(self._tell, kind))
            return self._told[kind.token]

    def _tell(self, kind: Kind, caller: Caller) -> Mapping[str, Row]:
        assert kind.told_by is not None  # noqa: S101 - nobody asks for it otherwise
        since, deadline = self.read_since(caller), caller.deadline
        caller.deadline = min(deadline, caller.now() + OPTIONAL_SECONDS)
        try:
            others, _ = self.rows(caller, kind.told_by.listed, since)
        except Interrupted:
            raise
        except OpenRelayError:
            return {}
        finally:
            caller.deadline = deadline
        own, _ = self.rows(caller, kind.listed, since)
        return kind.told_by.tell(own, others)

    def _list(self, listed: Listed) -> Shared[Rows]:
        with self._lock:
            if listed not in self._lists:
                self._lists[listed] = Shared(
                    lambda caller: read_all(
                        self.client,
                        listed.path,
                        self.parts(caller, listed.path, {}),
                        dict(listed.query),
                        caller,
                        pages=listed.pages,
                        key=listed.key,
                    ),
                    gather=GATHER_SECONDS,
                )
            return self._lists[listed]

    def offers(self, caller: Caller, paths: Sequence[str]) -> dict[str, Any]:
        """The answers of these GETs of the catalog, by path; without those that cannot be read.

        Each is asked for once in an operation. Raises Unauthorized: with a key that is refused,
        nothing else would succeed either.
        """
        told: dict[str, Any] = {}
        for path in paths:
            with self._lock:
                if path not in self._offers:
                    self._offers[path] = Shared(partial(self._ask_offer, path))
            with suppress(Interrupted):
                answer = self._offers[path].get(caller, since=float("-inf")).value
                if answer is not None:
                    told[path] = answer
        return told

    def _ask_offer(self, path: str, caller: Caller) -> Any:
        try:
            return self.send(caller, "GET", path, {})
        except (Interrupted, Unauthorized):
            raise
        except OpenRelayError:
            return None

    def parts(self, caller: Caller, path: str, parts: Mapping[str, str]) -> dict[str, str]:
        """What fills a path."""
        if "{org}" not in path:
            return dict(parts)
        return {"org": self.organization(caller), **parts}

    def _ask_organization(self, caller: Caller) -> str:
        try:
            answer = self.client.send(Request("GET", "/v1/whoami", answers=dict), caller)
        except NotFound:
            raise Misconfigured(
                f"the server at {self.client.address} does not know /v1/whoami",
                f"check {self.client.url_source}",
            ) from None
        organization = answer.get("organizationId")
        if not isinstance(organization, str) or not organization:
            raise Misconfigured(
                "the API key belongs to no organization", "set openrelay:organizationId"
            )
        return organization


@dataclass(frozen=True, slots=True)
class Answer:
    """What a create that failed has told the engine of what exists.

    own: whether it is certain that the resource's own creates have made it and that no state
    records it yet.
    """

    id: str
    inputs: dict[str, Any]
    outputs: dict[str, Any]
    own: bool


class History:
    """What this operation has learned of each resource, by URN: the id that is its own.

    No call names the old id to create; the diff before it does. No call tells delete that an id
    lives on under the same resource; but two records of one id were made by two creates, and each
    create leaves its own mark in the outputs. One plugin process serves one operation.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._own: dict[str, tuple[str, str | None]] = {}
        self._was: dict[str, Sequence[str] | None] = {}
        self._called: dict[str, str | None] = {}
        self._created: dict[str, str | None] = {}
        """What was recorded before this operation's first create of each, by its URN."""
        self._answers: dict[str, Answer] = {}
        self._referred: dict[str, str] = {}
        self._declared: set[str] = set()
        self.began: float | None = None
        """When the program declared its first, by this machine's clock; None before."""
        self._names: dict[tuple[str, str], str] = {}
        self._unprotected: set[str] = set()
        self.protected: set[str] = set()
        """The URNs that the program protects, by their records or as it is now."""
        self.ended: set[tuple[str, str]] = set()
        """What this operation has asked to end: kind and id, since two kinds may use one id."""
        self.recorded_beside: set[tuple[str, str]] = set()
        """What was made in place of what this operation has ended, by kind and id: its own delete
        is to come, and where none does, the end of the stack tells of it."""
        self.said_to_be_left: set[tuple[str, str]] = set()
        """What this operation has said to be perhaps left by creates of resources that the program
        does not declare any more, by kind and id."""
        self.made: set[str] = set()
        """The ids that the API has answered this operation's creates with."""
        self.unclear: dict[str, float] = {}
        """When, by likeness, a create last lost an answer: what that made, no list shows that was
        read before."""
        self._turns: dict[str, threading.Event] = {}

    def own(
        self,
        urn: str,
        resource_id: str,
        mark: str | None,
        was: Sequence[str] | None = None,
        name: str | None = None,
    ) -> None:
        """A call has named this record. was: the ids that the resource had before, name: the one
        that it has; None where its record does not tell."""
        with self._lock:
            self._own[urn] = (resource_id, mark)
            self._was[urn] = was
            self._called[urn] = name
            self._created.pop(urn, None)
            self._answers.pop(urn, None)

    def create(self, urn: str, resource_id: str, mark: str | None) -> None:
        """A create has made or found this one, and what it was asked to replace stays that."""
        with self._lock:
            self._created.setdefault(urn, self._own.get(urn, (None, None))[0])
            self._own[urn] = (resource_id, mark)

    def answer(self, urn: str, answer: Answer) -> None:
        """A create fails with this. The engine asks once more where an error hook of the program
        says so, and records the last answer alone."""
        with self._lock:
            self._answers[urn] = answer

    def answered(self, urn: str) -> Answer | None:
        """What a create of this operation has failed with, and no other call has named since."""
        return self._answers.get(urn)

    def declare(self, urn: str, now: float) -> None:
        """The program declares this one as its own."""
        with self._lock:
            self.began = now if self.began is None else min(self.began, now)
            self._declared.add(urn)

    def declared(self, urn: str) -> set[str]:
        """The URNs of this one's type that the program declares, as far as it has come."""
        with self._lock:
            return {one for one in self._declared if type_of(one) == type_of(urn)}

    def refer(self, urn: str, resource_id: str) -> None:
        """The program reads this one, and does not own it."""
        with self._lock:
            self._referred[urn] = resource_id

    def let_go(self, urn: str, resource_id: str) -> bool:
        """Whether another resource of the program has this id, so that this one's record of it goes
        and the thing itself stays: a renamed resource that `adopt` took over, or `.get` reads. Of
        what the program still declares itself, a reference keeps nothing: all of it is to go."""
        with self._lock:
            others = {other: own for other, (own, _) in self._own.items()}
            if urn not in self._declared:
                others |= self._referred
            others.pop(urn, None)
            if resource_id not in _of_the_same_type(urn, others):
                return False
            self._own.pop(urn, None)
            return True

    def claims_name(self, urn: str, kind: str, name: str) -> bool:
        """Whether no other resource of this operation makes one of this kind and name."""
        with self._lock:
            return self._names.setdefault((kind, name), urn) == urn

    def take_turn(
        self, likeness: str, caller: Caller, needed: Callable[[], bool]
    ) -> threading.Event | None:
        """One at a time makes a thing of this likeness, so that each knows its own: wait for that,
        as long as it is needed. Returns what ends the turn; None where none was needed."""
        while needed():
            with self._lock:
                ahead = self._turns.get(likeness)
                if ahead is None:
                    mine = self._turns[likeness] = threading.Event()
                    return mine
            caller.wait(60.0, ahead)
        return None

    def end_turn(self, likeness: str, turn: threading.Event | None) -> None:
        """It is another's turn; does nothing where there was none."""
        if turn is not None:
            with self._lock:
                del self._turns[likeness]
            turn.set()

    def protection(self, urn: str, *, lifted: bool) -> None:
        """Whether the program, as it is now, has lifted the protection of this resource."""
        with self._lock:
            (self._unprotected.add if lifted else self._unprotected.discard)(urn)

    def protection_is_lifted(self, urn: str) -> bool:
        """Whether diff has seen the program lift it; a resource that left the program lifts
        none."""
        return urn in self._unprotected

    def own_id(self, urn: str) -> str | None:
        """Its id, as a call has named it, or a create has made or found it."""
        return self._own.get(urn, (None, None))[0]

    def replaced_id(self, urn: str) -> str | None:
        """The recorded id that a create replaces, where a call has named it."""
        with self._lock:
            return self._created[urn] if urn in self._created else self.own_id(urn)

    def was(self, urn: str) -> Sequence[str] | None:
        """All other ids that a state has recorded of it, as far as that is of any concern; None
        where nothing tells them."""
        return self._was.get(urn)

    def own_name(self, urn: str) -> str | None:
        """The recorded name; None where none is known."""
        return self._called.get(urn)

    def anothers(self, urn: str) -> set[str]:
        """The ids that are known to be other resources' own."""
        with self._lock:
            others = {other: own for other, (own, _) in self._own.items() if other != urn}
            return _of_the_same_type(urn, others)

    def lives_on(self, urn: str, resource_id: str, mark: str | None) -> bool:
        """Whether a record to be deleted shares its id with the record that stays.

        A create may have adopted the very machine that it was to replace: `--target-replace` does
        not tell it which one that is.
        """
        own = self._own.get(urn)
        return own is not None and own[0] == resource_id and own[1] != mark


def _of_the_same_type(urn: str, ids: Mapping[str, str]) -> set[str]:
    """The ids of resources of this one's type: two types may use the same id."""
    return {one for other, one in ids.items() if type_of(other) == type_of(urn)}
