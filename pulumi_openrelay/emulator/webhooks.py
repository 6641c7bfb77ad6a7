"""Webhooks: `/v1/orgs/{orgId}/webhooks`, who hears of an event, and the signature.

Their deliveries are in `deliveries`.
"""

from __future__ import annotations

import hmac
import json
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from . import pages
from .access import Call
from .area import Area, BehindTheBack, Served, set_fields
from .deliveries import Attempt, Delivery
from .store import Owned
from .wire import Refusal, timestamp, without_none

if TYPE_CHECKING:
    from .world import World

VM_EVENTS = ("vm.running", "vm.stopped", "vm.terminated", "vm.interrupted")
_DELIVERIES_SHOWN = 50


@dataclass(kw_only=True)
class Webhook(Owned):
    name: str
    url: str
    events: list[str]
    secret: str
    updated_time: float
    enabled: bool = True

    def wants(self, event: str) -> bool:
        """No events listed are the four VM events; `*` and other unknown names match nothing."""
        return self.enabled and event in (self.events or VM_EVENTS)


def emit(world: World, owner_id: str, subject_id: str, event: str, data: dict[str, Any]) -> None:
    """Queue the event for every webhook of the organization that wants it."""
    body: dict[str, Any] | None = None
    for webhook in world.store.table(Webhook).values():
        if webhook.owner_id != owner_id or not webhook.wants(event):
            continue
        if body is None:
            body = {
                "id": f"evt_{world.new_id()}",
                "type": event,
                "created_at": _to_the_second(world.now),
                "data": data,
            }
        world.outbox.queue(owner_id, webhook.id, subject_id, body)


def prepare(world: World, attempt: Attempt) -> Delivery | str:
    """The attempt with its webhook's address and signature of now."""
    webhook = world.store.table(Webhook)[attempt.receiver_id]
    if not webhook.enabled:
        return "The webhook is disabled."
    settings = world.settings
    body = json.dumps(attempt.event, separators=(",", ":")).encode()
    headers = {
        "Content-Type": "application/json",
        "X-VectorLay-Event": attempt.event["type"],
        "X-VectorLay-Delivery": attempt.id,
        "X-VectorLay-Signature": sign(webhook.secret, body, key_as_hex=settings.webhook_key_as_hex),
    }
    return Delivery(attempt.id, webhook.url, headers, body, settings.webhook_timeout_seconds)


def sign(secret: str, body: bytes, *, key_as_hex: bool = False) -> str:
    """The signature header. Whether the key is the secret's digest or its hex is unknown."""
    digest = sha256(secret.encode())
    key = digest.hexdigest().encode() if key_as_hex else digest.digest()
    return f"sha256={hmac.new(key, body, 'sha256').hexdigest()}"


def _to_the_second(seconds: float) -> str:
    stamp = timestamp(int(seconds)) or ""
    return stamp.replace(".000", "")


def _shared(webhook: Webhook) -> dict[str, Any]:
    return {
        "id": webhook.id,
        "name": webhook.name,
        "url": webhook.url,
        "events": list(webhook.events),
    }


def _state(webhook: Webhook) -> dict[str, Any]:
    return {
        **_shared(webhook),
        "enabled": webhook.enabled,
        "secretPrefix": _prefix(webhook),
        "createdAt": timestamp(webhook.created_time),
    }


def _prefix(webhook: Webhook) -> str:
    return webhook.secret[:12]


def _new_secret(world: World) -> str:
    return f"whsec_{world.new_id().replace('-', '')}"


def _require_url(url: str) -> str:
    """The service asks for HTTPS; the emulator takes HTTP too, for receivers on this machine."""
    try:
        parts = urlsplit(url)
        fine = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        fine = False
    if not fine:
        raise Refusal(400, "`url` must be an http or https URL.")
    return url


def _require_name(name: str) -> str:
    if not name.strip():
        raise Refusal(400, "`name` must not be empty.")
    return name


