"""What is recorded, and for how long it may have served, decides; one odd answer does not."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from pulumi_openrelay.emulator import Answer, Request
from pulumi_openrelay.lifecycle.fields import MADE, OWNER, READY, SERVED, WAS
from pulumi_openrelay.lifecycle.sentences import Failed

from ..simulation.engine import OperationFailed, Ref
from .support import KINDS, MACHINES, NAME, THINGS, Stack, answer_by, failure, program

VM, CLUSTER, KEY = "openrelay:Vm", "openrelay:InferenceCluster", "openrelay:SshKey"
HOOK = "openrelay:Webhook"
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


def unknown_by_id(stack: Stack, seconds: float) -> None:
    """Let the API know no machine by its id until then."""
    clock, handle = stack.scheduler.clock, stack.world.handle
    until = clock.seconds + seconds

    def handled(request: Request) -> Answer:
        if clock.seconds < until and re.search(r"/v1/vms/[^/]+/", request.path):
            return Answer(404, b'{"error": "There is no such VM."}')
        return handle(request)

    answer_by(stack, handled)


def detail_of(token: str) -> str:
    """The path of its detail, as a pattern."""
    return f"{(KINDS[token].detail or '').replace('{id}', '[^/]+')}$"


@pytest.mark.parametrize("token", [VM, CLUSTER])
def test_one_404_of_the_detail_drops_no_machine_that_the_list_shows(token: str) -> None:
    stack = Stack(token)
    stack.up(program(token, least=True))
    made = stack.recorded()
    stack.scheduler.clock.advance(3 * 86400)
    stack.another_hand({"status": "failed"})
    stack.world.faults.status(404, "GET", detail_of(token))
    stack.refresh()
    assert stack.recorded() == stack.alive() == made
    assert stack.record().outputs["status"] == "failed"


@pytest.mark.parametrize("token", [VM, CLUSTER])
def test_nor_does_a_404_of_the_detail_that_stays(token: str) -> None:
    stack = Stack(token)
    stack.up(program(token, least=True))
    made, outputs = stack.recorded(), stack.record().outputs
    stack.scheduler.clock.advance(3 * 86400)
    stack.another_hand({"status": "failed"})
    stack.world.faults.status(404, "GET", detail_of(token), times=None)
    with pytest.raises(OperationFailed, match=r"\(404\), and lists it as failed.*its record is as"):
        stack.refresh()
    assert stack.recorded() == stack.alive() == made
    assert stack.record().outputs == outputs


def test_a_404_of_a_machine_that_no_list_shows_yet_counts_for_no_end() -> None:
    stack = Stack(VM, list_lag_seconds=30.0)
    stack.up(program(VM, least=True, wait_for="none"))
    assert stack.alive() != set()
    unknown_by_id(stack, 30.0)
    stack.destroy()
    assert stack.alive() == stack.recorded() == set()


def test_a_machine_that_may_not_show_yet_stays_recorded_where_there_is_no_time_to_ask_again() -> (
    None
):
    stack = Stack(VM, list_lag_seconds=30.0)
    stack.up(program(VM, least=True, wait_for="none"))
    made, record = stack.alive(), stack.record()
    unknown_by_id(stack, 30.0)
    life, _ = stack.life()
    life.call.timeout = 5.0
    with pytest.raises(Failed, match=r"may not show it yet, since it was just made; it stays rec"):
        stack.run(lambda: life.delete(record.id, record.outputs))
    assert stack.alive() == stack.recorded() == made


@pytest.mark.parametrize(
    ("wait_for", "age", "most"),
    [("none", 0.0, 125.0), ("none", 3600.0, 5.0), ("running", 0.0, 5.0)],
)
def test_the_end_of_a_machine_that_is_gone_is_waited_for_only_while_it_starts_and_is_new(
    wait_for: str, age: float, most: float
) -> None:
    stack = Stack(VM)
    stack.up(program(VM, least=True, wait_for=wait_for))
    stack.scheduler.clock.advance(age)
    stack.remove()
    began = stack.scheduler.clock.seconds
    stack.destroy()
    assert stack.recorded() == set()
    assert stack.scheduler.clock.seconds - began < most


def test_what_the_api_does_not_know_by_its_id_at_first_is_recorded_as_it_is_in_the_end() -> None:
    stack = Stack(VM)
    unknown_by_id(stack, 20.0)
    stack.up(program(VM, least=True))
    assert stack.record().outputs["status"] == "running"
    assert stack.record().outputs["ssh_host"]


def test_an_error_with_a_status_of_200_is_no_machine() -> None:
    stack = Stack(VM)
    stack.up(program(VM, least=True, public=True))
    error = {"status": 200, "body": {"error": "Not now."}}
    rule = {"match": {"method": "GET", "path_regex": "/detail$"}}
    stack.world.faults.add({**rule, "action": {"type": "status", **error}})

    assert stack.up(program(VM, least=True, public=False)) == ["setVmVisibility"]

    stack.world.faults.add({**rule, "times": None, "action": {"type": "status", **error}})
    said = failure(stack, program(VM, least=True, public=True))
    assert "something else than the JSON it documents" in str(said)
    assert "nothing was changed" in str(said)


@pytest.mark.parametrize(("method", "ending"), [("POST", "/rotate$"), ("GET", "/webhook-secret$")])
def test_an_error_with_a_status_of_200_is_no_secret_of_the_account(
    method: str, ending: str
) -> None:
    stack = Stack("relay:WebhookSecret")
    stack.up(program("relay:WebhookSecret", rotation="1"))
    error = {"type": "status", "status": 200, "body": {"error": "Not now."}}
    stack.world.faults.add({"match": {"method": method, "path_regex": ending}, "action": error})
    stack.up(program("relay:WebhookSecret", rotation="2"))
    secret = stack.world.call("GET", "/v2/customer/webhook-secret").json()
    assert stack.record().outputs["secret"] == secret["secret"]
    assert secret["previous_valid_until"] is not None


def test_an_error_with_a_status_of_200_is_no_secret() -> None:
    stack = Stack(HOOK)
    stack.up(program(HOOK, least=True, secret_version=1))
    error = {"type": "status", "status": 200, "body": {"error": "Not now."}}
    rule = {"match": {"method": "POST", "path_regex": "/regenerate-secret$"}}
    stack.world.faults.add({**rule, "action": error})
    stack.up(program(HOOK, least=True, secret_version=2))
    hook = stack.world.call("GET", f"/_emulator/webhooks/{stack.record().id}").json()
    assert stack.record().outputs["secret"] == hook["secret"]


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
