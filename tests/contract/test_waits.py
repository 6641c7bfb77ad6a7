"""How long is waited, for what, and what is said meanwhile."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pulumi_openrelay.emulator import Answer, Request
from pulumi_openrelay.lifecycle.declare import KINDS
from pulumi_openrelay.lifecycle.fields import TIMEOUT

from ..simulation.network import SimulatedCall
from .support import (
    MACHINES,
    NAME,
    PROVISION_SECONDS,
    Program,
    Stack,
    answer_by,
    create_of,
    failure,
    on_answer,
    program,
)

CLUSTER = "openrelay:InferenceCluster"
CAPACITY = {"openrelay": "INSUFFICIENT_GPU_CAPACITY", "relay": "INSTANCES_UNAVAILABLE"}


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every line of progress, as it is reported."""
    lines: list[str] = []
    monkeypatch.setattr(SimulatedCall, "report", lambda _self, text: lines.append(text))
    return lines


def within(seconds: float, of: Program) -> Program:
    """The program with a timeout for the resource under test."""
    return {**of, NAME: replace(of[NAME], timeout=seconds)}


def without_capacity(stack: Stack, path: str, code: str, times: int, **headers: str) -> None:
    action = {"type": "status", "status": 503, "code": code, "headers": headers}
    match = {"method": "POST", "path_regex": path}
    stack.world.faults.add({"match": match, "times": times, "action": action})


@pytest.mark.parametrize("token", MACHINES)
class TestPatienceForCapacity:
    def test_it_lengthens_no_wait_for_a_machine_that_exists(self, token: str) -> None:
        stack = Stack(token)
        stack.script({"type": "stall"})
        patient = program(token, least=True, capacity_timeout="20s")
        told = failure(stack, within(5, patient))
        goal = min(KINDS[token].goal({}))
        assert told is not None
        assert f"it was not {goal} within 5 s (" in told

    def test_a_create_outlasts_its_own_timeout_while_it_waits_for_capacity(
        self, token: str
    ) -> None:
        stack = Stack(token)
        code = CAPACITY[KINDS[token].service.name]
        without_capacity(stack, create_of(token), code, times=4)  # for 5 + 7.5 + 11.25 + 16.9 s
        stack.script({"type": "stall"})
        patient = program(token, least=True, capacity_timeout="60s")
        told = failure(stack, within(5, patient))
        assert told is not None
        assert " within 5 s (" in told
        assert len(stack.alive()) == 1

    def test_an_api_that_asks_for_more_of_it_than_the_program_has_is_told_of_at_once(
        self, token: str
    ) -> None:
        stack = Stack(token)
        code = CAPACITY[KINDS[token].service.name]
        without_capacity(stack, create_of(token), code, times=1, **{"Retry-After": "7200"})
        began = stack.scheduler.clock.seconds
        told = failure(stack, program(token, least=True, capacity_timeout="60s"))
        assert stack.scheduler.clock.seconds - began < 5
        assert told is not None
        assert told.endswith(
            "; nothing was created; the API asks to wait 7200 s, and capacity_timeout leaves 60 s: "
            "run `pulumi up` again then, or try another shape"
        )

    def test_what_the_api_asks_for_within_it_is_waited_for(self, token: str) -> None:
        stack = Stack(token)
        code = CAPACITY[KINDS[token].service.name]
        without_capacity(stack, create_of(token), code, times=1, **{"Retry-After": "50"})
        began = stack.scheduler.clock.seconds
        stack.up(program(token, least=True, capacity_timeout="60s"))
        assert 50 < stack.scheduler.clock.seconds - began < 60 + PROVISION_SECONDS


@pytest.mark.parametrize("token", MACHINES)
class TestAnUpdateThatGoesOnWithACreate:
    """The engine tells an update nothing of the timeout of creates."""

    def stalled(self, token: str) -> Stack:
        stack = Stack(token)
        stack.script({"type": "stall"})
        assert failure(stack, within(5, program(token, least=True))) is not None
        return stack

    def test_it_waits_as_long_as_the_create_was_to(self, token: str) -> None:
        stack = self.stalled(token)
        for _ in range(2):
            began = stack.scheduler.clock.seconds
            told = failure(stack, program(token, least=True))
            assert told is not None
            assert " within 5 s (" in told
            assert "; CustomTimeouts(update=...) lets it wait longer" in told
            assert stack.scheduler.clock.seconds - began < 10

    def test_a_timeout_of_its_own_wins(self, token: str) -> None:
        told = failure(self.stalled(token), within(9, program(token, least=True)))
        assert told is not None
        assert " within 9 s (" in told

    def test_on_timeout_holds_for_it(self, token: str) -> None:
        stack = self.stalled(token)
        told = failure(stack, program(token, least=True, on_timeout="delete"))
        assert told is not None
        assert " within 5 s (" in told
        # Relay ends none before it is ready.
        relays = stack.kind.service.name == "relay"
        assert ("ending it failed" if relays else "it was ended and bills nothing") in told

    def test_what_is_ready_forgets_it(self, token: str) -> None:
        stack = self.stalled(token)
        assert stack.record().outputs[TIMEOUT] == 5
        status = min(KINDS[token].goal({}))
        stack.another_hand({"status": status})
        stack.up(program(token, least=True))
        assert TIMEOUT not in stack.record().outputs


def changes(stack: Stack) -> list[str]:
    """The last operation's requests that were to change something."""
    entries = stack.world.log.entries
    return [str(entry.operation) for entry in entries if entry.method != "GET"]


