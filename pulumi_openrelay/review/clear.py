"""Secrets that stand in clear: the engine hides what it knows to be secret, so what it shows is
what everybody can read.

Only names of places come out of here, never a value.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .plan import Mark, Plan

# After a name, what stands for a secret that is elsewhere: a variable, a command, a file's id.
_ELSEWHERE = r"""(?!["']?[$`{<]|(?:id|type|env|src)=)"""
_TOKEN = re.compile(
    rf"""
    (?<![\w-])(?: (?:or|vl|vtk|whsec)_[A-Za-z0-9_-]{{16,}}
        | (?:hf|npm|dop_v1)_[A-Za-z0-9]{{16,}}
        | (?:glpat|glrt)-[A-Za-z0-9_-]{{16,}}
        | relay_sk_[A-Za-z0-9_-]{{8,}}
        | sk-(?!(?:ssh|ecdsa)-)[A-Za-z0-9_-]{{16,}}
        | gh[pousr]_[A-Za-z0-9]{{20,}} | github_pat_[A-Za-z0-9_]{{20,}}
        | xox[abprs]-[A-Za-z0-9-]{{10,}}
        | (?:AKIA|ASIA)[A-Z0-9]{{16}}
        | AIza[A-Za-z0-9_-]{{30,}}
        | eyJ[A-Za-z0-9_-]{{10,}}\.eyJ[A-Za-z0-9_-]{{10,}}
      )
    | -----BEGIN\ [A-Z ]*PRIVATE\ KEY-----
    | \b[a-z][a-z0-9+.-]*://[^\s/:@]+:{_ELSEWHERE}[^\s/@]{{3,}}@
    | (?<![\w-])(?i:--?(?:password|passwd|token|secret|api[-_]?key)[= ]{_ELSEWHERE}\S{{4,}})
    | (?<![\w-])(?i:(?:\w+_)?(?:password|passwd|token|secret|api[-_]?key)={_ELSEWHERE}[^\s&]{{4,}})
    """,
    re.VERBOSE,
)
_SECRET_NAME = re.compile(
    r"(?i)(?:token|password|passwd|passphrase|secret"
    r"|(?:api|private|secret|encryption|signing)[_-]?(?:access[_-]?)?key)$"
)
_NO_SECRET = re.compile(r"(?i)true|false|\$\w+|\$?\{.*\}|<.*>")
# Inputs whose values look like a token and are none.
_PUBLIC = ("public_key", "name", "fingerprint")


@dataclass(frozen=True, slots=True)
class InClear:
    """Where a secret can be read. resource: empty for the stack's configuration and its
    outputs."""

    resource: str
    urn: str
    place: str


def in_plan(plan: Plan) -> Iterator[InClear]:
    """Inputs of resources."""
    for step in plan.steps:
        inputs = step.after.inputs if step.after else {}
        for name, value in sorted(inputs.items()):
            if name not in _PUBLIC and not name.startswith("__") and _tells(value):
                yield InClear(step.name, step.urn, name)


def in_outputs(outputs: Mapping[str, Any]) -> Iterator[InClear]:
    """Outputs of the stack."""
    for name, value in sorted(outputs.items()):
        if _named(name, value) or _tells(value):
            yield InClear("", "", f"the stack's output {name}")


def in_configuration(configuration: Mapping[str, tuple[str, bool]]) -> Iterator[InClear]:
    """Values of the stack's configuration that are not set as secrets."""
    for key, (value, secret) in sorted(configuration.items()):
        if not secret and (_named(key, value) or _tells(value) or _tells(_structure(value))):
            yield InClear("", "", f"the stack's configuration {key}")


def _structure(value: str) -> Any:
    """What a value holds whose text is JSON, as the engine gives structured configuration; None of
    any other."""
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return None


def _named(name: str, value: Any) -> bool:
    return (
        isinstance(value, str)
        and bool(value)
        and _SECRET_NAME.search(name) is not None
        and _NO_SECRET.fullmatch(value) is None
    )


def _tells(value: Any) -> bool:
    if isinstance(value, str):
        return _TOKEN.search(value) is not None
    if isinstance(value, Mapping):
        return any(_named(str(key), item) or _tells(item) for key, item in value.items())
    if isinstance(value, list):
        # A command's argument is often named by the one before it.
        return any(_tells(item) for item in value) or _tells(" ".join(map(str, _plain(value))))
    return False


def _plain(values: list[Any]) -> list[Any]:
    return [value for value in values if not isinstance(value, Mark)]
