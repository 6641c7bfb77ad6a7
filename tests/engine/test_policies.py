"""The policy pack on the real engine: what it stops, what it tells, and what it cannot know yet."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pulumi_openrelay.emulator import ServedWorld
from pulumi_openrelay.policies.configuration import FILE
from pulumi_openrelay.policies.message import Kind, Message, parse

from .support import Result, Stack, mutations

BAD = """
key = relay.SshKey("laptop", public_key=KEY)
open_ = relay.Vm("open", ssh_key_ids=[key.id], gpu_model_id=GPU, gpu_count=1, public=True,
                 deletion_protection=True, env_vars={"TOKEN": "hunter2-7f3a"})
"""
GOOD = BAD.replace("public=True", "public=False")
LATER = (
    GOOD
    + """
relay.Vm("later", ssh_key_ids=[key.id], gpu_model_id=GPU, gpu_count=1, deletion_protection=True,
         image_url=open_.status.apply(lambda _: "ghcr.io/acme/llm@sha256:" + 64 * "a"))
"""
)


@dataclass(frozen=True)
class Said:
    """One policy event."""

    rule: str
    level: str
    resource: str
    message: Message


def said(result: Result) -> list[Said]:
    found = []
    for event in result.events:
        if told := event.get("policyEvent"):
            message = parse(told["message"])
            assert message is not None, told
            name = told.get("resourceUrn", "").rsplit("::", 1)[-1]
            found.append(Said(told["policyName"], told["enforcementLevel"], name, message))
    return sorted(found, key=lambda each: (each.rule, each.resource))


def of(result: Result, rule: str) -> tuple[str, Kind]:
    """The level and the kind of the one thing that a rule said."""
    [found] = [each for each in said(result) if each.rule == rule]
    return found.level, found.message.kind


@pytest.fixture
def guarded(stack: Stack) -> Stack:
    """A stack whose `python3` on PATH has neither this package nor Pulumi."""
    own = str(Path(sys.prefix, "bin"))
    path = stack.environment["PATH"].split(os.pathsep)
    stack.environment["PATH"] = os.pathsep.join(each for each in path if each != own)
    stack.environment["XDG_CACHE_HOME"] = str(stack.folder / "cache")
    return stack


def configure(stack: Stack, **content: Any) -> None:
    (stack.folder / FILE).write_text(json.dumps(content))


def pack(stack: Stack) -> tuple[str, str]:
    """The options of `pulumi` that run the ready pack."""
    done = subprocess.run(
        [str(Path(sys.prefix, "bin", "pulumi-openrelay")), "policy", "path"],
        cwd=stack.folder,
        env=stack.environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return "--policy-pack", done.stdout.strip()


def test_a_public_machine_is_stopped_before_it_is_made(guarded: Stack, cloud: ServedWorld) -> None:
    stopped = guarded.up(BAD, *pack(guarded))

    assert stopped.code != 0
    assert of(stopped, "public-machine") == ("mandatory", Kind.VIOLATION)
    assert not [request for request in mutations(cloud) if "/vms" in request]
    assert "hunter2-7f3a" not in stopped.text
    passed = guarded.up(GOOD, *pack(guarded))
    assert passed.code == 0, passed.text
    assert said(passed) == []


def test_one_line_of_the_configuration_switches_the_profile(guarded: Stack) -> None:
    configure(guarded, profile="development")
    told = guarded.preview(BAD, *pack(guarded))

    assert told.code == 0, told.text
    assert of(told, "public-machine") == ("advisory", Kind.VIOLATION)
    configure(guarded, profile="regulated")
    unconfigured = guarded.preview(GOOD, *pack(guarded))
    assert unconfigured.code != 0
    for rule in ("monthly-budget", "gpu-kinds", "allowed-locations"):
        assert of(unconfigured, rule) == ("mandatory", Kind.NOT_EVALUATED)
    assert len(said(unconfigured)) == 3
    rules = {
        "monthly-budget": {"max_cents_per_month": 1_000_000},
        "gpu-kinds": {"allowed": ["RTX 4090"]},
        "allowed-locations": {"level": "disabled"},
    }
    configure(guarded, profile="regulated", rules=rules)
    assert guarded.preview(GOOD, *pack(guarded)).code == 0


def test_what_a_preview_cannot_know_is_not_evaluated_at_the_rules_level(guarded: Stack) -> None:
    unknown = guarded.preview(LATER, *pack(guarded))

    assert unknown.code != 0
    assert of(unknown, "image-latest") == ("mandatory", Kind.NOT_EVALUATED)
    assert of(unknown, "image-digest") == ("advisory", Kind.NOT_EVALUATED)
    text = "not evaluated: image_url is unknown until the update runs"
    assert {each.message.text for each in said(unknown)} == {text}
    configure(guarded, rules={"image-latest": {"level": "advisory"}})
    known = guarded.up(LATER, *pack(guarded))
    assert known.code == 0, known.text
    assert said(known) == []


def test_an_exemption_lets_pass_and_is_told_until_it_expires(guarded: Stack) -> None:
    terms = {"rule": "public-machine", "resource": "op*", "reason": "a demo", "owner": "ada"}
    configure(guarded, exemptions=[{**terms, "expires": "2999-01-01"}])
    exempt = guarded.preview(BAD, *pack(guarded))

    assert exempt.code == 0, exempt.text
    [used] = said(exempt)
    assert (used.level, used.resource, used.message.rule) == ("advisory", "open", "public-machine")
    assert used.message.kind is Kind.USED_EXEMPTION
    assert "owner ada; a demo" in used.message.text
    configure(guarded, exemptions=[{**terms, "expires": "2020-01-01"}])
    expired = guarded.preview(BAD, *pack(guarded))
    assert expired.code != 0
    assert of(expired, "public-machine") == ("mandatory", Kind.EXPIRED_EXEMPTION)


def test_a_pack_of_ones_own_is_five_lines(guarded: Stack) -> None:
    """With a configuration of the engine's own, and the money of a change in place."""
    own = guarded.folder / "pack"
    own.mkdir()
    runtime = {"runtime": {"name": "python", "options": {"virtualenv": sys.prefix}}}
    (own / "PulumiPolicy.yaml").write_text(json.dumps(runtime))
    (own / "__main__.py").write_text(
        "from pulumi_policy import PolicyPack\n"
        "from pulumi_openrelay.policies import Configuration\n"
        "from pulumi_openrelay.policies.pulumi_pack import policies\n"
        "\n"
        'PolicyPack("acme", policies(Configuration(profile="development")))\n'
    )
    strict = {"stack-rate": {"enforcementLevel": "mandatory", "max_cents_per_hour": 5}}
    (guarded.folder / "strict.json").write_text(json.dumps(strict))
    options = ("--policy-pack", str(own), "--policy-pack-config", "strict.json")

    assert guarded.preview(GOOD, "--policy-pack", str(own)).code == 0
    dear = guarded.preview(GOOD, *options)
    assert dear.code != 0
    assert of(dear, "stack-rate") == ("mandatory", Kind.VIOLATION)
    guarded.up(GOOD)
    stopped = guarded.preview(GOOD.replace("public=False", 'desired_state="stopped"'), *options)
    assert stopped.code == 0, stopped.text
    assert [each.rule for each in said(stopped)] == ["idle"]
