"""The full name of a model: `mode.source.model`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, Literal, Self

import pulumi

from ..config import DEFAULT_RELAY_URL

MODES = {
    "direct": "by its provider",
    "opengpu": "on OpenGPU's machines",
    "auto": "wherever each request finds it",
}
SOURCES = {
    "openai": "OpenAI's dialect",
    "anthropic": "Anthropic's dialect",
    "ollama": "Ollama's dialect",
    "vllm": "vLLM, in OpenAI's dialect",
    "embedding": "embeddings",
    "audio": "audio",
    "image": "images",
    "video": "video",
}
ClientKind = Literal["openai", "anthropic", "ollama", "relay"]
"""Whose client calls it: the `openai`, `anthropic` or `ollama` package, or Relay's own."""

_CLIENTS: dict[str, tuple[ClientKind, str]] = {
    "openai": ("openai", "/v2/openai/v1"),
    "vllm": ("openai", "/v2/vllm/v1"),
    "embedding": ("openai", "/v2/openai/v1"),
    "anthropic": ("anthropic", "/v2/anthropic"),
    "ollama": ("ollama", "/v2/ollama"),
}
_FORM = re.compile(r"[a-z][a-z0-9_-]*\.[a-z][a-z0-9_-]*\.\S(.*\S)?")
ANTHROPIC_VERSION = "2023-06-01"


class NoSuchModel(pulumi.RunError, ValueError):
    """A text that is no name of a model; Pulumi shows it as one line."""


class ModelName(str):
    """A model as Relay names it in restrictions, allowlists and usage: a text, so that an input
    takes it as it is.

        name = ModelName.parse("direct.ollama.gpt-oss:20b")
        OpenAI(base_url=name.base_url(), api_key=key)  # where name.client is "openai"

    mode: who runs it. source: what it speaks. model: its own name, with the dots, slashes, colons
    and spaces within it, by which requests call it. A mode or a source that this release does not
    know is as good as any; `unknown` says so.
    """

    __slots__ = ()

    def __new__(cls, mode: str, source: str, model: str) -> Self:
        return super().__new__(cls, f"{mode}.{source}.{model}")

    # A text is made anew of one argument, this of three.
    def __getnewargs__(self) -> tuple[str, str, str]:  # type: ignore[override]
        return self.mode, self.source, self.model

    @property
    def mode(self) -> str:
        return self.split(".", 2)[0]

    @property
    def source(self) -> str:
        return self.split(".", 2)[1]

    @property
    def model(self) -> str:
        return self.split(".", 2)[2]

    @classmethod
    def parse(cls, text: str) -> ModelName:
        """The parts of `mode.source.model`. Raises NoSuchModel."""
        problem = not_a_model(text)
        if problem is not None:
            raise NoSuchModel(f"{text!r} is no model of Relay: it {problem}")
        return cls(*text.split(".", 2))

    @property
    def client(self) -> ClientKind:
        """The client that calls it; Relay's own where the source is audio, image, video or one
        that this release does not know: `relay.model` then tells the route."""
        return _CLIENTS.get(self.source, ("relay", ""))[0]

    def base_url(self, relay_url: str = DEFAULT_RELAY_URL) -> str:
        """What its client takes as base URL. relay_url: where Relay is, `relay:baseUrl`."""
        return relay_url.rstrip("/") + _CLIENTS.get(self.source, ("relay", ""))[1]

    def headers(self, api_key: str) -> dict[str, str]:
        """What its client sends beside the body."""
        if self.client == "anthropic":
            return {"x-api-key": api_key, "anthropic-version": ANTHROPIC_VERSION}
        if self.client == "relay":
            return {"x-api-key": api_key}
        return {"authorization": f"Bearer {api_key}"}

    @property
    def unknown(self) -> str | None:
        """What this release does not know of it, as the rest of a sentence; None: nothing."""
        for word, there, what in ((self.mode, MODES, "mode"), (self.source, SOURCES, "source")):
            if word not in there:
                return f"names the {what} {word}, which is not one of {', '.join(there)}"
        return None

    def explain(self) -> str:
        """One sentence for people."""
        ran = MODES.get(self.mode, f"in the mode {self.mode}")
        speaks = SOURCES.get(self.source, f"the source {self.source}")
        package = "relaygpu-client" if self.client == "relay" else self.client
        return (
            f"{self}: the model {self.model} ({speaks}), run {ran}, called by the package "
            f"{package} at {self.base_url()}"
        )


def not_a_model(name: str) -> str | None:
    """Why it is no name of a model, None where it is one."""
    if isinstance(name, str) and name.isprintable() and _FORM.fullmatch(name):
        return None
    return "should be mode.source.model, such as direct.openai.gpt-4o-mini"


def not_models(names: Sequence[str]) -> str | None:
    """Why a list that restricts or allows models is no good, None where it is."""
    for name in names:
        problem = not_a_model(name)
        if problem is None and ModelName.parse(name).mode == "auto":
            problem = "should name direct or opengpu: auto is chosen for each request"
        if problem is not None:
            return f"{problem}, not {name!r}"
    return None


def remarks(property_name: str, names: Any) -> Iterator[str]:
    """A warning for each name with a mode or source that this release does not know. names: a
    list, of which any part may be unknown yet, or None."""
    for name in names if isinstance(names, list) else ():
        unknown = ModelName.parse(name).unknown if isinstance(name, str) else None
        if unknown is not None:
            yield f"{property_name}: {name} {unknown}; it is sent as it is"
