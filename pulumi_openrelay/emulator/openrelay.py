"""The OpenRelay API: its areas, and what can be switched of it alone."""

from __future__ import annotations

from dataclasses import dataclass, field

from . import access, catalog, inference_clusters, ssh_keys, usage, vms, webhooks
from .area import Area
from .contract import document
from .scripts import OUTCOMES
from .service import Service
from .settings import Settings

_CONTROL = """
PATCH  /_emulator/settings         takes "capacity": {"<GPU model id or name, or cpu>": units in
                                   all}, "balance_cents": what is available from now on
POST   /_emulator/keys             {"secret": "or_two", "organization": "Other",
                                   "permissions": […], "revoked": true, "expires_in_seconds": 60}:
                                   a further API key; `organization` names a new one (with
                                   "balance_cents"), left out it is the first; an existing
                                   secret is changed; GET lists them
PATCH  /_emulator/vms/{id}         behind the user's back: "status" with "status_reason", or any
                                   field of the record, such as name, public, disk_size_gb,
                                   ssh_key_ids. The same for clusters, ssh-keys and webhooks.
"""


@dataclass(kw_only=True)
class OpenRelaySettings(Settings):
    """What only OpenRelay has."""

    inference_clusters: bool = True  # false: their paths are 404, as for most organizations
    stop_disabled: bool = False  # VMs can be terminated, not stopped: 409 STOP_DISABLED
    pending_first: bool = False  # new VMs are queued as `pending` before `deploying`
    webhook_key_as_hex: bool = False  # sign with the secret's digest as hex text, not as bytes
    # US cents per GPU hour by model id or name, instead of the catalog's community rates.
    rates: dict[str, int] = field(default_factory=dict)


# A new area is its file and its place here.
AREAS: tuple[Area, ...] = (
    access.AREA,
    catalog.AREA,
    usage.AREA,
    ssh_keys.AREA,
    vms.AREA,
    inference_clusters.AREA,
    webhooks.AREA,
)
SERVICE = Service(
    document("openrelay"),
    AREAS,
    scripts={"vm": OUTCOMES, "cluster": OUTCOMES},
    control=_CONTROL,
)
