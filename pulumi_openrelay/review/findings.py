"""What a review finds: reasons with an effect on the verdict, and what it could not evaluate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from ..policies.message import Severity


class Effect(StrEnum):
    """What a finding does to the verdict."""

    BLOCK = "block"
    WARN = "warn"
    NOTE = "note"
    """Nothing: it is told."""


class Verdict(StrEnum):
    """What a review says in one word."""

    PASS = "pass"  # noqa: S105
    WARN = "warn"
    BLOCK = "block"


@dataclass(frozen=True, slots=True)
class Reason:
    """Something to be said against a plan.

    resource: its name in the program, empty where the stack as a whole is meant. fix: what to do
    about it, empty where that is not known. unknown: it counts because it could not be evaluated.
    own: of the review itself, and not of a policy pack. first: of its rule's, it is told first.
    leftover: it is about one that an earlier update was to delete.
    """

    rule: str
    effect: Effect
    severity: Severity
    resource: str
    message: str
    fix: str = ""
    urn: str = ""
    unknown: bool = False
    own: bool = True
    first: bool = False
    leftover: bool = False

    @property
    def order(self) -> tuple[int, bool, int, str, bool, str, str]:
        """What matters most comes first; the same findings always come in the same order."""
        return (
            list(Effect).index(self.effect),
            self.unknown,
            list(Severity).index(self.severity),
            self.rule,
            not self.first,
            self.resource,
            self.message,
        )


@dataclass(frozen=True, slots=True, order=True)
class NotEvaluated:
    """Something that could not be looked at: neither good nor bad."""

    rule: str
    resource: str
    message: str


@dataclass(frozen=True, slots=True, order=True)
class Exemption:
    """A rule that was not held against a resource, and why."""

    rule: str
    resource: str
    message: str


def verdict(reasons: Sequence[Reason]) -> Verdict:
    """What the reasons come to together."""
    effects = {reason.effect for reason in reasons}
    if Effect.BLOCK in effects:
        return Verdict.BLOCK
    return Verdict.WARN if Effect.WARN in effects else Verdict.PASS
