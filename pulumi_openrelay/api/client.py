"""One `send()` for every request: authentication, repeats that are safe, errors with a meaning.

What is repeated, and when:

- 429, `CONCURRENT_UPDATE` and `TOO_MANY_CLUSTERS_CREATING`: always, because no work was done.
- No connection: always, because nothing was sent.
- Any other 5xx, a lost connection, an answer that is no JSON: only a request that may be repeated,
  because the work may have been done. Else AnswerLost: the caller looks before it asks again.
- 503 with a capacity code: never here. It is no outage, and asking again at once is no use.

Repeats wait 0.5 s, then twice as long each time up to 8 s, less a random part of up to a half, or
as long as `Retry-After` says. How many are sent at once is the limiter's.
"""

from __future__ import annotations

import json
import logging
import random
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from ..errors import (
    RETRY,
    AnswerLost,
    ApiError,
    Interrupted,
    OpenRelayError,
    ServerError,
    Unreachable,
)
from .dialect import Dialect
from .limiter import LONGEST_RETRY_AFTER, Limiter
from .transport import ANSWER_SECONDS, Transport, WireAnswer, WireRequest

if TYPE_CHECKING:
    from ..caller import Caller

logger = logging.getLogger("pulumi_openrelay")

FIRST_PAUSE = 0.5
LONGEST_PAUSE = 8.0
LONGEST_ANSWER_SECONDS = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Request:
    """A request as a resource states it.

    path: a template such as `/v1/vms/{id}`; parts: what fills it, quoted here. repeatable: None
    means by method: GET, PUT, PATCH and DELETE may be repeated, POST may not. idempotency_key:
    makes a POST repeatable, where the API takes one. answers: the JSON type of the answer. tells: a
    key of the object that it is, without which it is none: a server may answer 200 with an error.
    slow: its answer may take as long as the caller has time, a day at most.
    """

    method: str
    path: str
    parts: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    body: Any = field(default=None, repr=False)
    repeatable: bool | None = None
    idempotency_key: str | None = None
    answers: type | None = None
    tells: str | None = None
    slow: bool = False

    @property
    def may_repeat(self) -> bool:
        if self.idempotency_key is not None:
            return True
        return self.method != "POST" if self.repeatable is None else self.repeatable

    def is_answered_by(self, body: Any) -> bool:
        """Whether the JSON of an answer is one to this request."""
        if self.tells is not None:
            return isinstance(body, dict) and body.get(self.tells) not in (None, "")
        return self.answers is None or isinstance(body, self.answers)


