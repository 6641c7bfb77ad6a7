"""Names that find again what a lost answer made, and never find another's machine.

A name that the program leaves out is `<logical name>-<16 hex>-<6 hex>`. The first eight digits come
of the stack's owner, the second of the owner and the URN: nobody else's resource has them, and all
that this resource ever made has them. The six come of the inputs that force a replacement and of
the id that is being replaced, so that a replacement never finds the machine it replaces, and a
repeated one finds its own.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from typing import Any

LONGEST_NAME = 63
_TAIL = len("-0123456789abcdef-012345")


def prefix(owner: str, urn: str, logical_name: str) -> str:
    """What the names of everything that this resource makes begin with."""
    stem = re.sub(r"[^a-z0-9]+", "-", logical_name.lower()).strip("-")
    # A name begins with a letter, so that it can stand in a host name.
    if not stem[:1].isalpha():
        stem = f"r-{stem}"
    stem = stem[: LONGEST_NAME - _TAIL].rstrip("-")
    return f"{stem}-{_owner_mark(owner)}{_digest(owner, urn)[:8]}-"


def is_of_resource(prefix: str, name: str) -> bool:
    """Whether the resource with this prefix chose the name. One that a program has built from it,
    such as `<name>-data`, is another's."""
    # Asked of each row of a list: what has the prefix is few.
    return name.startswith(prefix) and re.fullmatch("[0-9a-f]{6}", name[len(prefix) :]) is not None


def is_of_stack(owner: str, name: str) -> bool:
    """Whether a resource of this owner's stack chose the name."""
    return re.search(f"-{_owner_mark(owner)}[0-9a-f]{{8}}-[0-9a-f]{{6}}$", name) is not None


def without_mark(name: str) -> str:
    """The name without what marks it as chosen by this package; as it is where it has no mark."""
    return re.sub(r"-[0-9a-f]{16}-[0-9a-f]{6}$", "", name)


def suffix(owner: str, urn: str, replacing: Mapping[str, Any], replaced_id: str | None) -> str:
    """What tells the things apart that this resource makes one after the other.

    replacing: the inputs that force a replacement, without those that are not given: a new optional
    property in a release must not rename anything.
    """
    return _digest(owner, urn, json.dumps(replacing, sort_keys=True), replaced_id or "")[:6]


def digest(owner: str, urn: str, replacing: Mapping[str, Any]) -> str:
    """What tells whether a create asked for the same. replacing: as `Kind.replacing` says."""
    return _digest(owner, urn, json.dumps(replacing, sort_keys=True))[:32]


def idempotency_key(owner: str, urn: str, name: str, replaced_id: str | None, attempt: int) -> str:
    """The key of a create: the same program and state give the same key, and a replacement of the
    same name another.

    attempt: counted up where the API answers a key with a machine that has ended since.
    """
    return _digest(owner, urn, name, replaced_id or "", str(attempt))[:32]


def _owner_mark(owner: str) -> str:
    return _digest(owner, "owner")[:8]


def _digest(owner: str, *parts: str) -> str:
    """Keyed with the owner, which is random and never leaves the state: it tells nothing of
    inputs."""
    return hmac.new(owner.encode(), "\0".join(parts).encode(), hashlib.sha256).hexdigest()
