"""Webhook deliveries: what is due, and three attempts at each.

The outbox only says what is due; whoever carries deliveries sends them and brings
back the result. Whom an event goes to and how it is signed is the service's. The
public text of OpenRelay says "three attempts, about 10 s, 60 s and 300 s apart",
which is one gap too many: here the first goes out at once, the second 10 s after it
failed, the third 60 s later, and after 300 s nothing more comes. The gaps shrink with
the time scale of the settings. What Relay does is unknown; here it is the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .store import Owned

if TYPE_CHECKING:
    from .control_plane import ControlPlane

_ATTEMPTS = 3
_GAPS_SECONDS = (10.0, 60.0)


@dataclass(kw_only=True)
class Attempt(Owned):
    """One attempt at one delivery. `status` is pending, delivered or failed.

    `receiver_id` is what it goes to: a webhook, or where the service has none a URL.
    `subject_id` is what it is about.
    """

    receiver_id: str
    subject_id: str
    event: dict[str, Any]
    number: int
    due_time: float
    status: str = "pending"
    status_code: int | None = None
    error: str | None = None
    finished_time: float | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """An attempt ready to send by POST. Redirects are not followed."""

    attempt_id: str
    url: str
    headers: dict[str, str]
    body: bytes
    timeout_seconds: float


class Outbox:
    """The attempts that are due or will be. Those out for sending come again after a restart."""

    def __init__(self, world: ControlPlane) -> None:
        self._world = world
        attempts = world.store.table(Attempt).values()
        self._waiting = {a.id: a for a in attempts if a.status == "pending"}

    def queue(
        self, owner_id: str, receiver_id: str, subject_id: str, event: dict[str, Any]
    ) -> None:
        """Send the event to the receiver, at once."""
        self._queue(owner_id, receiver_id, subject_id, event, 1, 0.0)

    def next_due(self) -> float | None:
        return min((attempt.due_time for attempt in self._waiting.values()), default=None)

    def take(self) -> list[Delivery]:
        """What is due now, once; what its receiver no longer wants is dropped."""
        due = [a for a in self._waiting.values() if a.due_time <= self._world.now]
        deliveries = []
        for attempt in sorted(due, key=lambda attempt: (attempt.due_time, attempt.sequence)):
            del self._waiting[attempt.id]
            prepared = self._world.prepare(attempt)
            if isinstance(prepared, Delivery):
                deliveries.append(prepared)
            else:
                self._finish(attempt, "failed", error=prepared)
        return deliveries

    def result(self, attempt_id: str, status: int | None, error: str | None) -> None:
        """Any 2xx answer has delivered it; anything else calls for the next attempt."""
        world = self._world
        attempt = world.store.table(Attempt).get(attempt_id)
        if attempt is None or attempt.status != "pending":
            return  # its receiver was deleted meanwhile
        delivered = status is not None and 200 <= status < 300
        if not delivered and error is None:
            error = f"The receiver answered {status}."
        self._finish(attempt, "delivered" if delivered else "failed", status, error)
        if not delivered and attempt.number < _ATTEMPTS:
            self._queue(
                attempt.owner_id,
                attempt.receiver_id,
                attempt.subject_id,
                attempt.event,
                attempt.number + 1,
                _GAPS_SECONDS[attempt.number - 1] * world.settings.time_scale,
            )

    def forget(self, receiver_id: str) -> None:
        """Drop all that a receiver, now deleted, had and would have got."""
        table = self._world.store.table(Attempt)
        for attempt in [a for a in table.values() if a.receiver_id == receiver_id]:
            self._waiting.pop(attempt.id, None)
            self._world.store.remove(attempt)

    def _queue(
        self,
        owner_id: str,
        receiver_id: str,
        subject_id: str,
        event: dict[str, Any],
        number: int,
        after_seconds: float,
    ) -> None:
        attempt = Attempt(
            **self._world.new(owner_id),
            receiver_id=receiver_id,
            subject_id=subject_id,
            event=event,
            number=number,
            due_time=self._world.now + after_seconds,
        )
        self._world.store.add(attempt)
        self._waiting[attempt.id] = attempt

    def _finish(
        self, attempt: Attempt, status: str, code: int | None = None, error: str | None = None
    ) -> None:
        attempt.status, attempt.status_code, attempt.error = status, code, error
        attempt.finished_time = self._world.now
