"""Every request that came in, and what became of it."""

from __future__ import annotations

from collections import deque
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from .wire import timestamp

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .wire import Request

_KEPT = 100_000


@dataclass(slots=True)
class Entry:
    """`status` is what the work answered, even where a fault kept it from the caller.

    It is None where no work was done. `worked` is true where the operation was
    carried out rather than refused. No key and no body is kept.
    """

    sequence: int
    time: float
    method: str
    path: str
    query: Mapping[str, str]
    idempotency_key: str | None
    operation: str | None = None
    status: int | None = None
    fault: str | None = None
    worked: bool = False

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "time": timestamp(self.time)}


class Log:
    """The requests of one world, oldest first, those of the control path left out."""

    def __init__(self) -> None:
        self.entries: deque[Entry] = deque(maxlen=_KEPT)
        self._count = 0

    def add(self, now: float, request: Request) -> Entry:
        self._count += 1
        entry = Entry(
            self._count,
            now,
            request.method,
            request.path,
            dict(request.query),
            request.headers.get("idempotency-key"),
        )
        self.entries.append(entry)
        return entry

    def clear(self) -> None:
        self.entries.clear()
