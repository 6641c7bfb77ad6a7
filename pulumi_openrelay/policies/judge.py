"""A rule held against a stack: what it says, with exemptions taken into account."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime

from .exemptions import Exemption, find
from .message import Kind, Message
from .reading import NotConfigured, NotEvaluated, Resource, Stack
from .rule import Demanded, Problem, ResourceRule, Rule, Settings, StackRule


@dataclass(frozen=True, slots=True)
class Finding:
    """What a rule says. resource: None where the stack as a whole is meant."""

    message: Message
    resource: Resource | None


def today() -> date:
    return datetime.now(UTC).date()


def judge(
    rule: Rule,
    settings: Settings,
    stack: Stack,
    exemptions: Sequence[Exemption] = (),
    day: date | None = None,
) -> Iterator[Finding]:
    """Everything that a rule says of a stack. day: None means today.

    A used exemption is among the findings; whoever reports must see to it that it stops nothing.
    """
    if not settings.holds_for(stack.name):
        return
    for problem in _problems(rule, settings, stack):
        name = problem.resource.name if problem.resource else stack.name
        fix = problem.fix or rule.remediation
        message = Message(problem.kind, rule.severity, problem.text, fix)
        exemption = find(exemptions, rule.name, name)
        if exemption is not None:
            message = _exempt(message, exemption, day or today(), rule)
        yield Finding(message, problem.resource)


def _problems(rule: Rule, settings: Settings, stack: Stack) -> Iterator[Problem]:
    if isinstance(rule, ResourceRule):
        for resource in stack.of_type(*rule.types):
            found = (Problem(text, resource) for text in rule.check(resource, settings))
            yield from _until_unknown(found, settings, resource)
    elif isinstance(rule, StackRule):
        yield from _until_unknown(rule.check(stack, settings), settings)


def _until_unknown(
    problems: Iterable[Problem], settings: Settings, resource: Resource | None = None
) -> Iterator[Problem]:
    try:
        yield from problems
    except NotConfigured as why:
        if isinstance(settings, Demanded) and settings.required:
            yield Problem.unknown(why, resource)
    except NotEvaluated as why:
        yield Problem.unknown(why, resource)


def _exempt(message: Message, exemption: Exemption, day: date, rule: Rule) -> Message:
    expired = day > exemption.expires
    text = exemption.describe(message.text, expired=expired)
    if expired:
        fix = f"{message.remediation}; or have the exemption of {rule.name} renewed"
        return replace(message, kind=Kind.EXPIRED_EXEMPTION, text=text, remediation=fix)
    return Message(Kind.USED_EXEMPTION, message.severity, text, rule=rule.name)
