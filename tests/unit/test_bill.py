"""What a stack bills, as its own output."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import closing
from typing import Any

import pulumi
import pytest

from pulumi_openrelay.bill import OUTPUT, add_to_bill


class Root:
    """A program's stack, with what it exports."""

    def __init__(self) -> None:
        self.outputs: dict[str, Any] = {}


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch) -> Root:
    root = Root()
    monkeypatch.setattr(pulumi.runtime, "get_root_resource", lambda: root)
    monkeypatch.setattr(pulumi, "export", root.outputs.__setitem__)
    return root


def run(program: Coroutine[Any, Any, Any]) -> Any:
    """`asyncio.run` would leave the other tests without the loop that Pulumi's mocks run in."""
    with closing(asyncio.new_event_loop()) as loop:
        return loop.run_until_complete(program)


def billed(stack: Root, rates: dict[str, int | None]) -> Any:
    """The output of a program with these machines."""

    async def program() -> Any:
        for name, rate in rates.items():
            add_to_bill(name, pulumi.Output.from_input(rate))
        return await stack.outputs[OUTPUT].future()

    return run(program())


@pytest.mark.parametrize(
    ("rates", "output"),
    [
        ({"a": 29, "b": 58}, 87),
        ({"a": 29, "x": None}, "at least 29: the rate of x is not known"),
        ({"x": None, "y": None}, "at least 0: the rates of x, y are not known"),
    ],
)
def test_the_stack_bills_the_sum_or_what_is_known_of_it(
    stack: Root, rates: dict[str, int | None], output: int | str
) -> None:
    assert billed(stack, rates) == output


def test_a_program_that_exports_a_rate_before_its_machines_keeps_its_own(stack: Root) -> None:
    stack.outputs[OUTPUT] = "mine"

    async def program() -> None:
        add_to_bill("a", pulumi.Output.from_input(29))

    run(program())
    assert stack.outputs == {OUTPUT: "mine"}
