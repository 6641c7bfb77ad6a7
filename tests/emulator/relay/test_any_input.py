"""Whatever is sent, the answer is one that the document knows: never an exception."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pulumi_openrelay.emulator import RelayWorld, Request, SimulatedClock
from pulumi_openrelay.emulator.contract import document
from pulumi_openrelay.emulator.relay.api import AREAS
from pulumi_openrelay.emulator.relay.models import MODELS

from ..support import bodies, public_key
from .support import GPT_FULL, KEYS, Api

FIELDS = [
    *("name", "restrictions", "key_budget", "amount", "model_allowlist", "warning_threshold"),
    *("prescription", "image", "ssh_public_key", "service_mode", "region", "max_lifetime_hours"),
    *("webhook_url", "model", "messages", "stream", "max_tokens", "prompt", "text", "audio_url"),
    *("mode", "async", "n", "duration", "input", "inputs", "store_output", "options", "url"),
    *("content", "model_restrictions", "rate_limits", "global", "encoding_format", "dimensions"),
]
QUERY = ["limit", "starting_after", "status", "name", "is_superkey", "wait", "retention", "cursor"]
SERVED = [operation for area in AREAS for operation in area.operations]


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_any_request_gets_an_answer_of_the_document(data: st.DataObject) -> None:
    clock = SimulatedClock()
    api = Api(RelayWorld(clock=clock, check_answers=True), clock)
    instance_id, key = api.ready_instance(), api.create_key()
    task = api.ok("POST", "/v2/video/sora-2/t2v", {"prompt": "waves"})["task_id"]
    known = [instance_id, key["key_id"], task, "poster", GPT_FULL, public_key(), "cpu.small"]
    known += [MODELS[data.draw(st.integers(0, len(MODELS) - 1))].name, "ubuntu-24.04", "relay1d"]
    operation = document("relay").operations[data.draw(st.sampled_from(SERVED))]
    path = operation.template
    for name in operation.path_parameters:
        path = path.replace(f"{{{name}}}", data.draw(st.sampled_from([*known, "%00", "unknown"])))
    body = data.draw(bodies(FIELDS, known))
    texts = st.text() | st.sampled_from([*known, "1", "true"])
    query = data.draw(st.dictionaries(st.sampled_from(QUERY), texts, max_size=2))
    headers = {
        "x-api-key": data.draw(st.sampled_from([api.world.key, key["key"], "relay_sk_wrong"])),
        "content-type": data.draw(st.sampled_from(["application/json", "audio/wav"])),
        "idempotency-key": data.draw(st.text()),
    }
    sent = Request(operation.method, path, query, headers, body)
    # The world itself checks the answer against the document.
    answer = api.world.handle(sent)
    assert answer.status in {*operation.statuses, 400, 401, 402, 404} or answer.later


@pytest.mark.parametrize("number", ["1e999", "-1e999", "NaN"])
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PATCH", "/v2/customer/settings", '{"warning_threshold": %s}'),
        ("POST", KEYS, '{"name": "app", "key_budget": %s}'),
        ("POST", "/v2/video/wan-25/t2v", '{"prompt": "waves", "duration": %s}'),
    ],
)
def test_an_infinite_number_is_refused(
    api: Api, method: str, path: str, body: str, number: str
) -> None:
    refuse(api, method, path, (body % number).encode())


def test_a_film_without_end_is_not_made(api: Api) -> None:
    body = {"prompt": "waves", "duration": 10**400}
    assert api.world.call("POST", "/v2/video/wan-25/t2v", body).status in (202, 402)


@pytest.mark.parametrize("budget", [1e308, 10**400])
@pytest.mark.parametrize("amount", [1e308, 10**400])
def test_a_budget_can_be_added_to_without_end(api: Api, budget: float, amount: float) -> None:
    key_id = api.create_key(key_budget=budget)["key_id"]
    api.ok("POST", f"{KEYS}/{key_id}/topup", {"amount": amount})
    assert api.key(key_id)["key_budget"] > 1e308
    assert b"Infinity" not in api.world.call("GET", KEYS).body


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (
            "/v2/openai/v1/embeddings",
            r'{"model": "openai/text-embedding-3-small", "input": "\ud800"}',
        ),
        ("/v2/files", '{"url": "http://h", "retention": ["relay1h"]}'),
        ("/v2/files", '{"url": "http://h", "retention": {"for": "ever"}}'),
        ("/v2/files", "[" * 100_000),
    ],
)
def test_what_could_not_be_kept_is_refused(api: Api, path: str, body: str) -> None:
    refuse(api, "POST", path, body.encode())


def refuse(api: Api, method: str, path: str, body: bytes) -> None:
    headers = {"x-api-key": api.world.key, "content-type": "application/json"}
    assert api.world.handle(Request(method, path, {}, headers, body)).status in (400, 422)
