"""What the machines of a plan cost by the hour, before and after. Unknown is never zero."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..policies.cost import HOURS_PER_MONTH as HOURS_PER_MONTH
from ..policies.reading import Balance
from .plan import Action, Plan, State, Step


@dataclass(frozen=True, slots=True)
class Rate:
    """Cents per hour of some machines: what is known of them, and the names of the others."""

    known_cents: int
    unknown: tuple[str, ...]

    @property
    def cents(self) -> int | None:
        """The whole rate; None where it is not known of every machine."""
        return None if self.unknown else self.known_cents


def before(plan: Plan) -> Rate:
    """Of the stack as it is."""
    return _total((step, step.before) for step in plan.machines)


def after(plan: Plan) -> Rate:
    """Of the stack as the plan leaves it."""
    return _total(
        (step, None if step.action is Action.DELETE else step.after) for step in plan.machines
    )


def burn(before: Rate, after: Rate, balance: Balance | None) -> tuple[int, int]:
    """What the whole organization burns in cents per hour, before and after, as far as the rates
    are known."""
    everything = (balance.burn_cents_per_hour if balance else None) or 0
    others = max(0, everything - before.known_cents)
    return others + before.known_cents, others + after.known_cents


def rate_cents(state: State) -> int | None:
    """One machine's, None where nobody told."""
    value = state.value("rate_cents_per_hour")
    return int(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _total(machines: Iterable[tuple[Step, State | None]]) -> Rate:
    known, unknown = 0, []
    for step, state in machines:
        if state is not None:
            cents = rate_cents(state)
            known += cents or 0
            if cents is None:
                unknown.append(step.name)
    return Rate(known, tuple(sorted(unknown)))
