"""A service: its areas and its document, and how one request of it is answered."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from .area import AdmittedRequest
from .contract import Document, with_unknown_fields
from .operation import Operation, WrongRequest
from .wire import Answer, Refusal, Request, json_answer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .area import Area, BehindTheBack, Lever, Served
    from .control_plane import ControlPlane
    from .store import Record


class Service:
    """The areas of one API, taken together.

    `scripts` names the outcomes that a script may give to each kind of machine;
    `control` documents the service's own part of the control path.
    """

    def __init__(
        self,
        document: Document,
        areas: tuple[Area, ...],
        *,
        scripts: Mapping[str, frozenset[str]],
        control: str,
    ) -> None:
        self.document = document
        self.areas = areas
        self.scripts = scripts
        self.control_help = control
        self.records: tuple[type[Record], ...] = tuple(k for area in areas for k in area.records)
        self.steps = {kind: step for area in areas for kind, step in area.steps.items()}
        self.behind_the_back: dict[str, BehindTheBack] = {}
        self.levers: dict[str, Lever] = {}
        self.control: dict[tuple[str, str], Callable[[Any, dict[str, Any]], Any]] = {}
        self._served: dict[str, tuple[Area, Served]] = {}
        for area in areas:
            self.behind_the_back |= area.behind_the_back
            self.levers |= area.levers
            self.control |= area.control
            self._served |= {name: (area, served) for name, served in area.operations.items()}

    def answer(
        self, world: ControlPlane, request: Request, *, waited: bool = False
    ) -> tuple[Answer, str | None, bool]:
        """The answer, the operation's id (None: no such path), and whether it was carried out.

        Raises NotYet where the work should be done later, unless the caller `waited`.
        """
        if request.path == "/openapi.json":
            raw = self.document.raw
            return Answer(200, raw, {"content-type": "application/json"}), None, True
        operation: Operation | None = None
        try:
            operation, parameters = self._route(world, request)
            made = self._carry_out(world, request, operation, parameters, waited)
            worked = True
        except Refusal as refusal:
            body = world.error_body(
                refusal.status, refusal.sentence, refusal.code, **refusal.fields
            )
            made = json_answer(refusal.status, body, refusal.headers)
            worked = False
        if operation is None:
            return made, None, False
        is_json = made.headers.get("content-type") == "application/json"
        unknown_fields = world.settings.unknown_fields
        if unknown_fields and is_json:
            schema = operation.answer_schema(made.status)
            value = with_unknown_fields(schema, json.loads(made.body))
            made = replace(made, body=json.dumps(value).encode())
        if world.check_answers and (is_json or not made.body):
            operation.check_answer(
                made.status,
                made.body,
                known_fields_only=not unknown_fields,
                undocumented=world.undocumented,
            )
        return made, operation.id, worked

    def _route(self, world: ControlPlane, request: Request) -> tuple[Operation, dict[str, str]]:
        found = self.document.find(request.path)
        if found is None:
            raise Refusal(404, "There is nothing at this path.")
        operations, values = found
        operation = operations.get(request.method)
        if operation is None:
            raise Refusal(405, f"This path does not take {request.method}.")
        area, _ = self._served.get(operation.id, (None, None))
        if area is not None and not area.enabled(world):
            raise Refusal(404, "There is nothing at this path.")
        return operation, dict(zip(operation.path_parameters, values, strict=True))

    def _carry_out(
        self,
        world: ControlPlane,
        request: Request,
        operation: Operation,
        parameters: Mapping[str, str],
        waited: bool,
    ) -> Answer:
        _, served = self._served.get(operation.id, (None, None))
        if served is None:
            raise Refusal(501, f"The emulator does not serve {operation.id}.", "NOT_EMULATED")
        caller = world.admit(request, served.needs, parameters)
        try:
            query = operation.read_query(request.query)
            body = operation.read_body(request.body)
        except WrongRequest as wrong:
            raise world.refuse(operation, wrong) from wrong
        call = AdmittedRequest(
            world=world,
            operation=operation,
            caller=caller,
            path=parameters,
            query=query,
            headers=request.headers,
            content=request.body,
            body=body,
            waited=waited,
        )
        made = served.handler(call)
        return made if isinstance(made, Answer) else json_answer(operation.success, made)
