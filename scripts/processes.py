"""Processes that end with whoever starts them, and a Ctrl-C that is heard once.

Each has a session of its own. So a Ctrl-C in the terminal does not reach it: it gets its SIGINT
from here, once (on a second one Pulumi drops everything), and what it has started in its turn, each
in a process group of its own, can be found.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
END_SECONDS = 15.0
"""How long a process may take to end by itself: Pulumi records first what exists."""
REST_SECONDS = 3.0
"""How long what it has started may take after that."""

_sessions: list[int] = []


def stop_once() -> None:
    """Raise KeyboardInterrupt at the first SIGINT, SIGTERM or SIGHUP, and ignore all after it."""
    for number in STOPS:
        signal.signal(number, _stop)


def ignore_stops() -> None:
    for number in STOPS:
        signal.signal(number, signal.SIG_IGN)


def _stop(*_: object) -> None:
    ignore_stops()
    raise KeyboardInterrupt


@contextlib.contextmanager
def started(
    *command: str, end_with: signal.Signals = signal.SIGINT, **options: Any
) -> Iterator[subprocess.Popen[str]]:
    """A process that has ended, with all that it started, when the block has.

    end_with: what asks it to end, where the block does not wait for that.
    """
    process = None
    try:
        with _stops_held():
            process = subprocess.Popen(command, text=True, start_new_session=True, **options)
            _sessions.append(process.pid)
        yield process
    finally:
        if process is not None:
            with _stops_held():
                _end(process, end_with)


def run(*command: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    with started(*command, **options) as process:
        printed, _ = process.communicate()
    return subprocess.CompletedProcess(command, process.returncode, printed)


def left_running() -> list[int]:
    """What still runs of all that was started."""
    return [number for session in _sessions for number in _living(session)]


@contextlib.contextmanager
def _stops_held() -> Iterator[None]:
    """Let a signal wait: until what is being started is known, or what is being ended has ended."""
    held: list[int] = []
    handlers = {number: signal.signal(number, lambda n, _: held.append(n)) for number in STOPS}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    for each in held:
        signal.raise_signal(each)


def _end(process: subprocess.Popen[str], end_with: signal.Signals) -> None:
    """See to it that it ends: by itself, or killed after END_SECONDS with all that it started."""
    if process.poll() is None:
        os.killpg(process.pid, end_with)
        try:
            process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    if _outlived(process.pid):
        for number in _living(process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)
        _outlived(process.pid)


def _outlived(session: int) -> bool:
    """Whether some of a session are still there although the first has ended a while ago."""
    end = time.monotonic() + REST_SECONDS
    while _living(session):
        if time.monotonic() > end:
            return True
        time.sleep(0.05)
    return False


def _living(session: int) -> list[int]:
    """The processes of a session."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # After the name, which may hold anything: state, parent, group, session.
            state, _, _, owner = stat.read_text().rpartition(")")[2].split()[:4]
            if int(owner) == session and state not in "ZX":
                found.append(int(stat.parent.name))
    return found
