"""The life of a setting of the account: it is read and set, never made, listed or deleted."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..errors import OpenRelayError
from . import sentences
from .declare import facts
from .fields import BEFORE, MADE, OWNER, READY, Role
from .journal import Note
from .record import Bag
from .remote import Remote
from .run import Lifecycle, Reading
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
            self.session.history.create(call.urn, SINGLETON, mark)
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

    def read(self, resource_id: str, inputs: Bag, outputs: Bag) -> Reading | None:
        if resource_id != SINGLETON and not outputs:
            error = OpenRelayError(
                f"its id is {SINGLETON!r}, and not {resource_id!r}", "give that one"
            )
            said = sentences.not_read(self.kind.noun, self.call.name, error, recorded=False)
            raise Failed(said)
        return super().read(resource_id, inputs, outputs)

    def update(self, resource_id: str, old_inputs: Bag, old_outputs: Bag, inputs: Bag) -> Bag:
        owner, urn, now = str(inputs.get(OWNER)), self.call.urn, self.call.time()
        found = old_outputs.get(BEFORE)
        note = self.session.journal.read(owner, urn) or Note(self.kind.token, now, now, found=found)
        self._note_asked(note, inputs)
        return super().update(resource_id, old_inputs, old_outputs, inputs)

    def delete(self, resource_id: str, outputs: Bag) -> None:
        kind, call, history = self.kind, self.call, self.session.history
        call.hide(outputs)
        before, fields = outputs.get(BEFORE), kind.fields.values()
        restores = any(field.role is Role.UPDATES and field.readable for field in fields)
        if history.lives_on(call.urn, resource_id, outputs.get(MADE)):
            if restores:
                call.warn(
                    "it was replaced on demand, so that a delete will leave it as it is now: what "
                    "it was before this stack had it is not known any more"
                )
            return
        if before is None:
            if restores:
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
            self._change(remote, {name for name in ours if self._is_ours(remote, name)})
        except Exception as error:
            raise Failed(
                sentences.not_deleted(kind.noun, call.name, resource_id, self._reason(error))
            ) from error
        self.session.journal.forget(str(outputs.get(OWNER)), call.urn)

    def _is_ours(self, remote: Remote, name: str) -> bool:
        """Whether it is as this stack has recorded it, or has asked for when it was cut off, or the
        API does not tell; warns where it is something else than before this stack had it."""
        row = remote.look()
        now, recorded = self.record.facts(row).get(name), remote.recorded.get(name)
        note = self.session.journal.read(str(remote.recorded.get(OWNER)), self.call.urn)
        asked = [one.get(name) for one in note.asked] if note is not None else []
        if now is None or any(self._same(name, now, one) for one in (recorded, *asked)):
            return True
        # Not what is derived: a setting that is not set is not restored to a value.
        if not self._same(name, facts(self.kind, row).get(name), remote.new.get(name)):
            self.call.warn(
                f"{name} is left as it is, {_told(now)}: this stack has recorded "
                f"{_told(recorded)}, so that another may have set it for a reason; before this "
                f"stack had it, it was {_told(remote.new.get(name))}"
            )
        return False

    def _found(self, remote: Remote, inputs: Bag) -> Bag:
        """How the setting was before this stack touched it: as noted by a create that was cut off,
        unless another has set it since; else as it is."""
        note = self.session.journal.read(str(inputs.get(OWNER)), self.call.urn)
        # Not what is derived: a setting that is not set is not restored to a value.
        now = self._part(facts(self.kind, remote.look()))
        asked = (note.asked or (self._part(inputs),)) if note is not None else ()
        if note is None or note.found is None or not self._in(now, note.found, *asked):
            time = self.call.time()
            note = Note(self.kind.token, time, time, found=now)
        self._note_asked(note, inputs)
        return dict(note.found or {})

    def _note_asked(self, note: Note, inputs: Bag) -> None:
        """Note what is about to be asked for, which is this stack's own wherever it shows."""
        asks = self._part(inputs)
        if asks and asks not in note.asked:
            note = replace(note, asked=(*note.asked, asks))
            self.session.journal.write(str(inputs.get(OWNER)), self.call.urn, note)

    def _part(self, bag: Bag) -> Bag:
        """The part of it that is set, and that the API tells."""
        fields = self.kind.fields.values()
        set_ = {field.name for field in fields if field.role is Role.UPDATES and field.readable}
        return {name: value for name, value in bag.items() if name in set_}

    def _in(self, now: Bag, *those: Mapping[str, Any]) -> bool:
        """Whether it is one of those."""
        return any(
            all(self._same(name, now.get(name), one.get(name)) for name in {*now, *one})
            for one in those
        )

    def _same(self, name: str, old: Any, new: Any) -> bool:
        return old == new if None in (old, new) else self.kind.fields[name].same(old, new)

    def _claim(self) -> None:
        if not self.session.history.claims_name(self.call.urn, self.kind.token, SINGLETON):
            raise OpenRelayError("another resource of this program sets it too", "keep one of them")


def _told(value: Any) -> str:
    return "not set" if value is None else json.dumps(value)
