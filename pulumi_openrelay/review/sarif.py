"""A review's reasons as SARIF 2.1.0, for the forges' code scanning pages.

A finding is about a resource, and SARIF wants a line: it is the first one in the program that has
the resource's name in quotes, or else the program's beginning.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ..policies import RULES
from ..policies.message import Severity
from ..policies.of_reviews import OF_REVIEWS
from . import words
from .findings import Effect, Reason
from .report import Review

_SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
# What code scanning sorts by: 0 to 10.
_SCORES = {
    Severity.CRITICAL: "9.5",
    Severity.HIGH: "8.0",
    Severity.MEDIUM: "5.5",
    Severity.LOW: "2.0",
}
# What a rule of somebody else's pack asks for, its violations do not tell.
_DESCRIPTIONS = {**{rule.name: rule.description for rule in RULES}, **OF_REVIEWS}
_NOT_PROGRAM = frozenset({"node_modules", "site-packages", "venv", "__pycache__"})


def render(review: Review, folder: Path) -> str:
    """The document. folder: the program's, in which the lines are looked for."""
    places = _Places(folder)
    rules = {reason.rule: reason for reason in reversed(review.reasons)}
    names = sorted(rules)
    run = {
        "tool": {
            "driver": {
                "name": "pulumi-openrelay",
                "version": version("pulumi-openrelay"),
                "rules": [_rule(rules[name]) for name in names],
            }
        },
        "automationDetails": {"id": f"pulumi-openrelay/{review.project}/{review.stack}/"},
        "columnKind": "unicodeCodePoints",
        "results": [_result(reason, names.index(reason.rule), places) for reason in review.reasons],
    }
    return json.dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2) + "\n"


def _rule(reason: Reason) -> dict[str, Any]:
    full = _DESCRIPTIONS.get(reason.rule)
    help_text = reason.fix or "The policy names no remedy."
    return {
        "id": reason.rule,
        "shortDescription": {"text": reason.rule.replace("-", " ")},
        **({"fullDescription": {"text": full}} if full else {}),
        "help": {"text": help_text},
        "defaultConfiguration": {"level": _level(reason)},
        "properties": {"security-severity": _SCORES[reason.severity]},
    }


def _result(reason: Reason, index: int, places: _Places) -> dict[str, Any]:
    file, line = places.of(reason.resource)
    who = f"{reason.resource}: " if reason.resource else ""
    physical = {
        "artifactLocation": {"uri": file, "uriBaseId": "%SRCROOT%"},
        "region": {"startLine": line},
    }
    location: dict[str, Any] = {"physicalLocation": physical}
    if reason.urn:
        location["logicalLocations"] = [
            {"name": reason.resource, "fullyQualifiedName": reason.urn, "kind": "resource"}
        ]
    return {
        "ruleId": reason.rule,
        "ruleIndex": index,
        "level": _level(reason),
        "message": {"text": words.seen(f"{who}{reason.message}")},
        "locations": [location],
        # What tells one finding from another, in any later commit.
        "partialFingerprints": {"rule/v1": f"{reason.rule}/{reason.urn or 'stack'}"},
    }


def _level(reason: Reason) -> str:
    return "error" if reason.effect is Effect.BLOCK else "warning"


class _Places:
    """Where a program speaks of its resources."""

    def __init__(self, folder: Path) -> None:
        folder = folder.resolve()  # as git tells the repository's
        self._root = _repository(folder) or folder
        self._files = _program(folder)
        self._first = self._files[0] if self._files else folder / "Pulumi.yaml"

    def of(self, resource: str) -> tuple[str, int]:
        """The file, as the repository has it, and the line, from 1."""
        wanted = re.compile(rf"""(["']){re.escape(resource)}\1""")
        for file in self._files if resource else ():
            for number, line in enumerate(_lines(file), start=1):
                if wanted.search(line):
                    return self._uri(file), number
        return self._uri(self._first), 1

    def _uri(self, file: Path) -> str:
        return file.relative_to(self._root).as_posix()


def _program(folder: Path) -> list[Path]:
    """The program's own files, its main one first."""
    found = []
    for inside, folders, files in os.walk(folder):
        folders[:] = [each for each in folders if each[0] != "." and each not in _NOT_PROGRAM]
        found += [Path(inside, file) for file in files if file.endswith(".py") and file[0] != "."]
    return sorted(found, key=lambda file: (file != folder / "__main__.py", file))


@cache
def _lines(file: Path) -> Sequence[str]:
    try:
        return file.read_text(errors="replace").splitlines()
    except OSError:  # such as a link to nowhere
        return ()


def _repository(folder: Path) -> Path | None:
    try:
        done = subprocess.run(
            ["git", "rev-parse", "--show-toplevel"],  # noqa: S607
            cwd=folder,
            capture_output=True,
            text=True,
            check=True,
            timeout=20,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return Path(done.stdout.strip())
