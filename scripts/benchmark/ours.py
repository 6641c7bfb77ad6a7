"""The contestant that this project is."""

from __future__ import annotations

import pulumi_openrelay as openrelay

from . import KEY


def declare(kind: str, count: int) -> None:
    """The program of a stack with so many VMs, or webhooks."""
    if kind == "webhook":
        for number in range(count):
            openrelay.Webhook(f"it{number}", url=f"https://hooks.example.com/{number}")
        return
    key = openrelay.SshKey("key", public_key=KEY)
    for number in range(count):
        openrelay.Vm(f"it{number}", ssh_key_ids=[key.id], resource_size="small")
