"""Killed at every request, and run again: exactly one, recorded, and nothing left over.

A stack with one resource is made and destroyed, or changed and replaced, over and over. Each of
these is killed at its first request, the next time at its second, and so on, until it outlasts the
kill; and after every kill the same command is run again. `make test` does so to OpenRelay's
machines and clusters, and to Relay's where a second one would do harm, at the requests that change
something, where the deaths take turns unless one is made; `make soak` (OPENRELAY_SOAK=1) to every
kind of both services, with every death at every request.

The CLI, the engine and the plugin are the real ones. The program alone is not started by the CLI
but forked off a process that has imported all it needs: it would take half of the time.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Generator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import grpc
import pytest
from pulumi.automation._server import LanguageServer
from pulumi.runtime.proto import language_pb2_grpc

import pulumi_openrelay.relay  # noqa: F401 - registers the kinds
from pulumi_openrelay.emulator import Answer, ControlPlane, Request, World, serve, serve_relay
from pulumi_openrelay.lifecycle.service import OPENRELAY

from ..contract.examples import EXAMPLES, RELAY_KEYS, By, Example
from ..contract.support import KINDS, THINGS
from ..simulation.engine import Ref
from .support import Stack, plugins_of

SOAK = bool(os.environ.get("OPENRELAY_SOAK"))
BRIEFLY = {"relay:Instance", "relay:WebhookSecret"}
"""`make test` kills these at the requests that change something alone."""
TOKENS = sorted(
    token
    for token, kind in KINDS.items()
    if SOAK or token in BRIEFLY or (kind.bills and kind.service is OPENRELAY)
)
ROTATES = "rotateWebhookSecret"
CASES = [
    pytest.param(token, operations, id=f"{'-'.join(operations)}-{token}")
    for token in TOKENS
    for operations in (("up", "destroy"), ("update", "replace"))
    # What only reads is nothing to be killed at there.
    if SOAK or token not in BRIEFLY or EXAMPLES[token].made or "up" not in operations
]
NAME = "it"
PLUGIN_BEFORE = "the plugin dies before the API has done the work"
PLUGIN_AFTER = "the plugin dies after the API has done the work"
CLI = "the CLI dies, and its plugin finds out by itself"
MOST_REQUESTS = 60
"""Of one operation; the matrix must come to an end."""
PROVISION_SECONDS = 0.2
KILLED_SECONDS = 60.0
PROCESSES = get_context("forkserver")
PROCESSES.set_forkserver_preload([__name__])


@pytest.mark.parametrize(("token", "operations"), CASES)
def test_killed_at_any_request_and_run_again_nothing_is_left_over(
    token: str, operations: tuple[str, str], tmp_path: Path
) -> None:
    with victim(token, tmp_path) as it:
        if "up" not in operations:
            it.run("up")
        plans = {
            operation: deaths(makes=operation in ("up", "replace"))
            for operation in operations
            if it.can(operation)
        }
        coming = {operation: next(plan) for operation, plan in plans.items()}
        killed = dict.fromkeys(plans, 0)
        while coming:
            for operation, plan in plans.items():
                death = coming.pop(operation, None)
                struck = it.run(operation, death)
                killed[operation] += struck is not None
                if death is not None:
                    with contextlib.suppress(StopIteration):
                        coming[operation] = plan.send(struck)
        it.run("destroy")
    assert all(killed.values()), killed


def deaths(*, makes: bool) -> Generator[tuple[int, str], Request | None, None]:
    """At which request of an operation who dies next. makes: whether it makes a new thing. Is told
    which request that was; None, where the operation has no such request, ends it.

    Where the API only reads, it is the same to die before and after it.
    """
    for number in range(1, MOST_REQUESTS):
        first, second = (CLI, PLUGIN_AFTER) if number % 2 else (PLUGIN_AFTER, CLI)
        struck = yield number, first
        if struck is None:
            return
        writes = struck.method != "GET"
        if (writes and makes) or SOAK:
            yield number, second
        if writes and SOAK:
            yield number, PLUGIN_BEFORE
    pytest.fail(f"more than {MOST_REQUESTS} requests: raise MOST_REQUESTS")


@contextlib.contextmanager
def victim(token: str, folder: Path) -> Iterator[Victim]:
    """A stack for one resource of a kind, and the service that it is at."""
    assert token in EXAMPLES, (
        f"tests/contract/examples.py has no example of {token}: add one, and it is killed here too"
    )
    options: dict[str, Any] = {"check_answers": True, "provision_seconds": PROVISION_SECONDS}
    with serve(**options) as openrelay, serve_relay(**options, keys=RELAY_KEYS) as relay:
        environment = {
            "RELAY_BASE_URL": relay.url,
            "RELAY_API_KEY": relay.key,
            "RELAY_CUSTOMER_TOKEN": relay.world.customer_token,
            "PULUMI_RUNTIME_VIRTUALENV": sys.prefix,
            "XDG_STATE_HOME": str(folder / "state"),
        }
        stack = Stack(folder / "project", openrelay, environment)
        of_relay = KINDS[token].service.name == "relay"
        yield Victim(token, stack, relay.world if of_relay else openrelay.world)


def serve_program(token: str, inputs: dict[str, Any], told: Connection) -> None:
    """Be the program, for one run of the CLI. told: takes the port."""

    def program() -> None:
        KINDS[token].resource(NAME, **inputs)

    server = grpc.server(ThreadPoolExecutor(4))
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(LanguageServer(program), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    told.send(port)
    server.wait_for_termination()


class Victim:
    """One resource, in one stack, under commands that are killed and run again."""

    def __init__(self, token: str, stack: Stack, world: ControlPlane) -> None:
        self.token = token
        self.example: Example = EXAMPLES[token]
        self.stack = stack
        self.world = world
        self.inputs: dict[str, Any] = {}
        """What the program gives the resource now."""
        self._other = False
        """Whether it is the one that a replacement has made of it, and not the first again."""
        self._changed = False
        """Whether it was changed in place, and not changed back; of what nothing replaces."""
        self._rotations = 0
        """How often the webhook secret was rotated: a second time ends the one that is in use."""
        self._death: tuple[int, str] | None = None
        self._sent = 0
        self._struck: Request | None = None
        self._cli: subprocess.Popen[bytes] | None = None
        self._orphans: set[int] = set()
        """Plugins whose CLI was killed, and that may not have found out yet."""
        self._needed = {name: self._make(*need) for name, need in self.example.needs.items()}
        self._settings = self._read_settings()
        self._strangers = {
            record.id
            for access in world.service.behind_the_back.values()
            for record in world.store.table(access.kind).values()
        }
        self._handle = world.handle
        world.handle = self._deadly  # type: ignore[method-assign]

    def can(self, operation: str) -> bool:
        """Whether there is such a change of this kind."""
        changes = {"update": self._updates, "replace": self._replacement}
        return operation not in changes or bool(changes[operation]())

    def run(self, operation: str, death: tuple[int, str] | None = None) -> Request | None:
        """Run it, die, and run it again. Returns the request at which that was."""
        self._change_program(operation)
        rotations = self._rotations
        command = "destroy" if operation == "destroy" else "up"
        struck = None
        if death:
            with self._program() as program:
                struck = self._run_killed([command, program], death)
        told = operation
        if death and struck:
            told = f"{operation}: at {struck.method} {struck.path}, {death[1]}"
        if struck or not death:
            if any(self.stack.folder.glob("backend/.pulumi/locks/**/*.json")):
                self.stack.run("cancel", "--yes", self.stack.name)
            with self._program() as program:
                if command == "destroy":
                    again = self.stack.destroy(program)
                else:
                    again = self.stack.up(None, program)
            assert again.code == 0, f"{told}\n{again.text}"
            assert "Traceback" not in again.text, told
        self._assert_converged(operation, told)
        rotates = any(ROTATES in update.calls for update in self.example.updates.values())
        assert self._rotations - rotations == (rotates and operation == "update"), told
        return struck

    # Death

    def _run_killed(self, command: list[str], death: tuple[int, str]) -> Request | None:
        self._orphans = set(plugins_of(self.stack))
        self._death, self._sent, self._struck = death, 0, None
        self._cli = self.stack.start(*command, "--yes", "--skip-preview")
        code = self._cli.wait(KILLED_SECONDS)
        self._death = None
        assert (code == 0) is (self._struck is None), self.stack.printed.read_text()
        return self._struck

    def _deadly(self, request: Request) -> Answer:
        """The world's way in, at which the blow falls."""
        self._sent += SOAK or self.token not in BRIEFLY or request.method != "GET"
        if self._death is None or self._sent != self._death[0]:
            return self._work(request)
        self._struck, (_, how), self._death = request, self._death, None
        if how == PLUGIN_BEFORE:
            self._kill_plugin()
            return Answer(0, drop=True)
        answer = self._work(request)
        if how == PLUGIN_AFTER:
            self._kill_plugin()
        else:
            assert self._cli is not None
            os.killpg(self._cli.pid, signal.SIGKILL)
        return answer

    def _work(self, request: Request) -> Answer:
        self._rotations += request.path.endswith("/rotate")
        return self._handle(request)

    def _kill_plugin(self) -> None:
        (plugin,) = set(plugins_of(self.stack)) - self._orphans
        os.kill(plugin, signal.SIGKILL)

    # What there is, and what is recorded

    def _assert_converged(self, operation: str, told: str) -> None:
        """What lives is what is recorded, one for one, as the program wants it."""
        records = self._records()
        for token, example in EXAMPLES.items():
            kind = KINDS[token]
            if kind.service is KINDS[self.token].service and token in THINGS:
                recorded = sorted(r["id"] for r in records if r["type"].endswith(f"/{token}"))
                assert recorded == self._alive(example), told
        assert not [r for r in records if r.get("delete") or r.get("initErrors")], told
        if operation == "destroy":
            assert records == [], told
            assert self._read_settings() == self._settings, told
        else:
            (record,) = [r for r in records if r["urn"].endswith(f"::{NAME}")]
            fields = KINDS[self.token].fields
            clear = {n: value for n, value in self.inputs.items() if not fields[n].secret}
            assert {name: record["outputs"].get(name) for name in clear} == clear, told

    def _records(self) -> list[dict[str, Any]]:
        """The resources in the state, as the backend keeps it: the CLI would take its time."""
        file = self.stack.folder / "backend/.pulumi/stacks/test" / f"{self.stack.name}.json"
        records = json.loads(file.read_text())["checkpoint"]["latest"].get("resources")
        return list(records or [])

    def _alive(self, example: Example) -> list[str]:
        """The ids of all that live of a kind and that this stack has made, by the emulator."""
        kind = self.world.service.behind_the_back[example.table].kind
        records = self.world.store.table(kind).values()
        living = {r.id for r in records if getattr(r, "status", None) not in example.ended}
        return sorted(living - self._strangers)

    def _read_settings(self) -> list[Any]:
        """What a destroy has to restore."""
        shown = [update.drift for update in self.example.updates.values()]
        places = [(by.shows, by.field) for by in shown if isinstance(by, By)]
        return [self.world.call("GET", path).json()[name] for path, name in places]

    # The program

    @contextlib.contextmanager
    def _program(self) -> Iterator[str]:
        """The CLI's option that names it."""
        ours, theirs = PROCESSES.Pipe()
        process = PROCESSES.Process(target=serve_program, args=(self.token, self.inputs, theirs))
        process.start()
        try:
            yield f"--client=127.0.0.1:{ours.recv()}"
        finally:
            process.kill()
            process.join()
            ours.close()
            theirs.close()

    def _change_program(self, operation: str) -> None:
        self._other ^= operation == "replace"
        if not self._replacement():
            self._changed ^= operation == "update"
        changes = self._changed or (operation == "update" and bool(self._replacement()))
        inputs = {
            **self.example.least,
            **(self._replacement() if self._other else {}),
            **(self._updates() if changes else {}),
        }
        given = {name: value for name, value in inputs.items() if value is not None}
        self.inputs = self._resolved(given)

    def _updates(self) -> dict[str, Any]:
        """All that can change in place, changed at once."""
        changes: dict[str, Any] = {}
        for name, update in self.example.updates.items():
            changes |= {name: update.to, **update.beside}
        return {name: value for name, value in changes.items() if name != "name"}

    def _replacement(self) -> dict[str, Any]:
        """The first change that needs a new one."""
        for name, other in self.example.replaces.items():
            if name != "name":
                return {name: other.to, **other.beside}
        return {}

    def _make(self, token: str, inputs: Mapping[str, Any]) -> str:
        """The id of something that the resource needs, made by another hand."""
        kind = KINDS[token]
        path = kind.create.path
        if isinstance(self.world, World):
            path = path.replace("{org}", self.world.first_organization.id)
        name = f"need-{len(self.world.log.entries)}"
        made = self.world.call("POST", path, kind.body({"name": name, **inputs}))
        return str(made.json()[kind.listed.key])

    def _resolved(self, value: Any) -> Any:
        """A value with the ids of what the resource needs in place."""
        if isinstance(value, Ref):
            return self._needed[value.name]
        if isinstance(value, dict):
            return {key: self._resolved(part) for key, part in value.items()}
        return [self._resolved(part) for part in value] if isinstance(value, list) else value
