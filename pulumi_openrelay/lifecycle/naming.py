"""Names that find again what a lost answer made, and never find another's machine.

A name that the program leaves out is `<logical name>-<8 hex>-<6 hex>`. The eight digits come of the
stack's owner and the URN: nobody else's resource has them, and all that this resource ever made has
them. The six come of the inputs that force a replacement and of the id that is being replaced, so
that a replacement never finds the machine it replaces, and a repeated one finds its own.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from typing import Any

LONGEST_NAME = 63


def prefix(owner: str, urn: str, logical_name: str) -> str:
    """What the names of everything that this resource makes begin with."""
    mark = _digest(owner, urn)[:8]
    stem = re.sub(r"[^a-z0-9]+", "-", logical_name.lower()).strip("-")
    stem = stem[: LONGEST_NAME - len("-12345678-123456")].rstrip("-")
    # A name begins with a letter, so that it can stand in a host name.
    if not stem[:1].isalpha():
        stem = f"r-{stem}".rstrip("-")[: LONGEST_NAME - len("-12345678-123456")]
    return f"{stem}-{mark}-"


def suffix(owner: str, urn: str, replacing: Mapping[str, Any], replaced_id: str | None) -> str:
    """What tells the things apart that this resource makes one after the other.

    replacing: the inputs that force a replacement, without those that are not given: a new optional
    property in a release must not rename anything.
    """
    return _digest(owner, urn, json.dumps(replacing, sort_keys=True), replaced_id or "")[:6]


def idempotency_key(owner: str, urn: str, name: str, attempt: int) -> str:
    """The key of a create: the same program and state give the same key.

    attempt: counted up where the API answers a key with a machine that has ended since.
    """
    return _digest(owner, urn, name, str(attempt))[:32]


def _digest(owner: str, *parts: str) -> str:
    """Keyed with the owner, which is random and never leaves the state: it tells nothing of
    inputs."""
    return hmac.new(owner.encode(), "\0".join(parts).encode(), hashlib.sha256).hexdigest()
