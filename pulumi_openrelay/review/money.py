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


def burn(plan: Plan, balance: Balance | None) -> tuple[Rate, Rate]:
    """What the whole organization takes from its balance in an hour, before and after. What enters
    or leaves the stack without being made or ended bills before and after."""
    machines = [step for step in plan.machines if step.is_on_balance]
    before = _total((s, s.after if s.is_imported else s.before) for s in machines)
    left = _total((s, s.before) for s in machines if s.ends_something and s.stays)
    kept = _total(
        (s, s.after) for s in machines if s.action is not Action.DELETE and not s.may_exist
    )
    unsure = tuple(s.name for s in machines if s.may_exist)
    everything = (balance.burn_cents_per_hour if balance else None) or 0
    others = max(0, everything - before.known_cents)
    return (
        Rate(others + before.known_cents, before.unknown),
        Rate(others + kept.known_cents + left.known_cents, kept.unknown + left.unknown + unsure),
    )


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
