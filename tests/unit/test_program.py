"""A program's own process: what the SDK does there for many things at once, and how it ends."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
from pulumi import log
from pulumi.runtime import stack

from pulumi_openrelay import program


def run(work: Coroutine[Any, Any, Any]) -> Any:
    """Its result, in an event loop that is nobody's current one."""
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(asyncio.wait_for(work, 20))
    finally:
        loop.close()


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What the engine is told of debug lines."""
    lines: list[str] = []
    monkeypatch.setattr(log, "debug", lambda line, *_: lines.append(line))
    yield lines
    program._lines.clear()


class TestDebugLines:
    def test_those_that_come_together_are_told_together_and_none_is_lost(
        self, told: list[str]
    ) -> None:
        async def main() -> None:
            for number in range(3):
                program._debug(f"line {number}")
            assert told == []
            await asyncio.sleep(2 * program.DEBUG_SECONDS)
            program._debug("later")
            await asyncio.sleep(2 * program.DEBUG_SECONDS)

        run(main())
        assert told == ["line 0\ndebug: line 1\ndebug: line 2", "later"]

    def test_those_of_a_program_that_has_failed_are_told_at_its_end(self, told: list[str]) -> None:
        async def main() -> None:
            program._debug("last words")

        loop = asyncio.new_event_loop()
        loop.run_until_complete(main())
        loop.close()
        program._tell_the_rest()
        assert told == ["last words"]
        program._tell_the_rest()
        assert told == ["last words"]

    def test_the_sdks_last_words_come_after_all_others(self, told: list[str]) -> None:
        async def main() -> None:
            program._debug("registered")
            program._debug_now("completed")

        run(main())
        program._debug_now("outside of a loop")
        assert told == ["registered", "completed", "outside of a loop"]

    @pytest.mark.parametrize("end", [RuntimeError("no engine"), KeyboardInterrupt()])
    def test_an_engine_that_ends_is_no_error(
        self, monkeypatch: pytest.MonkeyPatch, end: BaseException
    ) -> None:
        def gone(_line: str) -> None:
            raise end

        monkeypatch.setattr(log, "debug", gone)
        loop = asyncio.new_event_loop()

        async def main() -> None:
            program._debug("last words")

        loop.run_until_complete(main())
        loop.close()
        try:
            program._tell_the_rest()
        except KeyboardInterrupt:  # which would end all tests
            pytest.fail("a traceback")

    def test_one_outside_of_a_program_or_about_a_resource_goes_the_sdks_way(
        self, told: list[str]
    ) -> None:
        program._debug("outside")

        async def main() -> None:
            program._debug("about it", object())

        run(main())
        assert told == ["outside", "about it"]

    def test_each_engine_hears_of_its_own_program(self, told: list[str]) -> None:
        loops = [asyncio.new_event_loop() for _ in range(2)]

        async def main(number: int) -> None:
            program._debug(f"of {number}")
            await asyncio.sleep(2 * program.DEBUG_SECONDS)

        for number, loop in enumerate(loops):
            loop.run_until_complete(main(number))
            loop.close()
        assert told == ["of 0", "of 1"]


class TestWait:
    def test_what_comes_soon_after_the_first_comes_with_it(self) -> None:
        async def main() -> tuple[set[Any], set[Any], list[asyncio.Future[int]]]:
            loop = asyncio.get_running_loop()
            futures: list[asyncio.Future[int]] = [loop.create_future() for _ in range(1000)]
            futures[0].set_result(0)
            loop.call_soon(loop.call_soon, futures[1].set_result, 1)
            done, pending = await program._wait(futures, return_when=asyncio.FIRST_COMPLETED)
            return done, pending, futures

        done, pending, futures = run(main())
        assert done == set(futures[:2])
        assert pending == set(futures[2:])

    def test_an_error_is_among_what_is_done(self) -> None:
        async def main() -> set[Any]:
            loop = asyncio.get_running_loop()
            futures: list[asyncio.Future[int]] = [loop.create_future() for _ in range(3)]
            futures[2].set_exception(ValueError("no"))
            done, _ = await program._wait(futures, return_when=asyncio.FIRST_COMPLETED)
            return {str(future.exception()) for future in done}

        assert run(main()) == {"no"}


class TestAnswers:
    """In place of the SDK's resolvers: what it says of a property reaches whoever reads it."""

    # The value, whether it is known and secret, its dependencies, and what failed.
    ONE, TWO = (1, True, False, None, None), (2, True, False, None, None)
    UNKNOWN = (None, False, False, None, None)

    def answers(self) -> tuple[program._Answers, dict[str, list[Any]]]:
        heard: dict[str, list[Any]] = {}
        outputs: dict[str, Any] = {}

        def make(name: str) -> Callable[..., None]:
            outputs[name] = f"output of {name}"
            return lambda *said: heard.setdefault(name, []).append(said)

        return program._Answers(dict.fromkeys(("a", "b", "c")), outputs, make), heard

    def test_before_and_after_the_engine_has_answered(self) -> None:
        answers, heard = self.answers()
        assert str(answers.read("a")) == "output of a"
        resolve = answers.get("a")
        assert resolve is not None
        resolve(*self.ONE)
        answers["b"](*self.TWO)
        assert heard == {"a": [self.ONE]}
        answers.read("b")
        assert heard == {"a": [self.ONE], "b": [self.TWO]}

    def test_what_is_said_of_the_rest_is_said_of_each_that_was_not_named(self) -> None:
        answers, heard = self.answers()
        answers.read("a")
        answers.read("b")
        answers["a"](*self.ONE)
        for name, resolve in answers.items():
            assert name not in answers
            resolve(*self.UNKNOWN)
        answers.read("c")
        assert heard == {"a": [self.ONE], "b": [self.UNKNOWN], "c": [self.UNKNOWN]}

    def preview(
        self, *, exists: bool = False, reads: bool = False, known: bool = True
    ) -> list[Any]:
        """What a preview says of a property that is not recorded, and of one that nobody reads
        until then."""
        heard: dict[str, list[Any]] = {}

        def make(name: str) -> Callable[..., None]:
            return lambda *said: heard.setdefault(name, []).append(said[:2])

        answers = program._Answers(
            dict.fromkeys(("a", "b", "c")), {"b": 0, "c": 0}, make, reads=reads
        )
        answers.read("b")
        answers["a"](1, known, False, None, None)
        if exists:
            answers["__ready"](True, True, False, None, None)
        for resolve in (resolve for _, resolve in answers.items()):
            resolve(None, False, False, None, None)
        answers.read("c")
        assert heard["b"] == heard["c"]
        return heard["b"]

    def test_what_exists_has_no_value_where_none_is_recorded(self) -> None:
        """A preview would show what is made of it as changed, to the length of a replacement."""
        assert self.preview(exists=True) == [(None, True)]
        assert self.preview(reads=True) == [(None, True)]

    def test_what_is_still_to_be_made_or_read_is_not_known(self) -> None:
        assert self.preview() == [(None, False)]
        assert self.preview(reads=True, known=False) == [(None, False)]

    def test_a_failure_is_not_taken_for_a_value(self) -> None:
        answers, heard = self.answers()
        answers.read("a")
        answers["__ready"](True, True, False, None, None)
        failure = ValueError("no")
        for resolve in (resolve for _, resolve in answers.items()):
            resolve(None, False, False, None, failure)
        assert heard == {"a": [(None, False, False, None, failure)]}

    def test_it_has_what_the_resource_has_and_nothing_else(self) -> None:
        answers, _ = self.answers()
        assert list(answers) == ["a", "b", "c"]
        assert len(answers) == 3
        assert answers.get("__made") is None


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
    program._wait_for_the_end_without_a_thread()

    async def main() -> bool:
        waits = asyncio.ensure_future(stack._wait_for_shutdown())
        await asyncio.sleep(0)
        assert not waits.done()
        monitor.ends[0](None)
        await asyncio.wait_for(waits, 10)
        return waits.done()

    loop = asyncio.new_event_loop()
    assert loop.run_until_complete(main())
    loop.close()
    monitor.ends[0](None)  # an answer that comes after the program has ended is no error


