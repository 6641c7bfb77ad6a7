"""What the machines of a plan cost by the hour, before and after. Unknown is never zero."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ..policies.cost import HOURS_PER_MONTH as HOURS_PER_MONTH
from ..policies.cost import RATE
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
    return _total((step, _was(step)) for step in plan.machines if step.before is not None)


def after(plan: Plan) -> Rate:
    """Of the stack as the plan leaves it."""
    return _total((step, _will_be(step)) for step in plan.machines if _is_left(step))


def burn(plan: Plan, balance: Balance | None) -> tuple[Rate, Rate]:
    """What the whole organization takes from its balance in an hour, before and after. What enters
    or leaves the stack without being made or ended bills before and after."""
    machines = [step for step in plan.machines if step.is_on_balance]
    before = _total(
        (s, _will_be(s) if s.is_imported else _was(s))
        for s in machines
        if s.before or s.is_imported
    )
    left = _total((s, _was(s)) for s in machines if s.ends_something and s.stays)
    kept = _total((s, _will_be(s)) for s in machines if _is_left(s) and not s.may_exist)
    unsure = tuple(s.name for s in machines if s.may_exist)
    everything = (balance.burn_cents_per_hour if balance else None) or 0
    others = max(0, everything - before.known_cents)
    return (
        Rate(others + before.known_cents, before.unknown),
        Rate(others + kept.known_cents + left.known_cents, kept.unknown + left.unknown + unsure),
    )


def rate_cents(state: State) -> int | None:
    """What one machine is foreseen to bill, None where nobody told."""
    return _cents(state.value(RATE))


def _was(step: Step) -> int | None:
    """What a machine bills as recorded: what was foreseen of it, the API may have corrected."""
    if step.before is None:
        return None
    recorded = _cents(step.before.outputs.get(RATE))
    return rate_cents(step.before) if recorded is None else recorded


def _will_be(step: Step) -> int | None:
    """The rate of one that runs is locked: only what prices it anew changes it."""
    anew = step.makes_something or step.before is None or _is_priced_anew(step)
    if not anew:
        return _was(step)
    return None if step.after is None else rate_cents(step.after)


def _is_priced_anew(step: Step) -> bool:
    priced_by = step.kind.priced_by if step.kind else frozenset[str]()
    return any(change.property in priced_by for change in step.changes)


def _is_left(step: Step) -> bool:
    return step.action is not Action.DELETE and step.after is not None


def _cents(value: Any) -> int | None:
    return int(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _total(machines: Iterable[tuple[Step, int | None]]) -> Rate:
    known, unknown = 0, []
    for step, cents in machines:
        known += cents or 0
        if cents is None:
            unknown.append(step.name)
    return Rate(known, tuple(sorted(unknown)))
