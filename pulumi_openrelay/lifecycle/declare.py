"""How the API carries a resource out: its paths, its states, its calls for a change.

A resource is one file with two halves. The class that users see (`Resource`) names the properties
and what a change of each does; the Kind beside it names the requests. What neither can say is a
method of the Kind that overrides one of those below.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache, partial
from types import NoneType, UnionType
from typing import (
    TYPE_CHECKING,
    Any,
    ClassVar,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from ..api.pages import Pages
from ..errors import OpenRelayError
from .fields import NAME, Field, Role
from .service import SERVICES, Service

if TYPE_CHECKING:
    from ..caller import Caller
    from .remote import Remote
    from .session import Session

Inputs = Mapping[str, Any]
Row = Mapping[str, Any]
Rows = Mapping[str, Row]
Catalog = Mapping[str, Any]
Step = Callable[[Any, "Remote"], None]
Reader = Callable[[Any], Any]
S = TypeVar("S", bound=Step)

KINDS: dict[str, Kind] = {}
"""Every kind by its token, such as `openrelay:Vm`. Importing `resources` and `relay` fills it."""
ACTIONS: dict[str, Kind] = {}
"""The kinds of what is done rather than made: no API has them, and only the state knows of them."""


@dataclass(frozen=True, slots=True)
class Listed:
    """Where a list is read. pages: None for a plain array of all there is.

    key: where a row has its id. missing: what a 404 means here, for an API that not every
    organization has.
    """

    path: str
    pages: Pages | None = None
    query: tuple[tuple[str, str], ...] = ()
    key: str = "id"
    missing: str | None = None


@dataclass(frozen=True, slots=True)
class Telling:
    """What another list tells of things of a kind, and their own does not: a refresh reads that
    list once, and asks about none of which it says what is recorded.

    listed: the other list. of: whether it may tell of one that has these recorded outputs. tell:
    from the rows of the things' own list and of the other, what `Kind.actual` would say of each, by
    id; of those alone of which it is certain.
    """

    listed: Listed
    of: Callable[[Inputs], bool]
    tell: Callable[[Rows, Rows], Rows]


@dataclass(frozen=True, slots=True)
class Create:
    """The request that makes one. idempotent: it takes an Idempotency-Key."""

    path: str
    idempotent: bool = False


@dataclass(frozen=True, slots=True)
class Delete:
    """The request that ends one; repeating it is safe.

    after: the path of a POST that goes before it, and may be refused as done; makes: the status
    that it brings about, which another POST takes back. waits_out: codes of a
    409 that may end by itself, such as a key still held by a dying machine, and for how many
    seconds that is hoped for.
    """

    method: str
    path: str
    after: str | None = None
    makes: str | None = None
    waits_out: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class States:
    """What a status means. A status that is in none of these sets is on its way somewhere.

    starting: it has not served yet. running: it serves. degraded: it serves in part, which nobody
    waits for. stopped: it rests, and bills nothing.
    failed: it does not recover by itself. ended: it is gone for good, though the API may list it
    for ever. ending: it soon will be.
    """

    starting: frozenset[str]
    running: frozenset[str]
    failed: frozenset[str]
    ended: frozenset[str]
    stopped: frozenset[str] = frozenset()
    ending: frozenset[str] = frozenset()
    degraded: frozenset[str] = frozenset()

    @property
    def serving(self) -> frozenset[str]:
        """From one of these on, a machine's disk may hold data."""
        return self.running | self.degraded

    def rests(self, status: str) -> bool:
        """True for a status that is not left without a request."""
        return status in self.stopped or status in self.failed


def in_place(*names: str) -> Callable[[S], S]:
    """Marks a method of a Kind as (a part of) the change of these properties.

    The methods run in the order in which they stand, each only if one of its properties changed.
    """

    def mark(step: S) -> S:
        step.changes = frozenset(names)  # type: ignore[attr-defined]
        return step

    return mark


