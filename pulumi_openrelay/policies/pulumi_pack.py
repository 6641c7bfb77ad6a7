"""Rules as policies of Pulumi's engine: the only module that needs `pulumi-policy`.

Rules about one resource stop it before it is made; rules about the stack are looked at once all of
its resources are declared: before anything is made in a preview, at the end of an update.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

import pulumi_policy
from pulumi_policy.proxy import UnknownValueError
from pydantic import ValidationError

from ..lifecycle.service import DYNAMIC
from . import RULES, fingerprint
from .account import OpenRelayAccount
from .configuration import Configuration, first_fault
from .judge import Finding, judge
from .message import UNREVIEWED, USED_EXEMPTIONS, Kind, Message
from .message import format as write
from .reading import UNKNOWN, Resource, Stack, stack_of
from .rule import Level, ResourceRule, Rule, Settings

Report = Callable[[str, str | None], None]

_UNREVIEWED = (
    "is declared in no review, but only while the update runs; it was not touched, and what was "
    "begun before it is recorded; review again, and apply that"
)


def policies(
    configuration: Configuration | None = None, rules: Iterable[Rule] = RULES
) -> list[pulumi_policy.Policy]:
    """The rules as policies for `PolicyPack(name, policies(...))`.

    configuration: None means the profile `production` as it is. Raises WrongConfiguration.
    """
    configured, all_rules = configuration or Configuration(), list(rules)
    configured.check(all_rules)
    exempt = {each.rule for each in configured.exemptions}
    found = [_policy(rule, configured) for rule in all_rules]
    watched = [rule for rule in all_rules if rule.name in exempt]
    return [*found, _used_exemptions(watched, configured)]


def _policy(rule: Rule, configured: Configuration) -> pulumi_policy.Policy:
    about: dict[str, Any] = {
        "name": rule.name,
        "description": rule.description,
        "enforcement_level": pulumi_policy.EnforcementLevel(configured.level(rule)),
        "severity": pulumi_policy.Severity(rule.severity),
        "framework": pulumi_policy.PolicyComplianceFramework(
            rule.framework.name,
            rule.framework.version,
            rule.framework.reference,
            rule.framework.specification,
        ),
        "remediation_steps": rule.remediation,
        "config_schema": _schema(rule.settings, configured.settings(rule)),
    }

    def validate_resource(args: pulumi_policy.ResourceValidationArgs, report: Report) -> None:
        if not isinstance(rule, ResourceRule) or _type(args.resource_type) not in rule.types:
            return
        resource = Resource(
            _type(args.resource_type),
            args.name,
            args.urn,
            _plain(args.props),
            account=OpenRelayAccount(),
        )
        stack = Stack(stack_of(args.urn), (resource,))
        _report(_said(rule, configured, args.get_config(), stack), report)

    def validate_stack(args: pulumi_policy.StackValidationArgs, report: Report) -> None:
        _report(_said(rule, configured, args.get_config(), _stack(args.resources)), report)

    if isinstance(rule, ResourceRule):
        return pulumi_policy.ResourceValidationPolicy(validate=validate_resource, **about)
    return pulumi_policy.StackValidationPolicy(validate=validate_stack, **about)


def fingerprints(key: str) -> pulumi_policy.Policy:
    """The policy that reports a fingerprint of every input, for a review. It stops nothing."""

    def validate(args: pulumi_policy.ResourceValidationArgs, report: Report) -> None:
        found = fingerprint.of(key, args.urn, _plain(args.props))
        report(fingerprint.write(found), args.urn)

    return pulumi_policy.ResourceValidationPolicy(
        fingerprint.POLICY,
        "Fingerprints of inputs, for a review.",
        validate,
        pulumi_policy.EnforcementLevel.ADVISORY,
        severity=pulumi_policy.Severity.LOW,
    )


def fence(reviewed: Collection[str]) -> pulumi_policy.Policy:
    """The policy that stops an update at a resource that no review saw, before it is touched. The
    engine asks no policy about what is only looked up.

    reviewed: the URNs of what the reviewed program declares; the stack itself and providers, which
    no review tells of, may be declared too.
    """
    seen = frozenset(reviewed)

    def validate(args: pulumi_policy.ResourceValidationArgs, report: Report) -> None:
        if args.urn not in seen and not args.resource_type.startswith("pulumi:"):
            report(f"{args.name} {_UNREVIEWED}", args.urn)

    return pulumi_policy.ResourceValidationPolicy(
        UNREVIEWED,
        "Nothing is made that no review saw.",
        validate,
        pulumi_policy.EnforcementLevel.MANDATORY,
        severity=pulumi_policy.Severity.CRITICAL,
    )


def _used_exemptions(rules: Sequence[Rule], configured: Configuration) -> pulumi_policy.Policy:
    def validate(args: pulumi_policy.StackValidationArgs, report: Report) -> None:
        stack = _stack(args.resources)
        for rule in rules:
            if configured.level(rule) is not Level.DISABLED:
                for each in _said(rule, configured, {}, stack):
                    if each.message.kind is Kind.USED_EXEMPTION:
                        report(write(each.message), each.resource.urn if each.resource else None)

    return pulumi_policy.StackValidationPolicy(
        USED_EXEMPTIONS,
        "Exemptions in use, so that they are not forgotten.",
        validate,
        pulumi_policy.EnforcementLevel.ADVISORY,
        severity=pulumi_policy.Severity.LOW,
    )


def _said(
    rule: Rule, configured: Configuration, given: Mapping[str, Any], stack: Stack
) -> list[Finding]:
    """given: the engine's own configuration of the policy (`--policy-pack-config`)."""
    try:
        settings = configured.settings(rule, given)
    except ValidationError as error:
        fault = first_fault(error, rule.settings.model_fields)
        why = f"not evaluated: its configuration is wrong: {fault}"
        return [Finding(Message(Kind.NOT_EVALUATED, rule.severity, why), None)]
    return list(judge(rule, settings, stack, configured.exemptions))


