"""A stack of its own for each test: the real CLI and engine, a local backend, the emulator."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from uv import find_uv_bin

from pulumi_openrelay.emulator import ServedWorld

ROOT = Path(__file__).resolve().parents[2]
TYPE = "pulumi-python:dynamic/openrelay:"
COMMAND_SECONDS = 120

PRELUDE = """\
import pulumi
import pulumi_openrelay as relay
from pulumi import ResourceOptions as Options

KEY = {key!r}
OTHER_KEY = {other_key!r}
GPU = {gpu!r}
"""

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGm7Z0bTw5cDgbHGdWmOLNlsS9xXU5cPYvlEXaAtr0Lm ada@laptop"
OTHER_KEY = (
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKc5b0m6Vwq3o1yD7fGp1bJq0d7iQ4Zt3mJd9vQn8s2X grace@desk"
)
VM = """
    key = relay.SshKey("laptop", public_key=KEY)
    vm = relay.Vm("trainer", ssh_key_ids=[key.id], gpu_model_id=GPU, gpu_count=1)
"""
CREATE = {"method": "POST", "path_regex": "/vms/create$"}
SECRET_KEYS = {"4dabf18193072939515e22adb298388d"}


@cache
def cli_directory() -> str:
    """Where the Pulumi CLI is, as `make setup` finds or fetches it."""
    script = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "get_pulumi.py")],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return script.stdout.strip().splitlines()[-1]


@cache
def _new_stacks() -> Path:
    """A folder for what `pulumi stack init` has left, by the stack's name."""
    folder = tempfile.mkdtemp(prefix="stacks-")
    atexit.register(shutil.rmtree, folder)
    return Path(folder)


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)
    elif source.exists():
        shutil.copy(source, target)


def running(variable: str) -> dict[int, str]:
    """The command lines of the processes that have this in their environment: NAME=value."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if variable.encode() in (process / "environ").read_bytes().split(b"\0"):
                words = (process / "cmdline").read_bytes().split(b"\0")
                found[int(process.name)] = b" ".join(words).decode()
    return found


def kill(variable: str) -> None:
    """End all of them."""
    for number in running(variable):
        with contextlib.suppress(ProcessLookupError):
            os.kill(number, signal.SIGKILL)


def mutations(cloud: ServedWorld) -> list[str]:
    """The requests so far that were to change something."""
    entries = cloud.world.log.entries
    return [f"{entry.method} {entry.path}" for entry in entries if entry.method != "GET"]


@dataclass(frozen=True)
class Result:
    """What a command printed, and the engine's events of it."""

    code: int
    text: str
    seconds: float
    events: list[dict[str, Any]]

    @property
    def changed(self) -> dict[str, str]:
        """What happens to each resource that is not left as it is, by its name: create, update,
        replace or delete."""
        changed: dict[str, str] = {}
        for event in self.events:
            kind = "resOutputsEvent" if "resOutputsEvent" in event else "resourcePreEvent"
            metadata = event.get(kind, {}).get("metadata")
            if metadata is None or metadata["type"].startswith("pulumi:providers:"):
                continue
            if metadata["op"] not in ("same", "read", "refresh"):
                op = "replace" if "replace" in metadata["op"] else metadata["op"]
                changed[metadata["urn"].rsplit("::", 1)[-1]] = op
        return changed

    def replaced_because(self, name: str) -> list[str]:
        """The properties that force the replacement of a resource."""
        keys: set[str] = set()
        for event in self.events:
            metadata = event.get("resourcePreEvent", {}).get("metadata", {})
            if metadata.get("urn", "").endswith(f"::{name}"):
                keys |= set(metadata.get("keys") or [])
        return sorted(keys)

    @property
    def errors(self) -> list[str]:
        """The errors of resources, one for each that failed, without the engine's own summary."""
        found = [
            event["diagnosticEvent"]
            for event in self.events
            if event.get("diagnosticEvent", {}).get("severity") == "error"
        ]
        texts = [_uncolored(error["message"]) for error in found]
        # What is recorded in spite of a failure comes in the engine's own wrapping.
        texts = [text.removeprefix("1 error occurred:\n\t* ") for text in texts]
        return [text for text in texts if text not in ("update failed", "preview failed")]

    @property
    def warnings(self) -> list[str]:
        return [
            _uncolored(event["diagnosticEvent"]["message"])
            for event in self.events
            if event.get("diagnosticEvent", {}).get("severity") == "warning"
        ]

    @property
    def progress(self) -> list[str]:
        """Lines that showed on a resource's own line while it was worked on."""
        return [
            _uncolored(event["diagnosticEvent"]["message"])
            for event in self.events
            if event.get("diagnosticEvent", {}).get("ephemeral")
        ]


