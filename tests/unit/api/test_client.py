"""What is sent again and what never, how long is waited, what an answer is taken for."""

from __future__ import annotations

import json
import logging
import math
import random
from dataclasses import replace
from typing import Any

import pytest

from pulumi_openrelay.api.client import Client, Request, fill
from pulumi_openrelay.api.limiter import LONGEST_RETRY_AFTER
from pulumi_openrelay.api.openrelay import OpenRelay
from pulumi_openrelay.api.transport import WireAnswer, WireRequest
from pulumi_openrelay.caller import Caller
from pulumi_openrelay.errors import (
    AnswerLost,
    ApiError,
    Conflict,
    Forbidden,
    Interrupted,
    NoCapacity,
    RateLimited,
    Rejected,
    ServerError,
    Unreachable,
)

from ...simulation.network import SimulatedCall
from ...simulation.scheduler import Process, Scheduler
from ..support import KEY, OPENRELAY, URL, Hand, answer, client, refusal, spread

OK = answer(200, {"id": "1"})
GET = Request("GET", "/v1/things")
POST = Request("POST", "/v1/things/create", body={"name": "it"})
LOST = AnswerLost("the connection broke before the answer")
AWAY = Unreachable("the API cannot be reached")


class Fixed(random.Random):
    """Chance that always falls the same way."""

    def __init__(self, drawn: float) -> None:
        super().__init__()
        self._drawn = drawn

    def random(self) -> float:
        return self._drawn


class TestBackoff:
    def test_pauses_double_from_half_a_second_to_eight(self) -> None:
        api, wire = client(refusal(500), rng=Fixed(0.0))
        hand = Hand()
        with pytest.raises(ServerError):
            api.send(GET, hand)
        assert hand.waits == [0.5, 1.0, 2.0, 4.0, 8.0, 8.0, 8.0, 8.0, 8.0]
        assert len(wire.sent) == 10

    def test_at_most_half_of_a_pause_is_left_to_chance(self) -> None:
        api, _ = client(refusal(500), rng=Fixed(1.0))
        hand = Hand()
        with pytest.raises(ServerError):
            api.send(GET, hand)
        assert hand.waits == [0.25, 0.5, 1.0, 2.0, 4.0, 4.0, 4.0, 4.0, 4.0]

    def test_two_clients_do_not_pause_alike(self) -> None:
        hands = Hand(), Hand()
        for hand in hands:
            api, _ = client(refusal(500))
            with pytest.raises(ServerError):
                api.send(GET, hand)
        assert hands[0].waits != hands[1].waits
        for pause, most in zip(hands[0].waits, [0.5, 1, 2, 4, 8, 8, 8, 8, 8], strict=True):
            assert most / 2 <= pause <= most

    @pytest.mark.parametrize("retries", [0, 1, 3])
    def test_it_is_sent_once_and_as_often_again_as_configured(self, retries: int) -> None:
        api, wire = client(AWAY, max_retries=retries)
        with pytest.raises(Unreachable):
            api.send(GET, Hand())
        assert len(wire.sent) == 1 + retries

    def test_nothing_is_waited_for_beyond_the_deadline(self) -> None:
        api, wire = client(refusal(500), rng=Fixed(0.0))
        hand = Hand(deadline=1000.0 + 2.0)
        with pytest.raises(ServerError):
            api.send(GET, hand)
        assert hand.waits == [0.5, 1.0]
        assert len(wire.sent) == 3

    def test_what_succeeds_at_last_is_answered_as_if_nothing_had_been(self) -> None:
        api, wire = client(AWAY, refusal(503), LOST, refusal(429), OK)
        assert api.send(GET, Hand()) == {"id": "1"}
        assert len(wire.sent) == 5


class TestAnOutage:
    def test_it_is_told_once_while_it_is_waited_out(self) -> None:
        api, wire = client(AWAY, AWAY, AWAY, OK)
        hand = Hand()
        api.send(GET, hand)
        assert len(wire.sent) == 4
        assert hand.reports == ["the API cannot be reached, trying again"]

    def test_other_failures_are_repeated_without_a_word(self) -> None:
        api, _ = client(refusal(500), LOST, refusal(429), OK)
        hand = Hand()
        api.send(GET, hand)
        assert hand.reports == []