class Kind:
    """One kind of resource, as the API has it."""

    noun: ClassVar[str]
    """What users call it: "VM", "SSH key"."""
    singleton: ClassVar[bool] = False
    """True for a setting of the account: it is read and set, never made, listed or deleted."""
    acts: ClassVar[bool] = False
    """True for something that is done; its steps leave what came of it in `Remote.shown_once`."""
    listed: ClassVar[Listed]
    create: ClassVar[Create]
    delete: ClassVar[Delete]
    detail: ClassVar[str | None] = None
    """The GET of one of them by id, with more than the list tells; None: the list is all there
    is."""
    tells: ClassVar[str | None] = None
    """A key that every detail must have; an answer without it counts as lost. None: the key of the
    id (`listed.key`)."""
    told_by: ClassVar[Telling | None] = None
    """Another list that may tell what `actual` asks for; None: none does."""
    states: ClassVar[States | None] = None
    """None: it is ready as soon as it is made."""
    create_seconds: ClassVar[float] = 60.0
    """How long a create or update waits by default: `custom_timeouts` win."""
    delete_seconds: ClassVar[float] = 600.0
    catalog: ClassVar[tuple[str, ...]] = ()
    """GETs that tell what is on offer and what it costs; check reads them where it can."""
    bills: ClassVar[bool] = False
    """True for a machine: a leftover costs money."""
    priced_by: ClassVar[frozenset[str]] = frozenset()
    """The inputs that its price hangs on: a change of any other leaves the rate as it is."""
    alike: ClassVar[bool] = False
    """True where a row may tell no name: then its likeness, and what existed before, tell which
    one it is."""
    unique_names: ClassVar[bool] = False
    """True where a create of a name that is taken is refused with a plain 400."""
    adopted_by: ClassVar[str] = "name"
    """The input by which `adopt` knows what to take over, where the kind has `adopt`."""
    anew: ClassVar[str | None] = "name"
    """The input to change for a new one in its place, which tells it from those alike; None: every
    input changes in place."""
    freed_by: ClassVar[str] = "free it there"
    """What lets go of one that something else holds, so that it can be deleted."""
    shown_once: ClassVar[bool] = False
    """True where the create answers with a secret that nothing gives again: a leftover is
    useless."""

    service: ClassVar[Service]
    token: ClassVar[str]
    resource: ClassVar[type[Any]]
    fields: ClassVar[Mapping[str, Field]]
    inputs: ClassVar[frozenset[str]]
    free_texts: ClassVar[tuple[str, ...]]
    secrets: ClassVar[tuple[Field, ...]]
    steps: ClassVar[tuple[tuple[frozenset[str], Step], ...]]

    def __init_subclass__(cls, resource: type[Any] | None = None) -> None:
        super().__init_subclass__()
        if resource is None:
            return  # what several kinds have in common
        cls.resource = resource
        cls.token = resource.token
        cls.service = SERVICES[resource.token.partition(":")[0]]
        cls.fields = resource.fields
        cls.inputs = frozenset(f.name for f in cls.fields.values() if f.is_input)
        cls.free_texts = tuple(f.name for f in cls.fields.values() if f.free_text)
        cls.secrets = tuple(f for f in cls.fields.values() if f.secret)
        cls.steps = tuple(
            (step.changes, step) for step in vars(cls).values() if hasattr(step, "changes")
        )
        changed = frozenset[str]().union(*(names for names, _ in cls.steps))
        updatable = {f.name for f in cls.fields.values() if f.role is Role.UPDATES}
        if changed != updatable:
            raise TypeError(
                f"{cls.__name__}: updates() and @in_place methods do not go together for "
                f"{', '.join(sorted(changed ^ updatable))}"
            )
        (ACTIONS if cls.acts else KINDS)[cls.token] = cls()

    # What a resource may say for itself.

    def problems(self, inputs: Inputs, known: Callable[..., bool]) -> Iterator[tuple[str, str]]:
        """What is wrong with the inputs taken together: (property, reason) pairs.

        known: whether all of these properties are known; in preview a value may be unknown.
        """
        del inputs, known
        return iter(())

    def not_offered(
        self, inputs: Inputs, known: Callable[..., bool], catalog: Catalog
    ) -> Iterator[tuple[str, str]]:
        """What of the inputs the API does not have on offer: (property, reason) pairs.

        catalog: the answers of the kind's `catalog`, by path, those that could be read.
        """
        del inputs, known, catalog
        return iter(())

    def foreseen(self, inputs: Inputs, catalog: Catalog) -> dict[str, Any]:
        """Outputs that are known before anything is made, by property name: preview shows them, and
        policies see them. What is not known is left out."""
        del inputs, catalog
        return {}

    def remarks(self, inputs: Inputs) -> Iterator[str]:
        """What is worth a warning in preview, though the API would take it."""
        del inputs
        return iter(())

    def body(self, inputs: Inputs) -> dict[str, Any]:
        """The body of the create request: every input that it takes, by its wire name."""
        return {
            f.wire: inputs[f.name]
            for f in self.fields.values()
            if f.is_input and f.in_create and inputs.get(f.name) is not None
        }

    def actual(self, remote: Remote) -> dict[str, Any]:
        """Facts that neither list nor detail give, by property name: one request more at most."""
        del remote
        return {}

    def is_told(self, outputs: Inputs) -> bool:
        """Whether another list may tell them of what has these recorded outputs."""
        return self.told_by is not None and self.told_by.of(outputs)

    def priced(self, remote: Remote, now: Inputs) -> dict[str, Any]:
        """What it bills, by property name, where the catalog alone tells. now: all that is known of
        it."""
        del remote, now
        return {}

    def derived(self, row: Row) -> dict[str, Any]:
        """Facts that follow from others, by property name, such as `desired_state` from
        `status`."""
        del row
        return {}

    def asked(self, outputs: Inputs) -> dict[str, Any]:
        """What a program asked for, by property name, where the outputs tell it elsewhere than
        under that name: for one that is imported. outputs: all that is known of it."""
        del outputs
        return {}

    def lives(self, row: Row) -> bool:
        """Whether a row is of one that has not ended: an API may list those for ever."""
        return self.states is None or str(row.get("status")) not in self.states.ended

    def may_have_served(self, row: Row) -> bool:
        """Whether a row may be of a machine that was up once, so that its disk may hold data."""
        return self.states is not None and str(row.get("status")) not in self.states.starting

    def goal(self, inputs: Inputs) -> frozenset[str]:
        """The states in which what the inputs ask for is reached."""
        del inputs
        return self.states.running if self.states else frozenset()

    def waits(self, inputs: Inputs) -> bool:
        """Whether the program wants to wait for the goal."""
        return self.states is not None and inputs.get("wait_for") != "none"

    def lacks(self, row: Row, inputs: Inputs) -> tuple[str, str] | None:
        """What a machine in its goal state still lacks of what the program waits for; None:
        nothing. row: its detail.

        First as a clause for when time is up, "its SSH server had not answered"; then in short,
        for the line of progress: "ssh: booting".
        """
        del row, inputs
        return None

    def needs_detail(self, inputs: Inputs) -> bool:
        """Whether `lacks` looks at something that only the detail tells."""
        del inputs
        return False

    def twin(self, row: Row, inputs: Inputs) -> bool:
        """Whether an existing thing is the one that these inputs describe: by default, by name."""
        return bool(self.called(row) == inputs.get(self.name_key))

    @property
    def of_an_organization(self) -> bool:
        """Whether the API shows it to the keys of one organization alone: to any other it is as if
        it were not there."""
        return not self.singleton and "{org}" in self.listed.path

    @property
    def elsewhere(self) -> str | None:
        """What one does that is another account's than the key's, where the API cannot tell that
        from one that is gone, and it matters; None where it does not."""
        if self.of_an_organization:
            return None
        if self.bills:
            return "goes on billing"
        return "can still be used" if self.shown_once else None

    @property
    def name_key(self) -> str:
        """The input that has the name by which what this resource made is found again."""
        return "name" if "name" in self.fields else NAME

    def called(self, row: Row) -> str | None:
        """That name, as a row tells it."""
        name = row.get("name")
        return name if isinstance(name, str) else None

    def replacing(self, inputs: Inputs) -> dict[str, Any]:
        """The inputs that force a replacement, where they are given, in a form that is equal where
        their change replaces nothing."""
        return {
            f.name: inputs[f.name]
            for f in self.fields.values()
            if f.role is Role.REPLACES and inputs.get(f.name) not in (None, f.absent)
        }

    def look(self, inputs: Inputs) -> dict[str, Any]:
        """What a row tells, by its keys, of what these inputs make, but for its name; without what
        they leave to the API. By default nothing, which any row fits."""
        del inputs
        return {}

    def looks_like(self, row: Row, look: Mapping[str, Any]) -> bool:
        """Whether a row may be of what has this look: what it does not tell fits anything."""
        return all(row.get(name) in (None, value) for name, value in look.items())

    def kept(self, old: Row) -> str | None:
        """Why it must never be changed or deleted, None where it may be.

        old: what is known of it: the recorded outputs, or what was just seen.
        """
        del old
        return None

    def impossible(
        self, old: Row, new: Inputs, updates: Collection[str]
    ) -> Iterator[tuple[str, str]]:
        """Changes that the API refuses as things stand: (property, reason) pairs, told in preview.

        old: the recorded outputs. updates: the properties that would change in place.
        """
        del old, new, updates
        return iter(())

    def contradicts(self, name: str, value: Any, outputs: Inputs) -> bool:
        """Whether what the API tells of one shows that an input which it does not give back is not
        this value, that the program gives. outputs: the recorded ones."""
        del name, value, outputs
        return False

    def lost(self, old: Row, new: Inputs) -> Iterator[str]:
        """What one that is replaced has, and the new one would not: each is worth a warning.

        old: the recorded outputs.
        """
        del old, new
        return iter(())

    def taken_away(self, old: Row, new: Inputs) -> Iterator[str]:
        """What others lose of one that `adopt` takes over, once it is as the program asks: each is
        worth a warning. old: what is known of it."""
        del old, new
        return iter(())

    def deletes_first(self, old: Inputs, new: Inputs) -> bool:
        """Whether the old one must be gone before its replacement can be made."""
        del old, new
        return False

    def is_of_use(self, row: Row) -> bool:
        """Whether one that an earlier attempt left unrecorded can be gone on with: its secret must
        not be lost, and it must not have failed."""
        if self.states is None:
            return not self.shown_once
        lost = self.states.failed | self.states.ended | self.states.ending
        return not self.shown_once and str(row.get("status")) not in lost

    def taken(self, row: Row) -> OpenRelayError:
        """What to say of an existing one that is in the way of making another."""
        adopt = "take it over with adopt=True, " if "adopt" in self.fields else ""
        return OpenRelayError(
            f"one of the name {row.get('name')!r} exists already ({row['id']})",
            f"name the old resource in `aliases` if this one was renamed, {adopt}import it with "
            f"`pulumi-openrelay import` if a run that was cut off made it, or choose another name",
        )

    def set_aside(self, remote: Remote, name: str) -> bool:
        """Give it this name, so that another can have its own, where that is done in place and
        the API allows no two of a name; whether it was done."""
        del remote, name
        return False

    def rate(self, row: Row) -> int | None:
        """US cents an hour that it bills while it runs, None where the API does not say."""
        cents = row.get("pricePerHourCents")
        return cents if isinstance(cents, int) else None

    def surprises(self, row: Row) -> Iterator[str]:
        """What is worth a warning about one that was just made. row: the answer to the create."""
        del row
        return iter(())

    def noticed(self, old: Inputs, now: Inputs) -> Iterator[str]:
        """What is worth a warning about what has changed without this stack. old, now: the outputs
        as they were recorded, and as they are."""
        del old, now
        return iter(())

    def shown(self, row: Row) -> dict[str, Any]:
        """Secrets in the answer to the create that no later answer gives again, by property."""
        del row
        return {}

    def blockers(self, row: Row) -> list[str]:
        """The names of what stands in the way of deleting it, where the list tells."""
        del row
        return []