PROJECT = f"""\
name: test
runtime:
  name: python
  options:
    toolchain: uv
    virtualenv: {sys.prefix}
"""
PACKAGE = """\
[project]
name = "test"
version = "0"
requires-python = ">=3.11"
"""
LOCK = """\
version = 1
requires-python = ">=3.11"

[[package]]
name = "test"
version = "0"
source = { virtual = "." }
"""


def _uncolored(text: str) -> str:
    return re.sub(r"<\{%.*?%\}>", "", text).strip()


@dataclass
class Stack:
    """A project folder with one stack."""

    folder: Path
    cloud: ServedWorld
    environment: dict[str, str] = field(default_factory=dict)
    name: str = "dev"
    _events: int = 0

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "Pulumi.yaml").write_text(PROJECT)
        # Pulumi asks pip three times per command what is installed, which takes a third of the
        # command's processor time; uv looks it up in these.
        (self.folder / "pyproject.toml").write_text(PACKAGE)
        (self.folder / "uv.lock").write_text(LOCK)
        tools = self.folder / "tools"
        tools.mkdir(exist_ok=True)
        (tools / "uv").unlink(missing_ok=True)
        (tools / "uv").symlink_to(find_uv_bin())
        backend = self.folder / "backend"
        backend.mkdir(exist_ok=True)
        self.environment = {
            **os.environ,
            "PATH": os.pathsep.join([str(cli_directory()), str(tools), os.environ["PATH"]]),
            "UV_OFFLINE": "1",
            "PULUMI_BACKEND_URL": backend.as_uri(),
            "PULUMI_CONFIG_PASSPHRASE": "test",
            "PULUMI_HOME": str(self.folder / "home"),
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_PARALLEL": "64",
            "PULUMI_DEBUG_COMMANDS": "true",  # what --event-log asks for
            "OPENRELAY_API_URL": self.cloud.url,
            "OPENRELAY_API_KEY": self.cloud.key,
            **self.environment,
        }
        self.environment.pop("PULUMI_ACCESS_TOKEN", None)
        models = self.cloud.world.call("GET", "/v1/gpu-models").json()
        self.gpu = next(model["id"] for model in models if model["name"] == "RTX 4090")
        self._init()

    def _init(self) -> None:
        """Have a new stack: a copy of the first, because the command takes its time."""
        parts = ("backend", f"Pulumi.{self.name}.yaml")
        kept = _new_stacks() / self.name
        if not kept.exists():
            self.run("stack", "init", self.name)
            kept.mkdir()
            for part in parts:
                _copy(self.folder / part, kept / part)
        for part in parts:
            _copy(kept / part, self.folder / part)

    def write(self, program: str) -> None:
        """The program that the next command runs, after a common beginning."""
        prelude = PRELUDE.format(key=KEY, other_key=OTHER_KEY, gpu=self.gpu)
        (self.folder / "__main__.py").write_text(prelude + textwrap.dedent(program))

    def up(self, program: str | None = None, *options: str) -> Result:
        return self._operate("up", program, "--yes", "--skip-preview", *options)

    def preview(self, program: str | None = None, *options: str) -> Result:
        return self._operate("preview", program, *options)

    def refresh(self, program: str | None = None, *options: str) -> Result:
        return self._operate("refresh", program, "--yes", "--skip-preview", *options)

    def destroy(self, *options: str) -> Result:
        return self._operate("destroy", None, "--yes", "--skip-preview", *options)

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """A command in a process group of its own, for tests that interrupt it; it writes to
        `printed`."""
        with self.printed.open("wb") as printed:
            return subprocess.Popen(
                ["pulumi", *arguments, "--stack", self.name, "--non-interactive"],
                cwd=self.folder,
                env=self.environment,
                stdout=printed,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def printed(self) -> Path:
        return self.folder / "printed.txt"

    @property
    def log(self) -> Path:
        """For the events of a command that is started: `--event-log`."""
        return self.folder / "events.json"

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Any other command; it must succeed."""
        done = subprocess.run(
            ["pulumi", *arguments, "--non-interactive", "--color", "never"],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done

    def end(self) -> None:
        """End what a killed command has left: its language host finds out only when it is asked."""
        kill(f"PULUMI_HOME={self.environment['PULUMI_HOME']}")

    def export(self, *options: str) -> dict[str, Any]:
        """The state, with secrets as ciphertext."""
        exported = self.run("stack", "export", "--stack", self.name, *options)
        state: dict[str, Any] = json.loads(exported.stdout)
        return state

    def resources(self) -> dict[str, dict[str, Any]]:
        """The recorded resources by name."""
        found = self.export()["deployment"].get("resources", [])
        return {r["urn"].rsplit("::", 1)[-1]: r for r in found}

    def outputs(self) -> Mapping[str, Any]:
        shown = self.run("stack", "output", "--json", "--show-secrets", "--stack", self.name)
        outputs: dict[str, Any] = json.loads(shown.stdout)
        return outputs

    def _operate(self, command: str, program: str | None, *options: str) -> Result:
        if program is not None:
            self.write(program)
        self._events += 1
        log = self.folder / f"events-{self._events}.json"
        began = time.monotonic()
        done = subprocess.run(
            [
                "pulumi",
                command,
                "--stack",
                self.name,
                "--non-interactive",
                "--color",
                "never",
                "--event-log",
                str(log),
                *options,
            ],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )
        events = []
        if log.exists():
            events = [json.loads(line) for line in log.read_text().splitlines() if line.strip()]
        return Result(done.returncode, done.stdout + done.stderr, time.monotonic() - began, events)


def fault(cloud: ServedWorld, match: dict[str, Any], **action: Any) -> None:
    rule = {"match": match, "times": None, "action": action}
    answer = cloud.world.call("POST", "/_emulator/faults", rule)
    assert answer.status < 300, answer.body


def calm(cloud: ServedWorld) -> None:
    cloud.world.call("DELETE", "/_emulator/faults")


def all_told_as_recorded(stack: Stack, cloud: ServedWorld) -> bool:
    """Whether each machine's resource has said that it was interrupted, and under which id."""
    told = stack.log.read_text()
    return all(interrupted(vm.id) in told for vm in cloud.world.live_vms())


def wait_until(true: Callable[[], bool], seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)


def plugins_of(stack: Stack) -> list[int]:
    """The provider plugins that work for this stack."""
    found = []
    for process in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            words = (process / "cmdline").read_bytes().split(b"\0")
            if b"pulumi.dynamic" in words and (process / "cwd").resolve() == stack.folder:
                found.append(int(process.name))
    return found


def asked(cloud: ServedWorld, method: str, end: str) -> Callable[[], bool]:
    """Whether such a request has arrived since the log was cleared."""

    def has_arrived() -> bool:
        entries = list(cloud.world.log.entries)
        return any(e.method == method and e.path.endswith(end) for e in entries)

    return has_arrived


def interrupted(vm_id: str) -> str:
    return f"the operation was interrupted; it exists and is recorded ({vm_id}); run `pulumi up`"
