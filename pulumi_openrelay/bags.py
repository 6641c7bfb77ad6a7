"""Bags of properties, between protobuf and Python: the SDK's own way, and a short one.

The SDK asks of each value whether it is an asset, an output, a coroutine or not known yet. A bag of
plain values, as nearly all are, needs none of that: here it takes a quarter of the time, for each
of a thousand VMs twice or more. What comes out is the same (tests/unit/test_bags.py). A bag with
anything else in it goes the SDK's way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Iterable, Mapping
from typing import Any

from google.protobuf import struct_pb2
from pulumi.runtime import rpc

_SDK: Any = rpc
_SIGNATURE: str | None = getattr(_SDK, "_special_sig_key", None)
"""The key that marks a value that is not plain."""


class _NotPlain(Exception):
    """A value that needs the SDK."""


def read(struct: Any, *rest: Any, **more: Any) -> Any:
    """As the SDK's `deserialize_properties`."""
    if _SIGNATURE is not None and not (rest[1:] or more):
        try:
            return _mapping(struct)
        except _NotPlain:
            pass
    return _SDK.deserialize_properties(struct, *rest, **more)


def write(bag: Any, dependencies: Any, *rest: Any, **more: Any) -> Any:
    """As the SDK's `serialize_properties`."""
    if type(bag) is dict and not (rest or more):
        try:
            return Written(struct(bag))
        except _NotPlain:
            pass
    return _SDK.serialize_properties(bag, dependencies, *rest, **more)


class Written:
    """A bag that is written already, for whoever awaits it."""

    def __init__(self, struct: struct_pb2.Struct) -> None:
        self.struct = struct

    def __await__(self) -> Generator[Any, None, struct_pb2.Struct]:
        yield from ()
        return self.struct


class Loop:
    """An event loop for whoever writes bags, made when one of them needs it: for each answer, the
    SDK opens one of its own, with four files."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None

    def run_until_complete(self, work: Any) -> Any:
        if isinstance(work, Written):
            return work.struct
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
        return self._loop.run_until_complete(work)

    def close(self) -> None:
        if self._loop is not None:
            self._loop.close()


def struct(bag: Mapping[str, Any]) -> struct_pb2.Struct:
    """A bag of plain values as protobuf; what is None is left out."""
    told = struct_pb2.Struct()
    _fill(told, ((key, value) for key, value in bag.items() if value is not None))
    return told


def _mapping(struct: Any) -> dict[str, Any]:
    fields = struct.fields
    if _SIGNATURE in fields:
        raise _NotPlain
    values = {key: _value(value) for key, value in fields.items()}
    return {key: value for key, value in values.items() if value is not None}


def _value(value: Any) -> Any:
    kind = value.WhichOneof("kind")
    if kind == "string_value":
        text = value.string_value
        if text == _SDK.UNKNOWN:
            raise _NotPlain
        return text
    if kind == "struct_value":
        return _mapping(value.struct_value)
    if kind == "list_value":
        return [_value(part) for part in value.list_value.values]
    return None if kind in (None, "null_value") else getattr(value, kind)


def _fill(told: Any, items: Iterable[tuple[str, Any]]) -> None:
    fields = told.fields
    for key, value in items:
        _put(fields[key], value)


def _put(told: Any, value: Any) -> None:
    kind = type(value)
    if kind is str:
        told.string_value = value
    elif kind is bool:
        told.bool_value = value
    elif kind is int or kind is float:
        told.number_value = value
    elif kind is dict:
        told.struct_value.SetInParent()
        _fill(told.struct_value, value.items())
    elif kind is list:
        told.list_value.SetInParent()
        for part in value:
            _put(told.list_value.values.add(), part)
    elif value is None:
        told.null_value = struct_pb2.NULL_VALUE
    else:
        raise _NotPlain
