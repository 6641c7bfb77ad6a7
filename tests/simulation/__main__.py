"""Replay one story, or run many:

python -m tests.simulation 4711              the story of one seed, told line by line
python -m tests.simulation 4711 3fa01,0be77  the same with these of its faults alone
python -m tests.simulation --soak 10000      that many fresh seeds on all cores, and a tally
"""

from __future__ import annotations

import os
import secrets
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor

from .network import Tally
from .shorten import command, shorten
from .story import Story

CHUNK = 50


def run_chunk(first: int) -> tuple[Tally, list[tuple[int, str]]]:
    """What CHUNK stories met, and the seeds that broke an invariant, with how."""
    tally, broken = Tally(), []
    for seed in range(first, first + CHUNK):
        try:
            Story(seed, tally).run()
        except Exception as error:  # noqa: BLE001 - whatever it is, it is counted and named
            broken.append((seed, f"{type(error).__name__}: {error}"))
    return tally, broken


def soak(stories: int) -> int:
    """Run them on all cores; the number that broke an invariant."""
    first = secrets.randbelow(10**9)
    print(f"seeds {first} to {first + stories - 1}", flush=True)
    began = time.monotonic()
    faults: Counter[str] = Counter()
    requests = machines = 0
    broken: list[tuple[int, str]] = []
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for tally, found in pool.map(run_chunk, range(first, first + stories, CHUNK)):
            faults += tally.faults
            requests += tally.requests
            machines += tally.machines
            broken += found
    crashes = faults["death before the work"] + faults["death after the work"]
    print(f"{stories} stories in {time.monotonic() - began:.0f} s")
    print(f"faults injected: {sum(faults.values())}, of which crashes: {crashes}")
    for fault, count in faults.most_common():
        print(f"  {count:8} {fault}")
    print(f"requests: {requests}, machines made: {machines}")
    print(f"stories with a leak, a duplicate or any other broken invariant: {len(broken)}")
    for seed, how in broken:
        print(f"  {how}\n    replay with: python -m tests.simulation {seed}")
    if broken:
        story = shorten(broken[0][0])
        print("\n".join(["the shortest story of the first:", *story.lines, command(story)]))
    return len(broken)


def replay(seed: int, only: str | None = None) -> None:
    """Tell one story."""
    faults = None if only is None else frozenset(only.split(","))
    story = Story(seed, only=faults)
    try:
        story.run()
    finally:
        print("\n".join(story.lines))


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["--soak", number]:
            sys.exit(1 if soak(int(number)) else 0)
        case [number, *only] if len(only) < 2:
            replay(int(number), *only)
        case _:
            sys.exit(__doc__)
