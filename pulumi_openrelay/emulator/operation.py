"""One operation of an OpenAPI document: its request and its answers, checked.

Requests are checked when they arrive: a query or body that breaks the document is
refused with the field's name, and unknown extra fields are let through. Answers are
checked where the world is told to (`check_answers`, in all tests), more strictly
than the document asks: a field that it does not have is an error too.
"""

from __future__ import annotations

import re
from functools import cached_property
from typing import TYPE_CHECKING, Any

from jsonschema import Draft202012Validator, validators

from .json_values import read_json

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from jsonschema import ValidationError

    from .contract import Document

Schema = dict[str, Any]


def _is_integer(_checker: object, value: object) -> bool:
    # JSON Schema calls 8.0 an integer. A typed server (Go's encoding/json) does
    # not, so neither does the emulator: a client that sends floats must not pass.
    return isinstance(value, int) and not isinstance(value, bool)


_Validator = validators.extend(  # type: ignore[no-untyped-call]
    Draft202012Validator,
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine("integer", _is_integer),
)


class WrongRequest(ValueError):
    """A query or a body breaks the document: a sentence, and the field where one is to blame."""

    def __init__(self, sentence: str, field: str | None = None) -> None:
        super().__init__(sentence)
        self.field = field


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
        """The documented parameters, typed; WrongRequest where one is wrong."""
        read = {}
        for parameter in self._query:
            name = parameter["name"]
            if name in query:
                read[name] = _typed(name, query[name], parameter["schema"])
            elif parameter.get("required"):
                raise WrongRequest(f"`{name}` is required.", name)
        return read

    @cached_property
    def body_schema(self) -> Schema | None:
        """None where the operation takes no JSON."""
        content = self._spec.get("requestBody", {}).get("content", {})
        if "application/json" not in content:
            return None
        schema: Schema = self._document.inline(content["application/json"]["schema"])
        return schema

    @cached_property
    def _body_validator(self) -> Any:  # None where the operation takes no JSON
        return None if self.body_schema is None else _Validator(self.body_schema)

    def read_body(self, body: bytes) -> Any:
        """The JSON body, or None where the operation takes none.

        Raises WrongRequest with a sentence that names the field, never its value:
        bodies hold secrets.
        """
        validator = self._body_validator
        if validator is None:
            return None
        try:
            value = read_json(body)
        except ValueError:
            raise WrongRequest("The body must be JSON.") from None
        for error in validator.iter_errors(value):
            raise WrongRequest(_sentence(error), _field(error))
        return value

    def answer_schema(self, status: int) -> Schema | None:
        """None where an answer of this status has no content.

        Statuses that the document does not list are errors, with its envelope.
        """
        if status not in self._answer_schemas:
            self._answer_schemas[status] = self._document.answer_schema(
                self._spec["responses"].get(str(status))
            )
        return self._answer_schemas[status]

    def check_answer(
        self,
        status: int,
        body: bytes,
        *,
        known_fields_only: bool,
        undocumented: Collection[str] = (),
    ) -> None:
        """Raise AssertionError where an answer breaks the document.

        Values that are `undocumented` on order may stand where it lists others.
        """
        said = f"{self.id} answered {status}"
        if status not in self.statuses | self._document.always_possible:
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
        for error in validator.iter_errors(read_json(body)):
            instance: object = error.instance
            if error.validator == "enum" and instance in undocumented:
                continue
            raise AssertionError(f"{said} with a body that breaks the document: {error.message}")


def _typed(name: str, value: str, schema: Schema) -> Any:
    if "enum" in schema:
        if value not in schema["enum"]:
            raise WrongRequest(f"`{name}` must be one of {', '.join(schema['enum'])}.", name)
        return value
    match schema["type"]:
        case "integer":
            if not re.fullmatch(r"-?[0-9]{1,18}", value):
                raise WrongRequest(f"`{name}` must be an integer.", name)
            return int(value)
        case "boolean":
            if value not in ("true", "false"):
                raise WrongRequest(f"`{name}` must be true or false.", name)
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


def _field(error: ValidationError) -> str | None:
    """The field that breaks a rule, dotted; None is the body itself."""
    path = [str(part) for part in error.absolute_path]
    if error.validator == "required":
        required: Any = error.validator_value
        given: Any = error.instance
        path.append(next(name for name in required if name not in given))
    return ".".join(path) or None


def _sentence(error: ValidationError) -> str:
    name = _field(error)
    field = f"`{name}`" if name else "The body"
    rule: Any = error.validator_value
    match error.validator:
        case "required":
            return f"{field} is required."
        case "type":
            return f"{field} must be of type {rule}."
        case "enum":
            return f"{field} must be one of {', '.join(str(value) for value in rule)}."
        case "minimum":
            return f"{field} must be at least {rule}."
        case _:
            return f"{field} breaks the rule `{error.validator}`."
