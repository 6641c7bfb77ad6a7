"""The control path, the log, and what they do not touch."""

from __future__ import annotations

from typing import Any

import pytest

from pulumi_openrelay.emulator import Request
from pulumi_openrelay.emulator.access import Organization

from .support import Api


def test_it_documents_itself(api: Api) -> None:
    text = "\n".join(api.control("GET", "")["help"])
    assert "/_emulator/faults" in text


def test_the_world_lists_what_lives_and_what_it_costs(api: Api) -> None:
    vm_id, cluster_id = api.running_vm(), api.running_cluster(replicas=2)
    ended = api.running_vm()
    webhook = api.ok("POST", f"{api.org}/webhooks/create", {"name": "w", "url": "http://h"})
    api.ok("POST", f"/v1/vms/{ended}/terminate")
    api.wait_until_up()
    world = api.control("GET", "world")
    assert [(vm["id"], vm["rate_cents_per_hour"]) for vm in world["vms"]] == [(vm_id, 29)]
    assert [(c["id"], c["rate_cents_per_hour"]) for c in world["clusters"]] == [(cluster_id, 58)]
    assert (world["machines"], world["rate_cents_per_hour"]) == (2, 87)
    assert [key["id"] for key in world["ssh_keys"]] == [api.ssh_key()]
    assert [hook["id"] for hook in world["webhooks"]] == [webhook["id"]]


def test_the_log_tells_what_came_and_what_became_of_it(api: Api) -> None:
    body = api.vm_body()
    api.control("DELETE", "log")
    rule = {"match": {"method": "POST"}, "action": "lose_answer"}
    api.control("POST", "faults", rule)
    api.control("POST", "faults", {"match": {"method": "POST"}, "action": "drop", "skip": 1})
    headers = {"Idempotency-Key": "k"}
    for _ in range(3):
        api.world.call("POST", api.vms_create, body, headers=headers)
    api.world.call("GET", f"{api.org}/vms?limit=2")
    api.world.call("GET", "/v1/vms/unknown", key=None)
    entries = api.control("GET", "log")
    assert [
        (e["method"], e["operation"], e["status"], e["fault"], e["worked"]) for e in entries
    ] == [
        ("POST", "createVm", 200, "lose_answer", True),
        ("POST", None, None, "drop", False),
        ("POST", "createVm", 200, None, True),
        ("GET", "listOrgVms", 200, None, True),
        ("GET", "getVm", 401, None, False),
    ]
    assert entries[0]["idempotency_key"] == "k"
    assert entries[3]["query"] == {"limit": "2"}
    assert [e["sequence"] for e in entries] == sorted(e["sequence"] for e in entries)
    assert "or_local" not in str(entries)


def test_time_can_be_let_pass(api: Api) -> None:
    vm_id = api.create_vm()["id"]
    api.control("POST", "clock", {"advance": 3600})
    assert api.vm(vm_id)["status"] == "running"
    assert api.control("GET", "world")["time"].startswith("2026-01-01T01:00:00")


@pytest.mark.parametrize("seconds", [-1, 1e15, "5", "nan", True, None, 10**400])
def test_a_time_that_cannot_pass_does_not(api: Api, seconds: object) -> None:
    before = api.control("GET", "world")["time"]
    assert api.world.call("POST", "/_emulator/clock", {"advance": seconds}).status == 400
    assert api.control("GET", "world")["time"] == before


def test_a_time_beyond_the_last_year_still_shows(api: Api) -> None:
    key = {"secret": "or_old", "expires_in_seconds": 10**300}
    api.control("POST", "keys", key)
    expires = api.ok("GET", "/v1/whoami", key="or_old")["key"]["expiresAt"]
    assert expires == "9999-12-31T23:59:59.000Z"


