"""Faults on order, in process: what the caller gets, and whether the work was done."""

from __future__ import annotations

from typing import Any

import pytest

from pulumi_openrelay.emulator import SimulatedClock, World

from .support import Api

CREATE = {"method": "POST", "path_regex": "/vms/create$"}


def rule(api: Api, action: object, **fields: Any) -> None:
    api.control("POST", "faults", {"match": CREATE, "action": action, **fields})


def create(api: Api) -> Any:
    return api.world.call("POST", api.vms_create, api.vm_body())


def test_a_lost_answer_leaves_the_work_done(api: Api) -> None:
    rule(api, "lose_answer")
    assert create(api).drop
    assert len(api.world.live_vms()) == 1
    assert create(api).status == 200


def test_a_dropped_request_leaves_nothing(api: Api) -> None:
    rule(api, "drop")
    assert create(api).drop
    assert api.world.live_vms() == []


def test_a_status_comes_with_its_headers_and_code_and_no_work(api: Api) -> None:
    action = {"type": "status", "status": 429, "code": "SLOW_DOWN", "headers": {"Retry-After": "7"}}
    rule(api, action)
    answer = create(api)
    assert answer.status == 429
    assert answer.headers["Retry-After"] == "7"
    assert answer.json() == {"error": "A fault on order.", "code": "SLOW_DOWN"}
    assert api.world.live_vms() == []


def test_a_status_may_have_any_body(api: Api) -> None:
    rule(api, {"type": "status", "status": 503, "body": ["odd"]})
    assert create(api).json() == ["odd"]


def test_an_error_after_the_work_hides_a_machine(api: Api) -> None:
    rule(api, "error_after_work")
    assert create(api).status == 502
    assert len(api.world.live_vms()) == 1


@pytest.mark.parametrize("work", [False, True])
@pytest.mark.parametrize(("kind", "status"), [("invalid_json", 200), ("html", 502)])
def test_a_body_can_be_garbage_with_or_without_the_work(
    api: Api, kind: str, status: int, work: bool
) -> None:
    rule(api, {"type": kind, "work": work})
    answer = create(api)
    assert answer.status == status
    with pytest.raises(ValueError, match=r"Expecting|Unterminated"):
        answer.json()
    assert len(api.world.live_vms()) == work


def test_a_delay_before_the_work_does_it_only_then(api: Api) -> None:
    rule(api, {"type": "delay", "seconds": 30})
    answer = create(api)
    assert answer.delay_seconds == 30
    assert api.world.live_vms() == []
    assert answer.later is not None
    api.clock.advance(30)
    done = answer.later()
    assert done.status == 200
    assert done.json()["createdAt"] == "2026-01-01T00:00:30.000Z"


def test_a_delay_after_the_work_holds_the_answer_back(api: Api) -> None:
    rule(api, {"type": "delay", "seconds": 30, "when": "after"})
    answer = create(api)
    assert (answer.delay_seconds, answer.status, answer.later) == (30, 200, None)
    assert len(api.world.live_vms()) == 1


def test_every_action_can_keep_the_caller_waiting(api: Api) -> None:
    rule(api, {"type": "drop", "seconds": 3})
    answer = create(api)
    assert (answer.drop, answer.delay_seconds) == (True, 3)


def test_a_rule_takes_one_request_unless_told_otherwise(api: Api) -> None:
    rule(api, {"type": "status", "status": 500}, times=2, skip=1)
    assert [create(api).status for _ in range(5)] == [200, 500, 500, 200, 200]
    rule(api, {"type": "status", "status": 500}, times=None)
    assert {create(api).status for _ in range(5)} == {500}


def test_the_nth_request_can_be_named(api: Api) -> None:
    api.control("POST", "faults", {"match": {**CREATE, "nth": 3}, "action": "drop"})
    assert [create(api).drop for _ in range(5)] == [False, False, True, False, False]


def test_method_and_path_decide_and_the_first_rule_wins(api: Api) -> None:
    rule(api, {"type": "status", "status": 500})
    rule(api, {"type": "status", "status": 503}, times=2)
    assert api.world.call("GET", f"{api.org}/vms").status == 200
    assert [create(api).status for _ in range(4)] == [500, 503, 503, 200]


def test_faults_of_some_probability_repeat_with_the_seed(clock: SimulatedClock) -> None:
    def statuses(seed: int) -> list[int]:
        api = Api(World(clock=clock, seed=seed), clock)
        rule(api, {"type": "status", "status": 429}, times=None, probability=0.3)
        return [create(api).status for _ in range(200)]

    assert statuses(1) == statuses(1) != statuses(2)
    assert 30 < statuses(1).count(429) < 90


def test_rules_are_listed_with_their_hits_and_cleared(api: Api) -> None:
    rule(api, "drop", times=None)
    create(api)
    create(api)
    (listed,) = api.control("GET", "faults")
    assert (listed["seen"], listed["hits"], listed["action"]["type"]) == (2, 2, "drop")
    api.control("DELETE", "faults")
    assert api.control("GET", "faults") == []
    assert create(api).status == 200


def test_rules_can_be_added_without_json(api: Api) -> None:
    api.world.faults.lose_answer("POST", "/vms/create")
    api.world.faults.status(429, "POST", "/vms/create", headers={"Retry-After": "1"})
    api.world.faults.drop("POST", "/vms/create")
    answers = [create(api) for _ in range(4)]
    assert [answer.drop for answer in answers] == [True, False, True, False]
    assert [answer.status for answer in answers] == [0, 429, 0, 200]
    assert len(api.world.live_vms()) == 2


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"action": "explode"},
        {"action": {"type": "status", "colour": "red"}},
        {"action": "drop", "match": {"verb": "GET"}},
        {"action": "drop", "match": {"path_regex": "("}},
        {"action": "drop", "often": True},
        {"action": 3},
        {"action": "drop", "times": "often"},
        {"action": "drop", "match": {"nth": "last"}},
        {"action": "drop", "probability": "low"},
        {"action": {"type": "delay", "seconds": "5"}},
        {"action": {"type": "status", "status": "500"}},
        *({"action": {"type": "status", "status": status}} for status in (0, 99, 199, 600, 1000)),
        {"action": {"type": "status", "headers": "abc"}},
        {"action": {"type": "status", "headers": {"Retry-After": 1}}},
        {"action": {"type": "status", "headers": {"Retry-After": "1\r\n"}}},
        {"action": {"type": "delay", "seconds": -5}},
        {"action": {"type": "delay", "when": "sometime"}},
    ],
)
def test_a_wrong_rule_is_refused_with_a_sentence(api: Api, wrong: dict[str, Any]) -> None:
    answer = api.world.call("POST", "/_emulator/faults", wrong)
    assert answer.status == 400
    assert answer.json()["error"]
    assert api.world.faults.rules == []
