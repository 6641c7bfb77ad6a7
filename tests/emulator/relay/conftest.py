from __future__ import annotations

from collections.abc import Iterator

import pytest

from pulumi_openrelay.emulator import RelayWorld, ServedRelayWorld, SimulatedClock, serve_relay

from .support import PROVISION_SECONDS, Api


@pytest.fixture
def world(clock: SimulatedClock) -> RelayWorld:
    return RelayWorld(clock=clock, check_answers=True, provision_seconds=PROVISION_SECONDS)


@pytest.fixture
def api(world: RelayWorld, clock: SimulatedClock) -> Api:
    return Api(world, clock)


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[ServedRelayWorld]:
    """On a loopback port, in real time: machines are ready and tasks done after a moment."""
    # The vendors' clients would ask a proxy of this machine for the way to loopback.
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serve_relay(check_answers=True, provision_seconds=0.2, task_seconds=0.2) as served:
        yield served
