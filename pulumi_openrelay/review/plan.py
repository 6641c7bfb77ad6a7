"""What is to happen to each resource of a stack: typed, sorted, and without any secret.

Two previews of one program over one state give the same plan.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum, StrEnum
from typing import Any

import pulumi_openrelay.relay  # noqa: F401 - registers its kinds

from ..lifecycle.declare import KINDS, Kind
from ..lifecycle.service import DYNAMIC, OPENRELAY
from ..urn import name_of

OWNER = f"{DYNAMIC}openrelay:Owner"


class Mark(Enum):
    """Stands where a value does not: it is secret, or unknown until the plan is applied."""

    SECRET = "[secret]"  # noqa: S105
    UNKNOWN = "[unknown]"


class Action(StrEnum):
    """What is to happen to a resource, the gravest first."""

    REPLACE = "replace"
    DELETE = "delete"
    CREATE = "create"
    UPDATE = "update"
    SAME = "same"


GRAVITY = {action: place for place, action in enumerate(Action)}


@dataclass(frozen=True, slots=True)
class State:
    """A resource before or after the plan.

    urn: not the step's where it was renamed with an alias. id: empty where there is none yet.
    forgotten_with: the name of what it is recorded as deleted with, where that ends in this plan:
    then the engine asks no provider to end it; else empty. tainted: `pulumi state taint` has it
    replaced.
    """

    urn: str
    id: str
    inputs: Mapping[str, Any]
    outputs: Mapping[str, Any]
    stays_when_deleted: bool
    forgotten_with: str = ""
    tainted: bool = False

    def value(self, name: str) -> Any:
        """An input, or where there is none of that name, an output; None where there is neither."""
        value = self.inputs.get(name)
        return self.outputs.get(name) if value is None else value


@dataclass(frozen=True, slots=True)
class Change:
    """A property that differs. before and after: None where it is absent. forces: a new resource
    alone can have it."""

    property: str
    before: Any
    after: Any
    forces: bool


@dataclass(frozen=True)
class Step:
    """What is to happen to one resource.

    leftover: a replaced one that an earlier update was to delete, and did not. foreign: it is only
    read, and no part of the stack.
    """

    urn: str
    type: str
    action: Action
    changes: tuple[Change, ...]
    before: State | None
    after: State | None
    leftover: bool = False
    foreign: bool = False

    @property
    def name(self) -> str:
        """The resource's name in the program."""
        return name_of(self.urn)

    @property
    def noun(self) -> str:
        """What it is, in a reader's words."""
        return self.kind.noun if self.kind else self.type.rsplit(":", 1)[-1]

    @property
    def kind(self) -> Kind | None:
        """The kind, where it is one of this package's own."""
        return KINDS.get(self.type.removeprefix(DYNAMIC))

    @property
    def is_machine(self) -> bool:
        """Whether it is something of the stack that bills by the hour."""
        return self.kind is not None and self.kind.bills and not self.foreign

    @property
    def is_on_balance(self) -> bool:
        """Whether OpenRelay's balance pays for it: Relay has its own credits."""
        return self.kind is not None and self.kind.service is OPENRELAY

    @property
    def stays(self) -> bool:
        """Whether a machine outlives its deletion from the stack: it was taken over from outside,
        the program said so, or it is recorded as deleted with another that ends."""
        before = self.before
        return before is not None and (
            before.stays_when_deleted
            or bool(before.forgotten_with)
            or before.outputs.get("adopted") is True
        )

    @property
    def rests(self) -> bool:
        """Whether a machine runs no more: all that it has is its disk. An unknown state runs."""
        states = self.kind.states if self.kind else None
        if self.before is None or states is None:
            return False
        return str(self.before.outputs.get("status")) in (
            states.stopped | states.failed | states.ended
        )

    @property
    def is_imported(self) -> bool:
        """Whether it exists already, and only enters the stack."""
        return self.before is None and self.action is Action.UPDATE

    @property
    def may_exist(self) -> bool:
        """Whether it is taken over where it exists, and made where it does not."""
        return (
            self.action is Action.CREATE
            and self.after is not None
            and self.after.inputs.get("adopt") is True
        )

    @property
    def is_internal(self) -> bool:
        """Whether it is this package's own record of the stack, and no resource of the user's."""
        return self.type == OWNER

    @property
    def secrets(self) -> tuple[str, ...]:
        """The inputs that hold a secret once this is applied."""
        inputs = self.after.inputs if self.after else {}
        return tuple(sorted(name for name, value in inputs.items() if _has_secret(value)))

    @property
    def forced_by(self) -> tuple[str, ...]:
        """The properties that force a replacement."""
        return tuple(change.property for change in self.changes if change.forces)

    @property
    def ends_something(self) -> bool:
        return self.action in (Action.REPLACE, Action.DELETE)

    @property
    def makes_something(self) -> bool:
        return self.action is Action.CREATE or (
            self.action is Action.REPLACE and self.after is not None
        )


@dataclass(frozen=True)
class Plan:
    """Every resource of the stack, the gravest change first, then by name.

    drifted: what a refresh before the preview found changed, or gone, by another's hand; before is
    the record, after what is there. outputs: the stack's.
    """

    steps: tuple[Step, ...]
    drifted: tuple[Step, ...] = ()
    outputs: Mapping[str, Any] = field(default_factory=dict)

    @property
    def changing(self) -> Iterator[Step]:
        return (step for step in self.steps if step.action is not Action.SAME)

    @property
    def resources(self) -> Iterator[Step]:
        """The user's own."""
        return (step for step in self.steps if not step.is_internal)

    def count(self, action: Action) -> int:
        """How many of the user's resources."""
        return sum(step.action is action for step in self.resources)

    @property
    def machines(self) -> Iterator[Step]:
        return (step for step in self.steps if step.is_machine)

    @property
    def content(self) -> list[dict[str, Any]]:
        """What is to be done, as JSON: the same for the same changes to the same resources,
        whatever else happened meanwhile."""
        return [
            {
                "urn": step.urn,
                "action": step.action,
                "id": step.before.id if step.before else None,
                "forced_by": step.forced_by,
                "before": _unmarked(step.before.inputs) if step.before else None,
                "after": _unmarked(step.after.inputs) if step.after else None,
                # What tells how much ends with it, beside the inputs.
                "ends": [step.stays, step.rests] if step.ends_something else None,
            }
            for step in self.changing
        ]


def forget(plan: Plan, deleted_with: Mapping[tuple[str, str], str]) -> Plan:
    """The plan, with what the engine only forgets. deleted_with: the URN of what a resource is
    deleted with, by its own type and id, as recorded: what the program says by now comes too
    late."""
    ended = {step.before.urn for step in plan.steps if step.before and step.ends_something}

    def forgotten(step: Step) -> Step:
        before = step.before
        urn = deleted_with.get((step.type, before.id), "") if before else ""
        if before is None or not step.ends_something or urn not in ended:
            return step
        return replace(step, before=replace(before, forgotten_with=name_of(urn)))

    return replace(plan, steps=tuple(map(forgotten, plan.steps)))


def _has_secret(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(map(_has_secret, value.values()))
    if isinstance(value, list):
        return any(map(_has_secret, value))
    return value is Mark.SECRET


def _unmarked(value: Any) -> Any:
    if isinstance(value, Mark):
        return {"mark": value.value}
    if isinstance(value, Mapping):
        return {key: _unmarked(item) for key, item in value.items()}
    return [_unmarked(item) for item in value] if isinstance(value, list) else value
