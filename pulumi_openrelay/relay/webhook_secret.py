"""The secret that signs the account's webhooks: `/v2/customer/webhook-secret`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ..lifecycle.declare import Kind, Row, in_place
from ..lifecycle.fields import OWNER, In, Out, output, updates
from ..lifecycle.journal import Note
from ..lifecycle.remote import SETTLE_SECONDS
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
    """Any text or number: another one rotates the secret; the first value, and leaving it out
    again, does not."""

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
        """A second rotation would end the secret that receivers still use. So each is noted before
        it is asked for, and the time of the newest secret tells whether one that was cut off, or
        whose answer was lost, was done."""
        if None in (account.recorded.get("rotation"), account.new.get("rotation")):
            return  # its first value, or none any more
        call, journal = account.caller, account.session.journal
        owner, wanted = str(account.new.get(OWNER)), {"rotation": account.new.get("rotation")}
        row, note = account.look(), journal.read(owner, call.urn)
        cut_off = note is not None and wanted.items() <= (note.found or {}).items()
        now = account.session.client.time(call)
        if note is None or not cut_off:
            if self._was_rotated(account, row):
                return
            found = {**wanted, "created_at": row.get("created_at")}
            note = Note(account.kind.token, now, now, before=(account.id,), found=found)
        before = (note.found or {}).get("created_at")

        def done(row: Row) -> bool:
            return row.get("created_at") != before

        while cut_off and not done(row) and now < note.last + SETTLE_SECONDS:
            call.wait(2.0)  # what was cut off may still do its work
            row, now = account.look(), account.session.client.time(call)
        if not done(row):
            journal.write(owner, call.urn, replace(note, last=now))
            account.act("/v2/customer/webhook-secret/rotate", done=done)

    def _was_rotated(self, account: Remote, row: Row) -> bool:
        """Whether the recorded secret is the previous one by now, which a rotation would end."""
        then, now = account.recorded.get("created_at"), row.get("created_at")
        if then in (None, now) or row.get("previous_valid_until") is None:
            return False
        account.caller.warn(
            f"it is not rotated, because it was since it was last read ({now}), and the secret "
            f"from before then is still valid: that is taken for this rotation"
        )
        return True
