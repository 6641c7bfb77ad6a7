"""What a create that was cut off may have made, as its note and a row of the list tell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import Interrupted, OpenRelayError
from .remote import describe

if TYPE_CHECKING:
    from .declare import Kind, Row
    from .journal import Note
    from .remote import Remote

LATEST_SECONDS = 600.0
"""How long after it was sent a create may still do its work."""
CLOCK_SECONDS = 5.0
"""How much earlier than it was sent a create may look to have done its work: an API's clocks
differ, and each tells whole seconds."""

TELLING_SECONDS = 1.0
"""How exactly an API's clock is known, where nothing but a time is proof."""


def may_be_of(remote: Remote, row: Row, note: Note, *, untold: bool = False) -> bool:
    """Whether the create that the note is about may have made it, the remote of this row. untold:
    what holds where the API does not tell when it was made."""
    if note.made is not None or note.found is not None:
        return bool(row["id"] == note.made)
    if row["id"] in note.before or not remote.kind.looks_like(row, note.look or {}):
        return False
    made = remote.made_at(row)
    if made is None:
        return untold
    return note.first - CLOCK_SECONDS <= made <= note.last + LATEST_SECONDS


def may_be_unrecorded(remote: Remote, row: Row, note: Note) -> bool:
    """The same of what no state is known to have recorded, for a warning: what cannot be told may
    be. A thing that must have a name has the one that was asked for, which another's may have
    too."""
    kind = remote.kind
    of_the_name = note.name is not None and note.name == kind.called(row)
    told = kind.alike or note.made is not None or of_the_name
    if not told or (note.recorded and not kind.alike) or carries_anothers(kind, row, note):
        return False
    try:
        return may_be_of(remote, row, note, untold=not kind.alike)
    except Interrupted:
        raise
    except OpenRelayError:
        return True


def carries_anothers(kind: Kind, row: Row, note: Note) -> bool:
    """Whether it carries a name which proves that the create was not for it, where one need not
    carry any."""
    named = kind.called(row) if kind.alike else None
    return None not in (named, note.name) and named != note.name


def cut_off_elsewhere(kind: Kind, note: Note) -> str:
    """A warning of what this run's key cannot see."""
    which = f"{note.name} ({note.made})" if note.made else note.name
    return (
        f"an earlier run of this stack was cut off while it made the {kind.noun} {which} in the "
        f"organization {note.organization}, which this run's key does not see: end it there if it "
        f"is there and nobody needs it"
    )


def cut_off(kind: Kind, row: Row, *, declared: bool = True) -> str:
    """A warning. declared: False where the program may not have come to its resource yet."""
    advice = "end it if nobody needs it"
    if not declared:
        advice = (
            "if `pulumi-openrelay leftovers` lists it after a `pulumi up` of the whole program, "
            "end it unless somebody needs it"
        )
    return (
        f"the {kind.noun} {called(kind, row)} may be what an earlier run of this stack was cut off "
        f"at; it is not touched: {advice}"
    )


def called(kind: Kind, row: Row) -> str:
    """What a row is called, with its id, and with its state and its rate where it has them."""
    rate = kind.rate(row)
    known = [] if kind.states is None else [describe(row)]
    known += [] if rate is None else [f"{rate} cents an hour"]
    named = kind.called(row)
    if named is not None:
        return f"{named} ({', '.join([row['id'], *known])})"
    return f"{row['id']} ({', '.join(known)})" if known else str(row["id"])