class TestRetryAfter:
    @pytest.mark.parametrize("asked", [0, 1, 7.5, LONGEST_RETRY_AFTER])
    @pytest.mark.parametrize("status", [429, 500, 503])
    def test_it_is_never_undercut_and_hardly_exceeded(self, status: int, asked: float) -> None:
        api, _ = client(refusal(status, retry_after=f"{asked:g}"), OK)
        hand = Hand()
        api.send(GET, hand)
        assert asked <= sum(hand.waits) <= asked + 1

    def test_a_date_counts_from_the_servers_own_clock(self) -> None:
        slow = refusal(
            429,
            date="Wed, 01 Jan 2020 00:00:00 GMT",
            retry_after="Wed, 01 Jan 2020 00:00:30 GMT",
        )
        api, _ = client(slow, OK)
        hand = Hand()
        api.send(GET, hand)
        assert 30 <= sum(hand.waits) <= 31

    @pytest.mark.parametrize("nonsense", ["", "soon", "-5", "Wed, 32 Jan", "nan,"])
    def test_nonsense_is_waited_for_as_if_it_were_absent(self, nonsense: str) -> None:
        api, _ = client(refusal(429, retry_after=nonsense), OK)
        hand = Hand()
        api.send(GET, hand)
        assert 0 < sum(hand.waits) <= 1

    def test_one_that_is_too_long_is_told_at_once(self) -> None:
        api, wire = client(refusal(429, retry_after=str(LONGEST_RETRY_AFTER + 1)), OK)
        hand = Hand()
        with pytest.raises(RateLimited) as limited:
            api.send(GET, hand)
        assert hand.waits == []
        assert len(wire.sent) == 1
        assert limited.value.retry_after == LONGEST_RETRY_AFTER + 1
        assert limited.value.advice == "wait 301 s and run `pulumi up` again"

    def test_one_beyond_the_deadline_is_told_at_once(self) -> None:
        api, wire = client(refusal(429, retry_after="60"), OK)
        with pytest.raises(RateLimited):
            api.send(GET, Hand(deadline=1000.0 + 59))
        assert len(wire.sent) == 1

    def test_whoever_else_sends_waits_too(self) -> None:
        """It speaks of the key, not of one request."""
        api, wire = client(refusal(429, retry_after="20"), OK)
        with pytest.raises(RateLimited):
            api.send(GET, Hand(deadline=1000.0 + 1))
        another = Hand(seconds=1005.0)
        api.send(POST, another)
        assert spread(another.waits) == [15.0]
        assert wire.times == [1000.0, 1020.0]

    def test_whoever_is_sent_away_is_heeded_by_all_who_run_at_once(self) -> None:
        scheduler = Scheduler(seed=1)
        sent: list[float] = []
        asked: list[tuple[float, float]] = []

        class Limited:
            """Sends every third request away for five seconds."""

            def send(self, request: WireRequest, caller: Caller) -> WireAnswer:
                del request
                scheduler.wait(0.01)
                sent.append(caller.now())
                if len(sent) % 3 == 0:
                    asked.append((caller.now(), caller.now() + 5.0))
                    return refusal(429, retry_after="5")
                return OK

        api = Client(URL, OpenRelay(OPENRELAY), Limited(), max_retries=99, rng=random.Random(1))
        process = Process("plugin")
        for number in range(30):

            def work(number: int = number) -> None:
                scheduler.wait(number * 0.4)
                api.send(GET, SimulatedCall(scheduler, process))

            scheduler.spawn(process, work)
        scheduler.run()
        assert len(asked) > 5
        # One that was on its way already could not know.
        early = [t for t in sent for begun, until in asked if begun + 0.011 < t < until]
        assert early == []


