"""Replay one story, or run many."""

from __future__ import annotations

import argparse
import gc
import os
import secrets
import sys
import time
from concurrent.futures import ProcessPoolExecutor

from .network import Tally
from .shorten import broken_kind, command, shorten
from .story import Story
from .watch import DUPLICATE, LEAK

CHUNK = 50
CRASHES = ("death before the work", "death after the work", "death of the CLI alone", "Ctrl-C")


def run_chunk(seeds: range) -> tuple[Tally, list[tuple[int, str]]]:
    """What these stories met, and the seeds that broke an invariant, with how."""
    # A story's world is garbage when it ends, not before: fewer looks for some save a tenth.
    gc.freeze()
    gc.set_threshold(100_000, 20, 20)
    tally, broken = Tally(), []
    for seed in seeds:
        story = Story(seed, tally)
        try:
            story.run()
        except Exception as error:  # noqa: BLE001 - whatever it is, it is counted and named
            tally.broken[str(broken_kind(story))] += 1
            broken.append((seed, f"{type(error).__name__}: {error}"))
    gc.collect()
    return tally, broken


def soak(stories: int) -> int:
    """Run them on all cores; the number that broke an invariant."""
    first = secrets.randbelow(10**9)
    print(f"seeds {first} to {first + stories - 1}", flush=True)
    began = time.monotonic()
    seeds = range(first, first + stories)
    tally = Tally()
    broken: list[tuple[int, str]] = []
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        chunks = [seeds[start : start + CHUNK] for start in range(0, stories, CHUNK)]
        for met, found in pool.map(run_chunk, chunks):
            tally.add(met)
            broken += found
    print(f"{stories} stories in {time.monotonic() - began:.0f} s")
    print("\n".join(report(tally)))
    for seed, how in broken:
        print(f"  {how}\n    replay with: python -m tests.simulation {seed}")
    if broken:
        story = shorten(broken[0][0])
        print("\n".join(["the shortest story of the first:", *story.lines, command(story)]))
    return len(broken)


def report(tally: Tally) -> list[str]:
    """The lines that tell what the stories met, and what they broke."""
    crashes = sum(tally.faults[crash] for crash in CRASHES)
    lines = [f"faults injected: {tally.faults.total()}, of which crashes: {crashes}"]
    lines += [f"  {count:8} {fault}" for fault, count in tally.faults.most_common()]
    lines += ["what else happened:"]
    lines += [f"  {count:8} {event}" for event, count in tally.events.most_common()]
    lines += [f"requests: {tally.requests}, machines made: {tally.machines}"]
    lines += [f"leaks: {tally.broken[LEAK]}", f"duplicates: {tally.broken[DUPLICATE]}"]
    others = {kind: n for kind, n in tally.broken.items() if kind not in (LEAK, DUPLICATE)}
    lines += [f"other broken invariants: {sum(others.values())}"]
    lines += [f"  {count:8} {kind}" for kind, count in others.items()]
    return lines


def chosen(seed: int, only: str | None, without: str | None) -> Story:
    """The story of a seed, with these of its faults alone, and without these of its parts."""
    faults = None if only is None else frozenset(only.split(","))
    return Story(seed, only=faults, without=frozenset((without or "").split(",")))


def replay(story: Story) -> int:
    """Tell one story. Returns 1 where it breaks an invariant."""
    try:
        story.run()
    except Exception:  # noqa: BLE001 - its last line tells
        return 1
    finally:
        print("\n".join(story.lines))
    return 0


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    what = made.add_mutually_exclusive_group(required=True)
    what.add_argument("seed", nargs="?", type=int, help="tell the story of this seed, line by line")
    what.add_argument(
        "--soak", metavar="N", type=int, help="tell N stories of fresh seeds, and count"
    )
    made.add_argument("--only", metavar="NAMES", help="with these of its faults alone")
    made.add_argument("--without", metavar="NAMES", help="without these of its parts")
    return made


def main() -> int:
    given = parser().parse_args()
    if given.soak is not None:
        return 1 if soak(given.soak) else 0
    return replay(chosen(given.seed, given.only, given.without))


if __name__ == "__main__":
    sys.exit(main())
