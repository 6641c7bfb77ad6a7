"""What a program and the plugin pay before anything happens: a gross loss shows here, what it is
exactly in docs/benchmarks.md."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

from benchmark import small

from pulumi_openrelay.lifecycle.check import check
from pulumi_openrelay.lifecycle.diff import diff
from pulumi_openrelay.resources.vm import VmKind

HEAVY = ("httpx", "pydantic", "pydantic_core", "uvicorn", "starlette", "click")
MUCH = 5
"""By how much the machine that tests run on may be slower, busy with others as it is."""


@pytest.mark.parametrize(
    ("figure", "measure"),
    [*zip(small.LIMITS, small.FIGURES, strict=True)],
)
def test_no_figure_is_five_times_what_it_should_be(
    figure: str, measure: Callable[[], float]
) -> None:
    assert measure() <= MUCH * small.LIMITS[figure]


def test_what_is_measured_is_checked_and_compared() -> None:
    inputs = {name: value for name, value in small.INPUTS.items() if name != "__owner"}
    assert check(VmKind(), inputs)[1] == []
    assert not diff(VmKind(), small.INPUTS, small.OUTPUTS, small.INPUTS)
    changed = {**small.INPUTS, "gpu_count": 1}
    assert diff(VmKind(), small.INPUTS, small.OUTPUTS, changed).replaces == ["gpu_count"]


def test_what_a_program_needs_no_heavy_part_for_imports_none() -> None:
    program = """
        import sys
        import pulumi, pulumi.dynamic
        before = set(sys.modules)
        import pulumi_openrelay
        print(*sorted({name.partition(".")[0] for name in set(sys.modules) - before}))
        """
    command = [sys.executable, "-c", textwrap.dedent(program)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    imported = set(done.stdout.split())
    assert "pulumi_openrelay" in imported
    assert imported.isdisjoint(HEAVY)
