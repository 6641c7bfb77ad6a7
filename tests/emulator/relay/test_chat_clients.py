"""The chat clients that Relay leaves chat to: OpenAI's, Anthropic's and Ollama's, over HTTP."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import ollama
import openai
import pytest
from anthropic import Anthropic
from openai import OpenAI
from openai.types.chat import ChatCompletionMessageParam

from pulumi_openrelay.emulator import ServedRelayWorld

from .support import GPT, KEYS

ASKED: list[ChatCompletionMessageParam] = [{"role": "user", "content": "the word is lantern"}]
ROUTES = [("/v2/openai/v1", GPT), ("/v2/vllm/v1", "Qwen/Qwen3-8B")]


def openai_client(served: ServedRelayWorld, path: str, key: str | None = None) -> OpenAI:
    return OpenAI(api_key=key or served.key, base_url=served.url + path, max_retries=0)


@pytest.mark.parametrize(("path", "model"), ROUTES)
def test_openais_client_chats_on_both_compatible_routes(
    served: ServedRelayWorld, path: str, model: str
) -> None:
    with openai_client(served, path) as client:
        answer = client.chat.completions.create(model=model, messages=ASKED)
        text = answer.choices[0].message.content or ""
        assert "lantern" in text
        assert answer.usage is not None
        assert answer.usage.total_tokens > answer.usage.prompt_tokens == 4
        parts = list(
            client.chat.completions.create(
                model=model,
                messages=ASKED,
                stream=True,
                stream_options={"include_usage": True},
            )
        )
    said = "".join(part.choices[0].delta.content or "" for part in parts if part.choices)
    assert said == text
    assert parts[-1].usage == answer.usage


def test_openais_client_embeds(served: ServedRelayWorld) -> None:
    with openai_client(served, "/v2/openai/v1") as client:
        made = client.embeddings.create(model="openai/text-embedding-3-small", input="lantern")
        plain = client.embeddings.create(
            model="openai/text-embedding-3-small", input="lantern", encoding_format="float"
        )
    assert made.data[0].embedding == pytest.approx(plain.data[0].embedding, abs=1e-6)


def test_openais_client_knows_the_refusals(served: ServedRelayWorld) -> None:
    made = served.world.call("POST", KEYS, {"name": "app", "key_budget": 0}).json()
    for key, model, error in (
        ("relay_sk_wrong", GPT, openai.AuthenticationError),
        (served.key, "gpt-9", openai.NotFoundError),
        (served.key, "openai/gpt-4-turbo", openai.PermissionDeniedError),
        (made["key"], GPT, openai.APIStatusError),
    ):
        with openai_client(served, "/v2/openai/v1", key) as client, pytest.raises(error):
            client.chat.completions.create(model=model, messages=ASKED)


@pytest.fixture
def anthropic(served: ServedRelayWorld) -> Iterator[Anthropic]:
    url = f"{served.url}/v2/anthropic"
    with Anthropic(api_key=served.key, base_url=url, max_retries=0) as client:
        yield client


def test_anthropics_client_chats_and_streams(anthropic: Anthropic) -> None:
    ask = {"model": "claude-haiku-4-5", "messages": ASKED}
    answer = anthropic.messages.create(max_tokens=64, **ask)  # type: ignore[call-overload]
    assert "lantern" in answer.content[0].text
    assert (answer.stop_reason, answer.usage.input_tokens) == ("end_turn", 4)
    with anthropic.messages.stream(max_tokens=3, **ask) as stream:  # type: ignore[arg-type]
        words = list(stream.text_stream)
        final = stream.get_final_message()
    assert len(words) == 3
    assert (final.stop_reason, final.usage.output_tokens) == ("max_tokens", 3)


def test_ollamas_client_chats_and_streams(served: ServedRelayWorld) -> None:
    headers = {"X-API-Key": served.key}
    client = ollama.Client(host=f"{served.url}/v2/ollama", headers=headers, trust_env=False)
    messages = [{"role": "user", "content": "the word is lantern"}]
    answer = client.chat(model="gpt-oss:20b", messages=messages)
    assert "lantern" in (answer.message.content or "")
    parts = list(client.chat(model="gpt-oss:20b", messages=messages, stream=True))
    assert "".join(part.message.content or "" for part in parts) == answer.message.content
    assert (parts[-1].done, parts[-1].eval_count) == (True, answer.eval_count)
    with pytest.raises(ollama.ResponseError):
        client.chat(model="unknown", messages=messages)
    client._client.close()


def test_a_guest_may_chat(served: ServedRelayWorld) -> None:
    body = {"model": GPT, "messages": ASKED}
    path = "/v2/openai/v1/chat/completions"
    assert httpx.post(served.url + path, json=body, trust_env=False).status_code == 200
