from __future__ import annotations

import pytest

from pulumi_openrelay.emulator import SimulatedClock, World

from .support import PROVISION_SECONDS, Api


@pytest.fixture
def clock() -> SimulatedClock:
    return SimulatedClock()


@pytest.fixture
def world(clock: SimulatedClock) -> World:
    return World(clock=clock, check_answers=True, provision_seconds=PROVISION_SECONDS)


@pytest.fixture
def api(world: World, clock: SimulatedClock) -> Api:
    return Api(world, clock)
