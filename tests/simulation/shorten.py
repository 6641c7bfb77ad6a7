"""The shortest story that still shows what a seed has broken: with as few faults as possible."""

from __future__ import annotations

from .story import Story

MOST_STORIES = 300


def shorten(seed: int) -> Story:
    """The story of this seed, which breaks an invariant, with the fewest faults found."""
    whole = _played(seed, None)
    if whole is None:
        raise ValueError(f"the story of seed {seed} breaks nothing")
    shortest = whole
    only = list(whole.weather.struck)
    told, size = 1, max(1, len(only) // 2)
    while told < MOST_STORIES:
        for start in range(0, len(only), size):
            fewer = only[:start] + only[start + size :]
            told += 1
            story = _played(seed, frozenset(fewer))
            if story is not None:
                only, shortest = list(story.weather.struck), story
                break
        else:
            if size == 1:
                break
            size //= 2
    return shortest


def _played(seed: int, only: frozenset[str] | None) -> Story | None:
    """The story with these faults alone, None where it breaks nothing."""
    story = Story(seed, only=only)
    try:
        story.run()
    except Exception as error:  # noqa: BLE001 - however it breaks, it is what is looked for
        story.lines.append(f"{type(error).__name__}: {error}")
        return story
    return None


def command(story: Story) -> str:
    """What plays this story again."""
    only = "" if story.only is None else " " + (",".join(sorted(story.only)) or "none")
    return f"python -m tests.simulation {story.seed}{only}"
