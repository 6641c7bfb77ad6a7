"""Submits to Relay's own routes, at once or as tasks: `GET /v2/tasks/{task_address}`.

Every submit makes a task; one that is not asynchronous is answered with its result.
A task's id is all that its reader needs. A result, and the links in it, live an hour,
or as long as their storage was paid for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ... import idempotency
from ...area import Area, Served
from ...store import Owned
from ...wire import Answer, NotYet, Refusal, json_answer, timestamp
from .. import models, money, webhooks
from ..access import ApiKey
from ..models import Usage
from . import canned, gate, links
from .links import RETENTION_SECONDS, STORAGE_USD

if TYPE_CHECKING:
    from ...timeline import Step
    from ..access import Call
    from ..world import RelayWorld

_Json = dict[str, Any]

_WAIT_SECONDS_MAX = 30
# The carrier's clock and the world's are not the same: a little later is surely done.
_MARGIN_SECONDS = 0.01


@dataclass(frozen=True, slots=True)
class Product:
    """What a route makes: of a request's body, what it counts as, the files (their suffixes),
    and the result, given the model's name and the files' links.
    """

    usage: Callable[[_Json], Usage]
    files: Callable[[_Json], list[str]]
    result: Callable[[_Json, str, list[str]], _Json]


@dataclass(kw_only=True)
class Task(Owned):
    """`result` is what will be shown once the status is `completed`."""

    model: str
    mode: str
    key_id: str | None
    is_async: bool
    cost_usd: float
    retention_seconds: float
    webhook_url: str | None
    result: _Json
    status: str = "queued"
    error: str | None = None
    finished_time: float | None = None

    def is_gone(self, now: float) -> bool:
        """Whether its result has expired."""
        finished = self.finished_time
        return finished is not None and now > finished + self.retention_seconds


def submit(product: Product) -> Callable[[Call], Answer]:
    """The handler of a route that makes this."""
    return lambda call: _submit(call, product)


def _submit(call: Call, product: Product) -> Answer:
    made = idempotency.made_before(call, "IDEMPOTENCY_KEY_REUSED")
    if made is not None:
        return _answer(call.world.store.table(Task)[made], {"Idempotency-Replayed": "true"})
    world, body = call.world, call.body
    _require_webhook(body)
    grant = gate.admit(call, body.get("model"))
    is_async = body.get("async")
    is_async = grant.model.async_default if is_async is None else is_async
    outcome = world.scripts.take("task", grant.model.name)
    if outcome and outcome.type == "fail" and not is_async:
        raise Refusal(502, outcome.why, "UPSTREAM_ERROR")
    suffixes = product.files(body)
    store = body.get("store_output") or "provider"
    cost = grant.charge(product.usage(body), STORAGE_USD.get(store, 0.0) * len(suffixes))
    new = world.new(call.caller.owner_id)
    urls = [
        links.to(call, f"{new['id']}.{number}.{suffix}") for number, suffix in enumerate(suffixes)
    ]
    new["id"] = task_id = f"{grant.mode}:{new['id']}"
    result = product.result(body, grant.model.name, urls)
    task = Task(
        **new,
        model=grant.full_name,
        mode=grant.mode,
        key_id=call.caller.key.id if call.caller.key else None,
        is_async=is_async,
        cost_usd=cost,
        retention_seconds=RETENTION_SECONDS[store],
        webhook_url=body.get("webhook_url"),
        result={**result, "task_id": task_id, "task_address": task_id, "mode": grant.mode},
    )
    world.store.add(task)
    idempotency.remember(call, task.id)
    if is_async:
        seconds = world.settings.task_seconds * (outcome.slowness if outcome else 1.0)
        steps: list[Step] = [
            (0.5 * seconds, "stage", "running"),
            (seconds, "enter", ["completed", None]),
        ]
        world.plan(task, outcome.shape(steps, seconds) if outcome else steps)
    else:
        _finish(world, task, "completed", None)
    return _answer(task, {})


def _require_webhook(body: _Json) -> None:
    url = body.get("webhook_url")
    if url is not None and not webhooks.is_url(url):
        raise Refusal(422, "This is no http or https URL.", "VALIDATION_ERROR", field="webhook_url")


def _answer(task: Task, headers: dict[str, str]) -> Answer:
    if not task.is_async:
        return json_answer(200, task.result, headers)
    accepted = {
        "task_id": task.id,
        "task_address": task.id,
        "status": "queued",
        "poll_url": f"/v2/tasks/{task.id}",
        "message": "The task was accepted; poll it.",
    }
    return json_answer(202, accepted, headers)


def _step(world: RelayWorld, task: Task, name: str, argument: Any) -> None:
    if name == "stage":
        task.status = argument
    else:
        _finish(world, task, *argument)


def _finish(world: RelayWorld, task: Task, status: str, error: str | None) -> None:
    """What fails is not billed."""
    task.status, task.error, task.finished_time = status, error, world.now
    world.plan(task, [])
    if status == "failed":
        key = world.store.table(ApiKey).get(task.key_id or "")
        money.spend(world.customer(task.owner_id), key, -task.cost_usd, task.mode)
    if task.is_async:
        event = {"event": f"task.{status}", **_describe(task, world.now)}
        webhooks.emit(world, task.owner_id, task.webhook_url, event)


def _describe(task: Task, now: float) -> _Json:
    until = now if task.finished_time is None else task.finished_time
    return {
        "task_id": task.id,
        "task_address": task.id,
        "status": task.status,
        "elapsed_seconds": int(until - task.created_time),
        "mode": task.mode,
        "model": models.split(task.model)[1],
        "created_at": timestamp(task.created_time),
        "result": task.result if task.status == "completed" else None,
        "error": task.error,
        "error_code": "UPSTREAM_ERROR" if task.error else None,
        "error_detail": None,
    }


def _get(call: Call) -> _Json:
    """`wait` keeps the caller until the task has ended, or for so many seconds."""
    world = call.world
    task = world.store.table(Task).get(call.path["task_address"])
    if task is None or task.is_gone(world.now):
        raise Refusal(404, f"There is no task {call.path['task_address']}.", "TASK_NOT_FOUND")
    wait = min(call.query.get("wait", 0), _WAIT_SECONDS_MAX)
    if task.finished_time is None and wait > 0 and not call.waited:
        left = task.plan[-1][0] - world.now + _MARGIN_SECONDS if task.plan else wait
        raise NotYet(min(wait, left))
    return _describe(task, world.now)


def output(world: RelayWorld, name: str) -> Answer | None:
    """A file that a task made, by the last part of its link; None where there is none."""
    identifier, _, rest = name.partition(".")
    suffix = rest.rpartition(".")[2]
    tasks = world.store.table(Task)
    for mode in models.MODES:
        task = tasks.get(f"{mode}:{identifier}")
        if task and suffix in canned.CONTENT_TYPES and not task.is_gone(world.now):
            headers = {"content-type": canned.CONTENT_TYPES[suffix]}
            return Answer(200, canned.file(suffix), headers)
    return None


AREA = Area(
    operations={"tasks_get": Served(_get, None)},
    records=(Task, idempotency.IdempotencyKey),
    steps={Task: _step},
)
