"""Nothing lost, nothing doubled, nothing of another's: on the real CLI."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from pulumi_openrelay.emulator import ServedWorld

from .support import ROOT, TYPE, Stack, mutations, plugins_of, wait_until

MACHINES = """
    key = relay.SshKey("laptop", public_key=KEY, adopt=True)
    vm = relay.Vm("trainer", ssh_key_ids=[key.id], gpu_model_id=GPU, gpu_count=1)
    relay.InferenceCluster("llm", image_url="x", gpu_model_id=GPU, replica_count=1)
    relay.Webhook("events", url="http://127.0.0.1:9/hook")
"""


def test_two_stacks_of_one_name_and_program_have_machines_of_their_own(
    new_stack: Callable[..., Stack], cloud: ServedWorld
) -> None:
    ada, grace = new_stack("ada"), new_stack("grace")
    assert ada.up(MACHINES).code == 0
    assert grace.up(MACHINES).code == 0
    mine, theirs = ada.resources(), grace.resources()
    for name in ("trainer", "llm", "events"):
        assert mine[name]["id"] != theirs[name]["id"]
    assert mine["laptop"]["id"] == theirs["laptop"]["id"]

    assert grace.destroy().code == 0

    alive = [vm.id for vm in cloud.world.live_vms()]
    assert alive == [mine["trainer"]["id"]]
    assert ada.preview().changed == {}
    assert ada.refresh().changed == {}


def test_a_key_that_is_registered_already_is_named_and_can_be_taken_over(
    new_stack: Callable[..., Stack], cloud: ServedWorld
) -> None:
    ada, grace = new_stack("ada"), new_stack("grace")
    assert ada.up('relay.SshKey("laptop", public_key=KEY)').code == 0
    key = ada.resources()["laptop"]

    refused = grace.up('relay.SshKey("mine", public_key=KEY.replace("ada@laptop", "grace"))')

    name, key_id = key["outputs"]["name"], key["id"]
    assert refused.errors == [
        f"SSH key 'mine': the key is registered already, as '{name}' ({key_id}), and not by this "
        "resource; nothing was created; name the old resource in `aliases` if this one was "
        f'renamed, refer to it with SshKey.get("{name}", "{key_id}"), or take it over with '
        "adopt=True"
    ]

    adopted = grace.up('relay.SshKey("mine", public_key=KEY, adopt=True)')
    assert adopted.code == 0, adopted.text
    assert grace.resources()["mine"]["outputs"]["adopted"] is True
    cloud.world.log.clear()
    assert grace.destroy().code == 0
    assert mutations(cloud) == []
    assert ada.refresh().changed == {}


def test_a_name_that_is_taken_is_refused_and_adopt_takes_it_over(
    new_stack: Callable[..., Stack], cloud: ServedWorld
) -> None:
    ada, grace = new_stack("ada"), new_stack("grace")
    program = """
    relay.InferenceCluster("llm", name="shared", image_url="x", gpu_model_id=GPU, replica_count=1)
    """
    assert ada.up(program).code == 0
    cluster = ada.resources()["llm"]["id"]

    refused = grace.up(program)

    assert refused.errors == [
        f"inference cluster 'llm': one of the name 'shared' exists already ({cluster}); nothing "
        "was created; name the old resource in `aliases` if this one was renamed, take it over "
        "with adopt=True, import it with `pulumi-openrelay import` if a run that was cut off made "
        "it, or choose another name"
    ]
    assert grace.up(program.replace("replica_count", "adopt=True, replica_count")).code == 0
    assert len(cloud.world.live_clusters()) == 1


def test_a_killed_up_is_gone_on_with_by_the_next(stack: Stack, cloud: ServedWorld) -> None:
    cloud.world.settings.change({"provision_seconds": 30.0})
    stack.write(MACHINES)
    up = stack.start("up", "--yes", "--skip-preview")
    wait_until(lambda: bool(cloud.world.live_vms() and cloud.world.live_clusters()))
    os.kill(up.pid, signal.SIGKILL)
    up.wait(timeout=30)
    wait_until(lambda: not plugins_of(stack))
    cloud.world.settings.change({"provision_seconds": 0.5})
    for vm in cloud.world.live_vms():
        cloud.world.call("PATCH", f"/_emulator/vms/{vm.id}", {"status": "running"})
    for cluster in cloud.world.live_clusters():
        cloud.world.call("PATCH", f"/_emulator/clusters/{cluster.id}", {"status": "running"})
    stack.run("cancel", "--yes", stack.name)

    again = stack.up()

    assert again.code == 0, again.text
    world = cloud.world.call("GET", "/_emulator/world").json()
    recorded = {r["id"] for r in stack.resources().values() if "id" in r}
    alive = {row["id"] for kind in ("vms", "clusters", "webhooks") for row in world[kind]}
    assert alive == {i for i in alive if i in recorded}
    assert [len(world[kind]) for kind in ("vms", "clusters", "webhooks")] == [1, 1, 1]


def test_a_replacement_on_demand_never_ends_the_machine_that_it_took_over(
    stack: Stack, cloud: ServedWorld
) -> None:
    assert stack.up(MACHINES).code == 0
    vm = stack.resources()["trainer"]

    replaced = stack.up(None, "--target-replace", vm["urn"])

    assert replaced.code == 0, replaced.text
    assert [alive.id for alive in cloud.world.live_vms()] == [vm["id"]]
    assert stack.resources()["trainer"]["id"] == vm["id"]
    assert any("to have a new one, change an input" in warning for warning in replaced.warnings)
    assert stack.preview().changed == {}


RETAINED = r"""
    key = relay.SshKey("laptop", public_key=KEY, adopt=True)
    vm = relay.Vm("trainer", ssh_key_ids=[key.id], gpu_model_id=GPU, gpu_count=1,
                  cloud_init="#!/bin/sh\necho {}", opts=Options(retain_on_delete=True))
