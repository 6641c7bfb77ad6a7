"""Rented machines: what can be ordered, what it goes through, and how it ends."""

from __future__ import annotations

from typing import Any

import pytest

from pulumi_openrelay.emulator import RelayWorld, SimulatedClock

from ..support import public_key
from .support import INSTANCES, PROVISION_SECONDS, Api, instance_body

H100 = {"prescription": "gpu.h100.8x", "image": "pytorch-2.6"}
RTX = {"prescription": "gpu.rtx4090.1x", "image": "pytorch-2.6"}


def shown(api: Api, status: str = "") -> list[str]:
    """The ids in the list."""
    query = f"?status={status}" if status else ""
    return [row["id"] for row in api.ok("GET", f"{INSTANCES}{query}")["instances"]]


def test_the_catalog_is_the_whole_choice(api: Api) -> None:
    catalog = api.ok("GET", f"{INSTANCES}/catalog")
    assert catalog["count"] == len(catalog["rows"])
    modes = [(row["prescription"], row["service_mode"]) for row in catalog["rows"]]
    assert len(modes) == len(set(modes))
    assert {row["kind"] for row in catalog["rows"]} == {"gpu", "npu", "cpu"}
    assert any(row["lifetime"] for row in catalog["rows"])
    assert not all(row["lifetime"] for row in catalog["rows"])
    for row in catalog["rows"]:
        body = instance_body(
            prescription=row["prescription"],
            service_mode=row["service_mode"],
            image=row["compatible_images"][-1],
            region=row["regions"][-1],
        )
        assert api.ok("POST", INSTANCES, body)["status"] == "requested"


def test_a_machine_is_requested_then_provisioned_then_ready(api: Api) -> None:
    answer = api.world.call("POST", INSTANCES, instance_body())
    assert answer.status == 202
    instance_id = answer.json()["id"]
    seen = []
    for _ in range(12):
        status = api.instance(instance_id)["status"]
        if status not in seen:
            seen.append(status)
        api.wait(PROVISION_SECONDS / 10)
    assert seen == ["requested", "provisioning", "ready"]
    ready = api.instance(instance_id)
    assert ready["ready_at"] == "2026-01-01T00:00:10.000Z"
    assert set(ready["connection"]) == {"hostname", "port", "user"}
    key = next(iter(api.ok("GET", "/v2/customer/keys")["keys"]))
    assert ready["key_id"] == key["key_id"]


def test_a_dedicated_machine_has_an_address_of_its_own(api: Api) -> None:
    instance_id = api.ready_instance(**H100)
    assert api.instance(instance_id)["connection"]["public_ip"].startswith("198.51.100.")


def test_before_it_is_ready_it_has_no_connection_and_costs_nothing(api: Api) -> None:
    api.wait(1)
    instance = api.instance(api.create_instance())
    assert (instance["connection"], instance["spend_usd"], instance["ready_at"]) == (None, 0, None)
    assert api.balance() == 100


def test_what_was_asked_for_is_told_but_not_the_key(api: Api) -> None:
    url = "http://127.0.0.1:9/hook?mark=1"
    body = instance_body(**RTX, service_mode="managed_container", webhook_url=url)
    instance = api.instance(api.ok("POST", INSTANCES, {**body, "region": "us-east"})["id"])
    assert instance["webhook_url"] == url
    assert (instance["region"], instance["image"]) == ("us-east", "pytorch-2.6")
    assert (instance["service_mode"], instance["billing_mode"]) == ("managed_container", "hourly")
    assert instance["ssh_key_fingerprint"].startswith("SHA256:")
    assert body["ssh_public_key"] not in str(instance)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"prescription": "gpu.unknown"}, "prescription"),
        ({"service_mode": "dedicated_machine"}, "service_mode"),
        (RTX, "service_mode"),  # comes in both modes
        ({"image": "windows"}, "image"),
        ({"region": "mars"}, "region"),
        ({"billing_mode": "monthly"}, "billing_mode"),
        ({"ssh_public_key": "nonsense"}, "ssh_public_key"),
        ({"ssh_public_key": f"{public_key()}\n{public_key(2)}"}, "ssh_public_key"),
        ({"max_lifetime_hours": 0}, "max_lifetime_hours"),
        ({"max_lifetime_hours": 169}, "max_lifetime_hours"),
        ({**H100, "max_lifetime_hours": 5}, "max_lifetime_hours"),
        ({"webhook_url": "ftp://h"}, "webhook_url"),
    ],
)
def test_what_the_catalog_does_not_have_is_422_and_names_the_field(
    api: Api, change: dict[str, Any], field: str
) -> None:
    body = instance_body(**change)
    error = api.refused(422, "POST", INSTANCES, body, code="VALIDATION_ERROR")
    assert error["detail"] == {"field": field}
    assert api.world.live_instances() == []


