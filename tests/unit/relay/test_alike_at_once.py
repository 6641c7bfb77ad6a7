"""Many instances that are just alike, made by one program at the same time."""

from __future__ import annotations

import contextlib
import json

import pytest

from pulumi_openrelay.emulator import Answer, Request
from pulumi_openrelay.lifecycle.fields import OWNER

from ...contract.support import answer_by
from ...simulation.engine import Declared, Program
from .support import SMALL, Death, OperationFailed, Stack, account

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


def test_what_one_made_late_that_waits_for_capacity_is_not_taken_for_the_next_ones_own() -> None:
    """Both lose an answer, and the first gives its turn away."""
    stack = account()
    handle = stack.world.handle
    posts: list[str] = []
    waits: list[float] = []

    def lost(request: Request) -> Answer:
        if (request.method, request.path) != ("POST", "/v2/instances"):
            return handle(request)
        if not posts:
            posts.append("")
            return Answer(502, b"{}")
        if not waits:
            waits.append(stack.scheduler.clock())
            posts[0] = json.loads(handle(request).body)["id"]
            return Answer(503, json.dumps({"detail": "none", "error": NO_CAPACITY}).encode())
        posts.append(json.loads(handle(request).body)["id"])
        return Answer(502, b"{}") if len(posts) == 2 else Answer(200, b"{}")

    answer_by(stack, lost)
    with contextlib.suppress(OperationFailed):
        stack.up(alike(2, capacity_timeout="30s"))
    assert posts[1] in stack.recorded()


def test_what_is_made_while_one_waits_is_not_taken_for_its_own_by_a_later_run() -> None:
    """It waits for capacity, is killed at its next create, and the next `up` names it alone, as
    with `--target`."""
    at, _ = _the_first_waits(death=None)
    _, stack = _the_first_waits(death=Death(at, after_the_work=False))
    assert len(stack.alive()) == 1
    assert stack.alive() == stack.recorded()
    stack.refresh()
    (killed,) = {"box0", "box1"} - {record.name for record in stack.engine.state}

    def create() -> str:
        life, _ = stack.life(killed)
        inputs, _ = life.check({}, {**SMALL, "wait_for": "none", OWNER: "owner"})
        return life.create(inputs)[0]

    assert stack.run(create) not in stack.recorded()


def _the_first_waits(death: Death | None) -> tuple[int, Stack]:
    """An up of two, of which the first is refused until the other stands. The number of the request
    that makes it then."""
    stack = account()
    handle = stack.world.handle
    posts: list[int] = []

    def none_at_first(request: Request) -> Answer:
        if (request.method, request.path) == ("POST", "/v2/instances"):
            posts.append(stack.sent)
            if len(posts) == 1:
                return Answer(503, json.dumps({"detail": "none", "error": NO_CAPACITY}).encode())
        return handle(request)

    answer_by(stack, none_at_first)
    stack.death = death
    with contextlib.suppress(OperationFailed):
        stack.up(alike(2, capacity_timeout="10m", wait_for="none"))
    stack.death = None
    return posts[-1], stack
