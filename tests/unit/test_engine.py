"""Lines that the engine does not take from us, and a program that waits for the engine's end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from pulumi.runtime import stack

from pulumi_openrelay import engine
from pulumi_openrelay.engine import EngineCall


class Busy(grpc.RpcError):
    """As after 5 s without an answer."""


class Engine:
    """Takes lines, except for the next so many."""

    def __init__(self, refuses: int) -> None:
        self.refuses = refuses
        self.shown: list[str] = []

    def Log(self, request: Any, timeout: float) -> None:  # noqa: N802 - gRPC's name
        assert 0 < timeout < 60
        if self.refuses > 0:
            self.refuses -= 1
            raise Busy
        self.shown.append(request.message)


def call_on(engine_stub: Any, monkeypatch: pytest.MonkeyPatch) -> EngineCall:
    monkeypatch.setattr(engine, "_engine", engine_stub)
    monkeypatch.setattr(engine, "_engine_missing", False)
    call = EngineCall(None, None, None)
    call.urn = "urn:pulumi:dev::p::t::it"
    return call


def test_a_line_of_progress_that_a_busy_engine_does_not_take_is_the_only_one_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    busy = Engine(refuses=1)
    call = call_on(busy, monkeypatch)
    for text in ("1 s", "2 s", "3 s"):
        call.report(text)
    call.warn("look here")
    assert busy.shown == ["2 s", "3 s", "look here"]


def test_a_warning_is_tried_once_more_and_then_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    busy = Engine(refuses=1)
    call_on(busy, monkeypatch).warn("look here")
    assert busy.shown == ["look here"]
    busy = Engine(refuses=2)
    call = call_on(busy, monkeypatch)
    call.warn("look here")
    call.warn("and there")
    assert busy.shown == ["and there"]


def test_an_engine_that_takes_no_lines_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    call = call_on(object(), monkeypatch)
    call.report("1 s")
    late = Engine(refuses=0)
    monkeypatch.setattr(engine, "_engine", late)
    call.report("2 s")
    call.warn("look here")
    assert late.shown == []


class Monitor:
    """Answers when somebody calls `ends`; whoever waits for it in a thread stays there."""

    def __init__(self) -> None:
        self.ends: list[Callable[[object], None]] = []
        self.SignalAndWaitForShutdown = self

    def __call__(self, _request: object) -> None:
        raise AssertionError("a thread would wait")

    def future(self, _request: object) -> Monitor:
        return self

    def add_done_callback(self, end: Callable[[object], None]) -> None:
        self.ends.append(end)


def test_a_program_that_waits_for_the_engine_is_held_by_no_thread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monitor = Monitor()
    monkeypatch.setattr(stack, "get_monitor", lambda: monitor)
    monkeypatch.setattr(stack, "_wait_for_shutdown", stack._wait_for_shutdown)
    engine._wait_for_the_end_without_a_thread()

    async def program() -> bool:
        waits = asyncio.ensure_future(stack._wait_for_shutdown())
        await asyncio.sleep(0)
        assert not waits.done()
        monitor.ends[0](None)
        await asyncio.wait_for(waits, 10)
        return waits.done()

    loop = asyncio.new_event_loop()
    assert loop.run_until_complete(program())
    loop.close()
    monitor.ends[0](None)  # an answer that comes after the program has ended is no error
