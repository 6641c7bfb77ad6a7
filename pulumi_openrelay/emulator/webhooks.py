"""Webhooks: `/v1/orgs/{orgId}/webhooks`. Their deliveries are in `deliveries`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from . import pages
from .area import Area, BehindTheBack, Call, Served, set_fields
from .deliveries import Attempt, Webhook
from .wire import Refusal, timestamp, without_none

if TYPE_CHECKING:
    from .world import World

_DELIVERIES_SHOWN = 50


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
        **world.new(call.organization.id, "wh"),
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
    if webhook is not None and webhook.organization_id == call.organization.id:
        _remove(call.world, webhook)


def _remove(world: World, webhook: Webhook) -> None:
    world.outbox.forget(webhook)
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
        if attempt.webhook_id == webhook.id
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
    records=(Webhook, Attempt),
    behind_the_back={"webhooks": BehindTheBack(Webhook, set_fields, _remove)},
)
