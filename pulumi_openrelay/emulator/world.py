"""One emulated control plane: its records, its clock and its single way in, `handle`.

A world never sleeps, starts no thread and opens no socket. Time passes between
requests: each first carries out what has become due since, in order of time. So
the same requests at the same times give the same answers, whoever carries them.
"""

from __future__ import annotations

import json
import random
import threading
import time
import uuid
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from . import billing, capacity, control, deliveries, openrelay
from .access import ApiKey, Organization
from .faults import Faults
from .inference_states import Cluster
from .log import Log
from .scripts import Scripts
from .settings import Settings
from .store import Owned, Record, Store
from .timeline import Step, Timeline
from .vm_states import Vm
from .wire import Answer, Request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path


@dataclass(kw_only=True)
class Origin(Record):
    """What ids and time are counted from."""

    id: str = "origin"
    seed: int
    counter: int = 0  # of ids given out
    clock_offset: float = 0.0  # seconds that the control path has let pass


class World:
    """All state of one emulated service.

    `clock` gives seconds since the epoch. `seed` decides every id and secret, and
    which probable faults happen. `keys` are API keys of the first organization,
    which starts with `balance_cents`; there is at least one. `state` is the SQLite
    file that keeps it all; None keeps nothing, and with a file that has a world in
    it, seed and balance are the file's. `settings` are changes to `Settings`.
    `check_answers` raises AssertionError on an answer that breaks the OpenAPI document.

    Any thread may call; one call runs at a time.
    """

    settings: Settings
    store: Store
    faults: Faults
    scripts: Scripts
    log: Log
    outbox: deliveries.Outbox

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.time,
        seed: int = 0,
        keys: Iterable[str] = ("or_local",),
        balance_cents: int = billing.OPENING_CENTS,
        state: Path | None = None,
        check_answers: bool = False,
        **settings: Any,
    ) -> None:
        self.lock = threading.RLock()
        self.check_answers = check_answers
        self._clock = clock
        self.store = Store((Origin, Settings, *openrelay.RECORDS), state)
        new = not self.store.table(Origin)
        if new:
            self.store.add(Origin(seed=seed))
            self.store.add(Settings())
        self._origin = self.store.table(Origin)["origin"]
        self.settings = self.store.table(Settings)["settings"]
        self.settings.change(settings)
        # Not for secrets: for faults that happen now and then, and shuffled lists.
        self.chance = random.Random(self._origin.seed)  # noqa: S311
        # What became due while a kept world was closed still happens at its own time.
        self.now = clock() if new else 0.0
        self._timeline = Timeline(self.store.records())
        self.faults = Faults(self.chance)
        self.scripts = Scripts()
        self.log = Log()
        self.outbox = deliveries.Outbox(self)
        # What was deleted, and when: a lagging list still shows it.
        self.removed: list[tuple[float, Owned]] = []
        self._keys: dict[str, ApiKey] = {}
        keys = list(keys)
        self.key = keys[0]
        if new:
            capacity.create_nodes(self)
            self.add_organization("Emulated organization", balance_cents)
        for key in self.store.table(ApiKey).values():
            self._keys[key.secret] = key
        for secret in keys:
            if secret not in self._keys:
                self.add_key(secret, self.first_organization.id)
        self.advance()

    # Requests and time

    def handle(self, request: Request) -> Answer:
        """Answer one request: the only way in."""
        with self.lock:
            self.advance()
            if request.path.startswith("/_emulator"):
                answer = control.answer(self, request)
                self.store.commit()
                return answer
            entry = self.log.add(self.now, request)
            rule = self.faults.take(request)
            if rule is None:
                return self._work(request, entry)
            entry.fault = rule.action.type
            return rule.action.apply(lambda: self._work(request, entry))

    def call(
        self,
        method: str,
        target: str,
        body: object = None,
        *,
        key: str | None = "",
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """`handle` for people: `target` is path and query, `body` any JSON value.

        The API key is the world's first unless given; None sends none.
        """
        parts = urlsplit(target)
        sent = {name.lower(): value for name, value in (headers or {}).items()}
        if key is not None:
            sent.setdefault("authorization", f"Bearer {key or self.key}")
        content = b"" if body is None else json.dumps(body).encode()
        return self.handle(
            Request(
                method,
                parts.path,
                dict(parse_qsl(parts.query, keep_blank_values=True)),
                sent,
                content,
            )
        )

    def advance(self) -> None:
        """Let everything happen that has become due, at the time it was due."""
        with self.lock:
            until = max(self.now, self._clock() + self._origin.clock_offset)
            while (due := self._timeline.next_due()) is not None and due <= until:
                self.now = max(self.now, due)
                record, name, argument = self._timeline.take()
                openrelay.STEPS[type(record)](self, record, name, argument)
            self.now = until
            self.store.commit()

    def next_due(self) -> float | None:
        """When the next thing happens by itself or a delivery falls due; None for never."""
        with self.lock:
            due = [d for d in (self._timeline.next_due(), self.outbox.next_due()) if d is not None]
            return min(due, default=None)

    def skip(self, seconds: float) -> None:
        """Put the clock forward, and let happen what that makes due."""
        with self.lock:
            self._origin.clock_offset += seconds
            self.advance()

    # Webhook deliveries, for whoever carries them

    def due_deliveries(self) -> list[deliveries.Delivery]:
        """The attempts to send now; each is given out once and wants its `delivery_result`."""
        with self.lock:
            self.advance()
            due = self.outbox.take()
            self.store.commit()
            return due

    def delivery_result(
        self, attempt_id: str, status: int | None = None, error: str | None = None
    ) -> None:
        """`status` is the receiver's answer; None with an `error` where there was none."""
        with self.lock:
            self.advance()
            self.outbox.result(attempt_id, status, error)
            self.store.commit()

    # For tests

    @property
    def first_organization(self) -> Organization:
        return next(iter(self.store.table(Organization).values()))

    def live_vms(self) -> list[Vm]:
        """The VMs that are not terminated, oldest first."""
        return [vm for vm in self.store.table(Vm).values() if vm.status != "terminated"]

    def live_clusters(self) -> list[Cluster]:
        return [c for c in self.store.table(Cluster).values() if c.status != "terminated"]

    # For the areas

    def new_id(self, prefix: str = "") -> str:
        """A UUID, or a prefixed id: callers must take both."""
        self._origin.counter += 1
        text = f"{self._origin.seed}:{self._origin.counter}".encode()
        digest = blake2b(text, digest_size=16).digest()
        if prefix:
            return f"{prefix}_{digest.hex()[:24]}"
        return str(uuid.UUID(bytes=digest, version=4))

    def new(self, organization_id: str, prefix: str = "") -> dict[str, Any]:
        """What every new record of an organization starts with."""
        return {
            "id": self.new_id(prefix),
            "organization_id": organization_id,
            "sequence": self._origin.counter,
            "created_time": self.now,
        }

    def plan(self, record: Record, steps: Iterable[Step], *, keep: bool = False) -> None:
        """What the record will do by itself from now on; `keep` adds to what it had planned."""
        self._timeline.set(record, self.now, steps, keep=keep)

    def remove(self, record: Owned) -> None:
        self._timeline.forget(record)
        self.store.remove(record)
        lag = self.settings.list_lag_seconds
        if lag:
            shown = [item for item in self.removed if item[0] + lag > self.now]
            self.removed = [*shown, (self.now, record)]

    def emit(self, organization_id: str, subject_id: str, event: str, data: dict[str, Any]) -> None:
        """Queue a webhook event for whoever listens."""
        self.outbox.emit(organization_id, subject_id, event, data)

    def organization(self, organization_id: str) -> Organization:
        return self.store.table(Organization)[organization_id]

    def add_organization(self, name: str, balance_cents: int) -> Organization:
        organization = Organization(id=self.new_id("org"), name=name)
        self.store.add(organization)
        billing.set_available(self, organization, balance_cents, "Opening balance")
        return organization

    def api_key(self, secret: str) -> ApiKey | None:
        return self._keys.get(secret)

    def add_key(self, secret: str, organization_id: str, **fields: Any) -> ApiKey:
        key = ApiKey(**self.new(organization_id), name=secret[:6], secret=secret, **fields)
        self.store.add(key)
        self._keys[secret] = key
        return key

    def stop_machines(self, organization_id: str) -> None:
        """Below the auto-stop floor everything that runs is stopped."""
        for area in openrelay.AREAS:
            if area.stop_machines is not None:
                area.stop_machines(self, organization_id)

    def close(self) -> None:
        with self.lock:
            self.store.close()

    def _work(self, request: Request, entry: Any) -> Answer:
        with self.lock:
            self.advance()
            answer, entry.operation, entry.worked = openrelay.answer(self, request)
            entry.status = answer.status
            self.store.commit()
            return answer
