"""What happens by itself, in order of time, and the clock that it follows."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .store import Record

# One step of a plan: seconds from now, its name, its argument.
Step = tuple[float, str, Any]


class SimulatedClock:
    """A clock that stands still until told otherwise, for tests and simulations."""

    def __init__(self, seconds: float = 1_767_225_600.0) -> None:
        self.seconds = seconds  # since the epoch; 2026-01-01 unless given

    def __call__(self) -> float:
        return self.seconds

    def advance(self, seconds: float) -> None:
        self.seconds += seconds


class Timeline:
    """Which record's plan is due next. Records due at one moment go in the order they were set."""

    def __init__(self, records: Iterable[Record]) -> None:
        self._heap: list[tuple[float, int, Record]] = []
        self._ticks = 0
        self._current: dict[int, int] = {}
        for record in records:
            self._push(record)

    def set(self, record: Record, now: float, steps: Iterable[Step], *, keep: bool = False) -> None:
        """Replace the record's plan by these steps; `keep` adds them to it instead."""
        plan = [[now + delay, name, argument] for delay, name, argument in steps]
        # Sorting is stable: steps due at one moment stay in the order given.
        record.plan = sorted([*(record.plan if keep else []), *plan], key=lambda step: step[0])
        self._push(record)

    def next_due(self) -> float | None:
        while self._heap:
            due, tick, record = self._heap[0]
            if self._current.get(id(record)) == tick:
                return due
            heapq.heappop(self._heap)  # this plan was replaced
        return None

    def take(self) -> tuple[Record, str, Any]:
        """The record whose step is due first, that step's name and its argument."""
        _, _, record = heapq.heappop(self._heap)
        _, name, argument = record.plan[0]
        record.plan = record.plan[1:]
        self._push(record)
        return record, name, argument

    def forget(self, record: Record) -> None:
        self._current.pop(id(record), None)

    def _push(self, record: Record) -> None:
        if not record.plan:
            self.forget(record)
            return
        self._ticks += 1
        self._current[id(record)] = self._ticks
        heapq.heappush(self._heap, (record.plan[0][0], self._ticks, record))
