"""What is recorded of a resource next: what the API tells of it, put beside what was recorded.

Nothing here asks or changes anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from . import naming
from .declare import facts
from .fields import NAME, OWNER, Role

if TYPE_CHECKING:
    from .declare import Kind, Row
    from .discreet import DiscreetCall

Bag = dict[str, Any]


class Record:
    """The record of a resource of a kind. call: it knows what must not be said."""

    def __init__(self, kind: Kind, call: DiscreetCall) -> None:
        self.kind = kind
        self._call = call

    def facts(self, row: Row) -> Bag:
        """What a row tells, and what follows from it, by property name; no secret in free text, be
        it one that this very row tells."""
        self._call.hide_told(row)
        return self.clean({**facts(self.kind, row), **self.kind.derived(row)})

    def clean(self, told: Bag) -> Bag:
        """The same without secrets in free text."""
        texts = {
            name: self._call.without_secrets(told[name])
            for name in self.kind.free_texts
            if isinstance(told.get(name), str)
        }
        return {**told, **texts}

    def merged(self, outputs: Bag, row: Row | None, detail: Row) -> Bag:
        """The outputs as they are now: what the detail tells, what only the list tells, and of the
        rest what the program asked for and what the lifecycle itself has put there."""
        fields = self.kind.fields
        gone = {f.name for f in fields.values() if not f.is_input and f.readable and not f.listed}
        kept = {name: value for name, value in outputs.items() if name not in gone}
        told = self.facts(row) if row is not None else {}
        listed = {name: value for name, value in told.items() if fields[name].listed}
        return {**kept, **self.news(kept, {**listed, **self.facts(detail)})}

    def news(self, outputs: Bag, told: Bag) -> Bag:
        """What is told, less what only says the same in another order or with other spaces."""
        return {
            name: outputs[name]
            if name in outputs and self.kind.fields[name].same(outputs[name], value)
            else value
            for name, value in told.items()
        }

    def echo(self, old_outputs: Bag, inputs: Bag) -> Bag:
        """The outputs after an update that reads nothing: what was, and what is asked for now."""
        fields = self.kind.fields
        asked = {n: v for n, v in inputs.items() if n not in fields or fields[n].is_input}
        outputs = {**old_outputs, **asked}  # and not what check has foreseen
        for field in fields.values():
            if field.is_input and not field.readable and inputs.get(field.name) is None:
                outputs.pop(field.name, None)
        return outputs

    def nothing_new(self, row: Row, outputs: Bag) -> bool:
        """Whether the outputs have all that a row of the list tells."""
        return bool(outputs) and self.says_the_same(self.facts(row), outputs)

    def says_the_same(self, told: Mapping[str, Any], outputs: Mapping[str, Any]) -> bool:
        """Whether the outputs have all that is told."""
        fields = self.kind.fields
        return all(
            (name in outputs or value is None) and fields[name].same(outputs.get(name), value)
            for name, value in told.items()
        )

    def drift(self, inputs: Bag, now: Bag) -> Bag:
        """What somebody else changed of what the program asks for, or leaves at its default."""
        drifted: Bag = {}
        for field in self.kind.fields.values():
            # What changes in one direction only, and has gone further, only a new one could undo:
            # it may hold data. What has not got there was asked for, and is not carried out yet.
            if field.role is not Role.UPDATES or field.replaces_when is not None:
                continue
            if field.readable and now.get(field.name) is not None:
                asked = inputs.get(field.name)
                asked = field.absent if asked is None else asked
                if asked is not None and not field.same(asked, now[field.name]):
                    drifted[field.name] = now[field.name]
                    if field.name == self.kind.name_key and self._chosen(inputs, now):
                        drifted[NAME] = asked
        return drifted

    def _chosen(self, inputs: Bag, now: Bag) -> bool:
        """Whether this stack chose the name that is asked for, and another hand the one that it has
        now: no program says what it was."""
        owner, key = str(inputs.get(OWNER)), self.kind.name_key
        names = str(inputs.get(key)), str(now[key])
        ours, as_it_is = (naming.is_of_stack(owner, name) for name in names)
        return ours and not as_it_is


def without_none(bag: Mapping[str, Any]) -> Bag:
    return {key: value for key, value in bag.items() if value is not None}
