"""Notes are kept where they can be, and never stand in the way."""

from __future__ import annotations

import json
import os
import resource
from dataclasses import replace
from pathlib import Path

import pytest

from pulumi_openrelay.lifecycle.journal import Note, NoteFiles

NOTE = Note("openrelay:Webhook", 1.0, 2.0, ("wh_1",), made="wh_2", asked=({"name": "a"},))


def test_a_note_is_read_by_the_next_run_until_it_is_forgotten(tmp_path: Path) -> None:
    NoteFiles(tmp_path).write("owner", "urn", NOTE)
    assert NoteFiles(tmp_path).read("owner", "urn") == NOTE
    assert NoteFiles(tmp_path).notes("owner", "openrelay:Webhook") == [NOTE]
    assert NoteFiles(tmp_path).notes("owner", "openrelay:Vm") == []
    assert NoteFiles(tmp_path).notes("another owner", "openrelay:Webhook") == []
    NoteFiles(tmp_path).forget("owner", "urn")
    assert NoteFiles(tmp_path).read("owner", "urn") is None


def test_what_every_owner_on_this_machine_has_made_is_known_and_what_is_left_out_is_not_told(
    tmp_path: Path,
) -> None:
    journal = NoteFiles(tmp_path)
    other = replace(NOTE, made="wh_3")
    journal.write("owner", "urn", NOTE)
    journal.write("owner", "urn2", replace(NOTE, made=None))
    journal.write("another owner", "urn", other)
    journal.write("another owner", "urn2", replace(NOTE, kind="openrelay:Vm", made="vm_1"))
    assert journal.named(NOTE.kind) == {"wh_2", "wh_3"}
    assert journal.notes("owner", NOTE.kind, besides=["urn2", "urn3"]) == [NOTE]
    assert journal.notes("another owner", NOTE.kind, besides=["urn"]) == []


@pytest.mark.parametrize("name", ["name", "organization", "lost"])
def test_a_note_of_a_release_that_noted_no_such_thing_is_read(tmp_path: Path, name: str) -> None:
    NoteFiles(tmp_path).write("owner", "urn", NOTE)
    (file,) = tmp_path.iterdir()
    note = json.loads(file.read_text())
    assert note.pop(name) is None
    file.write_text(json.dumps(note))
    assert NoteFiles(tmp_path).read("owner", "urn") == NOTE


def test_what_a_newer_release_notes_beside_it_makes_it_no_other_note(tmp_path: Path) -> None:
    NoteFiles(tmp_path).write("owner", "urn", NOTE)
    (file,) = tmp_path.iterdir()
    file.write_text(json.dumps({**json.loads(file.read_text()), "of_a_newer_release": [1]}))
    assert NoteFiles(tmp_path).read("owner", "urn") == NOTE


@pytest.mark.parametrize("text", ["", "[]", "7", '{"first": 1}', '{"strange": 1}', "\0"])
def test_what_is_no_note_is_none(tmp_path: Path, text: str) -> None:
    NoteFiles(tmp_path).write("owner", "urn", NOTE)
    (file,) = tmp_path.iterdir()
    file.write_text(text)
    assert NoteFiles(tmp_path).read("owner", "urn") is None
    assert NoteFiles(tmp_path).notes("owner", NOTE.kind) == []


def test_a_user_without_a_home_keeps_no_notes(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere(_path: Path) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setattr(Path, "expanduser", nowhere)
    journal = NoteFiles()
    journal.write("owner", "urn", NOTE)
    journal.forget("owner", "urn")
    assert journal.read("owner", "urn") is None
    assert journal.notes("owner", NOTE.kind) == []


def test_a_folder_that_cannot_be_written_keeps_none(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    journal = NoteFiles(tmp_path / "file" / "notes")
    journal.write("owner", "urn", NOTE)
    assert journal.read("owner", "urn") is None


def test_what_is_noted_is_for_the_user_alone_to_read(tmp_path: Path) -> None:
    folder = tmp_path / "creates"
    before = os.umask(0o022)
    try:
        NoteFiles(folder).write("owner", "urn", NOTE)
    finally:
        os.umask(before)
    assert folder.stat().st_mode & 0o077 == 0


def test_a_note_that_is_cut_off_while_it_is_written_leaves_the_one_before(tmp_path: Path) -> None:
    """As by a full disk, or a kill."""
    journal = NoteFiles(tmp_path)
    journal.write("owner", "urn", NOTE)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20, hard))
    try:
        journal.write("owner", "urn", replace(NOTE, made="wh_3"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert journal.read("owner", "urn") == NOTE