def _list(call: Call) -> list[dict[str, Any]]:
    rows = [
        {**_state(webhook), "updatedAt": timestamp(webhook.updated_time)}
        for webhook in pages.listed(call, Webhook)
    ]
    return pages.array(call, rows)


def _create(call: Call) -> dict[str, Any]:
    """Names and URLs may be shared; event names that nobody sends are kept and never delivered."""
    world, body = call.world, call.body
    webhook = Webhook(
        **world.new(call.caller.id, "wh"),
        name=_require_name(body["name"]),
        url=_require_url(body["url"]),
        events=body.get("events", []),
        secret=_new_secret(world),
        updated_time=world.now,
    )
    world.store.add(webhook)
    return {**_state(webhook), "secret": webhook.secret}


def _update(call: Call) -> dict[str, Any]:
    webhook, body = call.find(Webhook, "webhook"), call.body
    name = _require_name(body.get("name", webhook.name))
    url = _require_url(body.get("url", webhook.url))
    webhook.name, webhook.url = name, url
    webhook.events = body.get("events", webhook.events)
    webhook.updated_time = call.world.now
    return _shared(webhook)


def _delete(call: Call) -> None:
    """The document lists no 404: deleting an unknown webhook is 204 here."""
    webhook = call.world.store.table(Webhook).get(call.path["id"])
    if webhook is not None and webhook.owner_id == call.caller.id:
        _remove(call.world, webhook)


def _remove(world: World, webhook: Webhook) -> None:
    world.outbox.forget(webhook.id)
    world.remove(webhook)


def _toggle(call: Call) -> dict[str, Any]:
    webhook = call.find(Webhook, "webhook")
    webhook.enabled = call.body["enabled"]
    webhook.updated_time = call.world.now
    return {"id": webhook.id, "enabled": webhook.enabled}


def _regenerate_secret(call: Call) -> dict[str, Any]:
    webhook = call.find(Webhook, "webhook")
    webhook.secret = _new_secret(call.world)
    webhook.updated_time = call.world.now
    return {"id": webhook.id, "secret": webhook.secret, "secretPrefix": _prefix(webhook)}


def _list_deliveries(call: Call) -> list[dict[str, Any]]:
    """One item per attempt, newest first."""
    webhook = call.find(Webhook, "webhook")
    limit = pages.read_limit(call, _DELIVERIES_SHOWN)
    attempts = [
        attempt
        for attempt in reversed(call.world.store.table(Attempt).values())
        if attempt.receiver_id == webhook.id
    ]
    return [
        without_none(
            id=attempt.id,
            eventId=attempt.subject_id,
            eventType=attempt.event["type"],
            attemptNumber=attempt.number,
            status=attempt.status,
            statusCode=attempt.status_code,
            errorMessage=attempt.error,
            createdAt=timestamp(attempt.created_time),
            deliveredAt=timestamp(attempt.finished_time if attempt.status == "delivered" else None),
        )
        for attempt in attempts[:limit]
    ]


def _shown(world: World) -> dict[str, list[dict[str, Any]]]:
    webhooks = world.store.table(Webhook).values()
    return {"webhooks": [{"id": w.id, "name": w.name, "url": w.url} for w in webhooks]}


AREA = Area(
    operations={
        "listOrgWebhooks": Served(_list, "webhook.read"),
        "createOrgWebhook": Served(_create, "webhook.write"),
        "updateOrgWebhook": Served(_update, "webhook.write"),
        "deleteOrgWebhook": Served(_delete, "webhook.write"),
        "toggleOrgWebhook": Served(_toggle, "webhook.write"),
        "regenerateOrgWebhookSecret": Served(_regenerate_secret, "webhook.write"),
        "listOrgWebhookDeliveries": Served(_list_deliveries, "webhook.read"),
    },
    records=(Webhook,),
    shown=_shown,
    behind_the_back={"webhooks": BehindTheBack(Webhook, set_fields, _remove)},
)
