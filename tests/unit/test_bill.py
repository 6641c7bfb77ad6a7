"""What a stack bills, as its own output."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pulumi
import pytest

from pulumi_openrelay import SshKey, Vm
from pulumi_openrelay.bill import OUTPUT

from .programs import Engine

Rates = dict[str, int | None]


def made(rates: Rates) -> Engine:
    """An engine that makes machines at these rates."""
    return Engine({name: {OUTPUT: rate} for name, rate in rates.items()})


def outputs(rates: Rates, program: Callable[[], Any]) -> dict[str, Any]:
    """What the engine is told of a stack that has this program, once."""
    engine = made(rates)
    engine.run(program)
    (told,) = engine.outputs
    return told


def machine(name: str) -> Vm:
    return Vm(name, ssh_key_ids=["k"], resource_size="small")


@pytest.mark.parametrize(
    ("rates", "output"),
    [
        ({"a": 29, "b": 58}, 87),
        ({"a": 29, "x": None}, "at least 29: the rate of x is not known"),
        ({"x": None, "y": None}, "at least 0: the rates of x, y are not known"),
    ],
)
def test_the_stack_bills_the_sum_or_what_is_known_of_it(rates: Rates, output: int | str) -> None:
    def program() -> None:
        for name in rates:
            machine(name)

    assert outputs(rates, program) == {OUTPUT: output}


TWO: Rates = {"one": 3, "two": 4}


def in_an_apply() -> None:
    """Once a resource is there that itself needs the first machine."""
    key = SshKey("key", public_key=machine("one").id)
    key.id.apply(lambda _: machine("two"))


def in_an_apply_alone() -> None:
    key = SshKey("key", public_key="k")
    key.id.apply(lambda _: (machine("one"), machine("two")))


def between_two_waits() -> None:
    async def main() -> dict[str, Any]:
        key = SshKey("key", public_key=machine("one").id)
        await key.id.future()
        return {"two": machine("two").id}

    pulumi.run(main)


def in_a_coroutine_that_nobody_awaits() -> None:
    async def later() -> None:
        machine("one")
        machine("two")

    tasks.append(asyncio.ensure_future(later()))


tasks: list[asyncio.Future[None]] = []


def test_machines_that_a_program_declares_between_two_waits_are_in_the_sum() -> None:
    assert outputs(TWO, between_two_waits)[OUTPUT] == 7


@pytest.mark.parametrize(
    ("program", "told", "late"),
    [
        (in_an_apply, {OUTPUT: 3}, ["two"]),
        (in_an_apply_alone, {}, ["one", "two"]),
        (in_a_coroutine_that_nobody_awaits, {}, ["one", "two"]),
    ],
    ids=lambda part: str(part.__name__).replace("_", " ") if callable(part) else "",
)
def test_of_a_machine_that_is_declared_too_late_for_the_sum_a_warning_tells(
    program: Callable[[], None],
    told: dict[str, Any],
    late: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The stack's outputs are told once, and what an `apply` declares may come after that."""
    warned: list[str] = []
    monkeypatch.setattr(pulumi.log, "warn", warned.append)
    assert outputs(TWO, program) == told
    assert [text.partition(":")[0] for text in warned] == [
        f"{OUTPUT} leaves out {name}" for name in late
    ]


def test_outputs_are_told_though_another_resource_fails_later() -> None:
    class Fails(Engine):
        def RegisterResource(self, request: Any) -> Any:  # noqa: N802 - gRPC's name
            if request.name == "key":
                raise RuntimeError("refused")
            return super().RegisterResource(request)

    def program() -> None:
        one = machine("one")
        pulumi.export("first", one.id)
        SshKey("key", public_key=one.id)

    engine = Fails({"one": {OUTPUT: 3}})
    with pytest.raises(Exception, match="refused"):
        engine.run(program)
    assert engine.outputs == [{"first": "one-id", OUTPUT: 3}]


def test_a_program_that_exports_a_rate_of_its_own_keeps_it() -> None:
    def program() -> None:
        machine("one")
        pulumi.export(OUTPUT, "mine")

    assert outputs(TWO, program) == {OUTPUT: "mine"}


def test_a_program_that_fails_has_the_outputs_that_it_had_by_then() -> None:
    def program() -> None:
        pulumi.export("first", machine("one").id)
        raise KeyError("no")

    engine = made(TWO)
    with pytest.raises(KeyError):
        engine.run(program)
    assert engine.outputs == [{"first": "one-id", OUTPUT: 3}]


def test_a_stack_without_machines_tells_of_no_rate() -> None:
    assert outputs(TWO, lambda: pulumi.export("a", 1)) == {"a": 1}
