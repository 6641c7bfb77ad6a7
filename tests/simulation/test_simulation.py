"""Nothing lost, nothing doubled, nothing shared: on some hundred bad days, new ones each time."""

from __future__ import annotations

import secrets

import pytest

from .story import Story

STORIES = 300
# What once broke an invariant, and was mended.
ONCE_BROKEN = [11, 37, 67, 89, 101, 127, 231, 450, 653, 842, 3846]


@pytest.mark.parametrize("seed", ONCE_BROKEN)
def test_what_once_went_wrong_does_not_again(seed: int) -> None:
    Story(seed).run()


def test_no_bad_day_loses_doubles_or_shares_a_machine() -> None:
    first = secrets.randbelow(10**9)
    print(f"seeds {first} to {first + STORIES - 1}")
    for seed in range(first, first + STORIES):
        story = Story(seed)
        try:
            story.run()
        except Exception:
            print("\n".join(story.lines))
            print(f"replay with: python -m tests.simulation {seed}")
            raise
