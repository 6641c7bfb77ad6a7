"""`make bench`: how long stacks take, beside an engine that does nothing.

Contestants take turns on the same machine, against the local emulator, on the real engine:

- ours: this package;
- nothing: a dynamic provider that answers at once, which is the engine's own time;
- plain: a dynamic provider as Pulumi's documentation teaches it.

Everything is written to bench-results/bench.json, and from there into docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict
from pathlib import Path

from benchmark import life, page, small

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure stacks, and write docs/benchmarks.md.")
    parser.add_argument(
        "--quick", action="store_true", help="a few seconds of each kind of work; writes no page"
    )
    parser.add_argument(
        "--page", action="store_true", help="measure nothing: write the page from the last results"
    )
    parser.add_argument("--results", type=Path, default=ROOT / "bench-results")
    asked = parser.parse_args()
    results = asked.results / ("quick.json" if asked.quick else "bench.json")
    if not asked.page:
        _measure(life.QUICK if asked.quick else life.FULL, results)
    if not asked.quick:
        page.write(json.loads(results.read_text()), ROOT / "docs")


def _measure(lives: tuple[life.Life, ...], results: Path) -> None:
    began = time.monotonic()
    measured: list[dict[str, object]] = []
    for one in life.measure(lives):
        measured.append(asdict(one))
        print(
            f"{time.monotonic() - began:6.0f} s  {one.command:8}{one.count:5} {one.kind:8}"
            f"{one.contestant:8}{one.seconds:7.2f} s{one.requests:6} requests",
            flush=True,
        )
    results.parent.mkdir(parents=True, exist_ok=True)
    found = {**page.machine(), "small": small.measure(), "measured": measured}
    results.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
