"""What the stack bills, as a stack output: `pulumi up` then shows it before and after.

The output `rate_cents_per_hour` is the sum of all machines of the program. A program that exports
one of that name itself, before its machines or after them, has its own.
"""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

import pulumi

OUTPUT = "rate_cents_per_hour"

_BILLS: WeakKeyDictionary[Any, list[tuple[str, pulumi.Output[int | None]]]] = WeakKeyDictionary()


def add_to_bill(name: str, rate: pulumi.Output[int | None]) -> None:
    """Count a machine's rate in the output of its stack."""
    root = pulumi.runtime.get_root_resource()
    if root is not None:
        _BILLS.setdefault(root, []).append((name, rate))


async def bill(root: Any) -> dict[str, int | str]:
    """The output of a stack that has declared all it declares; nothing where it has no machine."""
    if root not in _BILLS:
        return {}
    total, unknown = 0, []
    for name, rate in _BILLS[root]:
        cents = await rate.future() if await rate.is_known() else None
        total += cents or 0
        unknown += [name] if cents is None else []
    if not unknown:
        return {OUTPUT: total}
    rates = f"rates of {', '.join(unknown)} are" if unknown[1:] else f"rate of {unknown[0]} is"
    return {OUTPUT: f"at least {total}: the {rates} not known"}
