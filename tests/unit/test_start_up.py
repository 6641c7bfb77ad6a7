"""What a program and the plugin pay before anything happens: processor time, since the machine that
tests run on is busy with others."""

from __future__ import annotations

import statistics
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from typing import Any

import pulumi_openrelay  # noqa: F401 - registers the kinds
from pulumi_openrelay.lifecycle.check import check
from pulumi_openrelay.lifecycle.declare import KINDS
from pulumi_openrelay.lifecycle.diff import diff

VM = KINDS["openrelay:Vm"]
INPUTS = {
    "ssh_key_ids": ["key_1", "key_2"],
    "gpu_model_id": "rtx-4090",
    "gpu_count": 2,
    "image_url": "ghcr.io/example/app@sha256:0123",
    "env_vars": {"A": "1", "B": "2"},
    "desired_state": "running",
    "__owner": "0123456789abcdef",
    "name": "trainer",
}
OUTPUTS = {
    **INPUTS,
    "status": "running",
    "price_per_hour_cents": 120,
    "__made": "1",
    "__ready": True,
}

HEAVY = ("httpx", "pydantic", "pydantic_core", "uvicorn", "starlette", "click")


def milliseconds(program: str) -> float:
    """The least of five runs in processes of their own; the program prints one number."""
    command = [sys.executable, "-c", textwrap.dedent(program)]
    runs = [subprocess.run(command, capture_output=True, text=True, check=True) for _ in range(5)]
    return min(float(run.stdout) for run in runs)


def test_importing_the_package_adds_nothing_like_five_times_60_ms() -> None:
    took = milliseconds(
        """
        import time
        import pulumi, pulumi.dynamic
        began = time.process_time()
        import pulumi_openrelay
        print((time.process_time() - began) * 1000)
        """
    )
    assert took <= 5 * 60


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


def test_the_first_answer_to_check_takes_nothing_like_five_times_150_ms() -> None:
    """Of what is recorded already: a new machine's price is asked of the API first."""
    took = milliseconds(
        f"""
        import time
        import pulumi, pulumi.dynamic
        began = time.process_time()
        from pulumi_openrelay.provider import Provider

        class Request:
            class config:
                get = {{"openrelay:apiKey": "or_local"}}.get

        provider = Provider("openrelay:Vm")
        provider.configure(Request)
        answer = provider.check({INPUTS!r}, {INPUTS!r})
        assert not answer.failures, answer.failures
        print((time.process_time() - began) * 1000)
        """
    )
    assert took <= 5 * 150


def median_milliseconds(work: Callable[[], Any]) -> float:
    work()  # what is made once
    times = []
    for _ in range(300):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return statistics.median(times) * 1000


def test_check_of_a_vm_takes_nothing_like_five_times_03_ms() -> None:
    inputs = {name: value for name, value in INPUTS.items() if name != "__owner"}
    assert check(VM, inputs)[1] == []
    assert median_milliseconds(lambda: check(VM, inputs)) <= 5 * 0.3


def test_diff_of_a_vm_takes_nothing_like_five_times_03_ms() -> None:
    assert not diff(VM, INPUTS, OUTPUTS, INPUTS)
    assert diff(VM, INPUTS, OUTPUTS, {**INPUTS, "gpu_count": 1}).replaces == ["gpu_count"]
    assert median_milliseconds(lambda: diff(VM, INPUTS, OUTPUTS, INPUTS)) <= 5 * 0.3
