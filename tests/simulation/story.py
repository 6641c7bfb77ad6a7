"""A seeded story: a few stacks, some strangers, bad days; then calm, and a count of what is
left."""

from __future__ import annotations

import random
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any
from unittest.mock import patch

import pulumi_openrelay.relay  # noqa: F401 - registers the kinds
from pulumi_openrelay.api.client import Client
from pulumi_openrelay.api.openrelay import OpenRelay
from pulumi_openrelay.config import Settings
from pulumi_openrelay.emulator import World
from pulumi_openrelay.emulator.inference_states import Cluster
from pulumi_openrelay.emulator.vm_states import Vm
from pulumi_openrelay.lifecycle.declare import ACTIONS, KINDS, AlikeKind, Kind
from pulumi_openrelay.lifecycle.session import Session

from .engine import Declared, Engine, OperationFailed, Program, Ref
from .journal import Notes
from .network import Network, Tally, Weather
from .relay import Account, is_protected
from .scheduler import Process, Scheduler
from .watch import (
    BY_HAND,
    DUPLICATE,
    LEAK,
    LOST,
    TOUCHED,
    UNRESTORED,
    UNSETTLED,
    Broken,
    Watch,
)

KEYS = [f"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{letter * 43} someone" for letter in "ABCDEFGH"]
HANDS: dict[str, list[tuple[str, str, Any]]] = {
    "openrelay:Vm": [
        ("POST", "/v1/vms/{id}/terminate", None),
        ("POST", "/v1/vms/{id}/stop", None),
        ("POST", "/v1/vms/{id}/visibility", {"public": True}),
    ],
    "openrelay:InferenceCluster": [
        ("POST", "/v1/clusters/{id}/terminate", None),
        ("POST", "/v1/clusters/{id}/stop", None),
        ("POST", "/v1/clusters/{id}/scale", {"replicaCount": 2}),
    ],
    "openrelay:SshKey": [("DELETE", "/v1/orgs/{org}/ssh-keys/{id}", None)],
    "openrelay:Webhook": [
        ("DELETE", "/v1/orgs/{org}/webhooks/{id}", None),
        ("PATCH", "/v1/orgs/{org}/webhooks/{id}", {"url": "http://127.0.0.1:9/another"}),
    ],
}
"""What another hand may do to each kind."""
CHOSEN = ("trainer", "box", "another")
"""The names that programs give to VMs."""
MOST_ATTEMPTS = 8
SETTINGS = Settings("or_local", "the test", "http://openrelay.test", None, max_retries=9)


