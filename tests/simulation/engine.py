"""Pulumi's engine, as far as a provider can tell: which calls it makes, in which order, and what it
records of their outcomes. `tests/engine` holds the provider to the real one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

from pulumi_openrelay.lifecycle.declare import ACTIONS, KINDS
from pulumi_openrelay.lifecycle.fields import OWNER, SERVED
from pulumi_openrelay.lifecycle.life import life
from pulumi_openrelay.lifecycle.run import Lifecycle
from pulumi_openrelay.lifecycle.sentences import Failed, FailedRecorded
from pulumi_openrelay.lifecycle.service import RELAY
from pulumi_openrelay.lifecycle.session import Session

from .network import SimulatedCall
from .scheduler import A_LONG_TIME, Process, Scheduler, Task

Bag = dict[str, Any]


@dataclass(frozen=True)
class Ref:
    """In a program: the id of another of its resources."""

    name: str


@dataclass(frozen=True)
class Declared:
    """One resource of a program."""

    kind: str
    inputs: Mapping[str, Any]
    timeout: float = 0.0
    retain: bool = False
    """`retain_on_delete`: no delete is called."""
    retries: int = 0
    """How often an error hook of the program asks for a failed create once more."""

    @property
    def needs(self) -> set[str]:
        return {part.name for part in _leaves(self.inputs) if isinstance(part, Ref)}


Program = dict[str, Declared]


@dataclass(eq=False)
class Record:
    """One resource in the state."""

    name: str
    kind: str
    id: str
    inputs: Bag
    outputs: Bag
    init_errors: list[str] = field(default_factory=list)
    delete: bool = False
    needs: set[str] = field(default_factory=set)
    retain: bool = False


class OperationFailed(Exception):
    """The update failed, or the plugin died; what was done is recorded."""


class Watcher(Protocol):
    """Is told of the creates of a stack."""

    def begins(self, owner: str, urn: str, replaces: str | None) -> None:
        """A create is called. replaces: the id that it is to replace, as far as a call has told
        it."""
        ...

    def fails(self, owner: str, urn: str) -> None:
        """It has failed, and left nothing to record."""
        ...


class Engine:
    """One stack: its state, and the operations on it, each called by a task."""

    def __init__(
        self,
        scheduler: Scheduler,
        name: str,
        owner: str,
        connect: Callable[[Process], Session],
        connect_relay: Callable[[Process], Session] | None = None,
        watcher: Watcher | None = None,
    ) -> None:
        self.scheduler = scheduler
        self.name = name
        self.owner = owner
        self.connect = connect
        self.connect_relay = connect_relay
        self.watcher = watcher
        self.state: list[Record] = []
        self.warnings: list[str] = []
        self.process = Process(owner)
        """The plugin of the latest operation."""
        self.operations: dict[object, _Operation] = {}
        """All that there were, by their plugins."""

    def up(self, program: Program, *, target_replace: str | None = None) -> None:
        """Bring the state to what the program says. Raises OperationFailed."""
        operation = _Operation(self, program, target_replace)
        operation.deploy()
        operation.delete([r for r in operation.state if r.delete or r.name not in program])

    def refresh(self) -> None:
        """Read everything that is recorded."""
        _Operation(self).refresh()

    def destroy(self) -> None:
        """Delete everything that is recorded, the owner last: the next stack has another."""
        _Operation(self).delete(list(self.state))
        self.owner += "'"

    def record(self, name: str) -> Record | None:
        """What is recorded of a resource of the program."""
        return _recorded(self.state, name)


class _Operation:
    """One run of the engine, with a plugin of its own.

    Where the CLI dies, the state stays as it was then; the plugin goes on with what it has.
    """

    def __init__(
        self, engine: Engine, program: Program | None = None, target_replace: str | None = None
    ) -> None:
        self.engine = engine
        self.program = program or {}
        self.target = target_replace
        self.deleting: set[str] = set()
        """The ids that it is to delete."""
        self.state = engine.state
        self.scheduler = engine.scheduler
        self.process = engine.process = Process(engine.owner, let_go=self._let_go)
        self.session = engine.connect(self.process)
        relay = engine.connect_relay
        self.relay = self.session if relay is None else relay(self.process)
        self.errors: list[str] = []
        engine.operations[self.process] = self

    def may_end(self, thing: str, alive: Collection[str]) -> bool:
        """Whether the plugin may ask for the end of a thing: what is recorded ends by the engine's
        own delete, or where the program says so."""
        recorded = [record for record in self.engine.state if record.id == thing]
        return all(self._is_to_end(record, alive) for record in recorded)

    def _is_to_end(self, record: Record, alive: Collection[str]) -> bool:
        given_up = (record.outputs.get("on_failure"), record.outputs.get("on_timeout"))
        if "delete" in given_up and not record.outputs.get(SERVED):
            return True
        declared = self.program.get(record.name)
        lifted = declared is not None and declared.inputs.get("deletion_protection") is not True
        if record.outputs.get("deletion_protection") is True and not lifted:
            return False
        if record.delete or record.id in self.deleting:
            return True
        # What is replaced on demand ends as soon as the new one stands.
        new = self._session_of(record.kind).history.own_id(self._urn(record.name, record.kind))
        return record.name == self.target and new != record.id and new in alive

    # Phases

    def deploy(self) -> None:
        tasks: dict[str, Task] = {}

        def work(name: str) -> None:
            declared = self.program[name]
            self.scheduler.join([tasks[need] for need in sorted(declared.needs)])
            if not self.errors:
                self._register(name, declared, targeted=name == self.target)

        for name in self.program:
            tasks[name] = self._begin(partial(work, name))
        self._finish(list(tasks.values()))

    def delete(self, doomed: list[Record]) -> None:
        tasks: dict[Record, Task] = {}

        def work(record: Record) -> None:
            users = [task for other, task in tasks.items() if record.name in other.needs]
            self.scheduler.join(users)
            if not self.errors:
                self._goes_on()
                self.deleting.add(record.id)
                if not record.retain:
                    self._life(record.name, record.kind).delete(record.id, dict(record.outputs))
                self.state.remove(record)

        for record in doomed:
            tasks[record] = self._begin(partial(work, record))
        self._finish(list(tasks.values()))

    def refresh(self) -> None:
        def work(record: Record) -> None:
            life = self._life(record.name, record.kind)
            reading = life.read(record.id, dict(record.inputs), dict(record.outputs))
            if reading is None:
                self.state.remove(record)
                return
            record.inputs, record.outputs = _wired(reading.inputs), _wired(reading.outputs)
            record.init_errors = [reading.unwell] if reading.unwell else []

        records = list(self.state)
        self._finish([self._begin(partial(work, record)) for record in records])

    def _begin(self, work: Callable[[], None]) -> Task:
        """Work that goes on beside others; its failure keeps what has not begun from beginning."""

        def guarded() -> None:
            try:
                work()
            except Failed as failure:
                self.errors.append(str(failure))
            finally:
                self.process.over.set()

        return self.scheduler.spawn(self.process, guarded)

    def _finish(self, tasks: list[Task]) -> None:
        process = self.process
        while not (process.orphaned or process.dead or all(task.done for task in tasks)):
            process.over.clear()
            self.scheduler.wait(A_LONG_TIME, process.over)
        for task in tasks:
            if task.error is not None and not process.orphaned:
                raise task.error
        if process.orphaned:
            raise OperationFailed("the CLI died")
        if process.dead:
            raise OperationFailed("the plugin died")
        if self.errors:
            raise OperationFailed("; ".join(self.errors))

    def _let_go(self) -> None:
        """What the plugin still does, nobody records."""
        self.engine.state = deepcopy(self.state)

    def _goes_on(self) -> None:
        """Called before each call of the provider, which nobody makes once the CLI is dead."""
        if self.process.orphaned:
            raise Failed("the CLI died")

    # One resource

    def _register(self, name: str, declared: Declared, *, targeted: bool) -> None:
        """The calls about one resource of the program."""
        life = self._life(name, declared.kind, declared.timeout)
        news = {**self._resolved(declared.inputs), OWNER: self.engine.owner}
        old = _recorded(self.state, name)
        inputs = self._check(life, old.inputs if old and not targeted else {}, news)
        if old is None or targeted:
            self._create(life, name, declared, inputs, old, replaces=None)
            return
        changes, deletes_first = life.diff(
            old.id, dict(old.inputs), dict(old.outputs), dict(inputs)
        )
        if changes.replaces:
            inputs = self._check(life, {}, news)
            if deletes_first:
                self._goes_on()
                self.deleting.add(old.id)
                life.delete(old.id, dict(old.outputs))
                self.state.remove(old)
            remains = None if deletes_first else old
            self._create(life, name, declared, inputs, remains, replaces=old.id)
        elif changes or old.init_errors:
            self._update(life, old, declared, inputs)
        else:
            old.inputs, old.needs = inputs, declared.needs

    def _check(self, life: Lifecycle, olds: Bag, news: Bag) -> Bag:
        self._goes_on()
        inputs, problems = life.check(dict(olds), dict(news))
        assert not problems, problems
        return _wired(inputs)

    def _create(
        self,
        life: Lifecycle,
        name: str,
        declared: Declared,
        inputs: Bag,
        old: Record | None,
        *,
        replaces: str | None,
    ) -> None:
        """old: the record that the new one takes the place of. replaces: its id, as far as the
        calls have told it."""
        self._goes_on()
        errors: list[str] = []
        owner, urn, watcher = self.engine.owner, life.call.urn, self.engine.watcher
        if watcher is not None:
            watcher.begins(owner, urn, replaces)
        for _ in range(declared.retries):
            with suppress(Failed):
                resource_id, outputs = life.create(dict(inputs))
                break
            self._goes_on()
            life = self._life(name, declared.kind, declared.timeout)
        else:
            try:
                resource_id, outputs = life.create(dict(inputs))
            except FailedRecorded as failure:
                resource_id, outputs, inputs = failure.id, failure.outputs, _wired(failure.inputs)
                errors = [str(failure)]
            except Failed:
                if watcher is not None and not self.process.orphaned:
                    watcher.fails(owner, urn)
                raise
        if old is not None:
            old.delete = True
        kind, needs = declared.kind, declared.needs
        made = Record(name, kind, resource_id, inputs, _wired(outputs), errors, needs=needs)
        made.retain = declared.retain
        self.state.append(made)
        if errors:
            raise Failed(errors[0])

    def _update(self, life: Lifecycle, old: Record, declared: Declared, inputs: Bag) -> None:
        self._goes_on()
        errors: list[str] = []
        try:
            outputs = life.update(old.id, dict(old.inputs), dict(old.outputs), dict(inputs))
        except FailedRecorded as failure:
            outputs, inputs, errors = failure.outputs, failure.inputs, [str(failure)]
        old.inputs, old.outputs, old.init_errors = _wired(inputs), _wired(outputs), errors
        old.needs = declared.needs
        if errors:
            raise Failed(errors[0])

    def _resolved(self, value: Any) -> Any:
        if isinstance(value, Ref):
            record = _recorded(self.state, value.name)
            assert record is not None, f"{value.name} is not recorded: {self.errors}"
            return record.id
        if isinstance(value, Mapping):
            return {key: self._resolved(part) for key, part in value.items()}
        if isinstance(value, (list, tuple)):
            return [self._resolved(part) for part in value]
        return value

    def _life(self, name: str, kind: str, timeout: float = 0.0) -> Lifecycle:
        call = SimulatedCall(self.scheduler, self.process, self._urn(name, kind), timeout)
        call.warnings = self.engine.warnings
        return life((KINDS | ACTIONS)[kind], self._session_of(kind), call)

    def _session_of(self, kind: str) -> Session:
        return self.relay if (KINDS | ACTIONS)[kind].service is RELAY else self.session

    def _urn(self, name: str, kind: str) -> str:
        return f"urn:pulumi:{self.engine.name}::sim::pulumi-python:dynamic/{kind}::{name}"


def _recorded(state: list[Record], name: str) -> Record | None:
    return next((r for r in state if r.name == name and not r.delete), None)


def _wired(bag: Bag) -> Bag:
    """A bag as it comes back from the state: by way of JSON, without what is None."""
    whole: Bag = json.loads(json.dumps({k: v for k, v in bag.items() if v is not None}))
    return whole


def _leaves(value: Any) -> list[Any]:
    if isinstance(value, Mapping):
        return [leaf for part in value.values() for leaf in _leaves(part)]
    if isinstance(value, (list, tuple)):
        return [leaf for part in value for leaf in _leaves(part)]
    return [value]
