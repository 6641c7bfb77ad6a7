"""The only place that knows what stands behind Pulumi's dynamic providers (`program.py` knows what
stands behind the resources of a program).

The SDK gives a provider method its arguments and nothing of the call: no URN, no timeout, no way to
record a half-made resource, to hear of Ctrl-C or to show progress, and four calls at once. All of
that exists one layer below: some frames up the Python stack, the SDK's gRPC servicer holds the call
as its locals `self`, `request` and `context`. We look for a frame with such locals, not for a
function's name, which changes between releases. Where no such frame is found, a call has no URN, no
timeout and no progress, and everything else works.

Tried with the SDK from 3.268 to 3.272 by `tests/engine/test_contract.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import math
import os
import socket
import sys
import threading
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from types import FrameType
from typing import Any

from pulumi.output import Unknown as EngineUnknown
from pulumi.runtime import rpc

from . import bags
from .errors import Interrupted
from .lifecycle.unknown import UNKNOWN, Unknown
from .urn import name_of

CALLS_AT_ONCE = 1024
"""The engine's `--parallel` decides how many calls there are; we must not be the ones who limit
it."""

_PROVIDER = "__provider"
_IS = "4dabf18193072939515e22adb298388d"
"""The key under which the engine finds what sort of value an object stands for."""
_SECRET = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 - the sort
_ALIVE_SECONDS = 0.25

_cancelled = threading.Event()


class EngineCall:
    """One call of the engine on a provider method: what `caller.Call` asks for, by gRPC."""

    def __init__(
        self, servicer: Any, request: Any, context: Any, names: dict[str, Any] | None = None
    ) -> None:
        self._request = request
        self._context = context
        self._names = names
        self.deadline = math.inf
        self.urn: str = getattr(request, "urn", "") or ""
        self.name: str = name_of(self.urn)
        self.timeout: float = float(getattr(request, "timeout", 0.0) or 0.0)
        if servicer is not None:
            _listen_for_cancel(type(servicer))
            _widen()
            _watch_engine()
        if names is not None and names.get("rpc") is rpc:
            names["rpc"] = With(
                rpc, deserialize_properties=bags.read, serialize_properties=bags.write
            )
            if names.get("asyncio") is asyncio:
                names["asyncio"] = With(asyncio, new_event_loop=bags.Loop)

    def loaded(self) -> None:
        """All that this process needs is loaded by now."""
        if self._context is not None:
            _spare_the_collector()

    # The clock and the interrupt

    def now(self) -> float:
        return time.monotonic()

    def time(self) -> float:
        return time.time()

    def wait(self, seconds: float, event: threading.Event | None = None) -> None:
        end = time.monotonic() + seconds
        while True:
            if self.interrupted:
                raise Interrupted
            left = end - time.monotonic()
            if left <= 0 or (event is not None and event.is_set()):
                return
            # Either may end the wait; whichever we do not block on is looked at four times a
            # second.
            (event or _cancelled).wait(min(left, _ALIVE_SECONDS))

    @property
    def interrupted(self) -> bool:
        return _cancelled.is_set() or self._engine_is_gone()

    def _engine_is_gone(self) -> bool:
        return self._context is not None and not self._context.is_active()

    # What the user sees

    def report(self, text: str) -> None:
        _log(self.urn, text, warning=False)

    def warn(self, text: str) -> None:
        _log(self.urn, text, warning=True)

    # What the engine records

    def old_inputs(self, outputs: dict[str, Any]) -> dict[str, Any]:
        """The recorded inputs, which the SDK does not pass on.

        outputs: what stands for them where the engine does not send them: outputs echo inputs.
        """
        for name in ("old_inputs", "inputs"):
            struct = getattr(self._request, name, None)
            if struct is not None and self._request.HasField(name):
                return plain(bags.read(struct, True))
        return outputs

    def fail(self, sentence: str) -> None:
        """Let the user read this sentence instead of the traceback of what is raised next."""
        self._answer(sentence, None)

    def fail_recorded(
        self, sentence: str, resource_id: str, outputs: Mapping[str, Any], inputs: Mapping[str, Any]
    ) -> None:
        """The same, and let the engine record what exists."""
        from pulumi.runtime.proto import provider_pb2

        provider = self._provider()
        detail = provider_pb2.ErrorResourceInitFailed(
            id=resource_id,
            properties=bags.struct({**outputs, _PROVIDER: provider}),
            inputs=bags.struct({**inputs, _PROVIDER: provider}),
            reasons=[sentence],
        )
        self._answer(sentence, detail)

    def explain(self, replaces: Iterable[str], changes: Iterable[str]) -> None:
        """Let the diff that follows name these properties: those that force a replacement, and
        those that change in place. Without it, the engine shows all outputs of what is replaced."""
        _explained.names = {**dict.fromkeys(changes, False), **dict.fromkeys(replaces, True)}
        _explained.request = self._request
        if self._names is not None:
            _explain_diffs(self._names)

    def _provider(self) -> str:
        for name in ("news", "properties", "inputs"):
            struct = getattr(self._request, name, None)
            if struct is not None and _PROVIDER in struct.fields:
                return str(struct.fields[_PROVIDER].string_value)
        return ""

    def _answer(self, sentence: str, detail: Any) -> None:
        if self._context is None:
            return
        from pulumi.runtime.proto import status_pb2

        status = status_pb2.Status(code=2, message=sentence)
        if detail is not None:
            status.details.add().Pack(detail)
        self._context.set_trailing_metadata(
            (("grpc-status-details-bin", status.SerializeToString()),)
        )


def current_call() -> EngineCall:
    """The call that this thread is serving."""
    for frame in _frames():
        seen = frame.f_locals
        if "request" in seen and hasattr(seen.get("context"), "set_trailing_metadata"):
            servicer = seen.get("self")
            return EngineCall(servicer, seen["request"], seen["context"], frame.f_globals)
    return EngineCall(None, None, None)


def plain(bag: Mapping[str, Any]) -> dict[str, Any]:
    """A bag as the engine gives it, as Python means it: whole numbers as int, no `__provider`."""
    return {key: _plain(value) for key, value in bag.items() if key != _PROVIDER}


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return int(value) if value.is_integer() else value
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_plain(part) for part in value]
    return UNKNOWN if isinstance(value, EngineUnknown) else value


def unplain(bag: Mapping[str, Any], secret: Collection[str] = ()) -> dict[str, Any]:
    """A bag as the SDK takes it: unknown values in its own form, nothing that is None.

    secret: the names of those that the engine shall record as ciphertext and show to nobody.
    """
    told = {key: _unplain(value) for key, value in bag.items() if value is not None}
    hidden = {key: {_IS: _SECRET, "value": told[key]} for key in secret if key in told}
    return {**told, **hidden}


def _unplain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _unplain(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_unplain(part) for part in value]
    return EngineUnknown() if isinstance(value, Unknown) else value  # type: ignore[no-untyped-call]


# A file for `pulumi import --file`: what the engine would have been sent, as JSON.


def importable(provider: Any, bag: Mapping[str, Any], secret: Collection[str]) -> dict[str, Any]:
    """A bag of a resource of this provider, as the engine reads it from a file of imports.

    secret: the names of those that it shall record as ciphertext.
    """
    from pulumi.dynamic.dynamic import serialize_provider

    hidden = {
        key: {_IS: _SECRET, "plaintext": json.dumps(value)} if key in secret else value
        for key, value in bag.items()
    }
    return {**hidden, _PROVIDER: serialize_provider(provider)}


def _frames() -> Iterator[FrameType]:
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - the documented way to the stack
    while frame is not None:
        yield frame
        frame = frame.f_back


# Ctrl-C: the engine calls Cancel and waits for the calls under way. The SDK's Cancel does nothing,
# and gRPC holds its bound method already; the function behind it can still be given other code.

_lock = threading.Lock()
_listening: set[type] = set()
_widened = False


def _listen_for_cancel(servicer: type) -> None:
    with _lock:
        if servicer in _listening:
            return
        _listening.add(servicer)
    cancel = getattr(servicer, "Cancel", None)
    if cancel is None or getattr(cancel, "__code__", None) is None:
        return

    def Cancel(self, request, context):  # type: ignore[no-untyped-def]  # noqa: ARG001, N802
        import google.protobuf.empty_pb2

        import pulumi_openrelay.engine

        pulumi_openrelay.engine.cancel()
        return google.protobuf.empty_pb2.Empty()

    with contextlib.suppress(ValueError, TypeError):
        cancel.__code__ = Cancel.__code__


def cancel() -> None:
    """The engine asked to stop: every wait ends, nothing new begins."""
    _cancelled.set()


def _widen() -> None:
    """Let as many calls run at once as the engine makes: the SDK serves four. Those that came
    before the first of them got here wait in a queue, for which no later call starts a thread."""
    global _widened
    if _widened:
        return
    for frame in _frames():
        reference = frame.f_locals.get("executor_reference")
        executor: Any = reference() if callable(reference) else None
        if executor is not None and hasattr(executor, "_max_workers"):
            with _lock:
                if _widened:
                    return
                _widened = True
            # Python's own pool has no public way for either; where it has no such place for what
            # waits, what comes later still runs at once.
            executor._max_workers = max(executor._max_workers, CALLS_AT_ONCE)  # noqa: SLF001 - as said
            with contextlib.suppress(AttributeError), executor._shutdown_lock:  # noqa: SLF001 - as said
                for _ in range(executor._work_queue.qsize()):  # noqa: SLF001 - as said
                    executor._adjust_thread_count()  # noqa: SLF001 - as said
            return


# Python's collector of cycles walks through all that is loaded, many times in the second that a
# refresh takes: a twentieth of it.

YOUNG_OBJECTS = 20_000
"""How many new objects there are before it looks; 700 where nothing says otherwise."""
_spared = False


def _spare_the_collector() -> None:
    global _spared
    if not _spared:
        _spared = True
        gc.freeze()
        gc.set_threshold(YOUNG_OBJECTS)


# A diff that says which property does what: the SDK's answer has no place for it, so that the class
# of the answer is given one, in the SDK's own module, as it is looked up there.

_explained = threading.local()


def _explain_diffs(names: dict[str, Any]) -> None:
    proto: Any = names.get("proto")
    if hasattr(proto, "DiffResponse") and not isinstance(proto, With):
        names["proto"] = With(proto, DiffResponse=_ExplainedDiff(proto.DiffResponse))


class With:
    """A thing with some of its attributes replaced."""

    def __init__(self, thing: Any, **attributes: Any) -> None:
        self._thing = thing
        self.__dict__.update(attributes)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._thing, name)


class _ExplainedDiff(With):
    """The class of the SDK's answer to a diff, which adds what the call has explained."""

    def __call__(self, **fields: Any) -> Any:
        answer = self._thing(**fields)
        names: dict[str, bool] | None = getattr(_explained, "names", None)
        if names:
            _explained.names = None
            answer.hasDetailedDiff = True
            answer.diffs.extend(names)
            for name, replaces in names.items():
                _detail(answer.detailedDiff[name], _explained.request, name, replaces=replaces)
        return answer


