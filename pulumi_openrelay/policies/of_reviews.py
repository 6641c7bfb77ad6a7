"""What reviews judge beside the policies: data, secrets, forgotten machines, money and capacity.

The rules themselves are the review's own (`review.risk`). Their names stand here because an
exemption in `openrelay-policy.json` may name them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

OF_REVIEWS: Final[Mapping[str, str]] = {
    "data-loss": "No machine is deleted or replaced whose disk ends with it.",
    "hidden-deletion": "No rename without an alias deletes a machine and makes it anew.",
    "protected-deletion": "No machine is to be deleted that `deletion_protection` protects.",
    "protected-replacement": "No machine is to be replaced that `deletion_protection` protects.",
    "endpoint-loss": "No inference cluster is deleted whose endpoint ends with it.",
    "left-running": "No machine leaves the stack and goes on billing.",
    "stopped-data-loss": "No stopped machine is deleted whose disk ends with it.",
    "replacement": "Nothing is replaced whose endpoint changes with it.",
    "secret-in-clear": "No secret stands in clear in inputs, outputs or configuration.",
    "drift": "Nobody changed anything by hand.",
    "cost-jump": "The stack does not cost many times what it did.",
    "runway": "The balance pays for the change for some time to come.",
    "capacity": "There is capacity right now for what is to be made.",
}
"""What each asks for, by its name."""
