"""On whose behalf requests are sent: a clock, an interrupt, and a line to the user.

The engine's call (`engine.EngineCall`) is one; the simulation in the tests has another, whose clock
it turns itself. All waiting in the package goes through here, so that Ctrl-C ends every wait.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from threading import Event
from typing import Protocol


class Caller(Protocol):
    """What a request or a wait needs of the call that it serves.

    deadline: when, by `now()`, nothing is repeated or waited for any longer.
    """

    deadline: float

    def now(self) -> float:
        """Seconds on a clock that never goes back; the same clock for every caller."""
        ...

    def time(self) -> float:
        """Seconds since the epoch, by this machine's clock, which may be wrong."""
        ...

    def wait(self, seconds: float, event: Event | None = None) -> None:
        """Return after so many seconds, or sooner when the event is set.

        Raises errors.Interrupted as soon as the engine asks to stop.
        """
        ...

    @property
    def interrupted(self) -> bool:
        """True once the engine asked to stop, or is gone: start nothing new."""
        ...

    def report(self, text: str) -> None:
        """Show progress on the resource's own line; the next report takes its place."""
        ...

    def warn(self, text: str) -> None:
        """Leave a warning in the diagnostics of the resource."""
        ...


class Call(Caller, Protocol):
    """One call of the engine about one resource."""

    urn: str
    name: str
    """The resource's name in the program."""
    timeout: float
    """Seconds of the user's `custom_timeouts` for this operation, 0 where none is set."""


class Direct:
    """A call that no engine makes: a command's, or a lookup's in a program.

    tell: where warnings go. It is interrupted as any Python program is, by an exception.
    """

    interrupted = False

    def __init__(self, tell: Callable[[str], None], name: str = "") -> None:
        self._tell = tell
        self.name = name
        self.urn = ""
        self.timeout = 0.0
        self.deadline = math.inf

    def now(self) -> float:
        return time.monotonic()

    def time(self) -> float:
        return time.time()

    def wait(self, seconds: float, event: Event | None = None) -> None:
        (event or Event()).wait(seconds)

    def report(self, text: str) -> None:
        """Nothing: there is no line to show it on."""

    def warn(self, text: str) -> None:
        self._tell(text)
