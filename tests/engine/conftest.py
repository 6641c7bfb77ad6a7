from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pulumi_openrelay.emulator import ServedWorld, serve

from .support import Stack


@pytest.fixture
def cloud() -> Iterator[ServedWorld]:
    """An emulated control plane whose machines are up after half a second."""
    with serve(check_answers=True, provision_seconds=0.5) as served:
        yield served


@pytest.fixture
def new_stack(tmp_path: Path, cloud: ServedWorld) -> Iterator[Callable[..., Stack]]:
    made: list[Stack] = []

    def make(folder: str = "project", **options: Any) -> Stack:
        made.append(Stack(tmp_path / folder, cloud, **options))
        return made[-1]

    yield make
    for stack in made:
        stack.end()


@pytest.fixture
def stack(new_stack: Callable[..., Stack]) -> Stack:
    return new_stack()
