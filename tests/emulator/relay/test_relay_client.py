"""The vendor's own client, `relaygpu-client`, against the emulator over HTTP."""

from __future__ import annotations

import time
from collections.abc import Iterator

import httpx
import pytest
import relaygpu
from relaygpu import Relay

from pulumi_openrelay.emulator import ServedRelayWorld

from ..support import receiver
from .support import GPT, GPT_FULL, instance_body


def client(served: ServedRelayWorld, key: str | None = None, jwt: str | None = None) -> Relay:
    http = httpx.Client(trust_env=False)
    return Relay(key, jwt=jwt, base_url=served.url, retry=False, http_client=http)


@pytest.fixture
def relay(served: ServedRelayWorld) -> Iterator[Relay]:
    """With the superkey of a partner."""
    with client(served, served.key) as relay:
        yield relay
        relay._http._client.close()


def test_it_reads_what_is_on_offer(relay: Relay) -> None:
    assert relay.health()["status"] == "ok"
    films = relay.models.list(tag="text-to-video")
    assert "KlingTeam/v3-T2V" in {row["name"] for row in films}
    detail = relay.models.get("gpt-oss:20b")
    assert detail["endpoint"]
    assert detail["endpoint"]["path"] == "/v2/ollama/api/chat"
    assert relay.pricing.get()["total_count"] > 10
    assert relay.tiers.list()["current_tier"] == "custom"
    assert relay.estimate_cost("openai/sora-2", {"duration_seconds": 4})["usd"] == 0.4
    with pytest.raises(relaygpu.ModelNotFoundError):
        relay.models.get("gpt-9")
    with pytest.raises(relaygpu.ModelRetiredError):
        relay.run("openai/gpt-4-turbo", {"messages": []})


def test_it_manages_keys_from_the_first_to_the_last(relay: Relay, served: ServedRelayWorld) -> None:
    made = relay.keys.create(name="app", key_budget=5)
    assert relay.keys.get(made["key_id"])["key_budget"] == 5
    relay.keys.update(made["key_id"], restrictions={"model_restrictions": [GPT_FULL]})
    relay.keys.rename(made["key_id"], "renamed")
    (found,) = relay.keys.list_all(name="renamed", limit=1)
    assert found["restrictions"] == {"model_restrictions": [GPT_FULL]}
    # The client's own types call the new budget `new_budget`; the document, `key_budget`.
    assert dict(relay.keys.topup(made["key_id"], 2))["key_budget"] == 7
    with client(served, made["key"]) as ordinary:
        with pytest.raises(relaygpu.PermissionDeniedError):
            ordinary.keys.list()
        relay.keys.revoke(made["key_id"])
        with pytest.raises(relaygpu.KeyRevokedError):
            ordinary.tiers.list()
        ordinary._http._client.close()
    relay.keys.unrevoke(made["key_id"])
    with pytest.raises(relaygpu.InvalidRequestError):
        relay.keys.delete(made["key_id"])
    relay.keys.revoke(made["key_id"])
    relay.keys.delete(made["key_id"])
    with pytest.raises(relaygpu.KeyNotFoundError):
        relay.keys.get(made["key_id"])


def test_it_reads_and_sets_the_account_with_the_dashboards_token(served: ServedRelayWorld) -> None:
    with client(served, jwt=served.world.customer_token) as relay:
        assert relay.account.credits()["balance"] == 100
        assert relay.account.profile()["tier_details"]["is_custom"]
        relay.account.set_model_allowlist([GPT_FULL])
        assert relay.account.model_allowlist() == {"model_allowlist": [GPT_FULL]}
        secret = relay.webhooks.secret()
        rotated = relay.webhooks.rotate_secret()
        assert rotated["secret"] != secret["secret"]
        assert rotated["previous_valid_until"]
        relay._http._client.close()


def test_it_makes_images_of_every_shape(relay: Relay) -> None:
    for model in ("black-forest-labs/FLUX-2-pro", "google/gemini-3-pro-image", "Qwen/qwen-image"):
        made = relay.image.generate(model, {"prompt": "a lighthouse"})
        assert made.images
        assert all(image.to_bytes().startswith(b"\x89PNG") for image in made.images)
    data = relay.image.generate("openai/gpt-image-2", {"prompt": "a lighthouse", "n": 2})
    assert [image.mime_type for image in data.images] == ["image/png"] * 2
    waited = relay.image.generate("Qwen/qwen-image", {"prompt": "a lighthouse"}, async_=True)
    assert waited.images[0].to_bytes().startswith(b"\x89PNG")


