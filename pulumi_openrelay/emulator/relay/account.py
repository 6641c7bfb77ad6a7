"""The account: profile, credits, the warning threshold and the model allowlist.

One of each per customer: read and set, never created or deleted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..area import Area, Lever, Served
from ..wire import Refusal, timestamp
from . import access, models, money, tiers

if TYPE_CHECKING:
    from collections.abc import Callable

    from .access import Call
    from .world import RelayWorld


def _get_profile(call: Call) -> dict[str, Any]:
    customer, tier = call.caller.account, call.caller.tier
    return {
        "customer_id": customer.id,
        "name": customer.name,
        "email": customer.email,
        "email_verified": True,
        "tier": customer.tier,
        "status": "active",
        "created_at": timestamp(customer.created_time),
        "credits": {"balance": money.usd(customer.balance_usd)},
        "tier_details": {**tier.as_json(), "is_custom": tier.is_custom},
        "sub_key_model_allowlist": customer.model_allowlist,
        "warning_threshold": customer.warning_threshold,
    }


def _update_settings(call: Call) -> dict[str, Any]:
    customer = call.caller.account
    customer.warning_threshold = call.body["warning_threshold"]
    return {
        "status": "success",
        "warning_threshold": customer.warning_threshold,
        "updated_at": timestamp(call.world.now),
    }


def _get_allowlist(call: Call) -> dict[str, Any]:
    return {"model_allowlist": call.caller.account.model_allowlist}


def _update_allowlist(call: Call) -> dict[str, Any]:
    """Replaced whole; null lifts it. Whether an unknown model is refused is unknown: not here."""
    access.require_custom_tier(call.caller, "model allowlist")
    wanted = call.body["model_allowlist"]
    for name in wanted or ():
        if not models.is_full_name(name):
            raise Refusal(
                422,
                f"`{name}` is not of the form mode.source.model.",
                "VALIDATION_ERROR",
                field="model_allowlist",
            )
    call.caller.account.model_allowlist = wanted
    return _get_allowlist(call)


def _check_tier(world: RelayWorld, name: str) -> Callable[[], None]:
    if name not in tiers.TIERS:
        raise ValueError(f"There is no tier {name}; there are {', '.join(tiers.TIERS)}.")

    def set_tier() -> None:
        world.first_customer.tier = name

    return set_tier


AREA = Area(
    operations={
        "getProfile": Served(_get_profile, access.ACCOUNT),
        "getCredits": Served(money.credits_of, access.ACCOUNT),
        "updateSettings": Served(_update_settings, access.ACCOUNT),
        "getModelAllowlist": Served(_get_allowlist, access.ACCOUNT),
        "updateModelAllowlist": Served(_update_allowlist, access.ACCOUNT),
    },
    levers={
        "balance_usd": money.BALANCE,
        "tier": Lever(read=lambda world: world.first_customer.tier, check=_check_tier),
    },
)
