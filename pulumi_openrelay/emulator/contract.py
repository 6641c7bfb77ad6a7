"""Requests and answers against the vendor's OpenAPI document.

Requests are checked when they arrive: a body that breaks the document is a 400
that names the field, and unknown extra fields are let through. Answers are
checked where the world is told to (`check_answers`, in all tests), more strictly
than the document asks: a field that it does not have is an error too.
"""

from __future__ import annotations

import json
import re
from functools import cache, cached_property
from importlib import resources
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from jsonschema import Draft202012Validator, validators

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from jsonschema import ValidationError

Schema = dict[str, Any]

_FOLDER = resources.files("pulumi_openrelay.emulator") / "openapi"

UNKNOWN_FIELD = "unannouncedField"

# The document lists per operation what its authors thought of. These statuses may
# come from any: a broken body, no balance, switched off, not emulated, overload.
_ALWAYS_POSSIBLE = frozenset({400, 402, 404, 429, 500, 501, 502, 503, 504})


def _is_integer(_checker: object, value: object) -> bool:
    # JSON Schema calls 8.0 an integer. A typed server (Go's encoding/json) does
    # not, so neither does the emulator: a client that sends floats must not pass.
    return isinstance(value, int) and not isinstance(value, bool)


_Validator = validators.extend(  # type: ignore[no-untyped-call]
    Draft202012Validator,
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine("integer", _is_integer),
)


class Operation:
    """One operation of a document: where it is, what goes in, what may come out."""

    def __init__(self, document: Document, method: str, template: str, spec: Schema) -> None:
        self.id: str = spec["operationId"]
        self.method = method
        self.template = template
        self.path_parameters = re.findall(r"\{(\w+)\}", template)
        self._document = document
        self._spec = spec
        self._answer_schemas: dict[int, Schema | None] = {}
        self._answer_validators: dict[tuple[int, bool], Any] = {}
        statuses = sorted(int(status) for status in spec["responses"])
        self.statuses = frozenset(statuses)
        self.success = statuses[0]
        self._query = [p for p in spec.get("parameters", []) if p["in"] == "query"]

    def read_query(self, query: Mapping[str, str]) -> dict[str, Any]:
        """The documented parameters, typed; ValueError with a sentence where one is wrong."""
        read = {}
        for parameter in self._query:
            name = parameter["name"]
            if name in query:
                read[name] = _typed(name, query[name], parameter["schema"])
            elif parameter.get("required"):
                raise ValueError(f"`{name}` is required.")
        return read

    @cached_property
    def _body_validator(self) -> Any:  # None where the operation takes no body
        if "requestBody" not in self._spec:
            return None
        schema = self._spec["requestBody"]["content"]["application/json"]["schema"]
        return _Validator(self._document.inline(schema))

    def read_body(self, body: bytes) -> Any:
        """The JSON body, or None where the operation takes none.

        Raises ValueError with a sentence that names the field, never its value:
        bodies hold secrets.
        """
        validator = self._body_validator
        if validator is None:
            return None
        try:
            value = json.loads(body)
        except (ValueError, RecursionError):
            raise ValueError("The body must be JSON.") from None
        for error in validator.iter_errors(value):
            raise ValueError(_sentence(error))
        return value

    def answer_schema(self, status: int) -> Schema | None:
        """None where an answer of this status has no content.

        Statuses that the document does not list are errors, with its envelope.
        """
        if status not in self._answer_schemas:
            spec = self._spec["responses"].get(str(status), _ERROR_RESPONSE)
            content = spec.get("content")
            self._answer_schemas[status] = (
                self._document.inline(content["application/json"]["schema"]) if content else None
            )
        return self._answer_schemas[status]

    def check_answer(self, status: int, body: bytes, *, known_fields_only: bool) -> None:
        """Raise AssertionError where an answer breaks the document."""
        said = f"{self.id} answered {status}"
        if status not in self.statuses | _ALWAYS_POSSIBLE:
            raise AssertionError(f"{said}, which the document does not list")
        schema = self.answer_schema(status)
        if schema is None:
            if body:
                raise AssertionError(f"{said} with content, where the document has none")
            return
        validator = self._answer_validators.get((status, known_fields_only))
        if validator is None:
            validator = _Validator(_closed(schema) if known_fields_only else schema)
            self._answer_validators[status, known_fields_only] = validator
        for error in validator.iter_errors(json.loads(body)):
            raise AssertionError(f"{said} with a body that breaks the document: {error.message}")


