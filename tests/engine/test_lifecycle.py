"""What a user sees of a stack's life, on the real CLI."""

from __future__ import annotations

from collections.abc import Callable

from pulumi_openrelay.emulator import ServedWorld

from .support import Stack, mutations

MACHINES = """
    key = relay.SshKey("laptop", public_key=KEY)
    vm = relay.Vm("trainer", ssh_key_ids=[key.id], gpu_model_id=GPU, gpu_count=1)
    cluster = relay.InferenceCluster(
        "llm", image_url="vllm/vllm-openai:v0.6", gpu_model_id=GPU, gpus_per_replica=1,
        replica_count=2,
    )
    hook = relay.Webhook("events", url="http://127.0.0.1:9/hook", events=["vm.running"])
    pulumi.export("ssh", vm.ssh_command)
    pulumi.export("status", vm.status)
    pulumi.export("gpus", vm.gpu_count)
    pulumi.export("vram", vm.gpu_info["vram_gb"])
    pulumi.export("secret", hook.secret)
"""


def test_a_second_up_changes_nothing_and_asks_for_nothing(stack: Stack, cloud: ServedWorld) -> None:
    first = stack.up(MACHINES)
    assert first.code == 0, first.text
    names = ("test-dev", "openrelay", "laptop", "trainer", "llm", "events")
    assert first.changed == dict.fromkeys(names, "create")
    outputs = stack.outputs()
    assert (outputs["status"], outputs["gpus"], outputs["vram"]) == ("running", 1, 24)
    assert outputs["ssh"].startswith("ssh ")
    assert outputs["secret"].startswith("whsec_")
    cloud.world.log.clear()

    second = stack.up()

    assert second.code == 0, second.text
    assert second.changed == {}
    assert list(cloud.world.log.entries) == []


def test_destroy_leaves_nothing(stack: Stack, cloud: ServedWorld) -> None:
    assert stack.up(MACHINES).code == 0
    done = stack.destroy()
    assert done.code == 0, done.text
    left = cloud.world.call("GET", "/_emulator/world").json()
    assert (left["machines"], left["ssh_keys"], left["webhooks"]) == (0, [], [])
    assert stack.resources() == {}


BEFORE = """
    key = relay.SshKey("laptop", public_key=KEY)
    other = relay.SshKey("desk", public_key=OTHER_KEY)
    shape = {"gpu_model_id": GPU, "gpu_count": 1}
    relay.Vm("public", ssh_key_ids=[key.id], **shape)
    relay.Vm("keys", ssh_key_ids=[key.id], **shape)
    relay.Vm("stop", ssh_key_ids=[key.id], **shape)
    relay.Vm("start", ssh_key_ids=[key.id], desired_state="stopped", **shape)
    relay.Vm("disk", ssh_key_ids=[key.id], desired_state="stopped", disk_size_gb=100, **shape)
    image = {"image_url": "vllm/vllm-openai:v0.6", "gpu_model_id": GPU, "gpus_per_replica": 1}
    relay.InferenceCluster("scale", replica_count=1, **image)
    relay.InferenceCluster("halt", replica_count=1, **image)
    relay.Webhook("renamed", name="old", url="http://127.0.0.1:9/a")
    relay.Webhook("moved", url="http://127.0.0.1:9/a")
    relay.Webhook("retuned", url="http://127.0.0.1:9/a", events=["vm.running"])
    relay.Webhook("silenced", url="http://127.0.0.1:9/a")
    relay.Webhook("rekeyed", url="http://127.0.0.1:9/a")
"""

AFTER = """
    key = relay.SshKey("laptop", public_key=KEY)
    other = relay.SshKey("desk", public_key=OTHER_KEY)
    shape = {"gpu_model_id": GPU, "gpu_count": 1}
    relay.Vm("public", ssh_key_ids=[key.id], public=True, **shape)
    relay.Vm("keys", ssh_key_ids=[other.id], **shape)
    relay.Vm("stop", ssh_key_ids=[key.id], desired_state="stopped", **shape)
    relay.Vm("start", ssh_key_ids=[key.id], **shape)
    relay.Vm("disk", ssh_key_ids=[key.id], desired_state="stopped", disk_size_gb=200, **shape)
    image = {"image_url": "vllm/vllm-openai:v0.6", "gpu_model_id": GPU, "gpus_per_replica": 1}
    relay.InferenceCluster("scale", replica_count=3, **image)
    relay.InferenceCluster("halt", replica_count=1, desired_state="stopped", **image)
    relay.Webhook("renamed", name="new", url="http://127.0.0.1:9/a")
    relay.Webhook("moved", url="http://127.0.0.1:9/b")
    relay.Webhook("retuned", url="http://127.0.0.1:9/a", events=["vm.stopped"])
    relay.Webhook("silenced", url="http://127.0.0.1:9/a", enabled=False)
    relay.Webhook("rekeyed", url="http://127.0.0.1:9/a", secret_version=2)
"""


