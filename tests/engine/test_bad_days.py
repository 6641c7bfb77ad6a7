"""Interrupted, out of disk, out of touch: the next command goes on from what there is.

An outage here lasts some seconds where a user's lasts a minute: it is the same code that waits. A
request that cannot be sent is repeated with growing pauses, and a look that fails while a machine
is waited for is not counted.
"""

from __future__ import annotations

import os
import re
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from pulumi_openrelay.emulator import ServedWorld

from .support import CREATE, VM, Stack, asked, calm, fault, plugins_of, wait_until

SLOW = {"type": "delay", "seconds": 2.0}
OUTAGE_SECONDS = 4.0


def unlock(stack: Stack) -> None:
    """Lift the lock that a killed command has left, as it says itself."""
    if any(stack.folder.glob("backend/.pulumi/locks/**/*.json")):
        stack.run("cancel", "--yes", stack.name)


def press_ctrl_c(command: subprocess.Popen[bytes], times: int) -> None:
    """As a terminal does it: the whole process group hears it."""
    for _ in range(times):
        os.killpg(command.pid, signal.SIGINT)
        time.sleep(0.3)  # a second press counts once the first has been heard
    command.wait(timeout=60)


def assert_one_machine(stack: Stack, cloud: ServedWorld) -> None:
    """There is one, it is the recorded one, and nothing is left to do."""
    recorded = stack.resources()["trainer"]
    assert [vm.id for vm in cloud.world.live_vms()] == [recorded["id"]]
    assert recorded["outputs"]["status"] == "running"
    assert not recorded.get("initErrors")


@pytest.mark.parametrize("times", [1, 2], ids=["once", "twice"])
@pytest.mark.parametrize("moment", ["before it is made", "while it is made", "while it comes up"])
def test_after_ctrl_c_the_next_up_goes_on_with_the_same_machine(
    stack: Stack, cloud: ServedWorld, moment: str, times: int
) -> None:
    cloud.world.settings.change({"provision_seconds": 600.0})
    if moment == "before it is made":
        fault(cloud, {"method": "GET", "path_regex": "/vms$"}, **SLOW)
    if moment == "while it is made":
        fault(cloud, CREATE, when="after", **SLOW)
    stack.write(VM)
    cloud.world.log.clear()
    up = stack.start("up", "--yes", "--skip-preview")
    wait_until(asked(cloud, *(("GET", "/vms") if "before" in moment else ("POST", "/create"))))
    if moment == "while it comes up":
        wait_until(lambda: bool(cloud.world.live_vms()))

    press_ctrl_c(up, times)

    assert up.returncode != 0
    assert "Traceback" not in stack.printed.read_text()
    calm(cloud)
    wait_until(lambda: not plugins_of(stack))
    come_up(cloud)
    unlock(stack)
    again = stack.up()
    assert again.code == 0, again.text
    assert_one_machine(stack, cloud)


@pytest.mark.parametrize("times", [1, 2], ids=["once", "twice"])
def test_after_ctrl_c_while_it_is_deleted_destroy_ends_the_rest(
    stack: Stack, cloud: ServedWorld, times: int
) -> None:
    assert stack.up(VM).code == 0
    cloud.world.settings.change({"provision_seconds": 600.0})
    destroy = stack.start("destroy", "--yes", "--skip-preview")
    wait_until(asked(cloud, "POST", "/terminate"))

    press_ctrl_c(destroy, times)

    assert destroy.returncode != 0
    assert "Traceback" not in stack.printed.read_text()
    unlock(stack)
    assert "trainer" in stack.resources()
    cloud.world.skip(600)
    again = stack.destroy()
    assert again.code == 0, again.text
    assert stack.resources() == {}
    assert cloud.world.live_vms() == []


def come_up(cloud: ServedWorld) -> None:
    """Let what is on its way be there, and what comes later come soon."""
    cloud.world.settings.change({"provision_seconds": 0.3})
    for vm in cloud.world.live_vms():
        cloud.world.call("PATCH", f"/_emulator/vms/{vm.id}", {"status": "running"})


def test_a_machine_that_a_full_disk_kept_out_of_the_state_is_found_again(
    stack: Stack, cloud: ServedWorld
) -> None:
    """No file of the CLI may grow beyond 4 kB any more, which the state has passed long ago. To its
    writer that is a full disk, and it takes no mount and no privilege. Pulumi's local backend
    cuts the state off there, and keeps the one before beside it."""
    cloud.world.settings.change({"provision_seconds": 600.0})
    stack.write(VM)
    up = stack.start("up", "--yes", "--skip-preview")
    wait_until(lambda: bool(cloud.world.live_vms()))
    resource.prlimit(up.pid, resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
    come_up(cloud)

    assert up.wait(timeout=60) != 0

    assert "failed to save snapshot" in stack.printed.read_text()
    state = stack.folder / "backend" / ".pulumi" / "stacks" / "test" / f"{stack.name}.json"
    state.with_suffix(".json.bak").replace(state)
    unlock(stack)
    assert "trainer" not in stack.resources()
    again = stack.up()
    assert again.code == 0, again.text
    assert_one_machine(stack, cloud)


class Emulator:
    """The emulator as a process of its own, with its world in a file: it can go, and come back."""

    def __init__(self, state: Path) -> None:
        self._state = state
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self._port}"
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        options = ["--port", str(self._port), "--state", str(self._state)]
        command = [sys.executable, "-m", "pulumi_openrelay.emulator", *options]
        command += ["--provision-seconds", "3"]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        assert self._process.stdout.readline()

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def live_vms(self) -> list[str]:
        world = httpx.get(f"{self.url}/_emulator/world", trust_env=False).json()
        return [vm["id"] for vm in world["vms"]]


