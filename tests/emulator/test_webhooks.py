"""Webhooks: secrets shown once, events, signatures, attempts."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

import pytest

from pulumi_openrelay.emulator.deliveries import Delivery

from .support import PROVISION_SECONDS, Api

URL = "https://example.com/hook"


def create(api: Api, **fields: Any) -> Any:
    return api.ok("POST", f"{api.org}/webhooks/create", {"name": "hook", "url": URL, **fields})


def deliveries(api: Api, webhook_id: str) -> Any:
    return api.ok("GET", f"{api.org}/webhooks/{webhook_id}/deliveries")


def fail(api: Api) -> list[Delivery]:
    """Take what is due and let the receiver answer 500."""
    due = api.world.due_deliveries()
    for delivery in due:
        api.world.delivery_result(delivery.attempt_id, 500)
    return due


def signed_with(delivery: Delivery, secret: str) -> bool:
    key = hashlib.sha256(secret.encode()).digest()
    wanted = "sha256=" + hmac.new(key, delivery.body, hashlib.sha256).hexdigest()
    return delivery.headers["X-VectorLay-Signature"] == wanted


def test_the_secret_is_shown_at_creation_only(api: Api) -> None:
    made = create(api, events=["vm.running"])
    assert made["secret"].startswith(f"{made['secretPrefix']}")
    assert made["secret"].startswith("whsec_")
    (row,) = api.ok("GET", f"{api.org}/webhooks")
    assert "secret" not in row
    assert (row["id"], row["events"], row["enabled"]) == (made["id"], ["vm.running"], True)


@pytest.mark.parametrize("url", ["", "example.com", "ftp://example.com", "https://", "http://[", 3])
def test_only_http_urls_are_taken(api: Api, url: object) -> None:
    api.refused(400, "POST", f"{api.org}/webhooks/create", {"name": "hook", "url": url})
    webhook_id = create(api)["id"]
    api.refused(400, "PATCH", f"{api.org}/webhooks/{webhook_id}", {"url": url})
    assert api.ok("GET", f"{api.org}/webhooks")[0]["url"] == URL


def test_names_may_be_shared_but_not_empty(api: Api) -> None:
    assert create(api)["id"] != create(api)["id"]
    api.refused(400, "POST", f"{api.org}/webhooks/create", {"name": " ", "url": URL})


def test_a_patch_changes_what_it_names_and_nothing_else(api: Api) -> None:
    webhook_id = create(api, events=["vm.running"])["id"]
    path = f"{api.org}/webhooks/{webhook_id}"
    assert api.ok("PATCH", path, {"name": "new"}) == {
        "id": webhook_id,
        "name": "new",
        "url": URL,
        "events": ["vm.running"],
    }
    assert api.ok("PATCH", path, {"events": []})["events"] == []
    assert api.ok("PATCH", path, {})["name"] == "new"
    api.refused(404, "PATCH", f"{api.org}/webhooks/wh_unknown", {})


def test_no_events_means_the_four_vm_events(api: Api) -> None:
    create(api)
    vm_id, _ = api.running_vm(), api.running_cluster()
    for status in ("interrupted", "running", "stopped", "failed", "terminated"):
        api.control("PATCH", f"vms/{vm_id}", {"status": status})
    events = [delivery.headers["X-VectorLay-Event"] for delivery in api.world.due_deliveries()]
    assert events == [
        "vm.running",
        "vm.interrupted",
        "vm.running",
        "vm.stopped",
        "vm.terminated",
    ]


def test_listed_events_alone_are_delivered_and_unknown_names_never(api: Api) -> None:
    webhook = create(api, events=["cluster.running", "*", "made.up"])
    api.running_vm()
    cluster_id = api.running_cluster()
    (delivery,) = api.world.due_deliveries()
    assert json.loads(delivery.body)["data"]["cluster_id"] == cluster_id
    assert api.ok("GET", f"{api.org}/webhooks")[0]["events"] == webhook["events"]


def test_a_delivery_is_a_signed_event_about_the_vm(api: Api) -> None:
    secret = create(api)["secret"]
    vm_id = api.create_vm()["id"]
    api.wait(PROVISION_SECONDS)
    (delivery,) = api.world.due_deliveries()
    event = json.loads(delivery.body)
    assert event["id"].startswith("evt_")
    assert (event["type"], event["created_at"]) == ("vm.running", "2026-01-01T00:00:10Z")
    endpoint = api.vm(vm_id)["endpointUrl"]
    assert event["data"] == {"vm_id": vm_id, "status": "running", "endpoint": endpoint}
    assert delivery.headers["X-VectorLay-Event"] == "vm.running"
    assert signed_with(delivery, secret)
    assert delivery.url == URL


def test_the_key_of_the_signature_can_be_hex_text(api: Api) -> None:
    secret = create(api)["secret"]
    api.control("PATCH", "settings", {"webhook_key_as_hex": True})
    api.running_vm()
    (delivery,) = api.world.due_deliveries()
    key = hashlib.sha256(secret.encode()).hexdigest().encode()
    wanted = hmac.new(key, delivery.body, hashlib.sha256).hexdigest()
    assert delivery.headers["X-VectorLay-Signature"] == f"sha256={wanted}"


def test_three_attempts_are_made_with_growing_gaps_and_ids_of_their_own(api: Api) -> None:
    webhook_id = create(api)["id"]
    api.running_vm()
    scale = PROVISION_SECONDS / 120
    attempts = fail(api)
    for gap in (10, 60):
        api.wait(gap * scale - 0.01)
        assert api.world.due_deliveries() == []
        api.wait(0.01)
        attempts += fail(api)
    api.wait(86_400)
    assert fail(api) == []
    assert len({delivery.headers["X-VectorLay-Delivery"] for delivery in attempts}) == 3
    assert len({delivery.body for delivery in attempts}) == 1
    rows = deliveries(api, webhook_id)
    assert [row["attemptNumber"] for row in rows] == [3, 2, 1]
    assert {(row["status"], row["statusCode"]) for row in rows} == {("failed", 500)}
    assert all(row["errorMessage"] and "deliveredAt" not in row for row in rows)


def test_an_attempt_that_arrives_is_the_last(api: Api) -> None:
    webhook_id = create(api)["id"]
    vm_id = api.running_vm()
    fail(api)
    api.wait(60)
    (second,) = api.world.due_deliveries()
    api.world.delivery_result(second.attempt_id, 204)
    api.wait(86_400)
    assert api.world.due_deliveries() == []
    rows = deliveries(api, webhook_id)
    assert [(row["status"], row["eventId"]) for row in rows] == [
        ("delivered", vm_id),
        ("failed", vm_id),
    ]
    assert rows[0]["deliveredAt"]


def test_an_unreachable_receiver_is_told_apart_by_its_error(api: Api) -> None:
    webhook_id = create(api)["id"]
    api.running_vm()
    (delivery,) = api.world.due_deliveries()
    assert deliveries(api, webhook_id)[0]["status"] == "pending"
    api.world.delivery_result(delivery.attempt_id, error="connection refused")
    failed = deliveries(api, webhook_id)[1]
    assert failed["errorMessage"] == "connection refused"
    assert "statusCode" not in failed


def test_a_redirect_has_not_delivered_anything(api: Api) -> None:
    webhook_id = create(api)["id"]
    api.running_vm()
    (delivery,) = api.world.due_deliveries()
    api.world.delivery_result(delivery.attempt_id, 302)
    assert deliveries(api, webhook_id)[1]["status"] == "failed"


def test_a_retry_is_signed_with_the_regenerated_secret(api: Api) -> None:
    made = create(api)
    api.running_vm()
    (first,) = fail(api)
    renewed = api.ok("POST", f"{api.org}/webhooks/{made['id']}/regenerate-secret")
    assert renewed["secret"] != made["secret"]
    api.wait(60)
    (second,) = api.world.due_deliveries()
    assert signed_with(first, made["secret"])
    assert signed_with(second, renewed["secret"])
    assert second.body == first.body


def test_a_disabled_webhook_gets_nothing_and_drops_its_retries(api: Api) -> None:
    webhook_id = create(api)["id"]
    api.running_vm()
    fail(api)
    toggle = f"{api.org}/webhooks/{webhook_id}/toggle"
    assert api.ok("POST", toggle, {"enabled": False}) == {"id": webhook_id, "enabled": False}
    api.running_vm()
    api.wait(86_400)
    assert api.world.due_deliveries() == []
    api.ok("POST", toggle, {"enabled": True})
    assert api.world.due_deliveries() == []
    api.running_vm()
    assert len(api.world.due_deliveries()) == 1


def test_a_deleted_webhook_gets_nothing_more(api: Api) -> None:
    webhook_id = create(api)["id"]
    api.running_vm()
    (delivery,) = api.world.due_deliveries()
    api.ok("DELETE", f"{api.org}/webhooks/{webhook_id}")
    api.world.delivery_result(delivery.attempt_id, 500)
    api.wait(86_400)
    assert api.world.due_deliveries() == []
    api.refused(404, "GET", f"{api.org}/webhooks/{webhook_id}/deliveries")
    api.ok("DELETE", f"{api.org}/webhooks/{webhook_id}")  # again: nothing to delete, 204


def test_deliveries_are_limited_and_newest_first(api: Api) -> None:
    webhook_id = create(api)["id"]
    vms = [api.running_vm() for _ in range(3)]
    path = f"{api.org}/webhooks/{webhook_id}/deliveries"
    rows = api.ok("GET", f"{path}?limit=2")
    assert [row["eventId"] for row in rows] == vms[:0:-1]
    api.refused(400, "GET", f"{path}?limit=0")


def test_a_webhook_can_drift_and_vanish_behind_the_back(api: Api) -> None:
    webhook_id = create(api)["id"]
    api.control("PATCH", f"webhooks/{webhook_id}", {"url": "http://elsewhere", "enabled": False})
    (row,) = api.ok("GET", f"{api.org}/webhooks")
    assert (row["url"], row["enabled"]) == ("http://elsewhere", False)
    api.control("DELETE", f"webhooks/{webhook_id}")
    assert api.ok("GET", f"{api.org}/webhooks") == []
