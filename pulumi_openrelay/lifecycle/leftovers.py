"""When a stack ends: what it made and no state records.

An operation that was killed before it could record a machine leaves one, and so does a resource
that the program retains: which it is cannot be told, so nothing is ended.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import NotFound
from . import naming
from .declare import KINDS
from .discreet import DiscreetCall
from .remote import Remote, describe
from .unrecorded import cut_off, cut_off_elsewhere, may_be_unrecorded

if TYPE_CHECKING:
    from ..caller import Call
    from .declare import Kind
    from .service import Service
    from .session import Session


def warn_of_leftovers(session: Session, service: Service, call: Call, owner: str) -> None:
    """Warn of machines of a service that this owner's stack made and that are still there.

    Raises OpenRelayError where they cannot be looked for.
    """
    for kind in KINDS.values():
        if kind.bills and kind.service is service:
            _warn(kind, session, call, owner)


def _warn(kind: Kind, session: Session, call: Call, owner: str) -> None:
    notes = session.journal.notes(owner, kind.token)
    whose = session.organization(call) if kind.of_an_organization else None
    for note in notes:
        if note.is_anothers(whose) and not note.recorded:
            call.warn(cut_off_elsewhere(kind, note))
    discreet = DiscreetCall(call, kind)
    try:
        rows, _ = session.rows(call, kind.listed, call.now())
    except NotFound:
        if kind.listed.missing is None:
            raise
        return  # the organization's API has no such machines
    for row in rows.values():
        name = str(kind.called(row))
        if (kind.token, row["id"]) in session.history.ended or not kind.lives(row):
            continue
        remote = Remote(session, kind, discreet, row["id"], new={})
        beside = (kind.token, row["id"]) in session.history.recorded_beside
        if beside or naming.is_of_stack(owner, name):
            call.warn(
                f"this stack made the {kind.noun} {name} ({row['id']}, {describe(row)}), which its "
                f"state does not record any more; end it if no other state does, and nobody needs "
                f"it"
            )
        elif any(may_be_unrecorded(remote, row, note) for note in notes):
            call.warn(cut_off(kind, row))
