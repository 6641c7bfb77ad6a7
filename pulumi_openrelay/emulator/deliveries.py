"""Webhook deliveries: who hears of an event, the signature, and three attempts.

The outbox only says what is due; whoever carries deliveries sends them and brings
back the result. The public text says "three attempts, about 10 s, 60 s and 300 s
apart", which is one gap too many: here the first goes out at once, the second 10 s
after it failed, the third 60 s later, and after 300 s nothing more comes. The gaps
shrink with the time scale of the settings.
"""

from __future__ import annotations

import hmac
import json
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from .store import Owned
from .wire import timestamp

if TYPE_CHECKING:
    from .world import World

VM_EVENTS = ("vm.running", "vm.stopped", "vm.terminated", "vm.interrupted")
_ATTEMPTS = 3
_GAPS_SECONDS = (10.0, 60.0)


@dataclass(kw_only=True)
class Webhook(Owned):
    name: str
    url: str
    events: list[str]
    secret: str
    updated_time: float
    enabled: bool = True

    def wants(self, event: str) -> bool:
        """No events listed are the four VM events; `*` and other unknown names match nothing."""
        return self.enabled and event in (self.events or VM_EVENTS)


@dataclass(kw_only=True)
class Attempt(Owned):
    """One attempt at one delivery. `status` is pending, delivered or failed."""

    webhook_id: str
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

    def __init__(self, world: World) -> None:
        self._world = world
        attempts = world.store.table(Attempt).values()
        self._waiting = {a.id: a for a in attempts if a.status == "pending"}

    def emit(self, organization_id: str, subject_id: str, event: str, data: dict[str, Any]) -> None:
        """Queue the event for every webhook of the organization that wants it."""
        world = self._world
        body: dict[str, Any] | None = None
        for webhook in world.store.table(Webhook).values():
            if webhook.organization_id != organization_id or not webhook.wants(event):
                continue
            if body is None:
                body = {
                    "id": f"evt_{world.new_id()}",
                    "type": event,
                    "created_at": _to_the_second(world.now),
                    "data": data,
                }
            self._queue(webhook, subject_id, body, 1, world.now)

    def next_due(self) -> float | None:
        return min((attempt.due_time for attempt in self._waiting.values()), default=None)

    def take(self) -> list[Delivery]:
        """What is due now, once; what a disabled webhook would get is dropped."""
        due = [a for a in self._waiting.values() if a.due_time <= self._world.now]
        deliveries = []
        for attempt in sorted(due, key=lambda attempt: (attempt.due_time, attempt.sequence)):
            del self._waiting[attempt.id]
            webhook = self._world.store.table(Webhook)[attempt.webhook_id]
            if webhook.enabled:
                deliveries.append(self._signed(webhook, attempt))
            else:
                self._finish(attempt, "failed", error="The webhook is disabled.")
        return deliveries

    def result(self, attempt_id: str, status: int | None, error: str | None) -> None:
        """Any 2xx answer has delivered it; anything else calls for the next attempt."""
        world = self._world
        attempt = world.store.table(Attempt).get(attempt_id)
        if attempt is None or attempt.status != "pending":
            return  # its webhook was deleted meanwhile
        delivered = status is not None and 200 <= status < 300
        if not delivered and error is None:
            error = f"The receiver answered {status}."
        self._finish(attempt, "delivered" if delivered else "failed", status, error)
        if not delivered and attempt.number < _ATTEMPTS:
            gap = _GAPS_SECONDS[attempt.number - 1] * world.settings.time_scale
            webhook = world.store.table(Webhook)[attempt.webhook_id]
            self._queue(
                webhook, attempt.subject_id, attempt.event, attempt.number + 1, world.now + gap
            )

    def forget(self, webhook: Webhook) -> None:
        """Drop all that a webhook, now deleted, had and would have got."""
        table = self._world.store.table(Attempt)
        for attempt in [a for a in table.values() if a.webhook_id == webhook.id]:
            self._waiting.pop(attempt.id, None)
            self._world.store.remove(attempt)

    def _queue(
        self, webhook: Webhook, subject_id: str, event: dict[str, Any], number: int, due: float
    ) -> None:
        attempt = Attempt(
            **self._world.new(webhook.organization_id),
            webhook_id=webhook.id,
            subject_id=subject_id,
            event=event,
            number=number,
            due_time=due,
        )
        self._world.store.add(attempt)
        self._waiting[attempt.id] = attempt

    def _signed(self, webhook: Webhook, attempt: Attempt) -> Delivery:
        settings = self._world.settings
        body = json.dumps(attempt.event, separators=(",", ":")).encode()
        headers = {
            "Content-Type": "application/json",
            "X-VectorLay-Event": attempt.event["type"],
            "X-VectorLay-Delivery": attempt.id,
            "X-VectorLay-Signature": sign(
                webhook.secret, body, key_as_hex=settings.webhook_key_as_hex
            ),
        }
        return Delivery(attempt.id, webhook.url, headers, body, settings.webhook_timeout_seconds)

    def _finish(
        self, attempt: Attempt, status: str, code: int | None = None, error: str | None = None
    ) -> None:
        attempt.status, attempt.status_code, attempt.error = status, code, error
        attempt.finished_time = self._world.now


def sign(secret: str, body: bytes, *, key_as_hex: bool = False) -> str:
    """The signature header. Whether the key is the secret's digest or its hex is unknown."""
    digest = sha256(secret.encode())
    key = digest.hexdigest().encode() if key_as_hex else digest.digest()
    return f"sha256={hmac.new(key, body, 'sha256').hexdigest()}"


def _to_the_second(seconds: float) -> str:
    stamp = timestamp(int(seconds)) or ""
    return stamp.replace(".000", "")
