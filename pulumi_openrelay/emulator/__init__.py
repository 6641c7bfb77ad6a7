"""Local control planes of both services: an independent reading of their APIs, for tests and demos.

`World` is OpenRelay itself, in process, without threads or sockets, `RelayWorld` is
Relay. `serve` and `serve_relay` put one on a loopback port, `WorldTransport` under an
httpx client.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from typing import Any, TypeAlias

from .control_plane import ControlPlane
from .relay.world import RelayWorld
from .server import Endpoint, serving
from .store import StateError
from .timeline import SimulatedClock
from .transport import WorldTransport
from .wire import Answer, Request
from .world import World

ServedWorld: TypeAlias = Endpoint[World]
ServedRelayWorld: TypeAlias = Endpoint[RelayWorld]

__all__ = [
    "Answer",
    "ControlPlane",
    "RelayWorld",
    "Request",
    "ServedRelayWorld",
    "ServedWorld",
    "SimulatedClock",
    "StateError",
    "World",
    "WorldTransport",
    "serve",
    "serve_relay",
]


@contextmanager
def serve(world: World | None = None, **options: Any) -> Iterator[ServedWorld]:
    """Serve OpenRelay from a background thread on a free port, until the block ends.

    Without a world a new one is made of `options`, those of `World`.
    """
    with (
        nullcontext(world) if world else closing(World(**options)) as made,
        serving(made) as served,
    ):
        yield served


@contextmanager
def serve_relay(world: RelayWorld | None = None, **options: Any) -> Iterator[ServedRelayWorld]:
    """Serve Relay, as `serve` does OpenRelay; `options` are those of `RelayWorld`."""
    with (
        nullcontext(world) if world else closing(RelayWorld(**options)) as made,
        serving(made) as served,
    ):
        yield served
