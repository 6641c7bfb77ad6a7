"""Between the lifecycle and the emulator's world: time on the way, and everything that goes
wrong."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import dataclass, field, fields
from email.utils import formatdate
from threading import Event

from pulumi_openrelay.api.transport import WireAnswer, WireRequest
from pulumi_openrelay.caller import Caller
from pulumi_openrelay.emulator import Answer, ControlPlane, Request
from pulumi_openrelay.errors import AnswerLost, Interrupted, Unreachable
from pulumi_openrelay.urn import name_of

from .scheduler import Process, Scheduler
from .watch import UNDERCUT, Broken, Sender, Sent, Watch

OUTAGE = "outage"
"""The name of an outage among the faults of a story."""
ORPHAN_SECONDS = 0.3
"""How long a plugin may live on without its CLI before it finds out. What it has sent by then is
carried out, whatever the next `up` does meanwhile."""


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
    """Of a request that was lost before the work: that it arrives all the same, later."""
    ghost_seconds: float = field(default=2.5)
    """How much later, at most."""
    interrupt: float = 0.0
    """Ctrl-C, at a request."""
    orphan: float = 0.0
    """Of the CLI's death, at a request: its plugin lives on for a while."""
    outage: tuple[float, float] | None = None
    """From when to when nothing can be reached; None: never."""
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
        self.outage = None

    def kills(self) -> bool:
        """Whether a process may die of it, or be asked to stop."""
        return max(self.death, self.interrupt, self.orphan) > 0

    def allows(self, name: str) -> bool:
        """Whether the fault of this name may strike."""
        return self.only is None or name in self.only


@dataclass
class Tally:
    """What happened, over all simulations."""

    faults: Counter[str] = field(default_factory=Counter)
    """What was done to requests and processes."""
    events: Counter[str] = field(default_factory=Counter)
    """What was done to machines, by other hands and by the stories themselves."""
    broken: Counter[str] = field(default_factory=Counter)
    """Stories that broke an invariant, by its kind."""
    requests: int = 0
    machines: int = 0

    def add(self, other: Tally) -> None:
        """Count another one's too."""
        self.faults += other.faults
        self.events += other.events
        self.broken += other.broken
        self.requests += other.requests
        self.machines += other.machines