REPEATABLE = {
    "GET": GET,
    "PUT": Request("PUT", "/v1/things/1", body={}),
    "PATCH": Request("PATCH", "/v1/things/1", body={}),
    "DELETE": Request("DELETE", "/v1/things/1"),
    "a POST with a key": Request("POST", "/v1/things/create", body={}, idempotency_key="abc"),
    "a POST said to be": Request("POST", "/v1/things/1/stop", repeatable=True),
}
OUTCOME_UNKNOWN: dict[str, WireAnswer | Exception] = {
    "500": refusal(500),
    "502 in HTML": answer(502, b"<html>oops</html>"),
    "503 without a code": refusal(503),
    "503 of another code": refusal(503, "MAINTENANCE"),
    "504": refusal(504),
    "a lost connection": LOST,
    "broken JSON": answer(200, b'{"id": "0f'),
    "an HTML page": answer(200, b"<html>login</html>"),
}
NOTHING_DONE: dict[str, WireAnswer | Exception] = {
    "429": refusal(429),
    "409 CONCURRENT_UPDATE": refusal(409, "CONCURRENT_UPDATE"),
    "409 TOO_MANY_CLUSTERS_CREATING": refusal(409, "TOO_MANY_CLUSTERS_CREATING"),
    "no connection": AWAY,
}
FOR_GOOD: dict[str, tuple[WireAnswer, type[ApiError]]] = {
    "400": (refusal(400), Rejected),
    "409": (refusal(409), Conflict),
    "422": (refusal(422), Rejected),
    "503 of capacity": (refusal(503, "INSUFFICIENT_GPU_CAPACITY"), NoCapacity),
    "a redirect": (refusal(302), Rejected),
}


class TestSlowAnswers:
    SLOW = replace(POST, slow=True)

    @pytest.mark.parametrize(
        ("request_", "left", "waited"),
        [(POST, 900.0, 60.0), (SLOW, 900.0, 900.0), (SLOW, 5.0, 60.0), (SLOW, math.inf, 86400.0)],
    )
    def test_an_answer_may_take_a_minute_or_where_it_is_slow_as_long_as_there_is_time(
        self, request_: Request, left: float, waited: float
    ) -> None:
        api, wire = client(OK)
        hand = Hand()
        hand.deadline = hand.now() + left
        api.send(request_, hand)
        assert [sent.answer_seconds for sent in wire.sent] == [waited]

    @pytest.mark.parametrize("left", [0.0, 1.0])
    def test_one_that_is_lost_when_time_is_up_says_so(self, left: float) -> None:
        api, _ = client(LOST)
        hand = Hand()
        hand.deadline = hand.now() + left
        with pytest.raises(AnswerLost) as lost:
            api.send(self.SLOW, hand)
        assert lost.value.out_of_time is (left == 0.0)


