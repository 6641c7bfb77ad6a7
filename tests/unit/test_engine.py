"""Lines that the engine does not take from us, and calls that it makes at once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest

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


def test_what_is_loaded_is_spared_the_collector_once_and_in_the_plugin_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    frozen: list[str] = []
    monkeypatch.setattr(engine, "_spared", False)
    monkeypatch.setattr("gc.freeze", lambda: frozen.append("frozen"))
    monkeypatch.setattr("gc.set_threshold", lambda _young: None)
    engine.EngineCall(None, None, None).loaded()
    assert frozen == []
    for _ in range(2):
        engine.EngineCall(None, None, object()).loaded()
    assert frozen == ["frozen"]


def test_calls_that_came_before_the_first_was_served_run_at_once_as_well(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The SDK serves four, and the reads of a refresh come in one go."""
    monkeypatch.setattr(engine, "_widened", False)
    all_there, together = threading.Event(), threading.Barrier(64, timeout=20)

    def call() -> None:
        all_there.wait(20)
        engine._widen()
        together.wait()

    with ThreadPoolExecutor(4) as pool:
        calls = [pool.submit(call) for _ in range(64)]
        all_there.set()
        for done in calls:
            done.result(30)
