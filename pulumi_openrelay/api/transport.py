"""One pool of connections per service, for as long as the plugin lives: threads with one each.

A request runs in another thread than the one that waits for it, so that one under way can be given
up the moment the engine asks to stop: a thread blocked in a read cannot be woken, but nobody has to
wait for it. One event loop for all would cost twice the processor time, and a new thread for each
request half as much again as the request. There are as many as there ever were requests at once,
which the limiter of the client bounds.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from ..errors import AnswerLost, Interrupted, Misconfigured, Unreachable

if TYPE_CHECKING:
    import ssl

    import httpx

    from ..caller import Caller

CONNECT_SECONDS = 10.0
ANSWER_SECONDS = 60.0
"""How long an answer may take, of a request that does not say otherwise."""
# How long an answer that is on its way may still take once the engine asked to stop: with it the
# id is recorded at once; without it the next `up` has to look for what was made.
GRACE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class WireRequest:
    """What goes over the wire. The headers carry the key, so they never show in a repr.

    answer_seconds: how long the answer may take.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(repr=False)
    query: Mapping[str, str]
    body: bytes | None = field(repr=False)
    answer_seconds: float = ANSWER_SECONDS

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

        Raises Unreachable (nothing was sent), AnswerLost (sent, outcome unknown), Misconfigured
        (nothing ever will be) or Interrupted.
        """
        ...


class HttpxTransport:
    """The real one: httpx, which the project has settled on, HTTP/1.1 with keep-alive.

    url_source: what to check where the API cannot be reached.
    """

    def __init__(self, url_source: str = "openrelay:apiUrl") -> None:
        self._url_source = url_source
        self._lock = threading.Lock()
        self._tls: ssl.SSLContext | None = None  # there is one URL for all requests
        self._own = threading.local()
        # The latest to become free is the next to work, since its connection is still open.
        self._free: list[SimpleQueue[_Errand]] = []

    def send(self, request: WireRequest, caller: Caller) -> WireAnswer:
        if caller.interrupted:
            raise Interrupted
        errand = _Errand(request)
        self._hand().put(errand)
        try:
            caller.wait(CONNECT_SECONDS + request.answer_seconds + 5, errand.done)
        except Interrupted:
            if not request.only_reads:
                errand.done.wait(GRACE_SECONDS)
            if not errand.done.is_set():
                raise Interrupted(sent=not request.only_reads) from None
        if errand.error is not None:
            raise errand.error
        if errand.answer is None:
            raise AnswerLost("the API did not answer in time")
        return errand.answer

    def _hand(self) -> SimpleQueue[_Errand]:
        """Where a thread that is free takes its next errand from."""
        try:
            return self._free.pop()
        except IndexError:
            work: SimpleQueue[_Errand] = SimpleQueue()
            threading.Thread(
                target=self._serve, args=(work,), name="openrelay-http", daemon=True
            ).start()
            return work

    def _serve(self, work: SimpleQueue[_Errand]) -> None:
        while True:
            errand = work.get()
            try:
                errand.answer = self._send(errand.request)
            except Exception as error:  # noqa: BLE001 - raised where the answer is waited for
                errand.error = error
            self._free.append(work)
            errand.done.set()
            del errand

    def _send(self, request: WireRequest) -> WireAnswer:
        _leave_out_the_command_line()
        import httpx

        for name, value in request.headers.items():
            if not (value.isascii() and value.isprintable()):
                what = f"the request's {name} has characters that no header has"
                raise Misconfigured(what, "check the key")
        client = self._connected(request.url)
        timeout = httpx.Timeout(request.answer_seconds, connect=CONNECT_SECONDS)
        try:
            # Not `client.request`, which joins URL, headers and cookies anew for each.
            asked = httpx.Request(
                request.method,
                request.url,
                params=request.query or None,
                headers={**self._own.headers, **request.headers},
                content=request.body,
                extensions={"timeout": timeout.as_dict()},
            )
            answer = client.send(asked)
        except (
            httpx.ConnectError,
            httpx.ConnectTimeout,
            httpx.ProxyError,
            httpx.UnsupportedProtocol,
        ) as error:
            proxy = _proxy(request.url)
            through = f" through the proxy {proxy}" if proxy else ""
            host = httpx.URL(request.url).netloc.decode()
            advice = f"check the network and {self._url_source}"
            raise Unreachable(
                f"the API at {host} cannot be reached{through} ({_reason(error)})",
                "check that proxy, or name the API's host in NO_PROXY" if proxy else advice,
            ) from None
        except httpx.InvalidURL:
            raise Misconfigured(
                f"{self._url_source} names no URL that can be asked", f"check {self._url_source}"
            ) from None
        except httpx.TimeoutException:
            raise AnswerLost(
                f"the API did not answer within {request.answer_seconds:.0f} s"
            ) from None
        except httpx.HTTPError as error:
            raise AnswerLost(f"the connection broke before the answer ({_reason(error)})") from None
        headers = {name.lower(): value for name, value in answer.headers.items()}
        return WireAnswer(answer.status_code, headers, answer.content)

    def _connected(self, url: str) -> httpx.Client:
        """This thread's own, with its own connection: of one that all threads share, httpx looks at
        every connection for every request."""
        import httpx

        own = self._own
        if not hasattr(own, "client"):
            with self._lock:
                if self._tls is None:
                    self._tls = trust(url)
            try:
                own.client = httpx.Client(
                    verify=self._tls,
                    follow_redirects=False,
                )
            except (ImportError, ValueError, httpx.InvalidURL):
                # What they say may hold the proxy's password; the first is of SOCKS.
                raise Misconfigured(
                    "the environment names a proxy that is no HTTP proxy",
                    "set HTTPS_PROXY and ALL_PROXY to one such as "
                    "http://proxy.example.com:3128, or unset them",
                ) from None
            own.headers = dict(own.client.headers)
        client: httpx.Client = own.client
        return client


class _Errand:
    """A request, and what became of it once it is done."""

    def __init__(self, request: WireRequest) -> None:
        self.request = request
        self.done = threading.Event()
        self.answer: WireAnswer | None = None
        self.error: Exception | None = None


def _leave_out_the_command_line() -> None:
    """Keep httpx from importing its own command line, where click and rich are there for it: that
    takes four times as long as all the rest of it."""
    if "httpx" not in sys.modules:
        # None is how Python is told that there is no such module, which httpx is prepared for.
        sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]


def trust(url: str) -> ssl.SSLContext:
    """Whose certificates are believed: nobody's where nothing goes over TLS, such as to an emulator
    on this machine, since to read them all takes longer than the rest of a first request."""
    import ssl

    import httpx

    if urlsplit(url).scheme == "http" and _proxy(url) is None:
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return httpx.create_ssl_context()


def _proxy(url: str) -> str | None:
    """Host and port of the proxy that the environment names for a URL, None where it names none.

    What stands before them may be a password.
    """
    from urllib.request import getproxies, proxy_bypass

    parts, proxies = urlsplit(url), getproxies()
    named = proxies.get(parts.scheme) or proxies.get("all")
    if not named or proxy_bypass(parts.netloc):
        return None
    return urlsplit(named if "://" in named else f"//{named}").netloc.rpartition("@")[2]


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__
