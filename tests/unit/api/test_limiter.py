"""How many requests are under way at once, as the API lets them."""

from __future__ import annotations

from functools import partial

import pytest

from pulumi_openrelay.api.client import Client, Request
from pulumi_openrelay.api.limiter import LONGEST_RETRY_AFTER
from pulumi_openrelay.api.openrelay import OpenRelay
from pulumi_openrelay.api.transport import WireAnswer, WireRequest
from pulumi_openrelay.caller import Caller
from pulumi_openrelay.errors import Interrupted, RateLimited

from ...simulation.network import SimulatedCall
from ...simulation.scheduler import Process, Scheduler
from ..support import OPENRELAY, URL, Hand, answer, client, refusal

OK = answer(200, {"id": "1"})
GET = Request("GET", "/v1/things")
ANSWER_SECONDS = 0.1


class Api:
    """Answers after a tenth of a second. takes: how many requests of each second it does not
    refuse; None: all."""

    def __init__(self, scheduler: Scheduler, takes: int | None = None) -> None:
        self._scheduler = scheduler
        self._takes = takes
        self._taken: dict[int, int] = {}
        self._under_way = 0
        self.most_under_way = 0
        self.came: list[float] = []
        self.refused: list[float] = []

    def send(self, request: WireRequest, caller: Caller) -> WireAnswer:
        del request
        now = caller.now()
        second = int(now)
        self.came.append(now)
        self._under_way += 1
        self.most_under_way = max(self.most_under_way, self._under_way)
        self._taken[second] = self._taken.get(second, 0) + 1
        refuses = self._takes is not None and self._taken[second] > self._takes
        self._scheduler.wait(ANSWER_SECONDS)
        self._under_way -= 1
        if not refuses:
            return OK
        self.refused.append(caller.now())
        return refusal(429, retry_after="1")


def send_together(api: Api, scheduler: Scheduler, count: int, max_concurrent_requests: int) -> None:
    """So many threads send one request each, all at once."""
    process = Process("plugin")
    sender = Client(
        URL,
        OpenRelay(OPENRELAY),
        api,
        max_retries=9,
        max_concurrent_requests=max_concurrent_requests,
    )
    tasks = [
        scheduler.spawn(process, lambda: sender.send(GET, SimulatedCall(scheduler, process)))
        for _ in range(count)
    ]
    scheduler.run()
    assert [task.error for task in tasks if task.error is not None] == []


@pytest.mark.parametrize("most", [1, 3, 32])
def test_no_more_are_under_way_than_the_user_allows(most: int) -> None:
    scheduler = Scheduler(seed=1)
    api = Api(scheduler)
    send_together(api, scheduler, 40, max_concurrent_requests=most)
    assert api.most_under_way == most
    assert len(api.came) == 40


def test_a_turn_that_comes_late_is_taken_at_once_and_in_order() -> None:
    """However long an answer takes, nobody who gave up a look at the queue stands in it."""
    scheduler, process = Scheduler(seed=1), Process("plugin")
    began = scheduler.clock.seconds
    sent: list[tuple[str, float]] = []

    class Slow:
        def send(self, request: WireRequest, caller: Caller) -> WireAnswer:
            sent.append((request.url[-1], round(caller.now() - began, 3)))
            scheduler.wait(3.5)
            return OK

    sender = Client(URL, OpenRelay(OPENRELAY), Slow(), max_retries=9, max_concurrent_requests=1)

    def come(number: int) -> None:
        scheduler.wait(0.1 * number)
        sender.send(Request("GET", f"/v1/{number}"), SimulatedCall(scheduler, process))

    for number in range(4):
        scheduler.spawn(process, partial(come, number))
    scheduler.run()
    assert sent == [("0", 0.0), ("1", 3.5), ("2", 7.0), ("3", 10.5)]


