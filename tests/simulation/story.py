"""A seeded story: a few stacks, some strangers, bad days; then calm, and a count of what is
left."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pulumi_openrelay.relay  # noqa: F401 - registers the kinds
from pulumi_openrelay.api.client import Client
from pulumi_openrelay.api.openrelay import OpenRelay
from pulumi_openrelay.config import Settings
from pulumi_openrelay.emulator import World
from pulumi_openrelay.emulator.inference_states import Cluster
from pulumi_openrelay.emulator.vm_states import Vm
from pulumi_openrelay.lifecycle.declare import KINDS
from pulumi_openrelay.lifecycle.session import Session

from .engine import Declared, Engine, OperationFailed, Program, Ref
from .network import Network, Tally, Weather
from .relay import Account
from .scheduler import Process, Scheduler

KEYS = [f"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{letter * 43} someone" for letter in "ABCDEFGH"]
MOST_ATTEMPTS = 8
SETTINGS = Settings("or_local", "the test", "http://openrelay.test", None, max_retries=9)


class Broken(AssertionError):
    """An invariant does not hold."""


@dataclass
class Story:
    """One simulation. Its lines tell what happened, for whoever has to mend it."""

    seed: int
    tally: Tally = field(default_factory=Tally)
    lines: list[str] = field(default_factory=list)
    only: frozenset[str] | None = None
    """The names of the faults that may strike; None: all."""

    def run(self) -> None:
        """Play it. Raises Broken."""
        self.rng = random.Random(f"story {self.seed}")
        self.scheduler = Scheduler(self.seed)
        rng = self.rng
        self.world = World(
            clock=self.scheduler.clock,
            seed=self.seed,
            provision_seconds=rng.choice((0.0, 5.0, 60.0)),
            page_size=rng.choice((2, 5, 20)),
            page_size_max=rng.choice((2, 5, 100)),
            list_lag_seconds=rng.choice((0.0, 0.0, 1.0, 2.5)),
            shuffle_lists=rng.random() < 0.3,
            unknown_fields=rng.random() < 0.3,
            balance_cents=100_000_000,
        )
        self.world.call("PATCH", "/_emulator/settings", {"capacity": {"RTX 4090": 200, "cpu": 500}})
        self.gpu = next(
            model["id"]
            for model in self.world.call("GET", "/v1/gpu-models").json()
            if model["name"] == "RTX 4090"
        )
        self.organization = self.world.first_organization.id
        self.weather = self._weather()
        self.weather.only = self.only
        self.account = Account(self.seed, self.scheduler, self.weather, self.tally)
        self.strangers = self._strangers()
        self._scripts()
        self._last: dict[Engine, Program] = {}
        self.doubted: set[str] = set()
        owners = [f"owner{number}" for number in range(rng.choice((1, 1, 2)))]
        self.engines = [
            Engine(self.scheduler, "dev", owner, self._connect, self._connect_relay)
            for owner in owners
        ]
        self._together(self._live)
        self._tell("the weather calms")
        kills = self.weather.death > 0 or self.weather.interrupt > 0
        self.scheduler.clock.advance(300)
        self.weather.calm()
        self.world.scripts.clear()
        self._mend_machines()
        self.account.mend()
        self.world.settings.change({"list_lag_seconds": 0.0})
        self._together(self._converge)
        self._heed()
        self.scheduler.clock.advance(60)  # what was asked to end takes a while
        self._count()
        self._together(Engine.destroy)
        tables = self.world.store.table(Vm), self.world.store.table(Cluster), self.account.machines
        made = [machine for table in tables for machine in table]
        self.tally.machines += len(set(made) - self.strangers.keys())
        self._count()
        for engine in self.engines:
            if engine.state:
                raise Broken(f"a destroy left {[r.name for r in engine.state]} in the state")
        # What a killed create has set and a destroy found in no state stays as it is.
        if not (kills or self.account.restored()):
            raise Broken("the account's settings are not as they were found")

    def _together(self, work: Callable[[Engine], None]) -> None:
        """Every stack does it at once."""
        driver = Process("driver")
        tasks = [self.scheduler.spawn(driver, partial(work, engine)) for engine in self.engines]
        self.scheduler.run()
        for task in tasks:
            if task.error is not None:
                raise task.error

    # The plot

    def _live(self, engine: Engine) -> None:
        """A few operations in bad weather."""
        rng = self.rng
        program = self._program(self.engines.index(engine))
        failed = False
        for _ in range(rng.randint(1, 4)):
            self._last[engine] = program
            # Who sees an update fail runs it again: what it left unrecorded is found only so.
            act = 0.0 if failed else rng.random()
            failed = True
            try:
                if act < 0.75 or not engine.state:
                    target = None
                    vms = [name for name in program if name.startswith("vm")]
                    if engine.state and vms and rng.random() < 0.15:
                        target = rng.choice(vms)
                    self._tell(f"{engine.owner}: up, {target=}")
                    engine.up(program, target_replace=target)
                elif act < 0.9:
                    self._tell(f"{engine.owner}: refresh")
                    engine.refresh()
                else:
                    self._tell(f"{engine.owner}: destroy")
                    engine.destroy()
                self._tell(f"{engine.owner}: done")
                failed = False
            except OperationFailed as failure:
                self._tell(f"{engine.owner}: failed: {failure}")
                self.tally.faults["failed operation"] += 1
            if rng.random() < 0.25:
                self._another_hand(engine)
            if self.account.rng.random() < 0.2:
                self._tell(f"another hand: {self.account.another_hand(engine)}")
            if not failed and rng.random() < 0.5:
                program = self._changed(program)
            # The CLI takes a few seconds to start, and nobody is faster.
            self.scheduler.wait(rng.choice((3.0, 15.0, 700.0)))

    def _converge(self, engine: Engine) -> None:
        program = self._last[engine]
        for attempt in range(MOST_ATTEMPTS):
            try:
                self._tell(f"{engine.owner}: calm refresh and up {attempt}")
                engine.refresh()
                engine.up(program)
            except OperationFailed as failure:
                self._tell(f"{engine.owner}: failed: {failure}")
                program = self._do_as_told(str(failure), program)
            else:
                break
        else:
            raise Broken(f"{engine.owner} does not converge: {self.lines[-1]}")
        engine.up(program)
        if engine.process.changes:
            raise Broken(f"an up without changes sent {engine.process.changes}")

    def _do_as_told(self, sentence: str, program: Program) -> Program:
        """What a person does who reads such a sentence."""
        busy = re.search(r"VM '(\w+)': there is no capacity .* VM_NODE_BUSY", sentence)
        if busy is not None:
            old = program[busy[1]]
            inputs = {**old.inputs, "desired_state": "stopped", "wait_for": "running"}
            program = {**program, busy[1]: Declared(old.kind, inputs, old.timeout)}
        alikes = re.search(r"just what an earlier attempt asked for \(([^)]+)\)", sentence)
        if alikes is not None:
            self.account.heed(alikes[1], self.engines)
        found = re.search(r"VM '(\w+)': .* may be the one that lives \(([^;]+);", sentence)
        if found is None:
            return program
        self.doubted |= set(found[2].split(", "))
        old = program[found[1]]
        inputs = {**old.inputs, "name": "another"}
        return {**program, found[1]: Declared(old.kind, inputs, old.timeout)}

    def _heed(self) -> None:
        """When every stack stands, a person ends the machines that they were told of and that no
        state records."""
        told = " ".join(line for engine in self.engines for line in engine.warnings)
        self.account.heed(told, self.engines)
        for machine in {
            *re.findall(r"another VM of the name .*? exists \(([^,]+),", told),
            *self.doubted,
        }:
            recorded = [record.id for engine in self.engines for record in engine.state]
            if machine not in self.strangers and machine not in recorded:
                self.world.call("POST", f"/v1/vms/{machine}/terminate")

    def _program(self, number: int) -> Program:
        rng = self.rng
        program: Program = {
            "key": Declared("openrelay:SshKey", {"public_key": KEYS[number * 2]}),
        }
        if rng.random() < 0.5:
            program["key2"] = Declared("openrelay:SshKey", {"public_key": KEYS[number * 2 + 1]})
        for n in range(rng.randint(1, 4)):
            program[f"vm{n}"] = Declared("openrelay:Vm", self._vm(program))
        for n in range(rng.randint(0, 2)):
            program[f"llm{n}"] = Declared(
                "openrelay:InferenceCluster",
                {
                    "image_url": "vllm/vllm-openai:v0.6",
                    "gpu_model_id": self.gpu,
                    "gpus_per_replica": 1,
                    "replica_count": rng.randint(1, 3),
                },
                timeout=rng.choice((0.0, 300.0)),
            )
        if rng.random() < 0.7:
            program["hook"] = Declared("openrelay:Webhook", {"url": "http://127.0.0.1:9/hook"})
        return {**program, **self.account.program(number)}

    def _vm(self, program: Program) -> dict[str, Any]:
        rng = self.rng
        keys = [Ref(name) for name in program if name.startswith("key")]
        shape: dict[str, Any] = {"gpu_model_id": self.gpu, "gpu_count": 1}
        if rng.random() < 0.3:
            shape = {"resource_size": "small"}
        inputs: dict[str, Any] = {"ssh_key_ids": keys, **shape}
        if rng.random() < 0.3:
            inputs["wait_for"] = rng.choice(("running", "ssh", "none"))
        if rng.random() < 0.2:
            inputs["name"] = rng.choice(("trainer", "box"))
        if rng.random() < 0.2:
            inputs["desired_state"] = "stopped"
            inputs.pop("wait_for", None)
        if rng.random() < 0.3:
            inputs["capacity_timeout"] = "10m"
        if rng.random() < 0.3:
            inputs["on_failure"] = rng.choice(("keep", "delete"))
            inputs["on_timeout"] = rng.choice(("keep", "delete"))
        return inputs

    def _changed(self, program: Program) -> Program:
        rng = self.rng
        name = rng.choice([name for name in program if program[name].kind.startswith("openrelay:")])
        theirs = [name for name in program if program[name].kind.startswith("relay:")]
        if theirs and self.account.rng.random() < 0.7:
            program = self.account.changed(self.account.rng.choice(theirs), program)
        old = program[name]
        inputs = dict(old.inputs)
        match old.kind:
            case "openrelay:Vm":
                match rng.randint(0, 4):
                    case 0:
                        inputs["public"] = not inputs.get("public", False)
                    case 1:
                        inputs["cloud_init"] = f"#!/bin/sh\necho {rng.random()}"
                    case 2:
                        inputs["desired_state"] = rng.choice(("running", "stopped"))
                        inputs.pop("wait_for", None)
                    case 3:
                        inputs["ssh_key_ids"] = [Ref("key")]
                    case _:
                        return {k: v for k, v in program.items() if k != name or len(program) < 3}
            case "openrelay:InferenceCluster":
                if rng.random() < 0.6:
                    inputs["replica_count"] = rng.randint(1, 4)
                else:
                    inputs["image_url"] = f"vllm/vllm-openai:v{rng.random()}"
            case "openrelay:Webhook":
                inputs["url"] = f"http://127.0.0.1:9/{rng.random()}"
                inputs["secret_version"] = rng.randint(1, 3)
            case _:
                pass
        return {**program, name: Declared(old.kind, inputs, old.timeout)}

    def _another_hand(self, engine: Engine) -> None:
        """Somebody changes, stops or ends a machine without telling."""
        machines = [r for r in engine.state if r.kind == "openrelay:Vm"]
        if not machines:
            return
        victim = self.rng.choice(machines)
        do = self.rng.choice(("terminate", "stop", "visibility"))
        self._tell(f"another hand: {do} {victim.name} {victim.id}")
        body = {"public": True} if do == "visibility" else None
        self.world.call("POST", f"/v1/vms/{victim.id}/{do}", body)

    def _strangers(self) -> dict[str, str]:
        """Other people's things, some with names much like ours."""
        path = f"/v1/orgs/{self.organization}"
        key = self.world.call(
            "POST", f"{path}/ssh-keys/create", {"name": "key", "publicKey": KEYS[-1]}
        ).json()
        names = ["vm0", "vm0-12345678-123456", "trainer"]
        for name in names:
            body = {"name": name, "sshKeyIds": [key["id"]], "resourceSize": "small"}
            answer = self.world.call("POST", f"{path}/vms/create", body)
            if answer.status != 200:
                raise AssertionError(answer.body)
        cluster = {"name": "llm0", "imageUrl": "x", "gpuModelId": self.gpu, "replicaCount": 1}
        self.world.call("POST", f"{path}/clusters/create", cluster)
        return self._alive()

    def _weather(self) -> Weather:
        rng = self.rng
        if rng.random() < 0.1:
            return Weather()

        def likely() -> float:
            return rng.choice((0.0, 0.0, 0.02, 0.1, 0.3))

        return Weather(
            unreachable=likely(),
            lost_before=likely() / 2,
            lost_after=likely(),
            status_before=likely(),
            status_after=likely(),
            unreadable=likely() / 2,
            too_many=likely(),
            capacity=likely() / 2,
            slow=likely() / 2,
            death=rng.choice((0.0, 0.01, 0.05)),
            ghost=rng.choice((0.0, 0.5)),
            interrupt=rng.choice((0.0, 0.0, 0.01)),
        )

    def _scripts(self) -> None:
        for _ in range(self.rng.choice((0, 0, 1, 3))):
            outcome = self.rng.choice(
                ("fail", "stall", "interrupt", "unknown_status", "flicker", "slow", "pending")
            )
            kind = self.rng.choice(("vm", "vm", "cluster"))
            self.world.scripts.add({"kind": kind, "outcome": {"type": outcome}})

    def _mend_machines(self) -> None:
        """What stalled, or shows what nobody knows, comes up after all."""
        self.world.call("GET", "/_emulator/world")  # what has become due since is carried out
        for machines, path in (
            (self.world.live_vms(), "vms"),
            (self.world.live_clusters(), "clusters"),
        ):
            for machine in machines:
                if machine.status not in ("running", "stopped", "failed") or machine.shown_status:
                    change = {"status": "running"}
                    self.world.call("PATCH", f"/_emulator/{path}/{machine.id}", change)

    # The count

    def _alive(self) -> dict[str, str]:
        """Everything that exists, by id: the emulator's own count, which no list delays."""
        world = self.world.call("GET", "/_emulator/world").json()
        return self.account.alive() | {
            row["id"]: row["name"]
            for what in ("vms", "clusters", "ssh_keys", "webhooks")
            for row in world[what]
        }

    def _count(self) -> None:
        """What lives is what is recorded and what is the strangers', one for one."""
        alive = self._alive()
        recorded = [record for engine in self.engines for record in engine.state]
        recorded = [r for r in recorded if r.kind in KINDS and not KINDS[r.kind].singleton]
        ids = [record.id for record in recorded]
        if len(ids) != len(set(ids)):
            raise Broken(f"recorded twice: {sorted(i for i in ids if ids.count(i) > 1)}")
        missing = [f"{r.name} {r.id}" for r in recorded if r.id not in alive]
        if missing:
            raise Broken(f"recorded and not alive: {missing}")
        leaked = {i: n for i, n in alive.items() if i not in ids and i not in self.strangers}
        if leaked:
            raise Broken(f"alive and in no state: {leaked}")
        gone = {i: n for i, n in self.strangers.items() if i not in alive}
        if gone:
            raise Broken(f"a stranger's was ended: {gone}")

    def _connect(self, process: Process) -> Session:
        network = Network(self.scheduler, self.world, self.weather, self.tally, self.lines, process)
        rng = self.scheduler.rng
        client = Client(SETTINGS.api_url, OpenRelay(SETTINGS), network, max_retries=9, rng=rng)
        return Session(client, None)

    def _connect_relay(self, process: Process) -> Session:
        return self.account.connect(process, process.name, self.lines)

    def _tell(self, line: str) -> None:
        self.lines.append(f"{self.scheduler.clock.seconds % 1_000_000:10.2f} -- {line}")
