"""Machines that stall, fail, refuse or are protected: kept or ended, as the program says."""

from __future__ import annotations

import re
import threading
from typing import Any

import pytest

from pulumi_openrelay.emulator import ServedWorld

from .support import Stack, asked, mutations, wait_until

MACHINES = """
    quick = Options(custom_timeouts=pulumi.CustomTimeouts(create="1s", update="1s"))
    key = relay.SshKey("laptop", public_key=KEY)
    relay.Vm("trainer", ssh_key_ids=[key.id], gpu_model_id=GPU, gpu_count=1, opts=quick, {more})
    relay.InferenceCluster(
        "llm", image_url="x", gpu_model_id=GPU, replica_count=1, opts=quick, {more}
    )
"""
PROTECTED = """
    key = relay.SshKey("laptop", public_key=KEY)
    relay.Vm("trainer", ssh_key_ids=[key.id], gpu_model_id=GPU, gpu_count=1,
             deletion_protection=True)
"""


def let_both(cloud: ServedWorld, **outcome: Any) -> None:
    """What the next VM and the next cluster do."""
    for kind in ("vm", "cluster"):
        cloud.world.scripts.add({"kind": kind, "outcome": outcome})


def live(cloud: ServedWorld) -> dict[str, str]:
    """The ids of the one VM and the one cluster that live, by what the program calls them."""
    found = {f"trainer {vm.id}": vm.id for vm in cloud.world.live_vms()}
    found |= {f"llm {cluster.id}": cluster.id for cluster in cloud.world.live_clusters()}
    assert len(found) <= 2, found
    return {key.split()[0]: each for key, each in found.items()}


def set_status(cloud: ServedWorld, ids: dict[str, str], status: str) -> None:
    """By another hand, or by the cloud itself."""
    for table, name in (("vms", "trainer"), ("clusters", "llm")):
        answer = cloud.world.call("PATCH", f"/_emulator/{table}/{ids[name]}", {"status": status})
        assert answer.status == 200, answer.body


def test_a_stalled_machine_is_kept_and_every_up_waits_for_the_same_one(
    stack: Stack, cloud: ServedWorld
) -> None:
    let_both(cloud, type="stall")

    failed = stack.up(MACHINES.format(more=""))

    made = live(cloud)
    assert sorted(made) == ["llm", "trainer"]
    for noun, name in (("VM", "trainer"), ("inference cluster", "llm")):
        (error,) = [e for e in failed.errors if e.startswith(f"{noun} '{name}': ")]
        assert "it was not running within 1 s (deploying" in error
        advice = f"it exists and is recorded ({made[name]}); run `pulumi up` again to go on"
        assert error.endswith(advice)
        assert stack.resources()[name]["id"] == made[name]
    assert len(failed.errors) == 2
    assert len(stack.up().errors) == 2
    assert live(cloud) == made
    set_status(cloud, made, "running")
    assert stack.up().code == 0
    assert live(cloud) == made


@pytest.mark.parametrize(
    ("outcome", "setting", "what"),
    [
        ({"type": "stall"}, "on_timeout", "it was not running within 1 s (deploying"),
        ({"type": "fail", "reason": "no such image"}, "on_failure", "it has failed: no such image"),
    ],
)
def test_a_machine_that_the_program_gives_up_on_is_ended_and_bills_nothing(
    stack: Stack, cloud: ServedWorld, outcome: dict[str, Any], setting: str, what: str
) -> None:
    let_both(cloud, **outcome)

    failed = stack.up(MACHINES.format(more=f'{setting}="delete"'))

    assert live(cloud) == {}
    assert len(failed.errors) == 2
    assert "Traceback" not in failed.text
    for error in failed.errors:
        assert f": {what}" in error
        assert "; it was ended and bills nothing (" in error
        assert error.endswith("); run `pulumi up` again to make another")
    assert {"trainer", "llm"}.isdisjoint(stack.resources())
    again = stack.up(MACHINES.format(more=f'{setting}="delete"').replace('"1s"', '"20s"'))
    assert again.code == 0, again.text
    assert live(cloud) == {name: stack.resources()[name]["id"] for name in ("trainer", "llm")}


