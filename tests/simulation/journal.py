"""Notes of creates that outlive a plugin, as on one machine."""

from __future__ import annotations

from collections.abc import Collection

from pulumi_openrelay.lifecycle.journal import Note


class Notes:
    """A journal in memory."""

    def __init__(self) -> None:
        self._notes: dict[tuple[str, str], Note] = {}

    def read(self, owner: str, urn: str) -> Note | None:
        return self._notes.get((owner, urn))

    def write(self, owner: str, urn: str, note: Note) -> None:
        self._notes[owner, urn] = note

    def forget(self, owner: str, urn: str) -> None:
        self._notes.pop((owner, urn), None)

    def notes(self, owner: str, kind: str, besides: Collection[str] = ()) -> list[Note]:
        notes = [
            note for (of, urn), note in self._notes.items() if of == owner and urn not in besides
        ]
        return [note for note in notes if note.kind == kind]

    def named(self, kind: str) -> set[str]:
        notes = [note for note in self._notes.values() if note.kind == kind]
        return {note.made for note in notes if note.made is not None}

    def left(self, owner: str) -> list[Note]:
        """All that an owner has."""
        return [note for (of, _), note in self._notes.items() if of == owner]
