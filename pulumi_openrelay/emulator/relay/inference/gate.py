"""Whether a caller may call a model now, and what the call costs.

In this order: the model is there, the caller may call it in a mode, not too often,
and can pay for it.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...area import Area
from ...store import Owned
from ...wire import Refusal
from .. import models, money
from ..access import Caller
from ..models import MODELS, Model, Usage

if TYPE_CHECKING:
    from ..access import Call
    from ..world import RelayWorld

_MINUTE = 60.0


@dataclass(kw_only=True)
class UsageRecord(Owned):
    """What one key (None: the dashboard) used of one model, by its full name."""

    key_id: str | None
    model: str
    calls: int = 0
    cost_usd: float = 0.0


@dataclass(frozen=True, slots=True)
class Grant:
    """Leave to call a model, in the mode that was chosen."""

    call: Call
    model: Model
    mode: str

    @property
    def full_name(self) -> str:
        return self.model.full_name(self.mode)

    def charge(self, usage: Usage, fee_usd: float = 0.0) -> float:
        """402 where the caller cannot pay for it; a guest pays nothing. Returns the cost."""
        cost = self.cost(usage) + fee_usd
        if self.call.caller.customer is None:
            return 0.0
        money.require(self.call.caller, cost)
        self.spend(cost)
        return cost

    def cost(self, usage: Usage) -> float:
        return self.model.modes[self.mode].cost(usage)

    def spend(self, cost_usd: float) -> None:
        """Charge a caller that is no guest and was seen to be able to pay."""
        caller = self.call.caller
        money.spend(caller.account, caller.key, cost_usd, self.mode)
        _count(self.call.world, caller, self.full_name, cost_usd)


def admit(call: Call, name: str | None, operation: str | None = None) -> Grant:
    """Leave to call the model of this name (None: the route's first), or a Refusal.

    `operation` is the route's; None is that of the call.
    """
    model, mode = _resolve(call, name, operation or call.operation.id)
    if model.retired:
        raise Refusal(403, f"The model {model.name} is retired.", "MODEL_RETIRED")
    grant = Grant(call, model, _choose_mode(call, model, mode))
    _require_rate(call.world, call.caller, grant.mode)
    down = call.world.settings.unavailable_models
    if model.name in down or grant.full_name in down:
        raise Refusal(503, f"Nobody serves {model.name} right now.", "CAPACITY_EXHAUSTED")
    return grant


def _resolve(call: Call, name: str | None, operation: str) -> tuple[Model, str]:
    """The model among those that the route serves, and the mode asked for."""
    served = [model for model in MODELS if model.operation == operation]
    mode, own = models.split(name) if name else (None, served[0].name)
    model = next((model for model in served if model.name == own), None)
    if model is None:
        raise Refusal(404, f"There is no model {name} at this route.", "MODEL_NOT_FOUND")
    return model, call.body.get("mode") or mode or "auto"


def _choose_mode(call: Call, model: Model, asked: str) -> str:
    """`auto` takes the first mode that the caller may use."""
    if asked != "auto" and asked not in model.modes:
        raise Refusal(
            422, f"{model.name} is not served in mode {asked}.", "VALIDATION_ERROR", field="mode"
        )
    modes = [*model.modes] if asked == "auto" else [asked]
    for mode in modes:
        if _may_call(call.world, call.caller, model.full_name(mode)):
            return mode
    raise Refusal(
        403, f"This caller may not call {model.full_name(modes[0])}.", "MODEL_NOT_AVAILABLE"
    )


def _may_call(world: RelayWorld, caller: Caller, full_name: str) -> bool:
    """By tier, by key and by the account's allowlist; the superkey is exempt from the latter."""
    if full_name in caller.tier.model_restrictions:
        return False
    key = caller.key
    restricted = key.restrictions.get("model_restrictions") if key else None
    if restricted is not None and (full_name in restricted) != world.settings.restrictions_allow:
        return False
    allowlist = caller.customer.model_allowlist if caller.customer else None
    return allowlist is None or full_name in allowlist or bool(key and key.is_superkey)


def _require_rate(world: RelayWorld, caller: Caller, mode: str) -> None:
    """429 where the last minute has as many calls as the tier or the key allows."""
    limits = dict(caller.tier.rate_limits)
    of_key = caller.key.restrictions.get("rate_limits", {}) if caller.key else {}
    limits |= {name: min(limit, limits[name]) for name, limit in of_key.items()}
    key_id = caller.key.id if caller.key else caller.owner_id
    recent = world.recent_calls.setdefault(key_id, deque())
    while recent and recent[0][0] <= world.now - _MINUTE:
        recent.popleft()
    for name, limit in limits.items():
        counted = [at for at, of in recent if name in (of, "global")]
        if len(counted) >= limit:
            wait = counted[-limit] + _MINUTE - world.now
            raise Refusal(
                429,
                f"At most {limit} requests a minute ({name}).",
                "RATE_LIMITED",
                {"Retry-After": str(max(1, -int(-wait // 1)))},
            )
    recent.append((world.now, mode))


def _count(world: RelayWorld, caller: Caller, full_name: str, cost_usd: float) -> None:
    key_id = caller.key.id if caller.key else None
    for record in world.store.table(UsageRecord).values():
        if (record.owner_id, record.key_id, record.model) == (caller.owner_id, key_id, full_name):
            break
    else:
        record = UsageRecord(**world.new(caller.owner_id), key_id=key_id, model=full_name)
        world.store.add(record)
    record.calls += 1
    record.cost_usd += cost_usd


def _shown(world: RelayWorld) -> dict[str, list[dict[str, Any]]]:
    return {
        "usage": [
            {
                "key_id": record.key_id,
                "model": record.model,
                "calls": record.calls,
                "cost_usd": money.usd(record.cost_usd),
            }
            for record in world.store.table(UsageRecord).values()
        ]
    }


AREA = Area(operations={}, records=(UsageRecord,), shown=_shown)