class TestRepeats:
    @pytest.mark.parametrize("failure", OUTCOME_UNKNOWN)
    def test_a_post_whose_outcome_is_unknown_is_never_repeated(self, failure: str) -> None:
        api, wire = client(OUTCOME_UNKNOWN[failure], OK)
        with pytest.raises(AnswerLost) as lost:
            api.send(POST, Hand())
        assert lost.value.outcome_unknown
        assert len(wire.sent) == 1

    @pytest.mark.parametrize("failure", OUTCOME_UNKNOWN)
    @pytest.mark.parametrize("request_", REPEATABLE)
    def test_what_may_be_repeated_is(self, request_: str, failure: str) -> None:
        api, wire = client(OUTCOME_UNKNOWN[failure], OUTCOME_UNKNOWN[failure], OK)
        assert api.send(REPEATABLE[request_], Hand()) == {"id": "1"}
        assert len(wire.sent) == 3
        assert wire.sent[0] == wire.sent[1] == wire.sent[2]

    def test_an_answer_without_what_it_must_tell_is_none(self) -> None:
        for none in (answer(200, {"error": "A sentence."}), answer(200, {"id": ""})):
            api, wire = client(none, OK)
            assert api.send(replace(GET, answers=dict, tells="id"), Hand()) == {"id": "1"}
            assert len(wire.sent) == 2

    @pytest.mark.parametrize("failure", NOTHING_DONE)
    def test_what_did_no_work_is_repeated_whatever_it_was(self, failure: str) -> None:
        api, wire = client(NOTHING_DONE[failure], OK)
        assert api.send(POST, Hand()) == {"id": "1"}
        assert len(wire.sent) == 2

    @pytest.mark.parametrize("failure", FOR_GOOD)
    @pytest.mark.parametrize("request_", [POST, *REPEATABLE.values()], ids=["POST", *REPEATABLE])
    def test_what_is_refused_for_good_is_never_repeated(
        self, request_: Request, failure: str
    ) -> None:
        refused, error = FOR_GOOD[failure]
        api, wire = client(refused, OK)
        with pytest.raises(error):
            api.send(request_, Hand())
        assert len(wire.sent) == 1

    def test_a_repeated_create_has_the_same_key(self) -> None:
        api, wire = client(LOST, refusal(502), OK)
        api.send(REPEATABLE["a POST with a key"], Hand())
        assert [sent.headers["idempotency-key"] for sent in wire.sent] == ["abc"] * 3

    def test_a_post_said_not_to_be_repeatable_is_not_whatever_its_method(self) -> None:
        api, wire = client(LOST, OK)
        with pytest.raises(AnswerLost):
            api.send(Request("PATCH", "/v1/things/1", repeatable=False), Hand())
        assert len(wire.sent) == 1

    def test_the_last_failure_is_the_one_that_is_told(self) -> None:
        api, _ = client(refusal(500), AWAY, LOST, max_retries=2)
        with pytest.raises(AnswerLost):
            api.send(GET, Hand())

    def test_once_interrupted_nothing_more_is_sent(self) -> None:
        api, wire = client(OK)
        with pytest.raises(Interrupted):
            api.send(GET, Hand(interrupted=True))
        assert wire.sent == []

    def test_an_interrupt_ends_the_repeats(self) -> None:
        hand = Hand()
        api, wire = client(refusal(500), rng=Fixed(0.0))

        def wait_twice(seconds: float, event: Any = None) -> None:
            Hand.wait(hand, seconds, event)
            hand.interrupted = len(hand.waits) == 2

        hand.wait = wait_twice  # type: ignore[method-assign]
        with pytest.raises(Interrupted):
            api.send(GET, hand)
        assert len(wire.sent) == 2


class TestAnswers:
    def test_unreachable_says_that_nothing_was_done_and_lost_that_it_may_have_been(self) -> None:
        told = {}
        for failure in (AWAY, LOST):
            api, _ = client(failure, max_retries=0)
            with pytest.raises(type(failure)) as error:
                api.send(POST, Hand())
            told[type(failure)] = error.value.outcome_unknown
        assert told == {Unreachable: False, AnswerLost: True}

    def test_a_read_that_was_lost_and_then_refused_leaves_nothing_unknown(self) -> None:
        api, wire = client(LOST, refusal(403))
        with pytest.raises(Forbidden) as error:
            api.send(GET, Hand())
        assert len(wire.sent) == 2
        assert not error.value.outcome_unknown

    @pytest.mark.parametrize("body", [b"", b"  \n"])
    def test_an_empty_answer_is_none(self, body: bytes) -> None:
        api, _ = client(answer(204, body))
        assert api.send(Request("DELETE", "/v1/things/1"), Hand()) is None

    @pytest.mark.parametrize("body", [b"", b"null", b"[]", b'"ok"', b"7", b"<html>", b"[" * 99_999])
    def test_another_answer_than_documented_is_as_good_as_none(self, body: bytes) -> None:
        api, _ = client(answer(200, body))
        with pytest.raises(AnswerLost):
            api.send(Request("POST", "/v1/things/create", answers=dict), Hand())

    def test_a_list_is_no_object(self) -> None:
        api, _ = client(answer(200, {"items": []}), max_retries=0)
        with pytest.raises(AnswerLost):
            api.send(Request("GET", "/v1/things", answers=list), Hand())

    def test_the_apis_clock_is_what_its_last_answer_said(self) -> None:
        api, _ = client(answer(200, {}, date="Thu, 01 Jan 1970 00:01:40 GMT"), answer(200, {}))
        hand = Hand()
        assert api.time(hand) == hand.time()  # it has not told it yet
        for _ in range(2):  # the second answer does not tell it
            api.send(GET, hand)
            assert api.time(hand) == 100.0
        hand.seconds += 7
        assert api.time(hand) == 107.0


