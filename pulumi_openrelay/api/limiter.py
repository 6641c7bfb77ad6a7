"""How many requests are under way at once: as many as the user allows, fewer where the API says so.

It learns from a 429 as TCP does from a lost packet: half as many at once after it, and a little
more for each request that the API takes. So it settles where the API refuses three in ten at most.
`Retry-After` is never undercut: by nobody, since it speaks of the key and not of one request.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ..errors import RETRY, ApiError, Interrupted, RateLimited

if TYPE_CHECKING:
    from ..caller import Caller

GROWTH = 0.7
# A Retry-After beyond this is not waited for: the user is told instead.
LONGEST_RETRY_AFTER = 300.0


class Limiter:
    """Turns of the threads that send.

    most: requests under way at once. asks_to_wait: whether an error means that the API wants to be
    asked again later.
    """

    def __init__(self, most: int, asks_to_wait: Callable[[ApiError], bool]) -> None:
        self._most = most
        self._asks_to_wait = asks_to_wait
        self._lock = threading.Lock()
        self._limit = float(most)
        self._under_way = 0
        self._waiting: deque[threading.Event] = deque()
        # Those who were sent together are refused together: that halves the limit once.
        self._round = 0
        self._not_before = 0.0

    @contextmanager
    def turn(self, caller: Caller) -> Iterator[None]:
        """Wait for a turn to send one request, and have it until the block ends.

        Raises Interrupted, or RateLimited where the API asked for a longer wait than the caller's
        deadline, or our patience, allows.
        """
        entered = self._enter(caller)
        error: Exception | None = None
        try:
            yield
        except Exception as raised:
            error = raised
            raise
        finally:
            with self._lock:
                self._under_way -= 1
                if error is None:
                    self._limit = min(self._limit + GROWTH, float(self._most))
                elif isinstance(error, ApiError) and self._asks_to_wait(error):
                    self._heed(error, entered, caller.now())
                self._admit()

    def _enter(self, caller: Caller) -> int:
        """Wait; the round in which the request is sent."""
        place = threading.Event()
        try:
            while True:
                if caller.interrupted:
                    raise Interrupted
                freed = None
                with self._lock:
                    pause = self._not_before - caller.now()
                    if pause > 0:
                        if pause > LONGEST_RETRY_AFTER or caller.now() + pause > caller.deadline:
                            raise _too_long(pause)
                    elif self._under_way < int(self._limit):
                        self._under_way += 1
                        return self._round
                    else:
                        freed, pause = place, 1.0
                        self._queue(place)
                caller.wait(pause, freed)
        finally:
            with self._lock:
                if place in self._waiting:
                    self._waiting.remove(place)
                self._admit()

    def _queue(self, place: threading.Event) -> None:
        """Stand in the queue: at its end, or at its head where the turn came and another took
        it."""
        if place not in self._waiting:
            (self._waiting.appendleft if place.is_set() else self._waiting.append)(place)
            place.clear()

    def _heed(self, error: ApiError, entered: int, now: float) -> None:
        if error.status == 429 and entered == self._round:
            self._round += 1
            self._limit = max(1.0, self._limit / 2)
        self._not_before = max(self._not_before, now + (error.retry_after or 0.0))

    def _admit(self) -> None:
        for _ in range(min(int(self._limit) - self._under_way, len(self._waiting))):
            self._waiting.popleft().set()


def _too_long(pause: float) -> RateLimited:
    error = RateLimited(
        f"the API asks to send nothing for {pause:.0f} s",
        f"wait a little and {RETRY}",
        status=429,
        retry_after=pause,
    )
    error.out_of_time = pause <= LONGEST_RETRY_AFTER
    return error
