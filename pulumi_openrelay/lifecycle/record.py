"""What is recorded of a resource next: what the API tells of it, put beside what was recorded.

Nothing here asks or changes anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .declare import facts
from .fields import Role

if TYPE_CHECKING:
    from .declare import Kind, Row

Bag = dict[str, Any]


def all_facts(kind: Kind, row: Row) -> Bag:
    """What a row tells, and what follows from it, by property name."""
    return {**facts(kind, row), **kind.derived(row)}


def merged(kind: Kind, outputs: Bag, row: Row | None, detail: Row) -> Bag:
    """The outputs as they are now: what the detail tells, what only the list tells, and of the
    rest what the program asked for and what the lifecycle itself has put there."""
    fields = kind.fields
    gone = {f.name for f in fields.values() if not f.is_input and f.readable and not f.listed}
    kept = {name: value for name, value in outputs.items() if name not in gone}
    told = all_facts(kind, row) if row is not None else {}
    listed = {name: value for name, value in told.items() if fields[name].listed}
    return {**kept, **new_facts(kind, kept, {**listed, **all_facts(kind, detail)})}


def new_facts(kind: Kind, outputs: Bag, told: Bag) -> Bag:
    """What is told, less what only says the same in another order or with other spaces."""
    return {
        name: outputs[name]
        if name in outputs and kind.fields[name].same(outputs[name], value)
        else value
        for name, value in told.items()
    }


def echo(kind: Kind, old_outputs: Bag, inputs: Bag) -> Bag:
    """The outputs after an update that reads nothing: what was, and what is asked for now."""
    outputs = {**old_outputs, **inputs}
    for field in kind.fields.values():
        if field.is_input and not field.readable and inputs.get(field.name) is None:
            outputs.pop(field.name, None)
    return outputs


def nothing_new(kind: Kind, row: Row, outputs: Bag) -> bool:
    """Whether the outputs have all that a row of the list tells."""
    told, fields = all_facts(kind, row), kind.fields
    return bool(outputs) and all(
        (name in outputs or value is None) and fields[name].same(outputs.get(name), value)
        for name, value in told.items()
    )


def drift(kind: Kind, inputs: Bag, now: Bag) -> Bag:
    """What somebody else changed of what the program asks for, or leaves at its default."""
    drifted: Bag = {}
    for field in kind.fields.values():
        # What changes in one direction only, and has gone further, only a new one could undo:
        # it may hold data. What has not got there was asked for, and is not carried out yet.
        if field.role is not Role.UPDATES or field.replaces_when is not None:
            continue
        if field.readable and now.get(field.name) is not None:
            asked = inputs.get(field.name)
            asked = field.absent if asked is None else asked
            if asked is not None and not field.same(asked, now[field.name]):
                drifted[field.name] = now[field.name]
    return drifted


def without_none(bag: Mapping[str, Any]) -> Bag:
    return {key: value for key, value in bag.items() if value is not None}
