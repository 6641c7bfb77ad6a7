"""What a change of the program means for what exists: nothing, some calls, or a new one.

The old value of a property is what the program last asked for, as refresh has corrected it; where
the program did not ask, it is what the API gave. A property that only a new machine can change
cannot drift, so that nothing that an API normalizes ever replaces a machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .declare import Kind
from .fields import MADE, OWNER, READY, SERVED, Field, Role
from .unknown import has_unknown

NOTHING: tuple[Any, ...] = (None, [], {})
"""What a create takes for the same: no machine is replaced for one of them in place of another."""


STATUS = "status"
"""Among the properties that only a new one can have: it never came up and has failed, or ended."""


@dataclass(slots=True)
class Changes:
    """The properties that differ, by what that means.

    replaces: only a new one can have them. updates: the API changes them in place. settings: ours
    alone. remarks: what the user should know though nothing is done about it.
    """

    replaces: list[str] = field(default_factory=list)
    updates: list[str] = field(default_factory=list)
    settings: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.replaces or self.updates or self.settings)


def diff(
    kind: Kind,
    old_inputs: Mapping[str, Any],
    old_outputs: Mapping[str, Any],
    new_inputs: Mapping[str, Any],
) -> Changes:
    """The changes from what is recorded to what the program asks for now."""
    changes = Changes()
    for prop in kind.fields.values():
        if prop.is_input:
            _compare(kind, prop, old_inputs, old_outputs, new_inputs, changes)
    stays, changes.remarks = changes.remarks, []
    _mend(kind, old_outputs, new_inputs, changes)
    if changes.replaces:
        changes.remarks.extend(kind.lost(old_outputs, new_inputs))
    else:
        changes.remarks[:0] = stays  # of a new one, none of that holds
        if old_outputs.get(READY) is False and not _failed(kind, old_outputs):
            does = "does what is missing" if kind.states is None else "waits for it"
            changes.remarks.append(f"it was not ready when made or changed: `pulumi up` {does}")
    return changes


def _compare(
    kind: Kind,
    prop: Field,
    old_inputs: Mapping[str, Any],
    old_outputs: Mapping[str, Any],
    new_inputs: Mapping[str, Any],
    changes: Changes,
) -> None:
    name = prop.name
    asked, asks = old_inputs.get(name) is not None, new_inputs.get(name) is not None
    if asked:
        old = old_inputs[name]
    else:
        old = old_outputs.get(name, prop.absent) if prop.readable else prop.absent
    new = new_inputs[name] if asks else prop.absent
    if new is None and prop.readable:
        # What the API would choose is not known, and no guess is worth a machine.
        # What an import has found, no program has given.
        if asked and prop.role is Role.REPLACES and OWNER in old_outputs:
            changes.remarks.append(
                f"{name} is no longer given, so it stays as it is; only a new one would take the "
                f"API's own choice"
            )
        return
    if asks and not asked and not prop.readable and OWNER not in old_outputs:
        if prop.role is not Role.REPLACES:
            return
        told_otherwise = not has_unknown(new) and kind.contradicts(name, new, old_outputs)
        if prop.in_create and not told_otherwise:
            changes.remarks.append(
                f"the API does not give {name} back, so of this imported one it is taken to be as "
                f"the program says"
            )
            return
    if old is None and new is None:
        return
    if prop.role is Role.REPLACES and old in NOTHING and new in NOTHING:
        return
    if None in (old, new) or has_unknown(new) or not prop.same(old, new):
        _sort(prop, old, new, changes)


def _sort(prop: Field, old: Any, new: Any, changes: Changes) -> None:
    if prop.role is Role.SETTING:
        changes.settings.append(prop.name)
    elif prop.role is Role.REPLACES or (
        prop.replaces_when is not None
        and old is not None
        and not has_unknown(new)
        and prop.replaces_when(old, new)
    ):
        changes.replaces.append(prop.name)
    else:
        changes.updates.append(prop.name)


def _failed(kind: Kind, outputs: Mapping[str, Any]) -> bool:
    states = kind.states
    return states is not None and outputs.get("status") in states.failed | states.ended


def _mend(
    kind: Kind,
    old_outputs: Mapping[str, Any],
    new_inputs: Mapping[str, Any],
    changes: Changes,
) -> None:
    """A machine that has failed: one that once served is restarted in place, since its disk may
    hold data; one that never did is replaced."""
    status = old_outputs.get("status")
    if kind.states is None or not _failed(kind, old_outputs):
        return
    why = old_outputs.get("status_reason") or old_outputs.get("ended_reason")
    said = f"its status is {status}" + (f" ({why})" if why else "")
    served = old_outputs.get(SERVED) or MADE not in old_outputs
    if status in kind.states.ended or not served:
        changes.replaces.append(STATUS)
        changes.remarks.append(f"{said}: a new one takes its place")
    elif new_inputs.get("desired_state") != "stopped" and "desired_state" not in changes.updates:
        changes.updates.append("desired_state")
        if not changes.replaces:
            changes.remarks.append(f"{said}: `pulumi up` starts it again, on its own disk")
