"""The shortest story that still breaks what a seed has broken: with as few stacks, operations,
resources and scripts, and then as few faults, as possible."""

from __future__ import annotations

from .story import Story

MOST_STORIES = 300


def shorten(seed: int, most: int = MOST_STORIES) -> Story:
    """The story of this seed, which breaks an invariant, with the fewest parts found. most: how
    many stories are told to find it."""
    whole = _played(seed, None, frozenset())
    if whole is None:
        raise ValueError(f"the story of seed {seed} breaks nothing")
    return _Shortening(whole, most).run()


class _Shortening:
    def __init__(self, whole: Story, most: int) -> None:
        self._shortest = whole
        self._kind = broken_kind(whole)
        self._left = most

    def run(self) -> Story:
        for part in self._shortest.parts:
            if part in self._shortest.parts:  # what it belonged to may be left out by now
                self._try(self._shortest.only, self._shortest.without | {part})
        self._leave_faults_out()
        return self._shortest

    def _leave_faults_out(self) -> None:
        """Half of them at first, then fewer at a time."""
        only = list(dict.fromkeys(self._shortest.weather.struck))
        size = max(1, len(only) // 2)
        while self._left > 0:
            for start in range(0, len(only), size):
                fewer = frozenset(only[:start] + only[start + size :])
                if self._try(fewer, self._shortest.without):
                    only = list(dict.fromkeys(self._shortest.weather.struck))
                    break
            else:
                if size == 1:
                    return
                size //= 2

    def _try(self, only: frozenset[str] | None, without: frozenset[str]) -> bool:
        """Whether the story breaks the same with so little; it is the shortest then."""
        if self._left <= 0:
            return False
        self._left -= 1
        story = _played(self._shortest.seed, only, without)
        if story is None or broken_kind(story) != self._kind:
            return False
        self._shortest = story
        return True


def broken_kind(story: Story) -> str | None:
    """Which invariant a story that was told has broken; None: none."""
    error = story.error
    return None if error is None else getattr(error, "kind", type(error).__name__)


def _played(seed: int, only: frozenset[str] | None, without: frozenset[str]) -> Story | None:
    """The story of so much, None where it breaks nothing."""
    story = Story(seed, only=only, without=without)
    try:
        story.run()
    except Exception:  # noqa: BLE001 - however it breaks, it is what is looked for
        return story
    return None


def command(story: Story) -> str:
    """What plays this story again."""
    words = ["python -m tests.simulation", str(story.seed)]
    if story.only is not None:
        words.append("--only " + (",".join(sorted(story.only)) or "none"))
    if story.without:
        words.append("--without " + ",".join(sorted(story.without)))
    return " ".join(words)
