"""What an area of the API is made of, and what its handlers are given."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, TypeVar

from .store import Owned, Record
from .wire import Refusal

if TYPE_CHECKING:
    from .access import Organization
    from .contract import Operation
    from .world import World

O = TypeVar("O", bound=Owned)  # noqa: E741


@dataclass(frozen=True, slots=True)
class Call:
    """A request that has been let in: the key is valid, the body fits the document.

    Query values are of the document's types; parameters it does not have are dropped.
    """

    world: World
    operation: Operation
    organization: Organization
    path: Mapping[str, str]
    query: Mapping[str, Any]
    headers: Mapping[str, str]
    body: Any

    def find(self, kind: type[O], noun: str, parameter: str = "id") -> O:
        """The record named in the path; 404 where there is none or another organization's."""
        record = self.world.store.table(kind).get(self.path[parameter])
        if record is None or record.organization_id != self.organization.id:
            raise Refusal(404, f"There is no {noun} {self.path[parameter]}.")
        return record


# A handler returns the JSON body of the operation's first listed status, or None
# for an answer without content.
Handler = Callable[[Call], Any]


@dataclass(frozen=True, slots=True)
class Served:
    """An operation that the emulator serves. `needs` is the permission; None asks for no key."""

    handler: Handler
    needs: str | None


@dataclass(frozen=True, slots=True)
class BehindTheBack:
    """What the control path may do to a kind of record that nobody asked the API for."""

    kind: type[Record]
    change: Callable[[World, Any, dict[str, Any]], None]
    remove: Callable[[World, Any], None]


@dataclass(frozen=True, slots=True)
class Area:
    """One area of the API: its operations, its records and how they move by themselves.

    `steps` carry out the steps of their records' plans: world, record, step, argument.
    `live` names the machines that run or will run, for `/_emulator/world`.
    `stop_machines` stops an organization's machines for lack of balance.
    `enabled` false makes the area's paths 404.
    """

    operations: Mapping[str, Served]
    records: tuple[type[Record], ...] = ()
    steps: Mapping[type[Record], Callable[[World, Any, str, Any], None]] = field(
        default_factory=dict
    )
    behind_the_back: Mapping[str, BehindTheBack] = field(default_factory=dict)
    live: Callable[[World], dict[str, list[dict[str, Any]]]] | None = None
    stop_machines: Callable[[World, str], None] | None = None
    enabled: Callable[[World], bool] = lambda _world: True


def set_fields(_world: World, record: Record, changes: Mapping[str, Any]) -> None:
    """Set a record's fields by name, as drift does; ValueError where there is no such field."""
    names = {f.name for f in fields(record)} - {"id", "plan"}
    if unknown := {*changes} - names:
        raise ValueError(f"There is no {sorted(unknown)} to change; there are {sorted(names)}.")
    for name, value in changes.items():
        setattr(record, name, value)
