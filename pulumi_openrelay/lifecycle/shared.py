"""One fetch serves everyone who waits for it.

However many machines wait for the same list, each tick asks for it once: that is the poller.
However many refreshes read at once, they share one reading: that is the reader. Both are this one
rule: a value is as good as new to whoever asked before its fetch began.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from ..errors import Interrupted, OpenRelayError

if TYPE_CHECKING:
    from ..caller import Caller

T = TypeVar("T")

MORE_SECONDS = 1.0
"""By how much a deadline must be later for another try to be worth it: those who ask at once share
one failure, and do not repeat it one after the other."""
RECENT_SECONDS = 1.0
"""Who wants nothing older than this asks together with others, each a moment later."""


@dataclass(frozen=True, slots=True)
class Snapshot(Generic[T]):
    """A value, and when its fetch began, by the callers' clock."""

    value: T
    began: float


class _Fetch:
    """A fetch under way, or about to begin. deadline: of the caller who makes it."""

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        self.done = threading.Event()
        self.began: float | None = None
        self.error: Exception | None = None


class Shared(Generic[T]):
    """A value that many ask for at once and one fetches.

    gather: seconds that the one waits for company before it fetches, where those who ask next would
    need another fetch. Who is content with what was fetched a while ago is so with what is fetched
    at once.
    """

    def __init__(self, fetch: Callable[[Caller], T], *, gather: float = 0.0) -> None:
        self._fetch = fetch
        self._gather = gather
        self._lock = threading.Lock()
        self._latest: Snapshot[T] | None = None
        self._running: _Fetch | None = None

    def get(self, caller: Caller, since: float) -> Snapshot[T]:
        """The newest value whose fetch began at `since` or later; fetches it where there is none.

        Who shares a fetch shares its error too. Only an interrupt is nobody else's, nor the end of
        another's time while there is more of one's own.
        """
        while True:
            with self._lock:
                if self._latest is not None and self._latest.began >= since:
                    return self._latest
                running = self._running
                leads = running is None
                if running is None:
                    running = self._running = _Fetch(caller.deadline)
            if leads:
                company = caller.now() - since < RECENT_SECONDS
                return self._lead(running, caller, gather=self._gather if company else 0.0)
            # A fetch that has not begun yet will begin after `since`, so its outcome counts for us.
            counts = running.began is None or running.began >= since
            while not running.done.is_set():
                caller.wait(60.0, running.done)
            if counts and running.error is not None and not _is_its_own(running, caller):
                raise running.error

    def begin(self, caller: Caller, since: float) -> None:
        """Fetch it at once, unless it is there or somebody fetches it already: who has something
        else to do meanwhile need not wait."""
        with self._lock:
            there = self._latest is not None and self._latest.began >= since
            if there or self._running is not None:
                return
            running = self._running = _Fetch(caller.deadline)
        self._lead(running, caller)

    def _lead(self, running: _Fetch, caller: Caller, *, gather: float = 0.0) -> Snapshot[T]:
        try:
            if gather:
                caller.wait(gather)
            running.began = caller.now()
            snapshot = Snapshot(self._fetch(caller), running.began)
            with self._lock:
                self._latest = snapshot
        except Exception as error:
            running.error = error
            raise
        else:
            return snapshot
        finally:
            with self._lock:
                self._running = None
            running.done.set()


def _is_its_own(fetch: _Fetch, caller: Caller) -> bool:
    """Whether a fetch failed for a reason that is not this caller's as well."""
    if isinstance(fetch.error, OpenRelayError) and fetch.error.out_of_time:
        return caller.deadline > fetch.deadline + MORE_SECONDS
    return isinstance(fetch.error, Interrupted)
