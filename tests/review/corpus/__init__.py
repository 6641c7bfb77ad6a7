"""Pull requests with the verdict that a reviewer who knows would give.

Each is a base program and the few lines that it changes, so that it reads as a diff; the base is
really up. `python -m tests.review.corpus` reviews all of them on the real engine and prints a line
for each.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pulumi_openrelay.emulator import ServedWorld

Edit = tuple[str, str]
"""Lines of the base, and what stands there afterwards."""


@dataclass(frozen=True)
class PullRequest:
    """A change, the circumstances in which it is reviewed, and what a review must say of it.

    title: what it does, or what is wrong with it. base: a program of `bases`. edits: of its text;
    each must apply exactly once. added: lines at the end. policy: the project's
    openrelay-policy.json. config: of the stack, in clear. settings: of the emulated world. by_hand:
    what somebody did behind Pulumi's back, which `undo` takes back. verdict: by the review; rule
    and resource: of its top reason.
    """

    title: str
    base: str
    edits: Sequence[Edit] = ()
    added: str = ""
    profile: str = "production"
    policy: Mapping[str, Any] = field(default_factory=dict)
    config: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    drift: bool = False
    by_hand: Callable[[ServedWorld], None] | None = None
    undo: Callable[[ServedWorld], None] | None = None
    verdict: str = "pass"
    rule: str = ""
    resource: str = ""

    def program(self, base: str) -> str:
        """The program after the change. base: its text before."""
        for old, new in self.edits:
            if base.count(old) != 1:
                raise ValueError(f"{self.title}: {old!r} is {base.count(old)} times in the base")
            base = base.replace(old, new)
        return base + self.added
