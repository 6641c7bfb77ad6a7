"""The account: one allowlist, one threshold, one webhook secret; read and set."""

from __future__ import annotations

from .support import ALLOWLIST, GPT_FULL, Api

SIGNING = "/v2/customer/webhook-secret"
DAY = 86_400


def test_the_threshold_is_set_and_read_from_the_profile(api: Api) -> None:
    def threshold() -> object:
        return api.ok("GET", "/v2/customer/profile")["warning_threshold"]

    assert threshold() == 5
    answer = api.ok("PATCH", "/v2/customer/settings", {"warning_threshold": 12.5})
    assert answer["warning_threshold"] == threshold() == 12.5
    for wrong in (-1, "5", None):
        body = {"warning_threshold": wrong}
        error = api.refused(422, "PATCH", "/v2/customer/settings", body, code="VALIDATION_ERROR")
        assert error["detail"] == {"field": "warning_threshold"}
    assert threshold() == 12.5


def test_the_allowlist_is_replaced_whole_and_null_lifts_it(api: Api) -> None:
    assert api.ok("GET", ALLOWLIST) == {"model_allowlist": None}
    for wanted in ([GPT_FULL, "opengpu.ollama.gpt-oss:20b"], [], [GPT_FULL], None):
        body = {"model_allowlist": wanted}
        assert api.ok("PATCH", ALLOWLIST, body) == api.ok("GET", ALLOWLIST) == body
        assert api.ok("GET", "/v2/customer/profile")["sub_key_model_allowlist"] == wanted
    wrong = {"model_allowlist": ["gpt-4o-mini"]}
    error = api.refused(422, "PATCH", ALLOWLIST, wrong, code="VALIDATION_ERROR")
    assert error["detail"] == {"field": "model_allowlist"}


def test_the_webhook_secret_is_there_when_it_is_asked_for(api: Api) -> None:
    first = api.ok("GET", SIGNING)
    assert first["secret"].startswith("whsec_")
    assert first["previous_valid_until"] is None
    assert api.ok("GET", SIGNING) == first


def test_a_rotated_secret_stays_valid_for_a_day(api: Api) -> None:
    before = api.ok("GET", SIGNING)["secret"]
    rotated = api.ok("POST", f"{SIGNING}/rotate")
    assert rotated["secret"] != before
    assert rotated["previous_valid_until"] == "2026-01-02T00:00:00.000Z"
    api.wait(DAY)
    assert api.ok("GET", SIGNING)["previous_valid_until"] is None


def test_the_profile_names_the_tier_and_whether_it_is_a_partners(api: Api) -> None:
    profile = api.ok("GET", "/v2/customer/profile")
    assert (profile["tier"], profile["tier_details"]["is_custom"]) == ("custom", True)
    api.settings(tier="pro")
    profile = api.ok("GET", "/v2/customer/profile", key=api.token)
    assert (profile["tier"], profile["tier_details"]["is_custom"]) == ("pro", False)
