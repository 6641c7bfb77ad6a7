"""For whoever receives webhooks: is this delivery from the service, and is it fresh?

    event = verify(request.body, request.headers, secret)

`secret` is the output `secret` of `Webhook` or of `relay.WebhookSecret`; give the old one too while
it is being changed. Each service signs in its own way, which the headers tell:

- OpenRelay: `x-vectorlay-signature` over the body, which has the event's time.
- Relay: Standard Webhooks, `webhook-signature` over `webhook-id`, `webhook-timestamp` and the body.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import EllipsisType
from typing import Any

from .errors import OpenRelayError

SIGNATURE = "x-vectorlay-signature"
STANDARD_SIGNATURE = "webhook-signature"
# The last of a delivery's attempts comes about six minutes after its event.
TOLERANCE_SECONDS = 900.0
# Standard Webhooks signs the time of each attempt.
STANDARD_TOLERANCE_SECONDS = 300.0


class NotVerified(OpenRelayError):
    """The delivery is not to be trusted; `what` says why."""


@dataclass(frozen=True, slots=True)
class _Delivery:
    """One whose signature fits. signed_at: seconds since the epoch. tolerance: seconds."""

    event: dict[str, Any]
    id: str
    signed_at: float
    tolerance: float


def verify(
    body: bytes,
    headers: Mapping[str, str | None],
    secret: str | Sequence[str | None] | None,
    *,
    tolerance_seconds: float | EllipsisType | None = ...,
    now: float | None = None,
    seen: Callable[[str], bool] | None = None,
) -> dict[str, Any]:
    """The event of a delivery, which is its body. Raises NotVerified.

    body: the raw bytes, as received. headers: by name, in any case. secret: the signing secret, or
    several of which one must fit; an empty one, or None, fits nothing. tolerance_seconds: how old,
    or how far in the future, it may be; left out, 900 for OpenRelay and 300 for Relay; None: any
    age. now: seconds since the epoch; None: this machine's clock. seen: asked with the delivery's
    id, which is the same each time that an event is delivered, whether it was handled before; what
    was is refused.
    """
    given = {name.lower(): value for name, value in headers.items() if value is not None}
    several = [secret] if secret is None or isinstance(secret, str) else secret
    # What an empty one signs, anybody can sign.
    secrets = [one for one in several if one and _standard_text(one)]
    if not secrets:
        raise NotVerified("there is no secret to verify the delivery with")
    read = _read_standard if STANDARD_SIGNATURE in given else _read_openrelay
    delivery = read(body, given, secrets)
    tolerance = delivery.tolerance if tolerance_seconds is ... else tolerance_seconds
    age = (time.time() if now is None else now) - delivery.signed_at
    if tolerance is not None and abs(age) > tolerance:
        raise NotVerified(f"the delivery is {age:.0f} s old, which may be a replay")
    if seen is not None and seen(delivery.id):
        raise NotVerified(f"the delivery {delivery.id} was handled before")
    return delivery.event


def _read_openrelay(body: bytes, given: Mapping[str, str], secrets: Sequence[str]) -> _Delivery:
    """Signed with the secret's SHA-256.

    Whether the digest is taken as bytes or as its hex text is unknown, so both are good.
    """
    scheme, _, signature = given.get(SIGNATURE, "").partition("=")
    if scheme != "sha256" or not signature:
        raise NotVerified(
            f"the delivery has no header {SIGNATURE} with a sha256 signature, and no "
            f"{STANDARD_SIGNATURE}"
        )
    digests = [hashlib.sha256(_bytes(secret)) for secret in secrets]
    keys = [key for d in digests for key in (d.digest(), d.hexdigest().encode())]
    expected = [hmac.new(key, body, hashlib.sha256).hexdigest().encode() for key in keys]
    _require_one([_bytes(signature.lower())], expected)
    event = _event(body)
    try:
        return _Delivery(event, str(event["id"]), _seconds(event["created_at"]), TOLERANCE_SECONDS)
    except (ValueError, KeyError, TypeError):
        raise NotVerified("the body is no event with an id and a time") from None


def _read_standard(body: bytes, given: Mapping[str, str], secrets: Sequence[str]) -> _Delivery:
    """Standard Webhooks, version 1: several signatures, while a secret is being changed."""
    message, sent = given.get("webhook-id", ""), given.get("webhook-timestamp", "").strip()
    if not message or not sent.isdecimal():
        raise NotVerified("the delivery has no webhook-id, or no webhook-timestamp in seconds")
    signed = _bytes(f"{message}.{sent}.") + body
    keys = [key for key in map(_standard_key, secrets) if key]
    if not keys:
        raise NotVerified("no secret is one of Standard Webhooks: whsec_ and base64")
    expected = [base64.b64encode(hmac.digest(key, signed, "sha256")) for key in keys]
    versions = (part.partition(",") for part in given[STANDARD_SIGNATURE].split())
    _require_one([_bytes(text) for version, _, text in versions if version == "v1"], expected)
    return _Delivery(_event(body), message, float(sent), STANDARD_TOLERANCE_SECONDS)


def _standard_key(secret: str) -> bytes | None:
    text = _standard_text(secret)
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None


def _standard_text(secret: str) -> str:
    return secret.strip().removeprefix("whsec_").strip()


def _bytes(text: str) -> bytes:
    """In UTF-8, the surrogates too that a server makes of bytes that are none: such a text is of
    somebody else, and has to be refused like any other."""
    return text.encode(errors="surrogatepass")


def _require_one(given: Sequence[bytes], expected: Sequence[bytes]) -> None:
    """Compare each with each, in constant time. Raises NotVerified."""
    fits = False
    for signature in given:
        for good in expected:
            fits |= hmac.compare_digest(good, signature)
    if not fits:
        raise NotVerified("the signature does not fit the body and the secret")


def _event(body: bytes) -> dict[str, Any]:
    try:
        event = json.loads(body)
    except (ValueError, RecursionError):
        event = None
    if not isinstance(event, dict):
        raise NotVerified("the body is no event")
    return event


def _seconds(timestamp: str) -> float:
    moment = datetime.fromisoformat(timestamp)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
