"""What differs between the services: how one authenticates, and how errors are told."""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any, Protocol

from ..errors import (
    RETRY,
    ApiError,
    Conflict,
    NotFound,
    RateLimited,
    Rejected,
    ServerError,
)
from .transport import WireAnswer, WireRequest

Meaning = tuple[type[ApiError], str, str | None]
"""The error, what it says, and what to do about it; None: nothing more than the caller knows."""


class Dialect(Protocol):
    """One service's way of speaking."""

    @property
    def url_source(self) -> str:
        """What to check where the API's URL may be wrong."""
        ...

    @property
    def secrets(self) -> list[str]:
        """The credentials that requests carry."""
        ...

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


def meaning(status: int, said: str, address: str, request: WireRequest | None) -> Meaning:
    """What a status means that means the same to both services. address: what leads to the API."""
    if status == 404:
        # What changes something comes after a look that the API has answered.
        changes = request is not None and not request.only_reads
        advice = "check the ids that the program gives" if changes else f"check {address}"
        return NotFound, f"the API does not know it ({said})", advice
    if status == 409:
        return Conflict, f"the API refused it as things stand ({said})", None
    if status == 429:
        what = f"the API kept asking to slow down ({said})"
        return RateLimited, what, f"wait a little and {RETRY}"
    if status >= 500:
        return ServerError, f"the API failed ({said})", RETRY
    return Rejected, f"the API refused the request ({said})", "correct it and run it again"


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