def test_a_failed_machine_is_kept_and_the_next_up_replaces_it(
    stack: Stack, cloud: ServedWorld
) -> None:
    let_both(cloud, type="fail", reason="no such image")

    failed = stack.up(MACHINES.format(more='on_failure="keep"'))

    kept = live(cloud)
    for noun, name in (("VM", "trainer"), ("inference cluster", "llm")):
        assert (
            f"{noun} '{name}': it has failed: no such image; it exists and is recorded "
            f"({kept[name]}); run `pulumi up` again, which replaces it"
        ) in failed.errors
        assert stack.resources()[name]["id"] == kept[name]
    again = stack.up(MACHINES.format(more='on_failure="keep"').replace('"1s"', '"20s"'))
    assert again.code == 0, again.text
    assert again.changed == {"trainer": "replace", "llm": "replace"}
    assert live(cloud) == {name: stack.resources()[name]["id"] for name in ("trainer", "llm")}
    assert set(live(cloud).values()).isdisjoint(kept.values())


def test_a_wait_for_ssh_says_so_and_the_next_up_goes_on_until_it_answers(
    stack: Stack, cloud: ServedWorld
) -> None:
    cloud.world.settings.change({"provision_seconds": 6.0})  # SSH answers 3 s later
    program = """
    timeouts = pulumi.CustomTimeouts(create="7s", update="30s")
    key = relay.SshKey("laptop", public_key=KEY)
    relay.Vm("trainer", ssh_key_ids=[key.id], gpu_model_id=GPU, gpu_count=1, wait_for="ssh",
             opts=Options(custom_timeouts=timeouts))
    """

    failed = stack.up(program)

    machine = cloud.world.live_vms()[0].id
    (error,) = failed.errors
    assert re.fullmatch(
        r"VM 'trainer': its SSH server had not answered within \d+ s \(running; ssh: booting\); it "
        rf"exists and is recorded \({machine}\); run `pulumi up` again to go on",
        error,
    )
    assert "running; ssh: booting" in failed.progress
    again = stack.up()
    assert again.code == 0, again.text
    assert stack.resources()["trainer"]["id"] == machine
    assert stack.resources()["trainer"]["outputs"]["ssh_ready"] is True


STATES = ("deploying", "running", "interrupted", "stopped", "failed", "terminated", "gone")


def test_a_destroy_can_be_repeated_in_every_state(stack: Stack, cloud: ServedWorld) -> None:
    """As after a kill between a deletion and its record: the old state is there again."""
    made = stack.up(
        f"""
    key = relay.SshKey("laptop", public_key=KEY)
    for state in {STATES!r}:
        relay.Vm(state, ssh_key_ids=[key.id], resource_size="small")
        relay.InferenceCluster(f"{{state}}-cluster", image_url="x", resource_size="small")
    """
    )
    assert made.code == 0, made.text
    ids = {name: record.get("id") for name, record in stack.resources().items()}
    for table, suffix in (("vms", ""), ("clusters", "-cluster")):
        for state in STATES:
            path = f"/_emulator/{table}/{ids[state + suffix]}"
            if state == "gone":
                cloud.world.call("DELETE", path)
            else:
                cloud.world.call("PATCH", path, {"status": state})
    file = str(stack.folder / "state.json")
    stack.run("stack", "export", "--file", file, "--stack", stack.name)

    for _ in range(2):
        destroyed = stack.destroy()
        assert destroyed.code == 0, destroyed.text
        assert destroyed.errors == []
        assert live(cloud) == {}
        stack.run("stack", "import", "--file", file, "--stack", stack.name)


def test_a_key_that_a_dying_machine_holds_is_waited_for(stack: Stack, cloud: ServedWorld) -> None:
    assert stack.up('relay.SshKey("laptop", public_key=KEY)').code == 0
    machine = another_hands_machine(cloud, stack.resources()["laptop"]["id"])
    cloud.world.log.clear()
    refused = asked(cloud, "DELETE", stack.resources()["laptop"]["id"])

    def end_it_then() -> None:
        wait_until(refused)
        cloud.world.call("DELETE", f"/_emulator/vms/{machine}")

    thread = threading.Thread(target=end_it_then)
    thread.start()
    destroyed = stack.destroy()
    thread.join()

    assert destroyed.code == 0, destroyed.text
    assert any("waiting to be allowed to end it" in line for line in destroyed.progress)


