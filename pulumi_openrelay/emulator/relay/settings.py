"""What can be switched of Relay alone."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..settings import Settings


@dataclass(kw_only=True)
class RelaySettings(Settings):
    page_size: int = 50  # where the request gives no limit
    page_size_max: int = 500  # whatever limit the request gives
    instances_max: int = 20  # live ones of a customer; one more is 429 INSTANCE_LIMIT
    instances_available: bool = True  # false: catalog and create are 503 INSTANCES_UNAVAILABLE
    # Machines of a prescription in all, instead of the catalog's.
    stock: dict[str, int] = field(default_factory=dict)
    # How long machines go on when the balance does not cover them any more.
    grace_hours: float = 1.0
    # Whether a key's `model_restrictions` name what it may not call, or all that it
    # may, is unknown; by their name, the former.
    restrictions_allow: bool = False
    unavailable_models: list[str] = field(default_factory=list)  # by own or full name: 503
    # How long a task takes from its submit; half of it shows as `queued`.
    task_seconds: float = 1.0
