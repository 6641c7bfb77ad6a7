"""Chat in its four dialects, streaming included, and embeddings.

The answer repeats the last message, so that whoever asks for a word finds it there.
"""

from __future__ import annotations

import base64
import json
import struct
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from ...area import Area, Served
from ...wire import Answer, timestamp
from .. import access
from ..models import Usage
from . import gate

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..access import Call

_EMBEDDING_DIMENSIONS = 1536


@dataclass(frozen=True, slots=True)
class _Reply:
    """What was said, as words, and what it counts for."""

    model: str
    mode: str
    words: list[str]
    is_cut: bool  # at the most tokens that were asked for
    usage: Usage

    @property
    def text(self) -> str:
        return "".join(self.words)


def _reply(call: Call, max_tokens: int | None) -> _Reply:
    """A word is a token."""
    body = call.body
    grant = gate.admit(call, body["model"])
    texts = [_text(message.get("content")) for message in body["messages"]]
    said = f"{grant.model.name} was asked: {texts[-1] if texts else ''}".split(" ")
    words = [word if index == 0 else f" {word}" for index, word in enumerate(said)]
    most = len(words) if max_tokens is None else max(1, max_tokens)
    cut, words = len(words) > most, words[:most]
    usage = Usage(input_tokens=sum(len(text.split()) for text in texts), output_tokens=len(words))
    grant.charge(usage)
    return _Reply(grant.model.name, grant.mode, words, cut, usage)


def _text(content: Any) -> str:
    """A message's text: a string, or the text parts of a list."""
    if isinstance(content, list):
        return " ".join(str(part["text"]) for part in content if "text" in part)
    return content or ""


def _events(frames: Iterable[str]) -> Answer:
    return Answer(200, "".join(frames).encode(), {"content-type": "text/event-stream"})


def _openai(call: Call) -> dict[str, Any] | Answer:
    """OpenAI-compatible: the routes of OpenAI models and of vLLM's."""
    body, world = call.body, call.world
    reply = _reply(call, body.get("max_completion_tokens") or body.get("max_tokens"))
    shared = {
        "id": world.new_id("chatcmpl"),
        "created": int(world.now),
        "model": reply.model,
    }
    reason = "length" if reply.is_cut else "stop"
    usage = {
        "prompt_tokens": reply.usage.input_tokens,
        "completion_tokens": reply.usage.output_tokens,
        "total_tokens": reply.usage.input_tokens + reply.usage.output_tokens,
    }
    if body.get("stream"):
        asked = (body.get("stream_options") or {}).get("include_usage")
        return _openai_stream(shared, reply, reason, usage if asked else None)
    message = {"role": "assistant", "content": reply.text}
    return {
        **shared,
        "object": "chat.completion",
        "choices": [{"index": 0, "message": message, "finish_reason": reason}],
        "usage": usage,
        "mode": reply.mode,
    }


def _openai_stream(
    shared: dict[str, Any], reply: _Reply, reason: str, usage: dict[str, int] | None
) -> Answer:
    def frame(choices: list[dict[str, Any]], **further: Any) -> str:
        chunk = {**shared, "object": "chat.completion.chunk", "choices": choices, **further}
        return f"data: {json.dumps(chunk)}\n\n"

    def choice(delta: dict[str, str], reason: str | None = None) -> list[dict[str, Any]]:
        return [{"index": 0, "delta": delta, "finish_reason": reason}]

    frames = [frame(choice({"role": "assistant", "content": ""}))]
    frames += [frame(choice({"content": word})) for word in reply.words]
    frames.append(frame(choice({}, reason)))
    if usage is not None:
        frames.append(frame([], usage=usage))
    return _events([*frames, "data: [DONE]\n\n"])


