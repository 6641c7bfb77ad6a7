"""Credits: what a customer has, what calls and machines take of it, and the control path's lever.

In US dollars. A call is billed to the key that made it too, against its budget.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from ..area import Lever
from ..json_values import fits
from ..wire import Refusal, timestamp

if TYPE_CHECKING:
    from collections.abc import Callable

    from .access import ApiKey, Call, Caller, Customer
    from .world import RelayWorld

_BALANCE_MAX = 1e15  # that can be set
OPENING_USD = 100.0  # what a customer starts with unless told otherwise


def usd(amount: float) -> float:
    """As answers show it, where JSON has no number for more."""
    return round(min(amount, sys.float_info.max), 8)


def require(caller: Caller, needed_usd: float, what: str = "this request") -> None:
    """402 with both numbers, where the customer's credits or the key's budget do not cover it."""
    customer, key = caller.account, caller.key
    if customer.balance_usd < needed_usd or customer.balance_usd <= 0:
        raise Refusal(
            402,
            f"The balance does not cover {what}: add credits.",
            "INSUFFICIENT_CREDITS",
            required_usd=usd(needed_usd),
            balance_usd=usd(customer.balance_usd),
        )

    if key and key.key_budget is not None and key.spent_usd + needed_usd > key.key_budget:
        raise Refusal(
            402,
            f"This API key's budget does not cover {what}.",
            "KEY_BUDGET_EXHAUSTED",
            required_usd=usd(needed_usd),
            balance_usd=usd(max(0.0, key.key_budget - key.spent_usd)),
        )


def spend(customer: Customer, key: ApiKey | None, amount_usd: float, mode: str) -> None:
    customer.balance_usd -= amount_usd
    spent = customer.spent_usd.get(mode, 0.0) + amount_usd
    customer.spent_usd = {**customer.spent_usd, mode: spent}
    if key is not None:
        key.spent_usd += amount_usd


def deposit(world: RelayWorld, customer: Customer, amount_usd: float) -> None:
    customer.balance_usd += amount_usd
    customer.allocated_usd += amount_usd
    customer.last_topup = {"amount": usd(amount_usd), "at": timestamp(world.now)}
    if customer.balance_usd > 0:
        customer.grace_started_time = None
        world.plan(customer, [])
    if customer.balance_usd > customer.warning_threshold:
        customer.warned = False


def credits_of(call: Call) -> dict[str, Any]:
    customer = call.caller.account
    return {
        "balance": usd(customer.balance_usd),
        "total_consumed": usd(sum(customer.spent_usd.values())),
        "total_allocated": usd(customer.allocated_usd),
        "consumed_by_mode": {mode: usd(spent) for mode, spent in customer.spent_usd.items()},
        "last_topup": customer.last_topup,
        "promo_consumed": 0.0,
    }


def _check_balance(world: RelayWorld, amount_usd: Any) -> Callable[[], None]:
    customer = world.first_customer
    if not fits(amount_usd, "float") or abs(amount_usd) > _BALANCE_MAX:
        raise ValueError(f"balance_usd cannot be {amount_usd!r}.")
    return lambda: deposit(world, customer, amount_usd - customer.balance_usd)


BALANCE = Lever(read=lambda world: usd(world.first_customer.balance_usd), check=_check_balance)
