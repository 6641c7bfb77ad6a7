"""What the policy packs said, as findings.

| level     | severity     | new with this change | so before |
|-----------|--------------|----------------------|-----------|
| mandatory | any          | block                | block     |
| advisory  | medium, more | warn                 | note      |
| advisory  | low          | note                 | note      |

What a rule could not evaluate counts as what it found does, at the rule's level. An exemption that
has expired is never so before: it warns at least.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..policies import RULES
from ..policies.message import PACK, USED_EXEMPTIONS, Kind, Message, Severity, parse
from ..urn import name_of
from .findings import Effect, Exemption, NotEvaluated, Reason

if TYPE_CHECKING:
    from pulumi.automation.events import PolicyEvent

_OURS = frozenset({USED_EXEMPTIONS, *(rule.name for rule in RULES)})
# What the engine says, of any pack, where a policy met a value that it cannot know yet.
_NOT_RUN = re.compile(r"can't run policy .* during preview: (?P<why>.*)", re.DOTALL)


@dataclass(slots=True)
class Said:
    """Everything that the packs said of one preview."""

    reasons: list[Reason] = field(default_factory=list)
    exemptions: list[Exemption] = field(default_factory=list)
    not_evaluated: list[NotEvaluated] = field(default_factory=list)


def read(
    events: Iterable[PolicyEvent],
    redact: Callable[[str], str],
    before: Container[tuple[str, str, str]] = (),
) -> Said:
    """The policies' messages. redact: takes secrets out of a text. before: rule, URN and text of
    what was so already."""
    said = Said()
    for event in events:
        urn = event.resource_urn or ""
        if "::pulumi:pulumi:Stack::" in urn:
            urn = ""
        name, message = name_of(urn), _message(event, redact(event.message))
        rule = message.rule or event.policy_name
        if message.kind is Kind.USED_EXEMPTION:
            said.exemptions.append(Exemption(rule, name, message.text))
            continue
        mandatory = event.enforcement_level == "mandatory"
        if message.kind is Kind.NOT_EVALUATED:
            said.not_evaluated.append(NotEvaluated(rule, name, message.text))
        effect = _effect(message, mandatory=mandatory, old=(rule, urn, message.text) in before)
        said.reasons.append(
            Reason(
                rule,
                effect,
                message.severity,
                name,
                message.text,
                message.remediation,
                urn,
                unknown=message.kind is Kind.NOT_EVALUATED,
                own=False,
            )
        )
    return said


def _effect(message: Message, *, mandatory: bool, old: bool) -> Effect:
    if mandatory:
        return Effect.BLOCK
    if message.kind is Kind.EXPIRED_EXEMPTION:
        return Effect.WARN
    return Effect.NOTE if old or message.severity is Severity.LOW else Effect.WARN


def _message(event: PolicyEvent, text: str) -> Message:
    """The message, of another's pack too: those say neither severity nor remediation, and what
    looks so in their text may be anybody's."""
    if message := parse(text) if _is_ours(event) else None:
        # Whoever reports used exemptions stops nothing, so that no other policy may.
        used = message.kind is Kind.USED_EXEMPTION
        if used is (event.policy_name == USED_EXEMPTIONS):
            return message
    if found := _NOT_RUN.search(text):
        return Message(Kind.NOT_EVALUATED, Severity.MEDIUM, found["why"].strip())
    lines = text.strip().splitlines()
    # The engine puts the policy's description before what the policy said.
    return Message(Kind.VIOLATION, Severity.MEDIUM, " ".join(lines[1:] or lines))


def _is_ours(event: PolicyEvent) -> bool:
    """Whether a rule of ours says it, in the ready pack or composed in the user's own."""
    return event.policy_pack_name == PACK or event.policy_name in _OURS
