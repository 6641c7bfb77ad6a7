"""The Relay API: its areas."""

from __future__ import annotations

from ..area import Area
from ..contract import document
from ..scripts import OUTCOMES
from ..service import Service
from . import account, health, instances, keys, model_answers, tiers, webhooks, workflows
from .inference import chat, files, gate, media, runs, tasks

_CONTROL = """
PATCH  /_emulator/settings         takes "balance_usd" and "tier" (guest, free, pro, custom) of
                                   the first customer too
POST   /_emulator/keys             {"secret": "relay_sk_two", "customer": "Other",
                                   "token": "jwt_two", "is_superkey": true, "system": true,
                                   "status": "revoked"}: a further API key; `customer` names a
                                   new account with a dashboard token, left out it is the first;
                                   an existing secret is changed; GET lists them
PATCH  /_emulator/instances/{id}   behind the user's back: "status" with "ended_reason", or any
                                   field of the record. The same for keys.
"""

# A new area is its file and its place here.
AREAS: tuple[Area, ...] = (
    health.AREA,
    tiers.AREA,
    keys.AREA,
    account.AREA,
    webhooks.AREA,
    instances.AREA,
    model_answers.AREA,
    workflows.AREA,
    gate.AREA,
    chat.AREA,
    tasks.AREA,
    media.AREA,
    files.AREA,
    runs.AREA,
)
SERVICE = Service(
    document("relay"),
    AREAS,
    scripts={
        "instance": OUTCOMES - {"interrupt", "pending"},
        "task": frozenset({"fail", "stall", "slow"}),
    },
    control=_CONTROL,
)
