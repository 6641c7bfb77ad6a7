"""Chat: what the four dialects answer, whole and in pieces."""

from __future__ import annotations

import json
from typing import Any

import pytest

from .support import CHAT, Api, chat_body

VLLM, OLLAMA = "/v2/vllm/v1/chat/completions", "/v2/ollama/api/chat"
ANTHROPIC, EMBEDDINGS = "/v2/anthropic/v1/messages", "/v2/openai/v1/embeddings"
QWEN, GPT_OSS, HAIKU = "Qwen/Qwen3-8B", "gpt-oss:20b", "claude-haiku-4-5"


def lines(api: Api, path: str, body: dict[str, Any], content_type: str) -> list[str]:
    """The lines of a streamed answer that hold something."""
    answer = api.world.call("POST", path, body)
    assert (answer.status, answer.headers["content-type"]) == (200, content_type)
    return [line for line in answer.body.decode().splitlines() if line]


def test_the_last_message_is_repeated_in_the_answer(api: Api) -> None:
    def ask(path: str, model: str) -> Any:
        body = chat_body("the word is lantern", model, stream=False, max_tokens=64)
        return api.ok("POST", path, body)

    word = "the word is lantern"
    assert word in ask(CHAT, "gpt-5.4-mini")["choices"][0]["message"]["content"]
    assert word in ask(VLLM, QWEN)["choices"][0]["message"]["content"]
    assert word in ask(ANTHROPIC, HAIKU)["content"][0]["text"]
    assert word in ask(OLLAMA, GPT_OSS)["message"]["content"]


def test_openais_stream_ends_with_its_usage_where_asked_for_and_done(api: Api) -> None:
    body = chat_body("one two", stream=True, stream_options={"include_usage": True})
    *frames, done = lines(api, CHAT, body, "text/event-stream")
    assert done == "data: [DONE]"
    chunks = [json.loads(frame.removeprefix("data: ")) for frame in frames]
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}
    assert len({chunk["id"] for chunk in chunks}) == 1
    assert chunks[-2]["choices"][0]["finish_reason"] == "stop"
    assert chunks[-1]["usage"]["prompt_tokens"] == 2
    plain = chat_body("one two", stream=True)
    assert "usage" not in lines(api, CHAT, plain, "text/event-stream")[-2]


def test_anthropics_stream_has_its_events_in_order(api: Api) -> None:
    body = chat_body("one two", HAIKU, stream=True, max_tokens=3)
    frames = lines(api, ANTHROPIC, body, "text/event-stream")
    kinds = [frame.removeprefix("event: ") for frame in frames if frame.startswith("event: ")]
    assert kinds == [
        *("message_start", "content_block_start"),
        *["content_block_delta"] * 3,
        *("content_block_stop", "message_delta", "message_stop"),
    ]
    data = [json.loads(f.removeprefix("data: ")) for f in frames if f.startswith("data: ")]
    assert [event["type"] for event in data] == kinds
    assert data[-2]["delta"]["stop_reason"] == "max_tokens"
    assert data[-2]["usage"]["output_tokens"] == 3


def test_ollama_streams_lines_unless_told_not_to(api: Api) -> None:
    parts = [
        json.loads(line)
        for line in lines(api, OLLAMA, chat_body(model=GPT_OSS), "application/x-ndjson")
    ]
    assert [part["done"] for part in parts] == [False] * (len(parts) - 1) + [True]
    whole = api.ok("POST", OLLAMA, chat_body(model=GPT_OSS, stream=False))
    assert "".join(part["message"]["content"] for part in parts) == whole["message"]["content"]
    assert parts[-1]["eval_count"] == whole["eval_count"] == len(parts) - 1


@pytest.mark.parametrize("stream", [False, True])
def test_a_stream_costs_what_the_whole_answer_does(api: Api, stream: bool) -> None:
    assert api.world.call("POST", CHAT, chat_body("one two three", stream=stream)).status == 200
    assert api.control("GET", "world")["usage"][0]["cost_usd"] == pytest.approx(
        (3 * 0.15 + 6 * 0.6) / 1e6, abs=1e-8
    )


def test_no_more_is_said_than_was_asked_for(api: Api) -> None:
    body = chat_body("one two three", max_completion_tokens=2)
    choice = api.ok("POST", CHAT, body)["choices"][0]
    assert (len(choice["message"]["content"].split()), choice["finish_reason"]) == (2, "length")
    body = chat_body("one two three", GPT_OSS, stream=False, options={"num_predict": 1})
    assert api.ok("POST", OLLAMA, body)["done_reason"] == "length"
    body["options"] = {"num_predict": -1}  # without limit
    assert api.ok("POST", OLLAMA, body)["done_reason"] == "stop"


def test_messages_may_come_in_parts(api: Api) -> None:
    parts = [{"type": "text", "text": "lantern"}, {"type": "image", "source": {}}]
    body = {"model": HAIKU, "max_tokens": 9, "messages": [{"role": "user", "content": parts}]}
    assert "lantern" in api.ok("POST", ANTHROPIC, body)["content"][0]["text"]


def test_the_same_text_has_the_same_vector(api: Api) -> None:
    body = {"model": "openai/text-embedding-3-small", "input": ["a", "b", "a"], "dimensions": 8}
    one, two, three = (row["embedding"] for row in api.ok("POST", EMBEDDINGS, body)["data"])
    assert one == three != two
    assert len(one) == 8


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        (CHAT, {"messages": []}, "model"),
        (CHAT, chat_body(max_tokens="many"), "max_tokens"),
        (ANTHROPIC, chat_body(model=HAIKU), "max_tokens"),
        (OLLAMA, {"model": GPT_OSS}, "messages"),
        (EMBEDDINGS, {"model": "m", "input": 1}, "input"),
    ],
)
def test_a_wrong_field_is_named(api: Api, path: str, body: dict[str, Any], field: str) -> None:
    error = api.refused(422, "POST", path, body, code="VALIDATION_ERROR")
    assert error["detail"] == {"field": field}