class AlikeKind(Kind):
    """One whose row may tell no name: its likeness, and what existed before, tell which it is."""

    alike = True
    key_advice: ClassVar[str | None] = None
    """What to do where it cannot be told which API key has made a thing."""

    def nameless(self, inputs: Inputs) -> bool:
        """Whether nothing of what these inputs make can carry a name."""
        del inputs
        return False

    def tells_name(self, row: Row) -> bool:
        """Whether a row tells what would carry the name, be it there or not."""
        return self.called(row) is not None

    def fits(self, row: Row, inputs: Inputs) -> bool:
        """Whether a row is, in everything but its name, what these inputs describe."""
        return self.looks_like(row, self.look(inputs))

    def likeness(self, inputs: Inputs) -> str:
        """The same for all that could be taken for each other: those are made one at a time."""
        del inputs
        return self.token

    def key_of(self, row: Row) -> str | None:
        """The id of the API key that made it, None where a row does not tell."""
        del row
        return None

    def my_key(self, session: Session, caller: Caller) -> str | None:
        """The id of the API key that this run makes things with, None where nobody tells."""
        del session, caller
        return None


def facts(kind: Kind, row: Row) -> dict[str, Any]:
    """What a row tells of the properties, by their names; nothing that it does not tell."""
    told: dict[str, Any] = {}
    for name, wire, read in _readers(kind):
        value = row.get(wire)
        if value is not None and (value := read(value)) is not None:
            told[name] = value
    return told


