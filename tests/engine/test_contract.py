"""What `engine.py` relies on, tried on the real engine, with the oldest and the newest SDK."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pulumi_openrelay.emulator import ServedWorld

from .support import (
    KEY,
    ROOT,
    VM,
    Stack,
    all_told_as_recorded,
    calm,
    fault,
    plugins_of,
    wait_until,
)

OLDEST = "3.268.0"


@pytest.fixture(scope="session")
def oldest_sdk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The oldest SDK that pyproject.toml allows, in a folder for PYTHONPATH."""
    assert f'"pulumi>={OLDEST.removesuffix(".0")},<4"' in (ROOT / "pyproject.toml").read_text()
    folder = tmp_path_factory.mktemp("sdk") / OLDEST
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
    subprocess.run([*command, "--target", str(folder), f"pulumi=={OLDEST}"], check=True)
    return folder


@pytest.fixture(params=["newest", "oldest"])
def sdk(request: pytest.FixtureRequest, new_stack: Callable[..., Stack]) -> Stack:
    """A stack whose program and plugin run with one of the SDKs."""
    stack = new_stack(request.param)
    if request.param == "oldest":
        stack.environment["PYTHONPATH"] = str(request.getfixturevalue("oldest_sdk"))
    return stack


def test_the_engine_module_holds_with_this_sdk(sdk: Stack, cloud: ServedWorld) -> None:
    """One stack through all that the module does: progress, a recorded failure with the user's
    timeout, going on, a diff that names the property, a read by id, an error in one line."""
    cloud.world.scripts.add({"kind": "vm", "outcome": {"type": "stall"}})
    options = "Options(custom_timeouts=pulumi.CustomTimeouts(create='2s'))"
    program = VM.replace("gpu_count=1", f"gpu_count=1, opts={options}")
    version = "\n    pulumi.export('sdk', pulumi.__file__)"

    failed = sdk.up(program)

    machine = cloud.world.live_vms()[0]
    assert len(failed.errors) == 1
    assert "it was not running within 2 s" in failed.errors[0]
    assert any(line.startswith("deploying: ") for line in failed.progress)
    assert re.search(r"Vm trainer creating \(\d+s\) deploying: ", failed.text)
    assert sdk.resources()["trainer"]["id"] == machine.id
    cloud.world.call("PATCH", f"/_emulator/vms/{machine.id}", {"status": "running"})
    resumed = sdk.up(program + version)
    assert resumed.changed["trainer"] == "update"
    folder = sdk.environment.get("PYTHONPATH", sys.prefix)
    assert sdk.outputs()["sdk"].startswith(folder)

    preview = sdk.preview(program.replace("gpu_count=1", "gpu_count=2"), "--diff")
    assert preview.changed == {"trainer": "replace"}
    assert "~ gpu_count: 1 => 2" in preview.text
    assert "ssh_command" not in preview.text

    read = sdk.preview(program + f'\n    relay.Vm.get("same", {machine.id!r})')
    assert read.code == 0, read.text
    fault(cloud, {"method": "POST", "path_regex": "/visibility$"}, type="status", status=402)
    refused = sdk.up(program.replace("gpu_count=1", "gpu_count=1, public=True"))
    assert refused.errors == [
        "VM 'trainer': the organization's balance does not cover it (402: A fault on order); "
        f"nothing was changed ({machine.id}); add funds and run `pulumi up` again"
    ]
    calm(cloud)
    assert sdk.destroy().code == 0
    assert cloud.world.live_vms() == []


def test_an_output_reads_the_same_whenever_it_is_read(sdk: Stack) -> None:
    """Before the engine has answered, after it has, or as a part of the whole resource; and what is
    secret stays so."""
    program = """
    key = relay.SshKey("laptop", public_key=KEY)
    vm = relay.Vm(
        "trainer", ssh_key_ids=[key.id], resource_size="small", env_vars={"TOKEN": "hidden"}
    )
    late = vm.id.apply(lambda _: pulumi.Output.all(vm.status, vm.gpu_count, vm.env_vars))
    pulumi.export("early", pulumi.Output.all(vm.status, vm.gpu_count))
    pulumi.export("late", late)
    pulumi.export("lifted", vm.env_vars["TOKEN"])
    pulumi.export("whole", vm)
    """
    up = sdk.up(program)
    assert up.code == 0, up.text
    outputs = sdk.outputs()
    assert outputs["early"] == ["running", 0]
    assert outputs["late"] == ["running", 0, {"TOKEN": "hidden"}]
    assert outputs["lifted"] == "hidden"
    assert outputs["whole"]["status"] == "running"
    assert outputs["whole"]["resource_size"] == "small"
    assert outputs["whole"]["env_vars"] == {"TOKEN": "hidden"}
    assert "hidden" not in json.dumps(sdk.export())
    assert sdk.preview(program).changed == {}

    # What a machine does not tell is known to be nothing: no other is replaced for it.
    fed = f"""{program}
    read = relay.Vm.get("read", vm.id)
    nothing = pulumi.Output.all(vm.gpu_model_name, read.status_reason)
    pulumi.export("nothing", nothing)
    relay.Vm(
        "fed",
        ssh_key_ids=[key.id],
        resource_size="small",
        env_vars={{"GPU": nothing.apply(lambda told: str(told))}},
    )
    """
    assert sdk.up(fed).code == 0
    assert sdk.outputs()["nothing"] == [None, None]
    again = sdk.preview(fed)
    assert again.changed == {}, again.text
    assert "unknown" not in again.text

    broken = 'relay.Vm("broken", ssh_key_ids=[vm.status], resource_size="x")'
    failed = sdk.up(f"{program}\n    {broken}")
    assert len(failed.errors) == 1, failed.text


