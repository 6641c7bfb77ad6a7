"""Money: what machines and calls take of it, and what happens when it is gone."""

from __future__ import annotations

import pytest

from .support import CHAT, INSTANCES, KEYS, PROVISION_SECONDS, Api, chat_body, instance_body

HOUR = 3600


def wallet(api: Api) -> dict[str, object]:
    shown: dict[str, object] = api.ok("GET", INSTANCES)["wallet"]
    return shown


def test_every_started_hour_is_billed_from_ready_to_the_request_to_end(api: Api) -> None:
    instance_id = api.ready_instance()
    assert api.balance() == pytest.approx(99.95)
    api.wait(HOUR - 1)
    assert api.instance(instance_id)["hours_billed"] == 1
    api.wait(2)
    assert api.instance(instance_id)["hours_billed"] == 2
    api.terminate(instance_id)
    api.wait(10 * HOUR)
    instance = api.instance(instance_id)
    assert (instance["hours_billed"], instance["spend_usd"]) == (2, 0.1)
    assert api.balance() == pytest.approx(99.9)
    consumed = api.ok("GET", "/v2/customer/credits")
    assert consumed["consumed_by_mode"] == {"instances": 0.1}


def test_without_an_hours_price_nothing_is_rented(api: Api) -> None:
    api.settings(balance_usd=0.04)
    error = api.refused(402, "POST", INSTANCES, instance_body(), code="INSUFFICIENT_CREDITS")
    assert error["detail"] == {"required_usd": 0.05, "balance_usd": 0.04}
    assert api.world.live_instances() == []


def test_a_balance_that_is_gone_ends_the_machines_after_the_grace(api: Api) -> None:
    instance_id = api.ready_instance()
    api.settings(balance_usd=0.08)
    assert wallet(api)["hours_left"] == pytest.approx(1.6)
    api.wait(2 * HOUR)
    assert wallet(api)["grace_ends_at"] == "2026-01-01T03:00:10.000Z"
    assert api.instance(instance_id)["status"] == "ready"
    api.wait(HOUR)
    assert api.instance(instance_id)["status"] == "terminating"
    api.wait(PROVISION_SECONDS)
    ended = api.instance(instance_id)
    assert (ended["status"], ended["ended_reason"]) == ("terminated", "balance_exhausted")


def test_a_topup_in_time_saves_them(api: Api) -> None:
    instance_id = api.ready_instance()
    api.settings(balance_usd=0.08)
    api.wait(2 * HOUR)
    api.settings(balance_usd=50)
    assert wallet(api)["grace_ends_at"] is None
    api.wait(5 * HOUR)
    assert api.instance(instance_id)["status"] == "ready"


def test_a_call_is_counted_and_billed_to_its_key_and_the_account(api: Api) -> None:
    made = api.create_key(key_budget=1)
    usage = api.ok("POST", CHAT, chat_body("one two three"), key=made["key"])["usage"]
    assert usage["prompt_tokens"] == 3
    cost = (3 * 0.15 + usage["completion_tokens"] * 0.6) / 1e6
    assert api.balance() == pytest.approx(100 - cost)
    (counted,) = api.control("GET", "world")["usage"]
    assert counted["model"] == "direct.openai.openai/gpt-4o-mini"
    assert (counted["key_id"], counted["calls"]) == (made["key_id"], 1)
    assert counted["cost_usd"] == pytest.approx(cost)


def test_a_budget_that_is_spent_refuses_until_it_is_topped_up(api: Api) -> None:
    made = api.create_key(key_budget=0.05)
    path, body = "/v2/image/qwen/generate", {"prompt": "a lighthouse"}
    api.ok("POST", path, body, key=made["key"])
    error = api.refused(402, "POST", path, body, code="KEY_BUDGET_EXHAUSTED", key=made["key"])
    assert error["detail"] == {"required_usd": 0.03, "balance_usd": 0.02}
    topup = api.ok("POST", f"{KEYS}/{made['key_id']}/topup", {"amount": 0.05})
    assert topup == {"key_id": made["key_id"], "key_budget": 0.1}
    api.ok("POST", path, body, key=made["key"])
    api.ok("POST", path, body)  # another key was never concerned


def test_an_empty_account_refuses_every_call_and_bills_none(api: Api) -> None:
    api.settings(balance_usd=0)
    api.refused(402, "POST", CHAT, chat_body(), code="INSUFFICIENT_CREDITS")
    body = {"prompt": "waves"}
    api.refused(402, "POST", "/v2/video/sora-2/t2v", body, code="INSUFFICIENT_CREDITS")
    assert api.balance() == 0


def test_a_machine_counts_against_the_budget_of_its_key(api: Api) -> None:
    made = api.create_key(key_budget=0.06)
    body = instance_body()
    api.ok("POST", INSTANCES, body, key=made["key"])
    api.wait(PROVISION_SECONDS)
    code = "KEY_BUDGET_EXHAUSTED"
    api.refused(402, "POST", INSTANCES, body, code=code, key=made["key"])