class TestRequests:
    def test_an_id_is_opaque_and_cannot_lead_elsewhere(self) -> None:
        assert (
            fill("/v1/vms/{id}/stop", {"id": "a/b?c=d#é %"})
            == "/v1/vms/a%2Fb%3Fc%3Dd%23%C3%A9%20%25/stop"
        )

    def test_what_goes_out_is_json_with_the_key_and_the_query_apart(self) -> None:
        api, wire = client(OK)
        api.send(Request("POST", "/v1/{org}/x", {"org": "o"}, {"limit": "2"}, {"é": [1]}), Hand())
        (sent,) = wire.sent
        assert (sent.method, sent.url, sent.query) == ("POST", f"{URL}/v1/o/x", {"limit": "2"})
        assert sent.headers["content-type"] == "application/json"
        assert sent.headers["authorization"] == f"Bearer {KEY}"
        assert sent.body == b'{"\\u00e9": [1]}'

    def test_what_has_no_body_says_nothing_of_one(self) -> None:
        api, wire = client(OK)
        api.send(GET, Hand())
        assert wire.sent[0].body is None
        assert "content-type" not in wire.sent[0].headers


class TestSecrets:
    SCRIPT = "#!/bin/sh\necho hunter2"

    @pytest.mark.parametrize("failing", [*OUTCOME_UNKNOWN.values(), *NOTHING_DONE.values()])
    def test_no_key_and_no_body_in_the_log(
        self, failing: WireAnswer | Exception, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        api, _ = client(failing, OK)
        request = Request(
            "POST", "/v1/x", body={"cloudInit": self.SCRIPT}, idempotency_key="k", answers=dict
        )
        api.send(request, Hand())
        assert any("/v1/x" in line for line in caplog.messages)
        assert KEY not in caplog.text
        assert "hunter2" not in caplog.text

    def test_no_key_in_an_error_even_where_the_api_repeats_it(self) -> None:
        api, _ = client(answer(401, {"error": f"The key {KEY} is wrong."}))
        with pytest.raises(ApiError) as error:
            api.send(GET, Hand())
        told = f"{error.value} {error.value.what} {error.value.message} {error.value.advice}"
        assert KEY not in told
        assert "[key]" in told

    def test_no_key_and_no_body_where_a_request_is_printed(self) -> None:
        api, wire = client(OK)
        request = Request("POST", "/v1/x", body={"cloudInit": self.SCRIPT})
        api.send(request, Hand())
        printed = f"{request!r} {wire.sent[0]!r} {OPENRELAY!r}"
        assert KEY not in printed
        assert "hunter2" not in printed


@pytest.mark.parametrize("half", [rb"\ud83d", rb"\uDE00", b"\xed\xa0\xbd"])
def test_half_a_character_breaks_nothing_that_is_made_of_the_answer(half: bytes) -> None:
    """No state can hold one, and a machine that cannot be recorded bills unknown."""
    sender, _ = client(replace(answer(200, {}), body=b'{"a": [{"b": "x' + half + b'"}]}'))
    told = sender.send(Request("GET", "/"), Hand())
    assert told == {"a": [{"b": "x\ufffd"}]}
    assert json.dumps(told, ensure_ascii=False).encode()


def test_a_whole_character_stays() -> None:
    sender, _ = client(replace(answer(200, {}), body=rb'{"a": "\ud83d\ude00"}'))
    assert sender.send(Request("GET", "/"), Hand()) == {"a": "\U0001f600"}