def test_calls_at_once_hear_ctrl_c_and_end_with_a_killed_engine(
    sdk: Stack, cloud: ServedWorld
) -> None:
    """The SDK by itself serves four calls at once, and its Cancel does nothing."""
    cloud.world.settings.change({"provision_seconds": 600.0})
    sdk.write(
        """
    key = relay.SshKey("laptop", public_key=KEY)
    for n in range(6):
        relay.Vm(f"vm{n}", ssh_key_ids=[key.id], resource_size="small")
    """
    )
    up = sdk.start("up", "--yes", "--skip-preview", "--event-log", str(sdk.log))
    # No machine is up, so each of them was asked for while the others were waited for.
    wait_until(lambda: len(cloud.world.live_vms()) == 6)

    os.kill(up.pid, signal.SIGINT)

    wait_until(lambda: all_told_as_recorded(sdk, cloud), seconds=2)
    assert up.wait(timeout=60) != 0
    recorded = {resource.get("id") for resource in sdk.resources().values()}
    assert recorded >= {vm.id for vm in cloud.world.live_vms()}

    again = sdk.start("up", "--yes", "--skip-preview")
    wait_until(lambda: "deploying" in sdk.printed.read_text())
    assert plugins_of(sdk)
    os.kill(again.pid, signal.SIGKILL)
    again.wait(timeout=30)
    wait_until(lambda: not plugins_of(sdk))


def test_sixty_four_machines_come_up_at_once(stack: Stack, cloud: ServedWorld) -> None:
    cloud.world.call("PATCH", "/_emulator/settings", {"capacity": {"cpu": 400}})
    cloud.world.settings.change({"provision_seconds": 600.0})
    stack.write(
        """
    keys = [relay.SshKey("laptop", public_key=KEY), relay.SshKey("desktop", public_key=OTHER_KEY)]
    for n in range(64):
        relay.Vm(f"vm{n}", ssh_key_ids=[key.id for key in keys], resource_size="small")
    """
    )
    began = time.monotonic()
    up = stack.start("up", "--yes", "--skip-preview", "--parallel", "128")
    # No machine is up, so every one of them was asked for while all the others were waited for.
    wait_until(lambda: len(cloud.world.live_vms()) == 64, seconds=60)
    asked = time.monotonic() - began
    for vm in cloud.world.live_vms():
        cloud.world.call("PATCH", f"/_emulator/vms/{vm.id}", {"status": "running"})
    assert up.wait(timeout=100) == 0, stack.printed.read_text()
    assert asked < 60

    # The reads of a refresh come in one go.
    slow = {"type": "delay", "seconds": 3.0, "when": "after"}
    match = {"method": "GET", "path_regex": "/vms/[^/]+/ssh-keys$"}
    cloud.world.faults.add({"match": match, "times": None, "action": slow})
    cloud.world.log.clear()
    assert stack.refresh(None, "--parallel", "128").code == 0
    reads = [e.time for e in cloud.world.log.entries if re.search("/vms/[^/]+/ssh-keys$", e.path)]
    assert len(reads) == 64
    # No answer comes in less than three seconds, so that they were under way at once.
    assert len([read for read in reads if read < reads[0] + 2.5]) > 16


def test_a_program_may_run_two_stacks_each_with_its_own_machines(
    new_stack: Callable[..., Stack], cloud: ServedWorld
) -> None:
    stack = new_stack()
    (stack.folder / "automation.py").write_text(
        f"""
import pulumi
from pulumi import automation as auto
import pulumi_openrelay as relay

def program():
    key = relay.SshKey("laptop", public_key={KEY!r}, adopt=True)
    relay.Vm("trainer", ssh_key_ids=[key.id], resource_size="small")

for name in ("blue", "green"):
    made = auto.create_or_select_stack(stack_name=name, project_name="two", program=program)
    made.up()
"""
    )
    command = [sys.executable, "automation.py"]
    python = str(Path(sys.executable).parent)
    stack.environment["PATH"] = python + os.pathsep + stack.environment["PATH"]
    done = subprocess.run(
        command,
        cwd=stack.folder,
        env=stack.environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    names = [vm.name for vm in cloud.world.live_vms()]
    assert len(names) == 2
    assert len(set(names)) == 2
