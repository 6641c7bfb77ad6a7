"""The account, as programs ask for it: `/v2/tiers`, `/v2/customer/credits`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pulumi

from ..config import resolve_relay
from ..errors import Misconfigured
from ..lookups import configuration
from .ask import ask


@dataclass(frozen=True, slots=True)
class Tier:
    """What keys of an account may do."""

    tier: str
    model_restrictions: list[str] = field(default_factory=list)
    """Full names that it may not use."""
    rate_limits: dict[str, Any] = field(default_factory=dict)
    """Requests a minute, by mode."""
    max_keys: int | None = None


@dataclass(frozen=True, slots=True)
class Tiers:
    """Every tier that there is, and which is the configured key's."""

    tiers: list[Tier]
    current_tier: str | None = None
    """The configured key's own; without a key, what the API makes of that."""

    @property
    def current(self) -> Tier | None:
        """The configured key's own, None where it is not among them."""
        return next((tier for tier in self.tiers if tier.tier == self.current_tier), None)


@dataclass(frozen=True, slots=True)
class Credits:
    """The account's money, in US dollars."""

    balance: float
    total_consumed: float | None = None
    total_allocated: float | None = None
    consumed_by_mode: dict[str, float] = field(default_factory=dict)
    promo_consumed: float | None = None
    last_topup: dict[str, Any] | None = None


def base_url() -> str:
    """Where Relay is, for whoever is to call it: `relay:baseUrl`, `RELAY_BASE_URL`, or Relay's own.
    Raises pulumi.RunError."""
    try:
        return resolve_relay(configuration, public=True).base_url
    except Misconfigured as error:
        raise pulumi.RunError(f"{error.what}; {error.advice}") from None


def tiers() -> Tiers:
    """The tiers, and which is the configured key's own. Raises pulumi.RunError. API: `getTiers`."""
    return ask(Tiers, "/v2/tiers", "the tiers", public=True)


def credits() -> Credits:  # noqa: A001 - the API's noun
    """What the account has and has spent: it takes `relay:customerToken` or the superkey. Raises
    pulumi.RunError. API: `getCredits`."""
    return ask(Credits, "/v2/customer/credits", "the credits")
