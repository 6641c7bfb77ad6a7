"""Who may call which model, in which mode, how often."""

from __future__ import annotations

from typing import Any

import pytest

from .support import ALLOWLIST, CHAT, GLM, GPT, GPT_FULL, KEYS, Api, chat_body

GLM_DIRECT, GLM_OPENGPU = "direct.openai.zai-org/glm-5.2", "opengpu.openai.zai-org/glm-5.2"
NO = "MODEL_NOT_AVAILABLE"


def mode_of(api: Api, model: str, key: str | None = "", **fields: Any) -> str:
    body = chat_body(model=model, **fields)
    return str(api.ok("POST", CHAT, body, key=key)["mode"])


def test_a_model_is_called_by_its_own_name_or_its_full_one(api: Api) -> None:
    assert mode_of(api, GPT) == mode_of(api, GPT_FULL) == "direct"
    assert mode_of(api, GLM) == "direct"  # auto picks
    assert mode_of(api, GLM, mode="auto") == "direct"
    assert mode_of(api, GLM, mode="opengpu") == mode_of(api, GLM_OPENGPU) == "opengpu"


@pytest.mark.parametrize("model", ["gpt-9", "gpt-oss:20b", "direct.ollama.gpt-oss:20b"])
def test_a_model_that_the_route_does_not_serve_is_404(api: Api, model: str) -> None:
    api.refused(404, "POST", CHAT, chat_body(model=model), code="MODEL_NOT_FOUND")


def test_retired_idle_and_wrongly_asked_models_say_so(api: Api) -> None:
    retired = chat_body(model="openai/gpt-4-turbo")
    api.refused(403, "POST", CHAT, retired, code="MODEL_RETIRED")
    wrong = chat_body(mode="opengpu")
    error = api.refused(422, "POST", CHAT, wrong, code="VALIDATION_ERROR")
    assert error["detail"] == {"field": "mode"}
    api.settings(unavailable_models=[GPT])
    api.refused(503, "POST", CHAT, chat_body(), code="CAPACITY_EXHAUSTED")


def test_a_keys_restrictions_close_models_by_their_full_names(api: Api) -> None:
    made = api.create_key(restrictions={"model_restrictions": [GPT_FULL, GLM_DIRECT]})
    key = {"key": made["key"]}
    error = api.refused(403, "POST", CHAT, chat_body(), code=NO, **key)
    assert GPT_FULL in error["message"]
    assert mode_of(api, GLM, **key) == "opengpu"  # what is left of it
    api.refused(403, "POST", CHAT, chat_body(model=GLM_DIRECT), code=NO, **key)
    assert mode_of(api, GPT) == "direct"  # another key
    api.ok("PATCH", f"{KEYS}/{made['key_id']}", {"restrictions": None})
    assert mode_of(api, GPT, **key) == "direct"


def test_the_other_reading_of_restrictions_can_be_switched_on(api: Api) -> None:
    api.settings(restrictions_allow=True)
    key = {"key": api.create_key(restrictions={"model_restrictions": [GPT_FULL]})["key"]}
    assert mode_of(api, GPT, **key) == "direct"
    api.refused(403, "POST", CHAT, chat_body(model=GLM), code=NO, **key)


def test_the_allowlist_binds_every_key_but_the_superkey(api: Api) -> None:
    key = {"key": api.create_key()["key"]}
    api.ok("PATCH", ALLOWLIST, {"model_allowlist": [GPT_FULL]})
    assert mode_of(api, GPT, **key) == "direct"
    api.refused(403, "POST", CHAT, chat_body(model=GLM), code=NO, **key)
    picture = {"prompt": "a lighthouse"}
    api.refused(403, "POST", "/v2/image/qwen/generate", picture, code=NO, **key)
    assert mode_of(api, GLM) == "direct"
    api.ok("PATCH", ALLOWLIST, {"model_allowlist": None})
    assert mode_of(api, GLM, **key) == "direct"


def test_a_tier_has_its_own_restrictions(api: Api) -> None:
    api.settings(tier="free")
    body = {"prompt": "waves"}
    api.refused(403, "POST", "/v2/video/sora-2/t2v", body, code=NO)


@pytest.mark.parametrize("limits", [{"direct": 2}, {"global": 2}])
def test_a_keys_rate_limit_says_when_to_come_again(api: Api, limits: dict[str, int]) -> None:
    key = {"key": api.create_key(restrictions={"rate_limits": limits})["key"]}
    mode_of(api, GPT, **key)
    api.wait(20)
    mode_of(api, GPT, **key)
    answer = api.world.call("POST", CHAT, chat_body(), **key)
    assert (answer.status, answer.json()["error"]["code"]) == (429, "RATE_LIMITED")
    assert answer.headers["Retry-After"] == "40"
    assert mode_of(api, GPT) == "direct"  # another key
    api.wait(40)
    assert mode_of(api, GPT, **key) == "direct"


def test_what_is_refused_is_neither_billed_nor_counted(api: Api) -> None:
    key = {"key": api.create_key(restrictions={"model_restrictions": [GPT_FULL]})["key"]}
    api.refused(403, "POST", CHAT, chat_body(), code=NO, **key)
    assert api.balance() == 100
    assert api.control("GET", "world")["usage"] == []


def test_a_guest_chats_a_little_and_does_nothing_else(api: Api) -> None:
    guest: dict[str, None] = {"key": None}
    for _ in range(5):
        assert mode_of(api, GPT, **guest) == "direct"
    api.refused(429, "POST", CHAT, chat_body(), code="RATE_LIMITED", **guest)
    assert api.balance() == 100
    body = {"prompt": "a lighthouse"}
    code = "MISSING_CREDENTIALS"
    api.refused(401, "POST", "/v2/image/qwen/generate", body, code=code, **guest)
    api.wait(60)
    assert mode_of(api, GPT, **guest) == "direct"
