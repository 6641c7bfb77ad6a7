"""Who is let in where, and how it is refused."""

from __future__ import annotations

from typing import Any

import pytest

from pulumi_openrelay.emulator import RelayWorld, Request, SimulatedClock

from .support import ALLOWLIST, CHAT, INSTANCES, KEYS, Api, chat_body, instance_body

ACCOUNT = (KEYS, ALLOWLIST, "/v2/customer/profile", "/v2/customer/webhook-secret")
PUBLIC = ("models", "models/gpt-oss:20b", "pricing", "tiers", "workflows", "health")


@pytest.fixture
def pro(clock: SimulatedClock) -> Api:
    """A world whose customer is no partner: its key is an ordinary one."""
    return Api(RelayWorld(clock=clock, check_answers=True, tier="pro"), clock)


@pytest.mark.parametrize("path", PUBLIC)
def test_what_is_public_needs_no_key_and_refuses_a_wrong_one(api: Api, path: str) -> None:
    assert api.ok("GET", f"/v2/{path}", key=None)
    api.refused(401, "GET", f"/v2/{path}", code="INVALID_API_KEY", key="relay_sk_wrong")


def test_tiers_say_which_one_is_the_callers(api: Api, pro: Api) -> None:
    assert api.ok("GET", "/v2/tiers", key=None)["current_tier"] == "guest"
    assert api.ok("GET", "/v2/tiers")["current_tier"] == "custom"
    assert pro.ok("GET", "/v2/tiers")["current_tier"] == "pro"
    assert [tier["tier"] for tier in pro.ok("GET", "/v2/tiers")["tiers"]][-1] == "custom"


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, "MISSING_CREDENTIALS"),
        ({"Authorization": "Basic relay_sk_local"}, "MISSING_CREDENTIALS"),
        ({"Authorization": "Bearer relay_sk_wrong"}, "INVALID_API_KEY"),
        ({"X-API-Key": "relay_sk_wrong"}, "INVALID_API_KEY"),
        ({"Authorization": "Bearer jwt_wrong"}, "INVALID_TOKEN"),
        ({"X-API-Key": "jwt_local"}, "INVALID_API_KEY"),  # only as Bearer
    ],
)
def test_without_valid_credentials_the_rest_is_401(
    api: Api, headers: dict[str, str], code: str
) -> None:
    for path in (INSTANCES, KEYS):
        api.refused(401, "GET", path, code=code, key=None, headers=headers)


def test_a_key_comes_in_either_header_and_x_api_key_wins(api: Api) -> None:
    for headers in (
        {"X-API-Key": api.world.key},
        {"Authorization": f"Bearer {api.world.key}"},
        {"X-API-Key": api.world.key, "Authorization": "Bearer relay_sk_wrong"},
    ):
        assert api.ok("GET", INSTANCES, key=None, headers=headers)["count"] == 0
    both = {"X-API-Key": "relay_sk_wrong", "Authorization": f"Bearer {api.world.key}"}
    api.refused(401, "GET", INSTANCES, code="INVALID_API_KEY", key=None, headers=both)


@pytest.mark.parametrize("path", ACCOUNT)
def test_the_account_takes_the_dashboards_token_or_a_partners_superkey(
    api: Api, pro: Api, path: str
) -> None:
    ordinary = api.create_key()["key"]
    api.ok("GET", path)
    api.ok("GET", path, key=None, headers={"X-API-Key": api.world.key})
    bearer = {"Authorization": f"Bearer {api.world.key}"}
    code = "CREDENTIAL_NOT_PERMITTED"
    api.refused(403, "GET", path, code=code, key=None, headers=bearer)
    for world in (api, pro):
        world.ok("GET", path, key=world.token)
    api.refused(403, "GET", path, code="CREDENTIAL_NOT_PERMITTED", key=ordinary)
    pro.refused(403, "GET", path, code="CREDENTIAL_NOT_PERMITTED")
    api.settings(tier="pro")  # no partner any more
    api.refused(403, "GET", path, code="CREDENTIAL_NOT_PERMITTED")


def test_a_credential_in_a_header_is_the_one_that_counts(api: Api) -> None:
    nonsense = {"Authorization": "Bearer nonsense"}
    assert api.world.call("GET", INSTANCES).status == 200
    assert api.world.call("GET", INSTANCES, headers=nonsense).status == 401


def test_the_dashboards_token_neither_rents_nor_chats(api: Api) -> None:
    api.refused(401, "GET", INSTANCES, code="INVALID_API_KEY", key=api.token)
    api.refused(401, "POST", CHAT, chat_body(), code="INVALID_API_KEY", key=api.token)


