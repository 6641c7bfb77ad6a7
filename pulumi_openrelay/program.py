"""The only place that knows what stands behind Pulumi's resources in a program's own process.

What the SDK does for each property of each resource, it does here for those that somebody reads,
and what it does again and again while it waits, it does now and then. Where the SDK has no such
place any more, it goes its own way.

Tried with the SDK from 3.268 to 3.272 by `tests/engine/test_contract.py`.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import functools
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import FrameType, TracebackType
from typing import Any
from weakref import WeakKeyDictionary

from pulumi import Output, log
from pulumi.runtime import resource, rpc, rpc_manager, stack

from .engine import With
from .lifecycle.fields import READY, Deferred

_SDK: Any = rpc
_STACK: Any = stack
_OUTPUTS_ELSEWHERE = frozenset({"id", "urn"})
_REST = ""
"""Stands for all properties that the engine's answer does not name."""

LOOK_SECONDS = 2e-5
"""How long after a look to look again, for each of what is still waited for: a look at it takes a
twentieth of that."""
DEBUG_SECONDS = 0.05
"""How long the SDK's debug lines gather."""

_deferring = False
_quiet = False
_last_words = False


def defer_outputs(base: type[Any]) -> bool:
    """Let resources of this class make the Output of a property when somebody first reads it;
    False where the SDK has no place for that.

    The SDK makes one for each property of each resource: five futures and a task, which its event
    loop carries until the resource is there. 1,000 VMs have 73,000, and a program reads a handful.
    It also reads the types of a class anew for each of its resources; here, once. base.fields names
    the properties, so that the program need not send those that it says nothing of.
    """
    global _deferring
    if _deferring or not hasattr(_SDK, "transfer_properties"):
        return _deferring
    _deferring = True
    transfer = _SDK.transfer_properties
    types: Any = getattr(_SDK, "_types", None)
    if hasattr(types, "resource_types"):
        types.resource_types = functools.cache(types.resource_types)

    def defer(res: Any, props: Iterable[str], *rest: Any) -> Mapping[str, Any]:
        if not isinstance(res, base):
            told: Mapping[str, Any] = transfer(res, props, *rest)
            return told
        names = {**dict.fromkeys(props), **res.fields}
        for name in _OUTPUTS_ELSEWHERE:
            names.pop(name, None)
        answers = _Answers(
            names,
            res.__dict__,
            lambda name: transfer(res, {name: None}, *rest)[name],
            reads=res._is_read,  # noqa: SLF001 - of a base of ours
        )
        for name in names:
            res.__dict__[name] = _Unread(answers, name)
        return answers

    _SDK.transfer_properties = defer
    return True


