"""The secret that signs the account's webhooks: `/v2/customer/webhook-secret`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lifecycle.declare import Kind, in_place
from ..lifecycle.fields import In, Out, output, updates
from ..resource import Resource

if TYPE_CHECKING:
    from ..lifecycle.remote import Remote


class WebhookSecret(Resource, module="relay", name="WebhookSecret"):
    """The secret that signs every webhook of the account: there is one.

    It is read, and rotated when `rotation` changes; the one before then stays valid for 24 hours.
    Only two are ever valid, so that a second rotation within that time ends the first. A delete
    leaves it as it is.

    API: `getWebhookSecret`, `rotateWebhookSecret`.
    """

    rotation: In[str | int | None] = updates(default=None, readable=False, in_create=False)
    """Any text or number: a change of it rotates the secret; the first value does not."""

    secret: Out[str] = output(secret=True)
    """The secret, `whsec_...`, for `webhooks.verify`."""
    created_at: Out[str] = output()
    """When it was made: RFC 3339, UTC."""
    previous_valid_until: Out[str | None] = output()
    """Until when the one before is good too; None where there is none."""


class WebhookSecretKind(Kind, resource=WebhookSecret):
    noun = "webhook secret"
    singleton = True
    detail = "/v2/customer/webhook-secret"

    @in_place("rotation")
    def rotate(self, account: Remote) -> None:
        if account.fresh:
            return
        # A second rotation would end the secret that receivers still use, so after a lost answer
        # the time of the newest secret tells whether it was done.
        before = account.look().get("created_at")
        account.act(
            "/v2/customer/webhook-secret/rotate", done=lambda row: row.get("created_at") != before
        )
