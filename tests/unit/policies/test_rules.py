"""Each rule passes what is good, names what is bad, and says so where it cannot tell."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date

import pytest

from pulumi_openrelay.policies import RULES, Configuration, Exemption, Finding, Rule, judge
from pulumi_openrelay.policies.message import Kind, parse
from pulumi_openrelay.policies.message import format as write
from pulumi_openrelay.policies.reading import VM, Balance, Resource, Stack
from pulumi_openrelay.policies.rule import Demanded

from .cases import CASES, Cases, Told, one

TODAY = date(2026, 11, 24)
# Nothing that it reads can be unknown: it is about what exists at all.
NEVER_UNKNOWN = {"public-endpoint"}

each_rule = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)


def said(rule: Rule, resources: list[Resource], *exemptions: Exemption) -> list[Finding]:
    cases = CASES[rule.name]
    return held(rule, cases.stack(resources), cases, *exemptions)


def held(rule: Rule, stack: Stack, cases: Cases, *exemptions: Exemption) -> list[Finding]:
    settings = rule.settings(**cases.settings)
    return list(judge(rule, settings, stack, exemptions, TODAY))


def exemption(rule: Rule, resource: str, expires: str) -> Exemption:
    return Exemption(
        rule=rule.name,
        resource=resource,
        reason="the demo of May",
        owner="ada@example.com",
        expires=date.fromisoformat(expires),
    )


def test_every_rule_is_tried_in_all_four_ways() -> None:
    assert list(CASES) == [rule.name for rule in RULES]
    for name, cases in CASES.items():
        assert cases.passes, name
        assert cases.fails, name
        assert cases.unknown or name in NEVER_UNKNOWN, name


@each_rule
def test_what_is_good_passes(rule: Rule) -> None:
    for resources in CASES[rule.name].passes:
        assert said(rule, resources) == []


@each_rule
def test_what_is_bad_is_a_violation_that_says_what_and_how_to_mend_it(rule: Rule) -> None:
    for resources, words in CASES[rule.name].fails:
        [found] = said(rule, resources)
        assert found.message.kind is Kind.VIOLATION
        assert found.message.severity is rule.severity
        assert words in found.message.text
        assert found.message.remediation == rule.remediation
        assert found.resource is None or found.resource in resources


@each_rule
def test_what_is_unknown_is_said_to_be_not_evaluated(rule: Rule) -> None:
    cases = CASES[rule.name]
    for resources, words in cases.unknown:
        [found] = held(rule, cases.stack_of_unknown(resources), cases)
        assert found.message.kind is Kind.NOT_EVALUATED
        assert found.message.text.startswith("not evaluated: ")
        assert words in found.message.text


@each_rule
def test_an_exemption_covers_a_violation_until_its_day(rule: Rule) -> None:
    resources, words = CASES[rule.name].fails[0]
    [violation] = said(rule, resources)
    name = violation.resource.name if violation.resource else "prod"

    [used] = said(rule, resources, exemption(rule, name[:1] + "*", "2026-11-24"))
    [expired] = said(rule, resources, exemption(rule, name, "2026-11-23"))
    [other] = said(rule, resources, exemption(rule, "another", "2030-01-01"))

    assert used.message.kind is Kind.USED_EXEMPTION
    assert used.message.rule == rule.name
    for part in ("2026-11-24", "ada@example.com", "the demo of May", words):
        assert part in used.message.text
    assert expired.message.kind is Kind.EXPIRED_EXEMPTION
    assert "expired on 2026-11-23" in expired.message.text
    assert rule.remediation in expired.message.remediation
    assert other == violation


@each_rule
def test_an_exemption_covers_what_is_not_evaluated_too(rule: Rule) -> None:
    cases = CASES[rule.name]
    for resources, _words in cases.unknown:
        stack = cases.stack_of_unknown(resources)
        [found] = held(rule, stack, cases, exemption(rule, "*", "2030-01-01"))
        assert found.message.kind is Kind.USED_EXEMPTION


@each_rule
def test_a_rule_holds_in_the_stacks_that_it_is_for(rule: Rule) -> None:
    cases = CASES[rule.name]
    resources, _ = cases.fails[0]
    settings = rule.settings(**{**cases.settings, "stacks": ["staging", "prod-*"]})

    assert list(judge(rule, settings, cases.stack(resources))) == []
    staging = replace(cases.stack(resources), name="staging")
    assert len(list(judge(rule, settings, staging))) == 1


@each_rule
def test_what_a_rule_says_can_be_read_back(rule: Rule) -> None:
    for resources, _ in CASES[rule.name].fails:
        for found in said(rule, resources):
            assert parse(f"{rule.description}\n{write(found.message)}\n") == found.message


@each_rule
def test_a_rule_is_described(rule: Rule) -> None:
    for text in (
        rule.description,
        rule.remediation,
        rule.framework.name,
        rule.framework.version,
        rule.framework.reference,
        rule.framework.specification,
    ):
        assert text.strip()
        assert "\n" not in text
    schema = rule.settings.model_json_schema()
    assert schema["properties"]["stacks"]
    for name, setting in schema["properties"].items():
        assert setting["description"], name
    json.dumps(schema)


NEEDING = [rule for rule in RULES if issubclass(rule.settings, Demanded)]


@pytest.mark.parametrize("rule", NEEDING, ids=lambda rule: rule.name)
def test_a_rule_that_nobody_configured_says_so_where_that_is_asked_for(rule: Rule) -> None:
    cases = CASES[rule.name]
    stack = cases.stack(cases.fails[0][0])
    given = rule.settings(**cases.settings)
    optional, demanded = rule.settings(), rule.settings.model_validate({"required": True})

    assert [s.configured for s in (optional, given) if isinstance(s, Demanded)] == [False, True]
    assert list(judge(rule, optional, stack)) == []
    [found] = judge(rule, demanded, stack)
    assert found.message.kind is Kind.NOT_EVALUATED
    assert found.message.text.endswith("is not configured")
    assert found.message.remediation.startswith("configure the rule in openrelay-policy.json")
    assert list(judge(rule, demanded, cases.stack([]))) == []


def test_of_several_exemptions_the_one_that_lasts_longest_holds() -> None:
    rule = next(rule for rule in RULES if rule.name == "machine-rate")
    resources, _ = CASES[rule.name].fails[0]
    days = ["2026-11-23", "2026-12-24", "2026-11-25"]
    [found] = said(rule, resources, *(exemption(rule, "it", day) for day in days))
    assert found.message.kind is Kind.USED_EXEMPTION
    assert "exempt until 2026-12-24" in found.message.text


def test_what_other_stacks_burn_counts_for_how_long_the_balance_lasts() -> None:
    rule = next(rule for rule in RULES if rule.name == "balance-runway")
    shared = Told(Balance(1_000, burn_cents_per_hour=500))
    cases = replace(CASES[rule.name], account=shared)
    [found] = held(rule, cases.stack(one(VM, rate_cents_per_hour=1)), cases)
    assert "the balance lasts 2 hours at $5.00 an hour" in found.message.text


def test_in_regulated_each_of_them_is_asked_for() -> None:
    regulated = Configuration(profile="regulated")
    assert all(regulated.settings(rule).model_dump()["required"] for rule in NEEDING)


def test_names_are_unique() -> None:
    names = [rule.name for rule in RULES]
    assert len(set(names)) == len(names)
