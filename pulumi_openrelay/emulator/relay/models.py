"""The models on offer: names, modes, routes and prices.

A model's full name is mode.source.model; its own name may hold slashes, colons and
dots. Names are such as the service has; the prices are the emulator's own.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

MODES = ("direct", "opengpu")
SOURCES = ("openai", "anthropic", "image", "video", "audio", "embedding", "ollama", "vllm")


@dataclass(frozen=True, slots=True)
class Usage:
    """What a call used; seconds are of audio or video."""

    input_tokens: int = 0
    output_tokens: int = 0
    images: int = 0
    characters: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Price:
    """In US dollars, by what the billing type counts; fields as in PricingItem."""

    billing_type: str
    per_1m_input_tokens: float = 0.0
    per_1m_output_tokens: float = 0.0
    per_image: float = 0.0
    per_1k_characters: float = 0.0
    per_second_audio: float = 0.0
    per_second_video: float = 0.0

    def cost(self, usage: Usage) -> float:
        """Only the rates of its billing type are not 0."""
        per_second = self.per_second_audio + self.per_second_video
        return (
            usage.input_tokens * self.per_1m_input_tokens / 1e6
            + usage.output_tokens * self.per_1m_output_tokens / 1e6
            + usage.images * self.per_image
            + usage.characters * self.per_1k_characters / 1e3
            + usage.seconds * per_second
        )


@dataclass(frozen=True, slots=True)
class Model:
    """One model of one source. `operation` serves it, `example` is a request body for it.

    `modes` are those that it is served in, each with its price.
    """

    name: str
    source: str
    tag: str
    operation: str
    modes: dict[str, Price]
    example: dict[str, Any] = field(default_factory=dict)
    model_in_body: bool = True
    async_default: bool = False
    retired: bool = False

    def full_name(self, mode: str) -> str:
        return f"{mode}.{self.source}.{self.name}"

    @property
    def streams(self) -> bool:
        return self.tag == "text-generation"


def is_full_name(name: str) -> bool:
    """Whether it is of the form mode.source.model."""
    mode, _, rest = name.partition(".")
    source, _, model = rest.partition(".")
    return mode in MODES and source in SOURCES and bool(model)


def split(name: str) -> tuple[str | None, str]:
    """The mode of a full name and the model's own name; None with an own name alone."""
    if not is_full_name(name):
        return None, name
    mode, _, model = name.split(".", 2)
    return mode, model


def _tokens(per_1m_in: float, per_1m_out: float) -> Price:
    return Price("per_token", per_1m_input_tokens=per_1m_in, per_1m_output_tokens=per_1m_out)


def _image(each: float) -> Price:
    return Price("per_image", per_image=each)


def _video(per_second: float) -> Price:
    return Price("per_second_video", per_second_video=per_second)


_HELLO = [{"role": "user", "content": "Say hello."}]


def _chat(name: str, source: str, operation: str, retired: bool = False, **modes: Price) -> Model:
    example: dict[str, Any] = {"model": name, "messages": _HELLO}
    if source == "anthropic":
        example["max_tokens"] = 64
    return Model(name, source, "text-generation", operation, modes, example, retired=retired)


def _openai(name: str, retired: bool = False, **modes: Price) -> Model:
    return _chat(name, "openai", "openai_chat_completions", retired, **modes)


def _picture(name: str, operation: str, in_body: bool, **modes: Price) -> Model:
    example = {"prompt": "A lighthouse at dusk"} | ({"model": name} if in_body else {})
    return Model(name, "image", "text-to-image", operation, modes, example, model_in_body=in_body)


def _film(name: str, operation: str, **modes: Price) -> Model:
    example = {"prompt": "A paper boat in the rain", "duration": 5}
    return Model(
        *(name, "video", "text-to-video", operation, modes, example),
        model_in_body=False,
        async_default=True,
    )


MODELS = (
    _openai("openai/gpt-4o-mini", direct=_tokens(0.15, 0.6)),
    _openai("gpt-5.4-mini", direct=_tokens(0.4, 1.6)),
    _openai("zai-org/glm-5.2", direct=_tokens(0.5, 2.0), opengpu=_tokens(0.3, 1.2)),
    _openai("openai/gpt-4-turbo", retired=True, direct=_tokens(10.0, 30.0)),
    _chat("claude-sonnet-4-6", "anthropic", "anthropic_messages", direct=_tokens(3.0, 15.0)),
    _chat("claude-haiku-4-5", "anthropic", "anthropic_messages", direct=_tokens(1.0, 5.0)),
    _chat(
        *("gpt-oss:20b", "ollama", "ollama_chat"),
        direct=_tokens(0.08, 0.3),
        opengpu=_tokens(0.05, 0.2),
    ),
    _chat("llama3.3:70b", "ollama", "ollama_chat", opengpu=_tokens(0.3, 0.5)),
    _chat(
        *("Qwen/Qwen3-8B", "vllm", "vllm_chat_completions"),
        direct=_tokens(0.06, 0.2),
        opengpu=_tokens(0.04, 0.1),
    ),
    Model(
        *("openai/text-embedding-3-small", "embedding", "feature-extraction"),
        *("openai_embeddings", {"direct": _tokens(0.02, 0.0)}),
        {"model": "openai/text-embedding-3-small", "input": "hello"},
    ),
    Model(
        *("sesame/csm-1b", "audio", "text-to-speech", "audio_tts_sesame"),
        {
            "direct": Price("per_character", per_1k_characters=0.02),
            "opengpu": Price("per_character", per_1k_characters=0.01),
        },
        {"text": "Hello.", "model": "sesame/csm-1b", "preset_voice": "conversational_a"},
    ),
    Model(
        *("openai/whisper-large-v3", "audio", "automatic-speech-recognition", "audio_asr_whisper"),
        {"direct": Price("per_second_audio", per_second_audio=0.0001)},
        {"audio_url": "https://example.com/hello.wav", "model": "openai/whisper-large-v3"},
    ),
    _picture(
        "black-forest-labs/FLUX-2-pro",
        "image_flux_generate",
        in_body=True,
        direct=_image(0.04),
        opengpu=_image(0.02),
    ),
    _picture("google/gemini-3-pro-image", "image_gemini_3_generate", True, direct=_image(0.13)),
    _picture("openai/gpt-image-2", "image_gpt_image_generate", True, direct=_image(0.07)),
    _picture("Qwen/qwen-image", "image_qwen_generate", False, direct=_image(0.03)),
    _picture("stabilityai/sd-3.5-large", "image_sd_generate", False, opengpu=_image(0.01)),
    _film("Wan-AI/Wan2.5-T2V", "video_wan_25_t2v", direct=_video(0.05)),
    _film("openai/sora-2", "video_sora_2_t2v", direct=_video(0.1)),
    _film("KlingTeam/v3-T2V", "video_kling_3_t2v", direct=_video(0.08)),
)
