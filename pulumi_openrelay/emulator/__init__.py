"""A local OpenRelay control plane: an independent reading of the API, for tests and demos.

`World` is the service itself, in process, without threads or sockets. `serve` puts
one on a loopback port, `WorldTransport` under an httpx client.
"""

from __future__ import annotations

from .server import ServedWorld, serve
from .store import StateError
from .timeline import SimulatedClock
from .transport import WorldTransport
from .wire import Answer, Request
from .world import World

__all__ = [
    "Answer",
    "Request",
    "ServedWorld",
    "SimulatedClock",
    "StateError",
    "World",
    "WorldTransport",
    "serve",
]
