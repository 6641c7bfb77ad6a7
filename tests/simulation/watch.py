"""What no request may do, watched while a story is told; the first that does it ends the story."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

import pulumi_openrelay.relay  # noqa: F401 - registers the kinds
from pulumi_openrelay.api.transport import WireAnswer, WireRequest
from pulumi_openrelay.lifecycle.declare import KINDS

LEAK = "leak"
DUPLICATE = "duplicate"
LOST = "recorded and gone"
TOUCHED = "another's touched"
ENDED = "recorded, and ended by guess"
REPEATED = "create repeated blindly"
UNDERCUT = "Retry-After undercut"
UNRECORDED = "named by the API and not recorded"
BY_HAND = "left to a person"
UNSETTLED = "no convergence"
UNRESTORED = "a setting of the account not restored"

CREATES = {
    kind.create.path.rpartition("}")[2]: kind.listed.key
    for kind in KINDS.values()
    if not kind.singleton and not kind.acts
}
"""How the paths of creates end, and where their answers have the id."""


ENDS = {
    "POST": re.compile(r"/(?:vms|clusters|instances)/([^/]+)/terminate$"),
    "DELETE": re.compile(r"/(?:orgs/[^/]+/ssh-keys|webhooks|customer/keys)/([^/]+)$"),
}
"""The paths of requests that end something, by method."""


class Broken(AssertionError):
    """An invariant does not hold. kind: which."""

    def __init__(self, kind: str, what: str) -> None:
        super().__init__(f"{kind}: {what}")
        self.kind = kind


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sends a request: a process of a stack's owner, about a resource."""

    process: object
    owner: str
    urn: str


@dataclass(frozen=True, slots=True)
class Sent:
    """A request under way. moment: when it was sent. doubted, key: of the resource's creates before
    it."""

    sender: Sender
    request: WireRequest
    path: str
    moment: int
    doubted: int | None
    key: str | None

    @property
    def creates(self) -> bool:
        """Whether it is to make something."""
        return self._id_key is not None

    @property
    def has_key(self) -> bool:
        """Whether the API knows it again."""
        return "idempotency-key" in self.request.headers

    def ids(self, status: int, body: bytes) -> list[str]:
        """The id that an answer names as made, if it does."""
        if self._id_key is None or status >= 300 or not _is_whole(body):
            return []
        answer = json.loads(body)
        made = answer.get(self._id_key) if isinstance(answer, dict) else None
        return [] if made is None else [str(made)]

    @property
    def _id_key(self) -> str | None:
        if self.request.method != "POST":
            return None
        return next((key for end, key in CREATES.items() if self.path.endswith(end)), None)


@dataclass(slots=True)
class _Creates:
    """What is known of the creates of one resource of one owner. Moments are numbers that grow."""

    doubted: int | None = None
    """Since when it is not known what became of the latest."""
    key: str | None = None
    """The idempotency key of that one."""
    replaces: str | None = None
    """The id that the engine's call is to replace, None for none."""
    there: frozenset[str] = frozenset()
    """The ids of all that there was when the engine's call began."""
    named: set[str] = field(default_factory=set)
    """The ids that the API has answered with since."""


