"""One connection pool per service, for as long as the plugin lives.

Requests run on one event loop in one thread of their own, so that a request under way can be given
up the moment the engine asks to stop: a thread blocked in a read cannot be woken, a task can be
cancelled. The calling threads only wait.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Mapping
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from ..errors import AnswerLost, Interrupted, Unreachable

if TYPE_CHECKING:
    import httpx

    from ..caller import Caller

CONNECT_SECONDS = 10.0
ANSWER_SECONDS = 60.0
CONNECTIONS = 128
# How long an answer that is on its way may still take once the engine asked to stop: with it the
# id is recorded at once; without it the next `up` has to look for what was made.
GRACE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class WireRequest:
    """What goes over the wire. The headers carry the key, so they never show in a repr."""

    method: str
    url: str
    headers: Mapping[str, str] = field(repr=False)
    query: Mapping[str, str]
    body: bytes | None = field(repr=False)

    @property
    def only_reads(self) -> bool:
        """True for a request that changes nothing, whatever becomes of it."""
        return self.method in ("GET", "HEAD")


@dataclass(frozen=True, slots=True)
class WireAnswer:
    """What came back. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Transport(Protocol):
    """Sends one request once."""

    def send(self, request: WireRequest, caller: Caller) -> WireAnswer:
        """Send it and wait for the answer.

        Raises Unreachable (nothing was sent), AnswerLost (sent, outcome unknown) or Interrupted.
        """
        ...


class HttpxTransport:
    """The real one: httpx, HTTP/1.1 with keep-alive."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._client: httpx.AsyncClient | None = None

    def send(self, request: WireRequest, caller: Caller) -> WireAnswer:
        if caller.interrupted:
            raise Interrupted
        done = threading.Event()
        future = self._submit(self._send(request))
        future.add_done_callback(lambda _: done.set())
        try:
            caller.wait(CONNECT_SECONDS + ANSWER_SECONDS + 5, done)
        except Interrupted:
            if not request.only_reads:
                done.wait(GRACE_SECONDS)
            if not future.done():
                future.cancel()
                raise Interrupted(sent=not request.only_reads) from None
        try:
            return future.result(timeout=0)
        except (CancelledError, TimeoutError):
            future.cancel()
            raise AnswerLost("the API did not answer in time") from None

    async def _send(self, request: WireRequest) -> WireAnswer:
        import httpx

        client = self._client
        if client is None:
            client = self._client = httpx.AsyncClient(
                timeout=httpx.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS, pool=None),
                limits=httpx.Limits(
                    max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS
                ),
                follow_redirects=False,
            )
        host = httpx.URL(request.url).host
        try:
            answer = await client.request(
                request.method,
                request.url,
                params=request.query or None,
                headers=request.headers,
                content=request.body,
            )
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.UnsupportedProtocol) as error:
            raise Unreachable(
                f"the API at {host} cannot be reached ({_reason(error)})",
                "check the network and openrelay:apiUrl",
            ) from None
        except httpx.TimeoutException:
            raise AnswerLost(f"the API did not answer within {ANSWER_SECONDS:.0f} s") from None
        except httpx.HTTPError as error:
            raise AnswerLost(f"the connection broke before the answer ({_reason(error)})") from None
        headers = {name.lower(): value for name, value in answer.headers.items()}
        return WireAnswer(answer.status_code, headers, answer.content)

    def _submit(self, work: Coroutine[Any, Any, WireAnswer]) -> Future[WireAnswer]:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(
                    target=self._loop.run_forever, name="openrelay-http", daemon=True
                ).start()
        return asyncio.run_coroutine_threadsafe(work, self._loop)


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__
