"""What a program asks Relay before it declares anything: one GET, and its answer as a dataclass.

An API in preview may answer with another type than it documents. What does not fit its type is as
good as absent, and a row without what names it is left out.
"""

from __future__ import annotations

from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

import pulumi

from ..errors import NotFound
from ..lifecycle.service import RELAY
from ..lookups import configuration, in_one_sentence, until_asked

T = TypeVar("T")


def ask(shape: type[T], path: str, what: str, *, public: bool = False) -> T:
    """The answer of a GET. what: what is read, for the sentence of a failure. public: it needs no
    credential.

    Asked while the program runs, in preview too. Raises pulumi.RunError.
    """
    found = ask_if_there(shape, path, what, public=public)
    if found is None:
        raise pulumi.RunError(f"{what} cannot be read: Relay does not know {path}")
    return found


def ask_if_there(shape: type[T], path: str, what: str, *, public: bool = False) -> T | None:
    """The same, None for a 404."""
    from ..plugin import session

    with in_one_sentence(what):
        try:
            asked = session(configuration, RELAY, public=public)
            answer = asked.send(until_asked(), "GET", path, {}, answers=dict)
        except NotFound:
            return None
    found: T | None = read(shape, answer)
    if found is None:
        raise pulumi.RunError(f"{what} cannot be read: the answer is not what the API documents")
    return found


def read(shape: Any, value: Any) -> Any:
    """A value of JSON as its type has it; None for one that does not fit."""
    origin, args = get_origin(shape), get_args(shape)
    if origin in (Union, UnionType):
        options = (read(option, value) for option in args if option is not NoneType)
        return next((found for found in options if found is not None), None)
    if origin is list:
        parts = (read(args[0], part) for part in value) if isinstance(value, list) else None
        return None if parts is None else [part for part in parts if part is not None]
    if origin is dict:
        if not isinstance(value, dict):
            return None
        return {k: found for k, v in value.items() if (found := read(args[1], v)) is not None}
    if is_dataclass(shape):
        return _object(shape, value)
    if shape is Any:
        return value
    if shape is float:
        return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None
    return value if type(value) is shape else None


def _object(shape: Any, value: Any) -> Any:
    if not isinstance(value, dict):
        return None
    parts = {}
    for field in fields(shape):
        found = read(_hints(shape)[field.name], value.get(field.name))
        if found is not None:
            parts[field.name] = found
        elif field.default is MISSING and field.default_factory is MISSING:
            return None
    return shape(**parts)


@cache
def _hints(shape: type) -> dict[str, Any]:
    return get_type_hints(shape)
