"""Values that are not known before the update runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class Unknown:
    """Stands in preview for what another resource has yet to answer."""


UNKNOWN = Unknown()


def has_unknown(value: Any) -> bool:
    """Whether a value, or a part of it, is not known yet."""
    if isinstance(value, Mapping):
        return any(has_unknown(part) for part in value.values())
    if isinstance(value, list):
        return any(has_unknown(part) for part in value)
    return isinstance(value, Unknown)
