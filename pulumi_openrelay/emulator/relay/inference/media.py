"""Speech, transcription, images and videos: what each is asked for, counts as and answers.

Their submits, at once or as tasks, are in `tasks`.
"""

from __future__ import annotations

import base64
from typing import Any

from ...area import Area, Served
from .. import access
from ..models import Usage
from . import canned
from .tasks import Product, submit

_PRESETS = ("conversational_a", "conversational_b", "read_speech_a", "read_speech_b")
_TRANSCRIPT = "This is an emulated transcript."
_TRANSCRIBED_SECONDS = 2.5
_VIDEO_SECONDS = 5
_VIDEO_SECONDS_MAX = 3600
_IMAGES_MAX = 4

_Json = dict[str, Any]


def _list_presets(_call: Any) -> _Json:
    """Their shape is unknown."""
    return {"presets": [{"name": name, "description": "A voice"} for name in _PRESETS]}


def _spoken(_body: _Json, model: str, urls: list[str]) -> _Json:
    return {
        "audio_url": urls[0],
        "content_type": canned.CONTENT_TYPES["wav"],
        "model": model,
        "duration": canned.SPEECH_SECONDS,
    }


def _transcribed(body: _Json, _model: str, _urls: list[str]) -> _Json:
    result: _Json = {
        "text": _TRANSCRIPT,
        "language": "en" if body.get("task") == "translate" else body.get("language") or "en",
        "duration": _TRANSCRIBED_SECONDS,
    }
    if body.get("return_timestamps"):
        words = _TRANSCRIPT.split()
        each = _TRANSCRIBED_SECONDS / len(words)
        result["words"] = [
            {"word": word, "start": index * each, "end": (index + 1) * each}
            for index, word in enumerate(words)
        ]
    return result


def _image_count(body: _Json) -> int:
    return max(1, min(body.get("n") or 1, _IMAGES_MAX))


def _images_of(*shapes: str) -> Product:
    """An image route; answers carry links (`urls`), base64 (`images`) or OpenAI's `data`."""

    def result(body: _Json, model: str, urls: list[str]) -> _Json:
        encoded = [base64.b64encode(canned.file("png")).decode()] * len(urls)
        every = {"urls": urls, "images": encoded, "data": [{"b64_json": one} for one in encoded]}
        return {
            **{shape: every[shape] for shape in shapes},
            "model": model,
            "width": body.get("width") or 1024,
            "height": body.get("height") or 1024,
        }

    return Product(
        usage=lambda body: Usage(images=_image_count(body)),
        files=lambda body: ["png"] * _image_count(body),
        result=result,
    )


def _film_seconds(body: _Json) -> int:
    return max(1, min(body.get("duration") or _VIDEO_SECONDS, _VIDEO_SECONDS_MAX))


def _filmed(body: _Json, model: str, urls: list[str]) -> _Json:
    return {
        "videos": urls,
        "urls": urls,
        "model": model,
        "duration": _film_seconds(body),
        "size": body.get("size") or "1280x720",
    }


_SPEECH = Product(
    usage=lambda body: Usage(characters=len(body["text"])),
    files=lambda _body: ["wav"],
    result=_spoken,
)
_TRANSCRIPTION = Product(
    usage=lambda _body: Usage(seconds=_TRANSCRIBED_SECONDS),
    files=lambda _body: [],
    result=_transcribed,
)
_VIDEO = Product(
    usage=lambda body: Usage(seconds=_film_seconds(body)),
    files=lambda _body: ["mp4"],
    result=_filmed,
)

AREA = Area(
    operations={
        "audio_tts_presets": Served(_list_presets, None),
        **{
            operation: Served(submit(product), access.KEY)
            for operation, product in {
                "audio_tts_sesame": _SPEECH,
                "audio_asr_whisper": _TRANSCRIPTION,
                "image_flux_generate": _images_of("urls", "images"),
                "image_gemini_3_generate": _images_of("images"),
                "image_gpt_image_generate": _images_of("data"),
                "image_qwen_generate": _images_of("urls"),
                "image_sd_generate": _images_of("images"),
                "video_wan_25_t2v": _VIDEO,
                "video_sora_2_t2v": _VIDEO,
                "video_kling_3_t2v": _VIDEO,
            }.items()
        },
    }
)