def _report(findings: Iterable[Finding], report: Report) -> None:
    for each in findings:
        if each.message.kind is not Kind.USED_EXEMPTION:
            report(write(each.message), each.resource.urn if each.resource else None)


def _stack(resources: Sequence[pulumi_policy.PolicyResource]) -> Stack:
    name = stack_of(resources[0].urn) if resources else ""
    return Stack(name, [_resource(each) for each in resources], OpenRelayAccount())


def _resource(resource: pulumi_policy.PolicyResource) -> Resource:
    dependencies = {
        name: [each.urn for each in of] for name, of in resource.property_dependencies.items()
    }
    kind = _type(resource.resource_type)
    properties, account = _plain(resource.props), OpenRelayAccount()
    return Resource(kind, resource.name, resource.urn, properties, dependencies, account)


def _type(token: str) -> str:
    return token.removeprefix(DYNAMIC)


def _plain(value: Any) -> Any:
    """The engine's view of properties as plain values, which raises nothing when it is read."""
    if isinstance(value, Mapping):
        return {key: _item(value, key) for key in value}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_item(value, index) for index in range(len(value))]
    return value


def _item(container: Any, key: Any) -> Any:
    try:
        return _plain(container[key])
    except UnknownValueError:
        return UNKNOWN


def _schema(shape: type[Settings], configured: Settings) -> pulumi_policy.PolicyConfigSchema:
    """The settings as the engine's schema, with what is configured for the defaults."""
    schema = shape.model_json_schema()
    values = configured.model_dump(mode="json")
    properties = {}
    for name, field in schema["properties"].items():
        properties[name] = {key: field[key] for key in field if key not in ("title", "default")}
        if values[name] is not None:
            properties[name]["default"] = values[name]
    return pulumi_policy.PolicyConfigSchema(properties)
