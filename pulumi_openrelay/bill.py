"""What the stack bills, as a stack output: `pulumi up` then shows it before and after.

The output `rate_cents_per_hour` is the sum of all machines of the program. A program that exports
one of that name itself, before its machines or after them, has its own.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

import pulumi

OUTPUT = "rate_cents_per_hour"


@dataclass
class _Bill:
    """The machines' names and rates. told: whether the sum is told already."""

    items: list[tuple[str, pulumi.Output[int | None]]] = field(default_factory=list)
    told: bool = False


_BILLS: WeakKeyDictionary[Any, _Bill] = WeakKeyDictionary()


def add_to_bill(name: str, rate: pulumi.Output[int | None]) -> None:
    """Count a machine's rate in the output of its stack, or warn that it comes too late."""
    root = pulumi.runtime.get_root_resource()
    if root is None:
        return
    bill = _BILLS.setdefault(root, _Bill())
    bill.items.append((name, rate))
    if bill.told:
        pulumi.log.warn(
            f"{OUTPUT} leaves out {name}: the program declares it when the sum is told already, as "
            f"an `apply` does; declare it outside of that, or export a {OUTPUT} of its own"
        )


def bill(root: Any) -> dict[str, pulumi.Output[int | str]]:
    """The output of a stack whose program has run; nothing where it has no machine."""
    of_stack = _BILLS.setdefault(root, _Bill())
    if not of_stack.items:
        of_stack.told = True
        return {}
    return {OUTPUT: pulumi.Output.from_input(_total(of_stack))}


async def _total(bill: _Bill) -> int | str:
    """The sum, or what is known of it."""
    total, unknown = 0, []
    for name, rate in bill.items:  # the list may grow meanwhile
        cents = await rate.future() if await rate.is_known() else None
        total += cents or 0
        unknown += [name] if cents is None else []
    bill.told = True
    if not unknown:
        return total
    rates = f"rates of {', '.join(unknown)} are" if unknown[1:] else f"rate of {unknown[0]} is"
    return f"at least {total}: the {rates} not known"
