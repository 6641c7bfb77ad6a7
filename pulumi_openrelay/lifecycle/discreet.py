"""A call on whose lines no secret shows, though the API repeats one in an error or a reason."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from threading import Event
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_plus

if TYPE_CHECKING:
    from ..caller import Call
    from .declare import Kind

SHORTEST_SECRET = 4
"""A shorter text would be hidden in words that have nothing to do with it."""
SHORTEST_LINE = 8
"""Of a secret of several lines, of which an API may repeat one."""
QUOTED = re.compile(r"[\"'\\]|[^ -~]")
"""What JSON or Python write otherwise within quotes."""

URL = re.compile(r"\s*https?://", re.IGNORECASE)
_Part = tuple[str, str, str]
"""What stands before a secret, the secret, and what stands behind it."""


class DiscreetCall:
    """The engine's call about a resource of a kind, which knows what it must not say. secrets: such
    as no bag of the resource holds."""

    def __init__(self, call: Call, kind: Kind, secrets: Sequence[str] = ()) -> None:
        self._call = call
        self._names = [field.name for field in kind.secrets]
        self._inputs = kind.inputs
        self._wires = [field.wire for field in kind.secrets]
        self._secrets = set(_texts(list(secrets)))
        self._parts: set[_Part] = set()
        self.urn = call.urn
        self.name = call.name
        self.timeout = call.timeout
        self.deadline = call.deadline

    def hide(self, *bags: Mapping[str, Any]) -> None:
        """What the secret properties of these bags hold is not said from now on, nor what stands
        before the host or in the query of a URL in an input."""
        for bag in bags:
            for name in self._names:
                self._secrets.update(_texts(bag.get(name)))
            for name in self._inputs:
                self._parts.update(_unsaid_parts(bag.get(name)))

    def hide_told(self, row: Mapping[str, Any]) -> None:
        """Nor what the API itself tells in a row's secret properties."""
        for wire in self._wires:
            self._secrets.update(_texts(row.get(wire)))

    def without_secrets(self, text: str) -> str:
        """The text as it may be said."""
        written = {form: "[secret]" for secret in self._secrets for form in _written(secret)}
        for before, secret, after in self._parts:
            for form in _written(f"{before}{secret}{after}"):
                written.setdefault(form, f"{before}[secret]{after}")
        for form in sorted(written, key=len, reverse=True):
            text = text.replace(form, written[form])
        return text

    def report(self, text: str) -> None:
        self._call.report(self.without_secrets(text))

    def warn(self, text: str) -> None:
        self._call.warn(self.without_secrets(text))

    # The rest is the call's own.

    @property
    def interrupted(self) -> bool:
        return self._call.interrupted

    def now(self) -> float:
        return self._call.now()

    def time(self) -> float:
        return self._call.time()

    def wait(self, seconds: float, event: Event | None = None) -> None:
        self._call.wait(seconds, event)


def _unsaid_parts(value: Any) -> Iterator[_Part]:
    """What may tell who asks in the URLs of a value: what stands before the host and in the query,
    where it stands there, since it may be any word; and the password and each value of the query
    wherever it stands, if it is long enough."""
    if isinstance(value, Mapping | list):
        for part in value.values() if isinstance(value, Mapping) else value:
            yield from _unsaid_parts(part)
    if not isinstance(value, str) or URL.match(value) is None:
        return
    place, _, query = value.strip().partition("#")[0].partition("?")
    user = place.partition("//")[2].partition("/")[0].rpartition("@")[0]
    if query:
        yield "?", query, ""
    if user:
        yield "//", user, "@"
    for alone in (user.partition(":")[2], *(part.partition("=")[2] for part in query.split("&"))):
        for text in {alone, unquote_plus(alone)}:
            if len(text) >= SHORTEST_LINE:
                yield "", text, ""


def _texts(value: Any) -> list[str]:
    """The texts in a value, and their lines, that are long enough to be a secret."""
    if isinstance(value, Mapping):
        return [text for part in value.values() for text in _texts(part)]
    if isinstance(value, list):
        return [text for part in value for text in _texts(part)]
    if not isinstance(value, str):
        return []
    lines = [line for line in value.splitlines() if len(_on_one_line(line)) >= SHORTEST_LINE]
    return [value, *lines] if len(_on_one_line(value)) >= SHORTEST_SECRET else lines


@lru_cache(maxsize=4096)
def _written(text: str) -> tuple[str, ...]:
    """A text on one line, as errors are: as it is, and as JSON or Python quote it."""
    quotes: tuple[str, ...] = ()
    if QUOTED.search(text):
        quotes = (json.dumps(text), json.dumps(text, ensure_ascii=False), repr(text))
    return tuple(_on_one_line(form) for form in (text, *(quote[1:-1] for quote in quotes)))


def _on_one_line(text: str) -> str:
    return " ".join(text.split())
