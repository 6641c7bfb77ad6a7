"""What differs between the services: how one authenticates, and how errors are told."""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any, Protocol

from ..errors import ApiError
from .transport import WireAnswer, WireRequest


class Dialect(Protocol):
    """One service's way of speaking."""

    def headers(self, path: str) -> Mapping[str, str]:
        """The headers that authenticate a request to a path."""
        ...

    def error(self, answer: WireAnswer, body: Any, request: WireRequest | None = None) -> ApiError:
        """The error that an answer of 300 and more means. body: its JSON, or None. request: what
        was asked, where that tells more."""
        ...

    def asks_for_repeat(self, error: ApiError) -> bool:
        """True where the API did no work and wants to be asked again."""
        ...


def one_line(message: Any, *secrets: str | None) -> str:
    """An API's sentence on one line, without its full stop and without our own secrets."""
    if not isinstance(message, str):
        return ""
    line = " ".join(message.split())
    for secret in secrets:
        line = line.replace(secret, "[key]") if secret else line
    return line.rstrip(".")


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that `Retry-After` asks for, given as seconds or as a date; None where it is absent.

    A date is counted from the server's own `Date`: our clock may be wrong.
    """
    value = headers.get("retry-after", "").strip()
    if not value:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        until = parsedate_to_datetime(value)
        since = parsedate_to_datetime(headers.get("date", ""))
        return max(0.0, (until - since).total_seconds())
    except (TypeError, ValueError):
        return None
