"""Nothing lost, nothing doubled, nothing shared: on some hundred bad days, new ones each time."""

from __future__ import annotations

import secrets

import pytest

from .shorten import command, shorten
from .story import Story

STORIES = 300


@pytest.mark.parametrize("seed", range(20))
def test_the_same_bad_days_every_time_lose_double_or_share_nothing(seed: int) -> None:
    Story(seed).run()


def test_no_bad_day_loses_doubles_or_shares_a_machine() -> None:
    first = secrets.randbelow(10**9)
    print(f"seeds {first} to {first + STORIES - 1}")
    for seed in range(first, first + STORIES):
        story = Story(seed)
        try:
            story.run()
        except Exception:
            shortest = shorten(seed)
            print("\n".join([*shortest.lines, f"play it again: {command(shortest)}"]))
            raise
