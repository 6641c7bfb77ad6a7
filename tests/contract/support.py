"""What the contract tests share: one stack over one emulated service, in process, on a simulated
clock. Only this module knows how the provider is put together."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar
from urllib.parse import urlsplit

import pulumi_openrelay.relay  # noqa: F401 - registers the kinds
from pulumi_openrelay.api.client import Client
from pulumi_openrelay.api.dialect import Dialect
from pulumi_openrelay.api.openrelay import OpenRelay
from pulumi_openrelay.api.relay import Relay
from pulumi_openrelay.api.transport import WireAnswer, WireRequest
from pulumi_openrelay.caller import Caller
from pulumi_openrelay.config import RelaySettings, Settings
from pulumi_openrelay.emulator import Answer, ControlPlane, RelayWorld, Request, World
from pulumi_openrelay.errors import AnswerLost, Interrupted
from pulumi_openrelay.lifecycle import declare
from pulumi_openrelay.lifecycle.life import life
from pulumi_openrelay.lifecycle.run import Lifecycle
from pulumi_openrelay.lifecycle.session import Session

from ..simulation.engine import Declared, Engine, OperationFailed, Program, Record, Ref
from ..simulation.journal import Notes
from ..simulation.network import SimulatedCall
from ..simulation.scheduler import Process, Scheduler
from .examples import EXAMPLES, RELAY_KEYS, By, Drift

__all__ = ["OperationFailed", "Program", "Record", "Stack"]

T = TypeVar("T")
KINDS = {**declare.KINDS, **declare.ACTIONS}
"""Every kind, those that are only done too."""
NAME = "it"
"""What the resource under test is called in the program."""
TOKENS = sorted(token for token in KINDS if token in EXAMPLES)
THINGS = [token for token in TOKENS if not (KINDS[token].singleton or KINDS[token].acts)]
"""Those that are made and deleted; the others are settings of the account, or done and over."""
KNOWN = [token for token in TOKENS if not KINDS[token].acts]
"""Those that the API can tell of; what is done and over exists in the state alone."""
SETTINGS = [token for token in TOKENS if KINDS[token].singleton]
MACHINES = [token for token in TOKENS if KINDS[token].bills]
API_KEYS = {"openrelay": "or_local", "relay": RELAY_KEYS[0]}
PROVISION_SECONDS = 8.0
MOST_REQUESTS = 80
"""Of one operation; a matrix over them must come to an end."""


@dataclass(frozen=True)
class Death:
    """The plugin dies at a request, counted from 1: before the work, or after it."""

    request: int
    after_the_work: bool


class Stack:
    """One stack for an example of a kind, in a world of its own or in that of `beside`."""

    def __init__(
        self, token: str, owner: str = "owner", *, beside: Stack | None = None, **settings: Any
    ) -> None:
        self.token = token
        self.kind = KINDS[token]
        self.example = EXAMPLES[token]
        self.scheduler: Scheduler = beside.scheduler if beside else Scheduler(seed=0)
        settings = {"provision_seconds": PROVISION_SECONDS, **settings}
        self.world: ControlPlane = beside.world if beside else self._new_world(settings)
        self.engine = Engine(self.scheduler, "dev", owner, self.connect)
        self.journal = Notes()
        self.strangers: set[str] = beside.strangers if beside else self._records()
        """The ids of what was there before."""
        self.death: Death | None = None
        self.died = False
        self.sent = 0
        """The requests of the operation, those that only read too."""

    def _new_world(self, settings: dict[str, Any]) -> ControlPlane:
        clock = self.scheduler.clock
        if self.kind.service.name == "relay":
            return RelayWorld(clock=clock, balance_usd=10**6, keys=RELAY_KEYS, **settings)
        return World(clock=clock, balance_cents=10**8, **settings)

    def connect(self, process: Process) -> Session:
        key = API_KEYS[self.kind.service.name]
        dialect: Dialect = OpenRelay(Settings(key, "the test", "", None, 9))
        if self.kind.service.name == "relay":
            dialect = Relay(RelaySettings(key, "the test", "jwt_local", "the test", "", 9))
        url = f"http://{self.kind.service.name}.test"
        return Session(
            Client(url, dialect, _Wire(self, process), max_retries=9), None, self.journal
        )

    # Operations: each returns the ids of the API's operations that were to change something

    def up(self, program: Program, *, target_replace: str | None = None) -> list[str]:
        return self._operate(lambda: self.engine.up(program, target_replace=target_replace))

    def refresh(self) -> list[str]:
        return self._operate(self.engine.refresh)

    def destroy(self) -> list[str]:
        return self._operate(self.engine.destroy)

    def _operate(self, work: Callable[[], Any]) -> list[str]:
        self.world.log.clear()
        self.sent = 0
        self.run(work)
        return [str(e.operation) for e in self.world.log.entries if e.method not in ("GET", "HEAD")]

    @property
    def asked(self) -> list[str]:
        """The paths of the last operation's requests, but for the catalog, which check reads."""
        return [e.path for e in self.world.log.entries if e.path not in self.kind.catalog]

    def run(self, work: Callable[[], T]) -> T:
        """Run it, and whatever it waits for, to its end."""
        results: list[T] = []
        task = self.scheduler.spawn(Process("driver"), lambda: results.append(work()))
        self.scheduler.run()
        if task.error is not None:
            raise task.error
        return results[0]

    def life(self, name: str = NAME) -> tuple[Lifecycle, SimulatedCall]:
        """The lifecycle of one resource, for calls that no operation makes; within `run`."""
        process = Process(self.engine.owner)
        urn = f"urn:pulumi:dev::sim::pulumi-python:dynamic/{self.token}::{name}"
        call = SimulatedCall(self.scheduler, process, urn)
        return life(self.kind, self.connect(process), call), call

    # What is recorded, and what there is

    def record(self, name: str = NAME) -> Record:
        found = self.engine.record(name)
        assert found is not None, f"{name} is not recorded"
        return found

    def alive(self) -> set[str]:
        """The ids of all that live of this kind, by the emulator's own count."""
        return self._alive(self.token)

    def recorded(self) -> set[str]:
        return {record.id for record in self.engine.state if record.kind == self.token}

    def assert_nothing_lost(self) -> None:
        """What lives is what is recorded, one for one, of every kind; strangers' things too."""
        for token in THINGS:
            if KINDS[token].service is self.kind.service:
                recorded = sorted(r.id for r in self.engine.state if r.kind == token)
                assert recorded == sorted(self._alive(token)), token
        assert self.strangers <= self._records()

    def _alive(self, token: str) -> set[str]:
        table = self.world.service.behind_the_back[EXAMPLES[token].table].kind
        records = self.world.store.table(table).values()
        ended = EXAMPLES[token].ended
        living = {r.id for r in records if getattr(r, "status", None) not in ended}
        return living - self.strangers

    def _records(self) -> set[str]:
        tables = {access.kind for access in self.world.service.behind_the_back.values()}
        return {record.id for table in tables for record in self.world.store.table(table).values()}

    # Another's hand

    def another_hand(self, change: Drift) -> None:
        """Change it behind the stack's back."""
        if isinstance(change, By):
            answer = self.world.call(change.method, change.path, change.body)
        else:
            answer = self.world.call("PATCH", self._behind, self.resolved(change))
        assert answer.status == 200, answer.body

    def remove(self) -> None:
        """Let it vanish behind the stack's back."""
        assert self.world.call("DELETE", self._behind).status == 200

    def seen(self, change: Drift) -> Any:
        """What the emulator holds of what a drift changes."""
        if isinstance(change, By):
            return self.world.call("GET", change.shows).json()[change.field]
        record = self.world.call("GET", self._behind).json()
        values = {name: record[name] for name in change}
        return {n: sorted(v) if isinstance(v, list) else v for n, v in values.items()}

    @property
    def _behind(self) -> str:
        return f"/_emulator/{self.example.table}/{self.record().id}"

    def script(self, outcome: dict[str, Any]) -> None:
        """What the next machine of this kind will do, in the words of the emulator's scripts."""
        self.world.scripts.add({"kind": self.example.table.removesuffix("s"), "outcome": outcome})

    def resolved(self, value: Any) -> Any:
        """The value with the ids of the program's other resources in place."""
        if isinstance(value, Ref):
            return self.record(value.name).id
        if isinstance(value, Mapping):
            return {key: self.resolved(part) for key, part in value.items()}
        return [self.resolved(part) for part in value] if isinstance(value, list) else value


