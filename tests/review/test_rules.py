"""Policies in a review: what a change brings counts, what was so before is told."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pulumi.automation.events import EngineEvent

from pulumi_openrelay.cli.review import exit_code
from pulumi_openrelay.policies import Configuration, Exemption, judge
from pulumi_openrelay.policies.cost import GPU_COUNT
from pulumi_openrelay.policies.message import Kind, Message, Severity
from pulumi_openrelay.policies.message import format as text_of
from pulumi_openrelay.policies.reading import Chips, NoAccount, Resource, Stack
from pulumi_openrelay.review import markdown, risk, rules, violations
from pulumi_openrelay.review.findings import Effect
from pulumi_openrelay.review.market import Market
from pulumi_openrelay.review.preview import NotJudged, Told, sentence
from pulumi_openrelay.review.run import policy_changed, redactor

from . import told
from .told import MARKET, SECRET, UNKNOWN, vm

TEXT = "deletion_protection is not on: a change of the program can end it and its disk"


def said(
    level: str, severity: Severity, *, before: bool = False, kind: Kind = Kind.VIOLATION
) -> violations.Said:
    event = told.policy(text_of(Message(kind, severity, TEXT)), "trainer", level, "a-rule")
    already = {("a-rule", told.urn("trainer"), TEXT)} if before else set()
    return violations.read([event], lambda text: text, already)


@pytest.mark.parametrize(
    ("level", "severity", "new", "old"),
    [
        ("mandatory", Severity.LOW, Effect.BLOCK, Effect.BLOCK),
        ("advisory", Severity.HIGH, Effect.WARN, Effect.NOTE),
        ("advisory", Severity.LOW, Effect.NOTE, Effect.NOTE),
    ],
)
def test_advice_counts_where_the_change_brings_it(
    level: str, severity: Severity, new: Effect, old: Effect
) -> None:
    assert [r.effect for r in said(level, severity).reasons] == [new]
    assert [r.effect for r in said(level, severity, before=True).reasons] == [old]


def test_what_a_mandatory_rule_cannot_evaluate_blocks_and_is_listed() -> None:
    found = said("mandatory", Severity.HIGH, kind=Kind.NOT_EVALUATED)
    assert [(r.effect, r.unknown) for r in found.reasons] == [(Effect.BLOCK, True)]
    assert len(found.not_evaluated) == 1


def test_what_an_advisory_rule_cannot_evaluate_counts_as_advice_does() -> None:
    def effects(severity: Severity, *, before: bool = False) -> list[Effect]:
        found = said("advisory", severity, before=before, kind=Kind.NOT_EVALUATED)
        assert len(found.not_evaluated) == 1
        return [reason.effect for reason in found.reasons]

    assert effects(Severity.HIGH) == [Effect.WARN]
    assert effects(Severity.LOW) == [Effect.NOTE]
    assert effects(Severity.HIGH, before=True) == [Effect.NOTE]


def test_an_exemption_that_has_expired_was_never_so_before() -> None:
    for severity in (Severity.HIGH, Severity.LOW):
        found = said("advisory", severity, before=True, kind=Kind.EXPIRED_EXEMPTION)
        assert [r.effect for r in found.reasons] == [Effect.WARN]


@pytest.mark.parametrize(
    ("rule", "pack"), [("acme-no-foo", "acme"), ("public-machine", "openrelay")]
)
def test_no_text_makes_a_violation_a_used_exemption(rule: str, pack: str) -> None:
    text = "What it asks for.\nbad: echo [severity=low kind=used-exemption rule=drift]"
    found = violations.read([told.policy(text, "a", "mandatory", rule, pack)], lambda text: text)
    assert [(r.rule, r.effect, r.severity) for r in found.reasons] == [
        (rule, Effect.BLOCK, Severity.MEDIUM)
    ]
    assert found.exemptions == []


def test_our_rules_are_read_in_a_pack_of_ones_own_too() -> None:
    text = text_of(Message(Kind.VIOLATION, Severity.CRITICAL, TEXT, "set it"))
    event = told.policy(text, "a", "mandatory", "deletion-protection", "acme")
    (reason,) = violations.read([event], lambda text: text).reasons
    assert (reason.severity, reason.message, reason.fix) == (Severity.CRITICAL, TEXT, "set it")


def test_a_policy_of_another_pack_is_read_without_its_description() -> None:
    event = told.policy("What it asks for.\nAnd this is wrong.\n", "trainer", "advisory")
    (reason,) = violations.read([event], lambda text: text).reasons
    assert (reason.message, reason.effect) == ("And this is wrong.", Effect.WARN)


def test_a_policy_that_met_an_unknown_is_not_evaluated() -> None:
    engine = (
        "can't run policy 'x' from policy pack 'y@v1' during preview: string value at .a can't be "
        "known during preview\n"
    )
    found = violations.read([told.policy(engine, "trainer", "advisory")], lambda text: text)
    assert [(r.effect, r.unknown) for r in found.reasons] == [(Effect.WARN, True)]
    assert found.not_evaluated[0].message.startswith("string value at .a")


def test_a_secret_of_the_configuration_is_taken_out_of_what_a_policy_says() -> None:
    event = told.policy("the password is hunter2", "trainer")
    found = violations.read([event], lambda text: text.replace("hunter2", "[secret]"))
    assert found.reasons[0].message == "the password is [secret]"


def test_the_environments_keys_are_taken_out_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENRELAY_API_KEY", "or_hunter2")
    monkeypatch.setenv("RELAY_API_KEY", "")
    redact = redactor({"shop:password": ("correct horse", True), "shop:size": ("small", False)})
    text = "refused: or_hunter2 and correct horse, for small"
    assert redact(text) == "refused: [secret] and [secret], for small"


@pytest.mark.parametrize(
    "name",
    [
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "GITHUB_TOKEN",
        "GITLAB_TOKEN",
        "GITEA_TOKEN",
        "PGPASSWORD",
        "PULUMI_ACCESS_TOKEN",
        "PULUMI_CONFIG_PASSPHRASE",
        "RELAY_CUSTOMER_TOKEN",
    ],
)
def test_whatever_the_environment_calls_a_secret_is_taken_out(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "marker-0123")
    assert redactor({})("refused: marker-0123.") == "refused: [secret]."


@pytest.mark.parametrize("password", ["hunter2", "hun/ter@2", "hunter2:"])
def test_the_password_in_a_url_is_taken_out(password: str) -> None:
    text = f"cannot open postgres://state:{password}@db.example:5432/state, at http://a.example:80/"
    assert redactor({})(text) == (
        "cannot open postgres://state:[secret]@db.example:5432/state, at http://a.example:80/"
    )


def test_a_program_that_python_cannot_read_is_told_with_file_and_line() -> None:
    text = (
        "Program failed with an unhandled exception:\nTraceback (most recent call last):\n"
        '  File "/srv/runner.py", line 9, in run\n    exec(code)\n'
        '  File "/srv/shop/__main__.py", line 3\n    Vm(\n      ^\n'
        "SyntaxError: '(' was never closed\n"
    )
    event = EngineEvent.from_json(
        {"diagnosticEvent": {"message": text, "severity": "error", "color": "never", "prefix": ""}}
    )
    assert sentence(Told([event])) == (
        "the program failed: __main__.py, line 3: SyntaxError: '(' was never closed"
    )


def test_what_the_rules_say_of_the_stack_as_it_is() -> None:
    plan = told.plan(
        told.updated("trainer", vm(env_vars=SECRET, ssh_key_ids=[UNKNOWN]), vm(public=True)),
        told.created("new", vm(public=True)),
    )
    before = rules.before(plan, "dev", Configuration(), MARKET)
    assert ("deletion-protection", told.urn("trainer"), TEXT) in before
    new = told.urn("new")
    assert not [each for each in before if each[0] == "public-machine" or each[1] == new]


@pytest.mark.parametrize("replaced", [False, True])
def test_what_was_so_before_of_one_that_is_renamed_with_an_alias_is_still_so(
    *, replaced: bool
) -> None:
    plan = told.plan(told.renamed("old", "trainer", vm(), vm(public=True), replaced=replaced))
    before = rules.before(plan, "dev", Configuration(), MARKET)
    text = text_of(Message(Kind.VIOLATION, Severity.HIGH, TEXT))
    event = told.policy(text, "trainer", "advisory", "deletion-protection")
    found = violations.read([event], lambda text: text, before)
    assert [r.effect for r in found.reasons] == [Effect.NOTE]


def test_advice_on_a_new_machine_counts_though_another_of_its_name_was_so_before() -> None:
    """Under another parent."""
    plan = told.plan(told.same("trainer", vm()))
    before = rules.before(plan, "dev", Configuration(), MARKET)
    text = text_of(Message(Kind.VIOLATION, Severity.HIGH, TEXT))
    event = told.policy(text, "trainer", "advisory", "deletion-protection")
    event.resource_urn = told.urn("trainer", "openrelay:Vm").replace(
        "::pulumi-", "::acme:Box$pulumi-"
    )
    found = violations.read([event], lambda text: text, before)
    assert [(r.effect, r.resource) for r in found.reasons] == [(Effect.WARN, "trainer")]


RENTED = {"prescription": "gpu.h100", "image": "u"}


def test_what_the_rules_ask_the_account_is_told_as_the_review_has_read_it() -> None:
    plan = told.plan(told.same("w", RENTED, "relay:Instance"))
    blind = Market(unreadable={"instances": "no API key is configured"})
    before = rules.before(plan, "dev", Configuration(), blind)
    why = "not evaluated: the catalog of instances is not known: no API key is configured"
    assert ("gpu-count", told.urn("w", "relay:Instance"), why) in before


def test_what_the_pack_says_of_an_instance_that_was_so_before_is_a_note() -> None:
    plan = told.plan(told.same("w", RENTED, "relay:Instance"))
    chips = {"gpu.h100": Chips("H100", 32)}
    before = rules.before(plan, "dev", Configuration(), Market(instance_chips=chips))

    class Account(NoAccount):
        def instance_chips(self) -> Mapping[str, Chips]:
            return chips

    rented = Resource("relay:Instance", "w", properties=RENTED, account=Account())
    [found] = judge(GPU_COUNT, GPU_COUNT.settings(), Stack("dev", [rented]))
    assert ("gpu-count", told.urn("w", "relay:Instance"), found.message.text) in before
    assert found.message.text == "has 32 GPUs, more than 16"


def exemption(**changes: Any) -> Exemption:
    given = {
        "rule": "data-loss",
        "resource": "train*",
        "reason": "moved",
        "owner": "ada@example.com",
        "expires": date(2099, 12, 31),
    }
    return Exemption(**{**given, **changes})


def test_an_exemption_of_a_reviews_own_rule_is_used_and_told() -> None:
    replaced = told.replaced("trainer", vm(), vm(gpu_count=2))
    found = told.review(replaced, exemptions=[exemption()])
    assert found.reasons == []
    assert [(e.rule, e.resource) for e in found.exemptions] == [("data-loss", "trainer")]
    assert "ada@example.com; moved" in found.exemptions[0].message


def test_drift_that_is_exempt_is_no_drift_for_a_pipeline() -> None:
    drifted = told.refreshed("trainer", vm(), vm(public=True))
    assert exit_code(told.review(drifted), drift=True) == 2
    assert exit_code(told.review(drifted), drift=False) == 0
    exempt = told.review(drifted, exemptions=[exemption(rule="drift")])
    assert exit_code(exempt, drift=True) == 0


def test_an_expired_or_another_exemption_exempts_nothing() -> None:
    replaced = told.replaced("trainer", vm(), vm(gpu_count=2))
    expired = told.review(replaced, exemptions=[exemption(expires=date(2020, 1, 1))])
    assert expired.reasons[0].message.startswith("exemption expired on 2020-01-01")
    assert markdown.render(expired).count("exemption expired on 2020-01-01") == 2
    other = told.review(replaced, exemptions=[exemption(resource="evaluator")])
    assert other.reasons[0].message.startswith("it is replaced")


@pytest.mark.parametrize("rule", [rule.name for rule in risk.RULES])
def test_every_rule_of_a_review_can_be_exempt_in_the_policies_own_file(
    rule: str, tmp_path: Path
) -> None:
    file = tmp_path / "openrelay-policy.json"
    file.write_text(Configuration(exemptions=(exemption(rule=rule),)).model_dump_json())
    assert rules.configured(tmp_path, None).exemptions[0].rule == rule


def test_a_configuration_that_is_wrong_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "openrelay-policy.json").write_text('{"profile": "prod"}')
    with pytest.raises(NotJudged, match=r"is wrong: there is no profile 'prod'; there are dev"):
        rules.configured(tmp_path, None)


@pytest.mark.parametrize("changed", [False, True])
def test_a_change_of_the_rules_own_configuration_is_seen_in_git(
    tmp_path: Path, *, changed: bool
) -> None:
    origin, clone = tmp_path / "origin", tmp_path / "clone"
    git(tmp_path, "init", "-q", "-b", "main", str(origin))
    (origin / "openrelay-policy.json").write_text("{}")
    git(origin, "add", ".")
    git(origin, "commit", "-q", "-m", "first")
    git(tmp_path, "clone", "-q", str(origin), str(clone))
    assert policy_changed(clone, {}) is False
    name = "openrelay-policy.json" if changed else "other"
    (clone / name).write_text('{"profile": "development"}')
    git(clone, "checkout", "-q", "-b", "mine")
    git(clone, "add", ".")
    git(clone, "commit", "-q", "-m", "second")
    assert policy_changed(clone, {}) is changed
    assert policy_changed(clone, {"GITHUB_BASE_REF": "main"}) is changed
    assert policy_changed(clone, {"GITHUB_BASE_REF": "gone"}) is None
    assert policy_changed(tmp_path, {}) is None


@pytest.mark.parametrize(
    ("alter", "altered"),
    [
        (lambda root: (root / "other").write_text("x"), False),
        (lambda root: (root / "strict" / "policy.json").write_text('{"rules": {}}'), True),
        (lambda root: _link(root / "current", "lax"), True),
        (lambda root: _link(root / "shop" / "openrelay-policy.json", "/etc/hostname"), True),
    ],
)
def test_a_change_of_what_a_link_to_the_rules_configuration_leads_to_is_seen(
    tmp_path: Path, alter: Callable[[Path], object], *, altered: bool
) -> None:
    origin, clone = tmp_path / "origin", tmp_path / "clone"
    git(tmp_path, "init", "-q", "-b", "main", str(origin))
    for name in ("strict", "lax", "shop"):
        (origin / name).mkdir()
        (origin / name / "policy.json").write_text(f'{{"profile": "{name}"}}')
    _link(origin / "current", "strict")
    _link(origin / "shop" / "openrelay-policy.json", "../current/policy.json")
    git(origin, "add", ".")
    git(origin, "commit", "-q", "-m", "first")
    git(tmp_path, "clone", "-q", str(origin), str(clone))
    alter(clone)
    git(clone, "add", ".")
    git(clone, "commit", "-q", "-m", "second")
    assert policy_changed(clone / "shop", {}) is altered


def test_a_link_that_leads_out_of_the_repository_is_not_known_to_be_as_it_was(
    tmp_path: Path,
) -> None:
    (tmp_path / "policy.json").write_text("{}")
    origin, clone = tmp_path / "origin", tmp_path / "clone"
    git(tmp_path, "init", "-q", "-b", "main", str(origin))
    _link(origin / "openrelay-policy.json", "../policy.json")
    git(origin, "add", ".")
    git(origin, "commit", "-q", "-m", "first")
    git(tmp_path, "clone", "-q", str(origin), str(clone))
    assert policy_changed(clone, {}) is None


def _link(at: Path, to: str) -> None:
    at.unlink(missing_ok=True)
    at.symlink_to(to)


def git(folder: Path, *words: str) -> None:
    who = ["-c", "user.name=ada", "-c", "user.email=ada@example.com"]
    subprocess.run(["git", *who, *words], cwd=folder, check=True)
