"""What goes over the wire: a request in, an answer out, and the refusals in between.

The world knows no sockets. Where a fault wants the connection dropped or the
answer late, the answer says so and whoever carries it (the server, an in-process
transport, a simulation) does it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


_LAST_SECONDS = 253_402_300_799.0  # the end of the year 9999


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request. Header names are lower-case; `path` is as sent, percent-encoded."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer, and what the carrier does with it.

    First `delay_seconds` pass. Then, where `later` is given, the work is only
    done now: calling it gives the answer that counts. `drop` closes the
    connection and sends nothing, whatever the work did; `status` is 0 then.
    """

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    delay_seconds: float = 0.0
    later: Callable[[], Answer] | None = None
    drop: bool = False

    def json(self) -> Any:
        return json.loads(self.body)


class Refusal(Exception):
    """The API refuses: its error envelope with this status, sentence and (optional) code.

    `fields` are further fields of the envelope.
    """

    def __init__(
        self,
        status: int,
        sentence: str,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
        **fields: object,
    ) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence
        self.code = code
        self.headers = headers
        self.fields = fields


class NotYet(Exception):
    """The answer should come later: do the work again after so many seconds, once."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds


def json_answer(status: int, body: object, headers: Mapping[str, str] | None = None) -> Answer:
    """`body` None is an answer without content, as 204 wants it."""
    if body is None:
        return Answer(status, headers=headers or {})
    text = json.dumps(body, separators=(",", ":"))
    return Answer(status, text.encode(), {"content-type": "application/json", **(headers or {})})


def without_none(**fields: object) -> dict[str, Any]:
    """Optional fields are absent rather than null, wherever the document knows no null."""
    return {name: value for name, value in fields.items() if value is not None}


def timestamp(seconds: float | None) -> str | None:
    """RFC 3339 in UTC, to the millisecond, from seconds since the epoch; None stays None.

    Beyond the years 1970 to 9999 it is the nearest moment in them.
    """
    if seconds is None:
        return None
    return _moment(seconds).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def http_date(seconds: float) -> str:
    """As the header `Date` has it: RFC 9110, to the second, within the same years."""
    return format_datetime(_moment(seconds).replace(microsecond=0), usegmt=True)


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(max(0.0, min(seconds, _LAST_SECONDS)), UTC)
