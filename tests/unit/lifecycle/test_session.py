"""What one plugin process shares: how many lists its reads ask for."""

from __future__ import annotations

import threading
import time

from pulumi_openrelay.caller import Caller, Direct
from pulumi_openrelay.lifecycle.declare import Listed
from pulumi_openrelay.lifecycle.session import FRESH_SECONDS, Session
from pulumi_openrelay.lifecycle.shared import Shared, Snapshot

from ..support import Hand, Wire, answer, client

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
    hand.seconds += FRESH_SECONDS + 1
    read(shared, hand)
    assert len(wire.sent) == 2


def test_a_single_read_is_one_request_and_waits_25_ms_for_company_at_most() -> None:
    shared, wire = session()
    hand = Hand()
    read(shared, hand)
    assert len(wire.sent) == 1
    assert sum(hand.waits) <= 0.025


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
