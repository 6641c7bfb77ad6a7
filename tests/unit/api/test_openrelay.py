"""OpenRelay's errors: each status, each documented code, and whatever else may come."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pulumi_openrelay.api.openrelay import OpenRelay
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

from ..support import KEY, OPENRELAY, answer

# As api/openrelay.md lists them.
CODES: dict[tuple[int, type[ApiError]], str] = {
    (400, Rejected): "GPU_COUNT_NOT_ALLOCATABLE RESOURCE_SIZE_NOT_APPLICABLE INVALID_KEY "
    "POD_ADMISSION_FAILED VM_SHAPE_NOT_PLACEABLE COMPUTE_CLASS_RETIRED",
    (401, Unauthorized): "REVOKED_API_KEY EXPIRED_API_KEY",
    (402, PaymentRequired): "INSUFFICIENT_BALANCE",
    (403, Forbidden): "ACCOUNT_RESTRICTED ACCOUNT_PENDING_VERIFICATION CARD_REQUIRED "
    "GRANT_REQUIRED ESCALATION_REFUSED",
    (409, Conflict): "NAME_TAKEN KEY_EXISTS KEY_IN_USE INVALID_CLUSTER_STATE STOP_DISABLED "
    "FEATURE_DISABLED POD_NODE_OFFLINE POD_STOPPING LAST_NODE_IN_POOL POD_NODE_NO_INFINIBAND "
    "POD_NODE_NO_AMD_GRANT CONCURRENT_UPDATE TOO_MANY_CLUSTERS_CREATING",
    (503, NoCapacity): "INSUFFICIENT_GPU_CAPACITY INSUFFICIENT_HOST_CAPACITY "
    "INSUFFICIENT_IP_CAPACITY VM_NODE_BUSY POD_NODE_BUSY",
}
DOCUMENTED = [(status, kind, code) for (status, kind), s in CODES.items() for code in s.split()]
BY_STATUS = {
    300: Rejected,
    400: Rejected,
    401: Unauthorized,
    402: PaymentRequired,
    403: Forbidden,
    404: NotFound,
    405: Rejected,
    409: Conflict,
    418: Rejected,
    422: Rejected,
    429: RateLimited,
    500: ServerError,
    502: ServerError,
    503: ServerError,
    599: ServerError,
}
NAMED = ("permission", "deniedBy")
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=3,
)
ASK_AGAIN = {"CONCURRENT_UPDATE", "TOO_MANY_CLUSTERS_CREATING"}


def error(status: int, body: Any = None, **headers: str) -> ApiError:
    return OpenRelay(OPENRELAY).error(answer(status, body, **headers), body)


@pytest.mark.parametrize(("status", "kind", "code"), DOCUMENTED)
def test_every_documented_code_means_what_its_status_says(
    status: int, kind: type[ApiError], code: str
) -> None:
    told = error(status, {"error": "No host has 8 free.", "code": code})
    assert type(told) is kind
    assert (told.status, told.code, told.message) == (status, code, "No host has 8 free")
    assert f"({status} {code}: No host has 8 free)" in told.what


@pytest.mark.parametrize(("status", "kind"), BY_STATUS.items())
def test_a_code_that_nobody_knows_changes_nothing(status: int, kind: type[ApiError]) -> None:
    for body in ({"error": "x", "code": "NEW_IN_2030"}, {"error": "x"}, {}, None):
        assert type(error(status, body)) is kind


@pytest.mark.parametrize("code", CODES[503, NoCapacity].split())
def test_a_capacity_code_is_one_only_with_its_status(code: str) -> None:
    assert type(error(409, {"code": code})) is Conflict
    assert type(error(500, {"code": code})) is ServerError


@pytest.mark.parametrize(("status", "code"), [(status, code) for status, _, code in DOCUMENTED])
def test_only_what_asks_for_it_is_asked_again(status: int, code: str) -> None:
    assert OpenRelay(OPENRELAY).asks_for_repeat(error(status, {"code": code})) == (
        code in ASK_AGAIN
    )


def test_whoever_is_too_fast_is_asked_again() -> None:
    assert OpenRelay(OPENRELAY).asks_for_repeat(error(429))


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 409, 422, 429, 500, 503])
@pytest.mark.parametrize("body", [None, [], "text", 7, {"error": {"a": 1}, "code": ["X"]}])
def test_an_envelope_that_is_none_is_an_error_all_the_same(status: int, body: Any) -> None:
    told = error(status, body)
    assert type(told) is BY_STATUS[status]
    assert (told.code, told.message) == (None, "")
    assert f"({status})" in told.what


def test_a_refused_key_says_where_it_came_from_and_what_to_do() -> None:
    told = error(401, {"error": "Unknown key.", "code": "REVOKED_API_KEY"})
    assert OPENRELAY.api_key_source in told.what
    assert "pulumi config set --secret openrelay:apiKey" in str(told.advice)


def test_a_missing_permission_is_named_with_who_denied_it() -> None:
    told = error(403, {"error": "No.", "permission": "compute.create", "deniedBy": "policy p"})
    assert "lacks the permission compute.create" in told.what
    assert "denied by policy p" in told.what


def test_a_long_answer_is_cut_and_stays_on_one_line() -> None:
    told = error(400, {"error": "line one\n  line two\t" + "x" * 5000})
    assert told.message.startswith("line one line two x")
    assert len(str(told)) < 500
    assert "\n" not in told.what


def test_our_key_is_cut_out_of_what_the_api_says() -> None:
    told = error(401, {"error": f"Key {KEY} is unknown, {KEY}!"})
    assert KEY not in f"{told.what} {told.message}"
    assert told.message == "Key [key] is unknown, [key]!"


@pytest.mark.parametrize(
    ("given", "seconds"),
    [("0", 0.0), ("7", 7.0), ("1.5", 1.5), ("-3", 0.0), ("", None), ("soon", None)],
)
def test_how_long_to_wait_is_read_in_seconds(given: str, seconds: float | None) -> None:
    assert error(429, retry_after=given).retry_after == seconds


@pytest.mark.parametrize("name", ["error", "code", *NAMED])
@pytest.mark.parametrize("status", BY_STATUS)
def test_nothing_that_the_api_says_breaks_the_line_or_holds_the_key(status: int, name: str) -> None:
    told = error(status, {"error": "x", name: f"one\ntwo {KEY} " + "x" * 5000})
    assert "\n" not in told.what
    assert KEY not in told.what
    assert len(str(told)) < 800


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(
    status=st.sampled_from(list(BY_STATUS)),
    body=JUNK | st.fixed_dictionaries({}, optional=dict.fromkeys(("error", "code", *NAMED), JUNK)),
)
def test_whatever_comes_is_one_line_with_its_status(status: int, body: Any) -> None:
    told = error(status, body)
    assert str(status) in told.what
    assert re.search(r"[\n\r]", f"{told.what}{told.message}") is None
