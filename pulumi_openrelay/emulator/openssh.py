"""OpenSSH public key lines: what is one, and its fingerprint."""

from __future__ import annotations

import base64
import binascii
import re
import unicodedata
from hashlib import sha256

# Per type, the length of each string that follows the type's name in the blob;
# None is any length. RSA's numbers are checked apart.
_BLOBS: dict[str, tuple[int | None, ...]] = {
    "ssh-ed25519": (32,),
    "ssh-rsa": (None, None),
    "ecdsa-sha2-nistp256": (8, 65),
    "ecdsa-sha2-nistp384": (8, 97),
    "ecdsa-sha2-nistp521": (8, 133),
    "sk-ssh-ed25519@openssh.com": (32, None),
    "sk-ecdsa-sha2-nistp256@openssh.com": (8, 65, None),
}
_RSA_BITS_MIN = 1024  # OpenSSH's own; the service's is unknown

# Letters of Unicode's grapheme break class Prepend; the other characters of the
# class are format characters, which are not printable anyway.
_PREPEND = frozenset(
    "\u0d4e\U000111c2\U000111c3\U0001193f\U00011941\U00011a3a\U00011a84\U00011a85"
    "\U00011a86\U00011a87\U00011a88\U00011a89\U00011d46\U00011f02"
)


def parse(line: str, *, any_comment: bool = False) -> tuple[str, str, str]:
    """Type, base64 blob and comment of one OpenSSH public key line.

    any_comment: whether what CreateSshKeyRequest says of comments does not hold.

    Raises ValueError with a sentence, as CreateSshKeyRequest describes.
    """
    line = line.strip(" \t\r\n")
    if any(mark in line for mark in "\r\n"):
        raise ValueError("A public key is exactly one line.")
    kind, encoded, comment, *_ = [*re.split(r"[ \t]+", line, maxsplit=2), "", ""]
    if kind not in _BLOBS:
        raise ValueError("The line must begin with a supported key type, without any options.")
    encoded = _checked(kind, encoded)
    comment = unicodedata.normalize("NFC", comment)
    strange = not comment.isprintable() or not _PREPEND.union(",$%").isdisjoint(comment)
    if strange and not any_comment:
        raise ValueError("The comment holds a character that is not allowed.")
    return kind, encoded, comment


def fingerprint(encoded: str) -> str:
    """`SHA256:…` of a key's base64 blob, as ssh-keygen shows it."""
    digest = base64.b64encode(sha256(base64.b64decode(encoded)).digest()).decode()
    return f"SHA256:{digest.rstrip('=')}"


def _checked(kind: str, encoded: str) -> str:
    """The blob in canonical base64, if it is a key of this type."""
    try:
        blob = whole = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("The key is not valid base64.") from None
    strings = []
    while blob:
        length = int.from_bytes(blob[:4])
        if len(blob) < 4 + length:
            raise ValueError("The key is cut off.")
        strings.append(blob[4 : 4 + length])
        blob = blob[4 + length :]
    lengths = _BLOBS[kind]
    if not strings or strings[0] != kind.encode():
        raise ValueError("The key is not of the type that the line names.")
    fits = len(strings) == 1 + len(lengths) and all(
        length in (None, len(string)) for length, string in zip(lengths, strings[1:], strict=True)
    )
    if not fits or (kind == "ssh-rsa" and _bits(strings[2]) < _RSA_BITS_MIN):
        raise ValueError("The key's parts are not those of its type.")
    curve = kind.removeprefix("sk-").removesuffix("@openssh.com").removeprefix("ecdsa-sha2-")
    if "ecdsa" in kind and (strings[1] != curve.encode() or strings[2][:1] != b"\x04"):
        raise ValueError("The key's point is not on its curve.")
    return base64.b64encode(whole).decode()


def _bits(number: bytes) -> int:
    return int.from_bytes(number).bit_length()
