"""One emulated control plane: its records, its clock and its single way in, `handle`.

It never sleeps, starts no thread and opens no socket. Time passes between
requests: each first carries out what has become due since, in order of time. So
the same requests at the same times give the same answers, whoever carries them.
"""

from __future__ import annotations

import json
import random
import threading
import time
import uuid
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import parse_qsl, urlsplit

from . import control
from .deliveries import Attempt, Delivery, Outbox
from .faults import Faults
from .log import Entry, Log
from .scripts import Scripts
from .settings import Settings
from .store import Owned, Record, Store
from .timeline import Step, Timeline
from .wire import Answer, NotYet, Refusal, Request, http_date

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from .area import Caller
    from .operation import Operation, WrongRequest
    from .service import Service


@dataclass(kw_only=True)
class Origin(Record):
    """What ids and time are counted from."""

    id: str = "origin"
    seed: int
    counter: int = 0  # of ids given out
    clock_offset: float = 0.0  # seconds that the control path has let pass


class ControlPlane(ABC):
    """All state of one emulated service; which one is what a subclass says.

    `clock` gives seconds since the epoch; worlds may share one. `seed` decides every id
    and secret, and which probable faults happen. `state` is the SQLite file that keeps
    it all; None keeps nothing, and with a file that has a world in it, the seed is the
    file's. `settings` are changes to the service's settings. `check_answers` raises
    AssertionError on an answer that breaks the OpenAPI document.

    Any thread may call; one call runs at a time. `key` is the key that `call` sends.
    """

    service: ClassVar[Service]
    settings_kind: ClassVar[type[Settings]] = Settings

    key: str

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.time,
        seed: int = 0,
        state: Path | None = None,
        check_answers: bool = False,
        settings: Mapping[str, Any],
    ) -> None:
        self.lock = threading.RLock()
        self.check_answers = check_answers
        self._clock = clock
        self.store = Store((Origin, self.settings_kind, Attempt, *self.service.records), state)
        self.is_new = not self.store.table(Origin)
        if self.is_new:
            self.store.add(Origin(seed=seed))
            self.store.add(self.settings_kind())
        self._origin = self.store.table(Origin)["origin"]
        self.settings.change(settings)
        # Not for secrets: for faults that happen now and then, and shuffled lists.
        self.chance = random.Random(self._origin.seed)  # noqa: S311
        # What became due while a kept world was closed still happens at its own time.
        self.now = clock() if self.is_new else 0.0
        self._timeline = Timeline(self.store.records())
        self.faults = Faults(self.chance)
        self.scripts = Scripts(self.service.scripts)
        self.log = Log()
        self.outbox = Outbox(self)
        # Values that answers show on order, though the document does not know them.
        self.undocumented: set[str] = set()
        # What was deleted, and when: a lagging list still shows it.
        self.removed: list[tuple[float, Owned]] = []

    # What a service is

    @property
    def settings(self) -> Settings:
        """How it behaves today; a subclass has those of its own service."""
        return self.store.table(self.settings_kind)["settings"]

    @abstractmethod
    def admit(self, request: Request, needs: str | None, path: Mapping[str, str]) -> Caller:
        """Who is calling, where they may do what the operation needs; else a Refusal."""

    @abstractmethod
    def refuse(self, operation: Operation, wrong: WrongRequest) -> Refusal:
        """The refusal of a query or a body that breaks the document."""

    @abstractmethod
    def error_body(self, status: int, sentence: str, code: str | None, **fields: object) -> Any:
        """The error envelope."""

    @abstractmethod
    def prepare(self, attempt: Attempt) -> Delivery | str:
        """A delivery's attempt, signed and addressed, or the sentence why it is not sent."""

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
            return rule.action.apply(lambda: self._work(request, entry), self.error_body)

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

        The API key is the world's first unless one is given, in a header too; None sends none.
        """
        parts = urlsplit(target)
        sent = {name.lower(): value for name, value in (headers or {}).items()}
        if key is not None and sent.keys().isdisjoint({"authorization", "x-api-key"}):
            sent |= self.credentials(key or self.key)
        content = b"" if body is None else json.dumps(body).encode()
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        return self.handle(Request(method, parts.path, query, sent, content))

    def credentials(self, key: str) -> Mapping[str, str]:
        """The header that a key goes in."""
        return {"authorization": f"Bearer {key}"}

    def advance(self) -> None:
        """Let everything happen that has become due, at the time it was due."""
        with self.lock:
            until = self._time()
            while (due := self._timeline.next_due()) is not None and due <= until:
                self.now = max(self.now, due)
                record, name, argument = self._timeline.take()
                self.service.steps[type(record)](self, record, name, argument)
            self.now = until
            self.store.commit()

    def _time(self) -> float:
        """Seconds since the epoch; what has become due by then may yet have to happen."""
        return max(self.now, self._clock() + self._origin.clock_offset)

    def next_due(self) -> float | None:
        """When the next thing happens by itself or a delivery falls due; None for never."""
        with self.lock:
            due = [d for d in (self._timeline.next_due(), self.outbox.next_due()) if d is not None]
            return min(due, default=None)

    def sent_with(self, answer: Answer) -> dict[str, str]:
        """The headers of an answer that is sent now, among them `Date`, by the clock of the times
        in it."""
        own = {name.lower(): value for name, value in answer.headers.items()}
        return {"date": http_date(self._time()), **own}

    def skip(self, seconds: float) -> None:
        """Put the clock forward, and let happen what that makes due."""
        with self.lock:
            self._origin.clock_offset += seconds
            self.advance()

    # Webhook deliveries, for whoever carries them

    def due_deliveries(self) -> list[Delivery]:
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

    # For the areas

    def new_id(self, prefix: str = "") -> str:
        """A UUID, or a prefixed id: callers must take both."""
        self._origin.counter += 1
        text = f"{self._origin.seed}:{self._origin.counter}".encode()
        digest = blake2b(text, digest_size=16).digest()
        if prefix:
            return f"{prefix}_{digest.hex()[:24]}"
        return str(uuid.UUID(bytes=digest, version=4))

    def new(self, owner_id: str, prefix: str = "") -> dict[str, Any]:
        """What every new record of an owner starts with."""
        return {
            "id": self.new_id(prefix),
            "owner_id": owner_id,
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

    def stop_machines(self, owner_id: str) -> None:
        """Everything of an owner that runs is stopped, for lack of balance."""
        for area in self.service.areas:
            if area.stop_machines is not None:
                area.stop_machines(self, owner_id)

    def close(self) -> None:
        with self.lock:
            self.store.close()

    def _work(self, request: Request, entry: Entry, *, waited: bool = False) -> Answer:
        with self.lock:
            self.advance()
            try:
                answer, entry.operation, entry.worked = self.service.answer(
                    self, request, waited=waited
                )
            except NotYet as wait:
                again = partial(self._work, request, entry, waited=True)
                return Answer(0, delay_seconds=wait.seconds, later=again)
            entry.status = answer.status
            self.store.commit()
            return answer
