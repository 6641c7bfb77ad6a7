"""What one plugin process shares: how many lists its reads ask for."""

from __future__ import annotations

import threading
import time
from functools import partial

import pytest

from pulumi_openrelay.api.client import Client, Request
from pulumi_openrelay.api.openrelay import OpenRelay
from pulumi_openrelay.api.transport import WireAnswer, WireRequest
from pulumi_openrelay.caller import Caller, Direct
from pulumi_openrelay.errors import Unreachable
from pulumi_openrelay.lifecycle.declare import Listed
from pulumi_openrelay.lifecycle.history import History
from pulumi_openrelay.lifecycle.session import Session
from pulumi_openrelay.lifecycle.shared import Shared, Snapshot

from ...simulation.network import SimulatedCall
from ...simulation.scheduler import Process, Scheduler
from ..support import OPENRELAY, URL, Hand, Wire, answer, client

THINGS = Listed("/v1/things", key="id")
LIST = answer(200, [{"id": "1"}])


def session() -> tuple[Session, Wire]:
    sender, wire = client(LIST)
    return Session(sender, "org_1"), wire


def read(shared: Session, hand: Hand) -> None:
    rows, _ = shared.rows(hand, THINGS, shared.read_since(hand))
    assert list(rows) == ["1"]


def test_reads_one_after_another_share_one_list() -> None:
    shared, wire = session()
    hand = Hand()
    for _ in range(256):
        read(shared, hand)
        hand.seconds += 0.05
    assert len(wire.sent) == 1


def test_what_this_process_has_changed_shows_in_the_next_read() -> None:
    shared, wire = session()
    hand = Hand()
    read(shared, hand)
    hand.seconds += 1
    shared.send(hand, "POST", "/v1/things/1/stop", {}, repeatable=True)
    hand.seconds += 1
    read(shared, hand)
    assert [sent.method for sent in wire.sent] == ["GET", "POST", "GET"]


def test_an_old_list_is_read_anew() -> None:
    shared, wire = session()
    hand = Hand()
    read(shared, hand)
    hand.seconds += 31
    read(shared, hand)
    assert len(wire.sent) == 2


def test_a_single_read_is_one_request_and_waits_for_no_company() -> None:
    shared, wire = session()
    hand = Hand()
    read(shared, hand)
    assert len(wire.sent) == 1
    assert not hand.waits


def test_whoever_must_see_the_list_as_it_is_now_waits_25_ms_for_company_at_most() -> None:
    shared, _ = session()
    hand = Hand()
    shared.rows(hand, THINGS, since=hand.now())
    assert 0 < sum(hand.waits) <= 0.025


def test_whoever_has_something_else_to_do_while_a_list_is_read_does_not_wait_for_it() -> None:
    reading, go_on = threading.Event(), threading.Event()

    def fetch(_caller: Caller) -> str:
        reading.set()
        assert go_on.wait(20)
        return "here"

    shared, hand = Shared(fetch, gather=0.02), Hand()
    leads = threading.Thread(target=shared.begin, args=(hand, 0.0))
    leads.start()
    assert reading.wait(20)
    assert hand.waits == []
    shared.begin(Hand(), 0.0)  # returns, though nothing has come
    go_on.set()
    leads.join(20)
    shared.begin(Hand(), 0.0)  # is there already
    reading.clear()
    assert shared.get(Hand(), since=0.0).value == "here"
    assert not reading.is_set()


def away_for(seconds: float) -> tuple[Scheduler, Shared[str], list[float]]:
    """A list of an API that is away so long, and when it is asked for."""
    scheduler = Scheduler(seed=1)
    asked: list[float] = []
    began = scheduler.clock.seconds

    class Away:
        def send(self, request: WireRequest, caller: Caller) -> WireAnswer:
            asked.append(caller.now() - began)
            if asked[-1] < seconds:
                raise Unreachable("the API cannot be reached")
            return answer(200, "here")

    api = Client(URL, OpenRelay(OPENRELAY), Away(), max_retries=9)
    return scheduler, Shared(lambda caller: str(api.send(Request("GET", "/"), caller))), asked


def asks(scheduler: Scheduler, shared: Shared[str], *patience: float) -> list[BaseException | None]:
    """What becomes of callers who ask at once, each with so many seconds."""
    process = Process("plugin")

    def ask(seconds: float) -> None:
        call = SimulatedCall(scheduler, process)
        call.deadline = call.now() + seconds
        assert shared.get(call, since=float("-inf")).value == "here"

    tasks = [scheduler.spawn(process, partial(ask, seconds)) for seconds in patience]
    scheduler.run()
    return [task.error for task in tasks]


def test_whoever_has_more_time_than_the_one_who_asked_for_all_asks_again() -> None:
    scheduler, shared, _ = away_for(8.0)
    hurried, *patient = asks(scheduler, shared, 5.0, 60.0, 60.0)
    assert isinstance(hurried, Unreachable)
    assert patient == [None, None]


def test_those_who_have_as_much_time_share_one_failure() -> None:
    scheduler, shared, asked = away_for(100.0)
    failed = asks(scheduler, shared, *(5.0 + number / 100 for number in range(64)))
    assert all(isinstance(error, Unreachable) for error in failed)
    assert len(asked) < 10


def test_an_outage_that_outlasts_the_retries_is_one_failure_for_all() -> None:
    scheduler, shared, asked = away_for(10**6)
    failed = asks(scheduler, shared, *(600.0 + 10 * number for number in range(64)))
    assert all(isinstance(error, Unreachable) for error in failed)
    assert len(asked) == 10


def test_reads_that_arrive_together_are_served_together() -> None:
    fetched: list[float] = []

    def fetch(caller: Caller) -> int:
        fetched.append(caller.now())
        time.sleep(0.05)
        return len(fetched)

    shared = Shared(fetch, gather=0.02)
    together = threading.Barrier(64)
    got: list[Snapshot[int]] = []

    def ask() -> None:
        caller = Direct(print)
        together.wait()
        got.append(shared.get(caller, since=caller.now()))

    threads = [threading.Thread(target=ask) for _ in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 64
    # Who comes while the list is being read already waits for the next one.
    assert len(fetched) <= 8


def test_what_a_thing_of_another_type_is_called_by_keeps_nothing_alive() -> None:
    """Two types may use one id."""
    key, vm = (
        f"urn:pulumi:dev::p::pulumi-python:dynamic/openrelay:{of}" for of in ("SshKey", "Vm")
    )
    history = History()
    history.own(f"{key}::laptop", "1", None)
    history.own(f"{vm}::trainer", "1", None)
    history.own(f"{vm}::renamed", "2", None)
    assert not history.let_go(f"{vm}::trainer", "1")
    assert history.let_go(f"{vm}::trainer", "2")


@pytest.mark.parametrize(("old", "new"), [("web", "team::web"), ("team::web", "web")])
def test_what_another_resource_has_now_is_kept_whatever_their_names_and_parents(
    old: str, new: str
) -> None:
    """A name may hold what parts a URN."""
    vm = "pulumi-python:dynamic/openrelay:Vm"
    old, new = f"urn:pulumi:dev::p::{vm}::{old}", f"urn:pulumi:dev::p::my:c:Team${vm}::{new}"
    history = History()
    history.own(old, "1", None)
    history.create(new, "1", "mark")
    assert history.let_go(old, "1")


def test_what_has_no_urn_is_of_no_type() -> None:
    history = History()
    history.own("", "vm_1", None)
    assert history.anothers("urn:pulumi:dev::p::t:Vm::web") == set()