def made_at(kind: Kind, row: Row) -> float | None:
    """When it was made, in seconds since the epoch, None where the API does not say."""
    return epoch(row.get(kind.service.wire("created_at")))


def epoch(timestamp: Any) -> float | None:
    """A time of an API, RFC 3339, in seconds since the epoch; None where it is none."""
    try:
        moment = datetime.fromisoformat(str(timestamp))
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


@cache
def _readers(kind: Kind) -> list[tuple[str, str, Reader]]:
    """The properties of a kind that a row may tell, with their names on the wire."""
    wire = kind.service.wire
    readable = [field for field in kind.fields.values() if field.readable]
    return [(field.name, field.wire, _reader(field.shape, wire)) for field in readable]


@cache
def _reader(shape: Any, wire: Callable[[str], str]) -> Reader:
    """What reads a value of the wire as its type has it; None for one that does not fit its type.

    The keys of declared objects become ours, those of maps stay. An API in preview may answer
    with another type than it documents: that must not break a program.
    """
    origin, args = get_origin(shape), get_args(shape)
    if origin in (Union, UnionType):
        options = [_reader(option, wire) for option in args if option is not NoneType]
        return options[0] if len(options) == 1 else partial(_first, options)
    if origin in (Sequence, list):
        return partial(_each, _reader(args[0], wire))
    if origin is Mapping:
        return _whole
    if isinstance(shape, type) and issubclass(shape, dict):
        hints = get_type_hints(shape).items()
        return partial(_parts, [(name, wire(name), _reader(hint, wire)) for name, hint in hints])
    return _single


def _first(options: list[Reader], value: Any) -> Any:
    return next((read for option in options if (read := option(value)) is not None), None)


def _each(item: Reader, value: Any) -> Any:
    return [item(each) for each in value] if isinstance(value, list) else None


def _whole(value: Any) -> Any:
    return value if isinstance(value, dict) else None


def _parts(parts: list[tuple[str, str, Reader]], value: Any) -> Any:
    if not isinstance(value, dict):
        return None
    read = {name: reader(value.get(wire)) for name, wire, reader in parts}
    return {name: part for name, part in read.items() if part is not None}


def _single(value: Any) -> Any:
    return None if isinstance(value, (dict, list)) else value
