"""Webhooks: `/v1/orgs/{orgId}/webhooks`."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from typing import TYPE_CHECKING

from ..lifecycle.declare import Create, Delete, Inputs, Kind, Listed, Row, in_place
from ..lifecycle.fields import In, InList, Out, blank_element, output, setting, updates
from ..lifecycle.url import not_a_url
from ..resource import Resource

if TYPE_CHECKING:
    from ..lifecycle.remote import Remote

KNOWN_EVENTS = frozenset(
    {
        "vm.running",
        "vm.stopped",
        "vm.terminated",
        "vm.interrupted",
        "batch.completed",
        "batch.failed",
        "batch.expired",
        "batch.cancelled",
        "balance.low",
        "balance.depleted",
        "endpoint.ready",
        "endpoint.disabled",
        "endpoint.deleted",
        # API 0.1.0 alone:
        "cluster.running",
        "cluster.degraded",
        "cluster.failed",
        "replica.healthy",
        "replica.unhealthy",
        "replica.terminated",
    }
)


BY_DEFAULT = frozenset({"vm.running", "vm.stopped", "vm.terminated", "vm.interrupted"})


def _same_events(old: list[str], new: list[str]) -> bool:
    # The API may give back what an empty list means: the four, or all of them.
    empty = not old or not new
    return set(old) == set(new) or (empty and {*old, *new} >= BY_DEFAULT)


class Webhook(Resource, module="openrelay", name="Webhook"):
    """A URL that gets a signed POST for every event that it lists.

    Everything about it changes in place. The signing secret is shown once, when it is made, and is
    kept as a Pulumi secret; `secret_version` makes a new one.

    API: `createOrgWebhook`, `updateOrgWebhook`, `toggleOrgWebhook`, `regenerateOrgWebhookSecret`.
    """

    url: In[str] = updates(problem=not_a_url)
    """Where deliveries are sent: an http(s) URL."""
    name: In[str | None] = updates(default=None, min_length=1)
    """What the webhook is called. Default: made of the resource's name."""
    events: InList[str] = updates(default=None, absent=[], same=_same_events, problem=blank_element)
    """The event types to deliver, such as `vm.running`. Default, and the meaning of an empty list:
    the four `vm.*` events. A name that the API does not know is stored and never delivered."""
    enabled: In[bool | None] = updates(default=None, absent=True, in_create=False)
    """False keeps the webhook and delivers nothing. Default: True."""
    secret_version: In[str | int | None] = updates(default=None, readable=False, in_create=False)
    """Any text or number: another one regenerates the signing secret; the first value, and leaving
    it out again, does not. Default: None."""
    adopt: In[bool | None] = setting(default=None, absent=False)
    """Take over an existing webhook of the same `name` instead of failing; its secret stays as it
    is, and unknown here until `secret_version` changes from one value to another. Default:
    False."""

    secret: Out[str | None] = output(secret=True, readable=False)
    """The signing secret, `whsec_...`; None where the API never showed it to this stack."""
    secret_prefix: Out[str] = output()
    """How the secret begins."""
    created_at: Out[str] = output()
    """When it was made: RFC 3339, UTC."""
    updated_at: Out[str | None] = output()
    """When it was last changed: RFC 3339, UTC."""
    adopted: Out[bool] = output(readable=False)
    """True where `adopt` took over an existing webhook, which a delete leaves in place."""


class WebhookKind(Kind, resource=Webhook):
    noun = "webhook"
    listed = Listed("/v1/orgs/{org}/webhooks")
    create = Create("/v1/orgs/{org}/webhooks/create")
    delete = Delete("DELETE", "/v1/orgs/{org}/webhooks/{id}")
    shown_once = True
    anew = None

    def remarks(self, inputs: Inputs) -> Iterator[str]:
        events = inputs.get("events")
        for event in events if isinstance(events, list) else ():
            if isinstance(event, str) and event not in KNOWN_EVENTS:
                close = get_close_matches(event, sorted(KNOWN_EVENTS), n=1, cutoff=0.8)
                meant = f"; did you mean {close[0]}?" if close else ""
                yield (
                    f"events: the API documents no event {event!r}: it stores and never delivers "
                    f"it{meant}"
                )

    @in_place("name", "url", "events")
    def set_address(self, webhook: Remote) -> None:
        wanted = {
            name: webhook.new[name] if webhook.new.get(name) is not None else []
            for name in ("name", "url", "events")
            if name in webhook.changing
        }
        webhook.send("PATCH", "/v1/orgs/{org}/webhooks/{id}", wanted)

    @in_place("enabled")
    def toggle(self, webhook: Remote) -> None:
        enabled = webhook.new.get("enabled") is not False
        path = "/v1/orgs/{org}/webhooks/{id}/toggle"
        webhook.send("POST", path, {"enabled": enabled}, repeatable=True)

    @in_place("secret_version")
    def regenerate_secret(self, webhook: Remote) -> None:
        if None in (webhook.recorded.get("secret_version"), webhook.new.get("secret_version")):
            return  # its first value, or none any more
        # A secret whose answer was lost is useless, so asking for another does no harm.
        path = "/v1/orgs/{org}/webhooks/{id}/regenerate-secret"
        answer = webhook.send("POST", path, repeatable=True, tells="secret")
        webhook.shown_once["secret"] = answer["secret"]

    def noticed(self, old: Inputs, now: Inputs) -> Iterator[str]:
        secret, prefix = now.get("secret"), now.get("secret_prefix")
        # Of one just made, a list that lags behind may tell the prefix of the one before.
        if None in (secret, prefix) or secret != old.get("secret"):
            return
        if not str(secret).startswith(str(prefix).rstrip(".\u2026*")):
            yield (
                f"its signing secret is another by now, which begins with {prefix}: deliveries do "
                f"not fit the recorded one any more; another `secret_version` makes a new one"
            )

    def shown(self, row: Row) -> dict[str, object]:
        return {"secret": row.get("secret")}
