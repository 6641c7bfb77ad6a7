"""Models, prices, tiers and workflows: what is on offer, and how to call it."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from pulumi_openrelay.emulator.contract import document
from pulumi_openrelay.emulator.relay import models
from pulumi_openrelay.emulator.relay.models import MODELS

from .support import Api


def test_every_model_tells_a_route_of_the_document_and_an_example_that_fits_it(api: Api) -> None:
    for model in MODELS:
        shown = api.ok("GET", f"/v2/models/{model.name}", key=None)
        operation = document("relay").operations[shown["endpoint"]["operation_id"]]
        assert operation.template == shown["endpoint"]["path"]
        assert shown["request_schema"] == operation.body_schema
        assert (shown["status"] == "retired") is model.retired
        if model.retired:
            continue
        example = dict(shown["request_example"])
        assert ("model" in example) or not shown["endpoint"]["model_in_body"]
        answer = api.world.call("POST", shown["endpoint"]["path"], example)
        assert answer.status == (202 if shown["endpoint"]["async_default"] else 200), answer.body


@pytest.mark.parametrize(
    "name", ["gpt-oss:20b", "opengpu.ollama.gpt-oss:20b", "Qwen/Qwen3-8B", "gpt-5.4-mini"]
)
def test_names_keep_their_slashes_colons_and_dots(api: Api, name: str) -> None:
    for path in (name, quote(name, safe="")):
        shown = api.ok("GET", f"/v2/models/{path}")
        assert name.endswith(shown["name"])
        assert "auto" in shown["modes"]


@pytest.mark.parametrize("name", ["gpt-9", "direct.ollama.llama3.3:70b", "direct.openai.", "a/b"])
def test_a_model_that_is_not_there_is_404(api: Api, name: str) -> None:
    api.refused(404, "GET", f"/v2/models/{name}", code="MODEL_NOT_FOUND")


def test_a_full_name_is_mode_source_and_own_name() -> None:
    assert models.split("direct.openai.gpt-5.4-mini") == ("direct", "gpt-5.4-mini")
    assert models.split("gpt-5.4-mini") == (None, "gpt-5.4-mini")
    for name in ("direct.openai", "auto.openai.gpt", "direct.elsewhere.gpt", "direct.openai."):
        assert not models.is_full_name(name)


def test_the_list_groups_them_by_mode_and_source(api: Api) -> None:
    listed = api.ok("GET", "/v2/models", key=None)
    assert [row["name"] for row in listed["opengpu"]["ollama"]] == ["gpt-oss:20b", "llama3.3:70b"]
    assert [row["name"] for row in listed["direct"]["ollama"]] == ["gpt-oss:20b"]
    assert "openai/gpt-4-turbo" not in str(listed["auto"])
    assert set(listed["model_restrictions_per_tier"]) >= {"free", "custom"}


def test_every_price_counts_one_thing(api: Api) -> None:
    pricing = api.ok("GET", "/v2/pricing", key=None)
    assert pricing["total_count"] == len(pricing["pricing"])
    assert pricing["media_storage"]["relay1d"] > 0
    rates = ("per_1m_input_tokens", "per_1k_characters", "per_second_audio", "per_image")
    for row in pricing["pricing"]:
        counted = [name for name in (*rates, "per_second_video") if row[name] is not None]
        assert len(counted) == 1, row
    detail = api.ok("GET", "/v2/models/zai-org/glm-5.2")
    assert {row["mode"] for row in detail["pricing"]} == {"direct", "opengpu"}
    assert all(row in pricing["pricing"] for row in detail["pricing"])


def test_a_model_that_nobody_serves_is_not_available(api: Api) -> None:
    api.settings(unavailable_models=["gpt-oss:20b"])
    assert api.ok("GET", "/v2/models/gpt-oss:20b")["available"] is False
    assert api.ok("GET", "/v2/models/llama3.3:70b")["available"] is True


def test_workflows_tell_their_steps_and_inputs(api: Api) -> None:
    listed = api.ok("GET", "/v2/workflows", key=None)["workflows"]
    for template in listed:
        shown = api.ok("GET", f"/v2/workflows/{template['id']}", key=None)
        assert shown == template
        assert all(api.ok("GET", f"/v2/models/{step['model']}") for step in shown["steps"])
    api.refused(404, "GET", "/v2/workflows/unknown", code="WORKFLOW_NOT_FOUND")