class Watch:
    """The eyes on one story. stop: ends it with what is broken. alive: the ids of all that is
    there."""

    def __init__(
        self, stop: Callable[[Broken], None], alive: Callable[[], Collection[str]]
    ) -> None:
        self._stop = stop
        self._alive = alive
        self._now = 0
        self.strangers: Collection[str] = ()
        self.may_end: Callable[[object, str], bool] = lambda _process, _thing: True
        """Whether the plugin in a process may ask for the end of a thing."""
        self._made: dict[str, str] = {}
        """Who made what, by id."""
        self._ended: set[str] = set()
        """What the API was asked to end, and said that it does."""
        self._done: dict[int, int] = {}
        """When the API has carried a request out, by the moment at which it was sent."""
        self._creates: dict[tuple[str, str], _Creates] = {}
        self._looked: dict[tuple[object, str], int] = {}
        """When the API told each process each list as it was last read."""
        self._keys: dict[tuple[object, ...], str] = {}
        """The first key that an owner, a resource, its body and the state have given."""
        self._firsts: set[tuple[object, str]] = set()

    # Requests

    def sends(self, sender: Sender, request: WireRequest) -> Sent:
        """A request is about to be sent."""
        self._now += 1
        path = urlsplit(request.url).path
        creates = self._of(sender)
        sent = Sent(sender, request, path, self._now, creates.doubted, creates.key)
        if not request.only_reads:
            self._look_whose(sender, request, path)
            self._look_what_ends(sender, request, path)
            if sent.creates:
                self._look_at_create(sent, creates)
        return sent

    def _look_whose(self, sender: Sender, request: WireRequest, path: str) -> None:
        for part in path.split("/"):
            thing = unquote(part)
            whose = "a stranger" if thing in self.strangers else self._made.get(thing)
            if whose not in (None, sender.owner):
                said = f"{sender.owner} sent {request.method} {path}, and that is {whose}'s"
                self._stop(Broken(TOUCHED, said))

    def _look_what_ends(self, sender: Sender, request: WireRequest, path: str) -> None:
        found = ENDS[request.method].search(path) if request.method in ENDS else None
        if found is not None and not self.may_end(sender.process, unquote(found[1])):
            said = f"{sender.urn}: {request.method} {path}, and no delete asks for that"
            self._stop(Broken(ENDED, said))

    def _look_at_create(self, sent: Sent, creates: _Creates) -> None:
        sender, key = sent.sender, sent.request.headers.get("idempotency-key")
        looked = self._looked.get((sender.process, sent.path.removesuffix("/create")))
        repeats = creates.doubted is not None and (key is None or key != creates.key)
        unseen = looked is None or looked < (creates.doubted or 0)
        if unseen and (repeats or key is None):
            said = f"{sender.urn} was created with no look for an earlier one, and the key {key}"
            self._stop(Broken(REPEATED, said))
        if key is not None and (sender.process, sender.urn) not in self._firsts:
            self._firsts.add((sender.process, sender.urn))
            asked = sender.owner, sender.urn, creates.replaces, sent.request.body
            if self._keys.setdefault(asked, key) != key:
                said = f"{sender.urn}: the same program and state have given another key"
                self._stop(Broken(REPEATED, said))
        creates.doubted, creates.key = self._now, key

    def carried_out(self, sent: Sent, status: int, body: bytes) -> None:
        """The API has done the work, whether or not anybody hears of it: whoever looks from now on
        can see it."""
        self._now += 1
        self._done[sent.moment] = self._now
        if sent.creates and self._of(sent.sender).doubted is not None:
            self._of(sent.sender).doubted = self._now
        for made in sent.ids(status, body):
            self._made.setdefault(made, sent.sender.owner)

    def ends(self, sent: Sent, answer: WireAnswer | None, *, reached: bool) -> None:
        """Its sender has the answer, None for none. reached: False where it was never sent."""
        if sent.request.only_reads:
            if answer is not None and answer.status < 300 and _is_whole(answer.body):
                self._looked[sent.sender.process, sent.path] = self._done[sent.moment]
            return
        if answer is not None and (answer.status < 300 or answer.status == 404):
            ends = sent.request.method == "DELETE" or sent.path.endswith("/terminate")
            self._ended.update(unquote(part) for part in sent.path.split("/") if ends)
        if not sent.creates:
            return
        creates = self._of(sent.sender)
        ids = [] if answer is None else sent.ids(answer.status, answer.body)
        if ids:
            creates.doubted = None
            creates.named.update(ids)
        elif not reached or (answer is not None and _refuses(answer)):
            creates.doubted, creates.key = sent.doubted, sent.key
        elif sent.moment not in self._done:
            self._now += 1
            creates.doubted = self._now

    # The engine's calls

    def begins(self, owner: str, urn: str, replaces: str | None) -> None:
        """A create of a resource begins. replaces: the id that it is to replace."""
        creates = self._creates.setdefault((owner, urn), _Creates())
        creates.replaces = replaces
        creates.there = frozenset(self._alive())
        creates.named.clear()

    def fails(self, owner: str, urn: str) -> None:
        """It has failed, and nothing new is recorded."""
        creates = self._creates[owner, urn]
        named = creates.named - creates.there - self._ended
        lost = named & {*self._alive()} if named else named
        if lost:
            said = f"{urn}: the create that failed has made {', '.join(sorted(lost))}"
            self._stop(Broken(UNRECORDED, said))

    def _of(self, sender: Sender) -> _Creates:
        return self._creates.setdefault((sender.owner, sender.urn), _Creates())


def _refuses(answer: WireAnswer) -> bool:
    """Whether an answer says that no work was done."""
    return 300 <= answer.status < 500 or b"CAPACITY" in answer.body or b"UNAVAIL" in answer.body


def _is_whole(body: bytes) -> bool:
    return body[:1] in (b"{", b"[") and body[-1:] in (b"}", b"]")
