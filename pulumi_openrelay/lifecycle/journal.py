"""What a create is about to do, noted on this machine before it is done.

Every create and every setting is noted before it is sent. After a crash the note tells what a list
that lags behind does not show yet, which of several alike is this resource's own, what earlier
attempts left, and how a setting of the account was before. A note
holds ids, times, what the API said, which rotation a program has asked for, and no secret input;
the name too, and the look of what has none, in clear though a program may have marked them as
secret: the API's list shows them to every key of the organization.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Note:
    """What is known of the creates of one resource. Times are seconds since the epoch by the API's
    clock."""

    kind: str
    """The token of what is made."""
    first: float
    """When the first create was sent."""
    last: float
    """When the last create was sent, or what an action has asked for was last seen to go on."""
    before: tuple[str, ...] = ()
    """The ids that existed before."""
    made: str | None = None
    """The id that the API answered with, or that an action has chosen for its request before it
    was sent; None until then."""
    found: Mapping[str, Any] | None = None
    """What a setting was before; None for what is no setting."""
    left: tuple[str, ...] = ()
    """The ids of what earlier attempts made, which is ended once what the note is about stands."""
    recorded: bool = False
    """Whether the engine was told of what was made, so that a state records it, or has."""
    name: str | None = None
    """The name that was asked for; None in the notes of older releases."""
    asked: tuple[Mapping[str, Any], ...] = ()
    """What creates have set a setting to since, each of them, as no state may record it."""
    organization: str | None = None
    """Whose key asked for it; None in the notes of older releases, and where the API has none."""
    lost: float | None = None
    """When the answer to the last create was lost; None where that is not known."""
    look: Mapping[str, Any] | None = None
    """What a row of it tells, as `Kind.look` says; None in the notes of older releases."""
    replacing: str | None = None
    """A digest of the inputs that force a replacement, or of what an action asks; None in the notes
    of older releases."""

    def is_anothers(self, organization: str | None) -> bool:
        """Whether it is known to be about what another organization than this one has."""
        known = self.organization is not None and organization is not None
        return known and self.organization != organization


class Journal(Protocol):
    """Notes by the resource that they are about: its stack's owner, and its URN."""

    def read(self, owner: str, urn: str) -> Note | None:
        """The note of a create that was cut off, or whose record is not known to be safe."""
        ...

    def write(self, owner: str, urn: str, note: Note) -> None:
        """Keep a note in place of the one before. What cannot be kept is let go."""
        ...

    def forget(self, owner: str, urn: str) -> None:
        """The resource is recorded, or was not made."""
        ...

    def notes(self, owner: str, kind: str, besides: Collection[str] = ()) -> list[Note]:
        """The notes of a stack's owner about things of a kind, without those about these URNs."""
        ...

    def named(self, kind: str) -> set[str]:
        """The ids of all things of a kind that notes say to be made, those of other stacks' owners
        on this machine too."""
        ...


class NoteFiles:
    """A journal in a folder, one file for each resource. None: the user's state directory; who has
    none keeps no notes, and a crash is told by a warning alone."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or _default_folder()

    def read(self, owner: str, urn: str) -> Note | None:
        file = self._file(owner, urn)
        return None if file is None else _read(file)

    def notes(self, owner: str, kind: str, besides: Collection[str] = ()) -> list[Note]:
        known = {self._file(owner, urn) for urn in besides}
        return self._notes(f"{_digest(owner)}-*.json", kind, known)

    def named(self, kind: str) -> set[str]:
        return {note.made for note in self._notes("*.json", kind) if note.made is not None}

    def _notes(self, pattern: str, kind: str, besides: Collection[Path | None] = ()) -> list[Note]:
        files = self._folder.glob(pattern) if self._folder else ()
        notes = [_read(file) for file in files if file not in besides]
        return [note for note in notes if note is not None and note.kind == kind]

    def write(self, owner: str, urn: str, note: Note) -> None:
        file = self._file(owner, urn)
        if file is None:
            return
        part = file.with_suffix(".part")
        with suppress(OSError):
            file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            part.write_text(json.dumps(asdict(note)))
            part.replace(file)

    def forget(self, owner: str, urn: str) -> None:
        file = self._file(owner, urn)
        if file is not None:
            with suppress(OSError):
                file.unlink(missing_ok=True)

    def _file(self, owner: str, urn: str) -> Path | None:
        return self._folder / f"{_digest(owner)}-{_digest(urn)}.json" if self._folder else None


_NAMES = frozenset(field.name for field in fields(Note))


def _read(file: Path) -> Note | None:
    try:
        told = json.loads(file.read_text()).items()
        note = {name: value for name, value in told if name in _NAMES}  # a newer release notes more
        ids = {name: tuple(note.get(name, ())) for name in ("before", "left", "asked")}
        return Note(**{**note, **ids})
    except (OSError, ValueError, TypeError, AttributeError):
        return None


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _default_folder() -> Path | None:
    base = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    try:
        return Path(base).expanduser() / "pulumi-openrelay" / "creates"
    except RuntimeError:
        return None
