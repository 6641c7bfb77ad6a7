"""The secret that signs the account's webhooks: `/v2/customer/webhook-secret`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ..lifecycle.declare import Kind, Row, epoch, facts, in_place
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
    tells = "secret"

    @in_place("rotation")
    def rotate(self, account: Remote) -> None:
        """A second rotation would end the secret that receivers still use. So each is noted before
        it is asked for, and the time of the newest secret tells whether one that was cut off, or
        whose answer was lost, was done. When it is done, that is noted too: a secret that is made
        later is of another rotation."""
        call, journal = account.caller, account.session.journal
        owner, new = str(account.new.get(OWNER)), account.new.get("rotation")
        old, note = account.recorded.get("rotation"), journal.read(owner, call.urn)
        noted = (note.found if note is not None else None) or {}
        if old is not None and noted.get("rotation") == old:
            journal.forget(owner, call.urn)  # what it is about is recorded
        if None in (old, new):
            return  # its first value, or none any more
        row, now = account.look(), account.session.client.time(call)
        made = noted.get("made") in (None, row.get("created_at"))
        if note is not None and noted.get("rotation") == new and made:
            then = noted.get("created_at")
            while row.get("created_at") == then and now < note.last + SETTLE_SECONDS:
                call.wait(2.0)  # what was cut off may still do its work
                row, now = account.look(), account.session.client.time(call)
            if row.get("created_at") != then:
                return  # it did
        if self._was_rotated(account, row, now):
            return
        found = {"rotation": new, "created_at": row.get("created_at")}
        note = Note(account.kind.token, now, now, before=(account.id,), found=found)
        journal.write(owner, call.urn, note)
        row = account.act(
            "/v2/customer/webhook-secret/rotate",
            done=lambda row: row.get("created_at") != found["created_at"],
            tells="secret",
        )
        call.hide_told(row)
        # The next look may be answered by a server that lags behind.
        account.shown_once.update(facts(account.kind, row))
        journal.write(
            owner, call.urn, replace(note, found={**found, "made": row.get("created_at")})
        )

    def _was_rotated(self, account: Remote, row: Row, now: float) -> bool:
        """Whether the recorded secret is the previous one by now, and valid, so that a rotation
        would end it. now: seconds since the epoch, by the API's clock."""
        then, since = account.recorded.get("created_at"), row.get("created_at")
        until = row.get("previous_valid_until")
        # An end that cannot be read may be one to come.
        if then in (None, since) or until is None or (epoch(until) or now) < now:
            return False
        account.caller.warn(
            f"it is not rotated, because it was since it was last read ({since}), and the secret "
            f"from before then is still valid: that is taken for this rotation"
        )
        return True
