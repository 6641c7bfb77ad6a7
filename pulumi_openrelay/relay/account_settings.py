"""The account's settings: `/v2/customer/settings`, read from `/v2/customer/profile`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lifecycle.declare import Kind, in_place
from ..lifecycle.fields import In, Out, output, updates
from ..resource import Resource

if TYPE_CHECKING:
    from ..lifecycle.remote import Remote


class AccountSettings(Resource, module="relay", name="AccountSettings"):
    """The settings of the Relay account: there is one. A delete restores what it found, and leaves
    alone, with a warning, what is not as this stack has set it.

    API: `updateSettings`, `getProfile`.
    """

    warning_threshold: In[int | float] = updates(in_create=False, ge=0)
    """US dollars of credits below which Relay warns."""

    customer_id: Out[str] = output()
    """The account."""
    tier: Out[str] = output()
    """The account's tier."""
    status: Out[str] = output()
    """The account's state, such as `active`."""


class AccountSettingsKind(Kind, resource=AccountSettings):
    noun = "account settings"
    singleton = True
    detail = "/v2/customer/profile"
    tells = "customer_id"

    @in_place("warning_threshold")
    def set_threshold(self, account: Remote) -> None:
        threshold = account.new.get("warning_threshold")
        if threshold is None:
            account.caller.warn(
                "warning_threshold is left as it is, because the profile did not tell what it was"
            )
            return
        account.send("PATCH", "/v2/customer/settings", {"warning_threshold": threshold})
