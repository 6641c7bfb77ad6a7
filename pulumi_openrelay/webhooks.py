"""For whoever receives webhooks: is this delivery from the service, and is it fresh?

    event = verify(request.body, request.headers, secret)

`secret` is the webhook's output `secret`; give the old one too while it is being changed.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from .errors import OpenRelayError

SIGNATURE = "x-vectorlay-signature"
# The last of a delivery's attempts comes about six minutes after its event.
TOLERANCE_SECONDS = 900.0


class NotVerified(OpenRelayError):
    """The delivery is not to be trusted; `what` says why."""


def verify(
    body: bytes,
    headers: Mapping[str, str],
    secret: str | Sequence[str],
    *,
    tolerance_seconds: float | None = TOLERANCE_SECONDS,
    now: float | None = None,
) -> dict[str, Any]:
    """The event of a delivery: `{"id", "type", "created_at", "data"}`. Raises NotVerified.

    body: the raw bytes, as received. headers: by name, in any case. secret: the signing secret, or
    several of which one must fit. tolerance_seconds: how old, or how far in the future, an event
    may be; None: any age. now: seconds since the epoch; None: this machine's clock. An event that
    is delivered again has the same `id`: keep those that were handled.
    """
    given = {name.lower(): value for name, value in headers.items()}
    scheme, _, signature = given.get(SIGNATURE, "").partition("=")
    if scheme != "sha256" or not signature:
        raise NotVerified(f"the delivery has no header {SIGNATURE} with a sha256 signature")
    secrets = [secret] if isinstance(secret, str) else list(secret)
    fits = [_signed(body, signature, candidate) for candidate in secrets]
    if not any(fits):
        raise NotVerified("the signature does not fit the body and the secret")
    try:
        event = json.loads(body)
        age = (time.time() if now is None else now) - _seconds(event["created_at"])
    except (ValueError, KeyError, TypeError):
        raise NotVerified("the body is no event with a time") from None
    if tolerance_seconds is not None and abs(age) > tolerance_seconds:
        raise NotVerified(f"the event is {age:.0f} s old, which may be a replay")
    found: dict[str, Any] = event
    return found


def _signed(body: bytes, signature: str, secret: str) -> bool:
    """Whether the body was signed with the secret's SHA-256, in constant time.

    Whether the digest is taken as bytes or as its hex text is unknown, so both are good.
    """
    digest = hashlib.sha256(secret.encode())
    fits = False
    for key in (digest.digest(), digest.hexdigest().encode()):
        expected = hmac.new(key, body, hashlib.sha256).hexdigest()
        fits |= hmac.compare_digest(expected.encode(), signature.lower().encode())
    return fits


def _seconds(timestamp: str) -> float:
    moment = datetime.fromisoformat(timestamp)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
