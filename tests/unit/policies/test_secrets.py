"""Policies see secrets in clear: no message repeats what a property holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

import pulumi_openrelay.relay  # noqa: F401 - declares its kinds
from pulumi_openrelay.lifecycle.declare import KINDS
from pulumi_openrelay.policies import RULES, ResourceRule, Rule, judge
from pulumi_openrelay.policies.message import format as write
from pulumi_openrelay.policies.reading import Resource, Stack

from .cases import CASES, RICH

MARK = "hunter2-7f3a"
TYPES = sorted({each for rule in RULES if isinstance(rule, ResourceRule) for each in rule.types})
DECLARED = {name for kind in KINDS.values() for name, field in kind.fields.items() if field.secret}
SHAPES: dict[str, Any] = {
    "env_vars": {"TOKEN": MARK},
    "cloud_init": f"#!/bin/sh\n{MARK}",
    "container_command": ["serve", MARK],
    "token": MARK,
}
SECRETS = dict.fromkeys(DECLARED, MARK) | SHAPES


def with_secrets(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {**properties, **SECRETS}


def texts(rule: Rule, resources: list[Resource]) -> Iterator[str]:
    settings = rule.settings(**CASES[rule.name].settings)
    for found in judge(rule, settings, Stack("prod", resources, RICH)):
        yield write(found.message)


def test_the_resources_have_secrets() -> None:
    assert {"env_vars", "cloud_init", "deploy_token", "secret", "key"} <= DECLARED


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_no_rule_shows_a_secret_beside_what_it_judges(rule: Rule) -> None:
    cases = CASES[rule.name]
    for resources in [*cases.passes, *(each for each, _ in [*cases.fails, *cases.unknown])]:
        marked = [
            Resource(each.type, each.name, each.urn, with_secrets(each.properties))
            for each in resources
        ]
        assert MARK not in "".join(texts(rule, marked))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_no_rule_shows_the_text_that_a_property_holds(rule: Rule) -> None:
    """A secret may be put into any property: into a URL, an image, a name."""
    names = {
        name
        for cases in CASES.values()
        for resources, _ in [*cases.fails, *cases.unknown]
        for resource in resources
        for name in resource.properties
    }
    shown = []
    for value in (
        MARK,
        f"http://{MARK}:{MARK}@127.0.0.1/{MARK}",
        f"{MARK}.io/{MARK}:latest",
        f"ssh-dss {MARK}",
        f"{MARK}.{MARK}.{MARK}",
        [MARK],
        {"permissions": [MARK], "limit_nano_usd": MARK},
        5,
        True,
    ):
        properties = dict.fromkeys(names, value) | {"budget": value, "restrictions": value}
        resources = [Resource(each, "it", properties=properties) for each in TYPES]
        for stack in (resources, *([each] for each in resources)):
            shown += list(texts(rule, stack))
    assert shown
    assert MARK not in "".join(shown)
