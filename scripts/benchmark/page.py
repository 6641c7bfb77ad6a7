"""docs/benchmarks.md and its picture, from the results."""

from __future__ import annotations

import os
import platform
import re
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from . import small
from .growth import draw

Row = dict[str, Any]

LIMITS = {
    ("up", "vm", 64, 0.0, 3.0): 1.5,
    ("up", "vm", 64, 0.0, 10.0): 1.1,
    ("refresh", "vm", 256, 0.0, 0.0): 1.5,
    ("refresh", "webhook", 256, 0.0, 0.0): 1.3,
    ("preview", "vm", 1000, 0.0, 0.0): 1.3,
}
"""What a ratio must not exceed, by work."""


def machine() -> dict[str, Any]:
    """What was measured on."""
    return {
        "cores": os.cpu_count(),
        "processor": _processor(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }


def write(results: dict[str, Any], docs: Path) -> None:
    """Put the results between the markers of the page, and draw the picture anew."""
    rows: list[Row] = results["measured"]
    page = docs / "benchmarks.md"
    text = page.read_text()
    text = _between(text, "machine", _machine_told(results))
    text = _between(text, "table", _table(rows))
    text = _between(text, "small", _small(results["small"]))
    page.write_text(_between(text, "refused", _refused(rows)))
    (docs / "benchmarks.svg").write_text(draw(_growth(rows)))


def _between(text: str, name: str, part: str) -> str:
    """The text with this part between the markers of that name."""
    before, begin, rest = text.partition(f"<!-- {name} -->\n")
    _, end, after = rest.partition("\n<!-- end -->")
    if not (begin and end):
        raise SystemExit(f"bench: docs/benchmarks.md has no markers for {name}")
    return f"{before}{begin}{part}{end}{after}"


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    names = re.findall(
        r"^model name\s*: (.+)$", info.read_text() if info.exists() else "", re.MULTILINE
    )
    return names[0] if names else platform.processor() or "unknown"


def _machine_told(results: dict[str, Any]) -> str:
    return (
        f"{results['cores']} cores ({results['processor']}), {results['system']}, "
        f"Python {results['python']}."
    )


def _works(rows: Sequence[Row]) -> list[tuple[str, str, int, float, float]]:
    """The kinds of work, in the order in which they are told."""
    order = ("up", "preview", "refresh", "destroy")
    found = {_work(r) for r in rows}
    return sorted(found, key=lambda w: (w[1], w[3], order.index(w[0]), w[2], w[4]))


def _work(row: Row) -> tuple[str, str, int, float, float]:
    """An `up` of other machines is other work; what comes after it is not."""
    seconds = row["provision_seconds"] if row["command"] == "up" else 0.0
    return row["command"], row["kind"], row["count"], row["refused"], seconds


def _of(
    rows: Sequence[Row], work: tuple[str, str, int, float, float], contestant: str
) -> list[Row]:
    return [r for r in rows if _work(r) == work and r["contestant"] == contestant]


def ratio(mine: Sequence[Row], floor: Sequence[Row]) -> float | None:
    """The median over the pairs, each run beside the floor's of the same turn: what is beyond the
    time that the machines take is the engine's, or the contestant's."""
    pairs = [
        m["seconds"] / (f["seconds"] + (m["provision_seconds"] if m["command"] == "up" else 0.0))
        for m, f in zip(mine, floor, strict=False)
    ]
    return statistics.median(pairs) if pairs else None


def _table(rows: Sequence[Row]) -> str:
    lines = [
        "| work | contestant | seconds | ratio | at most | requests | in flight | plugin's MB |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for work in _works(rows):
        if work[3]:
            continue
        floor = _of(rows, work, "nothing")
        for contestant in ("ours", "nothing", "plain"):
            mine = _of(rows, work, contestant)
            if mine:
                lines.append(_line(work, contestant, mine, floor))
    return "\n".join(lines)


def _line(
    work: tuple[str, str, int, float, float], contestant: str, mine: list[Row], floor: list[Row]
) -> str:
    command, kind, count, *_ = work
    waits = mine[0]["provision_seconds"] if command == "up" else 0.0
    beside = None if contestant == "nothing" else ratio(mine, floor)
    limit = LIMITS.get(work) if contestant == "ours" else None
    memory = [r["plugin_mb"] for r in mine if r["plugin_mb"] is not None]
    cells = [
        f"{command} of {count} {kind}s" + (f" of {waits:g} s" if waits else ""),
        contestant,
        f"{_median(mine, 'seconds'):.1f}",
        "" if beside is None else f"{beside:.2f}",
        "" if limit is None else f"{limit}",
        f"{_median(mine, 'requests'):.0f}",
        f"{_median(mine, 'in_flight'):.0f}",
        f"{max(memory):.0f}" if memory else "",
    ]
    return "| " + " | ".join(cells) + " |"


def _small(milliseconds: dict[str, float]) -> str:
    lines = ["| what | ms | at most |", "| --- | ---: | ---: |"]
    lines += [f"| {w} | {ms:.3g} | {small.LIMITS[w]:g} |" for w, ms in milliseconds.items()]
    return "\n".join(lines)


def _refused(rows: Sequence[Row]) -> str:
    """How the stack fares whose requests are refused, beside the same one undisturbed."""
    lines = []
    for work in _works(rows):
        refused, calm = _of(rows, work, "ours"), _of(rows, (*work[:3], 0.0, work[4]), "ours")
        if not work[3] or not calm:
            continue
        grown = _median(refused, "seconds") - _median(calm, "seconds")
        lines.append(
            f"{work[0].capitalize()} of {work[2]} {work[1]}s at {work[3]:.0%} 429: "
            f"{grown:.1f} s longer, where the API asked to send nothing for "
            f"{_median(refused, 'asked_seconds'):.1f} s; {_median(refused, 'requests'):.0f} "
            f"requests, {sum(r['undercut'] for r in refused)} of them too early."
        )
    return "\n\n".join(lines)


def _median(rows: Sequence[Row], what: str) -> float:
    return float(statistics.median(r[what] for r in rows))


def _growth(rows: Sequence[Row]) -> dict[str, list[tuple[int, float]]]:
    """Seconds by the number of VMs, for each line of the picture."""
    lines: dict[str, list[tuple[int, float]]] = {}
    for work in _works(rows):
        command, kind, count, refused, _ = work
        if kind == "vm" and command in ("preview", "refresh") and not refused and count >= 64:
            for contestant in ("ours", "nothing"):
                mine = _of(rows, work, contestant)
                if mine:
                    lines.setdefault(f"{command}, {contestant}", []).append(
                        (count, _median(mine, "seconds"))
                    )
    return lines
