"""The webhook secret, and the events that are signed with it.

Standard Webhooks: the signature is over id, timestamp and body. After a rotation the
previous secret is valid for another day, and deliveries carry both signatures; only
two are ever valid.
"""

from __future__ import annotations

import base64
import hmac
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ..area import Area, Served
from ..deliveries import Attempt, Delivery
from ..store import Owned
from ..wire import timestamp
from . import access

if TYPE_CHECKING:
    from .access import Call
    from .world import RelayWorld

OVERLAP_SECONDS = 86_400.0
_PREFIX = "whsec_"


@dataclass(kw_only=True)
class WebhookSecret(Owned):
    """A customer's; `previous` is valid until `previous_until`."""

    secret: str
    previous: str | None = None
    previous_until: float | None = None

    def valid(self, now: float) -> list[str]:
        """The newest first."""
        if self.previous and self.previous_until and now < self.previous_until:
            return [self.secret, self.previous]
        return [self.secret]


def secret_of(world: RelayWorld, customer_id: str) -> WebhookSecret:
    """Made when it is first asked for."""
    for secret in world.store.table(WebhookSecret).values():
        if secret.owner_id == customer_id:
            return secret
    made = WebhookSecret(**world.new(customer_id), secret=_new(world))
    world.store.add(made)
    return made


def is_url(url: str) -> bool:
    """The service asks for HTTPS; the emulator takes HTTP too, for receivers on this machine."""
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def emit(world: RelayWorld, customer_id: str, url: str | None, event: dict[str, Any]) -> None:
    """Send an event to the URL that was given with what it is about; None is nobody."""
    if url is not None:
        world.outbox.queue(customer_id, url, world.new_id("msg"), event)


def prepare(world: RelayWorld, attempt: Attempt) -> Delivery:
    """The attempt, signed with the secrets of now; its id is the same each time."""
    body = json.dumps(attempt.event, separators=(",", ":")).encode()
    sent = str(int(world.now))
    secrets = secret_of(world, attempt.owner_id).valid(world.now)
    headers = {
        "Content-Type": "application/json",
        "webhook-id": attempt.subject_id,
        "webhook-timestamp": sent,
        "webhook-signature": " ".join(
            sign(secret, attempt.subject_id, sent, body) for secret in secrets
        ),
    }
    timeout = world.settings.webhook_timeout_seconds
    return Delivery(attempt.id, attempt.receiver_id, headers, body, timeout)


def sign(secret: str, message_id: str, sent: str, body: bytes) -> str:
    """One signature of the `webhook-signature` header."""
    key = base64.b64decode(secret.removeprefix(_PREFIX))
    digest = hmac.digest(key, f"{message_id}.{sent}.".encode() + body, "sha256")
    return f"v1,{base64.b64encode(digest).decode()}"


def _new(world: RelayWorld) -> str:
    key = bytes.fromhex(world.new_id("key")[4:] + world.new_id("key")[4:])
    return _PREFIX + base64.b64encode(key).decode()


def _describe(secret: WebhookSecret, now: float) -> dict[str, Any]:
    overlap = len(secret.valid(now)) > 1
    return {
        "secret": secret.secret,
        "created_at": timestamp(secret.created_time),
        "previous_valid_until": timestamp(secret.previous_until) if overlap else None,
    }


def _get(call: Call) -> dict[str, Any]:
    return _describe(secret_of(call.world, call.caller.owner_id), call.world.now)


def _rotate(call: Call) -> dict[str, Any]:
    world = call.world
    secret = secret_of(world, call.caller.owner_id)
    secret.previous, secret.secret = secret.secret, _new(world)
    secret.previous_until = world.now + OVERLAP_SECONDS
    secret.created_time = world.now
    return _describe(secret, world.now)


AREA = Area(
    operations={
        "getWebhookSecret": Served(_get, access.ACCOUNT),
        "rotateWebhookSecret": Served(_rotate, access.ACCOUNT),
    },
    records=(WebhookSecret,),
)
