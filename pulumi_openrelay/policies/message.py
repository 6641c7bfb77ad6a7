"""What a rule says, as text for people that programs can read back.

The engine shows a policy's message below the rule's name and the resource, and hands it to programs
as an event that has both (`policy_name`, `resource_urn`). What such an event lacks stands in the
message itself:

    bills $40.00 an hour, more than $30.00 [severity=high kind=violation]
    Fix: take fewer or cheaper GPUs, or raise the rule's max_cents_per_hour

The first line ends with a mark; the second is left out where there is nothing to do. The engine
puts the rule's description before both, which `parse` skips.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Final

PACK: Final = "openrelay"
"""The ready pack's name."""
USED_EXEMPTIONS: Final = "used-exemptions"
"""The policy that reports them: advisory, since what it reports must stop nothing."""
UNREVIEWED: Final = "unreviewed"
"""The policy that stops what no review saw; it is there only in an update that is held to one."""


class Severity(StrEnum):
    """How grave it is in itself, whatever its level does to an update; the gravest first."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class Kind(StrEnum):
    """What a message means."""

    VIOLATION = "violation"
    NOT_EVALUATED = "not-evaluated"
    """A value that the rule needs is not known: neither good nor bad. The text begins with
    `not evaluated: `."""
    EXPIRED_EXEMPTION = "expired-exemption"
    """What an exemption covered until its day."""
    USED_EXEMPTION = "used-exemption"
    """A violation, or something not evaluated, that an exemption covers. Always advisory."""


@dataclass(frozen=True, slots=True)
class Message:
    """One thing that a rule says. remediation: what to do about it, empty where there is nothing
    to do. rule: the rule that is meant where another reports it, as it is with used exemptions;
    else empty."""

    kind: Kind
    severity: Severity
    text: str
    remediation: str = ""
    rule: str = ""


_FIX = "Fix: "
_MARK = re.compile(
    r"^(?P<text>.*) \[severity=(?P<severity>[a-z]+) kind=(?P<kind>[a-z-]+)( rule=(?P<rule>\S+))?\]$"
)


def format(message: Message) -> str:  # noqa: A001
    """The message as people and `parse` read it."""
    mark = f"severity={message.severity} kind={message.kind}"
    if message.rule:
        mark += f" rule={message.rule}"
    line = f"{_one_line(message.text)} [{mark}]"
    return f"{line}\n{_FIX}{_one_line(message.remediation)}" if message.remediation else line


def parse(text: str) -> Message | None:
    """The message in the text of a policy event; None for one that no rule of ours wrote."""
    lines = [line.strip() for line in text.strip().splitlines()]
    for line, after in pairwise([*lines, ""]):
        found = _MARK.match(line)
        if found and found["severity"] in set(Severity) and found["kind"] in set(Kind):
            return Message(
                Kind(found["kind"]),
                Severity(found["severity"]),
                found["text"],
                after.removeprefix(_FIX) if after.startswith(_FIX) else "",
                found["rule"] or "",
            )
    return None


def _one_line(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()
