"""An emulated Relay account, stacks on it, and what the tests of its resources declare."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from pulumi_openrelay.api.client import Client
from pulumi_openrelay.api.relay import Relay
from pulumi_openrelay.config import RelaySettings
from pulumi_openrelay.emulator import Answer, Request
from pulumi_openrelay.lifecycle.session import Session

from ...contract.support import Death, OperationFailed, Stack, _Wire
from ...simulation.engine import Declared
from ...simulation.scheduler import Process

__all__ = [
    "KEY",
    "SMALL",
    "Death",
    "OperationFailed",
    "Stack",
    "account",
    "creates",
    "instance",
    "one",
    "speak_as",
    "tell_no",
]

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


def speak_as(stack: Stack, key: str | None, token: str | None) -> None:
    """Let the stack's operations use these credentials."""

    def connect(process: Process) -> Session:
        settings = RelaySettings(key, "the test", token, "the test", "", 9)
        wire = _Wire(stack, process)
        client = Client("http://relay.test", Relay(settings), wire, max_retries=9)
        return Session(client, None, stack.journal)

    stack.engine.connect = connect


def tell_no(stack: Stack, field: str) -> None:
    """Let the API tell null for a field of every instance."""
    tell(stack, field, None)


def tell(stack: Stack, field: str, value: str | None) -> None:
    """Let the API tell this for a field of every instance."""
    handle = stack.world.handle

    def silent(request: Request) -> Answer:
        answer = handle(request)
        if request.method != "GET" or not request.path.startswith("/v2/instances") or answer.drop:
            return answer
        body = json.loads(answer.body)
        for row in body.get("instances", [body]):
            if field in row:
                row[field] = value
        return replace(answer, body=json.dumps(body).encode())

    stack.world.handle = silent  # type: ignore[method-assign]