def test_it_speaks_and_transcribes_what_it_uploads(relay: Relay) -> None:
    spoken = relay.audio.speech("sesame/csm-1b", {"text": "Hello."})
    assert httpx.get(spoken["audio_url"], trust_env=False).content.startswith(b"RIFF")
    sound = b"RIFF\x24\x00\x00\x00WAVEfmt "
    heard = relay.audio.transcribe("openai/whisper-large-v3", {"audio_url": sound})
    assert heard["text"]
    (upload,) = relay.files.list_all(source="upload")
    assert upload["size_bytes"] == len(sound)
    relay.files.delete(upload["file_id"])
    assert relay.files.list()["files"] == []
    with pytest.raises(relaygpu.FileNotFoundError):
        relay.files.get("file_unknown")


def test_it_waits_for_a_video_and_submits_twice_without_making_two(relay: Relay) -> None:
    seen: list[str] = []
    done = relay.video.generate(
        "KlingTeam/v3-T2V",
        {"prompt": "waves", "duration": 3},
        wait=True,
        on_progress=lambda progress: seen.append(progress["status"]),
    )
    assert (done["status"], seen[-1]) == ("completed", "completed")
    film = {"prompt": "waves", "duration": 3}
    first = relay.video.generate("KlingTeam/v3-T2V", film, idempotency_key="order-1")
    again = relay.video.generate("KlingTeam/v3-T2V", film, idempotency_key="order-1")
    assert again["task_id"] == first["task_id"]
    assert (first["replayed"], again["replayed"]) == (False, True)
    other = {"prompt": "another"}
    with pytest.raises(relaygpu.IdempotencyKeyReusedError):
        relay.video.generate("KlingTeam/v3-T2V", other, idempotency_key="order-1")
    assert relay.account.credits()["balance"] == pytest.approx(100 - 2 * 0.24)
    assert relay.tasks.wait(first["task_id"])["result"]
    with pytest.raises(relaygpu.TaskNotFoundError):
        relay.tasks.get("direct:unknown")


def test_it_tells_a_task_that_failed(relay: Relay, served: ServedRelayWorld) -> None:
    served.world.scripts.add({"kind": "task", "outcome": {"type": "fail", "reason": "Declined."}})
    with pytest.raises(relaygpu.TaskFailedError, match=r"Declined\.") as failed:
        relay.video.generate("openai/sora-2", {"prompt": "waves"}, wait=True)
    assert failed.value.code == "UPSTREAM_ERROR"


def test_it_runs_workflows(relay: Relay) -> None:
    template = relay.workflows.list()["workflows"][0]
    assert template["steps"] == relay.workflows.get("script-voiceover")["steps"]
    inputs = {"messages": [{"role": "user", "content": "a lighthouse"}]}
    run = relay.workflows.run("script-voiceover", inputs, wait=True)
    assert run["output"]


@pytest.mark.parametrize(
    ("error", "settings"),
    [
        (relaygpu.InsufficientCreditsError, {"balance_usd": 0}),
        (relaygpu.CapacityError, {"unavailable_models": ["Qwen/qwen-image"]}),
    ],
)
def test_it_knows_every_refusal(
    relay: Relay, served: ServedRelayWorld, error: type[relaygpu.RelayAPIError], settings: object
) -> None:
    served.world.call("PATCH", "/_emulator/settings", settings, key=None)
    with pytest.raises(error) as refused:
        relay.image.generate("Qwen/qwen-image", {"prompt": "a lighthouse"})
    assert refused.value.code
    assert refused.value.request_id


def test_it_knows_when_to_come_again(relay: Relay, served: ServedRelayWorld) -> None:
    key = relay.keys.create(name="app", restrictions={"rate_limits": {"direct": 1}})["key"]
    with client(served, key) as limited:
        limited.image.generate("Qwen/qwen-image", {"prompt": "a lighthouse"})
        with pytest.raises(relaygpu.RateLimitedError) as refused:
            limited.image.generate("Qwen/qwen-image", {"prompt": "a lighthouse"})
        assert 0 < (refused.value.retry_after or 0) <= 60
        limited._http._client.close()


def test_it_verifies_what_the_emulator_delivers(relay: Relay, served: ServedRelayWorld) -> None:
    with receiver() as found:
        old = relay.webhooks.secret()["secret"]
        new = relay.webhooks.rotate_secret()["secret"]
        body = instance_body(webhook_url=found.url)
        relay.request("POST", "/v2/instances", json=body)
        headers, content = found.came.get(timeout=5)
        for secret in (old, new, [new, old]):
            event = relay.webhooks.verify(content, headers, secret)
            assert event["event"] == "instance.ready"
        with pytest.raises(relaygpu.RelayError):
            relay.webhooks.verify(content, headers, new, now=time.time() + 900)
    assert len(served.world.live_instances()) == 1


def test_a_model_in_its_full_name_is_run_like_any_other(relay: Relay) -> None:
    full = f"direct.openai.{GPT}"
    answer = relay.run(full, {"messages": [{"role": "user", "content": "lantern"}]})
    assert "lantern" in answer["choices"][0]["message"]["content"]