@dataclass
class Story:
    """One simulation. Its lines tell what happened, for whoever has to mend it."""

    seed: int
    tally: Tally = field(default_factory=Tally)
    lines: list[str] = field(default_factory=list)
    only: frozenset[str] | None = None
    """The names of the faults that may strike; None: all."""
    without: frozenset[str] = frozenset()
    """The names of the parts that are left out: stacks, operations, resources, scripts."""

    error: Exception | None = None
    """What it has broken, once it was told."""

    def run(self) -> None:
        """Play it. Raises Broken, or whatever else goes wrong."""
        marks = random.Random(f"marks {self.seed}")
        try:
            # What the provider draws by itself is the seed's choice too.
            with patch.object(secrets, "token_hex", lambda size: marks.randbytes(size).hex()):
                self._run()
        except Exception as error:
            self.error = error
            self.lines.append(f"{type(error).__name__}: {error}")
            raise

    def _run(self) -> None:
        self.rng = random.Random(f"story {self.seed}")
        self.scheduler = Scheduler(self.seed)
        rng = self.rng
        self.world = World(
            clock=self.scheduler.clock,
            seed=self.seed,
            provision_seconds=rng.choice((0.0, 5.0, 60.0)),
            page_size=rng.choice((2, 5, 20)),
            page_size_max=rng.choice((2, 5, 100)),
            list_lag_seconds=rng.choice((0.0, 0.0, 1.0, 2.5, 8.0)),
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
        self.watch = Watch(self.scheduler.stop, self._alive)
        self.watch.may_end = self._may_end
        self.weather = self._weather()
        self.weather.only = self.only
        # What is on its way for longer arrives before the next run, or nothing could find it.
        self.least_pause = 20.0 if self.weather.ghost_seconds > 3.0 else 0.0
        self.account = Account(
            self.seed, self.scheduler, self.weather, self.tally, self.watch, self.without
        )
        if self.weather.ghost_seconds > 3.0:
            # Nor could it, where the list lags as long besides.
            for world in (self.world, self.account.world):
                lag = min(world.settings.list_lag_seconds, 2.5)
                world.settings.change({"list_lag_seconds": lag})
        self.strangers = self.watch.strangers = self._strangers()
        self.parts: list[str] = []
        """The names of all that can be left out, the greatest first."""
        owners = [f"owner{number}" for number in range(rng.choice((1, 1, 2)))]
        self.parts += owners
        self._scripts()
        self._journals: dict[str, Notes] = {}
        self._last: dict[Engine, Program] = {}
        self._unfinished: dict[Engine, str | None] = {}
        """What an update that failed was to replace on demand."""
        self._declared: dict[Engine, Program] = {}
        """Everything that a stack has declared, as it did last."""
        self.doubted: set[str] = set()
        self.by_hand: set[str] = set()
        self.engines = [
            Engine(self.scheduler, "dev", owner, self._connect, self._connect_relay, self.watch)
            for owner in owners
            if owner not in self.without
        ]
        events = self.tally.events
        events["second stack"] += len(self.engines) - 1
        for world in (self.world, self.account.world):
            events["list that lags behind"] += world.settings.list_lag_seconds > 0
        if rng.random() < 0.15:
            start = self.scheduler.clock.seconds + rng.uniform(0.0, 300.0)
            self.weather.outage = start, start + rng.uniform(60.0, 90.0)
        self._together(self._live)
        self._tell("the weather calms")
        self.kills = self.weather.kills()
        self.scheduler.clock.advance(300)
        self.weather.calm()
        for world in (self.world, self.account.world):
            for script in world.scripts.scripts:
                events[f"machine told to {script.outcome.type}"] += script.taken
        self.world.scripts.clear()
        self._mend_machines()
        self.account.mend()
        self.world.settings.change({"list_lag_seconds": 0.0})
        self._together(self._converge)
        self._heed()
        self.scheduler.clock.advance(600)  # what was asked to end takes a while
        self._count()
        self._together(self._destroy)
        tables = self.world.store.table(Vm), self.world.store.table(Cluster), self.account.machines
        made = [machine for table in tables for machine in table]
        self.tally.machines += len(set(made) - self.strangers.keys())
        self._count()
        for engine in self.engines:
            if engine.state:
                names = [record.name for record in engine.state]
                raise Broken(UNSETTLED, f"a destroy left {names} in the state")
        # What a killed create has set and a destroy found in no state stays as it is.
        if not (self.kills or self.account.restored()):
            raise Broken(UNRESTORED, "the account's settings are not as they were found")

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
        number = int(engine.owner.removeprefix("owner"))
        program = self._whole(engine, self._program(number))
        failed = False
        for turn in range(random.Random(f"turns {self.seed} {number}").randint(1, 4)):
            part = f"{engine.owner}.{turn}"
            self.parts.append(part)
            if part in self.without:
                continue
            rng = random.Random(f"turn {self.seed} {number} {turn}")
            self._last[engine] = program
            self._declared[engine] = {**self._declared.get(engine, {}), **program}
            # Who sees an update fail runs it again: what it left unrecorded is found only so.
            failed = not self._operate(engine, program, 0.0 if failed else rng.random(), rng)
            self.tally.events["failed operation"] += failed
            if rng.random() < 0.25:
                self._another_hand(engine, rng)
            if rng.random() < 0.2:
                self._tell_of_hand(self.account.another_hand(engine, rng))
            if not failed and rng.random() < 0.5:
                program = self._changed(program, rng)
            # The CLI takes a few seconds to start, and nobody is faster.
            pause = rng.choice((3.0, 15.0, 700.0))
            self.scheduler.wait(max(pause, self.least_pause))
        self._last.setdefault(engine, program)

    def _operate(self, engine: Engine, program: Program, act: float, rng: random.Random) -> bool:
        """One operation. act: which. Returns whether it succeeded."""
        # Who repeats a command that failed repeats its options too.
        target = self._unfinished.pop(engine, None)
        # No call tells a create which ones without a mark wait to be deleted: a person names those.
        made = [
            name
            for name, one in program.items()
            if not _of(one).singleton and not _is_nameless(one)
        ]
        if target is None and engine.state and made and rng.random() < 0.2:
            target = rng.choice(made)
        self._unfinished[engine] = target
        try:
            if act < 0.75 or not engine.state:
                self._tell(f"{engine.owner}: up, {target=}")
                self.tally.events["target-replace"] += target is not None
                engine.up(program, target_replace=target)
            elif act < 0.9:
                self._tell(f"{engine.owner}: refresh")
                self._unfinished[engine] = None
                engine.refresh()
            else:
                self._tell(f"{engine.owner}: destroy")
                self._unfinished[engine] = None
                engine.destroy()
        except OperationFailed as failure:
            self._tell(f"{engine.owner}: failed: {failure}")
            given_up = str(failure).count("it was ended and bills nothing")
            self.tally.events["machine ended by on_failure or on_timeout"] += given_up
            return False
        self._tell(f"{engine.owner}: done")
        self._unfinished[engine] = None
        return True

    def _whole(self, engine: Engine, program: Program) -> Program:
        """The program without what is left out, and without what needs that."""
        parts = {name: f"{engine.owner}:{name}" for name in program}
        self.parts += parts.values()
        kept = {name: one for name, one in program.items() if parts[name] not in self.without}
        return {name: one for name, one in kept.items() if one.needs <= kept.keys()}

    def _converge(self, engine: Engine) -> None:
        # A person whose machines take longer than the program allows gives them time.
        program = {name: replace(one, timeout=0.0) for name, one in self._last[engine].items()}
        for attempt in range(MOST_ATTEMPTS):
            try:
                self._tell(f"{engine.owner}: calm refresh and up {attempt}")
                engine.refresh()
                engine.up(program, target_replace=self._unfinished.get(engine))
            except OperationFailed as failure:
                self._tell(f"{engine.owner}: failed: {failure}")
                program = self._do_as_told(str(failure), self._lift(engine, str(failure), program))
            else:
                break
        else:
            raise Broken(UNSETTLED, f"{engine.owner} does not converge: {self.lines[-1]}")
        self._declared[engine] = {**self._declared[engine], **program}
        engine.up(program)
        if engine.process.changes:
            raise Broken(UNSETTLED, f"an up without changes sent {engine.process.changes}")

    def _lift(self, engine: Engine, sentence: str, program: Program) -> Program:
        """The program without the protection of what a sentence says is protected."""
        for name in re.findall(r"'(\w+)': [^']* deletion_protection is on", sentence):
            program = {**program, name: _unprotected({**self._declared[engine], **program}[name])}
        return program

    def _may_end(self, process: object, thing: str) -> bool:
        operations = [engine.operations.get(process) for engine in self.engines]
        return all(one is None or one.may_end(thing, self._alive()) for one in operations)

    def _destroy(self, engine: Engine) -> None:
        try:
            protected = [r.name for r in engine.state if r.outputs.get("deletion_protection")]
            if protected:
                declared = self._declared[engine]
                kept = {name: one for name, one in declared.items() if engine.record(name)}
                engine.up({name: _unprotected(one) for name, one in kept.items()})
            engine.destroy()
        except OperationFailed as failure:
            raise Broken(UNSETTLED, f"a destroy in calm failed: {failure}") from None

    def _do_as_told(self, sentence: str, program: Program) -> Program:
        """What a person does who reads such a sentence."""
        busy = re.search(r"VM '(\w+)': there is no capacity .* VM_NODE_BUSY", sentence)
        if busy is not None:
            old = program[busy[1]]
            inputs = {**old.inputs, "desired_state": "stopped", "wait_for": "running"}
            program = {**program, busy[1]: Declared(old.kind, inputs, old.timeout)}
        alikes = re.search(r"just what an earlier attempt asked for \(([^)]+)\)", sentence)
        if alikes is not None:
            self.by_hand.update(self.account.heed(alikes[1], self.engines))
        lives = r"VM '(\w+)': an earlier attempt [^(]* may be the one that lives \(([^;]+);"
        for name, ids in re.findall(lives, sentence):
            self.doubted |= set(ids.split(", "))
            old = program[name]
            inputs = {**old.inputs, "name": "another"}
            program = {**program, name: Declared(old.kind, inputs, old.timeout)}
        return program

    def _heed(self) -> None:
        """When every stack stands, a person ends the machines that they were told of and that no
        state records. Only a crash may leave them one, and only of those whose names tell nothing;
        of a name that the program chose, a lost answer too, where the program changed before the
        same create could be sent again. So may a crash of the CLI at the moment at which it was
        told what a failed create has made: nothing tells that it did not record that."""
        told = " ".join(line for engine in self.engines for line in engine.warnings)
        self.by_hand.update(self.account.heed(told, self.engines))
        recorded = {record.id for engine in self.engines for record in engine.state}
        alive = self._alive()
        perhaps_recorded = "because a state may have recorded it: "
        for thing in re.findall(rf"{perhaps_recorded}([^,;]+)", told) if self.kills else ():
            if thing in alive and thing not in self.strangers.keys() | recorded:
                self._end_behind(thing)
        alive = self._alive()
        for machine in {
            *re.findall(r"another VM of the name .*? exists \(([^,]+),", told),
            *self.doubted,
        }:
            if machine in alive and machine not in self.strangers.keys() | recorded:
                self.world.call("POST", f"/v1/vms/{machine}/terminate")
                self.by_hand.add(machine)
        self.tally.events["machine told of, and ended by hand"] += len(self.by_hand)
        vms = self.world.store.table(Vm)
        for machine in sorted(self.by_hand):
            named = vms[machine].name in CHOSEN if machine in vms else None
            crashed = self.kills or machine in self.doubted
            if not crashed or named is False or not (named or self.account.is_nameless(machine)):
                raise Broken(BY_HAND, f"{machine} was left to be ended by hand")

    def _end_behind(self, thing: str) -> None:
        self.tally.events["thing perhaps recorded, and ended by hand"] += 1
        self.account.world.call("POST", f"/v2/customer/keys/{thing}/revoke")
        self.account.world.call("DELETE", f"/v2/customer/keys/{thing}")
        for table in ("vms", "clusters", "ssh-keys", "webhooks"):
            self.world.call("DELETE", f"/_emulator/{table}/{thing}")

    def _program(self, number: int) -> Program:
        # Of its own: what another stack declares is the same without this one.
        rng = self.rng = random.Random(f"program {self.seed} {number}")
        program: Program = {
            "key": Declared("openrelay:SshKey", {"public_key": KEYS[number * 2]}),
        }
        if rng.random() < 0.5:
            program["key2"] = Declared("openrelay:SshKey", {"public_key": KEYS[number * 2 + 1]})
        for n in range(rng.randint(1, 4)):
            timeout = rng.choice((0.0, 0.0, 0.0, 40.0, 300.0))
            program[f"vm{n}"] = Declared("openrelay:Vm", self._vm(program), timeout)
        for n in range(rng.randint(0, 2)):
            inputs: dict[str, Any] = {
                "image_url": "vllm/vllm-openai:v0.6",
                "gpu_model_id": self.gpu,
                "gpus_per_replica": 1,
                "replica_count": rng.randint(1, 3),
                **self._endings(),
            }
            timeout = rng.choice((0.0, 40.0, 300.0))
            program[f"llm{n}"] = Declared("openrelay:InferenceCluster", inputs, timeout)
        for name in [name for name in program if name.startswith(("vm", "llm"))]:
            if rng.random() < 0.2:
                protected = {**program[name].inputs, "deletion_protection": True}
                program[name] = replace(program[name], inputs=protected)
        if rng.random() < 0.7:
            program["hook"] = Declared("openrelay:Webhook", {"url": "http://127.0.0.1:9/hook"})
        program = {**program, **self.account.program(number)}
        # Error hooks that ask for a failed create again.
        rng = random.Random(f"hooks {self.seed} {number}")
        return {n: replace(one, retries=rng.choice((0, 0, 1, 2))) for n, one in program.items()}

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
            inputs["name"] = rng.choice(CHOSEN[:2])
        if rng.random() < 0.2:
            inputs["desired_state"] = "stopped"
            inputs.pop("wait_for", None)
        if rng.random() < 0.3:
            inputs["capacity_timeout"] = "10m"
        return {**inputs, **self._endings()}

    def _endings(self) -> dict[str, str]:
        """What becomes of a machine that does not come up."""
        rng = self.rng
        if rng.random() < 0.5:
            return {}
        choices = ("keep", "delete")
        return {"on_failure": rng.choice(choices), "on_timeout": rng.choice(choices)}

    def _changed(self, program: Program, rng: random.Random) -> Program:
        name = rng.choice([name for name in program if program[name].kind.startswith("openrelay:")])
        theirs = [name for name in program if program[name].kind.startswith("relay:")]
        if theirs and rng.random() < 0.7:
            program = self.account.changed(rng.choice(theirs), program, rng)
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
                    case _ if is_protected(old):
                        inputs["deletion_protection"] = rng.random() < 0.5
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

    def _another_hand(self, engine: Engine, rng: random.Random) -> None:
        """Somebody changes, stops or ends a thing of OpenRelay's without telling."""
        things = [r for r in engine.state if r.kind in HANDS]
        if not things:
            return
        victim = rng.choice(things)
        method, path, body = rng.choice(HANDS[victim.kind])
        self._tell_of_hand(f"{method} {path} {victim.name} {victim.id}")
        path = path.format(id=victim.id, org=self.organization)
        self.world.call(method, path, body)

    def _tell_of_hand(self, deed: str | None) -> None:
        if deed is not None:
            self._tell(f"another hand: {deed}")
            self.tally.events["another hand"] += 1

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

        weather = Weather(
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
            orphan=rng.choice((0.0, 0.0, 0.01)),
        )
        if rng.random() < 0.15:
            # A proxy that loses its answers, and lets the requests through when it pleases.
            weather.lost_before, weather.ghost, weather.ghost_seconds = 0.15, 0.9, 15.0
        return weather

    def _scripts(self) -> None:
        for number in range(self.rng.choice((0, 0, 1, 3))):
            outcome = self.rng.choice(
                ("fail", "stall", "interrupt", "unknown_status", "flicker", "slow", "pending")
            )
            kind = self.rng.choice(("vm", "vm", "cluster"))
            self.parts.append(f"script{number}")
            if self.parts[-1] not in self.without:
                self.world.scripts.add({"kind": kind, "outcome": {"type": outcome}})
        self.parts += self.account.scripts

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
            twice = sorted(i for i in ids if ids.count(i) > 1)
            raise Broken(DUPLICATE, f"recorded twice: {twice}")
        missing = [f"{r.name} {r.id}" for r in recorded if r.id not in alive]
        if missing:
            raise Broken(LOST, f"{missing}")
        leaked = {i: n for i, n in alive.items() if i not in ids and i not in self.strangers}
        if leaked:
            names = {alive[i].rpartition("-")[0] or alive[i] for i in ids}
            seconds = any((n.rpartition("-")[0] or n) in names for n in leaked.values())
            raise Broken(DUPLICATE if seconds else LEAK, f"alive and in no state: {leaked}")
        gone = {i: n for i, n in self.strangers.items() if i not in alive}
        if gone:
            raise Broken(TOUCHED, f"a stranger's was ended: {gone}")

    def _connect(self, process: Process) -> Session:
        network = Network(
            self.scheduler, self.world, self.weather, self.tally, self.lines, process, self.watch
        )
        rng = self.scheduler.rng
        client = Client(SETTINGS.api_url, OpenRelay(SETTINGS), network, max_retries=9, rng=rng)
        return Session(client, None, self._notes(process))

    def _connect_relay(self, process: Process) -> Session:
        return self.account.connect(process, self._notes(process), self.lines)

    def _notes(self, process: Process) -> Notes:
        """The machine that an owner's plugins run on keeps them."""
        return self._journals.setdefault(process.name.rstrip("'"), Notes())

    def _tell(self, line: str) -> None:
        self.lines.append(f"{self.scheduler.clock.seconds % 1_000_000:10.2f} -- {line}")


def _of(declared: Declared) -> Kind:
    return (KINDS | ACTIONS)[declared.kind]


def _is_nameless(declared: Declared) -> bool:
    kind = _of(declared)
    return isinstance(kind, AlikeKind) and kind.nameless(declared.inputs)


def _unprotected(declared: Declared) -> Declared:
    inputs = {k: v for k, v in declared.inputs.items() if k != "deletion_protection"}
    return replace(declared, inputs=inputs, timeout=0.0)
