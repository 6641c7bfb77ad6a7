"""Nothing lost, nothing doubled, nothing shared: on some hundred bad days, new ones each time."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from .shorten import command, shorten
from .story import Story

CHUNKS = 10
STORIES = 30
"""In each chunk."""


@pytest.mark.parametrize("seed", range(20))
def test_the_same_bad_days_every_time_lose_double_or_share_nothing(seed: int) -> None:
    Story(seed).run()


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_no_bad_day_loses_doubles_or_shares_a_machine(
    chunk: int, record_property: Callable[[str, object], None]
) -> None:
    first = secrets.randbelow(10**9)
    record_property("fresh seeds", f"{first} to {first + STORIES - 1}")
    del chunk
    for seed in range(first, first + STORIES):
        story = Story(seed)
        try:
            story.run()
        except Exception:
            shortest = shorten(seed)
            print("\n".join([*shortest.lines, f"play it again: {command(shortest)}"]))
            raise


def test_the_same_seed_tells_the_same_story() -> None:
    """In another process too, whatever that has drawn before."""
    told = [told_elsewhere(seed="710831310", hashes=hashes) for hashes in ("1", "2")]
    assert told[0] == told[1]
    assert len(told[0].splitlines()) > 10


def told_elsewhere(seed: str, hashes: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "tests.simulation", seed],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONHASHSEED": hashes},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return done.stdout