def test_each_change_in_place_makes_its_own_call_and_no_other(
    stack: Stack, cloud: ServedWorld
) -> None:
    cloud.world.call("PATCH", "/_emulator/settings", {"capacity": {"RTX 4090": 64}})
    first = stack.up(BEFORE)
    assert first.code == 0, first.text
    before = stack.resources()
    cloud.world.log.clear()

    second = stack.up(AFTER)

    assert second.code == 0, second.text
    assert set(second.changed.values()) == {"update"}
    after = stack.resources()
    assert {n: r["id"] for n, r in after.items() if "id" in r} == {
        n: r["id"] for n, r in before.items() if "id" in r
    }
    ids = {name: resource["id"] for name, resource in before.items() if "id" in resource}
    hook = f"/v1/orgs/{cloud.world.first_organization.id}/webhooks"
    assert sorted(mutations(cloud)) == sorted(
        [
            f"POST /v1/vms/{ids['public']}/visibility",
            f"POST /v1/vms/{ids['keys']}/ssh-keys",
            f"DELETE /v1/vms/{ids['keys']}/ssh-keys/{ids['laptop']}",
            f"POST /v1/vms/{ids['stop']}/stop",
            f"POST /v1/vms/{ids['start']}/restart",
            f"POST /v1/vms/{ids['disk']}/resize-disk",
            f"POST /v1/clusters/{ids['scale']}/scale",
            f"POST /v1/clusters/{ids['halt']}/stop",
            f"PATCH {hook}/{ids['renamed']}",
            f"PATCH {hook}/{ids['moved']}",
            f"PATCH {hook}/{ids['retuned']}",
            f"POST {hook}/{ids['silenced']}/toggle",
            f"POST {hook}/{ids['rekeyed']}/regenerate-secret",
        ]
    )
    assert after["stop"]["outputs"]["status"] == "stopped"
    assert after["start"]["outputs"]["status"] == "running"
    assert after["disk"]["outputs"]["disk_size_gb"] == 200
    assert after["scale"]["outputs"]["replica_count"] == 3
    assert after["silenced"]["outputs"]["enabled"] is False
    assert after["rekeyed"]["outputs"]["secret"] != before["rekeyed"]["outputs"]["secret"]
    assert stack.preview().changed == {}


REPLACING = {
    "name": '"another"',
    "gpu_model_id": "OTHER_GPU",
    "gpu_count": "2",
    "tier": '"verified"',
    "image_url": '"ubuntu:24.04"',
    "template_id": '"tmpl_2"',
    "container_command": '["sleep", "2"]',
    "container_port": "8081",
    "env_vars": '{"A": "2"}',
    "cloud_init": '"#!/bin/sh\\necho 2"',
    "guest_mem_mb": "65536",
    "health_check_path": '"/ready"',
    "health_check_port": "8082",
    "health_checks": '["http"]',
    "kernel_modules": '["fuse"]',
    "preferred_regions": '["eu-west"]',
    "allow_fallback": "True",
    "privileged": "True",
    "disk_size_gb": "90",
}


