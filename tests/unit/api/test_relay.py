"""Relay's errors and its two credentials."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pulumi_openrelay.api.relay import Relay
from pulumi_openrelay.api.transport import WireRequest
from pulumi_openrelay.config import RelaySettings
from pulumi_openrelay.errors import (
    ApiError,
    Conflict,
    Forbidden,
    NoCapacity,
    NotFound,
    PaymentRequired,
    RateLimited,
    Rejected,
    ServerError,
    Unauthorized,
)

from ..support import answer

BOTH = RelaySettings("relay_sk_swordfish", "the stack", "jwt.hunter2", "the shell", "", 9)

DOCUMENTED: list[tuple[int, str | None, type[ApiError]]] = [
    (400, None, Rejected),
    (401, "INVALID_API_KEY", Unauthorized),
    (402, "INSUFFICIENT_CREDITS", PaymentRequired),
    (403, "TIER_FEATURE_UNAVAILABLE", Forbidden),
    (404, "INSTANCE_NOT_FOUND", NotFound),
    (409, "INSTANCE_NOT_READY", Conflict),
    (422, "VALIDATION_ERROR", Rejected),
    (429, "INSTANCE_LIMIT", RateLimited),
    (429, "RATE_LIMITED", RateLimited),
    (500, None, ServerError),
    (503, "INSTANCES_UNAVAILABLE", NoCapacity),
    (503, None, ServerError),
    (503, "NEW_IN_2030", ServerError),
]


def error(status: int, code: str | None = None, said: Any = "A sentence.", **more: Any) -> ApiError:
    body = {"detail": said, "error": {"code": code, "message": said, **more}}
    return Relay(BOTH).error(answer(status, body), body)


@pytest.mark.parametrize(("status", "code", "kind"), DOCUMENTED)
def test_every_documented_code_means_what_its_status_says(
    status: int, code: str | None, kind: type[ApiError]
) -> None:
    told = error(status, code)
    assert type(told) is kind
    assert (told.status, told.code, told.message) == (status, code, "A sentence")


def test_a_404_says_where_the_address_came_from() -> None:
    given = replace(BOTH, base_url_source="the environment (RELAY_BASE_URL)")
    told = Relay(given).error(answer(404), None)
    assert told.advice == "check the environment (RELAY_BASE_URL)"


def test_a_limit_that_no_waiting_ends_is_not_waited_for() -> None:
    relay = Relay(BOTH)
    assert relay.asks_for_repeat(error(429, "RATE_LIMITED"))
    assert relay.asks_for_repeat(error(429))
    assert not relay.asks_for_repeat(error(429, "INSTANCE_LIMIT"))
    assert not relay.asks_for_repeat(error(503, "INSTANCES_UNAVAILABLE"))


@pytest.mark.parametrize("money", [{"required_usd": 4.5, "balance_usd": 0}])
def test_missing_credits_are_told_in_dollars(money: dict[str, float]) -> None:
    for told in (
        error(402, "INSUFFICIENT_CREDITS", **money),
        error(402, "INSUFFICIENT_CREDITS", detail=money),
    ):
        assert "it needs $4.5 and has $0" in told.what


def test_the_field_that_is_wrong_is_named() -> None:
    told = error(422, "VALIDATION_ERROR", "Not in the catalog.", detail={"field": "image"})
    assert told.message == "image: Not in the catalog"


@pytest.mark.parametrize(
    ("detail", "told"),
    [
        (
            [{"loc": ["body", "max_lifetime_hours"], "msg": "Input should be less than 100"}],
            "max_lifetime_hours: Input should be less than 100",
        ),
        (
            [{"loc": ["body", "a", 0], "msg": "x"}, {"loc": ["body"], "msg": "y"}, {"msg": "z"}],
            "a.0: x; y; z",
        ),
        (["x", None, 7], "x; None; 7"),
        ([], ""),
        ({"msg": "x"}, ""),
    ],
)
def test_a_list_of_problems_is_told_with_the_field_of_each(detail: Any, told: str) -> None:
    body = {"detail": detail}
    assert Relay(BOTH).error(answer(422, body), body).message == told


def asked(method: str, path: str) -> WireRequest:
    return WireRequest(method, f"https://relaygpu.com{path}", {}, {}, None)


def test_no_capacity_is_only_what_asks_for_some_may_lack() -> None:
    body = {"detail": "x", "error": {"code": "INSTANCES_UNAVAILABLE", "message": "x"}}
    for method, path, kind in (
        ("POST", "/v2/instances", NoCapacity),
        ("POST", "/v2/instances/ins_1/terminate", ServerError),
        ("GET", "/v2/instances", ServerError),
    ):
        told = Relay(BOTH).error(answer(503, body), body, asked(method, path))
        assert type(told) is kind, (method, path)


def test_a_404_of_a_change_is_about_what_it_names_and_not_about_the_address() -> None:
    body = {"detail": "Not Found"}
    for method, advice in (
        ("GET", "check relay:baseUrl"),
        ("POST", "check the ids that the program gives"),
    ):
        told = Relay(BOTH).error(answer(404, body), body, asked(method, "/v2/instances"))
        assert told.advice == advice


@pytest.mark.parametrize("body", [None, [], "x", {}, {"detail": []}, {"error": "x"}, {"error": {}}])
@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 409, 422, 429, 500, 503])
def test_an_envelope_that_is_none_is_an_error_all_the_same(status: int, body: Any) -> None:
    told = Relay(BOTH).error(answer(status, body), body)
    assert told.status == status
    assert f"({status})" in told.what


def test_neither_credential_shows_in_what_the_api_says() -> None:
    told = error(401, None, "relay_sk_swordfish and jwt.hunter2 are wrong.")
    assert told.message == "[key] and [key] are wrong"
    assert "swordfish" not in f"{told.what}{BOTH!r}"
    assert "hunter2" not in f"{told.what}{BOTH!r}"


def test_the_account_takes_the_customers_token_and_instances_take_the_key() -> None:
    relay = Relay(BOTH)
    assert relay.headers("/v2/customer/keys") == {"authorization": "Bearer jwt.hunter2"}
    assert relay.headers("/v2/instances") == {"x-api-key": "relay_sk_swordfish"}


def test_a_superkey_that_is_given_as_the_customers_token_goes_as_the_key_that_it_is() -> None:
    relay = Relay(replace(BOTH, customer_token="relay_sk_super"))  # noqa: S106
    headers = relay.headers("/v2/customer/keys")
    assert headers == {"x-api-key": "relay_sk_super"}
    assert relay.headers("/v2/instances") == {"x-api-key": "relay_sk_swordfish"}
    keys = replace(asked("POST", "/v2/customer/keys"), headers=headers)
    assert "refused the customer token from the shell" in relay.error(answer(401), None, keys).what


@pytest.mark.parametrize(("status", "kind"), [(401, Unauthorized), (403, Forbidden)])
def test_a_customers_token_that_an_instance_does_not_take_asks_for_an_api_key(
    status: int, kind: type[ApiError]
) -> None:
    relay = Relay(replace(BOTH, api_key=None))
    headers = relay.headers("/v2/instances")
    sent = replace(asked("POST", "/v2/instances"), headers=headers)
    told = relay.error(answer(status), None, sent)
    assert type(told) is kind
    assert "customer token from the shell is for keys and account settings" in told.what
    assert told.advice == (
        "set an API key with `pulumi config set --secret relay:apiKey <value>` as well"
    )
    keys = replace(asked("POST", "/v2/customer/keys"), headers=headers)
    assert "relay:customerToken" in str(relay.error(answer(401), None, keys).advice)


def test_what_is_to_be_set_beside_a_credential_of_the_environment_is_a_variable_of_it() -> None:
    there = replace(BOTH, api_key_source="the environment (RELAY_API_KEY)", customer_token=None)
    manages = replace(asked("POST", "/v2/customer/keys"), headers={"x-api-key": "x"})
    assert Relay(there).error(answer(403), None, manages).advice == (
        "keys and account settings need RELAY_CUSTOMER_TOKEN or the account's superkey"
    )
    here = replace(there, api_key_source="the stack's configuration (relay:apiKey)")
    assert "relay:customerToken" in str(Relay(here).error(answer(403), None, manages).advice)
    source = "the environment (RELAY_CUSTOMER_TOKEN)"
    alone = Relay(replace(BOTH, api_key=None, customer_token_source=source))
    works = replace(asked("GET", "/v2/instances"), headers=alone.headers("/v2/instances"))
    assert alone.error(answer(401), None, works).advice == "set RELAY_API_KEY as well"


def test_one_credential_alone_is_used_for_everything() -> None:
    key = Relay(replace(BOTH, customer_token=None))
    token = Relay(replace(BOTH, api_key=None))
    for path in ("/v2/customer/keys", "/v2/instances"):
        assert key.headers(path) == {"x-api-key": "relay_sk_swordfish"}
        assert token.headers(path) == {"authorization": "Bearer jwt.hunter2"}
