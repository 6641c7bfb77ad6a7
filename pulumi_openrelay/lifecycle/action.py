"""The life of something done: it exists in the state alone, and a change does it again."""

from __future__ import annotations

import secrets

from ..errors import RETRY, OpenRelayError
from . import sentences
from .diff import diff
from .fields import MADE, NAME, READY, Role
from .record import Bag
from .remote import Remote
from .run import Lifecycle, Reading
from .sentences import Failed


class ActionLifecycle(Lifecycle):
    """A create does it, and so does each change of an input; its outputs tell what came of it.

    What failed is not recorded, so that the next update does it again.
    """

    def create(self, inputs: Bag) -> tuple[str, Bag]:
        doing = {f.name for f in self.kind.fields.values() if f.role is Role.UPDATES}
        done = self._do(inputs, doing)
        return str(inputs[NAME]), {**inputs, **done, MADE: secrets.token_hex(4), READY: True}

    def update(self, resource_id: str, old_inputs: Bag, old_outputs: Bag, inputs: Bag) -> Bag:
        outputs = self.record.echo(old_outputs, inputs)
        changes = diff(self.kind, old_inputs, old_outputs, inputs)
        return {**outputs, **self._do(inputs, set(changes.updates))} if changes.updates else outputs

    def read(self, resource_id: str, inputs: Bag, outputs: Bag) -> Reading | None:
        if outputs:
            return Reading(dict(outputs), dict(inputs), None)
        error = OpenRelayError(
            f"no API knows the {self.kind.noun} {resource_id}", "declare one instead of reading it"
        )
        raise Failed(sentences.not_read(self.kind.noun, self.call.name, error))

    def delete(self, resource_id: str, outputs: Bag) -> None:
        """What was done is done."""

    def _do(self, inputs: Bag, doing: set[str]) -> Bag:
        self.call.hide(inputs)
        self._set_deadline()
        remote = Remote(self.session, self.kind, self.call, str(inputs[NAME]), new=inputs)
        try:
            self._change(remote, doing)
        except Exception as error:
            reason = self._reason(error)
            holds = f"the {self.kind.noun} has not passed"
            if reason.outcome_unknown:
                holds += ", and what it asked for may have been done and billed"
            advice = reason.advice or f"{RETRY} to ask once more"
            said = sentences.sentence(self.kind.noun, self.call.name, reason.what, holds, advice)
            raise Failed(said) from error
        return remote.shown_once
