"""JSON values that come from outside: read strictly, and held against the type of a field."""

from __future__ import annotations

import json
import math
import sys
from typing import Any

_LARGEST = sys.float_info.max


def read_json(body: bytes) -> Any:
    """ValueError where it is no JSON, or holds what could not be given back as JSON:

    an infinite number, half a character, or lists in lists without end.
    """
    try:
        value = json.loads(body, parse_constant=_no_number, parse_float=_float)
        json.dumps(value, ensure_ascii=False).encode()
    except RecursionError:
        raise ValueError("It is nested too deeply.") from None
    return value


def fits(value: object, kind: str) -> bool:
    """Whether a JSON value is of a type, as a dataclass writes it: `list[str] | None`.

    A number beyond a float is of none.
    """
    if " | " in kind:
        return any(fits(value, one) for one in kind.split(" | "))
    name, _, of = kind.removesuffix("]").partition("[")
    match name:
        case "None":
            return value is None
        case "bool":
            return isinstance(value, bool)
        case "int" | "float":
            if isinstance(value, bool) or not isinstance(value, int | float):
                return False
            return (name == "float" or isinstance(value, int)) and abs(value) <= _LARGEST
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


def _float(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("A number is too large.")
    return number
