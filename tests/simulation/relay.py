"""The Relay half of a story: an account, what stacks declare of it, and what a person makes of what
they are told. It has dice of its own, so that the other half is what it would be without it."""

from __future__ import annotations

import random
import re
from collections.abc import Collection, Iterable
from typing import Any

from pulumi_openrelay.api.client import Client
from pulumi_openrelay.api.relay import Relay
from pulumi_openrelay.config import RelaySettings
from pulumi_openrelay.emulator import RelayWorld
from pulumi_openrelay.emulator.relay.access import ApiKey
from pulumi_openrelay.emulator.relay.instance_states import Instance
from pulumi_openrelay.lifecycle.session import Session

from .engine import Declared, Engine, Program, Ref
from .journal import Notes
from .network import Network, Tally, Weather
from .scheduler import Process, Scheduler
from .watch import Watch

KEYS = [f"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{letter * 43} someone" for letter in "ABC"]
MODELS = ["direct.openai.gpt-5.4-mini", "opengpu.ollama.gpt-oss:20b"]
IMAGES = ["ubuntu-24.04", "ubuntu-22.04"]
PAINTER = "direct.image.black-forest-labs/FLUX-2-pro"
SETTINGS = RelaySettings(
    "relay_sk_local", "the test", "jwt_local", "the test", "http://relay.test", 9
)
CUT_OFF = "was cut off while it made another"


