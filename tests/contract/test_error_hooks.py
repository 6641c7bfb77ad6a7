"""An error hook of the program lets the engine ask for a failed create once more: what the create
before it has answered with is recorded nowhere, and the plugin alone knows of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pulumi_openrelay.emulator import Answer, Request

from .support import (
    KINDS,
    MACHINES,
    NAME,
    THINGS,
    Death,
    OperationFailed,
    Program,
    Stack,
    answer_by,
    create_of,
    failure,
    on_answer,
    one_replacement,
    program,
    without_dates,
)

VM, CLUSTER, INSTANCE = "openrelay:Vm", "openrelay:InferenceCluster", "relay:Instance"
SHOWN_ONCE = [token for token in THINGS if KINDS[token].shown_once]
NAMES = pytest.mark.parametrize("name", [None, "mine"], ids=["generated", "own name"])


def hooked(token: str, *, retries: int = 2, timeout: float = 0.0, **changes: Any) -> Program:
    """The least example whose creates are asked for again so often. timeout: seconds."""
    wanted = program(token, **{"least": True, **changes})
    return {**wanted, NAME: replace(wanted[NAME], retries=retries, timeout=timeout)}


def made(stack: Stack) -> int:
    """How many this stack ever made of the kind."""
    table = stack.world.service.behind_the_back[stack.example.table].kind
    return len(stack.world.store.table(table).keys() - stack.strangers)


def show_late(stack: Stack, seconds: float) -> None:
    """Let the API show what is new only so much later, and refuse the first look at it."""
    handle, born, looks = stack.world.handle, dict[str, float](), list[str]()
    stack.world.settings.change({"list_lag_seconds": seconds})
    table = stack.world.service.behind_the_back[stack.example.table].kind

    def handled(request: Request) -> Answer:
        answer, now = handle(request), stack.scheduler.clock()
        for new in stack.world.store.table(table).keys() - stack.strangers:
            born.setdefault(new, now)
        if request.method != "GET" or not born:
            return answer
        looks.append(request.path)
        if len(looks) == 1:
            return replace(answer, status=403, body=b'{"error": "Not allowed."}')
        if any(one in request.path and now < since + seconds for one, since in born.items()):
            return replace(answer, status=404, body=b'{"error": "Not found."}')
        return answer

    answer_by(stack, handled)


def settle(stack: Stack) -> None:
    stack.scheduler.clock.advance(60)
    stack.world.advance()


@NAMES
@pytest.mark.parametrize("lag", [0.0, 8.0])
@pytest.mark.parametrize("token", MACHINES)
class TestAMachineThatIsNotUpInTime:
    def test_is_gone_on_with(self, token: str, lag: float, name: str | None) -> None:
        stack = Stack(token, list_lag_seconds=lag)
        given: dict[str, Any] = {} if token == INSTANCE else {"name": name}
        stack.up(hooked(token, timeout=5.0, **given))
        assert made(stack) == 1
        stack.assert_nothing_lost()
        assert stack.engine.warnings == []
        assert stack.up(hooked(token, **given)) == []

    def test_is_recorded_where_it_never_is(self, token: str, lag: float, name: str | None) -> None:
        stack = Stack(token, list_lag_seconds=lag)
        given: dict[str, Any] = {} if token == INSTANCE else {"name": name}
        stack.script({"type": "stall"})
        said = failure(stack, hooked(token, timeout=5.0, **given))
        assert f"it exists and is recorded ({stack.record().id})" in str(said)
        assert made(stack) == 1
        stack.assert_nothing_lost()
        stack.another_hand({"status": "ready" if token == INSTANCE else "running"})
        stack.up(hooked(token, **given))
        stack.assert_nothing_lost()

    def test_is_gone_on_with_in_place_of_a_recorded_one_which_is_ended(
        self, token: str, lag: float, name: str | None
    ) -> None:
        stack = Stack(token, list_lag_seconds=lag)
        given: dict[str, Any] = {} if token == INSTANCE else {"name": name}
        stack.up(hooked(token, **given))
        settle(stack)
        stack.up(hooked(token, timeout=5.0, **given, **one_replacement(token)))
        assert made(stack) == 2
        settle(stack)
        stack.assert_nothing_lost()
        assert [line for line in stack.engine.warnings if "billing" in line] == []


@NAMES
@pytest.mark.parametrize("token", [t for t in MACHINES if t != INSTANCE])
def test_a_machine_that_has_failed_is_ended_and_another_made(token: str, name: str | None) -> None:
    stack = Stack(token)
    stack.script({"type": "fail"})
    stack.up(hooked(token, name=name))
    assert made(stack) == 2
    settle(stack)
    stack.assert_nothing_lost()
    assert stack.engine.warnings == []


@NAMES
@pytest.mark.parametrize("token", [t for t in MACHINES if t != INSTANCE])
def test_a_failed_machine_that_is_protected_or_cannot_be_ended_stays_recorded(
    token: str, name: str | None
) -> None:
    for protected in (True, False):
        stack = Stack(token)
        stack.script({"type": "fail"})
        if not protected:
            stack.world.faults.status(403, "POST", "/terminate$", times=None)
        said = failure(stack, hooked(token, name=name, deletion_protection=protected))
        assert f"it exists and is recorded ({stack.record().id})" in str(said)
        assert made(stack) == 1
        stack.assert_nothing_lost()


@NAMES
@pytest.mark.parametrize("token", [t for t in MACHINES if t != INSTANCE])
def test_what_the_program_gives_up_on_is_made_anew(token: str, name: str | None) -> None:
    stack = Stack(token)
    stack.script({"type": "stall"})
    stack.up(hooked(token, name=name, timeout=15.0, on_timeout="delete"))
    assert made(stack) == 2
    settle(stack)
    stack.assert_nothing_lost()


@pytest.mark.parametrize("token", MACHINES)
def test_what_was_answered_stays_recorded_where_nothing_can_be_looked_at_any_more(
    token: str,
) -> None:
    stack = Stack(token)
    wanted = hooked(token, timeout=5.0)
    stack.script({"type": "stall"})
    undisturbed = Stack(token)
    undisturbed.script({"type": "stall"})
    failure(undisturbed, hooked(token, timeout=5.0, retries=0))
    gets = sum(e.method == "GET" for e in undisturbed.world.log.entries)
    match = {"method": "GET", "path_regex": "."}
    stack.world.faults.add({"match": match, "skip": gets, "times": None, "action": "drop"})
    said = failure(stack, wanted)
    assert f"it exists and is recorded ({stack.record().id})" in str(said)
    stack.world.faults.clear()
    stack.assert_nothing_lost()


class TestAReplacementOnDemand:
    """No call names the recorded one before."""

    @pytest.mark.parametrize("token", MACHINES)
    def test_that_is_asked_for_again_leaves_the_new_one_alone(self, token: str) -> None:
        stack = Stack(token)
        stack.up(hooked(token))
        settle(stack)
        stack.up(hooked(token, timeout=5.0, **one_replacement(token)), target_replace=NAME)
        assert made(stack) == 2
        settle(stack)
        stack.assert_nothing_lost()

    @pytest.mark.parametrize("status", ["deploying", "failed"])
    @pytest.mark.parametrize("token", [t for t in MACHINES if t != INSTANCE])
    def test_never_costs_the_recorded_one_while_there_is_no_other(
        self, token: str, status: str
    ) -> None:
        stack = Stack(token)
        stack.up(hooked(token))
        settle(stack)
        old = stack.record().id
        stack.another_hand({"status": status})
        stack.world.faults.status(403, "POST", create_of(token), times=None)
        assert failure(stack, hooked(token, timeout=5.0), target_replace=NAME) is not None
        assert stack.alive() == stack.recorded() == {old}


@pytest.mark.parametrize("name", [None, "mine"], ids=["generated", "own name"])
def test_a_replaced_one_that_is_protected_no_more_goes_after_the_new_one_stands(
    name: str | None,
) -> None:
    stack = Stack(VM)
    stack.up(hooked(VM, name=name, deletion_protection=True))
    settle(stack)
    stack.script({"type": "fail"})
    stack.up(hooked(VM, name=name, **one_replacement(VM)))
    assert made(stack) == 3
    settle(stack)
    stack.assert_nothing_lost()


@pytest.mark.parametrize("token", SHOWN_ONCE)
def test_what_shows_its_secret_once_is_made_anew(token: str) -> None:
    """A look after the create fails, and nothing tells the secret again."""
    stack = Stack(token)
    path = KINDS[token].listed.path.rpartition("}")[2]
    match = {"method": "GET", "path_regex": path}
    refused = {"type": "status", "status": 403}
    stack.world.faults.add({"match": match, "skip": 1, "times": 1, "action": refused})
    asked = stack.up(hooked(token))
    assert len([operation for operation in asked if operation.startswith("create")]) == 2
    assert any(stack.record().outputs.get(secret) for secret in ("secret", "key"))
    stack.assert_nothing_lost()


@pytest.mark.parametrize("dated", [True, False])
@pytest.mark.parametrize("seconds", [3.0, 8.0, 15.0, 25.0])
@pytest.mark.parametrize("token", [*MACHINES, *SHOWN_ONCE])
def test_what_the_api_does_not_show_yet_is_never_doubled(
    token: str, seconds: float, dated: bool
) -> None:
    stack = Stack(token)
    show_late(stack, seconds)
    if not dated:
        without_dates(stack, ".")
        created = KINDS[token].create.path.rpartition("}")[2]
        on_answer(stack, created, lambda body: body.pop("createdAt", None))
    stack.up(hooked(token))
    assert made(stack) == 1 or token in SHOWN_ONCE
    settle(stack)
    stack.assert_nothing_lost()


@pytest.mark.parametrize("token", [*MACHINES, *SHOWN_ONCE])
def test_what_no_look_shows_stays_recorded_and_is_gone_on_with_once_it_shows(token: str) -> None:
    stack = Stack(token)
    show_late(stack, 100.0)
    said = str(failure(stack, hooked(token)))
    assert f"the API does not show it; it was {stack.record().id}; run `pulumi up` again" in said
    assert made(stack) == 1
    settle(stack)
    settle(stack)
    stack.assert_nothing_lost()
    stack.up(hooked(token))
    assert made(stack) == 1
    stack.assert_nothing_lost()


@pytest.mark.parametrize("after_the_work", [False, True])
@pytest.mark.parametrize(
    ("token", "name"), [(VM, None), (VM, "mine"), (CLUSTER, None), (INSTANCE, None)]
)
def test_killed_at_any_request_of_any_create_the_next_up_leaves_one(
    token: str, name: str | None, after_the_work: bool
) -> None:
    wanted = hooked(token, timeout=3.0, name=name)
    request, dies = 1, True
    while dies:
        stack = Stack(token)
        stack.death = Death(request, after_the_work)
        try:
            stack.up(wanted)
        except OperationFailed:
            stack.death = None
            stack.scheduler.clock.advance(5)
            stack.up(wanted)
        dies = stack.died
        settle(stack)
        stack.assert_nothing_lost()
        request += 1
    assert request > 5


def test_a_create_that_a_hook_asks_for_without_end_makes_no_second_one() -> None:
    stack = Stack(VM)
    stack.script({"type": "stall"})
    with pytest.raises(OperationFailed):
        stack.up(hooked(VM, timeout=5.0, retries=9))
    assert made(stack) == 1
    stack.assert_nothing_lost()
