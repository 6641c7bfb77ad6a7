"""JSON values that come from outside: read strictly, and held against the type of a field."""

from __future__ import annotations

import json
from typing import Any

# Of a number's size, so that no time and no sum of money leaves what can be shown.
_DIGITS_MAX = 18


def read_json(body: bytes) -> Any:
    """ValueError where it is no JSON, or holds what could not be given back as JSON:

    numbers beyond all use, half a character, or lists in lists without end.
    """
    try:
        value = json.loads(body, parse_constant=_no_number, parse_float=_float, parse_int=_integer)
        json.dumps(value, ensure_ascii=False).encode()
    except RecursionError:
        raise ValueError("It is nested too deeply.") from None
    return value


def fits(value: object, kind: str) -> bool:
    """Whether a JSON value is of a type, as a dataclass writes it: `list[str] | None`."""
    if " | " in kind:
        return any(fits(value, one) for one in kind.split(" | "))
    name, _, of = kind.removesuffix("]").partition("[")
    match name:
        case "None":
            return value is None
        case "bool":
            return isinstance(value, bool)
        case "int":
            return isinstance(value, int) and not isinstance(value, bool)
        case "float":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case "str":
            return isinstance(value, str)
        case "list":
            return isinstance(value, list) and all(fits(item, of) for item in value)
        case "dict" | "Mapping":
            of = of.removeprefix("str, ")
            return isinstance(value, dict) and all(fits(item, of) for item in value.values())
        case _:
            return name == "Any"


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is no JSON.")


def _integer(text: str) -> int:
    if len(text) > _DIGITS_MAX:
        raise ValueError("A number is too large.")
    return int(text)


def _float(text: str) -> float:
    number = float(text)
    if not abs(number) < 10.0**_DIGITS_MAX:
        raise ValueError("A number is too large.")
    return number
