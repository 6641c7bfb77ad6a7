"""docs/benchmarks.md is made of what was measured, and of nothing else."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

from benchmark import page, small  # noqa: E402 - scripts are no package
from benchmark.growth import draw  # noqa: E402
from benchmark.life import _covered, _most_at_once, _undercut  # noqa: E402


def row(contestant: str, seconds: float, **changes: Any) -> dict[str, Any]:
    return {
        "command": "up",
        "kind": "vm",
        "count": 64,
        "provision_seconds": 10.0,
        "refused": 0.0,
        "contestant": contestant,
        "run": 0,
        "seconds": seconds,
        "plugin_mb": 70.0,
        "requests": 150,
        "in_flight": 20,
        "asked_seconds": 0.0,
        "undercut": 0,
        **changes,
    }


MEASURED = [
    *(row("ours", seconds) for seconds in (12.0, 13.0, 30.0)),
    *(row("nothing", seconds, requests=0) for seconds in (2.0, 3.0, 2.0)),
    *(row("ours", s, command="refresh", count=c) for c, s in ((64, 2.0), (256, 4.0))),
    row("ours", 20.0, refused=0.3, asked_seconds=9.0, undercut=0),
]
RESULTS = {**page.machine(), "small": dict.fromkeys(small.LIMITS, 0.25), "measured": MEASURED}


MARKERS = ("machine", "table", "refused", "small")


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    markers = "".join(f"<!-- {n} -->\nold\n<!-- end -->\n" for n in MARKERS)
    (tmp_path / "benchmarks.md").write_text(f"before\n{markers}after\n")
    return tmp_path


def test_a_ratio_is_the_median_of_the_pairs(docs: Path) -> None:
    page.write(RESULTS, docs)
    text = (docs / "benchmarks.md").read_text()
    # 12/12, 13/13 and 30/12: each beside the floor's run of its turn.
    assert "| up of 64 vms of 10 s | ours | 13.0 | 1.00 | 1.1 | 150 | 20 | 70 |" in text
    assert "| up of 64 vms of 10 s | nothing | 2.0 |  |  | 0 |" in text


def test_what_stands_outside_the_markers_stays_and_writing_twice_changes_nothing(
    docs: Path,
) -> None:
    page.write(RESULTS, docs)
    once = (docs / "benchmarks.md").read_text()
    assert once.startswith("before\n")
    assert once.endswith("after\n")
    assert "old" not in once
    page.write(RESULTS, docs)
    assert (docs / "benchmarks.md").read_text() == once


def test_how_much_longer_a_refused_stack_took_stands_beside_what_the_api_asked_for(
    docs: Path,
) -> None:
    page.write(RESULTS, docs)
    text = (docs / "benchmarks.md").read_text()
    assert "Up of 64 vms at 30% 429: 7.0 s longer" in text
    assert "for 9.0 s" in text
    assert "0 of them too early" in text


def test_the_picture_is_a_picture(docs: Path) -> None:
    page.write(RESULTS, docs)
    picture = ET.fromstring((docs / "benchmarks.svg").read_text())  # noqa: S314 - our own
    lines = picture.findall("{http://www.w3.org/2000/svg}polyline")
    assert len(lines) == 1
    assert len(str(lines[0].get("points")).split()) == 2


def test_the_picture_of_nothing_is_empty() -> None:
    ET.fromstring(draw({}))  # noqa: S314 - our own


def test_the_page_of_the_project_has_every_marker() -> None:
    text = (ROOT / "docs" / "benchmarks.md").read_text()
    for name in ("machine", "table", "refused"):
        assert page._between(text, name, "new").count("new\n<!-- end -->") == 1


def test_requests_are_under_way_until_their_answers_have_come() -> None:
    assert _most_at_once([]) == 0
    assert _most_at_once([0.0, 0.01, 0.02, 0.5]) == 3


def test_seconds_in_which_the_api_asked_twice_count_once() -> None:
    assert _covered([]) == 0.0
    assert _covered([10.0, 10.5, 20.0]) == pytest.approx(1.53 + 1.03)


def test_a_request_while_the_api_asks_to_wait_is_counted() -> None:
    assert _undercut([10.0, 10.1, 11.05], [10.0]) == 0
    assert _undercut([10.0, 10.5, 10.9], [10.0]) == 2
