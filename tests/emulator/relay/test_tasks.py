"""Relay's own routes: at once or as tasks, sent twice and made once, with links that expire."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from pulumi_openrelay.emulator import Request

from .support import Api

FLUX, SORA = "/v2/image/flux/generate", "/v2/video/sora-2/t2v"
TTS, ASR = "/v2/audio/tts/sesame", "/v2/audio/asr/whisper"
PICTURE, FILM = {"prompt": "a lighthouse"}, {"prompt": "waves", "duration": 4}
WHISPER = {"audio_url": "https://example.com/a.wav", "model": "openai/whisper-large-v3"}
HOUR = 3600


def submit(api: Api, path: str = SORA, body: Any = None, key: str | None = None) -> Any:
    headers = {"Idempotency-Key": key} if key else {}
    return api.world.call("POST", path, body or FILM, headers=headers)


def task(api: Api, submitted: Any) -> Any:
    return api.ok("GET", submitted.json()["poll_url"], key=None)


def link(api: Api, url: str) -> Any:
    return api.world.call("GET", url.removeprefix("http://relaygpu.com"), key=None)


def test_images_come_as_links_as_base64_and_as_openais_data(api: Api) -> None:
    flux = api.ok("POST", FLUX, {**PICTURE, "n": 2, "mode": "opengpu"})
    assert len(flux["urls"]) == len(flux["images"]) == 2
    assert flux["mode"] == "opengpu"
    assert base64.b64decode(flux["images"][0]).startswith(b"\x89PNG")
    assert "urls" not in api.ok("POST", "/v2/image/gemini-3/generate", PICTURE)
    data = api.ok("POST", "/v2/image/gpt-image/generate", PICTURE)["data"]
    assert base64.b64decode(data[0]["b64_json"]).startswith(b"\x89PNG")


def test_speech_is_a_link_to_sound_in_a_voice_of_the_list(api: Api) -> None:
    voice = api.ok("GET", "/v2/audio/tts/presets", key=None)["presets"][0]["name"]
    body = {"text": "Hello.", "model": "sesame/csm-1b", "preset_voice": voice}
    sound = link(api, api.ok("POST", TTS, body)["audio_url"])
    assert sound.headers["content-type"] == "audio/wav"
    assert sound.body.startswith(b"RIFF")


def test_transcription_is_direct_only_and_may_have_timestamps(api: Api) -> None:
    plain = api.ok("POST", ASR, {**WHISPER, "language": "de"})
    assert (plain["text"][:4], plain["language"]) == ("This", "de")
    timed = api.ok("POST", ASR, {**WHISPER, "task": "translate", "return_timestamps": True})
    assert (timed["language"], timed["words"][0]["word"]) == ("en", "This")
    error = api.refused(422, "POST", ASR, {**WHISPER, "mode": "opengpu"}, code="VALIDATION_ERROR")
    assert error["detail"] == {"field": "mode"}


def test_a_video_is_a_task_that_is_queued_runs_and_completes(api: Api) -> None:
    submitted = submit(api)
    assert (submitted.status, submitted.json()["status"]) == (202, "queued")
    seen = [task(api, submitted)["status"]]
    for _ in range(2):
        api.wait(0.5)
        seen.append(task(api, submitted)["status"])
    assert seen == ["queued", "running", "completed"]
    result = task(api, submitted)["result"]
    assert result["duration"] == 4
    assert link(api, result["urls"][0]).headers["content-type"] == "video/mp4"


def test_async_makes_a_task_of_anything_and_its_opposite_of_nothing(api: Api) -> None:
    submitted = submit(api, FLUX, {**PICTURE, "async": True})
    assert task(api, submitted)["result"] is None
    api.wait(1)
    assert task(api, submitted)["result"]["images"]
    assert submit(api, SORA, {**FILM, "async": False}).json()["videos"]


def test_a_long_poll_is_answered_when_the_task_has_ended(api: Api) -> None:
    submitted = submit(api)
    path = submitted.json()["poll_url"]
    waiting = api.world.handle(Request("GET", path, {"wait": "30"}))
    assert waiting.later is not None
    assert 1 <= waiting.delay_seconds < 1.1
    api.clock.advance(waiting.delay_seconds)
    assert waiting.later().json()["status"] == "completed"
    assert api.ok("GET", f"{path}?wait=30")["status"] == "completed"


def test_a_long_poll_ends_when_its_time_is_over(api: Api) -> None:
    api.settings(task_seconds=100)
    path = submit(api).json()["poll_url"]
    for wait, seconds in (("5", 5), ("600", 30)):
        waiting = api.world.handle(Request("GET", path, {"wait": wait}))
        assert waiting.delay_seconds == seconds
        assert waiting.later is not None
        assert waiting.later().json()["status"] in ("queued", "running")
    entries = [entry for entry in api.world.log.entries if entry.path == path]
    assert [entry.status for entry in entries] == [200, 200]


@pytest.mark.parametrize(("path", "body"), [(SORA, FILM), (FLUX, PICTURE)])
def test_the_same_submit_twice_is_made_and_billed_once(
    api: Api, path: str, body: dict[str, Any]
) -> None:
    first, again = submit(api, path, body, "k"), submit(api, path, body, "k")
    assert (again.status, again.body) == (first.status, first.body)
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    spent = 100 - api.balance()
    submit(api, path, body, "other")
    assert 100 - api.balance() == pytest.approx(2 * spent)
    other = {**body, "prompt": "another"}
    headers = {"Idempotency-Key": "k"}
    code = "IDEMPOTENCY_KEY_REUSED"
    api.refused(422, "POST", path, other, code=code, headers=headers)


def test_a_task_that_fails_says_why_and_is_not_billed(api: Api) -> None:
    script = {"kind": "task", "outcome": {"type": "fail", "reason": "The provider declined."}}
    api.control("POST", "script", script)
    submitted = submit(api)
    assert api.balance() < 100
    api.wait(1)
    failed = task(api, submitted)
    assert (failed["status"], failed["error"]) == ("failed", "The provider declined.")
    assert (failed["error_code"], failed["result"]) == ("UPSTREAM_ERROR", None)
    assert api.balance() == 100
    api.control("POST", "script", script)
    error = api.refused(502, "POST", FLUX, PICTURE, code="UPSTREAM_ERROR")
    assert error["message"] == "The provider declined."
    assert api.balance() == 100


@pytest.mark.parametrize(("store", "hours"), [(None, 1), ("provider", 1), ("relay1d", 24)])
def test_results_and_links_live_an_hour_or_as_long_as_was_paid_for(
    api: Api, store: str | None, hours: int
) -> None:
    result = api.ok("POST", FLUX, {**PICTURE, "store_output": store})
    assert 100 - api.balance() == pytest.approx(0.04 + (0.001 if hours > 1 else 0))
    path = f"/v2/tasks/{result['task_id']}"
    api.wait(hours * HOUR)
    assert link(api, result["urls"][0]).status == 200
    api.wait(1)
    assert link(api, result["urls"][0]).status == 404
    api.refused(404, "GET", path, code="TASK_NOT_FOUND")


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        (FLUX, {}, "prompt"),
        (TTS, {"text": 1}, "text"),
        (ASR, {"audio_url": "https://h"}, "model"),
        (ASR, {**WHISPER, "task": "sing"}, "task"),
        (SORA, {**FILM, "mode": "fast"}, "mode"),
        (SORA, {**FILM, "webhook_url": "nowhere"}, "webhook_url"),
        (FLUX, {**PICTURE, "store_output": "for ever"}, "store_output"),
    ],
)
def test_a_wrong_field_is_named(api: Api, path: str, body: dict[str, Any], field: str) -> None:
    error = api.refused(422, "POST", path, body, code="VALIDATION_ERROR")
    assert error["detail"] == {"field": field}


def test_an_upload_is_given_back_until_it_expires_or_is_deleted(api: Api) -> None:
    headers = {"authorization": f"Bearer {api.world.key}", "content-type": "audio/wav"}
    made = api.world.handle(Request("POST", "/v2/files", {}, headers, b"RIFF..."))
    assert made.status == 201
    file = made.json()
    assert (file["size_bytes"], file["retention"]) == (7, "relay1h")
    assert link(api, file["url"]).body == b"RIFF..."
    assert [f["file_id"] for f in api.ok("GET", "/v2/files")["files"]] == [file["file_id"]]
    api.ok("DELETE", f"/v2/files/{file['file_id']}")
    assert link(api, file["url"]).status == 404
    kept = api.world.handle(Request("POST", "/v2/files", {"retention": "relay1d"}, headers, b"x"))
    api.wait(24 * HOUR)
    assert link(api, kept.json()["url"]).status == 404
    assert api.ok("GET", f"/v2/files/{kept.json()['file_id']}")["status"] == "expired"
    assert api.balance() == pytest.approx(99.999)


def test_a_workflow_runs_and_may_be_cancelled(api: Api) -> None:
    path = "/v2/workflows/script-voiceover/run"
    body = {"inputs": {"messages": ["hello"]}}
    run = api.ok("POST", path, body)
    again = api.ok("POST", path, body)
    api.ok("POST", f"{again['poll_url']}/cancel")
    api.wait(1)
    done = api.ok("GET", run["poll_url"], key=None)
    assert (done["status"], [step["status"] for step in done["steps"]]) == (
        "completed",
        ["completed", "completed"],
    )
    assert done["output"]
    assert done["total_cost_usd"] == pytest.approx((100 - api.balance()) / 2)
    assert api.ok("GET", again["poll_url"])["status"] == "cancelled"
    code = "WORKFLOW_RUN_NOT_CANCELLABLE"
    api.refused(409, "POST", f"{run['poll_url']}/cancel", code=code)
    error = api.refused(422, "POST", path, {}, code="VALIDATION_ERROR")
    assert error["detail"] == {"field": "messages"}


def test_a_run_that_cannot_be_paid_for_costs_nothing(api: Api) -> None:
    path, body = "/v2/workflows/script-voiceover/run", {"inputs": {"messages": ["hello"]}}
    cost = api.ok("GET", api.ok("POST", path, body)["poll_url"])["total_cost_usd"]
    before = api.balance(), api.control("GET", "world")["usage"]
    key = api.create_key(key_budget=0.9 * cost)["key"]
    api.refused(402, "POST", path, body, code="KEY_BUDGET_EXHAUSTED", key=key)
    assert (api.balance(), api.control("GET", "world")["usage"]) == before
    key = api.create_key("enough", key_budget=cost)["key"]
    api.ok("POST", path, body, key=key)
