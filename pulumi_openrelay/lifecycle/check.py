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
from typing import TYPE_CHECKING, Any, Literal, Union, get_args, get_origin

from .declare import Kind
from .fields import Field
from .unknown import Unknown, has_unknown

if TYPE_CHECKING:
    from pydantic_core import CoreSchema, SchemaValidator

Problem = tuple[str, str]
"""A property and what is wrong with it: the rest of a sentence that begins with the property."""

# pydantic's own core: the rest of pydantic takes longer to import than all of this package.
_VALIDATORS: dict[str, dict[str, SchemaValidator]] = {}


def check(kind: Kind, given: Mapping[str, Any]) -> tuple[dict[str, Any], list[Problem]]:
    """The inputs as the lifecycle takes them, and everything that is wrong with them."""
    validators = _validators(kind)
    inputs: dict[str, Any] = {}
    problems: list[Problem] = []
    for name, value in given.items():
        if name not in validators:
            problems.append((name, _no_such_input(kind, name)))
        elif value is not None:
            inputs[name], reasons = _check_one(kind.fields[name], validators[name], value)
            problems.extend((name, reason) for reason in reasons)
    problems.extend(
        (field.name, "is required")
        for field in kind.fields.values()
        if field.required and field.name not in inputs
    )
    if not problems:
        unknown = {name for name, value in inputs.items() if has_unknown(value)}
        problems.extend(kind.problems(inputs, lambda *names: unknown.isdisjoint(names)))
        if inputs.get("adopt") is True and inputs.get(kind.adopted_by) is None:
            problems.append(
                ("adopt", f"needs the {kind.adopted_by} of the {kind.noun} to take over")
            )
    return inputs, problems


def _check_one(field: Field, validator: SchemaValidator, value: Any) -> tuple[Any, list[str]]:
    from pydantic_core import ValidationError

    if field.limits.min_length and isinstance(value, str) and not value.strip():
        return value, ["should not be blank"]
    try:
        value = validator.validate_python(value)
    except ValidationError as error:
        details = error.errors(include_url=False)
        if _has_branches(field.shape):
            return value, [_reason_of_all(field, details)]
        reasons = [_reason(field, detail) for detail in details]
        return value, list(dict.fromkeys(reasons))
    problem = None
    if field.problem is not None and not has_unknown(value):
        problem = field.problem(value)
    return value, [] if problem is None else [problem]


def _has_branches(shape: Any) -> bool:
    """Whether a value may be of one of several types, so that none of them is what it should be."""
    return get_origin(shape) in (Union, UnionType) and len(set(get_args(shape)) - {NoneType}) > 1


def _reason_of_all(field: Field, details: Sequence[Mapping[str, Any]]) -> str:
    """Pydantic's findings about each type that a value may be of, as one reason."""
    said = " or ".join(dict.fromkeys(_said(detail) for detail in details))
    return said.replace(" or should be ", " or ") + _not_that(field, details[0])


def _said(detail: Mapping[str, Any]) -> str:
    said = re.sub(r"^(Input|String|List|Dictionary|Value) should", "should", str(detail["msg"]))
    return said.replace(" after validation", "")


def _not_that(field: Field, detail: Mapping[str, Any]) -> str:
    """The value that is wrong, where it can hold no secret."""
    value = detail.get("input")
    shown = isinstance(value, (bool, int, float)) and not field.secret
    return f", not {value}" if shown else ""


def _reason(field: Field, detail: Mapping[str, Any]) -> str:
    """Pydantic's finding as the rest of a sentence that begins with the property's name."""
    said = _said(detail)
    if ", not " not in said:
        said += _not_that(field, detail)
    # Pydantic names the branches of a union in the location too. A key of a map is no secret.
    keyed = get_origin(field.shape) is Mapping
    place = [part for part in detail["loc"] if keyed or isinstance(part, int)]
    return f"{said} (element {place[0]})" if place else said


def _no_such_input(kind: Kind, name: str) -> str:
    names = [field.name for field in kind.fields.values() if field.is_input]
    close = difflib.get_close_matches(name, names, n=1)
    return f"is no input of {kind.resource.__name__}" + (
        f"; did you mean {close[0]}?" if close else ""
    )


def _validators(kind: Kind) -> dict[str, SchemaValidator]:
    """One validator for each input of the kind, made when the kind is first checked."""
    if kind.token not in _VALIDATORS:
        from pydantic_core import SchemaValidator

        _VALIDATORS[kind.token] = {
            field.name: SchemaValidator(_or_unknown(field.shape, field.limits.given()))
            for field in kind.fields.values()
            if field.is_input
        }
    return _VALIDATORS[kind.token]


def _or_unknown(shape: Any, limits: Mapping[str, Any] | None = None) -> CoreSchema:
    """The type with an unknown allowed in every place, and without pydantic's leniency: it would
    take "yes" for a bool and True for an int."""
    from pydantic_core import core_schema as schema

    limits = limits or {}
    origin, args = get_origin(shape), get_args(shape)
    made: CoreSchema
    if origin is Sequence:
        made = schema.list_schema(_or_unknown(args[0]), **limits)
    elif origin is Mapping:
        made = schema.dict_schema(schema.str_schema(), _or_unknown(args[1]), **limits)
    elif origin in (Union, UnionType):
        made = schema.union_schema([_or_unknown(o, limits) for o in args if o is not NoneType])
    elif origin is Literal:
        made = schema.literal_schema(list(args))
    elif shape is float:
        made = schema.float_schema(strict=True, allow_inf_nan=False, **limits)
    elif shape is int:
        made = schema.int_schema(strict=True, **limits)
    elif shape is bool:
        made = schema.bool_schema(strict=True)
    elif shape is Any:
        made = schema.any_schema()
    else:
        made = schema.str_schema(strict=True, **limits)
    return schema.no_info_wrap_validator_function(_let_unknown_pass, made)


def _let_unknown_pass(value: Any, validate: Callable[[Any], Any]) -> Any:
    return value if isinstance(value, Unknown) else validate(value)
