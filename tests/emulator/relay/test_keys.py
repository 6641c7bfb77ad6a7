"""API keys: a secret that is told once, budgets, restrictions, and the way to delete one."""

from __future__ import annotations

from typing import Any

import pytest

from pulumi_openrelay.emulator import RelayWorld, SimulatedClock

from .support import GPT_FULL, KEYS, Api


def names(api: Api, query: str) -> list[str]:
    return [key["name"] for key in api.ok("GET", f"{KEYS}?{query}")["keys"]]


def test_the_secret_is_in_the_creates_answer_alone(api: Api) -> None:
    answer = api.world.call("POST", KEYS, {"name": "app"})
    made = answer.json()
    assert answer.status == 201
    assert made["key"].startswith("relay_sk_")
    assert made["warning"]
    listed = api.ok("GET", KEYS)
    assert made["key"] not in str(listed)
    assert listed["keys"][0]["key_id"] == made["key_id"]
    assert listed["keys"][0]["key"].endswith(made["key"][-4:])
    assert made["key"] not in str(api.control("GET", "log"))


def test_on_a_custom_tier_the_first_key_is_the_superkey(clock: SimulatedClock) -> None:
    for tier, is_superkey in (("custom", True), ("pro", False)):
        api = Api(RelayWorld(clock=clock, check_answers=True, tier=tier), clock)
        token = {"key": api.token}
        first = api.ok("GET", KEYS, **token)["keys"][0]
        assert first["is_superkey"] is is_superkey
        assert api.ok("POST", KEYS, {"name": "app"}, **token)["is_superkey"] is False


@pytest.mark.parametrize("name", ["app", "", "  ", "__internal"])
def test_names_are_unique_and_some_are_reserved(api: Api, name: str) -> None:
    api.create_key("app")
    other = api.create_key("other")["key_id"]
    api.refused(400, "POST", KEYS, {"name": name})
    api.refused(400, "PATCH", f"{KEYS}/{other}", {"name": name})
    assert api.key(other)["name"] == "other"


def test_a_key_may_keep_its_name_and_take_a_new_one(api: Api) -> None:
    key_id = api.create_key("app")["key_id"]
    api.ok("PATCH", f"{KEYS}/{key_id}", {"name": "app"})
    api.ok("PATCH", f"{KEYS}/{key_id}", {"name": "renamed"})
    assert api.create_key("app")


def test_lists_filter_and_page(api: Api) -> None:
    for name in ("app-1", "app-2", "job"):
        api.create_key(name)
    gone = api.create_key("gone")["key_id"]
    api.ok("POST", f"{KEYS}/{gone}/revoke")
    assert names(api, "name=app-1") == ["app-1"]
    assert names(api, "name=app") == []
    assert names(api, "name_prefix=app") == ["app-2", "app-1"]
    assert names(api, "status=revoked") == ["gone"]
    assert names(api, "is_superkey=true") == ["emulator 1"]
    page = api.ok("GET", f"{KEYS}?limit=2&is_superkey=false")
    assert (page["total"], page["has_more"], len(page["keys"])) == (4, True, 2)
    query = f"limit=2&is_superkey=false&starting_after={page['next_cursor']}"
    assert names(api, query) == ["app-2", "app-1"]


def test_a_budget_is_set_lifted_or_left_alone(api: Api) -> None:
    key_id = api.create_key(key_budget=5)["key_id"]
    path = f"{KEYS}/{key_id}"
    for patch, budget in (
        ({"name": "renamed"}, 5),
        ({"key_budget": 7.5}, 7.5),
        ({"key_budget": None}, None),
        ({"restrictions": {}}, None),
    ):
        api.ok("PATCH", path, patch)
        assert api.key(key_id)["key_budget"] == budget
    assert api.ok("POST", f"{path}/topup", {"amount": 2})["key_budget"] == 2
    api.refused(400, "PATCH", path, {"key_budget": -1})
    api.refused(400, "POST", f"{path}/topup", {"amount": 0})


