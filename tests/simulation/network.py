"""Between the lifecycle and the emulator's world: time on the way, and everything that goes
wrong."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import dataclass, field, fields
from email.utils import formatdate
from threading import Event
from urllib.parse import urlsplit

from pulumi_openrelay.api.transport import WireAnswer, WireRequest
from pulumi_openrelay.caller import Caller
from pulumi_openrelay.emulator import ControlPlane, Request
from pulumi_openrelay.errors import AnswerLost, Interrupted, Unreachable

from .scheduler import Process, Scheduler


@dataclass
class Weather:
    """How likely each request meets each fault; all zero once the faults stop."""

    unreachable: float = 0.0
    lost_before: float = 0.0
    lost_after: float = 0.0
    status_before: float = 0.0
    status_after: float = 0.0
    unreadable: float = 0.0
    too_many: float = 0.0
    capacity: float = 0.0
    slow: float = 0.0
    death: float = 0.0
    """Of the whole plugin process, at a request."""
    ghost: float = 0.0
    """Of a request that was lost before the work: that it arrives all the same, a little later."""
    interrupt: float = 0.0
    """Ctrl-C, at a request."""
    only: frozenset[str] | None = None
    """The names of the faults that may strike; None: all."""
    struck: list[str] = field(default_factory=list)
    """The names of those that did."""
    asked: Counter[str] = field(default_factory=Counter)
    """How often chance was drawn, by place."""

    def calm(self) -> None:
        for each in fields(self):
            if each.type == "float":
                setattr(self, each.name, 0.0)


@dataclass
class Tally:
    """What happened, over all simulations."""

    faults: Counter[str] = field(default_factory=Counter)
    requests: int = 0
    machines: int = 0


class SimulatedCall:
    """The engine's call in a simulation: its clock is the scheduler's."""

    def __init__(
        self, scheduler: Scheduler, process: Process, urn: str = "", timeout: float = 0.0
    ) -> None:
        self._scheduler = scheduler
        self._process = process
        self.urn = urn
        self.name = urn.rsplit("::", 1)[-1]
        self.timeout = timeout
        self.deadline = float("inf")
        self.warnings: list[str] = []
        self.reports: list[str] = []

    def now(self) -> float:
        return self._scheduler.clock.seconds

    def time(self) -> float:
        return self._scheduler.clock.seconds

    def wait(self, seconds: float, event: Event | None = None) -> None:
        if self.interrupted:
            raise Interrupted
        if event is None or not event.is_set():
            self._scheduler.wait(max(0.0, seconds), event)
        if self.interrupted:
            raise Interrupted

    @property
    def interrupted(self) -> bool:
        return self._process.cancelled

    def report(self, text: str) -> None:
        self.reports.append(text)

    def warn(self, text: str) -> None:
        self.warnings.append(text)


class Network:
    """A transport into a world, through the weather. story: every request and what became of it."""

    def __init__(
        self,
        scheduler: Scheduler,
        world: ControlPlane,
        weather: Weather,
        tally: Tally,
        story: list[str],
        process: Process,
    ) -> None:
        self._scheduler = scheduler
        self._world = world
        self._weather = weather
        self._tally = tally
        self._story = story
        self._process = process
        self._not_before = 0.0

    def send(self, request: WireRequest, caller: Caller) -> WireAnswer:
        """Send it, or not, and answer, or not."""
        if caller.interrupted:
            raise Interrupted
        now = self._scheduler.clock.seconds
        assert now >= self._not_before, f"Retry-After undercut by {self._not_before - now:.3f} s"
        self._tally.requests += 1
        if not request.only_reads:
            self._process.changes.append(f"{request.method} {urlsplit(request.url).path}")
        rng, weather = self._scheduler.rng, self._weather
        if self._strikes("Ctrl-C", weather.interrupt, request):
            self._process.cancelled = True
        if self._strikes("unreachable", weather.unreachable, request):
            raise Unreachable("the API cannot be reached")
        self._travel(weather)
        if self._strikes("death before the work", weather.death / 2, request):
            self._haunt(request)
            self._scheduler.kill(self._process)
        if self._strikes("lost before the work", weather.lost_before, request):
            self._haunt(request)
            raise AnswerLost("the connection broke before the answer")
        if self._strikes("429", weather.too_many, request):
            return self._too_many()
        scarce = self._capacity_code(request)
        if scarce and self._strikes("503 capacity", weather.capacity, request):
            return self._error(503, scarce)
        if self._strikes("5xx before the work", weather.status_before, request):
            return self._error(rng.choice((500, 502, 503)))
        answer = self._world.handle(_translated(request))
        self._tell(request, str(answer.status))
        if self._strikes("death after the work", weather.death / 2, request):
            self._scheduler.kill(self._process)
        self._travel(weather)
        if self._process.cancelled and rng.random() < 0.5:
            raise Interrupted(sent=not request.only_reads)
        if self._strikes("lost after the work", weather.lost_after, request):
            raise AnswerLost("the connection broke before the answer")
        if self._strikes("5xx after the work", weather.status_after, request):
            return self._error(rng.choice((500, 502, 503)))
        if self._strikes("unreadable", weather.unreadable, request):
            page = rng.choice((b"<html>oops</html>", b'{"id": "0f', b'"ok"', b"7"))
            return WireAnswer(answer.status, {}, page if answer.body else b"{")
        headers = {name.lower(): value for name, value in answer.headers.items()}
        headers["date"] = formatdate(self._world.now, usegmt=True)
        return WireAnswer(answer.status, headers, answer.body)

    def _haunt(self, request: WireRequest) -> None:
        """Perhaps a request that nobody waits for any more arrives all the same."""
        if not self._strikes("arrives late", self._weather.ghost, request):
            return

        def arrive() -> None:
            self._scheduler.wait(self._scheduler.rng.uniform(0.0, 2.5))
            self._world.handle(_translated(request))

        self._scheduler.spawn(Process("ghost"), arrive)

    def _too_many(self) -> WireAnswer:
        asked = self._scheduler.rng.choice((None, 1, 3, 20))
        if asked is None:
            return self._error(429)
        self._not_before = self._scheduler.clock.seconds + asked
        return WireAnswer(429, {"retry-after": str(asked)}, b'{"error": "slow down"}')

    def _travel(self, weather: Weather) -> None:
        rng = self._scheduler.rng
        seconds = rng.uniform(0.005, 0.2)
        if weather.slow and rng.random() < weather.slow:
            seconds += rng.uniform(1, 20)
        self._scheduler.wait(seconds)

    def _strikes(self, fault: str, likely: float, request: WireRequest) -> bool:
        # Chance is drawn for this very request, so that another fault's absence changes nothing.
        path = urlsplit(request.url).path
        place = f"{self._process.name} {request.method} {path} {fault}"
        self._weather.asked[place] += 1
        drawn = hashlib.blake2b(
            f"{self._scheduler.seed} {place} {self._weather.asked[place]}".encode(), digest_size=8
        )
        if int.from_bytes(drawn.digest()) / 2**64 >= likely:
            return False
        name = drawn.hexdigest()[-5:]
        if self._weather.only is not None and name not in self._weather.only:
            return False
        self._weather.struck.append(name)
        self._tally.faults[fault] += 1
        self._tell(request, fault)
        return True

    def _tell(self, request: WireRequest, outcome: str) -> None:
        path = urlsplit(request.url).path
        self._story.append(
            f"{self._scheduler.clock.seconds % 1_000_000:10.2f} {self._process.name} "
            f"{request.method} {path}: {outcome}"
        )

    def _capacity_code(self, request: WireRequest) -> str | None:
        """What the service says where it has none; None for a request that needs none."""
        if request.url.endswith("/create"):
            return "INSUFFICIENT_GPU_CAPACITY"
        wants = request.method == "POST" and request.url.endswith("/v2/instances")
        return "INSTANCES_UNAVAILABLE" if wants else None

    def _error(self, status: int, code: str | None = None) -> WireAnswer:
        body = self._world.error_body(status, "A fault on order.", code)
        return WireAnswer(status, {}, json.dumps(body).encode())


def _translated(request: WireRequest) -> Request:
    return Request(
        request.method,
        urlsplit(request.url).path,
        dict(request.query),
        dict(request.headers),
        request.body or b"",
    )
