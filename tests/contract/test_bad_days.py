"""What every kind does on a bad day: one, and only one, whatever becomes of answers and plugins."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest

from pulumi_openrelay.emulator import Answer, Request

from .examples import EXAMPLES
from .support import (
    KINDS,
    LOST,
    MOST_REQUESTS,
    NAME,
    THINGS,
    TOKENS,
    Death,
    OperationFailed,
    Program,
    Stack,
    answer_by,
    create_of,
    create_request,
    failure,
    one_replacement,
    program,
    resolved,
)

VM, CLUSTER = "openrelay:Vm", "openrelay:InferenceCluster"


def all_updates(token: str) -> dict[str, Any]:
    """All its inputs that can change in place together, changed."""
    changes: dict[str, Any] = {}
    for name, update in EXAMPLES[token].updates.items():
        changes |= {name: update.to, **update.beside}
    return changes


def lose_changes(stack: Stack, how: str) -> None:
    """Lose the answer to the first request of each method that changes something."""
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        rule = {"match": {"method": method, "path_regex": "."}, "action": LOST[how]}
        stack.world.faults.add(rule)


@pytest.mark.parametrize("least", [False, True], ids=["whole", "least"])
@pytest.mark.parametrize("how", LOST)
@pytest.mark.parametrize("token", THINGS)
class TestLostCreate:
    def test_a_create_whose_answer_is_lost_makes_exactly_one(
        self, token: str, how: str, least: bool
    ) -> None:
        stack = Stack(token)
        undisturbed = Stack(token)
        undisturbed.up(program(token, least=least))
        rule = {"match": {"path_regex": create_of(token)}, "action": LOST[how]}
        stack.world.faults.add(rule)
        stack.up(program(token, least=least))
        assert stack.world.faults.rules[0].hits == 1
        stack.assert_nothing_lost()
        # It is as good as any: no secret that the answer showed is missing.
        assert stack.record().outputs.keys() == undisturbed.record().outputs.keys()
        stack.up(program(token, least=least))
        assert stack.sent == 0

    def test_one_whose_every_answer_is_lost_is_found_by_the_next_up(
        self, token: str, how: str, least: bool
    ) -> None:
        stack = Stack(token)
        rule = {"match": {"path_regex": create_of(token)}, "times": None, "action": LOST[how]}
        stack.world.faults.add(rule)
        told = failure(stack, program(token, least=least))
        assert told is None or f"{KINDS[token].noun} '{NAME}': " in told
        stack.world.faults.clear()
        stack.up(program(token, least=least))
        stack.assert_nothing_lost()


@pytest.mark.parametrize("least", [False, True], ids=["whole", "least"])
@pytest.mark.parametrize("how", LOST)
@pytest.mark.parametrize("token", TOKENS)
class TestLostAnswer:
    def test_a_change_whose_answer_is_lost_is_made_once_or_again(
        self, token: str, how: str, least: bool
    ) -> None:
        for name, update in EXAMPLES[token].updates.items():
            stack = Stack(token)
            stack.up(program(token, least=least))
            made = stack.record().id
            changed = program(token, least=least, **{name: update.to, **update.beside})
            lose_changes(stack, how)
            if KINDS[token].acts:
                with pytest.raises(OperationFailed, match="may have been done and billed"):
                    stack.up(changed)
            stack.up(changed)
            assert stack.record().id == made
            asked = resolved(stack, changed)[NAME].inputs[name]
            assert stack.record().outputs[name] == asked
            stack.refresh()
            stack.up(changed)
            assert stack.sent == 0

    def test_a_delete_whose_answer_is_lost_has_ended_it(
        self, token: str, how: str, least: bool
    ) -> None:
        stack = Stack(token)
        stack.up(program(token, least=least))
        lose_changes(stack, how)
        stack.destroy()
        assert stack.engine.state == []
        stack.assert_nothing_lost()


SECONDS_BETWEEN = 5.0
"""The CLI takes a few seconds to start, and nobody is faster."""
OPERATIONS = ("up", "update", "replace", "destroy")


@pytest.mark.parametrize("least", [False, True], ids=["whole", "least"])
@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("token", TOKENS)
def test_killed_at_any_request_and_run_again_nothing_is_left_over(
    token: str, operation: str, least: bool
) -> None:
    """The plugin dies at the k-th request, before or after its work, for every k there is."""
    deaths = 0
    for request in range(1, MOST_REQUESTS):
        died = False
        for after_the_work in (False, True):
            stack = Stack(token)
            died |= _killed(stack, token, operation, Death(request, after_the_work), least=least)
        if not died:
            break
        deaths += 1
    else:
        pytest.fail(f"more than {MOST_REQUESTS} requests: raise MOST_REQUESTS")
    if token in THINGS and _after(token, operation, least=least) is not None:
        assert deaths > 0


@pytest.mark.parametrize("later", [0, 1, 2, 5])
@pytest.mark.parametrize("least", [False, True], ids=["whole", "least"])
@pytest.mark.parametrize("token", THINGS)
def test_what_a_killed_create_has_made_is_gone_on_with(token: str, least: bool, later: int) -> None:
    """And not ended and made again, unless its secret was lost with it."""
    stack = Stack(token)
    stack.death = Death(create_request(token, least=least, name=None) + later, after_the_work=True)
    if failure(stack, program(token, least=least, name=None)) is None:
        return  # it was done before
    (left,) = stack.alive() - stack.recorded()
    stack.death = None
    stack.scheduler.clock.advance(SECONDS_BETWEEN)
    stack.up(program(token, least=least, name=None))
    assert (stack.record().id == left) != KINDS[token].shown_once
    stack.assert_nothing_lost()


@pytest.mark.parametrize("token", [t for t in TOKENS if "name" in EXAMPLES[t].more])
def test_a_killed_create_of_a_name_the_program_chose_is_told_with_its_id(token: str) -> None:
    """Such a name proves nothing: only an idempotency key, or a person, can say whose it is."""
    stack = Stack(token)
    stack.death = Death(create_request(token), after_the_work=True)
    with pytest.raises(OperationFailed):
        stack.up(program(token))
    (left,) = stack.alive() - stack.recorded()
    stack.death = None
    if KINDS[token].create.idempotent:
        stack.up(program(token))
    else:
        with pytest.raises(OperationFailed, match=re.escape(left)) as failure:
            stack.up(program(token))
        if "adopt" not in KINDS[token].fields:
            assert "adopt" not in str(failure.value)
            return
        assert "adopt=True" in str(failure.value)
        stack.up(program(token, adopt=True))
    assert stack.record().id == left
    stack.assert_nothing_lost()


def _killed(stack: Stack, token: str, operation: str, death: Death, *, least: bool) -> bool:
    """Play one death and what follows; whether the operation lasted long enough to die."""
    before = program(token, least=least, name=None)
    after = _after(token, operation, least=least)
    if after is None:
        return False
    if operation != "up":
        stack.up(before)
    stack.death = death
    try:
        if operation == "destroy":
            stack.destroy()
        else:
            stack.up(after)
    except OperationFailed:
        assert stack.died
    stack.death = None
    stack.scheduler.clock.advance(SECONDS_BETWEEN)
    if operation == "destroy":
        stack.destroy()
    else:
        stack.up(after)
        stack.assert_nothing_lost()
        stack.up(after)
        assert stack.sent == 0, death
        if operation == "update":
            for name, value in resolved(stack, after)[NAME].inputs.items():
                assert stack.record().outputs[name] == value, (death, name)
        stack.destroy()
    assert stack.engine.state == []
    stack.assert_nothing_lost()
    return stack.died


def _after(token: str, operation: str, *, least: bool) -> Program | None:
    """The program after the change; None where the kind has no such change."""
    changes: dict[str, Any] = {}
    if operation == "update":
        changes = all_updates(token)
    elif operation == "replace":
        changes = one_replacement(token)
    if operation in ("update", "replace") and not changes:
        return None
    return program(token, least=least, **{**changes, "name": None})


@pytest.mark.parametrize("status", [400, 409])
@pytest.mark.parametrize("token", [VM, CLUSTER])
def test_a_stop_that_is_refused_because_an_earlier_try_has_stopped_it_is_done(
    token: str, status: int
) -> None:
    """What the API answers to a stop of one that rests is not documented."""
    stack = Stack(token, provision_seconds=0.0)
    stack.up(program(token))
    stack.world.faults.add({"match": {"path_regex": "/stop$"}, "action": "lose_answer"})
    rule = {"match": {"path_regex": "/stop$"}, "skip": 1}
    stack.world.faults.add({**rule, "action": {"type": "status", "status": status}})
    stopped = program(token, desired_state="stopped")
    stack.up(stopped)
    tries = [entry for entry in stack.world.log.entries if entry.path.endswith("/stop")]
    assert [entry.fault for entry in tries] == ["lose_answer", "status"]
    assert stack.record().outputs["status"] == "stopped"
    assert stack.up(stopped) == []


@pytest.mark.parametrize("token", [VM, CLUSTER])
def test_a_stop_that_is_refused_of_one_that_runs_has_failed(token: str) -> None:
    stack = Stack(token)
    stack.up(program(token))
    stack.world.faults.status(409, "POST", "/stop$", error="not now")
    assert "not now" in str(failure(stack, program(token, desired_state="stopped")))
    assert stack.record().outputs["status"] == "running"


def test_a_cluster_that_starts_and_grows_in_one_change_is_scaled_once_it_runs() -> None:
    """Whether one that is on its way can be scaled, the API does not say."""
    stack = Stack(CLUSTER)
    stack.up(program(CLUSTER, replica_count=1, desired_state="stopped"))
    handle = stack.world.handle

    def refusing(request: Request) -> Answer:
        path, _, action = request.path.rpartition("/")
        if (
            action == "scale"
            and b'"running"'
            not in handle(replace(request, method="GET", path=f"{path}/detail", body=b"")).body
        ):
            error = {"error": "It is on its way.", "code": "INVALID_CLUSTER_STATE"}
            return Answer(409, json.dumps(error).encode())
        return handle(request)

    answer_by(stack, refusing)
    stack.up(program(CLUSTER, replica_count=3))
    assert stack.record().outputs["replica_count"] == 3
    assert stack.record().outputs["status"] == "running"
