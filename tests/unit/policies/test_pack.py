"""The rules as policies of the engine, and the folder that runs them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pulumi_policy
import pytest
from click.testing import CliRunner
from pulumi_policy.proxy import UNKNOWN_STRING_VALUE, unknown_checking_proxy

from pulumi_openrelay.cli import main
from pulumi_openrelay.lifecycle.service import DYNAMIC
from pulumi_openrelay.policies import RULES, Configuration, Exemption, Level
from pulumi_openrelay.policies.configuration import FILE, WrongConfiguration
from pulumi_openrelay.policies.message import USED_EXEMPTIONS, Kind, Message, parse
from pulumi_openrelay.policies.of_reviews import OF_REVIEWS
from pulumi_openrelay.policies.pulumi_pack import fence, policies
from pulumi_openrelay.policies.reading import VM

URN = f"urn:pulumi:prod::shop::{DYNAMIC}{VM}::trainer"


def options() -> pulumi_policy.PolicyResourceOptions:
    timeouts = pulumi_policy.PolicyCustomTimeouts(0, 0, 0)
    return pulumi_policy.PolicyResourceOptions(False, [], None, [], timeouts, [])


def said(
    policy: pulumi_policy.Policy, properties: dict[str, Any], config: dict[str, Any] | None = None
) -> list[tuple[Message | None, str | None]]:
    """What a policy reports of a VM with these properties, as the engine hands them over."""
    found: list[tuple[Message | None, str | None]] = []
    proxied = unknown_checking_proxy(properties)

    def report(text: str, urn: str | None = None) -> None:
        found.append((parse(text), urn))

    if isinstance(policy, pulumi_policy.ResourceValidationPolicy):
        args = pulumi_policy.ResourceValidationArgs(
            DYNAMIC + VM, proxied, URN, "trainer", options(), None, config
        )
        policy.validate(args, report)
    elif isinstance(policy, pulumi_policy.StackValidationPolicy):
        resource = pulumi_policy.PolicyResource(
            DYNAMIC + VM, proxied, URN, "trainer", options(), None, None, [], {}
        )
        policy.validate(pulumi_policy.StackValidationArgs([resource], config), report)
    return found


def by_name(configuration: Configuration | None = None) -> dict[str, pulumi_policy.Policy]:
    return {policy.name: policy for policy in policies(configuration)}


def exempt(rule: str) -> Configuration:
    terms = {"resource": "train*", "reason": "a demo", "owner": "ada", "expires": "2999-01-01"}
    return Configuration(exemptions=(Exemption.model_validate({"rule": rule, **terms}),))


def test_every_rule_is_a_policy_with_its_level_and_metadata() -> None:
    made = by_name(Configuration(profile="regulated"))

    assert list(made) == [*(rule.name for rule in RULES), USED_EXEMPTIONS]
    for rule in RULES:
        policy = made[rule.name]
        assert policy.severity is not None
        assert policy.severity.value == rule.severity
        assert policy.enforcement_level is not None
        assert policy.enforcement_level.value in set(Level)
        assert policy.framework is not None
        assert policy.framework.reference == rule.framework.reference
        assert policy.remediation_steps == rule.remediation
        assert policy.config_schema is not None
    assert made["public-endpoint"].enforcement_level is pulumi_policy.EnforcementLevel.MANDATORY
    shared = made["shared-ssh-key"].config_schema
    assert shared is not None
    assert shared.properties["max_machines"]["default"] == 1


def test_an_unknown_value_is_reported_by_the_policy_itself() -> None:
    """The SDK would turn a mandatory policy into a note that stops nothing."""
    made = by_name()

    [(message, _)] = said(made["image-latest"], {"image_url": UNKNOWN_STRING_VALUE})
    assert message is not None
    assert message.kind is Kind.NOT_EVALUATED
    assert message.text == "not evaluated: image_url is unknown until the update runs"
    [(message, _)] = said(made["spot"], {"tier": UNKNOWN_STRING_VALUE})
    assert message is not None
    assert message.kind is Kind.NOT_EVALUATED
    [(message, urn)] = said(made["stack-rate"], {"rate_cents_per_hour": UNKNOWN_STRING_VALUE})
    assert message is not None
    assert message.kind is Kind.NOT_EVALUATED
    assert urn is None


def test_the_engines_configuration_wins() -> None:
    made = by_name(Configuration(rules={"machine-rate": {"max_cents_per_hour": 5}}))
    machine = {"rate_cents_per_hour": 50.0}

    assert len(said(made["machine-rate"], machine)) == 1
    assert said(made["machine-rate"], machine, {"max_cents_per_hour": 60.0}) == []
    [(message, _)] = said(made["machine-rate"], machine, {"max": 60.0})
    assert message is not None
    assert message.kind is Kind.NOT_EVALUATED
    assert (
        "its configuration is wrong: there is no key 'max'; there are max_cents_per_hour, stacks"
        in message.text
    )


def test_a_used_exemption_is_told_by_a_policy_that_stops_nothing() -> None:
    made = by_name(exempt("public-machine"))
    public = {"public": True}

    assert said(made["public-machine"], public) == []
    assert made[USED_EXEMPTIONS].enforcement_level is pulumi_policy.EnforcementLevel.ADVISORY
    [(message, urn)] = said(made[USED_EXEMPTIONS], public)
    assert message is not None
    assert (message.kind, message.rule, urn) == (Kind.USED_EXEMPTION, "public-machine", URN)
    assert said(made[USED_EXEMPTIONS], {"public": False}) == []


def test_resources_of_others_are_none_of_ours() -> None:
    args = pulumi_policy.ResourceValidationArgs(
        "aws:ec2:Instance", unknown_checking_proxy({"public": True}), URN, "x", options(), None
    )
    reported: list[str] = []
    for policy in policies(Configuration(profile="regulated")):
        if isinstance(policy, pulumi_policy.ResourceValidationPolicy):
            policy.validate(args, lambda text, _urn: reported.append(text))
    assert reported == []


def test_what_no_review_saw_is_stopped_and_all_else_may_be_declared() -> None:
    assert said(fence([URN]), {}) == []
    [(_, urn)] = said(fence([URN + "-2"]), {})
    assert urn == URN
    assert fence([]).enforcement_level is pulumi_policy.EnforcementLevel.MANDATORY
    reported: list[str] = []
    for kind in ("pulumi:pulumi:Stack", "pulumi:providers:aws", "aws:ec2:Instance"):
        args = pulumi_policy.ResourceValidationArgs(
            kind, unknown_checking_proxy({}), f"urn::{kind}", kind, options(), None
        )
        policy = fence([URN])
        assert isinstance(policy, pulumi_policy.ResourceValidationPolicy)
        policy.validate(args, lambda text, _urn: reported.append(text))
    [text] = reported
    assert text.startswith("aws:ec2:Instance is declared in no review, but only while the update")


def test_a_wrong_configuration_makes_no_policies() -> None:
    with pytest.raises(WrongConfiguration):
        policies(Configuration(profile="prod"))


def test_neither_the_package_nor_the_rules_need_pulumi_policy() -> None:
    code = (
        "import sys; sys.modules['pulumi_policy'] = None; import pulumi_openrelay;"
        "from pulumi_openrelay.policies import RULES; assert RULES"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Run `pulumi-openrelay policy` in an empty folder: its output, or its error."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def run(*arguments: str, code: int = 0) -> str:
        done = CliRunner().invoke(main, ["policy", *arguments])
        assert done.exit_code == code, done.output
        return (done.stderr if code else done.stdout).strip()

    return run


def test_the_printed_folder_names_this_environment_and_its_configuration(
    command: Callable[..., str], tmp_path: Path
) -> None:
    plain = Path(command("path"))
    assert sys.prefix in (plain / "PulumiPolicy.yaml").read_text()
    assert command("path") == str(plain)

    (tmp_path / FILE).write_text('{"profile": "regulated"}')
    regulated = Path(command("path"))
    assert regulated != plain
    assert Configuration.model_validate_json(
        (regulated / "policy.json").read_text()
    ) == Configuration(profile="regulated")
    assert (plain / "policy.json").read_text() == "{}"


def test_a_wrong_configuration_is_one_sentence(command: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / FILE).write_text('{"rules": {"gpu-count": {"max_gpus": -1}}}')

    for arguments in (["path"], ["list"]):
        assert command(*arguments, code=1).startswith("Error: gpu-count: max_gpus: ")
    assert "no profile 'odd'" in command("path", "--profile", "odd", code=1)


def test_where_there_is_no_pack_no_command_runs_without_policies_for_it(
    command: Callable[..., str], tmp_path: Path
) -> None:
    """`--policy-pack=$(pulumi-openrelay policy path)`: Pulumi takes an empty one for none."""
    (tmp_path / FILE).write_text("{")
    assert command("path", code=1)
    printed = CliRunner().invoke(main, ["policy", "path"]).stdout.strip()
    assert printed
    assert not Path(printed).exists()


def test_a_folder_that_cannot_be_written_is_one_sentence(
    command: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))

    assert command("path", code=1).startswith("Error: the policy pack cannot be written: ")


def test_the_list_has_every_rule_with_level_severity_and_description(
    command: Callable[..., str],
) -> None:
    lines = command("list", "--profile", "development").splitlines()

    assert lines[0] == "profile: development"
    configuration = Configuration(profile="development")
    for rule, line in zip(RULES, lines[1 : len(RULES) + 1], strict=True):
        words = [rule.name, configuration.level(rule), rule.severity]
        *columns, description = line.split(maxsplit=3)
        assert columns == words
        assert description.startswith(rule.description)


def test_the_list_says_what_nobody_has_configured(
    command: Callable[..., str], tmp_path: Path
) -> None:
    def told(profile: str) -> dict[str, str]:
        lines = command("list", "--profile", profile).splitlines()
        return {line.split()[0]: line.partition("Not configured: ")[2] for line in lines[1:]}

    needing = {
        "monthly-budget",
        "gpu-kinds",
        "image-registry",
        "allowed-locations",
        "relay-models",
    }
    assert {name for name, note in told("production").items() if note} == needing
    assert told("production")["gpu-kinds"] == "passes all."
    assert told("regulated")["gpu-kinds"] == "not evaluated."
    (tmp_path / FILE).write_text('{"rules": {"gpu-kinds": {"allowed": ["H100"]}}}')
    assert told("regulated")["gpu-kinds"] == ""


def test_the_list_has_what_only_reviews_judge(command: Callable[..., str]) -> None:
    lines = command("list", "--profile", "development").splitlines()
    own = lines[lines.index("of reviews alone:") + 1 :]
    assert [line.split()[:3] for line in own[:1]] == [["data-loss", "warn", "critical"]]
    assert [line.split()[0] for line in own] == list(OF_REVIEWS)


def test_the_schema_is_printed(command: Callable[..., str]) -> None:
    assert json.loads(command("schema"))["title"] == FILE


def test_a_file_may_name_its_schema(command: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / FILE).write_text('{"$schema": "./x.json", "profile": "regulated"}')
    written = (Path(command("path")) / "policy.json").read_text()
    assert json.loads(written) == {"profile": "regulated"}