class _Wire:
    """A transport into the stack's world; what the world's fault rules order happens here."""

    def __init__(self, stack: Stack, process: Process) -> None:
        self._stack = stack
        self._process = process

    def send(self, request: WireRequest, caller: Caller) -> WireAnswer:
        stack, death = self._stack, self._stack.death
        if caller.interrupted:
            raise Interrupted
        stack.scheduler.wait(0.02)
        stack.sent += 1
        dies = death is not None and death.request == stack.sent
        if dies and death and not death.after_the_work:
            self._die()
        path, query = urlsplit(request.url).path, dict(request.query)
        headers = dict(request.headers)
        answer = stack.world.handle(
            Request(request.method, path, query, headers, request.body or b"")
        )
        if dies:
            self._die()
        stack.scheduler.wait(0.02)
        if answer.drop:
            raise AnswerLost("the connection broke before the answer")
        told = {name.lower(): value for name, value in answer.headers.items()}
        return WireAnswer(answer.status, told, answer.body)

    def _die(self) -> None:
        self._stack.died = True
        self._stack.scheduler.kill(self._process)


def program(token: str, *, least: bool = False, **changes: Any) -> Program:
    """A program with the example of a kind and what it needs. least: only what it cannot do
    without. changes: other inputs; None leaves one out."""
    example = EXAMPLES[token]
    given = dict(example.least if least else example.inputs)
    inputs = {name: value for name, value in {**given, **changes}.items() if value is not None}
    needs = {name: Declared(of, dict(needed)) for name, (of, needed) in example.needs.items()}
    return {**needs, NAME: Declared(token, inputs)}


