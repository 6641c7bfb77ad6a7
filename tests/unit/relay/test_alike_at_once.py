"""Many instances that are just alike, made by one program at the same time."""

from __future__ import annotations

import json

import pytest

from pulumi_openrelay.emulator import Answer, Request

from ...contract.support import answer_by
from ...simulation.engine import Declared, Program
from .support import SMALL, OperationFailed, Stack, account

HOOK = "https://hooks.example.com/relay"
NO_CAPACITY = {"code": "INSTANCES_UNAVAILABLE", "message": "none", "type": "x", "source": "relay"}


def alike(many: int, **inputs: object) -> Program:
    return {f"box{n}": Declared("relay:Instance", {**SMALL, **inputs}) for n in range(many)}


def lists(stack: Stack) -> int:
    """How often the last operation has read the list of instances."""
    entries = stack.world.log.entries
    return sum(e.method == "GET" and e.path == "/v2/instances" for e in entries)


def a_create_takes(stack: Stack, seconds: float) -> None:
    handle = stack.world.handle

    def slow(request: Request) -> Answer:
        if (request.method, request.path) == ("POST", "/v2/instances"):
            stack.scheduler.wait(seconds)
        return handle(request)

    answer_by(stack, slow)


def test_those_without_capacity_wait_for_it_together() -> None:
    stack = account(instances_available=False)
    began = stack.scheduler.clock()
    with pytest.raises(OperationFailed, match="no capacity"):
        stack.up(alike(4, capacity_timeout="60s"))
    assert stack.scheduler.clock() - began < 70


def test_one_that_waits_for_capacity_holds_up_none_that_has_it() -> None:
    stack = account()
    handle = stack.world.handle
    made = []

    def only_elsewhere(request: Request) -> Answer:
        if (request.method, request.path) == ("POST", "/v2/instances"):
            if json.loads(request.body).get("region") != "us-east":
                return Answer(503, json.dumps({"detail": "none", "error": NO_CAPACITY}).encode())
            made.append(stack.scheduler.clock())
        return handle(request)

    answer_by(stack, only_elsewhere)
    began = stack.scheduler.clock()
    has_it = Declared("relay:Instance", {**SMALL, "region": "us-east"})
    with pytest.raises(OperationFailed, match="no capacity"):
        stack.up({**alike(5, capacity_timeout="2m"), "has": has_it})
    assert made[0] - began < 5
    assert stack.recorded() == stack.alive() != set()


def test_one_list_serves_all_of_them() -> None:
    stack = account()
    stack.up(alike(12, wait_for="none"))
    assert len(stack.alive()) == 12
    assert lists(stack) <= 2
    stack.assert_nothing_lost()


def test_those_whose_marks_the_list_tells_do_not_wait_for_each_other() -> None:
    stack = account()
    stack.up(alike(1, webhook_url=HOOK))
    a_create_takes(stack, 10.0)
    began = stack.scheduler.clock()
    stack.up(alike(9, webhook_url=HOOK))
    assert stack.scheduler.clock() - began < 40
    stack.assert_nothing_lost()


@pytest.mark.parametrize("hook", [None, HOOK])
def test_each_is_one_though_answers_are_lost(hook: str | None) -> None:
    stack = account()
    for times, action in ((2, "lose_answer"), (2, "drop"), (1, "lose_answer")):
        match = {"method": "POST", "path_regex": "/instances$"}
        stack.world.faults.add({"match": match, "times": times, "action": action})
    stack.up(alike(6, **({} if hook is None else {"webhook_url": hook})))
    assert len(stack.alive()) == 6
    stack.assert_nothing_lost()


def test_what_came_up_while_one_waited_for_capacity_is_not_taken_for_its_own() -> None:
    stack = account()
    handle = stack.world.handle
    others: list[str] = []

    def no_capacity_at_first(request: Request) -> Answer:
        if (request.method, request.path) != ("POST", "/v2/instances"):
            return handle(request)
        if not others:
            others.append(json.loads(handle(request).body)["id"])
        if stack.scheduler.clock() - began < 20:
            return Answer(503, json.dumps({"detail": "none", "error": NO_CAPACITY}).encode())
        return handle(request)

    answer_by(stack, no_capacity_at_first)
    stack.world.faults.add(
        {"match": {"method": "POST", "path_regex": "/instances$"}, "skip": 1, "action": "drop"}
    )
    began = stack.scheduler.clock()
    stack.up(alike(1, capacity_timeout="10m"))
    assert len(stack.alive()) == 2
    assert stack.recorded().isdisjoint(others)