def test_two_creates_make_two_machines_whatever_key_they_carry(api: Api) -> None:
    headers = {"Idempotency-Key": "k"}
    for _ in range(2):
        api.ok("POST", INSTANCES, instance_body(), headers=headers)
    assert len(api.world.live_instances()) == 2


def test_a_create_whose_answer_is_lost_has_made_a_machine(api: Api) -> None:
    api.world.faults.lose_answer("POST", "/instances$")
    assert api.world.call("POST", INSTANCES, instance_body()).drop
    assert len(shown(api)) == 1


def test_it_cannot_be_terminated_before_it_is_ready(api: Api) -> None:
    instance_id = api.create_instance()
    path = f"{INSTANCES}/{instance_id}/terminate"
    for _ in range(2):
        api.refused(409, "POST", path, code="INSTANCE_NOT_READY")
        api.wait(PROVISION_SECONDS / 2 - 1)
    api.wait(2)
    assert api.world.call("POST", path).status == 202


def test_terminating_takes_a_while_and_may_be_repeated(api: Api) -> None:
    instance_id = api.ready_instance()
    path = f"{INSTANCES}/{instance_id}/terminate"
    answers = [api.world.call("POST", path) for _ in range(2)]
    assert [answer.status for answer in answers] == [202, 202]
    assert answers[0].json() == {"id": instance_id, "status": "terminating"}
    api.wait(PROVISION_SECONDS)
    ended = api.world.call("POST", path)
    assert (ended.status, ended.json()["status"]) == (200, "terminated")
    assert api.instance(instance_id)["connection"] is None


def test_ended_ones_stay_readable_and_are_listed_apart(api: Api) -> None:
    first = api.ready_instance()
    second = api.ready_instance()
    third = api.create_instance()
    api.terminate(first)
    api.wait(PROVISION_SECONDS / 2)
    assert shown(api) == [third, second, first]  # newest first
    assert shown(api, "current") == [third, second]
    assert shown(api, "ended") == [first]
    assert shown(api, "ready,terminated") == [second, first]
    assert shown(api, "provisioning") == [third]
    api.refused(400, "GET", f"{INSTANCES}?status=gone", code="VALIDATION_ERROR")


def test_the_list_comes_in_pages_that_nothing_new_shifts(api: Api) -> None:
    ids = [api.create_instance() for _ in range(5)]
    page = api.ok("GET", f"{INSTANCES}?limit=2")
    assert (page["count"], page["total"], page["has_more"]) == (2, 5, True)
    assert page["next_cursor"] == ids[3]
    api.create_instance()
    page = api.ok("GET", f"{INSTANCES}?limit=2&starting_after={page['next_cursor']}")
    assert [row["id"] for row in page["instances"]] == [ids[2], ids[1]]
    page = api.ok("GET", f"{INSTANCES}?limit=2&starting_after={page['next_cursor']}")
    assert [row["id"] for row in page["instances"]] == [ids[0]]
    assert (page["has_more"], page["next_cursor"]) == (False, None)


@pytest.mark.parametrize("query", ["limit=0", "limit=501", "limit=many", "starting_after=unknown"])
def test_a_wrong_page_is_400(api: Api, query: str) -> None:
    api.refused(400, "GET", f"{INSTANCES}?{query}", code="VALIDATION_ERROR")


def test_a_lagging_list_misses_what_is_new_and_keeps_what_has_ended(api: Api) -> None:
    old = api.ready_instance()
    api.wait(60)
    api.settings(list_lag_seconds=30)
    api.terminate(old)
    api.wait(PROVISION_SECONDS)
    new = api.create_instance()
    assert shown(api) == [old] == shown(api, "current")
    assert api.instance(old)["status"] == "terminated"
    api.wait(40)
    assert shown(api, "current") == [new]


def test_a_limited_lifetime_ends_it(api: Api) -> None:
    instance_id = api.ready_instance(max_lifetime_hours=2)
    assert api.instance(instance_id)["expires_at"] == "2026-01-01T02:00:10.000Z"
    api.wait(2 * 3600)
    assert api.instance(instance_id)["status"] == "terminating"
    api.wait(PROVISION_SECONDS)
    ended = api.instance(instance_id)
    assert (ended["ended_reason"], ended["hours_billed"]) == ("lifetime_reached", 2)


def test_where_none_is_left_it_says_so_and_the_catalog_too(api: Api) -> None:
    api.settings(stock={"gpu.h100.8x": 1})
    first = api.ready_instance(**H100)
    body = instance_body(**H100)
    api.refused(503, "POST", INSTANCES, body, code="INSTANCES_UNAVAILABLE")

    def availability() -> Any:
        rows = api.ok("GET", f"{INSTANCES}/catalog")["rows"]
        return next(r for r in rows if r["prescription"] == "gpu.h100.8x")["availability"]

    assert (availability()["state"], availability()["count"]) == ("sold_out", 0)
    api.terminate(first)
    api.wait(PROVISION_SECONDS)
    assert availability()["state"] == "available"


