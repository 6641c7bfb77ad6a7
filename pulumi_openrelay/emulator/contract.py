"""The OpenAPI documents: the vendors', and what they leave out of what the emulator serves."""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from .operation import Operation, Schema

if TYPE_CHECKING:
    from collections.abc import Iterator

_FOLDER = resources.files("pulumi_openrelay.emulator") / "openapi"

UNKNOWN_FIELD = "unannouncedField"

_WITH_SLASHES = "{model}"  # a model's name keeps its slashes in a path

# A document lists per operation what its authors thought of. These statuses may
# come from any: a broken body, no balance, switched off, not emulated, overload.
_ALWAYS_POSSIBLE = frozenset({400, 402, 404, 429, 500, 501, 502, 503, 504})


class Document:
    """An OpenAPI document: its bytes, its operations by id and by method and path.

    `error` names the schema of the error envelope, `possible` statuses that may come from
    any operation. Paths and schemas of `further` documents are taken in, not their bytes.
    """

    def __init__(
        self, name: str, *further: str, error: str, possible: frozenset[int] = frozenset()
    ) -> None:
        self.always_possible = _ALWAYS_POSSIBLE | possible
        self.raw = (_FOLDER / f"{name}.openapi.json").read_bytes()
        specs = [json.loads(self.raw), *(_read(other) for other in further)]
        paths = {template: item for spec in specs for template, item in spec["paths"].items()}
        self._components: dict[str, dict[str, Any]] = {"schemas": {}, "responses": {}}
        for kind, named in self._components.items():
            for spec in specs:
                named.update(spec["components"].get(kind, {}))
        self._error: Schema = {"$ref": f"#/components/schemas/{error}"}
        self.operations: dict[str, Operation] = {}
        # A tree of path segments; "{}" stands for a parameter, "{*}" for one that
        # holds slashes and ends the path, "" holds the operations that end here by method.
        self._paths: dict[str, Any] = {}
        for template, methods in paths.items():
            node = self._paths
            for segment in template.strip("/").split("/"):
                node = node.setdefault(_in_tree(segment), {})
            for method, spec in methods.items():
                operation = Operation(self, method.upper(), template, spec)
                self.operations[operation.id] = operation
                node.setdefault("", {})[operation.method] = operation

    def find(self, path: str) -> tuple[dict[str, Operation], list[str]] | None:
        """The operations at a path by method, with the path's parameters in order."""
        segments = [unquote(segment) for segment in path.strip("/").split("/")]
        return next(_descend(self._paths, segments, []), None)

    def answer_schema(self, response: Schema | None) -> Schema | None:
        """The JSON schema of a documented response; None where it has none.

        A response that is not documented is an error, with its envelope.
        """
        if response is None:
            inlined: Schema = self.inline(self._error)
            return inlined
        content = self.inline(response).get("content", {})
        schema: Schema | None = content.get("application/json", {}).get("schema")
        return schema

    def inline(self, schema: Any) -> Any:
        """The schema or response with every $ref replaced; the documents have no cycles."""
        if isinstance(schema, list):
            return [self.inline(item) for item in schema]
        if not isinstance(schema, dict):
            return schema
        if "$ref" in schema:
            kind, name = schema["$ref"].split("/")[-2:]
            return self.inline(self._components[kind][name])
        return {key: self.inline(value) for key, value in schema.items()}


@cache
def document(name: str) -> Document:
    """`openrelay` or `relay`; read once per process."""
    if name == "relay":
        # A key that is sent is checked, though the operation asks for none.
        possible = frozenset({401})
        return Document(name, "relay-inference", error="RelayErrorResponse", possible=possible)
    return Document(name, error="Error")


def with_unknown_fields(schema: Schema | None, value: Any) -> Any:
    """The value with a field nobody announced in every object that the document describes.

    Maps with free keys (environment variables) stay as they are: a key there is
    content, not a new field.
    """
    if schema is None:
        return value
    # Of what may be null, what it is otherwise.
    options: list[Schema] = schema.get("anyOf", [])
    schema = next((o for o in options if {"properties", "items"} & {*o}), schema)
    if isinstance(value, list):
        return [with_unknown_fields(schema.get("items"), item) for item in value]
    if not isinstance(value, dict) or "properties" not in schema:
        return value
    properties = schema["properties"]
    known = {k: with_unknown_fields(properties.get(k), v) for k, v in value.items()}
    return {**known, UNKNOWN_FIELD: {"since": "preview"}}


def _read(name: str) -> Any:
    return json.loads((_FOLDER / f"{name}.openapi.json").read_bytes())


def _in_tree(segment: str) -> str:
    if not segment.startswith("{"):
        return segment
    return "{*}" if segment == _WITH_SLASHES else "{}"


def _descend(
    node: dict[str, Any], segments: list[str], parameters: list[str]
) -> Iterator[tuple[dict[str, Operation], list[str]]]:
    if not segments:
        if "" in node:
            yield node[""], parameters
        return
    first, rest = segments[0], segments[1:]
    if first and first in node:
        yield from _descend(node[first], rest, parameters)
    if first and "{}" in node:
        yield from _descend(node["{}"], rest, [*parameters, first])
    if first and "{*}" in node:
        yield from _descend(node["{*}"], [], [*parameters, "/".join(segments)])
