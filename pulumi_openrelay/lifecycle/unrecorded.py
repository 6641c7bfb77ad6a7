"""What a create that was cut off may have made, as its note and a row of the list tell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .declare import made_at
from .remote import describe

if TYPE_CHECKING:
    from .declare import Kind, Row
    from .journal import Note

LATEST_SECONDS = 600.0
"""How long after it was sent a create may still do its work."""
CLOCK_SECONDS = 5.0
"""How much earlier than it was sent a create may look to have done its work: an API's clocks
differ, and each tells whole seconds."""


def may_be_of(kind: Kind, row: Row, note: Note) -> bool:
    """Whether the create that the note is about may have made it."""
    if note.made is not None or note.found is not None:
        return bool(row["id"] == note.made)
    made = made_at(kind, row)
    return (
        row["id"] not in note.before
        and made is not None
        and note.first - CLOCK_SECONDS <= made <= note.last + LATEST_SECONDS
    )


def may_be_unrecorded(kind: Kind, row: Row, note: Note) -> bool:
    """The same of what no state is known to have recorded. A thing that must have a name has the
    one that was asked for, which another's may have too."""
    if kind.alike:
        return may_be_of(kind, row, note)
    of_the_name = note.name is not None and note.name == kind.called(row)
    told = note.made is not None or of_the_name
    return told and not note.recorded and may_be_of(kind, row, note)


def cut_off(kind: Kind, row: Row) -> str:
    """A warning."""
    named = kind.called(row)
    which = row["id"] if kind.states is None else f"{row['id']}, {describe(row)}"
    which = f"{row['id']} ({describe(row)})" if named is None else f"{named} ({which})"
    return (
        f"the {kind.noun} {which} may be what an earlier run of this stack was cut off at; it is "
        f"not touched: end it if nobody needs it"
    )