def another_hands_machine(cloud: ServedWorld, key: str) -> str:
    """The id of a VM that lets this key in, and that no stack knows."""
    org = cloud.world.first_organization.id
    body = {"name": "graces-desk", "sshKeyIds": [key], "resourceSize": "small"}
    made: str = cloud.world.call("POST", f"/v1/orgs/{org}/vms/create", body).json()["id"]
    return made


def test_a_key_that_a_machine_needs_is_one_line_with_the_machines_name(
    stack: Stack, cloud: ServedWorld
) -> None:
    options = "opts=Options(custom_timeouts=pulumi.CustomTimeouts(delete='1s'))"
    assert stack.up(f'relay.SshKey("laptop", public_key=KEY, {options})').code == 0
    key = stack.resources()["laptop"]["id"]
    machine = another_hands_machine(cloud, key)

    refused = stack.destroy()

    (error,) = refused.errors
    assert error.startswith("SSH key 'laptop': it could not be deleted: ")
    assert "KEY_IN_USE" in error
    assert error.endswith(
        f"it is held by graces-desk; it stays recorded ({key}); give each of those another SSH "
        f"key, then run the command again, or leave it where it is: take it out of the state with "
        f"`pulumi state delete`"
    )
    assert "Traceback" not in refused.text
    cloud.world.call("DELETE", f"/_emulator/vms/{machine}")
    assert stack.destroy().code == 0


def test_stopping_where_it_is_switched_off_is_one_line_and_changes_nothing(
    stack: Stack, cloud: ServedWorld
) -> None:
    program = MACHINES.format(more="").replace('"1s"', '"20s"')
    assert stack.up(program).code == 0
    machine = live(cloud)["trainer"]
    cloud.world.settings.change({"stop_disabled": True})
    stopped = program.replace("gpu_count=1,", 'gpu_count=1, desired_state="stopped",')

    refused = stack.up(stopped)

    (error,) = refused.errors
    assert error.startswith("VM 'trainer': ")
    assert "STOP_DISABLED" in error
    assert f"nothing was changed ({machine})" in error
    assert "Traceback" not in refused.text
    assert stack.preview(program).changed == {}
    assert cloud.world.live_vms()[0].status == "running"


def test_a_protected_machine_is_neither_replaced_nor_deleted_until_the_program_says_so(
    stack: Stack, cloud: ServedWorld
) -> None:
    assert stack.up(PROTECTED).code == 0
    machine = stack.resources()["trainer"]["id"]
    cloud.world.log.clear()
    bigger = PROTECTED.replace("gpu_count=1", "gpu_count=2")
    without = PROTECTED.split("    relay.Vm")[0]
    held = f"nothing was changed ({machine}); set deletion_protection=False and run `pulumi up`"
    replaced = [
        f"VM 'trainer': gpu_count cannot change without a new one, and deletion_protection is on; "
        f"{held} first"
    ]
    deleted = [f"VM 'trainer': it is to be deleted, and deletion_protection is on; {held} first"]

    assert stack.preview(bigger).errors == replaced
    assert stack.up(bigger).errors == replaced
    assert stack.up(without).errors == deleted
    stack.write(PROTECTED)
    refused = stack.destroy()
    assert refused.errors == deleted
    assert "Traceback" not in refused.text
    assert mutations(cloud) == []
    lifted = stack.up(bigger.replace("=True", "=False"))
    assert lifted.code == 0, lifted.text
    assert lifted.changed == {"trainer": "replace"}
    assert [vm.id for vm in cloud.world.live_vms()] != [machine]
    assert stack.destroy().code == 0
    assert cloud.world.live_vms() == []


