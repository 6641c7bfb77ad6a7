"""What is recorded, and for how long it may have served, decides; one odd answer does not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pulumi_openrelay.lifecycle.fields import MADE, OWNER, READY, SERVED, WAS

from ..simulation.engine import OperationFailed, Ref
from .support import KINDS, MACHINES, NAME, THINGS, Stack, failure, program

VM, CLUSTER, KEY = "openrelay:Vm", "openrelay:InferenceCluster", "openrelay:SshKey"
FOREVER = 10.0**6


def imported(token: str) -> Stack:
    """A stack whose machine no create of it has made, and that rests."""
    stack = Stack(token)
    stack.up(program(token, name="precious"))
    stack.another_hand({"status": "stopped"})
    stack.refresh()
    record = stack.record()
    for name in (SERVED, MADE, WAS, OWNER):
        record.outputs.pop(name, None)
        record.inputs.pop(name, None)
    record.outputs[READY] = True
    return stack


@pytest.mark.parametrize("token", [VM, CLUSTER])
def test_what_was_imported_is_not_ended_by_on_timeout(token: str) -> None:
    """Its disk may hold years of data."""
    stack = imported(token)
    stack.world.settings.change({"provision_seconds": FOREVER})
    wanted = program(token, name="precious", desired_state="running", on_timeout="delete")
    said = failure(stack, wanted)
    assert said is not None
    assert "it exists and is recorded" in said
    assert stack.alive() == stack.recorded()


def test_what_a_refresh_has_seen_running_has_served() -> None:
    """Though the up that made it was over before that: it is started again, on its own disk."""
    stack, wanted = Stack(VM, provision_seconds=4000.0), program(VM, least=True)
    assert failure(stack, wanted) is not None
    made = stack.recorded()
    stack.run(lambda: stack.scheduler.wait(6000.0))
    stack.refresh()
    stack.another_hand({"status": "failed"})
    stack.refresh()
    stack.world.settings.change({"provision_seconds": 8.0})
    stack.up(wanted)
    assert stack.recorded() == stack.alive() == made


def test_two_kinds_that_use_the_same_ids_are_two_things(monkeypatch: pytest.MonkeyPatch) -> None:
    stack = Stack(CLUSTER)
    other = stack.world.new_id
    # Machines alone have ids without a prefix.
    monkeypatch.setattr(stack.world, "new_id", lambda prefix="": other(prefix) if prefix else "1")
    keys = program(VM, least=True)
    vm = keys.pop(NAME)
    # The VM reads the cluster, so that it goes first.
    vm = replace(vm, inputs={**vm.inputs, "env_vars": {"LLM": Ref(NAME)}})
    stack.up({**program(CLUSTER, least=True), **keys, "vm": vm})
    assert {record.id for record in stack.engine.state if record.name in (NAME, "vm")} == {"1"}
    stack.destroy()
    assert stack.world.call("GET", "/_emulator/world").json()["machines"] == 0


@pytest.mark.parametrize("token", [t for t in THINGS if KINDS[t].delete.method == "DELETE"])
def test_a_404_of_a_delete_is_not_believed_while_the_list_shows_it(token: str) -> None:
    stack = Stack(token)
    stack.up(program(token))
    stack.world.faults.add(
        {"match": {"method": "DELETE"}, "action": {"type": "status", "status": 404}}
    )
    stack.destroy()
    assert stack.alive() == stack.recorded() == set()


@pytest.mark.parametrize("token", [VM, CLUSTER])
def test_nor_is_one_of_a_terminate_that_stays(token: str) -> None:
    stack = Stack(token)
    stack.up(program(token))
    alive = stack.alive()
    ends = KINDS[token].delete
    path = f"{ends.path.rpartition('}')[2]}$"
    stack.world.faults.status(404, ends.method, path, times=None)
    with pytest.raises(OperationFailed, match="and lists it as running") as failed:
        stack.destroy()
    assert "it stays recorded" in str(failed.value)
    assert stack.recorded() == stack.alive() == alive


def test_one_404_of_a_young_machine_that_no_list_shows_yet_drops_nothing() -> None:
    stack = Stack(VM, list_lag_seconds=15.0)
    stack.up(program(VM, wait_for="none"))
    made = stack.recorded()
    stack.world.faults.status(404, "GET", "/detail$")
    stack.refresh()
    assert stack.recorded() == stack.alive() == made


@pytest.mark.parametrize(
    ("token", "name", "empty"),
    [
        (VM, "env_vars", {}),
        (VM, "container_command", []),
        (VM, "preferred_regions", []),
        (CLUSTER, "env_vars", {}),
        (CLUSTER, "health_checks", []),
    ],
)
def test_nothing_in_place_of_nothing_replaces_no_machine(
    token: str, name: str, empty: object
) -> None:
    stack = Stack(token)
    stack.up(program(token, least=True))
    made = stack.recorded()
    stack.up(program(token, least=True, **{name: empty}))
    stack.up(program(token, least=True))
    assert stack.recorded() == stack.alive() == made


def test_a_failed_destroy_does_not_advise_to_make_it_all_again() -> None:
    stack = Stack(VM)
    stack.up(program(VM, least=True))
    stack.world.faults.status(500, "POST", "/terminate$", times=None)
    with pytest.raises(OperationFailed) as failed:
        stack.destroy()
    assert "run the command again" in str(failed.value)
    assert "pulumi up" not in str(failed.value)


def test_a_change_of_which_only_the_look_failed_has_changed_nothing() -> None:
    stack = Stack(VM)
    stack.up(program(VM, least=True))
    stack.world.faults.drop("GET", "/detail$", times=None)
    said = failure(stack, program(VM, least=True, public=True))
    assert said is not None
    assert "nothing was changed" in said


@pytest.mark.parametrize("token", [VM, CLUSTER])
def test_what_the_api_repeats_of_a_secret_is_not_recorded(token: str) -> None:
    stack = Stack(token)
    stack.up(program(token, least=True, env_vars={"TOKEN": "swordfish-77"}))
    said = "no image for TOKEN=swordfish-77"
    stack.another_hand({"status": "failed", "status_reason": said})
    stack.refresh()
    assert stack.record().outputs["status_reason"] == "no image for TOKEN=[secret]"


def test_every_kind_that_takes_a_secret_says_where_the_api_may_repeat_it() -> None:
    for token in MACHINES:
        fields = KINDS[token].fields.values()
        reasons = {field.name for field in fields if field.name.endswith("reason")}
        assert reasons <= set(KINDS[token].free_texts)


@pytest.mark.parametrize("token", THINGS)
def test_what_is_gone_without_a_trace_is_told_before_another_is_made(token: str) -> None:
    stack = Stack(token)
    stack.up(program(token))
    gone = stack.record().id
    stack.remove()
    stack.refresh()
    assert any(f"{gone} does not exist any more" in said for said in stack.engine.warnings)
