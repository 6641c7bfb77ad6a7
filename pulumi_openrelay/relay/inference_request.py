"""One small request to a model, as `GET /v2/models/{model}` says to make it, and its answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

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
ENDED = ("completed", "failed")
"""The states of a task that has ended."""
TEXTS = (
    ("choices", 0, "message", "content"),
    ("choices", 0, "message", "reasoning_content"),
    ("choices", 0, "message", "refusal"),
    ("message", "content"),
    ("message", "thinking"),
    ("text",),
)
"""Where an answer in words has them: OpenAI's dialect, Ollama's, a transcription."""
BLOCKS = (("content",), ("choices", 0, "message", "content"))
"""Where an answer may have a list of parts, some of text: Anthropic's dialect, and OpenAI's."""
TOOL_CALLS = ("choices", 0, "message", "tool_calls")
MADE = ("urls", "videos", "images", "data", "audio_url", "video_url", "image_url", "url", "audio")
"""Where any other answer has what was made, or a link to it."""
TOKENS_IN = ("prompt_tokens", "input_tokens", "prompt_eval_count")
TOKENS_OUT = ("completion_tokens", "output_tokens", "eval_count")


def fit(name: ModelName, detail: ModelDetail) -> None:
    """Raise OpenRelayError where the API says that the model cannot be called so."""
    if detail.status == "retired":
        raise OpenRelayError("it is retired", "choose another model")
    if detail.sources and name.source not in detail.sources:
        there = ", ".join(detail.sources)
        raise OpenRelayError(f"it is not of the source {name.source}, but of {there}", "correct it")
    if detail.modes and name.mode not in (*detail.modes, "auto"):  # which picks one of them
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


def promised(answer: Mapping[str, Any]) -> str | None:
    """The address of the task that an answer stands for; None where it is the answer itself, which
    may name the task that made it."""
    status = answer.get("status")
    if status in ENDED or (status is None and _reply(answer) is not None):
        return None
    address = answer.get("task_address") or answer.get("task_id")
    if address is None and isinstance(answer.get("poll_url"), str):
        # Of a whole URL, only what follows the route: the key goes nowhere but to Relay.
        address = unquote(answer["poll_url"].partition("?")[0].rpartition("/tasks/")[2])
    return str(address) if address else None


def judged(answer: Mapping[str, Any], detail: ModelDetail) -> Reply:
    """What the answer has in it. Raises OpenRelayError where that is nothing."""
    reply = _reply(answer)
    if reply is not None:
        return reply
    if answer.get("error"):
        raise OpenRelayError(f"it answers with an error ({words(answer['error'])})")
    required = (detail.response_schema or {}).get("required")
    known = {*MADE, *(path[0] for path in TEXTS), "content", "error"}
    if known.isdisjoint(answer) and isinstance(required, list) and {*required} <= answer.keys():
        return Reply(None, 1)  # of a shape that this release does not know
    raise OpenRelayError("its answer has nothing in it")


def words(error: Any) -> str:
    """What an error says, on one line."""
    if isinstance(error, dict):
        error = error.get("message") or error.get("code") or error
    return " ".join(str(error).split())


def cost(
    price: Price | None, answer: Mapping[str, Any], body: Mapping[str, Any], count: int
) -> float | None:
    """US dollars by the list price, None where price and answer do not tell all of it."""
    if price is None:
        return None
    usage = answer.get("usage")
    usage = usage if isinstance(usage, dict) else {}
    counts, duration = {**answer, **usage}, _number(answer, "duration")
    spoken = next((body[key] for key in ("text", "input") if isinstance(body.get(key), str)), None)
    per_video = [v for v in (price.per_second_video or {}).values() if _is_number(v)]
    counted = (
        (price.per_1m_input_tokens, _number(counts, *TOKENS_IN), 1e6),
        (price.per_1m_output_tokens, _number(counts, *TOKENS_OUT), 1e6),
        (price.per_1k_characters, None if spoken is None else len(spoken), 1e3),
        (price.per_second_audio, duration, 1),
        (max(per_video, default=None), duration if len(per_video) == 1 else None, 1),
        (price.per_image, count, 1),
    )
    charged = [(rate, n, per) for rate, n, per in counted if rate is not None]
    if not charged or any(n is None for rate, n, _ in charged if rate):
        return None  # a part would pass for the whole
    return round(sum(rate * (n or 0) / per for rate, n, per in charged), 9)


def _reply(answer: Mapping[str, Any]) -> Reply | None:
    """What the answer has in it, as far as its shape is known."""
    texts = [_at(answer, path) for path in TEXTS]
    texts += [text for path in BLOCKS for text in _texts(_at(answer, path))]
    for text in texts:
        if isinstance(text, str) and text.strip():
            return Reply(" ".join(text.split()), 1)
    for path in (*((key,) for key in MADE), TOOL_CALLS):
        made = _at(answer, path)
        if made and isinstance(made, (str, list)):
            return Reply(None, len(made) if isinstance(made, list) else 1)
    return None


def _texts(content: Any) -> list[Any]:
    """Of an answer in blocks or parts, the texts."""
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