class Account:
    """One emulated Relay account, whose weather is the story's."""

    def __init__(
        self,
        seed: int,
        scheduler: Scheduler,
        weather: Weather,
        tally: Tally,
        watch: Watch,
        without: Collection[str],
    ) -> None:
        self.rng = rng = random.Random(f"relay {seed}")
        self._scheduler = scheduler
        self._weather = weather
        self._tally = tally
        self._watch = watch
        self.world = RelayWorld(
            clock=scheduler.clock,
            seed=~seed,  # no id of either service is one of the other
            provision_seconds=rng.choice((0.0, 5.0, 60.0)),
            page_size=rng.choice((2, 5, 20)),
            page_size_max=rng.choice((2, 5, 500)),
            list_lag_seconds=rng.choice((0.0, 0.0, 1.0, 2.5)),
            shuffle_lists=rng.random() < 0.3,
            unknown_fields=rng.random() < 0.3,
            instances_max=500,
            stock={"cpu.small": 500},
            balance_usd=10**6,
        )
        self.found = rng.choice((None, ["direct.vllm.Qwen/Qwen3-8B"]))
        self.world.first_customer.model_allowlist = self.found
        for key in KEYS:
            self._ask("POST", "/v2/instances", _instance(key))
        self._ask("POST", "/v2/customer/keys", {"name": "key"})
        self.strangers = self.alive()
        # A stranger's that is made at the very moment at which an answer is lost is not told apart.
        scheduler.clock.advance(10)
        self.scripts = []
        """The names of what machines are told to do."""
        for number in range(rng.choice((0, 0, 1, 3))):
            outcome = rng.choice(("fail", "stall", "unknown_status", "flicker", "slow"))
            self.scripts.append(f"instance-script{number}")
            if self.scripts[-1] not in without:
                self.world.scripts.add({"kind": "instance", "outcome": {"type": outcome}})

    def connect(self, process: Process, journal: Notes, story: list[str]) -> Session:
        """A plugin's session. journal: of the machine that it runs on."""
        network = Network(
            self._scheduler, self.world, self._weather, self._tally, story, process, self._watch
        )
        client = Client(
            SETTINGS.base_url, Relay(SETTINGS), network, max_retries=9, rng=self._scheduler.rng
        )
        return Session(client, None, journal)

    # The plot

    def program(self, number: int) -> Program:
        """What the stack of this number declares; the account's settings are the first one's."""
        rng = self.rng
        if rng.random() < 0.3:
            return {}
        program: Program = {}
        for n in range(rng.randint(0, 3)):
            inputs = _instance(KEYS[number])
            if rng.random() < 0.5:
                inputs["webhook_url"] = "https://hooks.example.com/relay?team=ml"
            if rng.random() < 0.3:
                inputs["wait_for"] = "none"
            if rng.random() < 0.3:
                inputs["capacity_timeout"] = "10m"
            if rng.random() < 0.3:
                inputs["on_failure"] = rng.choice(("keep", "delete"))
                inputs["on_timeout"] = rng.choice(("keep", "delete"))
            if rng.random() < 0.2:
                inputs["deletion_protection"] = True
            timeout = rng.choice((0.0, 0.0, 0.0, 40.0, 300.0))
            program[f"box{n}"] = Declared("relay:Instance", inputs, timeout)
        for n in range(rng.randint(0, 2)):
            program[f"token{n}"] = Declared("relay:ApiKey", {"key_budget": rng.randint(1, 9)})
        if number == 0 and rng.random() < 0.5:
            program["allowed"] = Declared("relay:ModelAllowlist", {"models": [rng.choice(MODELS)]})
            program["account"] = Declared("relay:AccountSettings", {"warning_threshold": 7})
            program["signing"] = Declared("relay:WebhookSecret", {"rotation": 1})
        if "box0" in program and rng.random() < 0.5:
            asks = {"model": PAINTER, "api_key": SETTINGS.api_key, "triggers": [Ref("box0")]}
            program["check"] = Declared("relay:InferenceCheck", asks)
        return program

    def changed(self, name: str, program: Program, rng: random.Random) -> Program:
        """The program with another value of one of its resources, or without it."""
        old = program[name]
        inputs: dict[str, Any] = dict(old.inputs)
        match old.kind:
            case "relay:Instance" if rng.random() < 0.3 and not is_protected(old):
                return {k: v for k, v in program.items() if k not in (name, "check")}
            case "relay:Instance":
                inputs["image"] = rng.choice(IMAGES)
            case "relay:ApiKey":
                change = rng.choice(
                    (
                        {"key_budget": rng.choice((1, 2, "unlimited"))},
                        {"model_restrictions": [rng.choice(MODELS)]},
                        {"rate_limits": {"global": rng.randint(1, 9)}},
                        {"enabled": rng.random() < 0.5},
                        {"rotation": rng.randint(1, 3)},
                    )
                )
                inputs |= change
            case "relay:ModelAllowlist":
                inputs["models"] = [rng.choice(MODELS)]
            case "relay:AccountSettings":
                inputs["warning_threshold"] = rng.randint(1, 9)
            case "relay:WebhookSecret":
                inputs["rotation"] = rng.randint(1, 3)
            case _:
                inputs["triggers"] = [rng.randint(1, 9)]
        return {**program, name: Declared(old.kind, inputs, old.timeout)}

    def another_hand(self, engine: Engine, rng: random.Random) -> str | None:
        """Somebody ends an instance, or changes a key, without telling. Returns what they do."""
        things = [r for r in engine.state if r.kind in ("relay:Instance", "relay:ApiKey")]
        if not things:
            return None
        victim = rng.choice(things)
        if victim.kind == "relay:ApiKey":
            self.world.call("POST", f"/v2/customer/keys/{victim.id}/revoke")
        else:
            self._end(victim.id)
        return f"ends or revokes {victim.name} {victim.id}"

    def mend(self) -> None:
        """What stalled, or shows what nobody knows, comes up after all; and no list lags."""
        self.world.scripts.clear()
        self.world.settings.change({"list_lag_seconds": 0.0})
        for instance in self.world.live_instances():
            if instance.status not in ("ready", "terminating") or instance.shown_status:
                self.world.call("PATCH", f"/_emulator/instances/{instance.id}", {"status": "ready"})

    def heed(self, told: str, engines: Iterable[Engine]) -> list[str]:
        """A person ends what they were told of by its id and no state records; where no id could be
        told, what is just like it. Returns what they ended."""
        recorded = {record.id for engine in engines for record in engine.state}
        doomed = set(re.findall(r"ins_\w+", told))
        if CUT_OFF in told:
            doomed |= self.alive().keys()
        alive = self.alive()
        doomed = {i for i in doomed - recorded - self.strangers.keys() if i.startswith("ins_")}
        ended = sorted(doomed & alive.keys())
        for thing in ended:
            self._end(thing)
        return ended

    def is_nameless(self, instance: str) -> bool:
        """Whether nothing tells whose it is."""
        return self.world.store.table(Instance)[instance].webhook_url is None

    # The count

    def alive(self) -> dict[str, str]:
        """Everything that exists, by id: the emulator's own count."""
        self.world.advance()
        keys = self.world.store.table(ApiKey).values()
        instances = {i.id: i.prescription for i in self.world.live_instances()}
        return {**instances, **{key.id: key.name for key in keys if not key.is_superkey}}

    @property
    def machines(self) -> Iterable[str]:
        """The ids of all instances that ever were."""
        return self.world.store.table(Instance)

    def restored(self) -> bool:
        """Whether the account's settings are as they were found."""
        customer = self.world.first_customer
        return (customer.model_allowlist, customer.warning_threshold) == (self.found, 5.0)

    def _end(self, instance: str) -> None:
        self.world.call("PATCH", f"/_emulator/instances/{instance}", {"status": "terminated"})

    def _ask(self, method: str, path: str, body: Any = None) -> None:
        answer = self.world.call(method, path, body)
        assert answer.status < 300, answer.body


def is_protected(declared: Declared) -> bool:
    """Whether the program protects it."""
    return declared.inputs.get("deletion_protection") is True


def _instance(key: str) -> dict[str, Any]:
    return {"prescription": "cpu.small", "image": IMAGES[0], "ssh_public_key": key}
