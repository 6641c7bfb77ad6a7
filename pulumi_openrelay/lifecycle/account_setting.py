"""The life of a setting of the account: it is read and set, never made, listed or deleted."""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING, Any

from ..errors import OpenRelayError
from . import sentences
from .declare import facts
from .fields import BEFORE, MADE, OWNER, READY, Role
from .journal import Note
from .record import Bag
from .remote import Remote
from .run import Lifecycle
from .sentences import Failed, FailedRecorded

if TYPE_CHECKING:
    from .diff import Changes

SINGLETON = "account"
"""The id of every setting: there is one of its kind."""


class SettingLifecycle(Lifecycle):
    """A create notes what it found, and a delete restores that."""

    def diff(
        self, resource_id: str, old_inputs: Bag, old_outputs: Bag, news: Bag
    ) -> tuple[Changes, bool]:
        try:
            self._claim()
        except OpenRelayError as error:
            said = sentences.not_changed(self.kind.noun, self.call.name, resource_id, error)
            raise Failed(said) from error
        return super().diff(resource_id, old_inputs, old_outputs, news)

    def create(self, inputs: Bag) -> tuple[str, Bag]:
        kind, call = self.kind, self.call
        call.hide(inputs)
        self._set_deadline()
        remote = Remote(self.session, kind, call, SINGLETON, new=inputs, fresh=True)
        mark = secrets.token_hex(4)
        outputs: Bag = {**inputs, MADE: mark, READY: False}
        owner, journal = str(inputs.get(OWNER)), self.session.journal
        noted = journal.read(owner, call.urn) is not None
        try:
            self._claim()
            outputs[BEFORE] = self._found(remote, inputs)
            self.session.history.own(call.urn, SINGLETON, mark)
            self._change(remote, self._not_in_create(inputs))
            return SINGLETON, self._settled(remote, outputs)
        except Exception as error:
            reason = self._reason(error)
            if not remote.sent:
                if not noted:
                    journal.forget(owner, call.urn)
                said = sentences.not_changed(kind.noun, call.name, SINGLETON, reason)
                raise Failed(said) from error
            said = sentences.created(kind.noun, call.name, SINGLETON, reason)
            raise FailedRecorded(said, SINGLETON, outputs, inputs) from error

    def delete(self, resource_id: str, outputs: Bag) -> None:
        kind, call, history = self.kind, self.call, self.session.history
        call.hide(outputs)
        before = outputs.get(BEFORE)
        if history.lives_on(call.urn, resource_id, outputs.get(MADE)):
            fields = kind.fields.values()
            if any(field.role is Role.UPDATES and field.readable for field in fields):
                call.warn(
                    "it was replaced on demand, so that a delete will leave it as it is now: what "
                    "it was before this stack had it is not known any more"
                )
            return
        if before is None:
            call.warn(
                "it is left as it is, because what it was before this stack had it is not known"
            )
            return
        ours = {
            field.name
            for field in kind.fields.values()
            if field.role is Role.UPDATES
            and field.readable
            and outputs.get(field.name) != before.get(field.name)
        }
        if not history.claims_name(call.urn, kind.token, SINGLETON):
            left = "it is left as it is, because another resource of this program sets it"
            if ours:
                was = (f"{name} was {_told(before.get(name))}" for name in sorted(ours))
                left += (
                    f"; a later delete of that one does not put back what was there before this "
                    f"one ({', '.join(was)}): name the old one in `aliases` where one is renamed"
                )
            call.warn(left)
            return
        self._set_deadline()
        remote = Remote(self.session, kind, call, resource_id, new=before, old=outputs)
        try:
            self._change(remote, ours)
        except Exception as error:
            raise Failed(
                sentences.not_deleted(kind.noun, call.name, resource_id, self._reason(error))
            ) from error
        self.session.journal.forget(str(outputs.get(OWNER)), call.urn)

    def _warn_of_note(self, resource_id: str, outputs: Bag) -> None:
        """A note of a setting is about itself: there is no other."""

    def _found(self, remote: Remote, inputs: Bag) -> Bag:
        """How the setting was before this stack touched it: as noted by a create that was cut off,
        else as it is."""
        journal, owner, urn = self.session.journal, str(inputs.get(OWNER)), self.call.urn
        kind, note = self.kind, journal.read(owner, urn)
        if note is None or note.found is None:
            # Not what is derived: a setting that is not set is not restored to a value.
            told, fields = facts(kind, remote.look()), kind.fields
            found = {n: v for n, v in told.items() if fields[n].role is Role.UPDATES}
            now = self.call.time()
            note = Note(kind.token, now, now, found=found)
            journal.write(owner, urn, note)
        return dict(note.found or {})

    def _claim(self) -> None:
        if not self.session.history.claims_name(self.call.urn, self.kind.token, SINGLETON):
            raise OpenRelayError("another resource of this program sets it too", "keep one of them")


def _told(value: Any) -> str:
    return "not set" if value is None else json.dumps(value)
