"""Bags go between protobuf and Python as the SDK itself would bring them there."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest
from google.protobuf import struct_pb2
from hypothesis import given
from hypothesis import strategies as st
from pulumi import FileAsset, Output
from pulumi.output import Unknown
from pulumi.runtime import rpc

from pulumi_openrelay import bags

SIGNATURE = "4dabf18193072939515e22adb298388d"
SECRET = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 - what marks one
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats() | st.text(),
    lambda part: st.lists(part, max_size=4) | st.dictionaries(st.text(), part, max_size=4),
)
BAGS = st.dictionaries(st.text(), PLAIN, max_size=6)


def awaited(work: Coroutine[Any, Any, Any]) -> Any:
    """Its result, in an event loop as the SDK's server makes one: nobody's current one."""
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(work)
    finally:
        loop.close()


def written_by_the_sdk(bag: dict[str, Any]) -> Any:
    return awaited(rpc.serialize_properties(bag, {}))


@given(BAGS)
def test_a_bag_of_plain_values_is_the_sdks(bag: dict[str, Any]) -> None:
    told = written_by_the_sdk(bag)
    for written in (awaited(bags.write(bag, {})), bags.struct(bag)):
        assert written.SerializeToString(deterministic=True) == told.SerializeToString(
            deterministic=True
        )
    assert repr(bags.read(told)) == repr(rpc.deserialize_properties(told))
    assert repr(bags.read(told, True)) == repr(rpc.deserialize_properties(told, True))


@pytest.mark.parametrize(
    "special",
    [
        {SIGNATURE: SECRET, "value": "marker"},
        [{SIGNATURE: SECRET, "value": "marker"}, "beside"],
        {"within": {SIGNATURE: SECRET, "value": {"a": 1}}},
    ],
    ids=["secret", "in a list", "within"],
)
def test_a_secret_in_a_bag_is_read_as_the_sdk_reads_it(special: Any) -> None:
    told = struct_pb2.Struct()
    told.update({"a": 1, "special": special})
    assert bags.read(told) == rpc.deserialize_properties(told)
    assert SIGNATURE in str(bags.read(told))


def test_what_is_not_known_yet_is_read_as_the_sdk_reads_it() -> None:
    told = struct_pb2.Struct()
    told.update({"a": 1, "b": {"c": [rpc.UNKNOWN]}})
    assert isinstance(bags.read(told, True)["b"]["c"][0], Unknown)
    assert bags.read(told) == rpc.deserialize_properties(told) == {"a": 1, "b": {"c": [None]}}


def test_what_the_engine_keeps_to_itself_is_left_out_where_it_is_asked_for() -> None:
    told = bags.struct({"__internal": 1, "__provider": "p", "a": 1})
    assert bags.read(told, True, False) == {"__provider": "p", "a": 1}
    assert bags.read(told, keep_internal=False) == {"__provider": "p", "a": 1}


def test_what_is_no_plain_value_is_written_by_the_sdk() -> None:
    async def write() -> Any:
        bag = {"output": Output.from_input(1), "asset": FileAsset("a.txt"), "pair": (1, 2)}
        return await bags.write(bag, {}), await rpc.serialize_properties(bag, {})

    written, told = awaited(write())
    assert written == told
    assert written["output"] == 1
