"""Links to outputs and uploads: where they lead, how long they live, and what longer costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..access import Call

_HOUR, _DAY = 3600.0, 86_400.0

# `provider` and `relay1h` are free.
RETENTION_SECONDS = {
    "provider": _HOUR,
    "relay1h": _HOUR,
    "relay1d": _DAY,
    "relay7d": 7 * _DAY,
    "relay30d": 30 * _DAY,
}
# Per file.
STORAGE_USD = {"relay1d": 0.001, "relay7d": 0.005, "relay30d": 0.02}


def to(call: Call, name: str) -> str:
    """A link to a file of this name, at the address that the caller used."""
    return f"http://{call.headers.get('host', 'relaygpu.com')}/v2/media/{name}"
