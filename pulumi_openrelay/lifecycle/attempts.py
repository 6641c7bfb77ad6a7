"""What a create knows of earlier attempts at its resource: which rows are its own, which of them a
state may have recorded, and what becomes of the rest once the new one stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..errors import ApiError, Conflict, Interrupted, OpenRelayError, Rejected
from . import naming
from .declare import made_at
from .fields import OWNER
from .remote import Remote
from .unrecorded import cut_off_elsewhere, may_be_of

if TYPE_CHECKING:
    from .declare import Kind, Row
    from .discreet import DiscreetCall
    from .journal import Note
    from .session import Rows, Session

YOUNG_SECONDS = 24 * 3600.0
"""What has lived for longer may hold data, and is not ended as a leftover."""
MOST_REMEMBERED = 100
"""How many ids of what it was before a resource's record keeps, the latest."""


class Attempts:
    """Those at one resource, on behalf of one create."""

    def __init__(
        self, kind: Kind, session: Session, call: DiscreetCall, inputs: Mapping[str, Any]
    ) -> None:
        self._kind = kind
        self._session = session
        self._call = call
        self._inputs = inputs
        self._owner = str(inputs.get(OWNER))
        self._prefix = naming.prefix(self._owner, call.urn, call.name)
        self._replaced_id = session.history.replaced_id(call.urn)
        self._was = session.history.was(call.urn)
        self._replaced_name = session.history.own_name(call.urn)
        self._earlier = session.journal.read(self._owner, call.urn)
        """What is noted of an earlier create that was cut off."""
        answer = session.history.answered(call.urn)
        self._answer = answer if answer is not None and answer.own else None
        """What a create of this very operation has made, which the engine has not recorded."""
        self._answered = self._answer.id if self._answer is not None else None
        if self._earlier is not None and self._answered == self._earlier.made is not None:
            self._earlier = replace(self._earlier, recorded=False)
        self._organization: str | None = None
        """Whose key this run has, where the service has organizations."""
        self._spent = {self._replaced_id}
        """Ids of what is not what is to be made, though a repeated key may answer with it."""
        self._gone = {self._replaced_id}
        """Ids of what counts as gone, though a list may still show it."""
        self.left: list[Row] = []
        """What earlier attempts made, which is ended once the new one stands: after a
        `--target-replace`, no call has named the recorded one before, and it is one of these."""
        self._spared: list[Row] = []
        """What a state may have recorded of this resource: it is left as it is."""
        self._made_room = False

    def recall(self) -> None:
        """Go by what is noted of an earlier create with a key of this run's organization. What is
        noted of one with another's is told, and kept for a run with that: this one's cannot see
        what it made."""
        if not self._kind.of_an_organization:
            return
        journal, owner, urn = self._session.journal, self._owner, self._call.urn
        self._organization = self._session.organization(self._call)
        note = self._earlier
        if note is not None and note.is_anothers(self._organization):
            journal.write(owner, f"{urn} in {note.organization}", note)
            journal.forget(owner, urn)
            if not note.recorded:
                self._call.warn(cut_off_elsewhere(self._kind, note))
            note = None
        kept = f"{urn} in {self._organization}"
        if note is None and (note := journal.read(owner, kept)) is not None:
            journal.write(owner, urn, note)
            journal.forget(owner, kept)
        self._earlier = note

    @property
    def _replacing(self) -> str:
        """What tells whether another create asked for the same."""
        return naming.digest(self._owner, self._call.urn, self._kind.replacing(self._inputs))

    def _has_my_name(self, row: Row) -> bool:
        if row["id"] == self._answered:
            return True
        named = naming.is_of_resource(self._prefix, str(self._kind.called(row)))
        return named and row["id"] not in self._session.history.anothers(self._call.urn)

    def _is_twin(self, row: Row) -> bool:
        return self._kind.twin(row, self._inputs)

    def _is_young(self, row: Row) -> bool:
        made = made_at(self._kind, row)
        return made is not None and self._api_time() - made < YOUNG_SECONDS

    def _was_never_recorded(self, row: Row) -> bool:
        """Whether it is certain that no state has recorded what has this resource's name: the
        record of what it was last tells all of its ids, and the note of a create that was cut off
        what that has made. Without both, the program may have retained it. The recorded name itself
        a program may have given to another, which no call has named yet: of what has that, only the
        note is certain.

        Of what shows its secret once, another of the same name always takes the place.
        """
        if row["id"] == self._answered:
            return True
        note = self._earlier
        noted = note is not None and (
            row["id"] in note.left or (row["id"] == note.made and not note.recorded)
        )
        if self._was is not None:
            called_alike = self._kind.called(row) == self._replaced_name
            return row["id"] not in self._was and (noted or not called_alike)
        if self._kind.shown_once and self._is_twin(row):
            return True
        if note is None or note.recorded or noted:
            return noted
        return self._may_be_of(replace(note, made=None), row)

    def is_own(self, row: Row) -> bool:
        """Whether it is certain that attempts at this resource have made it, just now, and that no
        state has recorded it."""
        return self._was_never_recorded(row) and self._is_young(row)

    def _may_be_of(self, note: Note, row: Row) -> bool:
        """Whether the create that the note is about may have made it."""
        return may_be_of(self._remote(row["id"]), row, note)

    def ids_before(self, resource_id: str) -> list[str]:
        """What the record of the new one is to tell of what it was before."""
        ids = [*(self._was or ()), *(row["id"] for row in self._spared), self._replaced_id]
        known = [one for one in dict.fromkeys(ids) if one not in (None, resource_id)]
        return known[-MOST_REMEMBERED:]

    def _end_later(self, row: Row) -> None:
        """End what an attempt of this very resource left, once the new one stands, unless a state
        may have recorded it, or it has grown old. Raises OpenRelayError where it may be recorded
        and the program protects it.

        A state restored from a backup makes a recorded machine look like a leftover, and one that
        has lived for a day may hold data.
        """
        if row["id"] in self._spent:
            return
        self._refuse_protected(row)
        self._spent.add(row["id"])
        if not self._was_never_recorded(row):
            self._spared.append(row)
            self._warn_of_spared(row)
        elif self._is_young(row):
            self.left.append(row)
        else:
            self._warn_of_older(row)

    def _end_left(self) -> None:
        """End what earlier attempts left, now that the new one stands."""
        if self.left:
            self._call.deadline = self._call.now() + self._kind.delete_seconds
        while self.left:
            end_left(self._remote(self.left[0]["id"]))
            del self.left[0]

    def _end(self, resource_id: str) -> None:
        self._spent.add(resource_id)
        self._remote(resource_id).ask_to_end()

    def _make_room(self, error: ApiError) -> bool:
        """Whether what earlier attempts left, and what may be why the API refuses the create, was
        got out of the way.

        Where a call has named the recorded one, it is none of these, and they go. Else one of
        them may be it, and only what has the very name of the new one has to give way.
        """
        if self._made_room or not self.left:
            return False
        self._made_room = True
        going = list(self.left)
        if self._replaced_id is None:
            named = not self._kind.create.idempotent and isinstance(error, (Conflict, Rejected))
            going = [row for row in self.left if named and self._is_twin(row)]
            aside = [row for row in going if self._set_aside(row)]
            if aside or not isinstance(error, Conflict):
                return bool(aside)
        for row in going:
            self._remote(row["id"]).end()
            self.left.remove(row)
        return bool(going)

    def _set_aside(self, row: Row) -> bool:
        """Let the recorded one, if it is that, live on under another name until this one
        stands."""
        other = naming.suffix(self._owner, self._call.urn, {}, row["id"])
        return self._kind.set_aside(self._remote(row["id"]), self._prefix + other)

    def _refuse_protected(self, row: Row) -> None:
        """Raise OpenRelayError where the program protects what may be the recorded one."""
        protected = self._inputs.get("deletion_protection") is True
        if not protected or self._replaced_id is not None:
            return
        now = self._remote(row["id"]).find(self._call.now())
        if now is None or not self._kind.lives(now):
            return  # the list lags behind
        raise OpenRelayError(
            f"one of this resource exists already ({self._with_rate(row)}), and "
            f"deletion_protection is on",
            "take back what asks for another, such as --target-replace or replacement_trigger, or "
            "set deletion_protection=False first, which lets it be ended",
        )

    def _warn_of_spared(self, row: Row) -> None:
        advice = "if no state records it, end it unless somebody needs it"
        if self._kind.bills:
            advice = (
                "it goes on billing: if `pulumi-openrelay leftovers` lists it, end it unless "
                "somebody needs it"
            )
        self._call.warn(
            f"another {self._kind.noun} of this resource is left as it is, because a state may "
            f"have recorded it: {self._with_rate(row)}; {advice}"
        )

    def _warn_of_older(self, row: Row) -> None:
        self._call.warn(
            f"an older {self._kind.noun} of this resource is left as it is: "
            f"{self._kind.called(row)} ({self._with_rate(row)}); if no state records it, end it "
            f"unless somebody needs it"
        )

    def _with_rate(self, row: Row) -> str:
        rate = self._kind.rate(row)
        return f"{row['id']}, {rate} cents an hour" if rate is not None else str(row["id"])

    def _up_to_date(self, row: Row) -> Row:
        """It with what the API tells of it alone, where it does: a list may still show as running
        what an earlier run has ended."""
        if self._kind.detail is None:
            return row
        now = self._remote(row["id"]).find(self._call.now())
        return {**row, **now, "id": row["id"]} if now is not None else row

    def _named(self, made: str) -> Row | None:
        """What the API has named as made, as it is now."""
        row = self._remote(made).find(self._call.now())
        return None if row is None else {**row, "id": made}

    def _remote(self, resource_id: str) -> Remote:
        return Remote(self._session, self._kind, self._call, resource_id, new=self._inputs)

    def _rows(self, since: float) -> Rows:
        return self._session.rows(self._call, self._kind.listed, since)[0]

    def _api_time(self) -> float:
        return self._session.client.time(self._call)


def end_left(remote: Remote) -> None:
    """End what an earlier attempt left. What bills nothing and is in use stays, with a warning: its
    users may let go of it only after this."""
    kind, caller = remote.kind, remote.caller
    held = [] if kind.bills else kind.blockers(remote.listed(caller.now()) or {})
    why = f"it is held by {', '.join(held)}"
    try:
        if not held:
            remote.end()
            return
    except Conflict as error:
        if kind.bills:
            raise not_ended(remote.id, error) from error
        why = error.what
    except Interrupted:
        raise
    except OpenRelayError as error:
        raise not_ended(remote.id, error) from error
    caller.warn(
        f"another {kind.noun} of this resource is left as it is: {remote.id} ({why}); if no state "
        f"records it, end it unless somebody needs it"
    )


def not_ended(resource_id: str, error: OpenRelayError) -> OpenRelayError:
    what = f"an earlier one of this resource could not be ended: {resource_id}: {error.what}"
    return OpenRelayError(what, error.advice)
