"""The machinery that it shares with OpenRelay: clocks, faults, files, the control path."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from pulumi_openrelay.emulator import (
    RelayWorld,
    SimulatedClock,
    StateError,
    World,
    WorldTransport,
)
from pulumi_openrelay.emulator.contract import UNKNOWN_FIELD, document
from pulumi_openrelay.emulator.relay.access import Customer
from pulumi_openrelay.emulator.relay.api import AREAS

from .support import ALLOWLIST, CHAT, INSTANCES, KEYS, PROVISION_SECONDS, Api, chat_body
from .support import instance_body as body_of_instance

URL = "http://127.0.0.1:9/hook"
SORA, FILM = "/v2/video/sora-2/t2v", {"prompt": "waves", "webhook_url": URL}


def play(world: RelayWorld, clock: SimulatedClock) -> list[Any]:
    """A little of everything, with time between."""
    api = Api(world, clock)
    answers: list[Any] = [api.create_key(key_budget=5)]
    answers.append(api.ok("POST", CHAT, chat_body(), key=answers[0]["key"]))
    answers.append(api.instance(api.ready_instance(webhook_url=URL)))
    answers.append(api.ok("POST", SORA, FILM))
    answers.append(api.ok("POST", "/v2/customer/webhook-secret/rotate"))
    answers.append(api.ok("PATCH", ALLOWLIST, {"model_allowlist": ["direct.openai.gpt"]}))
    api.wait(3600)
    answers += [[d.headers, d.body] for d in world.due_deliveries()]
    return [*answers, *everything(api)]


def everything(api: Api) -> list[Any]:
    """All that the API shows of what was made."""
    paths = (INSTANCES, KEYS, ALLOWLIST, "/v2/customer/profile", "/v2/customer/credits")
    return [api.ok("GET", path) for path in (*paths, "/v2/customer/webhook-secret")]


def test_every_operation_of_the_document_is_served() -> None:
    served = [operation for area in AREAS for operation in area.operations]
    assert len(served) == len(set(served))
    assert set(served) == {*document("relay").operations}
    vendor = json.loads(document("relay").raw)
    assert sum(len(methods) for methods in vendor["paths"].values()) == 26


def test_the_vendors_document_is_served_without_a_key(api: Api) -> None:
    shown = api.ok("GET", "/openapi.json", key=None)
    assert shown["info"]["title"].startswith("Relay API")


def test_the_same_seed_and_requests_give_the_same_answers() -> None:
    def answers(seed: int) -> list[Any]:
        clock = SimulatedClock()
        return play(RelayWorld(clock=clock, seed=seed, check_answers=True), clock)

    assert answers(1) == answers(1)
    assert answers(1)[0]["key_id"] != answers(2)[0]["key_id"]


def test_both_services_run_on_one_clock(clock: SimulatedClock) -> None:
    relay, openrelay = RelayWorld(clock=clock), World(clock=clock)
    relay.call("POST", INSTANCES, body_of_instance())
    clock.advance(60)
    for world in (relay, openrelay):
        world.advance()
        assert world.now == clock()
    assert relay.live_instances()[0].status == "ready"
    assert openrelay.live_vms() == []


@pytest.mark.parametrize("setting", ["unknown_fields", "shuffle_lists"])
def test_every_answer_may_hold_fields_that_nobody_announced(api: Api, setting: str) -> None:
    api.settings(**{setting: True})
    play(api.world, api.clock)
    shown = api.ok("GET", INSTANCES)
    for described in (shown["instances"][0], shown["instances"][0]["connection"]):
        assert (UNKNOWN_FIELD in described) is (setting == "unknown_fields")


def test_a_fault_answers_in_relays_envelope(api: Api) -> None:
    api.world.faults.status(429, "POST", "/instances$", headers={"Retry-After": "3"})
    answer = api.world.call("POST", INSTANCES, body_of_instance())
    assert answer.headers["Retry-After"] == "3"
    said = answer.json()
    assert said["detail"] == said["error"]["message"]
    assert (said["error"]["type"], said["error"]["code"]) == ("rate_limit", None)
    api.world.faults.status(503, "POST", "/instances$", code="INSTANCES_UNAVAILABLE")
    body = body_of_instance()
    error = api.refused(503, "POST", INSTANCES, body, code="INSTANCES_UNAVAILABLE")
    assert error["source"] == "relay"
    assert api.world.live_instances() == []


def test_the_world_lists_what_lives_and_what_it_costs(api: Api) -> None:
    ready, ended = api.ready_instance(), api.ready_instance()
    api.terminate(ended)
    api.wait(PROVISION_SECONDS)
    api.create_key()
    world = api.control("GET", "world")
    assert [(i["id"], i["rate_cents_per_hour"]) for i in world["instances"]] == [(ready, 5)]
    assert (world["machines"], world["rate_cents_per_hour"]) == (1, 5)
    assert [key["name"] for key in world["keys"]] == ["emulator 1", "app"]


def test_the_control_path_documents_what_is_relays(api: Api) -> None:
    text = "\n".join(api.control("GET", "")["help"])
    for path in ("/_emulator/faults", "/_emulator/instances/{id}", "relay_sk_two"):
        assert path in text
    assert "vms" not in text.replace("/vms/create", "")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PATCH", "settings", {"tier": "unknown", "balance_usd": 1}),
        ("PATCH", "settings", {"balance_usd": "much"}),
        ("PATCH", "settings", {"stop_disabled": True}),
        ("POST", "script", {"kind": "vm", "outcome": "fail"}),
        ("POST", "script", {"kind": "instance", "outcome": "interrupt"}),
        ("PATCH", "settings", {"balance_usd": "nan"}),
        ("PATCH", "settings", {"balance_usd": 1e308}),
        ("PATCH", "settings", {"stock": {"cpu.small": "x"}}),
        ("POST", "keys", {"secret": "relay_sk_two", "unknown": 1}),
        ("POST", "keys", {"secret": "relay_sk_two", "customer": "C", "token": "t", "status": 1}),
        ("POST", "keys", {"secret": "relay_sk_two", "customer": "C"}),
    ],
)
def test_a_wrong_request_of_the_control_path_changes_nothing(
    api: Api, method: str, path: str, body: object
) -> None:
    before = api.control("GET", "settings"), api.control("GET", "keys")
    assert api.world.call(method, f"/_emulator/{path}", body, key=None).status == 400
    assert (api.control("GET", "settings"), api.control("GET", "keys")) == before
    assert len(api.world.store.table(Customer)) == 1


def test_what_the_log_keeps_holds_no_secret(api: Api) -> None:
    play(api.world, api.clock)
    log = str(api.control("GET", "log"))
    assert "createInstance" in log
    assert "relay_sk_" not in log
    assert "whsec_" not in log


def test_a_restart_changes_nothing(tmp_path: Path, clock: SimulatedClock) -> None:
    state = tmp_path / "relay.sqlite"
    options: dict[str, Any] = {"clock": clock, "check_answers": True, "seed": 7}
    first = RelayWorld(state=state, **options)
    played = play(first, clock)
    task = f"/v2/tasks/{played[3]['task_id']}"
    first.faults.drop("GET", ".")
    before = everything(Api(RelayWorld(**options), clock))
    first.close()
    again = RelayWorld(state=state, **options)
    api = Api(again, clock)
    assert everything(api) == played[-len(before) :]
    assert api.ok("GET", "/v2/instances", key=played[0]["key"])["count"] == 1
    assert api.world.call("GET", task).status == 200
    # A delivery that was out comes again.
    assert again.due_deliveries()
    with pytest.raises(StateError, match="another emulator uses it"):
        RelayWorld(state=state, **options)
    again.close()


def test_what_became_due_while_it_was_closed_happens_at_its_time(
    tmp_path: Path, clock: SimulatedClock
) -> None:
    state = tmp_path / "relay.sqlite"
    first = RelayWorld(clock=clock, state=state)
    instance_id = Api(first, clock).create_instance()
    first.close()
    clock.advance(3600 + 8)
    again = RelayWorld(clock=clock, state=state)
    instance = Api(again, clock).instance(instance_id)
    assert (instance["ready_at"], instance["hours_billed"]) == ("2026-01-01T00:00:08.000Z", 2)
    again.close()


def test_a_state_file_of_the_other_service_is_refused(tmp_path: Path) -> None:
    state = tmp_path / "emulator.sqlite"
    World(state=state).close()
    with pytest.raises(StateError, match="cannot be used"):
        RelayWorld(state=state)


def test_it_fits_under_an_httpx_client_long_polls_included(api: Api, clock: SimulatedClock) -> None:
    headers = {"X-API-Key": api.world.key}
    transport = WorldTransport(api.world, sleep=clock.advance)
    with httpx.Client(base_url="http://world", transport=transport, headers=headers) as client:
        path = client.post(SORA, json={"prompt": "waves"}).json()["poll_url"]
        assert client.get(path, params={"wait": 30}).json()["status"] == "completed"
        api.world.faults.lose_answer("POST", "/instances$")
        with pytest.raises(httpx.RemoteProtocolError):
            client.post(INSTANCES, json=body_of_instance())
    assert len(api.world.live_instances()) == 1


def test_ids_in_paths_may_be_percent_encoded(api: Api) -> None:
    instance_id = api.create_instance()
    assert api.instance(instance_id.replace("_", "%5F"))["id"] == instance_id
