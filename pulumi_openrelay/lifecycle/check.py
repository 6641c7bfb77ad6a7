"""Bad input is refused in preview, by the property's own name, before anything is made.

Pydantic checks each property by itself, since in preview any of them, or any element of one, may be
unknown yet: what is unknown passes, and is checked again once it is known. A value is repeated in a
reason only where its type can hold no secret.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Annotated, Any, Union, get_args, get_origin

from .declare import Kind
from .fields import Field
from .unknown import Unknown, has_unknown

if TYPE_CHECKING:
    from pydantic import TypeAdapter

Problem = tuple[str, str]
"""A property and what is wrong with it: the rest of a sentence that begins with the property."""

_ADAPTERS: dict[str, dict[str, TypeAdapter[Any]]] = {}


def check(kind: Kind, given: Mapping[str, Any]) -> tuple[dict[str, Any], list[Problem]]:
    """The inputs as the lifecycle takes them, and everything that is wrong with them."""
    adapters = _adapters(kind)
    inputs: dict[str, Any] = {}
    problems: list[Problem] = []
    for name, value in given.items():
        if name not in adapters:
            problems.append((name, _no_such_input(kind, name)))
        elif value is not None:
            inputs[name], reasons = _check_one(kind.fields[name], adapters[name], value)
            problems.extend((name, reason) for reason in reasons)
    problems.extend(
        (field.name, "is required")
        for field in kind.fields.values()
        if field.required and field.name not in inputs
    )
    if not problems:
        unknown = {name for name, value in inputs.items() if has_unknown(value)}
        problems.extend(kind.problems(inputs, lambda *names: unknown.isdisjoint(names)))
    return inputs, problems


def _check_one(field: Field, adapter: TypeAdapter[Any], value: Any) -> tuple[Any, list[str]]:
    from pydantic import ValidationError

    try:
        value = adapter.validate_python(value)
    except ValidationError as error:
        return value, [_reason(field, detail) for detail in error.errors(include_url=False)]
    problem = None
    if field.problem is not None and not has_unknown(value):
        problem = field.problem(value)
    return value, [] if problem is None else [problem]


def _reason(field: Field, detail: Mapping[str, Any]) -> str:
    """Pydantic's finding as the rest of a sentence that begins with the property's name."""
    said = re.sub(r"^(Input|String|List|Dictionary) should", "should", str(detail["msg"]))
    said = said.replace(" after validation", "")
    value = detail.get("input")
    if isinstance(value, (bool, int, float)) and not field.secret and ", not " not in said:
        said += f", not {value}"
    # Pydantic names the branches of a union in the location; only keys and indexes are of use.
    place = [part for part in detail["loc"] if isinstance(part, int)]
    return f"{said} (element {place[0]})" if place else said


def _no_such_input(kind: Kind, name: str) -> str:
    names = [field.name for field in kind.fields.values() if field.is_input]
    close = difflib.get_close_matches(name, names, n=1)
    return f"is no input of {kind.resource.__name__}" + (
        f"; did you mean {close[0]}?" if close else ""
    )


def _adapters(kind: Kind) -> dict[str, TypeAdapter[Any]]:
    """One adapter for each input of the kind, made when the kind is first checked."""
    if kind.token not in _ADAPTERS:
        from pydantic import Field as Limits
        from pydantic import TypeAdapter

        _ADAPTERS[kind.token] = {
            field.name: TypeAdapter(_or_unknown(field.shape, Limits(**field.limits.given())))
            for field in kind.fields.values()
            if field.is_input
        }
    return _ADAPTERS[kind.token]


def _or_unknown(shape: Any, *limits: Any) -> Any:
    """The type with an unknown allowed in every place, and without pydantic's leniency: it would
    take "yes" for a bool and True for an int."""
    from pydantic import Strict, WrapValidator

    origin, args = get_origin(shape), get_args(shape)
    if origin is Sequence:
        shape = list[_or_unknown(args[0])]  # type: ignore[misc]
    elif origin is Mapping:
        shape = dict[str, _or_unknown(args[1])]  # type: ignore[misc]
    elif origin in (Union, UnionType):
        options = [_or_unknown(option) for option in args if option is not NoneType]
        shape = Union[tuple(options)]  # noqa: UP007 - made at run time
    elif shape in (bool, int, float, str):
        shape = Annotated[shape, Strict()]
    return Annotated[(shape, *limits, WrapValidator(_let_unknown_pass))]


def _let_unknown_pass(value: Any, validate: Callable[[Any], Any]) -> Any:
    return value if isinstance(value, Unknown) else validate(value)