_ERROR_RESPONSE: Schema = {
    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
}


class Document:
    """An OpenAPI document: its bytes, its operations by id and by method and path."""

    def __init__(self, name: str) -> None:
        self.raw = (_FOLDER / f"{name}.openapi.json").read_bytes()
        self._spec = json.loads(self.raw)
        self.operations: dict[str, Operation] = {}
        # A tree of path segments; "{}" stands for a parameter, "" holds the
        # operations that end here by method.
        self._paths: dict[str, Any] = {}
        for template, methods in self._spec["paths"].items():
            node = self._paths
            for segment in template.strip("/").split("/"):
                node = node.setdefault("{}" if segment.startswith("{") else segment, {})
            for method, spec in methods.items():
                operation = Operation(self, method.upper(), template, spec)
                self.operations[operation.id] = operation
                node.setdefault("", {})[operation.method] = operation

    def find(self, path: str) -> tuple[dict[str, Operation], list[str]] | None:
        """The operations at a path by method, with the path's parameters in order."""
        segments = [unquote(segment) for segment in path.strip("/").split("/")]
        return next(_descend(self._paths, segments, []), None)

    def inline(self, schema: Any) -> Any:
        """The schema with every $ref replaced; the documents have no cycles."""
        if isinstance(schema, list):
            return [self.inline(item) for item in schema]
        if not isinstance(schema, dict):
            return schema
        if "$ref" in schema:
            name = schema["$ref"].rsplit("/", 1)[-1]
            return self.inline(self._spec["components"]["schemas"][name])
        return {key: self.inline(value) for key, value in schema.items()}


@cache
def document(name: str) -> Document:
    """`openrelay` or `relay`; read once per process."""
    return Document(name)


def with_unknown_fields(schema: Schema | None, value: Any) -> Any:
    """The value with a field nobody announced in every object that the document describes.

    Maps with free keys (environment variables) stay as they are: a key there is
    content, not a new field.
    """
    if schema is None:
        return value
    if isinstance(value, list):
        return [with_unknown_fields(schema.get("items"), item) for item in value]
    if not isinstance(value, dict) or "properties" not in schema:
        return value
    properties = schema["properties"]
    known = {k: with_unknown_fields(properties.get(k), v) for k, v in value.items()}
    return {**known, UNKNOWN_FIELD: {"since": "preview"}}


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


def _typed(name: str, value: str, schema: Schema) -> Any:
    if "enum" in schema:
        if value not in schema["enum"]:
            raise ValueError(f"`{name}` must be one of {', '.join(schema['enum'])}.")
        return value
    match schema["type"]:
        case "integer":
            if not re.fullmatch(r"-?[0-9]{1,18}", value):
                raise ValueError(f"`{name}` must be an integer.")
            return int(value)
        case "boolean":
            if value not in ("true", "false"):
                raise ValueError(f"`{name}` must be true or false.")
            return value == "true"
        case _:
            return value


def _closed(schema: Any) -> Any:
    """The schema with no room for fields that it does not name."""
    if isinstance(schema, list):
        return [_closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: _closed(value) for key, value in schema.items()}
    if "properties" in closed:
        closed.setdefault("additionalProperties", False)
    return closed


def _sentence(error: ValidationError) -> str:
    where = ".".join(str(part) for part in error.absolute_path)
    field = f"`{where}`" if where else "The body"
    rule: Any = error.validator_value
    instance: Any = error.instance
    match error.validator:
        case "required":
            missing = next(name for name in rule if name not in instance)
            return f"`{where + '.' if where else ''}{missing}` is required."
        case "type":
            return f"{field} must be of type {rule}."
        case "enum":
            return f"{field} must be one of {', '.join(str(value) for value in rule)}."
        case "minimum":
            return f"{field} must be at least {rule}."
        case _:
            return f"{field} breaks the rule `{error.validator}`."
