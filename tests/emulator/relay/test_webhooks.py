"""Webhooks: who hears of what, and signatures that a library of others accepts."""

from __future__ import annotations

import json
from typing import Any

import pytest
import relaygpu.webhooks
from relaygpu import verify_webhook
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from pulumi_openrelay.emulator import RelayWorld
from pulumi_openrelay.emulator.deliveries import Delivery

from .support import PROVISION_SECONDS, Api, instance_body

SIGNING = "/v2/customer/webhook-secret"
URL = "http://127.0.0.1:9/hook?mark=1"
HOUR = 3600


def secret(api: Api) -> str:
    return str(api.ok("GET", SIGNING)["secret"])


def events(api: Api) -> list[Any]:
    """What is due now, delivered."""
    due = api.world.due_deliveries()
    for delivery in due:
        assert delivery.url == URL
        api.world.delivery_result(delivery.attempt_id, 204)
    return [json.loads(delivery.body) for delivery in due]


def accepts(api: Api, delivery: Delivery, key: str) -> bool:
    """Whether the vendor's client accepts it now, with this secret."""
    try:
        verify_webhook(delivery.body, delivery.headers, key, now=api.clock())
    except relaygpu.webhooks.WebhookVerificationError as error:
        if error.code != "WEBHOOK_SIGNATURE_MISMATCH":
            raise
        return False
    return True


def test_a_standard_webhooks_library_accepts_the_signature() -> None:
    world = RelayWorld(provision_seconds=0)  # in real time: the library looks at the clock
    body = instance_body(webhook_url=URL)
    world.call("POST", "/v2/instances", body)
    (delivery,) = world.due_deliveries()
    key = world.call("GET", SIGNING).json()["secret"]
    event = Webhook(key).verify(delivery.body, delivery.headers)
    assert event["event"] == "instance.ready"
    with pytest.raises(WebhookVerificationError):
        Webhook(key).verify(delivery.body + b" ", delivery.headers)


def test_whoever_gave_a_url_hears_of_its_machine(api: Api) -> None:
    instance_id = api.ready_instance(webhook_url=URL)
    api.ready_instance()  # nobody hears of this one
    (ready,) = events(api)
    assert (ready["event"], ready["status"]) == ("instance.ready", "completed")
    assert ready["task_id"] == f"{instance_id}:instance.ready"
    assert ready["result"]["status"] == "ready"
    assert ready["result"]["connection"]
    api.terminate(instance_id)
    api.wait(PROVISION_SECONDS)
    (ended,) = events(api)
    assert (ended["event"], ended["result"]["status"]) == ("instance.terminated", "terminated")


def test_a_failure_is_heard_of_too(api: Api) -> None:
    api.world.scripts.add({"kind": "instance", "outcome": "fail"})
    api.ready_instance(webhook_url=URL)
    assert [event["event"] for event in events(api)] == ["instance.failed"]


def test_a_balance_that_runs_low_is_announced_and_then_the_grace(api: Api) -> None:
    api.ready_instance(webhook_url=URL)
    events(api)
    api.settings(balance_usd=0.08)
    api.wait(2 * HOUR)
    warning, grace = events(api)
    assert (warning["event"], grace["event"]) == ("instance.warning", "instance.grace")
    assert grace["result"]["wallet"]["grace_ends_at"]


def test_a_task_tells_its_end(api: Api) -> None:
    body = {"prompt": "waves", "webhook_url": URL}
    made = api.ok("POST", "/v2/video/sora-2/t2v", body)
    api.wait(1)
    (event,) = events(api)
    assert (event["event"], event["task_id"]) == ("task.completed", made["task_id"])
    assert event["result"]["urls"]
    run = {"inputs": {"prompt": "a"}, "webhook_url": URL}
    api.ok("POST", "/v2/workflows/poster/run", run)
    api.wait(1)
    assert [event["event"] for event in events(api)] == ["workflow.completed"]


def test_for_a_day_after_a_rotation_both_secrets_sign(api: Api) -> None:
    first = secret(api)
    second = api.ok("POST", f"{SIGNING}/rotate")["secret"]
    for wait, good, bad in (
        (0.0, [first, second], []),
        (25.0, [second], [first]),
    ):
        api.wait(wait * HOUR)
        api.ready_instance(webhook_url=URL)
        *_, delivery = api.world.due_deliveries()
        assert all(accepts(api, delivery, key) for key in good)
        assert not any(accepts(api, delivery, key) for key in bad)
    third = api.ok("POST", f"{SIGNING}/rotate")["secret"]
    fourth = api.ok("POST", f"{SIGNING}/rotate")["secret"]
    api.ready_instance(webhook_url=URL)
    *_, delivery = api.world.due_deliveries()
    assert accepts(api, delivery, third)
    assert accepts(api, delivery, fourth)
    assert not accepts(api, delivery, second)  # only two are ever valid


def test_an_attempt_that_fails_is_repeated_under_the_same_id(api: Api) -> None:
    api.ready_instance(webhook_url=URL)
    seen = []
    for _ in range(3):
        (delivery,) = api.world.due_deliveries()
        assert accepts(api, delivery, secret(api))
        seen.append(delivery)
        api.world.delivery_result(delivery.attempt_id, 500)
        api.wait(60)
    assert api.world.due_deliveries() == []
    assert len({delivery.headers["webhook-id"] for delivery in seen}) == 1
    assert len({delivery.headers["webhook-timestamp"] for delivery in seen}) == 3