class Client:
    """Requests to one service with one key. Shared by every thread of the plugin."""

    def __init__(
        self,
        url: str,
        dialect: Dialect,
        transport: Transport,
        *,
        max_retries: int,
        max_concurrent_requests: int = 32,
        rng: random.Random | None = None,
        limiter: Limiter | None = None,
    ) -> None:
        self._url = url
        self._dialect = dialect
        self._transport = transport
        self._max_retries = max_retries
        self._rng = rng or random.Random()  # noqa: S311 - spreads repeats, guards nothing
        self._limiter = limiter or Limiter(max_concurrent_requests, self._asks_to_wait)
        self._server_time: tuple[float, float] | None = None
        self.tried = 0.0
        """When the latest try of a request was sent, by the callers' clock."""

    def time(self, caller: Caller) -> float:
        """Seconds since the epoch now, by the API's clock to a second, or by this machine's where
        the API does not tell."""
        if self._server_time is None:
            return caller.time()
        told, at = self._server_time
        return told + caller.now() - at

    @property
    def address(self) -> str:
        """The API's URL."""
        return self._url

    @property
    def url_source(self) -> str:
        """What to check where that may be wrong."""
        return self._dialect.url_source

    @property
    def secrets(self) -> list[str]:
        """The credentials that requests carry."""
        return self._dialect.secrets

    def credentials(self, path: str) -> Mapping[str, str]:
        """The headers that authenticate a request to a path."""
        return self._dialect.headers(path)

    def speaking(self, dialect: Dialect) -> Client:
        """Requests to the same service with another key, over the same connections."""
        return Client(
            self._url,
            dialect,
            self._transport,
            max_retries=self._max_retries,
            rng=self._rng,
            limiter=self._limiter,
        )

    def send(self, request: Request, caller: Caller) -> Any:
        """The JSON of the answer, None where it has no body.

        Raises ApiError, Unreachable, AnswerLost or Interrupted.
        """
        wire = WireRequest(
            method=request.method,
            url=self._url + fill(request.path, request.parts),
            headers=self._headers(request),
            query=request.query,
            body=None if request.body is None else json.dumps(request.body).encode(),
        )
        tries, doubted = 0, False
        try:
            while True:
                tries += 1
                try:
                    with self._limiter.turn(caller):
                        if request.slow:
                            left = max(ANSWER_SECONDS, caller.deadline - caller.now())
                            wire = replace(wire, answer_seconds=min(left, LONGEST_ANSWER_SECONDS))
                        return self._once(wire, request, caller)
                except ServerError as error:
                    if not request.may_repeat:
                        raise AnswerLost(error.what, error.advice) from None
                    failure: OpenRelayError = error
                except ApiError as error:
                    if not self._dialect.asks_for_repeat(error):
                        raise _doubted(error, doubted) from None
                    failure = error
                except AnswerLost as error:
                    if not request.may_repeat:
                        error.out_of_time = caller.now() >= caller.deadline
                        raise
                    failure = error
                except Unreachable as error:
                    failure = error
                doubted |= failure.outcome_unknown and not wire.only_reads
                self._pause(failure, tries, doubted, caller)
        except Interrupted as error:
            raise _doubted(error, doubted) from None

    def _headers(self, request: Request) -> dict[str, str]:
        headers = {"accept": "application/json", **self._dialect.headers(request.path)}
        if request.body is not None:
            headers["content-type"] = "application/json"
        if request.idempotency_key is not None:
            headers["idempotency-key"] = request.idempotency_key
        return headers

    def _once(self, wire: WireRequest, request: Request, caller: Caller) -> Any:
        self.tried = began = caller.now()
        answer = self._transport.send(wire, caller)
        logger.debug(
            "%s %s: %d in %.3f s", wire.method, wire.url, answer.status, caller.now() - began
        )
        told = server_time(answer.headers)
        if told is not None:
            self._server_time = (told, caller.now())
        body, readable = _decode(answer)
        if answer.status >= 300:
            raise self._dialect.error(answer, body, wire)
        if not readable or not request.is_answered_by(body):
            raise AnswerLost(
                f"the API answered {answer.status} with something else than the JSON it documents",
                f"run the command again; if it stays so, check {self._dialect.url_source}",
            )
        return body

    def _pause(self, failure: OpenRelayError, tries: int, doubted: bool, caller: Caller) -> None:
        """Wait before the next try, or raise the failure where there is none."""
        asked = failure.retry_after if isinstance(failure, ApiError) else None
        if asked is not None and asked > LONGEST_RETRY_AFTER:
            failure.advice = f"wait {asked:.0f} s and {RETRY}"
            raise _doubted(failure, doubted)
        if tries > self._max_retries:
            raise _doubted(failure, doubted)
        ceiling = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (tries - 1))
        pause = ceiling * (1 - self._rng.random() / 2)
        if asked is not None:
            pause = max(asked, min(pause, 1.0))
        if caller.now() + pause > caller.deadline:
            failure.out_of_time = True
            raise _doubted(failure, doubted)
        # What the API says of it may repeat a secret of the request.
        logger.debug("again in %.1f s: %s", pause, type(failure).__name__)
        if isinstance(failure, Unreachable) and tries == 1:
            caller.report(f"{failure.what}, trying again")
        caller.wait(pause)

    def _asks_to_wait(self, error: ApiError) -> bool:
        return isinstance(error, ServerError) or self._dialect.asks_for_repeat(error)


def _doubted(error: OpenRelayError, doubted: bool) -> OpenRelayError:
    """The error of the last try, where an earlier one may have done the work."""
    error.outcome_unknown = error.outcome_unknown or doubted
    return error


def fill(path: str, parts: Mapping[str, str]) -> str:
    """The path with its parts in place, each quoted: an id is opaque, and may hold a slash."""
    return path.format_map({name: quote(value, safe="") for name, value in parts.items()})


def server_time(headers: Mapping[str, str]) -> float | None:
    """The `Date` of an answer as seconds since the epoch, None where it gives none."""
    return _seconds(headers.get("date", ""))


@lru_cache(maxsize=8)
def _seconds(date: str) -> float | None:
    """All answers of a second tell the same."""
    try:
        return parsedate_to_datetime(date).timestamp()
    except (TypeError, ValueError):
        return None


def _decode(answer: WireAnswer) -> tuple[Any, bool]:
    """The JSON of an answer, and whether it could be read (an empty body can: as None)."""
    if not answer.body.strip():
        return None, True
    try:
        body = json.loads(answer.body)
        return (_whole(body) if _HALVES.search(answer.body) else body), True
    except (ValueError, RecursionError):
        return None, False


_HALVES = re.compile(rb"\\u[dD][89a-fA-F]|\xed[\xa0-\xbf]")
"""Half of a character, which JSON can hold and no state can: a server that cuts a text within an
emoji sends one."""


def _whole(value: Any) -> Any:
    """The value with a replacement character for each half of one that stands alone."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_whole(part) for part in value]
    if isinstance(value, dict):
        return {_whole(key): _whole(part) for key, part in value.items()}
    return value
