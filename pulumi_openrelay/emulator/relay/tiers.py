"""Tiers: what each may call, how often, and with how many keys: `GET /v2/tiers`.

The names and numbers are the emulator's own, but for `custom`, the partners' tier.
`model_restrictions` are models that a tier may not call, by full name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..area import Area, Served

if TYPE_CHECKING:
    from .access import Call

_VIDEO = ("direct.video.Wan-AI/Wan2.5-T2V", "direct.video.openai/sora-2")


@dataclass(frozen=True, slots=True)
class Tier:
    """`rate_limits` are requests per minute: of each mode, and `global` of both."""

    name: str
    rate_limits: dict[str, int]
    max_keys: int
    model_restrictions: tuple[str, ...] = ()
    instances: bool = True

    @property
    def is_custom(self) -> bool:
        return self.name == "custom"

    def as_json(self) -> dict[str, Any]:
        return {
            "tier": self.name,
            "model_restrictions": list(self.model_restrictions),
            "rate_limits": self.rate_limits,
            "max_keys": self.max_keys,
        }


TIERS = {
    tier.name: tier
    for tier in (
        Tier("guest", {"direct": 5, "opengpu": 5, "global": 5}, 0, _VIDEO, instances=False),
        Tier("free", {"direct": 20, "opengpu": 20, "global": 30}, 2, _VIDEO, instances=False),
        Tier("pro", {"direct": 300, "opengpu": 300, "global": 500}, 20),
        Tier("custom", {"direct": 3000, "opengpu": 3000, "global": 5000}, 1000),
    )
}


def _get_tiers(call: Call) -> dict[str, Any]:
    return {
        "tiers": [tier.as_json() for tier in TIERS.values()],
        "current_tier": call.caller.tier.name,
    }


AREA = Area(operations={"getTiers": Served(_get_tiers, None)})
