"""A world under an httpx client, in process: no port, and no waiting but the caller's own."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

import httpx

from .wire import Request

if TYPE_CHECKING:
    from collections.abc import Callable

    from .control_plane import ControlPlane


class WorldTransport(httpx.BaseTransport):
    """Give it to `httpx.Client(transport=…)`. `sleep` is called for answers that come late.

    A read timeout of the request counts: where an answer is later than that, the
    caller waits for so long, gets ReadTimeout, and the work is done all the same.
    """

    def __init__(
        self, world: ControlPlane, *, sleep: Callable[[float], object] = time.sleep
    ) -> None:
        self._world = world
        self._sleep = sleep

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        answer = self._world.handle(
            Request(
                request.method,
                request.url.raw_path.decode().partition("?")[0],
                dict(request.url.params),
                {name.lower(): value for name, value in request.headers.items()},
                request.read(),
            )
        )
        patience: float = request.extensions.get("timeout", {}).get("read") or math.inf
        while True:
            late = answer.delay_seconds > patience
            self._sleep(min(patience, answer.delay_seconds))
            if answer.later is None:
                break
            answer = answer.later()
            if late:
                break
        if late:
            raise httpx.ReadTimeout("The answer did not come in time.", request=request)
        if answer.drop:
            raise httpx.RemoteProtocolError(
                "Server disconnected without sending a response.", request=request
            )
        headers = self._world.sent_with(answer)
        return httpx.Response(answer.status, headers=headers, content=answer.body)