class TestAClusterThatIsDegraded:
    """Some of its replicas serve."""

    def stack(self, **changes: Any) -> tuple[Stack, Program]:
        """A stack whose create, and its wait, were over before the cluster was whole."""
        stack, of = Stack(CLUSTER), within(5, program(CLUSTER, least=True, **changes))
        stack.script({"type": "stall"})

        def degrade(body: dict[str, Any]) -> None:
            stack.world.call("PATCH", f"/_emulator/clusters/{body['id']}", {"status": "degraded"})

        on_answer(stack, "/clusters/create", degrade)
        said = failure(stack, of)
        assert "it was not running within 5 s (degraded)" in str(said)
        assert "it exists and is recorded" in str(said)
        return stack, of

    def test_it_is_not_ended_by_on_timeout(self) -> None:
        stack, of = self.stack(on_timeout="delete")
        assert stack.alive() == stack.recorded() != set()
        said = failure(stack, of)
        assert "it exists and is recorded" in str(said)
        assert stack.alive() == stack.recorded() != set()

    @pytest.mark.parametrize("refreshed", [False, True])
    def test_one_that_fails_then_is_started_again_in_its_place(self, refreshed: bool) -> None:
        stack, of = self.stack(on_failure="delete")
        if refreshed:
            stack.refresh()
        stack.another_hand({"status": "failed", "status_reason": "node lost"})
        stack.refresh()
        failure(stack, of)  # it stalls
        assert changes(stack) == ["restartCluster"]

    def test_one_that_a_refresh_saw_so_alone_has_served_too(self) -> None:
        stack, of = Stack(CLUSTER), within(5, program(CLUSTER, least=True))
        stack.script({"type": "stall"})
        assert failure(stack, of) is not None
        for status in ("degraded", "failed"):
            stack.another_hand({"status": status})
            stack.refresh()
        failure(stack, of)  # it stalls
        assert changes(stack) == ["restartCluster"]

    def test_one_that_an_update_saw_so_alone_is_not_ended_either(self) -> None:
        stack, of = Stack(CLUSTER), within(5, program(CLUSTER, least=True, on_timeout=None))
        stack.script({"type": "stall"})
        assert failure(stack, of) is not None
        stack.another_hand({"status": "degraded"})
        impatient = within(5, program(CLUSTER, least=True, on_timeout="delete"))
        assert "it exists and is recorded" in str(failure(stack, impatient))
        assert stack.alive() == stack.recorded() != set()


def test_a_vm_that_runs_without_the_ssh_that_is_waited_for_is_ended_by_on_timeout() -> None:
    stack = Stack("openrelay:Vm", provision_seconds=4.0)
    wanted = program("openrelay:Vm", least=True, wait_for="ssh", on_timeout="delete")
    said = failure(stack, within(5, wanted))
    assert "its SSH server had not answered within 5 s" in str(said)
    assert "it was ended and bills nothing" in str(said)


STOPPED: dict[str, Any] = {"desired_state": "stopped"}


class TestARestart:
    def started(self, patience: str | None, refusals: int) -> tuple[str | None, float]:
        """What a restart that needs 8 s, and has 5, fails with, and how long it took."""
        stack = Stack("openrelay:Vm")
        stack.up(program("openrelay:Vm", least=True))
        stack.up(program("openrelay:Vm", least=True, **STOPPED))
        without_capacity(stack, "/restart$", "VM_NODE_BUSY", times=refusals)
        began = stack.scheduler.clock.seconds
        running = program("openrelay:Vm", least=True, capacity_timeout=patience)
        return failure(stack, within(5, running)), stack.scheduler.clock.seconds - began

    def test_it_waits_for_capacity_and_then_as_long_as_ever_for_the_machine(self) -> None:
        told, took = self.started("20s", refusals=2)
        assert told is not None
        assert "it was not running within 5 s (deploying" in told
        assert 17 < took < 20  # 5 + 7.5 for capacity, 5 for the machine

    def test_it_waits_for_capacity_no_longer_than_it_may(self) -> None:
        told, took = self.started("20s", refusals=100)
        assert told is not None
        assert "there is no capacity for it right now (503 VM_NODE_BUSY" in told
        assert 20 <= took < 22


class TestSsh:
    def test_what_is_missing_is_named_when_time_is_up(self) -> None:
        stack = Stack("openrelay:Vm")  # it runs after 8 s, and lets people in after 12
        waiting = program("openrelay:Vm", least=True, wait_for="ssh")
        told = failure(stack, within(10, waiting))
        assert told is not None
        assert "its SSH server had not answered within 10 s (running; ssh: booting)" in told

    def test_before_it_runs_that_is_what_is_missing(self) -> None:
        stack = Stack("openrelay:Vm")
        waiting = program("openrelay:Vm", least=True, wait_for="ssh")
        told = failure(stack, within(5, waiting))
        assert told is not None
        assert "it was not running within 5 s (deploying: " in told

    def test_the_line_of_progress_says_what_is_waited_for(self, heard: list[str]) -> None:
        stack = Stack("openrelay:Vm")
        stack.up(program("openrelay:Vm", least=True, wait_for="ssh"))
        assert heard.count("running; ssh: booting") == 1
        assert heard[-1] == "running"
        assert stack.record().outputs["ssh_ready"] is True


def test_a_slow_answer_of_the_catalog_is_waited_for() -> None:
    """It is asked again for 5 s alone, and what is under way then is not given up."""
    stack = Stack("openrelay:Vm")
    handle = stack.world.handle

    def slow(request: Request) -> Answer:
        if request.path.endswith("/pricing"):
            stack.scheduler.wait(20.0)
        return handle(request)

    answer_by(stack, slow)
    stack.up(program("openrelay:Vm", least=True))
    assert stack.record().inputs["rate_cents_per_hour"] > 0
    assert (
        stack.record().inputs["rate_cents_per_hour"]
        == (stack.record().outputs["rate_cents_per_hour"])
    )
