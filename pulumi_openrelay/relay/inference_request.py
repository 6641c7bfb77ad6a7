"""One small request to a model, as `GET /v2/models/{model}` says to make it, and its answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import OpenRelayError
from .catalog import ModelDetail, Price
from .model_name import ModelName

SMALL: dict[str, Any] = {
    "messages": [{"role": "user", "content": "Answer with one word: ready."}],
    "text": "Ready.",
    "input": "Ready.",
    "n": 1,
}
"""What is put in place of the example's own, which may be long."""
PROMPT = "A red circle on white"
LONGEST_TEXT = 200
TEXTS = (
    ("choices", 0, "message", "content"),
    ("choices", 0, "message", "reasoning_content"),
    ("message", "content"),
    ("message", "thinking"),
    ("text",),
)
"""Where an answer in words has them: OpenAI's dialect, Ollama's, a transcription."""
MADE = ("urls", "videos", "images", "data", "audio_url", "video_url", "image_url", "url", "audio")
"""Where any other answer has what was made, or a link to it."""


def fit(name: ModelName, detail: ModelDetail) -> None:
    """Raise OpenRelayError where the API says that the model cannot be called so."""
    if detail.status == "retired":
        raise OpenRelayError("it is retired", "choose another model")
    if detail.sources and name.source not in detail.sources:
        there = ", ".join(detail.sources)
        raise OpenRelayError(f"it is not of the source {name.source}, but of {there}", "correct it")
    if detail.modes and name.mode not in detail.modes:
        there = ", ".join(detail.modes)
        raise OpenRelayError(f"it is not served in mode {name.mode}, but in {there}", "correct it")
    # The path follows the host: one that begins otherwise would send the key elsewhere.
    if detail.endpoint is None or not detail.endpoint.path.startswith("/"):
        raise OpenRelayError("no single route serves it", "choose another model")


def body(name: ModelName, detail: ModelDetail, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """The request's body: the API's own example, made small. wanted: what the program lays over
    it."""
    endpoint, schema = detail.endpoint, detail.request_schema or {}
    takes = schema.get("properties")
    takes = takes if isinstance(takes, dict) else {}
    made = dict(detail.request_example or {})
    guess = "text" if detail.tag == "text-to-speech" else "prompt"
    there = made or takes or {"messages" if name.base_url("") else guess: None}
    made |= {key: value for key, value in SMALL.items() if key in there}
    if "prompt" in there:
        made.setdefault("prompt", PROMPT)
    made.pop("model", None)
    if endpoint is None or endpoint.model_in_body is not False:
        made["model"] = detail.name
    is_relays = name.client == "relay"
    if "mode" in takes or (is_relays and not takes):
        made["mode"] = name.mode
    if "stream" in takes or (endpoint is not None and endpoint.streams):
        made["stream"] = False
    if "async" in takes or (is_relays and not takes) or (endpoint and endpoint.async_default):
        made["async"] = True
    return {**made, **wanted}


@dataclass(frozen=True, slots=True)
class Reply:
    """What a model answered. text: None for what is no text. count: how many things it made."""

    text: str | None
    count: int


def judged(answer: Mapping[str, Any], detail: ModelDetail) -> Reply:
    """What the answer has in it. Raises OpenRelayError where that is nothing."""
    texts = [_at(answer, path) for path in TEXTS] + _texts(answer.get("content"))
    for text in texts:
        if isinstance(text, str) and text.strip():
            return Reply(" ".join(text.split())[:LONGEST_TEXT], 1)
    for key in MADE:
        made = answer.get(key)
        if made and isinstance(made, (str, list)):
            return Reply(None, len(made) if isinstance(made, list) else 1)
    required = (detail.response_schema or {}).get("required")
    known = {*MADE, *(path[0] for path in TEXTS), "content", "error"}
    if known.isdisjoint(answer) and isinstance(required, list) and {*required} <= answer.keys():
        return Reply(None, 1)  # of a shape that this release does not know
    raise OpenRelayError("its answer has nothing in it")


def cost(
    price: Price | None, answer: Mapping[str, Any], body: Mapping[str, Any], count: int
) -> float | None:
    """US dollars by the list price, None where price and answer do not tell."""
    if price is None:
        return None
    usage = answer.get("usage")
    usage = usage if isinstance(usage, dict) else {}
    tokens_in = _number(usage, "prompt_tokens", "input_tokens")
    tokens_out = _number(usage, "completion_tokens", "output_tokens")
    per_video = [v for v in (price.per_second_video or {}).values() if _is_number(v)]
    counted = (
        (price.per_1m_input_tokens, tokens_in or _number(answer, "prompt_eval_count"), 1e6),
        (price.per_1m_output_tokens, tokens_out or _number(answer, "eval_count"), 1e6),
        (price.per_1k_characters, len(str(body.get("text", ""))), 1e3),
        (price.per_second_audio, _number(answer, "duration"), 1),
        (per_video[0] if len(per_video) == 1 else None, _number(answer, "duration"), 1),
        (price.per_image, count, 1),
    )
    parts = [rate * n / per for rate, n, per in counted if rate is not None and n is not None]
    return round(sum(parts), 9) if parts else None


def _texts(content: Any) -> list[Any]:
    """Anthropic's dialect: a list of blocks, some of text."""
    blocks = content if isinstance(content, list) else []
    return [
        block.get("text") or block.get("thinking") for block in blocks if isinstance(block, dict)
    ]


def _at(value: Any, path: Sequence[str | int]) -> Any:
    for key in path:
        try:
            value = value[key]
        except (KeyError, IndexError, TypeError):
            return None
    return value


def _number(facts: Mapping[str, Any], *keys: str) -> float | None:
    return next((facts[key] for key in keys if _is_number(facts.get(key))), None)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
