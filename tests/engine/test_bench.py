"""`make bench`, quickly: every part of it runs, and its page can be made of what it writes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from .support import ROOT, cli_directory

QUICK_SECONDS = 120


def bench(results: Path, *options: str) -> dict[str, Any]:
    cli_directory()
    subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "bench.py"), *options, "--results", str(results)],
        check=True,
        timeout=QUICK_SECONDS,
    )
    written: dict[str, Any] = json.loads((results / "quick.json").read_text())
    return written


def test_the_quick_benchmark_measures_every_contestant_and_undercuts_nothing(
    tmp_path: Path,
) -> None:
    found = bench(tmp_path, "--quick")
    assert found["cores"] >= 1
    runs = {(row["contestant"], row["command"]): row for row in found["measured"]}
    assert {who for who, _ in runs} == {"ours", "nothing"}
    assert all(row["seconds"] > 0 for row in runs.values())
    assert runs["ours", "up"]["requests"] > 2
    assert runs["ours", "refresh"]["requests"] > 0
    assert runs["nothing", "up"]["requests"] == 0
    assert sum(row["undercut"] for row in runs.values()) == 0
