"""Workflow templates: `/v2/workflows`. Their runs are in `inference.runs`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..area import Area, Served
from ..wire import Refusal

if TYPE_CHECKING:
    from .access import Call

TEMPLATES: tuple[dict[str, Any], ...] = (
    {
        "id": "script-voiceover",
        "name": "Script and voiceover",
        "description": "Writes a short line and speaks it.",
        "version": 2,
        "input_schema": {
            "type": "object",
            "properties": {"messages": {"type": "array"}, "voice": {"type": "string"}},
            "required": ["messages"],
        },
        "steps": [
            {"step_id": "script", "model": "openai/gpt-4o-mini"},
            {"step_id": "voice", "model": "sesame/csm-1b"},
        ],
    },
    {
        "id": "poster",
        "name": "Poster",
        "description": "Paints what a prompt describes.",
        "version": 1,
        "input_schema": {
            "type": "object",
            "properties": {"prompt": {"type": "string"}},
            "required": ["prompt"],
        },
        "steps": [{"step_id": "image", "model": "Qwen/qwen-image"}],
    },
)


def template(call: Call) -> dict[str, Any]:
    wanted = call.path["workflow_id"]
    for found in TEMPLATES:
        if found["id"] == wanted:
            return found
    raise Refusal(404, f"There is no workflow {wanted}.", "WORKFLOW_NOT_FOUND")


AREA = Area(
    operations={
        "listWorkflows": Served(lambda _call: {"workflows": list(TEMPLATES)}, None),
        "getWorkflow": Served(template, None),
    }
)