def test_while_the_service_is_away_neither_the_catalog_nor_a_machine_is_to_be_had(
    api: Api,
) -> None:
    instance_id = api.ready_instance()
    api.settings(instances_available=False)
    api.refused(503, "GET", f"{INSTANCES}/catalog", code="INSTANCES_UNAVAILABLE")
    api.refused(503, "POST", INSTANCES, instance_body(), code="INSTANCES_UNAVAILABLE")
    assert api.instance(instance_id)["status"] == "ready"


def test_a_page_holds_no_more_than_the_emulator_is_told(api: Api) -> None:
    api.settings(page_size=2, page_size_max=2)
    for _ in range(3):
        api.create_instance()
    page = api.ok("GET", f"{INSTANCES}?limit=500")
    assert (page["count"], page["has_more"]) == (2, True)


def test_there_are_only_so_many_at_a_time(api: Api) -> None:
    api.settings(instances_max=1)
    api.create_instance()
    api.refused(429, "POST", INSTANCES, instance_body(), code="INSTANCE_LIMIT")


@pytest.mark.parametrize("outcome", [{"type": "fail", "reason": "no host"}, "stall", "slow"])
def test_a_script_decides_what_becomes_of_it(api: Api, outcome: Any) -> None:
    script = {"kind": "instance", "name_regex": "^cpu", "outcome": outcome}
    api.control("POST", "script", script)
    instance = api.instance(api.ready_instance())
    if outcome == "slow":
        assert instance["status"] == "requested"
        api.wait(4 * PROVISION_SECONDS)
        assert api.instance(instance["id"])["status"] == "ready"
    elif outcome == "stall":
        api.wait(86_400)
        assert api.instance(instance["id"])["status"] == "provisioning"
    else:
        assert (instance["status"], instance["ended_reason"]) == ("failed", "no host")
        rows = api.ok("GET", f"{INSTANCES}/catalog")["rows"]
        spawn = next(r for r in rows if r["prescription"] == "cpu.small")["last_spawn"]
        assert (spawn["outcome"], spawn["reason"]) == ("failed", "no host")
    assert api.instance(api.ready_instance())["status"] == "ready"  # the next one


def test_it_may_end_by_itself(api: Api) -> None:
    outcome = {"type": "end", "reason": "host_lost", "after_seconds": 60}
    api.world.scripts.add({"kind": "instance", "outcome": outcome})
    instance_id = api.ready_instance()
    assert api.instance(instance_id)["status"] == "ready"
    api.wait(60)
    ended = api.instance(instance_id)
    assert (ended["status"], ended["ended_reason"]) == ("terminated", "host_lost")
    assert ended["terminate_requested_at"] is None
    spent = api.balance()
    api.wait(86_400)
    assert api.balance() == spent


def test_it_may_show_a_status_that_nobody_knows(api: Api) -> None:
    api.settings(unknown_status=1, unknown_status_seconds=20)
    instance_id = api.create_instance()
    assert api.instance(instance_id)["status"] == "migrating"
    assert shown(api, "current") == [instance_id]
    api.wait(20)
    assert api.instance(instance_id)["status"] == "ready"


def test_it_may_be_changed_and_removed_behind_the_users_back(api: Api) -> None:
    instance_id = api.ready_instance()
    path = f"instances/{instance_id}"
    api.control("PATCH", path, {"status": "failed", "ended_reason": "host_lost"})
    assert api.instance(instance_id)["ended_reason"] == "host_lost"
    api.control("PATCH", path, {"status": "ready"})
    assert api.instance(instance_id)["ended_reason"] is None
    api.control("PATCH", path, {"status": "failed", "ended_reason": "host_lost"})
    assert api.world.live_instances() == []
    api.control("PATCH", path, {"region": "us-east"})
    assert api.instance(instance_id)["region"] == "us-east"
    api.control("DELETE", path)
    api.refused(404, "GET", f"{INSTANCES}/{instance_id}", code="INSTANCE_NOT_FOUND")


def test_a_provision_time_of_zero_makes_it_ready_by_the_next_request(
    clock: SimulatedClock,
) -> None:
    api = Api(RelayWorld(clock=clock, check_answers=True, provision_seconds=0), clock)
    instance_id = api.create_instance()
    assert api.instance(instance_id)["status"] == "ready"
    api.terminate(instance_id)
    assert api.instance(instance_id)["status"] == "terminated"
