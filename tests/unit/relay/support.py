"""An emulated Relay account, stacks on it, and what the tests of its resources declare."""

from __future__ import annotations

from typing import Any

from ...contract.support import Death, OperationFailed, Stack
from ...simulation.engine import Declared

__all__ = ["KEY", "Death", "OperationFailed", "Stack", "account", "creates", "instance", "one"]

KEY = f"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{'A' * 43} ada@laptop"
RSA_KEY = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQ== ada@laptop"
SMALL = {"prescription": "cpu.small", "image": "ubuntu-24.04", "ssh_public_key": KEY}


def account(
    kind: str = "Instance", *, owner: str = "owner", beside: Stack | None = None, **settings: Any
) -> Stack:
    """A stack on an emulated Relay account. Programs may declare any kind; what the stack's own
    helpers speak of is this one."""
    return Stack(f"relay:{kind}", owner, beside=beside, **settings)


def one(kind: str, **inputs: Any) -> dict[str, Declared]:
    """A program with one resource, `it`."""
    return {"it": Declared(f"relay:{kind}", inputs)}


def instance(**inputs: Any) -> dict[str, Declared]:
    """A program with a small instance, `it`."""
    given = {**SMALL, **inputs}
    return one("Instance", **{name: value for name, value in given.items() if value is not None})


def creates(stack: Stack) -> int:
    """How many instances the last operation asked for."""
    entries = stack.world.log.entries
    return sum(e.method == "POST" and e.path == "/v2/instances" for e in entries)
