"""Customers, their API keys, and who is calling.

What an operation needs of its caller is one of the words below. An API key comes as
`X-API-Key` or as Bearer (the former wins), a dashboard token (JWT) only as Bearer, and the superkey
only as `X-API-Key` where it manages the account.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from ..area import AdmittedRequest
from ..store import Owned, Record
from ..wire import Refusal
from . import tiers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .world import RelayWorld

GUEST = "guest"  # anybody; without a key with low limits
KEY = "key"  # an API key
INSTANCES = "instances"  # an API key that may rent machines, of a tier that may
ACCOUNT = "account"  # a dashboard token, or a partner's superkey
KEY_PREFIX = "relay_sk_"


@dataclass(kw_only=True)
class Customer(Record):
    """An account. Money in US dollars; `spent_usd` is by mode, instances among them."""

    name: str
    email: str
    token: str  # the dashboard's; a JWT on the real service
    tier: str
    created_time: float
    balance_usd: float
    allocated_usd: float
    spent_usd: dict[str, float] = field(default_factory=dict)
    last_topup: dict[str, Any] | None = None
    warning_threshold: float = 5.0
    settings_time: float | None = None
    model_allowlist: list[str] | None = None
    warned: bool = False  # of the balance below the threshold
    grace_started_time: float | None = None  # since the balance does not cover the machines

    @property
    def owner_id(self) -> str:
        return self.id


@dataclass(kw_only=True)
class ApiKey(Owned):
    """`secret` is the whole key; `key_budget` is what it may spend in all, None without limit."""

    name: str
    secret: str
    status: str = "active"  # or "revoked"
    restrictions: dict[str, Any] = field(default_factory=dict)
    key_budget: float | None = None
    spent_usd: float = 0.0
    instances_allowed: bool = True
    is_superkey: bool = False
    system: bool = False
    last_used_time: float | None = None


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sent a request. A guest has no customer; the dashboard's user has no key."""

    customer: Customer | None
    key: ApiKey | None = None

    @property
    def owner_id(self) -> str:
        return self.customer.id if self.customer else ""

    @property
    def account(self) -> Customer:
        """The customer, where the operation lets no guest in."""
        assert self.customer is not None  # noqa: S101
        return self.customer

    @property
    def tier(self) -> tiers.Tier:
        return tiers.TIERS[self.customer.tier if self.customer else "guest"]


Call: TypeAlias = "AdmittedRequest[RelayWorld, Caller]"


def admit(world: RelayWorld, headers: Mapping[str, str], needs: str | None) -> Caller:
    """Who is calling, where they may do what the operation needs."""
    caller = _identify(world, headers)
    if caller.customer is None:
        if needs in (None, GUEST):
            return caller
        raise Refusal(401, "Send an API key: X-API-Key: relay_sk_…", "MISSING_CREDENTIALS")
    if caller.key is not None:
        caller.key.last_used_time = world.now
    if needs == ACCOUNT:
        _require_account(caller, headers)
    elif needs is not None and caller.key is None:
        raise Refusal(401, "This takes an API key, not a dashboard token.", "INVALID_API_KEY")
    if needs == INSTANCES:
        _require_instances(caller)
    return caller


def _identify(world: RelayWorld, headers: Mapping[str, str]) -> Caller:
    """By the credentials that were sent; a guest where there are none."""
    scheme, _, bearer = headers.get("authorization", "").partition(" ")
    secret = headers.get("x-api-key") or (bearer if scheme.lower() == "bearer" else "")
    if not secret:
        return Caller(None)
    key = world.api_key(secret)
    if key is not None and key.status == "revoked":
        raise Refusal(401, "This API key was revoked.", "KEY_REVOKED")
    if key is not None:
        return Caller(world.customer(key.owner_id), key)
    if secret.startswith(KEY_PREFIX) or secret != bearer:
        raise Refusal(401, "This API key is not valid.", "INVALID_API_KEY")
    for customer in world.store.table(Customer).values():
        if customer.token == secret:
            return Caller(customer)
    raise Refusal(401, "This token is not valid.", "INVALID_TOKEN")


def _require_account(caller: Caller, headers: Mapping[str, str]) -> None:
    if caller.key is None:
        return
    is_superkey = caller.key.is_superkey and caller.tier.is_custom
    if not is_superkey or "x-api-key" not in headers:
        raise Refusal(
            403,
            "An API key may not manage the account: "
            "use a dashboard token, or the superkey of a custom tier as X-API-Key.",
            "CREDENTIAL_NOT_PERMITTED",
        )


def _require_instances(caller: Caller) -> None:
    if not caller.tier.instances:
        raise Refusal(
            403, f"The tier {caller.tier.name} has no instances.", "TIER_FEATURE_UNAVAILABLE"
        )
    if caller.key is not None and not caller.key.instances_allowed:
        raise Refusal(403, "This API key may not use instances.", "SCOPE_DENIED")


def require_custom_tier(caller: Caller, what: str) -> None:
    """The vendor's client says of some features that they are for custom tiers only."""
    if not caller.tier.is_custom:
        raise Refusal(
            403, f"The tier {caller.tier.name} has no {what}.", "TIER_FEATURE_UNAVAILABLE"
        )