@pytest.mark.parametrize("body", [b"[]", b"5", b"[" * 100_000, b'{"page_size": 1e999}', b"{"])
def test_what_is_no_object_is_refused(api: Api, body: bytes) -> None:
    for method, path in (("PATCH", "settings"), ("POST", "faults"), ("POST", "clock")):
        answer = api.world.handle(Request(method, f"/_emulator/{path}", body=body))
        assert answer.status == 400
        assert answer.json()["error"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"organization": "Other"},
        {"secret": "or_two", "organization": "Other", "expires_in_seconds": "x"},
        {"secret": "or_two", "organization": "Other", "balance_cents": "x"},
        {"secret": "or_two", "permissions": "compute.read"},
        {"secret": 5},
        {"secret": "or_two", "expires": 60},
    ],
)
def test_a_wrong_key_is_not_made(api: Api, wrong: dict[str, Any]) -> None:
    assert api.world.call("POST", "/_emulator/keys", wrong).status == 400
    assert len(api.control("GET", "keys")) == 1
    assert len(api.world.store.table(Organization)) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"ssh_key_ids": None},
        {"name": "renamed", "created_time": "x"},
        {"name": "renamed", "status": ["running"]},
        {"public": 1},
    ],
)
def test_a_change_behind_the_back_of_another_type_is_refused(
    api: Api, wrong: dict[str, Any]
) -> None:
    vm_id = api.running_vm()
    before = api.control("GET", f"vms/{vm_id}")
    assert api.world.call("PATCH", f"/_emulator/vms/{vm_id}", wrong).status == 400
    assert api.control("GET", f"vms/{vm_id}") == before
    api.ok("GET", f"{api.org}/vms")


@pytest.mark.parametrize(
    "wrong",
    [
        {"provision_second": 1},
        {"provision_seconds": "1"},
        {"provision_seconds": -1},
        {"page_size": 1.5},
        {"stop_disabled": 1},
        {"unknown_status": True},
        {"rates": []},
        {"rates": {"RTX 4090": "x"}},
        {"rates": {"RTX 4090": -1}},
        {"hidden_detail_fields": [1]},
        {"capacity": {"RTX 4090": -1}},
        {"capacity": {"RTX 4090": 10**17}},
        {"balance_cents": "12"},
        {"page_size": 10**17},
        {"hidden_detail_fields": "sshState"},
        {"capacity": {"no such model": 1}},
        {"page_size": 3, "list_lag_seconds": None},
    ],
)
def test_a_wrong_setting_is_refused_and_changes_nothing(api: Api, wrong: dict[str, Any]) -> None:
    before = api.control("GET", "settings")
    answer = api.world.call("PATCH", "/_emulator/settings", wrong)
    assert answer.status == 400
    assert answer.json()["error"]
    assert api.control("GET", "settings") == before


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"outcome": "explode"},
        {"kind": "pod", "outcome": "fail"},
        {"outcome": {"type": "fail", "colour": "red"}},
        {"outcome": "fail", "name_regex": "("},
        {"outcome": "fail", "times": "often"},
        {"outcome": {"type": "slow", "factor": "much"}},
        {"outcome": {"type": "flicker", "times": 2.5}},
        {"outcome": {"type": "fail", "reason": 5}},
    ],
)
def test_a_wrong_script_is_refused(api: Api, wrong: dict[str, Any]) -> None:
    assert api.world.call("POST", "/_emulator/script", wrong).status == 400
    assert api.control("GET", "script") == []


def test_scripts_are_listed_and_cleared(api: Api) -> None:
    api.control("POST", "script", {"outcome": "stall"})
    assert api.control("GET", "script")[0]["outcome"]["type"] == "stall"
    api.control("DELETE", "script")
    assert api.control("GET", "script") == []


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "nothing", 404),
        ("DELETE", "world", 404),
        ("GET", "vms/unknown", 404),
        ("PATCH", "unicorns/1", 404),
        ("POST", "clock", 400),
    ],
)
def test_what_it_does_not_know_is_an_error(api: Api, method: str, path: str, status: int) -> None:
    answer = api.world.call(method, f"/_emulator/{path}", {"a": 1})
    assert answer.status == status
    assert answer.json()["error"]


def test_a_change_behind_the_back_of_an_unknown_field_is_refused(api: Api) -> None:
    key_id = api.ssh_key()
    path = f"/_emulator/ssh-keys/{key_id}"
    assert api.world.call("PATCH", path, {"colour": "red"}).status == 400
    assert api.world.call("PATCH", path, {"name": "renamed"}).status == 200
    assert api.ok("GET", f"{api.org}/ssh-keys")[0]["name"] == "renamed"
    api.control("DELETE", f"ssh-keys/{key_id}")
    assert api.ok("GET", f"{api.org}/ssh-keys") == []


def test_keys_are_listed_with_their_state(api: Api) -> None:
    api.control("POST", "keys", {"secret": "or_two", "revoked": True})
    assert [key["revoked_time"] is None for key in api.control("GET", "keys")] == [True, False]