def _anthropic(call: Call) -> dict[str, Any] | Answer:
    reply = _reply(call, call.body["max_tokens"])
    text = {"type": "text", "text": reply.text}
    message = {
        "id": call.world.new_id("msg"),
        "type": "message",
        "role": "assistant",
        "model": reply.model,
        "content": [text],
        "stop_reason": "max_tokens" if reply.is_cut else "end_turn",
        "stop_sequence": None,
        "usage": {
            "input_tokens": reply.usage.input_tokens,
            "output_tokens": reply.usage.output_tokens,
        },
    }
    if call.body.get("stream"):
        return _anthropic_stream(message, reply)
    return {**message, "mode": reply.mode}


def _anthropic_stream(message: dict[str, Any], reply: _Reply) -> Answer:
    def frame(kind: str, **fields: Any) -> str:
        return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n"

    def delta(word: str) -> str:
        text = {"type": "text_delta", "text": word}
        return frame("content_block_delta", index=0, delta=text)

    usage = message["usage"]
    start = {
        **message,
        "content": [],
        "stop_reason": None,
        "usage": {**usage, "output_tokens": 0},
    }
    end = {"stop_reason": message["stop_reason"], "stop_sequence": None}
    return _events(
        [
            frame("message_start", message=start),
            frame("content_block_start", index=0, content_block={"type": "text", "text": ""}),
            *(delta(word) for word in reply.words),
            frame("content_block_stop", index=0),
            frame("message_delta", delta=end, usage={"output_tokens": usage["output_tokens"]}),
            frame("message_stop"),
        ]
    )


def _ollama(call: Call) -> dict[str, Any] | Answer:
    """Streams unless told otherwise, as Ollama does."""
    body = call.body
    most = (body.get("options") or {}).get("num_predict")
    # Negative is without limit, as Ollama has it.
    reply = _reply(call, None if most is not None and most < 0 else most)
    shared = {"model": reply.model, "created_at": timestamp(call.world.now)}
    last = {
        "done": True,
        "done_reason": "length" if reply.is_cut else "stop",
        "total_duration": 2_000_000,
        "load_duration": 500_000,
        "prompt_eval_count": reply.usage.input_tokens,
        "prompt_eval_duration": 500_000,
        "eval_count": reply.usage.output_tokens,
        "eval_duration": 1_000_000,
    }
    if body.get("stream") is False:
        message = {"role": "assistant", "content": reply.text}
        return {**shared, "message": message, **last, "mode": reply.mode}
    parts: list[dict[str, Any]] = [
        {**shared, "message": {"role": "assistant", "content": word}, "done": False}
        for word in reply.words
    ]
    parts.append({**shared, "message": {"role": "assistant", "content": ""}, **last})
    lines = "".join(f"{json.dumps(part)}\n" for part in parts)
    return Answer(200, lines.encode(), {"content-type": "application/x-ndjson"})


def _embed(call: Call) -> dict[str, Any]:
    """The same text has the same vector."""
    body = call.body
    grant = gate.admit(call, body["model"])
    texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
    tokens = sum(len(text.split()) for text in texts)
    grant.charge(Usage(input_tokens=tokens))
    dimensions = max(1, min(body.get("dimensions") or _EMBEDDING_DIMENSIONS, _EMBEDDING_DIMENSIONS))
    vectors: list[Any] = [_vector(text, dimensions) for text in texts]
    if body.get("encoding_format") == "base64":
        vectors = [base64.b64encode(struct.pack(f"<{dimensions}f", *v)).decode() for v in vectors]
    return {
        "object": "list",
        "data": [
            {"object": "embedding", "index": index, "embedding": vector}
            for index, vector in enumerate(vectors)
        ],
        "model": grant.model.name,
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }


def _vector(text: str, dimensions: int) -> list[float]:
    digest = sha256(text.encode()).digest()
    return [digest[index % len(digest)] / 255 - 0.5 for index in range(dimensions)]


AREA = Area(
    operations={
        "openai_chat_completions": Served(_openai, access.GUEST),
        "vllm_chat_completions": Served(_openai, access.GUEST),
        "anthropic_messages": Served(_anthropic, access.GUEST),
        "ollama_chat": Served(_ollama, access.GUEST),
        "openai_embeddings": Served(_embed, access.KEY),
    }
)