INTERRUPTED = """
import os, signal, sys
import pulumi_openrelay

def again(frame, event, _):
    # Wherever its end calls or leaves a function of this package.
    if event in ("call", "return") and frame.f_code.co_filename.endswith("program.py"):
        os.kill(os.getpid(), signal.SIGINT)

sys.setprofile(again)
os.kill(os.getpid(), signal.SIGINT)
"""
WHOSE_HANDLER = """
import signal, sys, threading
own = signal.default_int_handler
if sys.argv[1] == "own":
    own = lambda *_: None
    signal.signal(signal.SIGINT, own)

def load():
    import pulumi_openrelay

if sys.argv[1] == "thread":
    thread = threading.Thread(target=load)
    thread.start()
    thread.join()
    assert "pulumi_openrelay" in sys.modules
else:
    load()
assert signal.getsignal(signal.SIGINT) is own
"""


def ended(file: Path, source: str, *args: str) -> tuple[int, str]:
    """What a program ends with, and all that it prints. Whoever runs the tests may ignore
    SIGINT."""
    file.write_text(source)
    done = subprocess.run(
        [sys.executable, str(file), *args],
        cwd=Path(__file__).parents[2],
        env={"PYTHONPATH": str(Path(program.__file__).parents[1])},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    return done.returncode, done.stdout


class TestInterrupts:
    def test_a_program_that_the_engine_interrupts_again_and_again_ends_without_a_traceback(
        self, tmp_path: Path
    ) -> None:
        host = tmp_path / "pulumi-language-python-exec"
        assert ended(host, INTERRUPTED) == (-signal.SIGINT, "")

    def test_a_process_of_the_users_keeps_its_ctrl_c(self, tmp_path: Path) -> None:
        """Such as one that runs programs by the Automation API."""
        assert ended(tmp_path / "deploy.py", WHOSE_HANDLER, "python's") == (0, "")

    @pytest.mark.parametrize("whose", ["own", "thread"])
    def test_a_program_keeps_a_handler_of_its_own(self, tmp_path: Path, whose: str) -> None:
        host = tmp_path / "pulumi-language-python-exec"
        assert ended(host, WHOSE_HANDLER, whose) == (0, "")
