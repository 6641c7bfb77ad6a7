"""What a user sees of a stack's life, on the real CLI."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pulumi_openrelay.emulator import ServedWorld

from ..contract.examples import EXAMPLES, Replace
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


def test_a_program_that_takes_out_its_last_resource_is_refused_in_a_sentence_alone(
    stack: Stack,
) -> None:
    """One that Pulumi protects, as whatever it has imported."""
    program = """
    protected = pulumi.ResourceOptions(protect=True)
    key = relay.SshKey("laptop", public_key=KEY, opts=protected)
    relay.Vm("trainer", ssh_key_ids=[key.id], resource_size="small", opts=protected)
    """
    assert stack.up(program).code == 0
    refused = stack.preview("")
    assert refused.code != 0
    assert "protected" in refused.text
    assert "Traceback" not in refused.text
    stack.run("state", "unprotect", "--all", "--yes", "--stack", stack.name)
    assert stack.destroy().code == 0


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
    relay.InferenceCluster("resume", image_url="x", resource_size="small", desired_state="stopped")
    relay.Webhook("renamed", name="old", url="http://127.0.0.1:9/a")
    relay.Webhook("moved", url="http://127.0.0.1:9/a")
    relay.Webhook("retuned", url="http://127.0.0.1:9/a", events=["vm.running"])
    relay.Webhook("silenced", url="http://127.0.0.1:9/a")
    relay.Webhook("rekeyed", url="http://127.0.0.1:9/a", secret_version=1)
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
    relay.InferenceCluster("resume", image_url="x", resource_size="small")
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
            f"POST /v1/clusters/{ids['resume']}/restart",
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
    assert after["halt"]["outputs"]["status"] == "stopped"
    assert after["resume"]["outputs"]["status"] == "running"
    assert after["scale"]["outputs"]["replica_count"] == 3
    assert after["silenced"]["outputs"]["enabled"] is False
    assert after["rekeyed"]["outputs"]["secret"] != before["rekeyed"]["outputs"]["secret"]
    assert stack.preview().changed == {}


REPLACEABLE = ("openrelay:SshKey", "openrelay:Vm", "openrelay:InferenceCluster")
SMALLER_DISK = Replace(90)


def replacements() -> Iterator[tuple[str, dict[str, Any], str, Replace]]:
    """For each input that replaces a resource: its kind, its inputs, and the change of that one."""
    for token in REPLACEABLE:
        example = EXAMPLES[token]
        smaller = {"disk_size_gb": SMALLER_DISK} if "disk_size_gb" in example.updates else {}
        changes = {**example.replaces, **smaller}
        for name, change in changes.items():
            inputs = dict(example.inputs)
            if name != "name":
                inputs.pop("name", None)  # two of one name would be refused
            inputs |= {"wait_for": "none"} if "wait_for" in example.settings else {}
            yield token.removeprefix("openrelay:"), inputs, name, change


def declared(kind: str, name: str, inputs: Mapping[str, Any]) -> str:
    """One resource of a program with an SSH key `key`; each further key has a blob of its own."""
    given = {key: value for key, value in inputs.items() if value is not None}
    if kind == "SshKey":
        blob = hashlib.sha256(f"{name} {given['public_key']}".encode()).hexdigest()[:42]
        given["public_key"] = f"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA{blob} someone"
    words = [f"{key}={value!r}" for key, value in given.items() if key != "ssh_key_ids"]
    words += ["ssh_key_ids=[key.id]"] if "ssh_key_ids" in given else []
    return f"relay.{kind}({name!r}, {', '.join(words)})\n"


def test_each_other_change_replaces_and_says_which_input_does(
    stack: Stack, cloud: ServedWorld
) -> None:
    cloud.world.call("PATCH", "/_emulator/settings", {"capacity": {"RTX 4090": 400}})
    before = after = 'key = relay.SshKey("laptop", public_key=KEY)\n'
    because: dict[str, set[str]] = {}
    beside: dict[str, set[str]] = {}
    for kind, inputs, changed, change in replacements():
        name = f"{kind}-{changed}"
        because[name], beside[name] = {changed}, set(change.beside)
        before += declared(kind, name, inputs)
        after += declared(kind, name, {**inputs, changed: change.to, **change.beside})
    made = stack.up(before)
    assert made.code == 0, made.text
    cloud.world.log.clear()

    preview = stack.preview(after)

    assert preview.code == 0, preview.text
    assert preview.changed == dict.fromkeys(because, "replace")
    assert {name: set(preview.replaced_because(name)) - beside[name] for name in because} == because
    # Three reads for all of them together.
    asked = [f"{entry.method} {entry.path.rsplit('/')[-1]}" for entry in cloud.world.log.entries]
    assert sorted(asked) == ["GET pricing", "GET ssh-keys", "GET whoami"]


def test_what_somebody_changed_behind_pulumis_back_shows_and_is_put_right(
    stack: Stack, cloud: ServedWorld
) -> None:
    assert stack.up(MACHINES).code == 0
    ids = {name: r["id"] for name, r in stack.resources().items() if "id" in r}
    call = cloud.world.call
    call("POST", f"/v1/vms/{ids['trainer']}/visibility", {"public": True})
    call("POST", f"/v1/clusters/{ids['llm']}/scale", {"replicaCount": 3})
    hooks = f"/v1/orgs/{cloud.world.first_organization.id}/webhooks"
    (made,) = call("GET", hooks).json()
    there = {"name": "renamed", "url": "http://127.0.0.1:9/elsewhere"}
    call("PATCH", f"{hooks}/{ids['events']}", there)

    found = stack.refresh()
    assert found.code == 0, found.text
    assert set(found.changed) >= {"trainer", "llm", "events"}

    preview = stack.preview(None, "--diff")
    assert preview.changed == {"trainer": "update", "llm": "update", "events": "update"}
    assert "replica_count: 3 => 2" in preview.text
    assert made["name"] in preview.text  # the program gives it none

    assert stack.up().code == 0
    assert call("GET", f"/v1/vms/{ids['trainer']}").json()["public"] is False
    assert call("GET", f"/v1/clusters/{ids['llm']}").json()["replicaCount"] == 2
    (hook,) = call("GET", hooks).json()
    assert {name: hook[name] for name in there} == {name: made[name] for name in there}


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
        "VM 'theirs': there is none with the id no-such-vm; nothing was read; check the id, "
        "and that the key is of its organization"
    ]
