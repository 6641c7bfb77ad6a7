"""Fingerprints of inputs, by which a review is held to secrets that it does not contain.

A review makes a key of its own and hands it in the environment (`config.REVIEW_KEY`) to the policy
pack, which sees every input in clear. A fingerprint tells nothing to those who do not have the key:
they cannot try values out. Two resources with the same value have different fingerprints.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any

from .reading import UNKNOWN

POLICY = "input-fingerprints"
"""The policy that reports them; it is there only where there is a key."""
_BEGINNING = "fingerprints: "


def of(key: str, urn: str, inputs: Mapping[str, Any]) -> dict[str, str]:
    """A fingerprint of each input of a resource, by the input's name."""
    return {
        name: hmac.new(
            key.encode(), json.dumps([urn, name, value], **_JSON).encode(), hashlib.sha256
        ).hexdigest()
        for name, value in inputs.items()
    }


def write(fingerprints: Mapping[str, str]) -> str:
    """What the policy reports."""
    return _BEGINNING + json.dumps(fingerprints, sort_keys=True)


def read(message: str) -> dict[str, str]:
    """The fingerprints in the policy's message."""
    found: dict[str, str] = json.loads(message.rpartition(_BEGINNING)[2])
    return found


def _other(value: Any) -> Any:
    return "unknown" if value is UNKNOWN else repr(type(value))


_JSON: dict[str, Any] = {"sort_keys": True, "default": _other}
