"""Rules as plain values: what they are called, how grave and how strict they are, and a check."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from .message import Kind, Severity
from .reading import NotConfigured, NotEvaluated, Resource, Stack


class Level(StrEnum):
    """What a violation does to an update."""

    MANDATORY = "mandatory"
    """It stops preview and update."""
    ADVISORY = "advisory"
    """It is told."""
    DISABLED = "disabled"
    """The rule is not looked at."""


class Settings(BaseModel):
    """What can be configured of every rule; a rule's own settings are a subclass."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    stacks: tuple[str, ...] = Field(
        default=("*",), description="Names or patterns of the stacks that the rule is for."
    )

    def holds_for(self, stack: str) -> bool:
        """Whether the rule is for the stack of this name."""
        return any(fnmatchcase(stack, pattern) for pattern in self.stacks)


class Demanded(Settings):
    """The settings of a rule that judges by what somebody must configure first.

    Until then its check raises NotConfigured, which is told where `required` says so.
    """

    required: bool = Field(
        default=False,
        description="Whether the rule is reported as not evaluated until it is configured.",
    )

    @property
    def configured(self) -> bool:
        own = type(self).model_fields.keys() - Demanded.model_fields.keys()
        return any(getattr(self, name) is not None for name in own)


@dataclass(frozen=True, slots=True)
class Framework:
    """Where a rule comes from, for those who have to show that they follow it."""

    name: str
    version: str
    reference: str
    specification: str


def nist(reference: str, title: str) -> Framework:
    """A control of NIST SP 800-53."""
    return Framework("NIST SP 800-53", "Rev. 5", reference, title)


def finops(reference: str, title: str) -> Framework:
    """A capability of the FinOps Framework."""
    return Framework("FinOps Framework", "2025", reference, title)


@dataclass(frozen=True, slots=True)
class Problem:
    """What a rule found. text: says which property, and never shows the text that it holds, which
    may be a secret. resource: None where the stack as a whole is meant. fix: what to do about it,
    where that is not the rule's own remediation."""

    text: str
    resource: Resource | None = None
    kind: Kind = Kind.VIOLATION
    fix: str = ""

    @classmethod
    def unknown(cls, why: NotEvaluated, resource: Resource | None = None) -> Problem:
        fix = (
            "configure the rule in openrelay-policy.json, or disable it there"
            if isinstance(why, NotConfigured)
            else "make it known before the update, or exempt it with a reason"
        )
        return cls(f"not evaluated: {why}", resource, Kind.NOT_EVALUATED, fix)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What all rules have. level: holds where neither the profile nor the configuration gives
    another. remediation: what to do about a violation. settings: its configuration schema."""

    name: str
    description: str
    severity: Severity
    framework: Framework
    remediation: str
    level: Level = Level.MANDATORY
    settings: type[Settings] = Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceRule(Rule):
    """A rule about each resource of some types by itself; it stops one before it is made.

    check: gives a text for each violation, and may raise NotEvaluated.
    """

    types: Sequence[str]
    check: Callable[[Resource, Any], Iterable[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class StackRule(Rule):
    """A rule about the stack's resources together, looked at once all of them are declared.

    check: gives a problem for each violation, and may raise NotEvaluated.
    """

    check: Callable[[Stack, Any], Iterable[Problem]]
