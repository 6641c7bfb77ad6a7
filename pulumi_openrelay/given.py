"""What a program gives a resource that Pulumi cannot send: told in a sentence, before the SDK does
in thirty lines that name no resource, or show the value."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping, Sequence
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

import pulumi

_WORDS: dict[Any, str] = {
    int: "a whole number",
    float: "a number",
    bool: "a bool",
    Sequence: "a list",
    Mapping: "a dict",
    Any: "text, a number, a bool, a list or a dict",
}
_SENT = (NoneType, bool, pulumi.Output, pulumi.Resource, pulumi.Asset, pulumi.Archive)
_NOT_LISTS = (range, memoryview, bytes, bytearray)
_DURATION = r"0|\+?((\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h))+"
"""As the engine reads one."""


def not_sent(place: str, shape: Any, value: Any) -> str | None:
    """Why Pulumi cannot send a value, as a clause that names its place and never the value; None
    where it can, or where the value is not there yet. shape: the type that it should be of."""
    if isinstance(value, _SENT):
        return None
    if isinstance(value, str):
        return None if value.isascii() or _is_unicode(value) else f"{place} is no valid Unicode"
    if isinstance(value, int | float):
        return None if _is_float(value) else f"{place} is too large a number"
    inner = get_args(shape)[-1] if get_origin(shape) in (Sequence, Mapping) else Any
    if isinstance(value, Mapping):
        for key in value:
            part = f"{place}[{key!r}]"
            why = not_sent(f"the key of {part}", str, key)
            if why is None and not isinstance(key, str | pulumi.Output):
                why = f"{place} should have keys of text, not {_a(key)}"
            why = why or not_sent(part, inner, value[key])
            if why is not None:
                return why
        return None
    if isinstance(value, Sequence) and not isinstance(value, _NOT_LISTS):
        told = (not_sent(f"{place}[{i}]", inner, part) for i, part in enumerate(value))
        return next((why for why in told if why is not None), None)
    if inspect.isawaitable(value) or hasattr(type(value), "_pulumi_input_type"):
        return None
    return f"{place} should be {_should_be(shape)}, not {_a(value)}"


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # half of a pair of surrogates
        return False
    return True


def _is_float(number: float) -> bool:
    try:
        float(number)
    except OverflowError:
        return False
    return True


def _should_be(shape: Any) -> str:
    if get_origin(shape) in (Union, UnionType):
        words = [_should_be(one) for one in get_args(shape) if one is not NoneType]
        return " or ".join(dict.fromkeys(words))
    return _WORDS.get(get_origin(shape) or shape, "text")


def _a(value: object) -> str:
    name = type(value).__name__
    return f"an {name}" if name[0].lower() in "aeiou" else f"a {name}"


def wrong_option(opts: pulumi.ResourceOptions) -> str | None:
    """What the engine would refuse of the options without the resource's name, as a clause."""
    timeouts: Any = opts.custom_timeouts or {}
    for name, time in (timeouts if isinstance(timeouts, dict) else vars(timeouts)).items():
        if time and not (isinstance(time, str) and re.fullmatch(_DURATION, time)):
            return (
                f"{name} of custom_timeouts should be a duration such as "
                f'"90s", "15m" or "2h", not {time!r}'
            )
    aliases: Any = opts.aliases or ()
    for alias in [aliases] if isinstance(aliases, str) else aliases:
        if isinstance(alias, str) and not alias.startswith("urn:pulumi:"):
            return (
                f"aliases should list URNs or former names, and {alias!r} is no URN: a former "
                f'name is pulumi.Alias(name="{alias}")'
            )
    return None
