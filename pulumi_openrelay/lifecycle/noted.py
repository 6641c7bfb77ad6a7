"""What this machine has noted of a create of a resource that was cut off, beside its record."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ..errors import OpenRelayError
from . import naming
from .fields import LEFT, ORGANIZATION, OWNER
from .remote import SETTLE_SECONDS, Remote
from .session import OPTIONAL_SECONDS
from .unrecorded import LATEST_SECONDS, called, may_be_unrecorded

if TYPE_CHECKING:
    from .declare import Kind
    from .discreet import DiscreetCall
    from .journal import Note
    from .record import Bag
    from .session import Session


class Noted:
    """The note about a resource that is recorded: what it means for that one, and for what a create
    may have made in its place. outputs: the recorded ones."""

    def __init__(self, kind: Kind, session: Session, call: DiscreetCall) -> None:
        self._kind = kind
        self._session = session
        self._call = call

    def is_recorded(self, resource_id: str, outputs: Bag) -> None:
        """A call has named the record: let go of the note that it settles."""
        note = self._note(outputs)
        # The key of a create may be answered with what was there.
        if note is None or (resource_id in note.before and resource_id != note.made):
            return
        if outputs.get(LEFT):
            # What is still to be ended, no call names to a create.
            owner, left = str(outputs.get(OWNER)), tuple(outputs[LEFT])
            self._session.journal.write(
                owner, self._call.urn, replace(note, left=left, recorded=True)
            )
        else:
            self._forget(outputs)

    def is_ended(self, resource_id: str, outputs: Bag) -> None:
        """The resource is deleted for good: tell what else the note is about, or leave that to the
        end of the stack where a state has recorded it."""
        note = self._beside(resource_id, outputs)
        if note is not None and note.made is not None and note.recorded:
            self._session.history.recorded_beside.add((self._kind.token, note.made))
        elif self._note(outputs) is not None:
            self.warn(resource_id, outputs)
            self._forget(outputs)

    def warn(self, resource_id: str, outputs: Bag) -> None:
        """Warn of what a create that was cut off may have made in place of the recorded one."""
        note = self._beside(resource_id, outputs)
        if note is None:
            return
        made = self._made(note, outputs)
        if made is not None and not made:
            self._forget(outputs)
            return
        which = f": {', '.join(made)}" if made else f": {note.made}" if note.made else ""
        self._call.warn(
            f"an earlier run was cut off while it made another {self._kind.noun} in place of "
            f"{resource_id}{which}; end that one if it is there and nobody needs it"
        )

    def _note(self, outputs: Bag) -> Note | None:
        """What this machine knows of a create of this resource that may not be recorded."""
        note = self._session.journal.read(str(outputs.get(OWNER)), self._call.urn)
        return None if note is None or note.is_anothers(outputs.get(ORGANIZATION)) else note

    def _forget(self, outputs: Bag) -> None:
        self._session.journal.forget(str(outputs.get(OWNER)), self._call.urn)

    def _beside(self, resource_id: str, outputs: Bag) -> Note | None:
        """The note of a create in place of the recorded one, None where there is none; that of a
        setting is about itself."""
        note = None if self._kind.singleton else self._note(outputs)
        if note is None or resource_id not in note.before or resource_id == note.made:
            return None
        return note

    def _made(self, note: Note, outputs: Bag) -> list[str] | None:
        """What the create has made that the note is about: ids, and "perhaps" where only a name
        tells that the program gave, or likeness; None where that cannot be told yet."""
        kind, call = self._kind, self._call
        prefix = naming.prefix(str(outputs.get(OWNER)), call.urn, call.name)
        call.deadline = call.now() + OPTIONAL_SECONDS
        try:
            rows = self._session.rows(call, kind.listed, self._session.read_since(call))[0]
        except OpenRelayError:
            return None
        made: list[str] = []
        not_it = {*note.before, *self._session.history.anothers(call.urn)}
        not_it |= self._session.journal.named(kind.token) - {str(note.made)}
        for row in rows.values():
            if row["id"] in not_it or not kind.lives(row):
                continue
            name = str(kind.called(row))
            if row["id"] == note.made or naming.is_of_resource(prefix, name):
                made.append(row["id"])
                continue
            remote = Remote(self._session, kind, call, row["id"], new={})
            if may_be_unrecorded(remote, row, note):
                made.append(f"perhaps {called(kind, row)}")
        # What one that need not carry a name has made, nothing but the list tells, and it may still
        # do its work.
        late = LATEST_SECONDS if kind.alike and note.made is None else 0.0
        settled = note.last + late + SETTLE_SECONDS < self._session.client.time(call)
        return made if made or settled else None
