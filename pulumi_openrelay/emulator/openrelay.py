"""The OpenRelay API: its areas, who is let in, what is checked before a handler runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import access, catalog, inference_clusters, ssh_keys, usage, vms, webhooks
from .area import Area, Call, Served
from .contract import Operation, document, with_unknown_fields
from .wire import Answer, Refusal, Request, json_answer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .world import World

# A new area is its file and its place here.
AREAS: tuple[Area, ...] = (
    access.AREA,
    catalog.AREA,
    usage.AREA,
    ssh_keys.AREA,
    vms.AREA,
    inference_clusters.AREA,
    webhooks.AREA,
)
RECORDS = tuple(kind for area in AREAS for kind in area.records)
STEPS = {kind: step for area in AREAS for kind, step in area.steps.items()}
BEHIND_THE_BACK = {name: item for area in AREAS for name, item in area.behind_the_back.items()}

_SERVED: dict[str, tuple[Area, Served]] = {
    operation: (area, served) for area in AREAS for operation, served in area.operations.items()
}


def answer(world: World, request: Request) -> tuple[Answer, str | None, bool]:
    """The answer, the operation's id (None: no such path), and whether it was carried out."""
    if request.path == "/openapi.json":
        raw = document("openrelay").raw
        return Answer(200, raw, {"content-type": "application/json"}), None, True
    operation: Operation | None = None
    try:
        operation, parameters = _route(world, request)
        status, body = operation.success, _carry_out(world, request, operation, parameters)
        worked = True
    except Refusal as refusal:
        status, body = refusal.status, refusal.envelope
        worked = False
    if operation is None:
        return json_answer(status, body), None, False
    if world.settings.unknown_fields and body is not None:
        body = with_unknown_fields(operation.answer_schema(status), body)
    made = json_answer(status, body)
    if world.check_answers:
        known_only = not world.settings.unknown_fields
        operation.check_answer(status, made.body, known_fields_only=known_only)
    return made, operation.id, worked


def _route(world: World, request: Request) -> tuple[Operation, dict[str, str]]:
    found = document("openrelay").find(request.path)
    if found is None:
        raise Refusal(404, "There is nothing at this path.")
    operations, values = found
    operation = operations.get(request.method)
    if operation is None:
        raise Refusal(405, f"This path does not take {request.method}.")
    area, _ = _SERVED.get(operation.id, (None, None))
    if area is not None and not area.enabled(world):
        raise Refusal(404, "There is nothing at this path.")
    return operation, dict(zip(operation.path_parameters, values, strict=True))


def _carry_out(
    world: World, request: Request, operation: Operation, parameters: Mapping[str, str]
) -> Any:
    _, served = _SERVED.get(operation.id, (None, None))
    if served is None:
        raise Refusal(501, f"The emulator does not serve {operation.id}.", "NOT_EMULATED")
    organization = world.first_organization
    if served.needs is not None:
        key = access.authenticate(world, request.headers)
        organization = world.organization(key.organization_id)
        if "orgId" in parameters:
            access.require_organization(key, parameters["orgId"], served.needs)
        access.require(key, served.needs)
    try:
        query = operation.read_query(request.query)
        body = operation.read_body(request.body)
    except ValueError as error:
        raise Refusal(400, str(error)) from error
    call = Call(
        world=world,
        operation=operation,
        organization=organization,
        path=parameters,
        query=query,
        headers=request.headers,
        body=body,
    )
    return served.handler(call)