def test_what_is_not_known_yet_of_a_protected_machine_fails_no_preview(
    stack: Stack, cloud: ServedWorld
) -> None:
    reads = """
    hook = relay.Webhook("events", url="http://127.0.0.1:9/hook", secret_version=1)
    key = relay.SshKey("laptop", public_key=KEY)
    vm = relay.Vm("trainer", ssh_key_ids=[key.id], gpu_model_id=GPU, gpu_count=1,
                  env_vars={"SECRET": hook.secret}, deletion_protection=True)
    """
    assert stack.up(reads).code == 0
    machine = stack.resources()["trainer"]["id"]
    off, other = reads.replace("_version=1", "_version=1, enabled=False"), reads.replace("=1", "=2")

    preview = stack.preview(off)
    assert preview.code == 0, preview.text
    assert preview.changed == {"events": "update", "trainer": "update"}
    assert any("env_vars is not known until the update runs" in w for w in preview.warnings)
    unprotected = stack.preview(off.replace("=True", "=False"))
    assert unprotected.changed == {"events": "update", "trainer": "replace"}

    done = stack.up(off)
    assert done.code == 0, done.text
    assert done.changed == {"events": "update"}
    refused = stack.up(other.replace("gpu_count=2", "gpu_count=1"))
    assert [line.partition(";")[0] for line in refused.errors] == [
        "VM 'trainer': env_vars cannot change without a new one, and deletion_protection is on"
    ]
    assert [vm.id for vm in cloud.world.live_vms()] == [machine]


def test_a_protected_machine_is_not_doubled_by_replace_on_changes(
    stack: Stack, cloud: ServedWorld
) -> None:
    """The engine asks for a replacement that no diff of ours does."""
    option = 'gpu_count=1, public=False, opts=Options(replace_on_changes=["public"])'
    program = PROTECTED.replace("gpu_count=1", option)
    assert stack.up(program).code == 0
    machine = stack.resources()["trainer"]["id"]
    opened = program.replace("public=False", "public=True")

    refused = stack.up(opened)

    assert refused.errors == [
        f"VM 'trainer': it is to be replaced, and deletion_protection is on; nothing was created "
        f"({machine}); take what asks for that back, or set deletion_protection=False"
    ]
    assert [vm.id for vm in cloud.world.live_vms()] == [machine]
    lifted = stack.up(opened.replace("protection=True", "protection=False"))
    assert lifted.code == 0, lifted.text
    assert machine not in [vm.id for vm in cloud.world.live_vms()]


def test_a_protected_machine_outlives_a_replacement_on_demand(
    stack: Stack, cloud: ServedWorld
) -> None:
    assert stack.up(PROTECTED).code == 0
    vm = stack.resources()["trainer"]
    cloud.world.log.clear()
    bigger = PROTECTED.replace("gpu_count=1", "gpu_count=2")

    refused = stack.up(bigger, "--target-replace", vm["urn"])

    (error,) = refused.errors
    assert error.startswith(f"VM 'trainer': one of this resource exists already ({vm['id']}, ")
    assert error.endswith(
        "), and deletion_protection is on; nothing was created; take back what asks for another, "
        "such as --target-replace or replacement_trigger, or set deletion_protection=False first, "
        "which lets it be ended"
    )
    assert mutations(cloud) == []
    assert stack.resources()["trainer"]["id"] == vm["id"]
    assert stack.preview(PROTECTED).changed == {}
    lifted = stack.up(bigger.replace("=True", "=False"), "--target-replace", vm["urn"])
    assert lifted.code == 0, lifted.text
    assert [each.id for each in cloud.world.live_vms()] == [stack.resources()["trainer"]["id"]]
    assert mutations(cloud).count(f"POST /v1/vms/{vm['id']}/terminate") == 1


def test_a_replacement_on_demand_that_cannot_be_made_costs_no_machine(
    stack: Stack, cloud: ServedWorld
) -> None:
    program = PROTECTED.replace("=True", "=False")
    assert stack.up(program).code == 0
    vm = stack.resources()["trainer"]
    code = "INSUFFICIENT_GPU_CAPACITY"
    cloud.world.faults.status(503, "POST", "/vms/create$", code=code)
    bigger = program.replace("gpu_count=1", "gpu_count=2")

    refused = stack.up(bigger, "--target-replace", vm["urn"])

    (error,) = refused.errors
    assert "there is no capacity for it right now" in error
    assert f"{vm['id']} of this resource was left as it is" in error
    assert [each.id for each in cloud.world.live_vms()] == [vm["id"]]
    assert stack.resources()["trainer"]["id"] == vm["id"]
    assert stack.up(bigger, "--target-replace", vm["urn"]).code == 0
    assert [each.id for each in cloud.world.live_vms()] == [stack.resources()["trainer"]["id"]]
    assert stack.preview().changed == {}
