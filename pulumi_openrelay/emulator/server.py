"""Worlds on loopback ports: carries requests, answers and webhook deliveries.

All of it runs on one event loop. A world's work takes well under a millisecond,
so it is done right there: parallel clients are answered in the order they came.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import signal
import socket
import sys
import threading
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar, cast

import httpx
import uvicorn
from starlette import requests, responses
from uvicorn.protocols.http.h11_impl import H11Protocol

from .control_plane import ControlPlane
from .wire import Answer, Request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from starlette.types import Receive, Scope, Send

    from .deliveries import Delivery

P = TypeVar("P", bound=ControlPlane)
# A world and the socket that it is to be served on.
Serving: TypeAlias = tuple[ControlPlane, socket.socket]

_TICK_SECONDS = 0.05
_CONNECTION = "openrelay.emulator.connection"
_BACKLOG = 1024


class _Protocol(H11Protocol):
    """HTTP/1.1 that lets the application close the connection without an answer."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        app = self.app

        async def with_connection(scope: Scope, receive: Receive, send: Send) -> None:
            await app(cast("Any", {**scope, _CONNECTION: transport}), receive, send)

        self.app = with_connection


class _Server(uvicorn.Server):
    """Carries a world. `ready` is called once requests are taken."""

    def __init__(
        self, world: ControlPlane, listener: socket.socket, ready: Callable[[], None]
    ) -> None:
        config = uvicorn.Config(
            self._answer,
            interface="asgi3",
            http=_Protocol,
            ws="none",
            loop="asyncio",
            lifespan="off",
            log_config=None,
            log_level="critical",
            access_log=False,
            date_header=False,
            server_header=False,
            timeout_graceful_shutdown=1,
        )
        super().__init__(config)
        self._world = world
        self._listener = listener
        self._ready = ready
        self._stopping = asyncio.Event()
        self._sending: set[asyncio.Task[None]] = set()

    async def carry(self) -> None:
        """Serve until `stop`."""
        self._loop = asyncio.get_running_loop()
        deliveries = asyncio.create_task(self._carry_deliveries())
        try:
            await self.serve(sockets=[self._listener])
        finally:
            deliveries.cancel()
            for task in self._sending:
                task.cancel()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()

    async def main_loop(self) -> None:
        await self.on_tick(0)
        await self._stopping.wait()

    def stop(self) -> None:
        """End: delayed answers are not waited for. Any thread may call."""
        self._loop.call_soon_threadsafe(self._stopping.set)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """None: they are `run`'s, and uvicorn would raise them once more after the shutdown."""
        yield

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = requests.Request(scope, receive)
        try:
            body = await request.body()
        except requests.ClientDisconnect:
            return
        # A browser sends an Origin along with whatever a page of another site has it post.
        foreign = "origin" in request.headers or not _is_local(scope)
        if scope["path"].startswith("/_emulator") and foreign:
            sentence = "The control path is local, and for no web page."
            refused = responses.JSONResponse({"error": sentence}, 403)
            await refused(scope, receive, send)
            return
        asked = Request(
            scope["method"],
            scope["raw_path"].decode("latin-1"),
            dict(request.query_params),
            dict(request.headers),
            body,
        )
        answer = await self._late(self._safely(lambda: self._world.handle(asked)))
        if answer.drop:
            scope[_CONNECTION].abort()
            while (await receive())["type"] != "http.disconnect":
                pass
            return
        response = responses.Response(answer.body, answer.status, self._world.sent_with(answer))
        await response(scope, receive, send)

    async def _late(self, answer: Answer) -> Answer:
        """Wait for as long as the answer wants; the end of the server drops it."""
        while answer.delay_seconds or answer.later is not None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), answer.delay_seconds)
                return Answer(0, drop=True)
            if answer.later is None:
                break
            answer = self._safely(answer.later)
        return answer

    def _safely(self, work: Callable[[], Answer]) -> Answer:
        """A bug of the emulator is a 500 with a traceback on stderr, and it goes on serving."""
        try:
            return work()
        except Exception:  # noqa: BLE001
            traceback.print_exc(file=sys.stderr)
            return Answer(500, b'{"error":"The emulator failed; its stderr says how."}')

    async def _carry_deliveries(self) -> None:
        """Let time pass and send what falls due, until cancelled."""
        async with httpx.AsyncClient(follow_redirects=False, trust_env=False) as client:
            while True:
                for delivery in self._due_deliveries():
                    task = asyncio.create_task(self._send(client, delivery))
                    self._sending.add(task)
                    task.add_done_callback(self._sending.discard)
                await asyncio.sleep(_TICK_SECONDS)

    def _due_deliveries(self) -> list[Delivery]:
        try:
            return self._world.due_deliveries()
        except Exception:  # noqa: BLE001 - as in _safely
            traceback.print_exc(file=sys.stderr)
            return []

    async def _send(self, client: httpx.AsyncClient, delivery: Delivery) -> None:
        try:
            async with asyncio.timeout(delivery.timeout_seconds):
                response = await client.post(
                    delivery.url, content=delivery.body, headers=delivery.headers
                )
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            said = str(error) or type(error).__name__
            self._world.delivery_result(delivery.attempt_id, error=said)
        else:
            self._world.delivery_result(delivery.attempt_id, response.status_code)


def _is_local(scope: Scope) -> bool:
    client = scope.get("client")
    return client is not None and ipaddress.ip_address(client[0]).is_loopback


@dataclass(frozen=True, slots=True)
class Endpoint(Generic[P]):
    """A world that is being served, where, and a key for it."""

    url: str
    key: str
    world: P


def listen(host: str = "127.0.0.1", port: int = 0) -> socket.socket:
    """A socket on the port; 0 picks a free one. Raises OSError where it is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio sets TCP_NODELAY only on sockets whose protocol is named; without it
    # every answer to a kept-alive connection waits 40 ms for an acknowledgement.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except BaseException:
        listener.close()
        raise
    return listener


def run(servings: Sequence[Serving], ready: Callable[[], None]) -> None:
    """Serve until SIGTERM or SIGINT, then end within a second.

    `ready` is called once every world takes requests.
    """
    asyncio.run(_carry(servings, ready))


async def _carry(servings: Sequence[Serving], ready: Callable[[], None]) -> None:
    waiting = len(servings)

    def count() -> None:
        nonlocal waiting
        waiting -= 1
        if not waiting:
            ready()

    servers = [_Server(world, listener, count) for world, listener in servings]

    def stop() -> None:
        for server in servers:
            server.stop()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    await asyncio.gather(*(server.carry() for server in servers))


@contextlib.contextmanager
def serving(world: P) -> Iterator[Endpoint[P]]:
    """Serve a world from a background thread on a free port, until the block ends."""
    listener = listen()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    started = threading.Event()
    servers: list[_Server] = []

    async def carry() -> None:
        servers.append(_Server(world, listener, started.set))
        await servers[0].carry()

    thread = threading.Thread(target=lambda: asyncio.run(carry()), name="emulator", daemon=True)
    thread.start()
    if not started.wait(10):
        raise RuntimeError("The emulator did not start within ten seconds.")
    try:
        yield Endpoint(url, world.key, world)
    finally:
        servers[0].stop()
        thread.join(10)
