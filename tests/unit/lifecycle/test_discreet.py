"""No secret is said, whatever it looks like."""

from __future__ import annotations

from pulumi_openrelay.lifecycle.discreet import DiscreetCall

from ..support import Hand
from .boxes import BOX


def test_a_secret_that_contains_another_is_hidden_whole() -> None:
    call = DiscreetCall(Hand(), BOX, ["swordfish", "swordfish-and-chips", "fish"])
    assert call.without_secrets("not swordfish-and-chips.") == "not [secret]."
