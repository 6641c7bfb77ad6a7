"""What the next machines will do, instead of simply coming up.

A script is a JSON object:

    {"kind": "vm", "name_regex": "^trainer", "times": 1,
     "outcome": {"type": "fail", "reason": "vm_exited", "after_seconds": 3}}

`kind` is one of the service's kinds of machine: `vm` (unless said) or `cluster` on
OpenRelay, `instance` (unless said) or `task` on Relay. The script is for the next
`times` (1; null for ever) machines created whose name holds the regex; for an instance,
which has none, it is searched in the prescription, for a task in the model. Seconds
count from the creation, except where said otherwise; those left out are fractions of
`provision_seconds`, for tasks of `task_seconds`.

- `fail`: status `failed` with `reason`, `after_seconds`.
- `stall`: never gets up.
- `end`: some time after it was up (`after_seconds` from then), it ends by itself as
  `terminated`, with `reason`.
- `interrupt`: some time after it was up (`after_seconds` from then), a VM is
  interrupted, a cluster degraded; it recovers after `for_seconds`.
- `unknown_status`: shows `status`, which nobody knows, `for_seconds` (null for ever).
- `flicker`: once up, shows `status` (that of coming up) `times` times, `for_seconds` each.
- `slow`: everything takes `factor` times as long.
- `pending`: a VM waits in `pending` for `for_seconds` first.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from .json_values import fits

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .timeline import Step

OUTCOMES = frozenset(
    {"fail", "stall", "end", "interrupt", "unknown_status", "flicker", "slow", "pending"}
)
_UNKNOWN_STATUS = "migrating"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a machine will do; the module says which fields its type reads."""

    type: str
    reason: str | None = None  # None: one that fits its type
    status: str | None = None
    after_seconds: float | None = None
    for_seconds: float | None = None
    times: int = 2
    factor: float = 5.0

    def __post_init__(self) -> None:
        if self.type not in OUTCOMES:
            raise ValueError(f"There is no outcome {self.type}; there are {sorted(OUTCOMES)}.")
        for field in fields(self):
            if not fits(getattr(self, field.name), str(field.type)):
                raise TypeError(f"{field.name} is of type {field.type}")

    @property
    def slowness(self) -> float:
        return self.factor if self.type == "slow" else 1.0

    @property
    def why(self) -> str:
        default = "ended by the service" if self.type == "end" else "the guest did not boot"
        return default if self.reason is None else self.reason

    def shape(self, steps: list[Step], up_after: float, starting: str = "deploying") -> list[Step]:
        """The plan of a machine that would otherwise take `steps` and be up after that long.

        `starting` is the status of one that comes up.
        """
        after = self.after_seconds
        lasting = self.for_seconds if self.for_seconds is not None else 0.5 * up_after
        match self.type:
            case "fail":
                end = 0.5 * up_after if after is None else after
                before = [step for step in steps if step[0] < end]
                return [*before, (end, "enter", ["failed", self.why])]
            case "stall":
                return [step for step in steps if step[1] == "stage"]
            case "end":
                start = up_after + (up_after if after is None else after)
                return [*steps, (start, "enter", ["terminated", self.why])]
            case "interrupt":
                start = up_after + (up_after if after is None else after)
                return [*steps, (start, "interrupt", None), (start + lasting, "recover", None)]
            case "unknown_status":
                start = after or 0.0
                shown: list[Step] = [(start, "show", self.status or _UNKNOWN_STATUS)]
                if self.for_seconds is not None:
                    shown.append((start + lasting, "show", None))
                return sorted([*shown, *steps], key=lambda step: step[0])
            case "flicker":
                flickers: list[Step] = []
                start = up_after + (after or 0.0)
                for turn in range(self.times):
                    on = start + 2 * turn * lasting
                    flickers.append((on, "show", self.status or starting))
                    flickers.append((on + lasting, "show", None))
                return sorted([*steps, *flickers], key=lambda step: step[0])
            case "pending":
                delayed = [(delay + lasting, name, argument) for delay, name, argument in steps]
                return [(lasting, "unqueue", None), *delayed]
            case _:
                return steps


@dataclass(slots=True)
class Script:
    kind: str
    name_regex: str
    times: int | None
    outcome: Outcome
    taken: int = 0

    def __post_init__(self) -> None:
        if not isinstance(self.times, int | None):
            raise TypeError("times is a number")

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


class Scripts:
    """The scripts of one world, in the order they were added. Kept in memory only.

    `outcomes` are those that each kind of machine can have; the first kind is the default.
    """

    def __init__(self, outcomes: Mapping[str, frozenset[str]]) -> None:
        self.scripts: list[Script] = []
        self._outcomes = outcomes

    def add(self, script: Mapping[str, Any]) -> Script:
        """Add a script in the form that this module describes; ValueError says what is wrong."""
        unknown = {*script} - {"kind", "name_regex", "times", "outcome"}
        kind = script.get("kind", next(iter(self._outcomes)))
        if unknown or "outcome" not in script or kind not in self._outcomes:
            kinds = " or ".join(self._outcomes)
            raise ValueError(f"A script needs an outcome, and its kind is {kinds}.")
        outcome: dict[str, Any] | str = script["outcome"]
        details: dict[str, Any] = {"type": outcome} if isinstance(outcome, str) else outcome
        try:
            added = Script(
                kind=kind,
                name_regex=re.compile(script.get("name_regex", "")).pattern,
                times=script.get("times", 1),
                outcome=Outcome(**details),
            )
        except (TypeError, re.error) as error:
            raise ValueError(f"The script is wrong: {error}.") from error
        if added.outcome.type not in self._outcomes[kind]:
            raise ValueError(f"A machine of kind {kind} has no outcome {added.outcome.type}.")
        self.scripts.append(added)
        return added

    def take(self, kind: str, name: str) -> Outcome | None:
        """What the machine of this name, just created, will do; None for nothing special."""
        for script in self.scripts:
            spent = script.times is not None and script.taken >= script.times
            if script.kind == kind and not spent and re.search(script.name_regex, name):
                script.taken += 1
                return script.outcome
        return None

    def clear(self) -> None:
        self.scripts.clear()
