"""`make demo`: it runs to its end, and leaves nothing behind whenever it is stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from .support import ROOT, cli_directory, kill, running, wait_until

WHOLE_SECONDS = 400
"""Of a demo of a minute, beside all the other tests."""
END_SECONDS = 60


@dataclass
class Demo:
    """A run with a home and a folder for temporary files of its own, and a mark in its environment
    and in that of all that it starts."""

    folder: Path
    mark: str = field(default_factory=lambda: f"DEMO_OF_THE_TESTS={uuid.uuid4()}")

    def __post_init__(self) -> None:
        cli_directory()
        for name in ("home", "tmp"):
            (self.folder / name).mkdir()
        name, _, value = self.mark.partition("=")
        places = {"HOME": str(self.folder / "home"), "TMPDIR": str(self.folder / "tmp")}
        with self.printed.open("wb") as printed:
            self.process = subprocess.Popen(
                [sys.executable, str(ROOT / "scripts" / "demo.py")],
                env={**os.environ, **places, name: value},
                stdin=subprocess.DEVNULL,
                stdout=printed,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def printed(self) -> Path:
        return self.folder / "printed.txt"

    @property
    def text(self) -> str:
        return self.printed.read_text()

    def running(self) -> dict[int, str]:
        """The command lines of all that it has started and that has not ended."""
        return running(self.mark)

    def files(self) -> list[str]:
        """What it has written and left."""
        left = [*(self.folder / "home").rglob("*"), *(self.folder / "tmp").rglob("*")]
        return [str(path.relative_to(self.folder)) for path in left]

    def is_bringing_up(self) -> bool:
        """Whether the provider of its stack runs."""
        return any("pulumi.dynamic" in words for words in self.running().values())


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    demo = Demo(tmp_path)
    yield demo
    kill(demo.mark)
    demo.process.wait()


def test_the_whole_demo_ends_without_a_machine_a_process_or_a_file(demo: Demo) -> None:
    """So it is safe to run twice: what could meet the second run, the first one has not left."""
    assert demo.process.wait(WHOLE_SECONDS) == 0, demo.text
    assert "Machines left, by the emulator's own count: 0" in demo.text
    assert demo.running() == {}
    assert demo.files() == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_a_demo_that_is_stopped_during_up_leaves_nothing_running(
    demo: Demo, number: signal.Signals
) -> None:
    wait_until(demo.is_bringing_up, seconds=END_SECONDS)
    os.killpg(demo.process.pid, number)
    assert demo.process.wait(END_SECONDS) != 0
    assert demo.running() == {}
    assert demo.files() == []
    assert demo.text.endswith("\ndemo: interrupted; nothing is left running\n")
    assert "Traceback" not in demo.text
