"""The lives of stacks that are measured, and how: an emulator of its own for each."""

from __future__ import annotations

import json
import tempfile
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pulumi_openrelay.emulator import ServedWorld, serve

from .stack import Stack

ANSWER_SECONDS = 0.03
"""How long each answer takes on its way, as from a near data centre."""
RETRY_AFTER = 1.0
ON_THE_WAY_SECONDS = 0.2
"""A request that comes so soon after a 429 was sent before that was read."""


@dataclass(frozen=True)
class Life:
    """A stack from its first `up` on.

    commands: what is measured, in this order; what comes several times is run several times.
    refused: the part of the requests that is answered with 429. runs: how many such lives each
    contestant leads; those of `once` lead one, because it takes so long.
    """

    kind: str
    count: int
    provision_seconds: float
    contestants: Sequence[str] = ("ours", "nothing")
    once: Sequence[str] = ()
    commands: Sequence[str] = ("up", "preview", "refresh", "destroy")
    refused: float = 0.0
    runs: int = 3


@dataclass(frozen=True)
class Measured:
    """One command. in_flight: the most requests under way at once. asked_seconds: for how long the
    API asked to send nothing. undercut: the requests that came all the same."""

    command: str
    kind: str
    count: int
    provision_seconds: float
    refused: float
    contestant: str
    run: int
    seconds: float
    plugin_mb: float | None
    requests: int
    in_flight: int
    asked_seconds: float
    undercut: int


FULL = (
    Life("vm", 64, 3.0, commands=["up"]),
    Life("vm", 16, 10.0, once=["plain"], runs=1),
    Life("vm", 64, 10.0),
    Life("vm", 64, 10.0, contestants=["plain"], commands=["up"], runs=1),
    Life("vm", 256, 10.0, commands=["up", *["preview", "refresh"] * 3, "destroy"], runs=1),
    Life("vm", 1000, 0.05, commands=["up", *["preview", "refresh"] * 3], runs=1),
    Life("webhook", 256, 0.05, commands=["up", *["refresh"] * 5], runs=1),
    Life("vm", 64, 10.0, contestants=["ours"], commands=["up"], refused=0.3),
)
QUICK = (Life("vm", 2, 0.2, commands=["up", "refresh"], refused=0.1, runs=1),)


def measure(lives: Sequence[Life]) -> Iterator[Measured]:
    """Run them, the contestants in turns, and tell what each command took."""
    for life in lives:
        for run in range(life.runs):
            first_run_only = life.once if run == 0 else ()
            for contestant in [*life.contestants, *first_run_only]:
                yield from _live(life, contestant, run)


def _live(life: Life, contestant: str, run: int) -> Iterator[Measured]:
    with (
        serve(provision_seconds=life.provision_seconds) as cloud,
        tempfile.TemporaryDirectory(prefix="openrelay-bench-") as folder,
    ):
        _set_up(cloud, life)
        reach = {"OPENRELAY_API_URL": cloud.url, "OPENRELAY_API_KEY": cloud.key}
        stack = Stack(Path(folder) / "bench", contestant, life.kind, life.count, reach)
        for command in life.commands:
            cloud.world.log.clear()
            cost = stack.run(command)
            times = [entry.time for entry in cloud.world.log.entries]
            refusals = [e.time for e in cloud.world.log.entries if e.fault == "status"]
            yield Measured(
                command=command,
                kind=life.kind,
                count=life.count,
                provision_seconds=life.provision_seconds,
                refused=life.refused,
                contestant=contestant,
                run=run,
                seconds=cost.seconds,
                plugin_mb=cost.plugin_mb,
                requests=len(times),
                in_flight=_most_at_once(times),
                asked_seconds=_covered(refusals),
                undercut=_undercut(times, refusals),
            )


def _set_up(cloud: ServedWorld, life: Life) -> None:
    _control(cloud, "PATCH", "settings", {"capacity": {"cpu": 4 * life.count}})
    refusal = {"type": "status", "status": 429, "headers": {"Retry-After": f"{RETRY_AFTER:g}"}}
    answers = {"type": "delay", "seconds": ANSWER_SECONDS, "when": "after"}
    rules: list[tuple[float, dict[str, Any]]] = [(1.0, answers)]
    if life.refused:
        rules.insert(0, (life.refused, {**refusal, "seconds": ANSWER_SECONDS}))
    for probability, action in rules:
        rule = {"times": None, "probability": probability, "action": action}
        _control(cloud, "POST", "faults", rule)


def _control(cloud: ServedWorld, method: str, path: str, body: Any) -> None:
    url = f"{cloud.url}/_emulator/{path}"
    request = urllib.request.Request(url, data=json.dumps(body).encode(), method=method)
    urllib.request.urlopen(request, timeout=10).close()


def _most_at_once(times: Sequence[float]) -> int:
    """Each is under way from when it came until its answer has arrived."""
    return max(
        (sum(1 for t in times if came - ANSWER_SECONDS < t <= came) for came in times), default=0
    )


def _covered(refusals: Sequence[float]) -> float:
    """How long the API was asking to wait, seconds in which it did so twice counted once."""
    covered, end = 0.0, float("-inf")
    for begun in sorted(refusals):
        until = begun + ANSWER_SECONDS + RETRY_AFTER
        covered += max(0.0, until - max(begun, end))
        end = max(end, until)
    return covered


def _undercut(times: Sequence[float], refusals: Sequence[float]) -> int:
    return sum(
        any(begun + ON_THE_WAY_SECONDS < came < begun + RETRY_AFTER for begun in refusals)
        for came in times
    )