def test_a_revoked_key_opens_nothing_until_it_is_taken_back(api: Api) -> None:
    made = api.create_key()
    api.ok("POST", f"{KEYS}/{made['key_id']}/revoke")
    api.refused(401, "GET", INSTANCES, code="KEY_REVOKED", key=made["key"])
    api.ok("POST", f"{KEYS}/{made['key_id']}/unrevoke")
    api.ok("GET", INSTANCES, key=made["key"])


def test_tiers_and_keys_without_instances_may_not_rent(api: Api) -> None:
    made = api.create_key()
    api.ok("PATCH", f"{KEYS}/{made['key_id']}", {"instances_allowed": False})
    for path in (INSTANCES, f"{INSTANCES}/catalog"):
        api.refused(403, "GET", path, code="SCOPE_DENIED", key=made["key"])
    api.settings(tier="free")
    api.refused(403, "GET", INSTANCES, code="TIER_FEATURE_UNAVAILABLE")


def test_what_was_rented_can_be_read_and_ended_without_leave_to_rent(api: Api) -> None:
    instance_id = api.ready_instance()
    made = api.create_key(instances_allowed=False)
    api.settings(tier="free")
    path = f"{INSTANCES}/{instance_id}"
    assert api.ok("GET", path, key=made["key"])["status"] == "ready"
    assert api.ok("POST", f"{path}/terminate")["status"] == "terminating"


def test_budgets_and_the_allowlist_are_the_partners(pro: Api) -> None:
    token = {"key": pro.token}
    code = "TIER_FEATURE_UNAVAILABLE"
    pro.refused(403, "POST", KEYS, {"name": "app", "key_budget": 1}, code=code, **token)
    pro.refused(403, "PATCH", ALLOWLIST, {"model_allowlist": None}, code=code, **token)
    key_id = pro.ok("POST", KEYS, {"name": "app"}, **token)["key_id"]
    pro.refused(403, "POST", f"{KEYS}/{key_id}/topup", {"amount": 1}, code=code, **token)


def test_another_customers_things_are_not_there(api: Api) -> None:
    instance_id, key_id = api.create_instance(), api.create_key()["key_id"]
    other = {"customer": "Other", "token": "jwt_two", "secret": "relay_sk_two"}
    api.control("POST", "keys", other)
    two = {"key": "relay_sk_two"}
    assert api.ok("GET", INSTANCES, **two)["instances"] == []
    assert [key["name"] for key in api.ok("GET", KEYS, **two)["keys"]] == ["y_sk_two"]
    path = f"{INSTANCES}/{instance_id}"
    api.refused(404, "GET", path, code="INSTANCE_NOT_FOUND", **two)
    api.refused(404, "POST", f"{path}/terminate", code="INSTANCE_NOT_FOUND", **two)
    api.refused(404, "DELETE", f"{KEYS}/{key_id}", code="KEY_NOT_FOUND", **two)


def test_an_error_says_what_whose_and_which(api: Api) -> None:
    answer = api.world.call("GET", f"{INSTANCES}/unknown")
    said = answer.json()
    assert said["detail"] == said["error"]["message"] == "There is no instance unknown."
    assert (said["error"]["type"], said["error"]["source"]) == ("validation", "client")
    again = api.refused(404, "GET", f"{INSTANCES}/unknown", code="INSTANCE_NOT_FOUND")
    assert again["request_id"] != said["error"]["request_id"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"image": None}, "image"),
        ({"prescription": 7}, "prescription"),
        ({"max_lifetime_hours": "long"}, "max_lifetime_hours"),
    ],
)
def test_a_body_that_breaks_the_document_is_422_and_names_the_field(
    api: Api, change: dict[str, Any], field: str
) -> None:
    error = api.refused(422, "POST", INSTANCES, instance_body(**change), code="VALIDATION_ERROR")
    assert error["detail"] == {"field": field}
    assert api.world.live_instances() == []


def test_its_detail_is_a_list_then(api: Api) -> None:
    answer = api.world.call("POST", INSTANCES, {})
    (issue,) = answer.json()["detail"]
    assert issue["loc"] == ["body", "prescription"]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"warning_threshold": NaN}'])
def test_a_body_that_is_no_json_object_is_refused(api: Api, body: bytes) -> None:
    headers = {"authorization": f"Bearer {api.token}"}
    answer = api.world.handle(Request("PATCH", "/v2/customer/settings", {}, headers, body))
    assert answer.status == 422


def test_unknown_paths_are_404_and_wrong_methods_405(api: Api) -> None:
    api.refused(404, "GET", "/v2/nothing")
    api.refused(404, "GET", "/v1/vms")
    api.refused(405, "PUT", INSTANCES)
