"""Exemptions: a rule that is not held against a resource, why, who agreed, and until when."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from fnmatch import fnmatchcase
from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints

Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]

EXPIRED = "exemption expired on"
"""How the text of one begins that has expired."""


class Exemption(BaseModel):
    """One exemption. resource: its name in the program, or a pattern such as `demo-*` or `w-?`,
    where a bracket is nothing but a bracket: names such as `gpu[0]` have it; what holds against the
    stack as a whole is exempt by the stack's name. expires: the last day it holds, by UTC."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rule: Words
    resource: Words
    reason: Words
    owner: Words
    expires: date

    def covers(self, rule: str, resource: str) -> bool:
        return self.rule == rule and fnmatchcase(resource, self.resource.replace("[", "[[]"))

    def describe(self, text: str, *, expired: bool) -> str:
        """What is exempt, and on what terms."""
        until = EXPIRED if expired else "exempt until"
        return f"{until} {self.expires} (owner {self.owner}; {self.reason}): {text}"


def find(exemptions: Iterable[Exemption], rule: str, resource: str) -> Exemption | None:
    """The exemption that holds longest, the expired ones included."""
    found = [each for each in exemptions if each.covers(rule, resource)]
    return max(found, key=lambda each: each.expires, default=None)
