"""The language host of a built Pulumi CLI: it runs Python programs and policy packs for the engine.

The official host's Go module is not on the module proxy, so a CLI built from there has this one.
The engine starts it with its own address as the last argument, reads from the first line of stdout
the port of the service `pulumirpc.LanguageRuntime`, and shows what else is written as diagnostics.

Each host has a process group of its own, so Ctrl-C in a terminal never reaches it: the engine
says `Cancel` (end what runs), later SIGINT (leave). An engine killed with -9 says nothing, but then
stdin ends. In each case no child stays behind.

Left out, unlike in the official host: making a missing virtual environment, the toolchains poetry
and uv, plugins other than policy packs, debugging, and the stack's name and configuration inside
policy packs (their own configuration does arrive).
"""

# ruff: noqa: N802 - the methods' names are those of the gRPC service

from __future__ import annotations

import argparse
import json
import os
import queue
import select
import shutil
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, TYPE_CHECKING

try:
    import grpc
    from google.protobuf import empty_pb2
    from pulumi.runtime.proto import language_pb2 as messages
    from pulumi.runtime.proto import language_pb2_grpc, plugin_pb2
except ImportError as error:
    sys.exit(f"the Python {sys.executable} has no Pulumi SDK ({error}): run `make setup`")

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

VERSION = "3.259.0"  # of the CLI that this host belongs to
EXECUTOR = Path(__file__).parent / "pulumi-language-python-exec"
MESSAGE_SHOWN = 32  # the executor's exit code when the user has already been told what is wrong
GRACE_SECONDS = 3.0  # from SIGTERM to SIGKILL; the engine gives the host five


class Host(language_pb2_grpc.LanguageRuntimeServicer):
    """Serves one engine; each running program or policy pack holds a thread of the server."""

    def __init__(self, engine: str, tracing: str) -> None:
        self._engine = engine
        self._tracing = tracing
        self._cancelled = threading.Event()
        self._programs: set[subprocess.Popen[bytes]] = set()

    def GetPluginInfo(
        self, request: empty_pb2.Empty, context: grpc.ServicerContext
    ) -> plugin_pb2.PluginInfo:
        return plugin_pb2.PluginInfo(version=VERSION)

    def GetRequiredPackages(
        self, request: messages.GetRequiredPackagesRequest, context: grpc.ServicerContext
    ) -> messages.GetRequiredPackagesResponse:
        """None: dynamic providers need no plugin but the one that comes with the CLI."""
        return messages.GetRequiredPackagesResponse()

    def Run(
        self, request: messages.RunRequest, context: grpc.ServicerContext
    ) -> messages.RunResponse:
        info = request.info
        python, environment = _python(info, context)
        environment["PULUMI_CONFIG"] = json.dumps(dict(request.config))
        environment["PULUMI_CONFIG_SECRET_KEYS"] = json.dumps(list(request.configSecretKeys))
        options = {
            "monitor": request.monitor_address,
            "engine": self._engine,
            "project": request.project,
            "root_directory": info.root_directory,
            "stack": request.stack,
            "pwd": request.pwd,
            "dry_run": str(request.dryRun).lower(),
            "parallel": str(request.parallel),
            "tracing": self._tracing,
            "organization": request.organization,
        }
        command = [python, "-u", str(EXECUTOR)]
        for name, value in options.items():
            command += [f"--{name}", value] if value else []
        command += [info.entry_point or ".", *request.args]

        # Its output goes where the host's own goes: the engine shows it on the stack's line.
        program = subprocess.Popen(
            command, cwd=info.program_directory, env=environment, stdin=subprocess.DEVNULL
        )
        self._programs.add(program)
        _end_with(context, program)
        if self._cancelled.is_set():
            _end(program)
        status = program.wait()
        self._programs.discard(program)
        if status == MESSAGE_SHOWN:
            return messages.RunResponse(bail=True)
        if status != 0:
            return messages.RunResponse(error=f"program exited with non-zero exit code: {status}")
        return messages.RunResponse()

    def RunPlugin(
        self, request: messages.RunPluginRequest, context: grpc.ServicerContext
    ) -> Iterator[messages.RunPluginResponse]:
        if request.kind != "analyzer":
            context.abort(
                grpc.StatusCode.UNIMPLEMENTED,
                f"this language host runs policy packs, but no Python plugins of kind "
                f"{request.kind!r}: use the official Pulumi CLI",
            )
        python, environment = _python(request.info, context)
        environment.update(entry.partition("=")[::2] for entry in request.env)
        pack = request.info.program_directory
        child = subprocess.Popen(
            [python, "-u", "-m", "pulumi.policy", *request.args, pack],
            cwd=pack,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        _end_with(context, child)
        output: queue.SimpleQueue[messages.RunPluginResponse | None] = queue.SimpleQueue()
        for stream, wrap in (
            (child.stdout, lambda chunk: messages.RunPluginResponse(stdout=chunk)),
            (child.stderr, lambda chunk: messages.RunPluginResponse(stderr=chunk)),
        ):
            threading.Thread(target=_pump, args=(stream, wrap, output), daemon=True).start()
        for _ in range(2):  # each of the two streams says None when it has ended
            yield from iter(output.get, None)
        yield messages.RunPluginResponse(exitcode=child.wait())

    def Cancel(self, request: empty_pb2.Empty, context: grpc.ServicerContext) -> empty_pb2.Empty:
        """End programs. A policy pack gets a Cancel of its own, and its call is cancelled."""
        self._cancelled.set()
        for program in list(self._programs):
            _end(program)
        return empty_pb2.Empty()

    def About(
        self, request: messages.AboutRequest, context: grpc.ServicerContext
    ) -> messages.AboutResponse:
        python, environment = _python(request.info, context)
        code = "import platform, sys; print(sys.executable, platform.python_version(), sep='\\n')"
        executable, version = _output([python, "-c", code], environment).splitlines()
        return messages.AboutResponse(
            executable=executable, version=version, metadata={"toolchain": "pip"}
        )

    def GetProgramDependencies(
        self, request: messages.GetProgramDependenciesRequest, context: grpc.ServicerContext
    ) -> messages.GetProgramDependenciesResponse:
        python, environment = _python(request.info, context)
        command = [python, "-m", "pip", "list", "--format", "json", "--disable-pip-version-check"]
        command += [] if request.transitiveDependencies else ["--not-required"]
        return messages.GetProgramDependenciesResponse(
            dependencies=[
                messages.DependencyInfo(name=package["name"], version=package["version"])
                for package in json.loads(_output(command, environment))
            ]
        )


def _python(
    info: messages.ProgramInfo, context: grpc.ServicerContext
) -> tuple[str, dict[str, str]]:
    """The Python for a program or pack, and the environment to start it with.

    `virtualenv` in Pulumi.yaml counts from the folder of that file. Without it, as in the official
    host: $PULUMI_PYTHON_CMD, python3 or python from PATH.
    """
    environment = dict(os.environ)
    virtualenv = dict(info.options.items()).get("virtualenv")
    if not virtualenv:
        names = [os.environ.get("PULUMI_PYTHON_CMD") or "python3", "python"]
        found = next(filter(None, map(shutil.which, names)), None)
        if found is None:
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, "there is no python3 on PATH")
        return found, environment
    folder = Path(info.root_directory, str(virtualenv))
    python = folder / "bin" / "python"
    if not python.is_file():
        context.abort(
            grpc.StatusCode.FAILED_PRECONDITION,
            f"the option 'virtualenv' in Pulumi.yaml is {virtualenv!r}, but {folder} is no "
            f"virtual environment: make one there and install the program's packages",
        )
    environment["VIRTUAL_ENV"] = str(folder)
    environment["PATH"] = os.pathsep.join([str(python.parent), environment.get("PATH", "")])
    environment.pop("PYTHONHOME", None)
    return str(python), environment


