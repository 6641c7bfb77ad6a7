"""What a stack made and its state does not record is found, whatever became of the program."""

from __future__ import annotations

import subprocess
import sys

from pulumi_openrelay.emulator import ServedWorld

from .support import Stack

PROGRAM = """
    key = relay.SshKey("laptop", public_key=KEY)
    vm = relay.Vm("trainer", ssh_key_ids=[key.id], gpu_model_id=GPU, gpu_count=1)
"""


def leftovers(stack: Stack) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pulumi_openrelay", "leftovers", "--stack", stack.name],
        cwd=stack.folder,
        env=stack.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_machine_that_the_state_has_lost_is_named_with_its_rate(
    stack: Stack, cloud: ServedWorld
) -> None:
    assert stack.up(PROGRAM).code == 0
    found = leftovers(stack)
    assert (found.returncode, found.stdout) == (0, ""), found.stderr
    (vm,) = cloud.world.live_vms()
    urn = stack.resources()["trainer"]["urn"]
    stack.run("state", "delete", urn, "--stack", stack.name, "--yes")

    found = leftovers(stack)

    assert found.returncode == 2, found.stderr
    assert found.stdout == f"VM {vm.name} ({vm.id}, running, 29 cents an hour)\n"
    refused = stack.destroy()
    assert "this stack made" in refused.text
    assert vm.name in refused.text