@pytest.fixture
def emulator(tmp_path: Path) -> Iterator[Emulator]:
    emulator = Emulator(tmp_path / "world.db")
    yield emulator
    emulator.kill()


@pytest.fixture
def remote(new_stack: Callable[..., Stack], emulator: Emulator) -> Stack:
    """A stack of that emulator."""
    return new_stack("remote", environment={"OPENRELAY_API_URL": emulator.url})


def test_an_api_that_restarts_while_a_machine_comes_up_is_only_waited_for(
    remote: Stack, emulator: Emulator
) -> None:
    emulator.start()
    remote.write(VM)
    up = remote.start("up", "--yes", "--skip-preview")
    wait_until(lambda: bool(emulator.live_vms()))
    emulator.kill()
    emulator.start()

    assert up.wait(timeout=60) == 0, remote.printed.read_text()

    assert emulator.live_vms() == [remote.resources()["trainer"]["id"]]


def test_an_outage_is_waited_out_by_up_and_by_destroy(remote: Stack, emulator: Emulator) -> None:
    remote.write(VM)
    for command in ("up", "destroy"):
        running = remote.start(command, "--yes", "--skip-preview")
        wait_until(lambda: bool(plugins_of(remote)))
        time.sleep(OUTAGE_SECONDS)
        emulator.start()
        assert running.wait(timeout=60) == 0, remote.printed.read_text()
        assert len(emulator.live_vms()) == (command == "up")
        emulator.kill()


def test_an_outage_that_outlasts_the_retries_is_one_line_and_the_next_command_goes_on(
    remote: Stack, emulator: Emulator
) -> None:
    remote.run("config", "set", "openrelay:maxRetries", "1", "--stack", remote.name)

    failed = remote.up(VM)

    cannot = r"the API at 127\.0\.0\.1:\d+ cannot be reached \(.*\)"
    advice = r"check the network and the environment \(OPENRELAY_API_URL\)"
    (error,) = failed.errors
    assert re.fullmatch(f"SSH key 'laptop': {cannot}; nothing was created; {advice}", error)
    assert "Traceback" not in failed.text
    emulator.start()
    assert remote.up().code == 0
    machine = remote.resources()["trainer"]["id"]
    emulator.kill()
    failed = remote.destroy()
    (error,) = failed.errors
    holds = rf"it stays recorded \({machine}\)"
    said = f"VM 'trainer': it could not be deleted: {cannot}; {holds}; {advice}"
    assert re.fullmatch(said, error)
    emulator.start()
    assert remote.destroy().code == 0
    assert emulator.live_vms() == []


CLOCK = """
import time
from pathlib import Path

now = time.time
time.time = lambda: now() - float(Path({file!r}).read_text())
"""


def test_a_clock_that_is_set_back_neither_ends_a_wait_nor_hides_a_leftover(
    stack: Stack, cloud: ServedWorld, tmp_path: Path
) -> None:
    """The plugin's clock: `sitecustomize` is Python's own hook for every process that starts."""
    set_back = tmp_path / "set-back"
    (tmp_path / "sitecustomize.py").write_text(CLOCK.format(file=str(set_back)))
    set_back.write_text("0")
    path = [str(tmp_path), stack.environment.get("PYTHONPATH", "")]
    stack.environment["PYTHONPATH"] = os.pathsep.join(filter(None, path))
    cloud.world.settings.change({"provision_seconds": 600.0})
    stack.write(VM)
    up = stack.start("up", "--yes", "--skip-preview")
    wait_until(lambda: bool(cloud.world.live_vms()))
    set_back.write_text(str(3 * 86_400))
    cloud.world.log.clear()
    wait_until(asked(cloud, "GET", "/vms"))
    for plugin in plugins_of(stack):
        os.kill(plugin, signal.SIGKILL)
    assert up.wait(timeout=60) != 0
    (lost,) = cloud.world.live_vms()
    come_up(cloud)
    unlock(stack)

    changed = stack.up(VM.replace("gpu_count=1", "gpu_count=2"))

    assert changed.code == 0, changed.text
    assert_one_machine(stack, cloud)
    assert stack.resources()["trainer"]["id"] != lost.id
