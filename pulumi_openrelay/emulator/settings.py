"""What can be switched: how the emulated service behaves today."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from .json_values import fits
from .store import Record

if TYPE_CHECKING:
    from collections.abc import Mapping

# A machine's minutes on the real service; shorter emulated times shorten the gaps
# between webhook attempts in proportion.
_REAL_PROVISION_SECONDS = 120.0
_LARGEST = 1e15  # of any number


@dataclass(kw_only=True)
class Settings(Record):
    """Those of every service. Kept with the world, so that a restart changes none of them."""

    id: str = "settings"
    # From create until it is up. Every other time is a fraction of it: 0 makes
    # everything happen by the next request, so nothing on the way is ever seen.
    provision_seconds: float = 8.0
    page_size: int = 20  # where the request gives no limit
    page_size_max: int = 100  # whatever limit the request gives
    unknown_fields: bool = False  # fields that no document has, in every answer
    unknown_status: int = 0  # how many of the next machines show a status nobody knows
    unknown_status_seconds: float | None = None  # for how long; None is for ever
    hidden_detail_fields: list[str] = field(default_factory=list)  # left out of details
    list_lag_seconds: float = 0.0  # what is new or ended shows in lists this much later
    shuffle_lists: bool = False  # a page's items come in any order
    webhook_timeout_seconds: float = 5.0

    @property
    def time_scale(self) -> float:
        return min(1.0, self.provision_seconds / _REAL_PROVISION_SECONDS)

    def change(self, values: Mapping[str, Any]) -> None:
        """Set some of them; ValueError with a sentence, and nothing changed, where one is wrong."""
        kinds = {f.name: str(f.type) for f in fields(self) if f.name not in ("id", "plan")}
        for name, value in values.items():
            if name not in kinds:
                raise ValueError(f"There is no setting {name}; there are {', '.join(kinds)}.")
            if not fits(value, kinds[name]) or _is_out_of_range(value):
                raise ValueError(f"The setting {name} cannot be {value!r}.")
        for name, value in values.items():
            setattr(self, name, value)


def _is_out_of_range(value: object) -> bool:
    numbers = value.values() if isinstance(value, dict) else [value]
    return any(
        isinstance(number, int | float) and not 0 <= number <= _LARGEST for number in numbers
    )
