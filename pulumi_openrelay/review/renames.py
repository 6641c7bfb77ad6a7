"""A machine that the program only calls by another name is, for the engine, deleted and made anew.

The engine sees one deletion and one creation, and asks nobody. What gives it away is that the two
are alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .plan import Action, Mark, Plan, Step

ALIKE = 0.75
# Made of the resource's name or its stack's, or of prices: they say nothing about likeness.
_OWN = ("name", "rate_cents_per_hour")


@dataclass(frozen=True, slots=True)
class Rename:
    """A machine that ends, and one much like it that takes its place."""

    ended: Step
    made: Step


def find(plan: Plan) -> list[Rename]:
    """Each deleted machine with the created one of its type that is most like it."""
    made = [step for step in plan.machines if step.action is Action.CREATE]
    found = []
    for ended in plan.machines:
        if ended.action is not Action.DELETE or ended.leftover:
            continue
        likely = [(likeness(ended, each), each) for each in made if each.type == ended.type]
        likely = [(score, each) for score, each in likely if score >= ALIKE]
        if likely:
            _, closest = min(likely, key=lambda pair: (-pair[0], pair[1].name))
            found.append(Rename(ended, closest))
            made.remove(closest)
    return found


def likeness(ended: Step, made: Step) -> float:
    """The share of inputs that are the same, of those that both tell: 0 to 1."""
    old = _inputs(ended.before.inputs if ended.before else {})
    new = _inputs(made.after.inputs if made.after else {})
    told = [
        name
        for name in {*old, *new}
        if not isinstance(old.get(name), Mark) and not isinstance(new.get(name), Mark)
    ]
    if not told:
        return 0.0
    return sum(bool(old.get(name) == new.get(name)) for name in told) / len(told)


def _inputs(inputs: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: value
        for name, value in inputs.items()
        if name not in _OWN and not name.startswith("__")
    }
