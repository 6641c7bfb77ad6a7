"""What a program and the plugin pay before anything happens, and what each look at a VM costs."""

from __future__ import annotations

import statistics
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from typing import Any

INPUTS: dict[str, Any] = {
    "ssh_key_ids": ["key_1", "key_2"],
    "gpu_model_id": "rtx-4090",
    "gpu_count": 2,
    "image_url": "ghcr.io/example/app@sha256:0123",
    "env_vars": {"A": "1", "B": "2"},
    "desired_state": "running",
    "__owner": "0123456789abcdef",
    "name": "trainer",
}
OUTPUTS: dict[str, Any] = {
    **INPUTS,
    "status": "running",
    "price_per_hour_cents": 120,
    "__made": "1",
    "__ready": True,
}
IMPORT = """
    import time
    import pulumi, pulumi.dynamic
    began = time.process_time()
    import pulumi_openrelay
    print((time.process_time() - began) * 1000)
    """
# Of what is recorded already: a new machine's price is asked of the API first.
FIRST_CHECK = f"""
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
LIMITS = {
    "importing the package, beside importing Pulumi": 60.0,
    "the plugin's first answer to check, beside loading Pulumi": 150.0,
    "check of a VM": 0.3,
    "diff of a VM": 0.3,
}
"""How many milliseconds each may take."""


def measure() -> dict[str, float]:
    """The milliseconds of processor time that each of them takes: medians."""
    return {name: figure() for name, figure in zip(LIMITS, FIGURES, strict=True)}


def importing() -> float:
    """The package, in a program that has imported Pulumi."""
    return _in_processes(IMPORT)


def first_check() -> float:
    """From Pulumi's being there to the first answer."""
    return _in_processes(FIRST_CHECK)


def check_of_a_vm() -> float:
    """In a process that has done one before."""
    from pulumi_openrelay.lifecycle.check import check
    from pulumi_openrelay.resources.vm import VmKind

    inputs = {name: value for name, value in INPUTS.items() if name != "__owner"}
    return _repeated(lambda: check(VmKind(), inputs))


def diff_of_a_vm() -> float:
    """Of one that does not change."""
    from pulumi_openrelay.lifecycle.diff import diff
    from pulumi_openrelay.resources.vm import VmKind

    return _repeated(lambda: diff(VmKind(), INPUTS, OUTPUTS, INPUTS))


def _in_processes(program: str, runs: int = 5) -> float:
    """The program prints one number."""
    command = [sys.executable, "-c", textwrap.dedent(program)]
    printed = [
        subprocess.run(command, capture_output=True, text=True, check=True).stdout
        for _ in range(runs)
    ]
    return statistics.median(float(number) for number in printed)


def _repeated(work: Callable[[], Any], times: int = 300) -> float:
    work()  # what is made once
    took = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        took.append(time.perf_counter() - began)
    return statistics.median(took) * 1000


FIGURES = (importing, first_check, check_of_a_vm, diff_of_a_vm)
"""What measures each of `LIMITS`."""
