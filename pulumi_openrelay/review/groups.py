"""What is said of many resources alike, said once."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import TypeVar

T = TypeVar("T")

MOST_NAMES = 3
"""So many names are all given; of more the first, the last and how many they are."""


def natural(name: str) -> tuple[tuple[int, int, str], ...]:
    """The key that sorts `worker2` before `worker10`."""
    parts = re.findall(r"[0-9]+|[^0-9]+", name)
    return tuple((0, int(p), "") if p[0] in "0123456789" else (1, 0, p) for p in parts)


def alike(items: Iterable[T], key: Callable[[T], Hashable]) -> list[list[T]]:
    """The items with the same key together, each group where its first one stood."""
    groups: dict[Hashable, list[T]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return list(groups.values())


def several(names: Sequence[str], what: str, code: Callable[[str], str]) -> str:
    """Names as a reader reads them. what: what they are, such as `VM`. code: marks a name up."""
    ordered = [code(name) for name in sorted(names, key=natural)]
    kind = f" ({what})" if what else ""
    if len(ordered) > MOST_NAMES:
        return f"{ordered[0]} … {ordered[-1]} ({len(ordered)} {_plural(what)})"
    if len(ordered) > 1:
        return f"{', '.join(ordered[:-1])} and {ordered[-1]}{kind}"
    return f"{ordered[0]}{kind}"


def _plural(what: str) -> str:
    return f"{what}s" if what else "resources"