def test_each_other_change_of_a_vm_replaces_it_and_says_which_input_does(
    stack: Stack, cloud: ServedWorld
) -> None:
    cloud.world.call("PATCH", "/_emulator/settings", {"capacity": {"RTX 4090": 64}})
    base = (
        '{"ssh_key_ids": [key.id], "gpu_model_id": GPU, "gpu_count": 1, "wait_for": "none", '
        '"disk_size_gb": 100}'
    )
    program = f"""
    OTHER_GPU = "another model"
    key = relay.SshKey("laptop", public_key=KEY)
    base = {base}
    """
    unchanged = "".join(f'    relay.Vm("{name}", **base)\n' for name in REPLACING)
    assert stack.up(program.rstrip() + "\n" + unchanged).code == 0
    cloud.world.log.clear()
    changed = "".join(
        f'    relay.Vm("{name}", **{{**base, "{name}": {value}}})\n'
        for name, value in REPLACING.items()
    )

    preview = stack.preview(program.rstrip() + "\n" + changed)

    assert preview.code == 0, preview.text
    assert preview.changed == dict.fromkeys(REPLACING, "replace")
    assert {name: preview.replaced_because(name) for name in REPLACING} == {
        name: [name] for name in REPLACING
    }
    assert [entry.path for entry in cloud.world.log.entries] == ["/v1/pricing"]


def test_what_somebody_changed_behind_pulumis_back_shows_and_is_put_right(
    stack: Stack, cloud: ServedWorld
) -> None:
    assert stack.up(MACHINES).code == 0
    ids = {name: r["id"] for name, r in stack.resources().items() if "id" in r}
    call = cloud.world.call
    call("POST", f"/v1/vms/{ids['trainer']}/visibility", {"public": True})
    call("POST", f"/v1/clusters/{ids['llm']}/scale", {"replicaCount": 3})
    hook = f"/v1/orgs/{cloud.world.first_organization.id}/webhooks/{ids['events']}"
    call("PATCH", hook, {"url": "http://127.0.0.1:9/elsewhere"})

    found = stack.refresh()
    assert found.code == 0, found.text
    assert set(found.changed) >= {"trainer", "llm", "events"}

    preview = stack.preview(None, "--diff")
    assert preview.changed == {"trainer": "update", "llm": "update", "events": "update"}
    assert "replica_count: 3 => 2" in preview.text

    assert stack.up().code == 0
    assert call("GET", f"/v1/vms/{ids['trainer']}").json()["public"] is False
    assert call("GET", f"/v1/clusters/{ids['llm']}").json()["replicaCount"] == 2


def test_a_machine_that_somebody_ended_is_made_again(stack: Stack, cloud: ServedWorld) -> None:
    program = """
    key = relay.SshKey("laptop", public_key=KEY)
    relay.Vm("trainer", ssh_key_ids=[key.id], resource_size="small")
    """
    assert stack.up(program).code == 0
    lost = stack.resources()["trainer"]["id"]
    cloud.world.call("DELETE", f"/_emulator/vms/{lost}")

    assert stack.refresh().changed == {"trainer": "delete"}
    again = stack.up()

    assert again.changed == {"trainer": "create"}
    assert stack.resources()["trainer"]["id"] != lost
    assert len(cloud.world.live_vms()) == 1


def test_an_existing_machine_can_be_read_by_its_id(
    new_stack: Callable[..., Stack], cloud: ServedWorld
) -> None:
    maker, reader = new_stack("maker"), new_stack("reader")
    assert maker.up(MACHINES).code == 0
    ids = {name: r["id"] for name, r in maker.resources().items() if "id" in r}
    cloud.world.log.clear()

    read = reader.up(
        f"""
    vm = relay.Vm.get("theirs", {ids["trainer"]!r})
    key = relay.SshKey.get("their-key", {ids["laptop"]!r})
    cluster = relay.InferenceCluster.get("their-cluster", {ids["llm"]!r})
    pulumi.export("ssh", vm.ssh_command)
    pulumi.export("keys", vm.ssh_key_ids)
    pulumi.export("replicas", cluster.replica_count)
    pulumi.export("fingerprint", key.fingerprint)
    """
    )

    assert read.code == 0, read.text
    assert reader.outputs()["ssh"] == maker.outputs()["ssh"]
    assert reader.outputs()["keys"] == [ids["laptop"]]
    assert reader.outputs()["replicas"] == 2
    assert reader.outputs()["fingerprint"].startswith("SHA256:")
    assert reader.destroy().code == 0
    assert mutations(cloud) == []


def test_reading_what_does_not_exist_says_so(stack: Stack) -> None:
    read = stack.up('relay.Vm.get("theirs", "no-such-vm")')
    assert read.code != 0
    assert read.errors == [
        "VM 'theirs': there is none with the id no-such-vm; nothing was read; check the id"
    ]
