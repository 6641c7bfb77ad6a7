"""A stack of one contestant on the real engine, and what its commands cost."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from get_pulumi import pulumi_directory

SCRIPTS = Path(__file__).resolve().parent.parent
PARALLEL = 128
LOOK_SECONDS = 0.1
COMMAND_SECONDS = 900


@dataclass(frozen=True)
class Cost:
    """Of one command. plugin_mb: the most memory that the plugin took, None where it is not told
    (elsewhere than on Linux)."""

    seconds: float
    plugin_mb: float | None


class Stack:
    """A project folder with one stack. environment: what leads its program to the API."""

    def __init__(
        self, folder: Path, contestant: str, kind: str, count: int, environment: dict[str, str]
    ) -> None:
        self._folder = folder
        backend = folder / "backend"
        backend.mkdir(parents=True)
        (folder / "Pulumi.yaml").write_text("name: bench\nruntime: python\n")
        (folder / "__main__.py").write_text(
            f"from benchmark.{contestant} import declare\n\ndeclare({kind!r}, {count})\n"
        )
        path = [str(pulumi_directory()), str(Path(sys.executable).parent), os.environ["PATH"]]
        self._environment = {
            **os.environ,
            "PATH": os.pathsep.join(path),
            "PYTHONPATH": str(SCRIPTS),
            "PULUMI_BACKEND_URL": backend.as_uri(),
            "PULUMI_CONFIG_PASSPHRASE": "bench",
            "PULUMI_HOME": str(folder / "home"),
            "XDG_STATE_HOME": str(folder / "state"),
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            **environment,
        }
        self._run("stack", "init", "bench")

    def run(self, command: str) -> Cost:
        """`up`, `preview`, `refresh` or `destroy`, as a pipeline runs it."""
        options = ["--parallel", str(PARALLEL), "--suppress-outputs"]
        if command != "preview":
            options += ["--yes", "--skip-preview"]
        return self._run(command, *options)

    def _run(self, *arguments: str) -> Cost:
        began = time.monotonic()
        with (self._folder / "printed.txt").open("w+b") as printed:
            process = subprocess.Popen(
                ["pulumi", *arguments, "--non-interactive"],
                cwd=self._folder,
                env=self._environment,
                stdout=printed,
                stderr=subprocess.STDOUT,
            )
            memory = _Memory(process.pid)
            try:
                code = process.wait(COMMAND_SECONDS)
            finally:
                process.kill()
                memory.stop()
            seconds = time.monotonic() - began
            if code:
                printed.seek(0)
                said = printed.read().decode(errors="replace")[-4000:]
                raise SystemExit(f"bench: pulumi {' '.join(arguments)}:\n{said}")
        return Cost(seconds, memory.most_mb)


class _Memory:
    """Looks at the plugin among a command's descendants, several times a second."""

    def __init__(self, command: int) -> None:
        self._command = command
        self._stopped = threading.Event()
        self.most_mb: float | None = None
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stopped.wait(LOOK_SECONDS):
            for process in _descendants(self._command):
                if b"pulumi.dynamic" in _read(process, "cmdline").split(b"\0"):
                    self._note(_read(process, "status"))

    def _note(self, status: bytes) -> None:
        for line in status.splitlines():
            if line.startswith(b"VmHWM:"):
                self.most_mb = max(self.most_mb or 0.0, int(line.split()[1]) / 1024)


def _descendants(process: int) -> list[int]:
    # Each thread has the children that it began itself.
    try:
        threads = list(Path(f"/proc/{process}/task").glob("*/children"))
    except OSError:
        threads = []  # it has ended
    children = [int(child) for thread in threads for child in _content(thread).split()]
    return children + [further for child in children for further in _descendants(child)]


def _read(process: int, name: str) -> bytes:
    return _content(Path(f"/proc/{process}/{name}"))


def _content(path: Path) -> bytes:
    """Nothing, where the process has ended."""
    try:
        return path.read_bytes()
    except OSError:
        return b""