"""


def test_a_machine_that_the_program_retains_is_never_ended_by_a_later_up(
    stack: Stack, cloud: ServedWorld
) -> None:
    for n in range(3):
        assert stack.up(RETAINED.format(n)).code == 0
    kept = {vm.id for vm in cloud.world.live_vms()}
    assert len(kept) == 3
    assert stack.up('relay.SshKey("laptop", public_key=KEY, adopt=True)').code == 0

    added = stack.up(RETAINED.format(3))

    assert added.code == 0, added.text
    assert kept < {vm.id for vm in cloud.world.live_vms()}
    assert len(cloud.world.live_vms()) == 4
    told = [line for line in added.warnings if "`pulumi-openrelay leftovers` lists it" in line]
    assert len(told) == 3


def test_a_destroy_says_what_an_interrupted_update_has_left(
    stack: Stack, cloud: ServedWorld
) -> None:
    stack.up('relay.SshKey("laptop", public_key=KEY)')
    owner = stack.resources()["openrelay"]["id"]
    from pulumi_openrelay.lifecycle import naming

    name = naming.prefix(owner, "urn:of:one:that:was:killed", "lost") + "012345"
    key = stack.resources()["laptop"]["id"]
    org = cloud.world.first_organization.id
    body = {"name": name, "sshKeyIds": [key], "resourceSize": "small"}
    lost = cloud.world.call("POST", f"/v1/orgs/{org}/vms/create", body).json()["id"]
    stack.run("state", "delete", stack.resources()["laptop"]["urn"], "--yes", "--stack", "dev")

    destroyed = stack.destroy()

    assert destroyed.code == 0, destroyed.text
    assert any(name in warning and lost in warning for warning in destroyed.warnings)
    assert [vm.id for vm in cloud.world.live_vms()] == [lost]


def test_an_import_is_clean_in_the_next_preview(
    new_stack: Callable[..., Stack], cloud: ServedWorld
) -> None:
    maker, taker = new_stack("maker"), new_stack("taker")
    made = maker.up(
        """
    key = relay.SshKey("laptop", name="laptop", public_key=KEY)
    relay.Vm("trainer", name="trainer", ssh_key_ids=[key.id], gpu_model_id=GPU, gpu_count=1,
             cloud_init="#!/bin/sh", public=True)
    relay.InferenceCluster("llm", name="llm", image_url="x", gpu_model_id=GPU, replica_count=2)
    relay.Webhook("events", name="events", url="http://127.0.0.1:9/hook", events=["vm.running"])
    """
    )
    assert made.code == 0, made.text
    ids = {name: r["id"] for name, r in maker.resources().items() if "id" in r}
    resources = []
    for what, name in (
        ("ssh-key", "laptop"),
        ("vm", "trainer"),
        ("inference-cluster", "llm"),
        ("webhook", "events"),
    ):
        command = [sys.executable, "-m", "pulumi_openrelay", "import", what, ids[name]]
        printed = subprocess.run(
            command, env=taker.environment, capture_output=True, text=True, check=True
        )
        resources += json.loads(printed.stdout)["resources"]
    (taker.folder / "existing.json").write_text(json.dumps({"resources": resources}))
    program = f"""
    relay.SshKey("laptop", name="laptop", public_key=KEY)
    relay.Vm("trainer", ssh_key_ids=[{ids["laptop"]!r}], gpu_model_id=GPU, gpu_count=1,
             cloud_init="#!/bin/sh", public=True)
    relay.InferenceCluster("llm", image_url="x", gpu_model_id=GPU, replica_count=2)
    relay.Webhook("events", url="http://127.0.0.1:9/hook", events=["vm.running"])
    """
    taker.write(program)
    cloud.world.log.clear()

    taker.run(
        *("import", "--file", "existing.json", "--yes", "--generate-code=false"),
        *("--protect=false", "--stack", taker.name),
    )
    preview = taker.preview()

    assert preview.code == 0, preview.text
    assert preview.changed == {"openrelay": "create"}
    assert mutations(cloud) == []
    assert taker.up().code == 0
    assert taker.refresh().changed == {}
    assert taker.preview().changed == {}
    assert mutations(cloud) == []


def test_an_upgrade_of_the_package_changes_no_resource(stack: Stack, tmp_path: Path) -> None:
    assert stack.up(MACHINES).code == 0
    newer = tmp_path / "newer"
    shutil.copytree(ROOT / "pulumi_openrelay", newer / "pulumi_openrelay")
    for file in (newer / "pulumi_openrelay").rglob("*.py"):
        if "emulator" not in file.parts:
            file.write_text(file.read_text() + "\n_CHANGED_IN_THIS_RELEASE = True\n")
    stack.environment["PYTHONPATH"] = str(newer)

    preview = stack.preview("\n    assert relay._CHANGED_IN_THIS_RELEASE" + MACHINES)

    assert preview.code == 0, preview.text
    assert preview.changed == {}


def test_what_the_state_holds_of_the_provider_is_a_name(stack: Stack) -> None:
    assert stack.up(MACHINES).code == 0
    vm = stack.resources()["trainer"]
    assert vm["type"] == TYPE + "Vm"
    import base64
    import pickletools

    pickled = base64.b64decode(vm["inputs"]["__provider"])
    names = [
        argument for _, argument, _ in pickletools.genops(pickled) if isinstance(argument, str)
    ]
    assert names == ["pulumi_openrelay.provider", "Provider", "openrelay:Vm"]
