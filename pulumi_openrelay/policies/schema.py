"""The JSON Schema of `openrelay-policy.json`, for editors and linters."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .configuration import LEVEL, Configuration
from .of_reviews import OF_REVIEWS
from .rule import Level, Rule


def schema(rules: Iterable[Rule]) -> dict[str, Any]:
    """The schema of a configuration of these rules."""
    known = list(rules)
    document = Configuration.model_json_schema()
    properties = document["properties"]
    choices = {
        "type": "object",
        "additionalProperties": False,
        "properties": {rule.name: _choices(rule) for rule in known},
    }
    document["$defs"]["Rules"] = choices
    properties["rules"] = {
        "$ref": "#/$defs/Rules",
        "description": "What differs from the profile, for each rule.",
    }
    named = properties["profiles"]["patternProperties"]
    for pattern in named:
        named[pattern] = {"$ref": "#/$defs/Rules"}
    properties["profiles"]["additionalProperties"] = False
    names = [*(rule.name for rule in known), *OF_REVIEWS]
    document["$defs"]["Exemption"]["properties"]["rule"] = {"enum": names}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **document,
        "title": "openrelay-policy.json",
        "description": "The configuration of the policies of pulumi-openrelay.",
    }


def _choices(rule: Rule) -> dict[str, Any]:
    """A rule's level and settings. What a profile makes of them is no default of the file."""
    settings = rule.settings.model_json_schema()["properties"]
    return {
        "type": "object",
        "description": rule.description,
        "additionalProperties": False,
        "properties": {
            LEVEL: {"enum": list(Level), "description": "What a violation does."},
            **{
                name: {key: value for key, value in field.items() if key not in _NOT_TOLD}
                for name, field in settings.items()
            },
        },
    }


_NOT_TOLD = ("title", "default")
