"""Durations as users write them, in seconds."""

from __future__ import annotations

import re
from typing import Any


def seconds(duration: Any) -> float:
    """Seconds of 90, "90s", "15m", "2h" or "1h30m"; 0 for None. Raises ValueError."""
    if duration is None:
        return 0.0
    if isinstance(duration, (int, float)):
        return float(duration)
    number = r"(\d+(?:\.\d+)?)"
    parts = re.fullmatch(f"(?:{number}h)?(?:{number}m)?(?:{number}s?)?", str(duration).strip())
    if parts is None or not any(parts.groups()):
        raise ValueError(f"{duration!r} is no duration")
    hours, minutes, rest = (float(part or 0) for part in parts.groups())
    return hours * 3600 + minutes * 60 + rest


def not_a_duration(value: Any) -> str | None:
    """Why a value is no duration, None where it is one."""
    try:
        enough = seconds(value) >= 0
    except (ValueError, OverflowError):
        enough = False
    return None if enough else 'should be seconds, or a duration such as "90s", "15m" or "2h"'
