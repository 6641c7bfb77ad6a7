"""What an area of an API is made of, and what its handlers are given."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from .json_values import fits
from .store import Owned, Record
from .wire import Answer, Refusal

if TYPE_CHECKING:
    from .control_plane import ControlPlane
    from .operation import Operation


class Caller(Protocol):
    """Who sent a request; `owner_id` is whose records it is about."""

    @property
    def owner_id(self) -> str: ...


O = TypeVar("O", bound=Owned)  # noqa: E741
P = TypeVar("P", bound="ControlPlane")
C = TypeVar("C", bound=Caller)


@dataclass(frozen=True, slots=True)
class AdmittedRequest(Generic[P, C]):
    """A request that has been let in: its caller is known, the body fits the document.

    Query values are of the document's types; parameters it does not have are dropped.
    `content` is the body as it came, `body` the JSON value of it, where JSON is asked for.
    `waited` is whether the caller has been kept waiting already, by NotYet.
    """

    world: P
    operation: Operation
    caller: C
    path: Mapping[str, str]
    query: Mapping[str, Any]
    headers: Mapping[str, str]
    content: bytes
    body: Any
    waited: bool

    def find(self, kind: type[O], noun: str, parameter: str = "id", code: str | None = None) -> O:
        """The record named in the path; 404 where there is none or another owner's."""
        record = self.world.store.table(kind).get(self.path[parameter])
        if record is None or record.owner_id != self.caller.owner_id:
            raise Refusal(404, f"There is no {noun} {self.path[parameter]}.", code)
        return record


# A handler returns the JSON body of the operation's first listed status, or None
# for an answer without content; or a whole answer, where it is another one.
Handler = Callable[[Any], Any | Answer]


@dataclass(frozen=True, slots=True)
class Served:
    """An operation that the emulator serves.

    `needs` is what the service asks of the caller, in the service's own terms; None asks
    for no key.
    """

    handler: Handler
    needs: str | None


@dataclass(frozen=True, slots=True)
class BehindTheBack:
    """What the control path may do to a kind of record that nobody asked the API for."""

    kind: type[Record]
    change: Callable[[Any, Any, dict[str, Any]], None]
    remove: Callable[[Any, Any], None]


@dataclass(frozen=True, slots=True)
class Lever:
    """What the control path shows and takes among the settings, though it is none.

    `check` raises ValueError for a wrong value and returns what sets a right one.
    """

    read: Callable[[Any], Any]
    check: Callable[[Any, Any], Callable[[], object]]


@dataclass(frozen=True, slots=True)
class Area:
    """One area of an API: its operations, its records and how they move by themselves.

    What is called here is given the world first. `steps` carry out the steps of their
    records' plans: world, record, step, argument. `live` names the machines that run or
    will run, `shown` what else there is, for `/_emulator/world`. `control` are further
    requests of the control path, by method and path. `stop_machines` stops an owner's
    machines for lack of balance. `enabled` false makes the area's paths 404.
    """

    operations: Mapping[str, Served]
    records: tuple[type[Record], ...] = ()
    steps: Mapping[type[Record], Callable[[Any, Any, str, Any], None]] = field(default_factory=dict)
    behind_the_back: Mapping[str, BehindTheBack] = field(default_factory=dict)
    levers: Mapping[str, Lever] = field(default_factory=dict)
    control: Mapping[tuple[str, str], Callable[[Any, dict[str, Any]], Any]] = field(
        default_factory=dict
    )
    live: Callable[[Any], dict[str, list[dict[str, Any]]]] | None = None
    shown: Callable[[Any], dict[str, list[dict[str, Any]]]] | None = None
    stop_machines: Callable[[Any, str], None] | None = None
    enabled: Callable[[Any], bool] = lambda _world: True


def check_fields(kind: type[Record], changes: Mapping[str, Any]) -> None:
    """ValueError where a kind of record has no such field to change, or one of another type."""
    types = {f.name: str(f.type) for f in fields(kind) if f.name not in ("id", "plan")}
    if unknown := {*changes} - {*types}:
        raise ValueError(f"There is no {sorted(unknown)} to change; there are {sorted(types)}.")
    for name, value in changes.items():
        if not fits(value, types[name]):
            raise ValueError(f"{name} cannot be {value!r}: it is of type {types[name]}.")


def set_fields(_world: ControlPlane, record: Record, changes: Mapping[str, Any]) -> None:
    """Set a record's fields by name, as drift does; they have been checked."""
    for name, value in changes.items():
        setattr(record, name, value)