def test_a_turn_that_an_interrupted_one_would_have_had_is_the_next_ones() -> None:
    scheduler, process, stopped = Scheduler(seed=1), Process("plugin"), Process("stopped")
    began = scheduler.clock.seconds
    api = Api(scheduler)
    sender = Client(URL, OpenRelay(OPENRELAY), api, max_retries=9, max_concurrent_requests=1)

    def come(after: float, of: Process) -> None:
        scheduler.wait(after)
        sender.send(GET, SimulatedCall(scheduler, of))

    def interrupt() -> None:
        scheduler.wait(0.03)
        stopped.cancelled = True

    scheduler.spawn(process, partial(come, 0.0, process))
    scheduler.spawn(process, partial(come, 0.01, stopped))
    scheduler.spawn(process, partial(come, 0.02, process))
    scheduler.spawn(Process("user"), interrupt)
    scheduler.run()
    assert [round(came - began, 3) for came in api.came] == [0.0, ANSWER_SECONDS]


def test_as_many_as_are_allowed_start_at_once() -> None:
    scheduler = Scheduler(seed=1)
    api = Api(scheduler)
    send_together(api, scheduler, 32, max_concurrent_requests=32)
    assert len(set(api.came)) == 1


def test_a_large_stack_does_not_storm_an_api_that_takes_ten_a_second() -> None:
    """It learns how many are taken, and every request succeeds at last."""
    scheduler = Scheduler(seed=1)
    api = Api(scheduler, takes=10)
    send_together(api, scheduler, 256, max_concurrent_requests=64)
    assert len(api.came) - len(api.refused) == 256
    learned = min(api.refused) + 5
    refused, came = (sum(1 for at in times if at > learned) for times in (api.refused, api.came))
    assert came > 100
    assert refused < 0.4 * came


def test_nobody_sends_while_the_api_asks_to_wait() -> None:
    scheduler = Scheduler(seed=1)
    api = Api(scheduler, takes=5)
    send_together(api, scheduler, 60, max_concurrent_requests=16)
    assert api.refused
    # Those that were on their way when it was said could not know.
    early = [c for c in api.came for said in api.refused if said + 1e-6 < c < said + 1.0 - 1e-6]
    assert early == []


def test_those_that_were_refused_together_halve_the_limit_once() -> None:
    class RefusesAllAtFirst(Api):
        def send(self, request: WireRequest, caller: Caller) -> WireAnswer:
            self._takes = 0 if caller.now() < began + 0.5 else None
            return super().send(request, caller)

    scheduler = Scheduler(seed=1)
    began = scheduler.clock.seconds
    api = RefusesAllAtFirst(scheduler)
    send_together(api, scheduler, 16, max_concurrent_requests=16)
    again = [came for came in api.came if came > began]
    assert again.count(min(again)) == 8


def test_a_wait_beyond_ones_deadline_is_told_at_once_to_whoever_comes_later() -> None:
    api, wire = client(refusal(429, retry_after="20"), OK)
    with pytest.raises(RateLimited):
        api.send(GET, Hand(deadline=1001.0))
    with pytest.raises(RateLimited, match="20 s"):
        api.send(GET, Hand(deadline=1019.0))
    assert len(wire.sent) == 1


def test_a_wait_beyond_all_patience_is_told_to_everybody() -> None:
    api, wire = client(refusal(429, retry_after=f"{LONGEST_RETRY_AFTER + 60:g}"), OK)
    for _ in range(3):
        hand = Hand()
        with pytest.raises(RateLimited):
            api.send(GET, hand)
        assert hand.waits == []
    assert len(wire.sent) == 1


def test_whoever_waits_for_a_turn_can_be_interrupted() -> None:
    scheduler = Scheduler(seed=1)
    process = Process("plugin")
    api = Api(scheduler)
    sender = Client(URL, OpenRelay(OPENRELAY), api, max_retries=9, max_concurrent_requests=1)

    def interrupt() -> None:
        scheduler.wait(ANSWER_SECONDS / 2)
        process.cancelled = True

    tasks = [
        scheduler.spawn(process, lambda: sender.send(GET, SimulatedCall(scheduler, process)))
        for _ in range(3)
    ]
    scheduler.spawn(Process("user"), interrupt)
    scheduler.run()
    assert len(api.came) == 1
    assert sum(isinstance(task.error, Interrupted) for task in tasks) >= 2
