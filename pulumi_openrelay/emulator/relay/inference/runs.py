"""Runs of workflows: `/v2/workflows/{workflow_id}/run` and `/v2/workflows/runs/{run_id}`.

Every step is billed as a request when the run starts; the run's id is all that its
reader needs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ... import idempotency
from ...area import Area, Served
from ...store import Owned
from ...wire import Answer, Refusal, json_answer, timestamp
from .. import access, money, webhooks, workflows
from ..models import MODELS, Usage
from . import gate

if TYPE_CHECKING:
    from ..access import Call
    from ..world import RelayWorld

# What a step of each kind counts as.
_USAGE = {
    "text-generation": Usage(input_tokens=20, output_tokens=20),
    "text-to-speech": Usage(characters=80),
    "text-to-image": Usage(images=1),
}
_ENDED = frozenset({"completed", "failed", "cancelled"})


@dataclass(kw_only=True)
class Run(Owned):
    workflow_id: str
    version: int
    inputs: dict[str, Any]
    steps: list[dict[str, Any]]
    webhook_url: str | None
    status: str = "queued"
    finished_time: float | None = None


def _start(call: Call) -> Answer:
    made = idempotency.made_before(call, "IDEMPOTENCY_KEY_REUSED")
    if made is not None:
        return _accepted(made, {"Idempotency-Replayed": "true"})
    world, template = call.world, workflows.template(call)
    inputs = call.body.get("inputs") or {}
    if missing := [n for n in template["input_schema"]["required"] if n not in inputs]:
        raise Refusal(
            422, f"The input `{missing[0]}` is required.", "VALIDATION_ERROR", field=missing[0]
        )
    run = Run(
        **{**world.new(call.caller.owner_id), "id": f"wf:{world.new_id()}"},
        workflow_id=template["id"],
        version=template["version"],
        inputs=inputs,
        steps=_steps(call, template["steps"]),
        webhook_url=call.body.get("webhook_url"),
    )
    world.store.add(run)
    idempotency.remember(call, run.id)
    seconds = world.settings.task_seconds
    world.plan(run, [(0.5 * seconds, "enter", "running"), (seconds, "enter", "completed")])
    return _accepted(run.id, {})


def _steps(call: Call, steps: list[dict[str, str]]) -> list[dict[str, Any]]:
    """All of them billed, or none: 402 where the caller cannot pay for the whole run."""
    models = [next(m for m in MODELS if m.name == step["model"]) for step in steps]
    grants = [gate.admit(call, model.name, model.operation) for model in models]
    costs = [grant.cost(_USAGE[grant.model.tag]) for grant in grants]
    money.require(call.caller, sum(costs), "this run")
    for grant, cost in zip(grants, costs, strict=True):
        grant.spend(cost)
    return [
        {
            "step_index": index,
            "step_id": step["step_id"],
            "model": grant.model.name,
            "cost_usd": cost,
        }
        for index, (step, grant, cost) in enumerate(zip(steps, grants, costs, strict=True))
    ]


def _accepted(run_id: str, headers: dict[str, str]) -> Answer:
    accepted = {"run_id": run_id, "status": "queued", "poll_url": f"/v2/workflows/runs/{run_id}"}
    return json_answer(202, accepted, headers)


def _step(world: RelayWorld, run: Run, _name: str, status: str) -> None:
    run.status = status
    if status not in _ENDED:
        return
    run.finished_time = world.now
    world.plan(run, [])
    # The status of a delivery is always completed; the run's own is in `result`.
    event = {
        "event": "workflow.completed" if status == "completed" else "workflow.failed",
        "task_id": run.id,
        "status": "completed",
        "elapsed_seconds": int(world.now - run.created_time),
        "result": _describe(run),
    }
    webhooks.emit(world, run.owner_id, run.webhook_url, event)


def _describe(run: Run) -> dict[str, Any]:
    output = {"text": f"The emulated output of {run.workflow_id}."}
    done = run.status == "completed"
    state = {"completed": "completed", "cancelled": "skipped"}.get(run.status, "pending")
    return {
        "run_id": run.id,
        "workflow_id": run.workflow_id,
        "version": run.version,
        "status": run.status,
        "steps": [
            {**step, "status": state, "output": output if done else None, "error": None}
            for step in run.steps
        ],
        "inputs": run.inputs,
        "output": output if done else None,
        "error": None,
        "failed_step_index": None,
        "total_cost_usd": sum(step["cost_usd"] for step in run.steps),
        "created_at": timestamp(run.created_time),
        "completed_at": timestamp(run.finished_time),
    }


def _find(call: Call) -> Run:
    run = call.world.store.table(Run).get(call.path["run_id"])
    if run is None:
        raise Refusal(404, f"There is no run {call.path['run_id']}.", "WORKFLOW_RUN_NOT_FOUND")
    return run


def _cancel(call: Call) -> dict[str, Any]:
    run = _find(call)
    if run.status in _ENDED:
        raise Refusal(409, "The run has ended.", "WORKFLOW_RUN_NOT_CANCELLABLE")
    _step(call.world, run, "enter", "cancelled")
    return _describe(run)


AREA = Area(
    operations={
        "workflows_run": Served(_start, access.KEY),
        "workflows_get_run": Served(lambda call: _describe(_find(call)), None),
        "workflows_cancel_run": Served(_cancel, access.KEY),
    },
    records=(Run,),
    steps={Run: _step},
)