def _output(command: list[str], environment: dict[str, str]) -> str:
    return subprocess.run(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def _pump(
    stream: IO[bytes],
    wrap: Callable[[bytes], messages.RunPluginResponse],
    output: queue.SimpleQueue[messages.RunPluginResponse | None],
) -> None:
    """Pass on what a child writes as it comes, then None."""
    while chunk := os.read(stream.fileno(), 65536):
        output.put(wrap(chunk))
    output.put(None)


def _end(child: subprocess.Popen[bytes]) -> None:
    """Ask a child to end, and insist if it has not a little later; does not wait for that."""

    def end() -> None:
        child.terminate()
        try:
            child.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()

    threading.Thread(target=end, daemon=True).start()


def _end_with(context: grpc.ServicerContext, child: subprocess.Popen[bytes]) -> None:
    """End the child when the call ends: the engine has cancelled it or has gone."""
    if not context.add_callback(lambda: _end(child)):
        _end(child)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--tracing", default="")
    parser.add_argument("engine")
    arguments, _ = parser.parse_known_args()

    # A pipe, as a signal that the kernel gives to another thread wakes no call of the main one.
    signalled, write_end = os.pipe()
    os.set_blocking(write_end, False)
    signal.set_wakeup_fd(write_end)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)

    workers = ThreadPoolExecutor(max_workers=64)
    server = grpc.server(workers, options=[("grpc.max_receive_message_length", -1)])
    host = Host(arguments.engine, arguments.tracing)
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(host, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    ready, _, _ = select.select([signalled, sys.stdin], [], [])  # stdin only ends: nobody writes
    if sys.stdin in ready and os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)  # the engine is gone, and with it the use of all that runs
    server.stop(grace=None).wait()  # ends every call, and with it every child
    workers.shutdown()


if __name__ == "__main__":
    main()