def without_dates(stack: Stack, paths: str) -> None:
    """Let the answers of these GETs, a pattern, not say when anything was made."""
    handle = stack.world.handle

    def undated(value: Any) -> Any:
        if isinstance(value, list):
            return [undated(part) for part in value]
        if not isinstance(value, dict):
            return value
        return {k: undated(part) for k, part in value.items() if k != "createdAt"}

    def handled(request: Request) -> Answer:
        answer = handle(request)
        if request.method != "GET" or not re.search(paths, request.path):
            return answer
        return replace(answer, body=json.dumps(undated(json.loads(answer.body))).encode())

    answer_by(stack, handled)


def answer_by(stack: Stack, handle: Callable[[Request], Answer]) -> None:
    """Let this answer in place of the world."""
    # A method is replaced, of this one world: what mypy objects to is what is wanted.
    stack.world.handle = handle  # type: ignore[method-assign,assignment]


def on_answer(stack: Stack, ending: str, change: Callable[[dict[str, Any]], None]) -> None:
    """Let something be done with each good answer to a POST whose path ends so."""
    handle = stack.world.handle

    def handled(request: Request) -> Answer:
        answer = handle(request)
        if request.method != "POST" or not request.path.endswith(ending) or answer.status >= 300:
            return answer
        body = json.loads(answer.body) if answer.body else {}
        change(body)
        return replace(answer, body=json.dumps(body).encode())

    answer_by(stack, handled)


def failure(stack: Stack, program: Program, *, target_replace: str | None = None) -> str | None:
    """What an up of the program fails with, None where it does not."""
    try:
        stack.up(program, target_replace=target_replace)
    except OperationFailed as failed:
        return str(failed)
    return None


def resolved(stack: Stack, program: Program) -> Program:
    """The resource under test alone, with what it needs of that stack in place."""
    declared = program[NAME]
    return {NAME: replace(declared, inputs=stack.resolved(declared.inputs))}


def create_of(token: str) -> str:
    """The path of its create request, as a pattern."""
    if KINDS[token].acts:
        return EXAMPLES[token].route
    return KINDS[token].create.path.replace("{org}", "[^/]+") + "$"


def create_request(token: str, **changes: Any) -> int:
    """Which request of an up makes it, counted from 1."""
    undisturbed = Stack(token)
    undisturbed.up(program(token, **changes))
    paths = [entry.path for entry in undisturbed.world.log.entries if entry.method == "POST"]
    assert re.search(create_of(token), paths[-1])
    entries = list(undisturbed.world.log.entries)
    return 1 + max(n for n, entry in enumerate(entries) if entry.path == paths[-1])


LOST = {
    "connection dropped": "lose_answer",
    "502 after the work": "error_after_work",
    "broken JSON": {"type": "invalid_json", "work": True},
    "an HTML page": {"type": "html", "work": True, "status": 200},
}


def one_replacement(token: str) -> dict[str, Any]:
    """The first of its inputs that replace it, changed; its name is the package's to choose."""
    for name, other in EXAMPLES[token].replaces.items():
        if name != "name":
            return {name: other.to, **other.beside}
    return {}
