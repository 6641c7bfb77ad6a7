"""API keys: `/v2/customer/keys`.

The whole secret is in the create's answer alone; everywhere else it is masked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import pages as lists
from ..area import Area, BehindTheBack, Served, check_fields, set_fields
from ..json_values import fits
from ..store import contents
from ..wire import Refusal, timestamp
from . import access, models, money, pages
from .access import KEY_PREFIX, ApiKey, Customer

if TYPE_CHECKING:
    from .access import Call
    from .world import RelayWorld

_RESERVED = "__"
_WARNING = "Store the key now: it is not shown again."
_LIMIT_MAX = 1000
_LIMITS = ("direct", "opengpu", "global")


def new_secret(world: RelayWorld) -> str:
    return f"{KEY_PREFIX}{world.new_id().replace('-', '')}"


def masked(secret: str) -> str:
    return f"{secret[: len(KEY_PREFIX) + 3]}…{secret[-4:]}"


def describe(key: ApiKey) -> dict[str, Any]:
    return {
        "key": masked(key.secret),
        "key_id": key.id,
        "name": key.name,
        "status": key.status,
        "created_at": timestamp(key.created_time),
        "last_used_at": timestamp(key.last_used_time),
        "restrictions": key.restrictions,
        "key_budget": key.key_budget,
        "instances_allowed": key.instances_allowed,
        "is_superkey": key.is_superkey,
        "system": key.system,
    }


def of_customer(world: RelayWorld, customer_id: str) -> list[ApiKey]:
    return [key for key in world.store.table(ApiKey).values() if key.owner_id == customer_id]


def _list(call: Call) -> dict[str, Any]:
    query = call.query
    status, prefix = query.get("status"), query.get("name_prefix", "")
    keys = [
        key
        for key in lists.listed(call, ApiKey)
        if status in (None, key.status)
        and query.get("name") in (None, key.name)
        and key.name.startswith(prefix)
        and query.get("is_superkey") in (None, key.is_superkey)
    ]
    limit = pages.read_limit(call, _LIMIT_MAX)
    rows, cursor = pages.page(call, keys, describe, limit)
    return {
        "total": len(keys),
        "max_allowed": call.caller.tier.max_keys,
        "limit": limit,
        "has_more": cursor is not None,
        "next_cursor": cursor,
        "keys": rows,
    }


def _create(call: Call) -> dict[str, Any]:
    """The first key of a custom tier becomes its superkey."""
    world, customer, body = call.world, call.caller.account, call.body
    name = _require_name(call, body["name"])
    budget = _require_budget(call, body.get("key_budget"))
    restrictions = _require_restrictions(body.get("restrictions"))
    existing = of_customer(world, customer.id)
    if len(existing) >= call.caller.tier.max_keys:
        raise Refusal(
            403, f"The tier has at most {call.caller.tier.max_keys} keys.", "KEY_LIMIT_REACHED"
        )
    key = world.add_key(
        new_secret(world),
        customer,
        name=name,
        key_budget=budget,
        restrictions=restrictions,
        instances_allowed=body.get("instances_allowed", True),
    )
    shown = describe(key)
    fields = ("key_id", "name", "status", "created_at", "restrictions", "key_budget", "is_superkey")
    return {"key": key.secret, **{name: shown[name] for name in fields}, "warning": _WARNING}


def _update(call: Call) -> dict[str, Any]:
    """Only what is there changes; `key_budget` null lifts it, a null name changes nothing."""
    key, body = _find(call), call.body
    changes: dict[str, Any] = {}
    if body.get("name") is not None and body["name"] != key.name:
        changes["name"] = _require_name(call, body["name"])
    if "restrictions" in body:
        changes["restrictions"] = _require_restrictions(body["restrictions"])
    if "key_budget" in body:
        changes["key_budget"] = _require_budget(call, body["key_budget"])
    if "instances_allowed" in body:
        changes["instances_allowed"] = body["instances_allowed"]
    set_fields(call.world, key, changes)
    return {"status": "success", "message": "The key was updated."}


def _revoke(call: Call) -> dict[str, Any]:
    """Repeatable, as its undoing is."""
    _find(call).status = "revoked"
    return {"status": "success", "message": "The key was revoked."}


def _unrevoke(call: Call) -> dict[str, Any]:
    _find(call).status = "active"
    return {"status": "success", "message": "The key works again."}


def _delete(call: Call) -> dict[str, Any]:
    key = _find(call)
    if key.status != "revoked":
        raise Refusal(400, "Only a revoked key can be deleted: revoke it first.")
    _remove(call.world, key)
    return {"status": "success", "message": "The key was deleted."}


def _topup(call: Call) -> dict[str, Any]:
    """Adds to the budget; a key without one gets one of this amount."""
    access.require_custom_tier(call.caller, "key budgets")
    key, amount = _find(call), call.body["amount"]
    if amount <= 0:
        raise Refusal(400, "`amount` must be more than 0.")
    key.key_budget = money.usd(money.usd(key.key_budget or 0.0) + money.usd(amount))
    return {"key_id": key.id, "key_budget": key.key_budget}


def _find(call: Call) -> ApiKey:
    """The key named in the path, if it may be changed."""
    if call.path["key_id"].startswith(KEY_PREFIX):
        raise Refusal(400, "Address a key by its key_id, never by its secret.")
    key = call.find(ApiKey, "key", "key_id", code="KEY_NOT_FOUND")
    if key.system:
        raise Refusal(400, "A system key cannot be changed.", "SYSTEM_KEY_IMMUTABLE")
    if key.is_superkey:
        raise Refusal(400, "The superkey cannot be changed here.")
    return key


def _require_name(call: Call, name: str) -> str:
    if not name.strip():
        raise Refusal(400, "`name` must not be empty.")
    if name.startswith(_RESERVED):
        raise Refusal(400, f"Names that start with {_RESERVED} are reserved.")
    if any(key.name == name for key in of_customer(call.world, call.caller.owner_id)):
        raise Refusal(400, "There is a key of this name already.")
    return name


def _require_budget(call: Call, budget: float | None) -> float | None:
    if budget is None:
        return None
    access.require_custom_tier(call.caller, "key budgets")
    if budget < 0:
        raise Refusal(400, "`key_budget` must not be negative.")
    return budget


def _require_restrictions(restrictions: dict[str, Any] | None) -> dict[str, Any]:
    """As they are kept: without what is null."""
    kept = {name: value for name, value in (restrictions or {}).items() if value is not None}
    for name in kept.get("model_restrictions", ()):
        if not models.is_full_name(name):
            raise Refusal(400, f"`{name}` is not of the form mode.source.model.")
    given = kept.get("rate_limits", {})
    limits = {name: given[name] for name in _LIMITS if given.get(name) is not None}
    if any(limit < 1 for limit in limits.values()):
        raise Refusal(400, "A rate limit must be at least 1.")
    if "rate_limits" in kept:
        kept["rate_limits"] = limits
    return kept


def _remove(world: RelayWorld, key: ApiKey) -> None:
    world.forget_key(key)
    world.remove(key)


def _add(world: RelayWorld, body: dict[str, Any]) -> dict[str, Any]:
    """A key behind the user's back, or changes to one; `customer` names a new account."""
    customer = world.first_customer
    name, token = body.pop("customer", None), body.pop("token", None)
    check_fields(ApiKey, body)
    if "secret" not in body or not all(fits(text, "str | None") for text in (name, token)):
        raise ValueError("a key has a secret; customer and token are texts.")
    if (name is None) != (token is None):
        raise ValueError("a new customer has a token too, and only a new one.")
    secret = body.pop("secret")
    if name is not None and token is not None:
        customer = world.add_customer(name, token)
    key = world.api_key(secret) or world.add_key(secret, customer, name=secret[-8:])
    set_fields(world, key, body)
    return contents(key)


def _all(world: RelayWorld, _body: dict[str, Any]) -> list[dict[str, Any]]:
    return [contents(key) for key in world.store.table(ApiKey).values()]


def _shown(world: RelayWorld) -> dict[str, list[dict[str, Any]]]:
    keys = world.store.table(ApiKey).values()
    return {"keys": [{"key_id": k.id, "name": k.name, "status": k.status} for k in keys]}


AREA = Area(
    operations={
        "listKeys": Served(_list, access.ACCOUNT),
        "createKey": Served(_create, access.ACCOUNT),
        "updateKey": Served(_update, access.ACCOUNT),
        "deleteKey": Served(_delete, access.ACCOUNT),
        "revokeKey": Served(_revoke, access.ACCOUNT),
        "unrevokeKey": Served(_unrevoke, access.ACCOUNT),
        "topupKey": Served(_topup, access.ACCOUNT),
    },
    records=(Customer, ApiKey),
    behind_the_back={"keys": BehindTheBack(ApiKey, set_fields, _remove)},
    control={("POST", "keys"): _add, ("GET", "keys"): _all},
    shown=_shown,
)
