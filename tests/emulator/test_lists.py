"""Lists: pages, cursors, lag and order."""

from __future__ import annotations

from typing import Any

import pytest

from .support import Api


def pages(api: Api, path: str) -> list[list[dict[str, Any]]]:
    """Every page of a list, followed by its cursors."""
    found = []
    cursor: str | None = ""
    while cursor is not None:
        separator = "&" if "?" in path else "?"
        page = api.ok("GET", f"{path}{separator}cursor={cursor}")
        found.append(page["items"])
        cursor = page.get("nextCursor") or None
    return found


def make_vms(api: Api, count: int) -> list[str]:
    """The ids of so many VMs, newest first."""
    return [str(api.create_vm(f"vm-{n}")["id"]) for n in range(count)][::-1]


def test_pages_hold_everything_once_newest_first(api: Api) -> None:
    ids = make_vms(api, 5)
    found = pages(api, f"{api.org}/vms?limit=2")
    assert [len(page) for page in found] == [2, 2, 1]
    assert [vm["id"] for page in found for vm in page] == ids


def test_a_single_page_has_no_cursor_and_the_last_of_several_an_empty_one(api: Api) -> None:
    """The document allows both."""
    make_vms(api, 3)
    assert "nextCursor" not in api.ok("GET", f"{api.org}/vms?limit=3")
    first = api.ok("GET", f"{api.org}/vms?limit=2")
    last = api.ok("GET", f"{api.org}/vms?limit=2&cursor={first['nextCursor']}")
    assert last["nextCursor"] == ""


def test_a_full_last_page_leads_to_no_other(api: Api) -> None:
    make_vms(api, 4)
    assert [len(page) for page in pages(api, f"{api.org}/vms?limit=2")] == [2, 2]


def test_what_is_created_meanwhile_shifts_no_page(api: Api) -> None:
    ids = make_vms(api, 4)
    first = api.ok("GET", f"{api.org}/vms?limit=2")
    api.create_vm("late")
    rest = api.ok("GET", f"{api.org}/vms?limit=2&cursor={first['nextCursor']}")
    assert [vm["id"] for vm in first["items"] + rest["items"]] == ids


def test_a_page_has_twenty_items_and_a_hundred_at_most(api: Api) -> None:
    for number in range(105):
        api.ok("POST", api.vms_create, api.cpu_body(f"vm-{number}"))
    assert len(api.ok("GET", f"{api.org}/vms")["items"]) == 20
    assert len(api.ok("GET", f"{api.org}/vms?limit=1000")["items"]) == 100


def test_pages_can_be_made_tiny_whatever_is_asked_for(api: Api) -> None:
    api.control("PATCH", "settings", {"page_size": 2, "page_size_max": 2})
    ids = make_vms(api, 3)
    assert [[vm["id"] for vm in page] for page in pages(api, f"{api.org}/vms?limit=100")] == [
        ids[:2],
        ids[2:],
    ]


@pytest.mark.parametrize("cursor", ["nonsense", "YWZ0ZXI6eA==", "%F0%9F%92%A9"])
def test_a_cursor_that_nobody_gave_out_is_400(api: Api, cursor: str) -> None:
    api.refused(400, "GET", f"{api.org}/vms?cursor={cursor}")


def test_a_lagging_list_shows_what_is_new_or_ended_only_later(api: Api) -> None:
    old = api.running_vm("old")
    api.control("PATCH", "settings", {"list_lag_seconds": 30})
    api.wait(30)
    new = api.create_vm("new")["id"]
    api.ok("POST", f"/v1/vms/{old}/terminate")
    api.wait(5)
    assert api.vm(old)["status"] == "terminated"
    assert api.vm(new)["status"] == "deploying"
    for path in (f"{api.org}/vms", f"{api.org}/vms?activeOnly=true"):
        (row,) = api.ok("GET", path)["items"]
        assert (row["id"], row["status"]) == (old, "running")
    api.wait(30)
    (row,) = api.ok("GET", f"{api.org}/vms?activeOnly=true")["items"]
    assert row["id"] == new


def test_a_lagging_list_still_shows_deleted_keys_and_webhooks(api: Api) -> None:
    key_id = api.ssh_key()
    webhook = api.ok("POST", f"{api.org}/webhooks/create", {"name": "w", "url": "http://h"})
    api.wait(60)
    api.control("PATCH", "settings", {"list_lag_seconds": 30})
    api.ok("DELETE", f"{api.org}/ssh-keys/{key_id}")
    api.ok("DELETE", f"{api.org}/webhooks/{webhook['id']}")
    for name in ("ssh-keys", "webhooks"):
        assert len(api.ok("GET", f"{api.org}/{name}")) == 1
    api.wait(30)
    for name in ("ssh-keys", "webhooks"):
        assert api.ok("GET", f"{api.org}/{name}") == []


def test_shuffled_lists_lose_and_repeat_nothing(api: Api) -> None:
    api.control("PATCH", "settings", {"shuffle_lists": True})
    ids = make_vms(api, 12)
    found = [vm["id"] for page in pages(api, f"{api.org}/vms?limit=5") for vm in page]
    assert found != ids
    assert sorted(found) == sorted(ids)


def test_unknown_fields_appear_in_every_answer_and_leave_maps_alone(api: Api) -> None:
    cluster_id = api.running_cluster(envVars={"A": "1"})
    api.control("PATCH", "settings", {"unknown_fields": True})
    vm = api.create_vm()
    assert "unannouncedField" in vm
    (row,) = api.ok("GET", f"{api.org}/vms")["items"]
    assert "unannouncedField" in row
    assert "unannouncedField" in api.detail(vm["id"])["gpuInfo"]
    assert "unannouncedField" in api.refused(404, "GET", "/v1/vms/unknown")
    assert api.cluster(cluster_id)["envVars"] == {"A": "1"}
