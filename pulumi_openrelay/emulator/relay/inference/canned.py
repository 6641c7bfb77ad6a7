"""Small files of every kind, well-formed, the same each time."""

from __future__ import annotations

import io
import struct
import wave
import zlib
from functools import cache

CONTENT_TYPES = {"png": "image/png", "wav": "audio/wav", "mp4": "video/mp4"}

_SPEECH_RATE = 8000
SPEECH_SECONDS = 0.5


@cache
def file(suffix: str) -> bytes:
    """One pixel, half a second of silence, or the header of an empty film."""
    match suffix:
        case "png":
            return _png()
        case "wav":
            return _wav()
        case _:
            return _mp4()


def _png() -> bytes:
    header = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    pixel = zlib.compress(b"\x00\x33\x66\x99")
    chunks = ((b"IHDR", header), (b"IDAT", pixel), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


def _wav() -> bytes:
    written = io.BytesIO()
    with wave.open(written, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(_SPEECH_RATE)
        sound.writeframes(bytes(2 * int(_SPEECH_RATE * SPEECH_SECONDS)))
    return written.getvalue()


def _mp4() -> bytes:
    brands = b"isom" + struct.pack(">I", 512) + b"isomiso2mp41"
    return struct.pack(">I", 8 + len(brands)) + b"ftyp" + brands + struct.pack(">I", 8) + b"mdat"