class SimulatedCall:
    """The engine's call in a simulation: its clock is the scheduler's."""

    def __init__(
        self, scheduler: Scheduler, process: Process, urn: str = "", timeout: float = 0.0
    ) -> None:
        self._scheduler = scheduler
        self._process = process
        self.urn = urn
        self.name = name_of(urn)
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
        watch: Watch,
    ) -> None:
        self._scheduler = scheduler
        self._world = world
        self._weather = weather
        self._tally = tally
        self._story = story
        self._process = process
        self._watch = watch
        self._not_before = 0.0

    def send(self, request: WireRequest, caller: Caller) -> WireAnswer:
        """Send it, or not, and answer, or not."""
        if caller.interrupted:
            raise Interrupted
        early = self._not_before - self._scheduler.clock.seconds
        if early > 0:
            self._scheduler.stop(Broken(UNDERCUT, f"{request.method} was {early:.3f} s early"))
        self._tally.requests += 1
        urn = getattr(caller, "urn", "")
        sent = self._watch.sends(Sender(self._process, self._process.name, urn), request)
        if not request.only_reads:
            self._process.changes.append(f"{request.method} {sent.path}")
        answer, reached = None, True
        try:
            answer = self._sent(sent)
        except Unreachable:
            reached = False
            raise
        finally:
            self._watch.ends(sent, answer, reached=reached)
        return answer

    def _sent(self, sent: Sent) -> WireAnswer:
        request, weather, process = sent.request, self._weather, self._process
        rng = self._scheduler.rng
        if self._strikes("Ctrl-C", weather.interrupt, sent):
            process.cancelled = True
        if self._strikes("death of the CLI alone", weather.orphan, sent):
            self._orphan()
        if self._is_out(sent) or self._strikes("unreachable", weather.unreachable, sent):
            raise Unreachable("the API cannot be reached")
        # A create without a key that is on its way while the next run looks cannot be found by it.
        self._travel(sent, slow=not sent.creates or sent.has_key)
        if self._strikes("death before the work", weather.death / 2, sent):
            self._haunt(sent)
            self._scheduler.kill(process)
        if self._strikes("lost before the work", weather.lost_before, sent):
            self._haunt(sent)
            raise AnswerLost("the connection broke before the answer")
        if self._strikes("429", weather.too_many, sent):
            return self._error(429, asks_to_wait=True)
        scarce = _capacity_code(request)
        if scarce and self._strikes("503 capacity", weather.capacity, sent):
            return self._error(503, scarce)
        status = rng.choice((500, 502, 503))
        if self._strikes(f"{status} before the work", weather.status_before, sent):
            return self._error(status, asks_to_wait=status == 503)
        answer = self._carry_out(sent)
        self._tell(sent, str(answer.status))
        if self._strikes("death after the work", weather.death / 2, sent):
            self._scheduler.kill(process)
        self._travel(sent)
        if process.cancelled and rng.random() < 0.5:
            raise Interrupted(sent=not request.only_reads)
        if self._strikes("lost after the work", weather.lost_after, sent):
            raise AnswerLost("the connection broke before the answer")
        if self._strikes(f"{status} after the work", weather.status_after, sent):
            return self._error(status, asks_to_wait=status == 503)
        if self._strikes("unreadable", weather.unreadable, sent):
            page = rng.choice((b"<html>oops</html>", b'{"id": "0f', b'"ok"', b"7"))
            return WireAnswer(answer.status, {}, page if answer.body else b"{")
        headers = {name.lower(): value for name, value in answer.headers.items()}
        headers["date"] = _http_date(self._world.now)
        return WireAnswer(answer.status, headers, answer.body)

    def _carry_out(self, sent: Sent) -> Answer:
        answer = self._world.handle(_translated(sent))
        self._watch.carried_out(sent, answer.status, answer.body)
        return answer

    def _is_out(self, sent: Sent) -> bool:
        outage, now = self._weather.outage, self._scheduler.clock.seconds
        if outage is None or not outage[0] <= now < outage[1] or not self._weather.allows(OUTAGE):
            return False
        if OUTAGE not in self._weather.struck:
            self._weather.struck.append(OUTAGE)
        self._tally.faults[f"unreachable in an {OUTAGE}"] += 1
        self._tell(sent, OUTAGE)
        return True

    def _orphan(self) -> None:
        """The CLI dies, and its plugin finds out a little later."""
        process, scheduler = self._process, self._scheduler
        scheduler.orphan(process)

        def find_out() -> None:
            scheduler.wait(scheduler.rng.uniform(0.0, ORPHAN_SECONDS))
            process.cancelled = True

        scheduler.spawn(Process("orphan"), find_out)

    def _haunt(self, sent: Sent) -> None:
        """Perhaps a request that nobody waits for any more arrives all the same."""
        if not self._strikes("arrives late", self._weather.ghost, sent):
            return

        def arrive() -> None:
            self._scheduler.wait(self._scheduler.rng.uniform(0.0, self._weather.ghost_seconds))
            self._tell(sent, f"arrived late: {self._carry_out(sent).status}")

        self._scheduler.spawn(Process("ghost"), arrive)

    def _travel(self, sent: Sent, *, slow: bool = True) -> None:
        rng = self._scheduler.rng
        seconds = rng.uniform(0.005, 0.2)
        if slow and self._strikes("delay", self._weather.slow, sent):
            seconds += rng.uniform(1, 20)
        self._scheduler.wait(seconds)

    def _strikes(self, fault: str, likely: float, sent: Sent) -> bool:
        if likely <= 0:
            return False
        # Chance is drawn for this very request, so that another fault's absence changes nothing.
        weather = self._weather
        place = f"{self._process.name} {sent.request.method} {sent.path} {fault}"
        weather.asked[place] += 1
        drawn = hashlib.blake2b(
            f"{self._scheduler.seed} {place} {weather.asked[place]}".encode(), digest_size=8
        )
        if int.from_bytes(drawn.digest()) / 2**64 >= likely:
            return False
        name = drawn.hexdigest()[-5:]
        if not weather.allows(name):
            return False
        weather.struck.append(name)
        self._tally.faults[fault] += 1
        self._tell(sent, fault)
        return True

    def _tell(self, sent: Sent, outcome: str) -> None:
        self._story.append(
            f"{self._scheduler.clock.seconds % 1_000_000:10.2f} {self._process.name} "
            f"{sent.request.method} {sent.path}: {outcome}"
        )

    def _error(
        self, status: int, code: str | None = None, *, asks_to_wait: bool = False
    ) -> WireAnswer:
        """An error. asks_to_wait: perhaps with a `Retry-After`, in seconds or as a date."""
        body = self._world.error_body(status, "A fault on order.", code)
        headers: dict[str, str] = {}
        rng, now = self._scheduler.rng, self._scheduler.clock.seconds
        asked = rng.choice((None, 1, 3, 20)) if asks_to_wait else None
        if asked is not None:
            self._not_before = max(self._not_before, now + asked)
            headers["retry-after"] = str(asked)
            if rng.random() < 0.3:
                headers = {"date": _http_date(now), "retry-after": _http_date(now + asked)}
        return WireAnswer(status, headers, json.dumps(body).encode())


def _capacity_code(request: WireRequest) -> str | None:
    """What the service says where it has none; None for a request that needs none."""
    if request.url.endswith("/create"):
        return "INSUFFICIENT_GPU_CAPACITY"
    wants = request.method == "POST" and request.url.endswith("/v2/instances")
    return "INSTANCES_UNAVAILABLE" if wants else None


def _http_date(seconds: float) -> str:
    return formatdate(seconds, usegmt=True)


def _translated(sent: Sent) -> Request:
    request = sent.request
    return Request(
        request.method, sent.path, dict(request.query), dict(request.headers), request.body or b""
    )
