"""A dynamic provider as Pulumi's documentation teaches it: each resource asks for itself."""

from __future__ import annotations

import json
import os
import time
import urllib.request
from typing import Any

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, ReadResult, ResourceProvider

from . import KEY

TICK_SECONDS = 1.0


def ask(method: str, path: str, body: Any = None) -> Any:
    """Send one request; the JSON of its answer."""
    request = urllib.request.Request(
        os.environ["OPENRELAY_API_URL"] + path,
        data=None if body is None else json.dumps(body).encode(),
        headers={
            "Authorization": f"Bearer {os.environ['OPENRELAY_API_KEY']}",
            "Content-Type": "application/json",
        },
        method=method,
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        content = answer.read()
    return json.loads(content) if content else None


class PlainProvider(ResourceProvider):
    def create(self, props: dict[str, Any]) -> CreateResult:
        organization = ask("GET", "/v1/whoami")["organizationId"]
        made = ask("POST", f"/v1/orgs/{organization}/{props['what']}/create", props["body"])
        while props["what"] == "vms" and ask("GET", f"/v1/vms/{made['id']}")["status"] != "running":
            time.sleep(TICK_SECONDS)
        return CreateResult(made["id"], props)

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> DiffResult:
        return DiffResult(changes=_olds["body"] != _news["body"])

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        if props["what"] == "vms":
            ask("GET", f"/v1/vms/{id_}")
        return ReadResult(id_, props)

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        if _props["what"] == "vms":
            ask("POST", f"/v1/vms/{_id}/terminate")


class Plain(pulumi.dynamic.Resource):
    def __init__(self, name: str, what: str, body: dict[str, Any]) -> None:
        super().__init__(PlainProvider(), name, {"what": what, "body": body})


def declare(_kind: str, count: int) -> None:
    """The same program as ours: it has VMs alone."""
    key = Plain("key", "ssh-keys", {"name": "key", "publicKey": KEY})
    for number in range(count):
        body = {"name": f"it{number}", "sshKeyIds": [key.id], "resourceSize": "small"}
        Plain(f"it{number}", "vms", body)