class _Answers(Mapping[str, Any]):
    """What the engine says of the properties of one resource, before or after somebody reads them.

    For the SDK, it is what resolves each of them, by name.
    """

    __slots__ = ("_exists", "_made", "_make", "_names", "_outputs", "_reads", "_said")

    def __init__(
        self,
        names: Mapping[str, Any],
        outputs: dict[str, Any],
        make: Callable[[str], Any],
        *,
        reads: bool = False,
    ) -> None:
        """make: has the SDK put the Output of a name into outputs; what resolves it. reads: the
        resource is one that the program only reads."""
        self._names = names
        self._outputs = outputs
        self._make = make
        self._made: dict[str, Any] = {}
        self._said: dict[str, tuple[Any, ...]] = {}
        self._reads = reads
        self._exists = False

    def __getitem__(self, name: str) -> Any:
        if name == READY:
            return self._exist
        if name not in self._names:
            raise KeyError(name)
        return functools.partial(self._answer, name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def items(self) -> Any:
        """One for all, which the SDK goes through for those that it has not named before: what it
        says of the first, it says of each."""
        return ((_REST, functools.partial(self._answer, _REST)),)

    def read(self, name: str) -> Output[Any]:
        """The Output of a property, made now if it is not there yet."""
        if name not in self._made:
            resolve = self._made[name] = self._make(name)
            said = self._said.get(name) or self._said.get(_REST)
            if said is not None:
                resolve(*said)
        made: Output[Any] = self._outputs[name]
        return made

    def _exist(self, *_said: Any) -> None:
        """The engine tells what is only recorded of what exists, as it is."""
        self._exists = True

    def _answer(self, name: str, *said: Any) -> None:
        """said: the value, whether it is known and secret, its dependencies, and what failed."""
        if name != _REST:
            self._exists |= self._reads and said[1]
        elif self._exists and said[4] is None:
            # In a preview the SDK takes for unknown what is not recorded, and it is None: what is
            # made of it would change for nothing, to the length of a replacement.
            said = (None, True, *said[2:])
        self._said[name] = said
        for read, resolve in self._made.items():
            if read == name or (name == _REST and read not in self._said):
                resolve(*said)


class _Unread(Output[Any], Deferred):
    """Stands for an Output that nobody has read yet."""

    __slots__ = ("_answers", "_name")

    def __init__(self, answers: _Answers, name: str) -> None:
        self._answers = answers
        self._name = name

    def read(self) -> Output[Any]:
        return self._answers.read(self._name)

    def apply(self, *args: Any, **keywords: Any) -> Output[Any]:
        # Who exports a resource as a whole reads past its attributes.
        return self.read().apply(*args, **keywords)


def take_many_at_once() -> None:
    """Let the SDK do for many resources at once what it does for each: look what has come of all
    that its program waits for, and tell the engine its four debug lines. Of a program of 1,000
    resources, the one takes a quarter of the processor time and the other a fifth."""
    if getattr(_STACK, "asyncio", None) is asyncio:
        _STACK.asyncio = With(asyncio, wait=_wait)
    for module in (resource, rpc_manager):
        sdk: Any = module
        if getattr(sdk, "log", None) is log:
            sdk.log = With(log, debug=_debug)
    if getattr(_STACK, "log", None) is log:
        _STACK.log = With(log, debug=_debug_now)


async def _wait(tasks: Iterable[Any], **how: Any) -> tuple[set[Any], set[Any]]:
    """As asyncio's, but that it returns a little later, with what has come meanwhile."""
    tasks = set(tasks)
    done, pending = await asyncio.wait(tasks, **how)
    if pending:
        await asyncio.sleep(len(pending) * LOOK_SECONDS)
        done = {task for task in tasks if task.done()}
    return done, tasks - done


_lines: WeakKeyDictionary[asyncio.AbstractEventLoop, list[str]] = WeakKeyDictionary()
"""What the engine of each program is still to be told: a process may run several."""


def _debug(line: str, *rest: Any, **more: Any) -> None:
    """As the SDK's, but that the engine is told a little later, with what has come meanwhile."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        loop = None
    if loop is None or rest or more:
        log.debug(line, *rest, **more)
        return
    lines = _lines.setdefault(loop, [])
    if not lines:
        loop.call_later(DEBUG_SECONDS, _tell, lines)
    lines.append(line)


def _debug_now(line: str, *rest: Any, **more: Any) -> None:
    """As the SDK's, after what is still to be told: of a program's last steps."""
    with contextlib.suppress(RuntimeError):  # there is no loop, and so no such lines
        _tell(_lines.get(asyncio.get_running_loop(), []))
    log.debug(line, *rest, **more)


def _tell(lines: list[str]) -> None:
    said = "\ndebug: ".join(lines)
    lines.clear()
    if said:
        log.debug(said)


@atexit.register
def _tell_the_rest() -> None:
    """Of a program that has failed."""
    # The engine may have ended, or end the program right now.
    with contextlib.suppress(Exception, KeyboardInterrupt):
        for lines in list(_lines.values()):
            _tell(lines)


def add_last_words(words: Callable[[Any], Mapping[str, Any]]) -> None:
    """Let a stack have outputs that are told when its program has run. words: these outputs; the
    program's own of the same names win."""
    global _last_words
    kind: Any = getattr(_STACK, "Stack", None)
    if _last_words or not hasattr(kind, "register_outputs"):
        return
    _last_words = True
    register = kind.register_outputs

    def register_outputs(root: Any, outputs: Mapping[str, Any]) -> None:
        register(root, {**words(root), **outputs})

    kind.register_outputs = register_outputs


def end_quietly() -> None:
    """Let an interrupted program end without a traceback, and at once.

    When a resource fails, the engine ends the program with SIGINT while it waits for the engine's
    answers. Python would print where it waited: a screenful that hides the one line that matters.
    """
    global _quiet
    runs_in_pulumi = any(part.endswith("pulumi-language-python-exec") for part in sys.orig_argv)
    if _quiet or not runs_in_pulumi:
        return
    _quiet = True
    show = sys.excepthook

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if not issubclass(kind, KeyboardInterrupt):
            show(kind, error, trace)

    sys.excepthook = hook
    _take_one_interrupt()
    _wait_for_the_end_without_a_thread()


def _take_one_interrupt() -> None:
    """The engine may send a second SIGINT, which would end the program anywhere in its end, with a
    traceback. A handler that the program has by itself stays."""
    in_main_thread = threading.current_thread() is threading.main_thread()
    if not in_main_thread or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        return
    ends = False

    def end(_number: int, _frame: FrameType | None) -> None:
        nonlocal ends
        if not ends:
            ends = True
            raise KeyboardInterrupt

    signal.signal(signal.SIGINT, end)


def _wait_for_the_end_without_a_thread() -> None:
    """A program that has declared everything waits for the engine to end. The SDK does so in a
    thread, for which Python waits when the program is interrupted: five seconds, after which the
    engine kills it."""
    wait = getattr(_STACK, "_wait_for_shutdown", None)
    monitor: Callable[[], Any] | None = getattr(_STACK, "get_monitor", None)
    if wait is None or monitor is None:
        return

    async def wait_for_shutdown() -> None:
        ask = getattr(getattr(monitor(), "SignalAndWaitForShutdown", None), "future", None)
        if ask is None:
            await wait()
            return
        from google.protobuf import empty_pb2

        loop, ended = asyncio.get_running_loop(), asyncio.Event()

        def end(_: object) -> None:
            with contextlib.suppress(RuntimeError):  # of a loop that an interrupt has closed
                loop.call_soon_threadsafe(ended.set)

        ask(empty_pb2.Empty()).add_done_callback(end)
        await ended.wait()

    _STACK._wait_for_shutdown = wait_for_shutdown  # noqa: SLF001 - where the SDK looks it up
