"""What a user sees of a stack's life, on the real CLI."""

from __future__ import annotations

from pulumi_openrelay.emulator import Served

from .support import Stack

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
"""


def changes(cloud: Served) -> list[str]:
    """The requests so far that were to change something, as `METHOD path` without ids."""
    found = []
    for entry in cloud.world.log.entries:
        if entry.method != "GET":
            parts = [p for p in entry.path.split("/") if not any(c.isdigit() for c in p[2:])]
            found.append(f"{entry.method} {'/'.join(parts)}")
    return found


def test_a_second_up_changes_nothing_and_asks_for_nothing(stack: Stack, cloud: Served) -> None:
    first = stack.up(MACHINES)
    assert first.code == 0, first.text
    assert first.changed == {
        "test-dev": "create",
        "openrelay": "create",
        "laptop": "create",
        "trainer": "create",
        "llm": "create",
        "events": "create",
    }
    assert stack.outputs()["status"] == "running"
    assert stack.outputs()["gpus"] == 1
    assert stack.outputs()["vram"] == 24
    cloud.world.log.clear()

    second = stack.up()

    assert second.code == 0, second.text
    assert second.changed == {}
    assert list(cloud.world.log.entries) == []


def test_destroy_leaves_nothing(stack: Stack, cloud: Served) -> None:
    assert stack.up(MACHINES).code == 0
    done = stack.destroy()
    assert done.code == 0, done.text
    left = cloud.world.call("GET", "/_emulator/world").json()
    assert (left["machines"], left["ssh_keys"], left["webhooks"]) == (0, [], [])
    assert stack.resources() == {}
