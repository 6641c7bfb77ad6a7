"""What one plugin process shares: the client, the lists, the organization, and what it has seen."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from ..api.client import Client, Request
from ..api.pages import read_all
from ..errors import Forbidden, Interrupted, Misconfigured, NotFound, OpenRelayError, Unauthorized
from .declare import Listed, Row
from .history import History
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
        request = Request(method, path, self._parts(caller, path, parts), **keywords)
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
                        self._parts(caller, listed.path, {}),
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

    def _parts(self, caller: Caller, path: str, parts: Mapping[str, str]) -> dict[str, str]:
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
