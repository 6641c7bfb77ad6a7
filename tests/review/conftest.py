from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pulumi_openrelay.emulator import ServedWorld, serve
from tests.engine.support import Stack

# Tests share the script that finds a browser with whoever runs it by hand.
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))


@pytest.fixture
def cloud() -> Iterator[ServedWorld]:
    """An emulated control plane whose machines are up almost at once."""
    with serve(check_answers=True, provision_seconds=0.1) as served:
        yield served


@pytest.fixture
def stack(tmp_path: Path, cloud: ServedWorld) -> Stack:
    return Stack(tmp_path / "project", cloud)
