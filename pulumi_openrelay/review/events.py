"""The engine's events of a preview as a plan.

The engine has already blinded what it knows to be secret; here that becomes a mark, and so does a
value that is unknown until the plan is applied.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pulumi.automation.events import OpType

from .plan import GRAVITY, Action, Change, Mark, Plan, State, Step

if TYPE_CHECKING:
    from pulumi.automation.events import EngineEvent, StepEventMetadata, StepEventStateMetadata

STACK = "pulumi:pulumi:Stack"
# How the engine marks a secret, and a value that is not known yet, in its events.
SECRET_KEY = "4dabf18193072939515e22adb298388d"  # noqa: S105 - a public mark
UNKNOWN_VALUES = frozenset(
    {
        "04da6b54-80e4-46f7-96ec-b56ff0331ba9",
        "output<string>",
        "[unknown]",
    }
)

_ACTIONS = {
    "replace": Action.REPLACE,
    "create-replacement": Action.REPLACE,
    "read-replacement": Action.REPLACE,
    "import-replacement": Action.REPLACE,
    "delete": Action.DELETE,
    "create": Action.CREATE,
    "import": Action.UPDATE,  # of the record alone
    "update": Action.UPDATE,
    "same": Action.SAME,
    "read": Action.SAME,
    "discard": Action.SAME,  # of one that was only read
    "refresh": Action.SAME,
}
_ENDS_REPLACED = "delete-replaced"
_ENDS_READ = "discard-replaced"
# What the engine names where it replaces a resource by itself.
_NO_PROPERTY = "id"
_READS = frozenset({"read", "read-replacement", "discard"})


def read(events: Iterable[EngineEvent]) -> Plan:
    """The plan that the events of one preview tell.

    Each resource is told of several times: a replacement is a create, a replace and a delete.
    """
    told: dict[str, _Told] = {}
    refreshed: dict[str, _Told] = {}
    ended: list[StepEventMetadata] = []
    outputs: dict[str, Any] = {}
    for event in events:
        begun, done = event.resource_pre_event, event.res_outputs_event
        if begun is not None and begun.metadata.op.value in (_ENDS_REPLACED, _ENDS_READ):
            if not begun.metadata.type.startswith("pulumi:"):
                ended.append(begun.metadata)
        elif begun is not None and begun.metadata.op is not OpType.REFRESH:
            _file(told, begun.metadata)
        elif done is not None and done.metadata.op is OpType.REFRESH:
            _file(refreshed, done.metadata)
        elif done is not None and done.metadata.type == STACK and done.metadata.new is not None:
            outputs = _properties(done.metadata.new.outputs)
    leftover = list(_leftover(told.values(), ended))
    steps = [_step(urn, each, each.action) for urn, each in told.items()]
    drifted = [_drift(urn, each) for urn, each in refreshed.items()]
    return Plan(
        _sorted([*steps, *leftover]),
        _sorted(step for step in drifted if step.changes or step.action is Action.DELETE),
        outputs,
    )


def _sorted(steps: Iterable[Step]) -> tuple[Step, ...]:
    return tuple(sorted(steps, key=lambda step: (GRAVITY[step.action], step.name, step.urn)))


def _file(told: dict[str, _Told], metadata: StepEventMetadata) -> None:
    if not metadata.type.startswith("pulumi:"):
        told.setdefault(metadata.urn, _Told()).add(metadata)


def _drift(urn: str, told: _Told) -> Step:
    """What a refresh found of one resource: changed, or gone."""
    return _step(urn, told, Action.DELETE if told.after is None else Action.UPDATE)


def _leftover(told: Iterable[_Told], ended: Iterable[StepEventMetadata]) -> Iterator[Step]:
    """What is deleted because an earlier update replaced it. What this one replaces is filed at
    what replaces it, which may have another URN: it was renamed with an alias."""
    places = {(each.before.urn, each.before.id): each for each in told if each.before}
    for metadata in ended:
        state = _state(metadata.old)
        place = places.get((state.urn, state.id)) if state else None
        if metadata.op.value == _ENDS_READ:
            if place is not None:
                place.was_read = True
        elif state and (place is None or place.action is not Action.REPLACE):
            yield Step(metadata.urn, metadata.type, Action.DELETE, (), state, None, leftover=True)


@dataclass(slots=True)
class _Told:
    """All that the engine said of one resource, but for the deletion of what it replaces.
    was_read: that was only read, and goes on as it is."""

    type: str = ""
    ops: set[str] = field(default_factory=set)
    forced_by: set[str] = field(default_factory=set)
    differing: set[str] = field(default_factory=set)
    before: State | None = None
    after: State | None = None
    was_read: bool = False

    def add(self, metadata: StepEventMetadata) -> None:
        self.type = metadata.type
        self.ops.add(metadata.op.value)
        self.forced_by.update(name for name in metadata.keys or () if name != _NO_PROPERTY)
        self.differing.update(metadata.diffs or ())
        self.differing.update(_top(path) for path in metadata.detailed_diff or ())
        self.before = _state(metadata.old) or self.before
        self.after = _state(metadata.new) or self.after

    @property
    def action(self) -> Action:
        """The gravest; one that was only read is not replaced."""
        if self.was_read and "read-replacement" in self.ops:
            return Action.SAME
        if self.was_read and "create-replacement" in self.ops:
            return Action.CREATE
        return min((_ACTIONS.get(op, Action.UPDATE) for op in self.ops), key=GRAVITY.__getitem__)


def _step(urn: str, told: _Told, action: Action) -> Step:
    before = None if told.was_read and action is Action.CREATE else told.before
    names = {name for name in told.forced_by | told.differing if not name.startswith("__")}
    changes = [
        Change(name, _value(before, name), _value(told.after, name), name in told.forced_by)
        for name in names
    ]
    changes.sort(key=lambda change: (not change.forces, change.property))
    # What a read one replaces, and nobody only read before, ends.
    foreign = told.ops <= (_READS | {"replace"} if told.was_read else _READS)
    return Step(urn, told.type, action, tuple(changes), before, told.after, foreign=foreign)


def _top(path: str) -> str:
    """The property that a path such as `ssh_key_ids[0]` leads into."""
    return path.partition("[")[0].partition(".")[0] or path


def _value(state: State | None, name: str) -> Any:
    return None if state is None else state.value(name)


def _state(state: StepEventStateMetadata | None) -> State | None:
    if state is None:
        return None
    return State(
        urn=state.urn,
        id=state.id or "",
        inputs=_properties(state.inputs),
        outputs=_properties(state.outputs),
        stays_when_deleted=bool(state.retain_on_delete),
        tainted=bool(getattr(state, "taint", None)),  # older SDKs do not tell
    )


def _properties(bag: Mapping[str, Any] | None) -> dict[str, Any]:
    return {name: marked(value) for name, value in (bag or {}).items() if name != "__provider"}


def marked(value: Any) -> Any:
    """The value with marks where the engine hid, or did not know, a part of it."""
    if isinstance(value, Mapping):
        if SECRET_KEY in value:
            return Mark.SECRET
        return {str(key): marked(item) for key, item in value.items()}
    if isinstance(value, list):
        return [marked(item) for item in value]
    if value == "[secret]":
        return Mark.SECRET
    if isinstance(value, str) and value in UNKNOWN_VALUES:
        return Mark.UNKNOWN
    return value