def _detail(detail: Any, request: Any, name: str, *, replaces: bool) -> None:
    """Fill in one property of a detailed diff: added, deleted or changed, by the inputs; what is no
    input, such as the status of a failed machine, is shown as going away."""
    was, will = name in request.old_inputs.fields, name in request.news.fields
    word = "UPDATE" if was and will else "ADD" if will else "DELETE"
    detail.kind = type(detail).Kind.Value(f"{word}_REPLACE" if replaces else word)
    detail.inputDiff = was or will


# Progress: the engine's own address is the plugin's last argument.

LOG_SECONDS = 5.0
"""How long the engine may take to take a line."""

_engine: Any = None
_engine_missing = False


def _log(urn: str, text: str, *, warning: bool) -> None:
    """Show a line at the resource: progress on its own line, or a warning that stays.

    A line that a busy engine does not take is dropped, a warning only the second time; without an
    engine that takes any, all are. None of it may fail a deployment.
    """
    global _engine, _engine_missing
    if _engine_missing or not urn:
        return
    try:
        import grpc
        from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc

        with _lock:
            if _engine is None:
                _engine = engine_pb2_grpc.EngineStub(grpc.insecure_channel(sys.argv[-1]))
        severity = engine_pb2.WARNING if warning else engine_pb2.INFO
        show, request = _engine.Log, engine_pb2.LogRequest
    except (ImportError, AttributeError):
        _engine_missing = True
        return
    for _ in range(2 if warning else 1):
        with contextlib.suppress(Exception):
            line = request(severity=severity, message=text, urn=urn, ephemeral=not warning)
            show(line, timeout=LOG_SECONDS)
            return


# After a kill -9 of the CLI nobody tells the plugin, whose calls would go on while the user runs
# the update again. The calls under way see their connection end; the process sees the engine's own
# port closed, and ends.

_ENGINE_LOOKS = 2
_ENGINE_SECONDS = 2.0
_watching = False


def _watch_engine() -> None:
    global _watching
    host, _, port = sys.argv[-1].rpartition(":")
    with _lock:
        if _watching or not port.isdecimal():
            return
        _watching = True
    threading.Thread(
        target=_end_with_engine, args=(host, int(port)), name="openrelay-watch", daemon=True
    ).start()


def _end_with_engine(host: str, port: int) -> None:
    misses = 0
    while misses < _ENGINE_LOOKS:
        time.sleep(_ENGINE_SECONDS)
        try:
            socket.create_connection((host, port), timeout=_ENGINE_SECONDS).close()
            misses = 0
        except OSError:
            misses += 1
    os._exit(1)