def test_restrictions_are_replaced_whole(api: Api) -> None:
    limits = {"rate_limits": {"direct": 10, "opengpu": None}}
    made = api.create_key(restrictions={"model_restrictions": [GPT_FULL], **limits})
    path = f"{KEYS}/{made['key_id']}"
    kept = {"model_restrictions": [GPT_FULL], "rate_limits": {"direct": 10}}
    assert made["restrictions"] == api.key(made["key_id"])["restrictions"] == kept
    api.ok("PATCH", path, {"restrictions": {"rate_limits": {"global": 5}}})
    assert api.key(made["key_id"])["restrictions"] == {"rate_limits": {"global": 5}}
    api.ok("PATCH", path, {"name": "renamed"})
    assert api.key(made["key_id"])["restrictions"] == {"rate_limits": {"global": 5}}
    api.ok("PATCH", path, {"restrictions": None})
    assert api.key(made["key_id"])["restrictions"] == {}


@pytest.mark.parametrize(
    "restrictions",
    [
        {"model_restrictions": ["openai/gpt-4o-mini"]},
        {"model_restrictions": ["direct.unknown.gpt"]},
        {"model_restrictions": ["auto.openai.gpt"]},
        {"rate_limits": {"global": 0}},
    ],
)
def test_restrictions_that_mean_nothing_are_refused(api: Api, restrictions: dict[str, Any]) -> None:
    api.refused(400, "POST", KEYS, {"name": "app", "restrictions": restrictions})


def test_only_a_revoked_key_can_be_deleted(api: Api) -> None:
    made = api.create_key()
    path = f"{KEYS}/{made['key_id']}"
    api.refused(400, "DELETE", path)
    for verb in ("revoke", "revoke", "unrevoke", "revoke"):
        api.ok("POST", f"{path}/{verb}")
    assert api.key(made["key_id"])["status"] == "revoked"
    api.ok("DELETE", path)
    api.refused(404, "DELETE", path, code="KEY_NOT_FOUND")
    api.refused(401, "GET", "/v2/instances", code="INVALID_API_KEY", key=made["key"])
    assert api.create_key()  # its name is free again


def test_superkeys_and_system_keys_are_left_alone(api: Api) -> None:
    superkey = api.ok("GET", f"{KEYS}?is_superkey=true")["keys"][0]["key_id"]
    system = api.create_key("system")["key_id"]
    api.control("PATCH", f"keys/{system}", {"system": True})
    for key_id, code in ((superkey, None), (system, "SYSTEM_KEY_IMMUTABLE")):
        path = f"{KEYS}/{key_id}"
        api.refused(400, "PATCH", path, {"name": "renamed"}, code=code)
        api.refused(400, "DELETE", path, code=code)
        for verb in ("revoke", "unrevoke"):
            api.refused(400, "POST", f"{path}/{verb}", code=code)
        api.refused(400, "POST", f"{path}/topup", {"amount": 1}, code=code)


def test_a_key_is_addressed_by_its_id_never_by_its_secret(api: Api) -> None:
    secret = api.create_key()["key"]
    error = api.refused(400, "POST", f"{KEYS}/{secret}/revoke")
    assert secret not in str(error)


def test_a_tier_has_only_so_many_keys(clock: SimulatedClock) -> None:
    api = Api(RelayWorld(clock=clock, check_answers=True, tier="free"), clock)
    token = {"key": api.token}
    api.ok("POST", KEYS, {"name": "second"}, **token)
    api.refused(403, "POST", KEYS, {"name": "third"}, code="KEY_LIMIT_REACHED", **token)


def test_its_last_use_is_told(api: Api) -> None:
    made = api.create_key()
    assert api.key(made["key_id"])["last_used_at"] is None
    api.wait(60)
    api.ok("GET", "/v2/instances", key=made["key"])
    assert api.key(made["key_id"])["last_used_at"] == "2026-01-01T00:01:00.000Z"
