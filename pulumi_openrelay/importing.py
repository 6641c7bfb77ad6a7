"""What exists already, as a file for `pulumi import --file`.

`pulumi import` asks a provider by type, and a dynamic provider lives in the state that is yet to be
written. A file that brings inputs and outputs along needs no provider: the engine records them.
"""

from __future__ import annotations

import re
from typing import Any

import pulumi_openrelay.relay  # noqa: F401 - registers its kinds

from .caller import Call
from .engine import importable
from .errors import NotFound, OpenRelayError
from .lifecycle.account_setting import SINGLETON
from .lifecycle.check import check
from .lifecycle.declare import KINDS, Kind
from .lifecycle.fields import READY
from .lifecycle.life import life
from .lifecycle.service import DYNAMIC
from .lifecycle.session import Session
from .provider import Provider


def kind_of(noun: str) -> Kind:
    """The kind that a user calls `vm`, `ssh-key`, `inference-cluster` or `Vm`."""
    wanted = noun.replace("-", "").replace("_", "").replace(" ", "").lower()
    for kind in KINDS.values():
        if kind.resource.__name__.lower() == wanted:
            return kind
    known = ", ".join(sorted(_noun(kind) for kind in KINDS.values()))
    raise OpenRelayError(f"there is no resource {noun!r}; there are {known}")


def _noun(kind: Kind) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "-", kind.resource.__name__).lower()


def entry(session: Session, call: Call, kind: Kind, resource_id: str, name: str) -> dict[str, Any]:
    """One resource of the file. name: the resource's name in the program.

    Raises lifecycle.sentences.Failed where there is none with this id, and OpenRelayError for a
    setting of the account that is not set.
    """
    reading = life(kind, session, call).read(resource_id, {}, {})
    assert reading is not None  # noqa: S101 - what no state records exists, or read raises
    provider = Provider(kind.token)
    secret = {field.name for field in kind.secrets}
    told = {**reading.outputs, **kind.asked(reading.outputs)}
    given = {
        field.name: told[field.name]
        for field in kind.fields.values()
        if field.is_input
        and field.readable
        and told.get(field.name) not in (None, "", field.absent)
    }
    # The API's way of saying "none", such as a count of 0, is none that a program could give.
    refused = {problem for problem, _ in check(kind, given)[1]}
    inputs = {key: value for key, value in given.items() if key not in refused}
    required = [field.name for field in kind.fields.values() if field.required]
    if kind.singleton and not all(name in inputs for name in required):
        raise OpenRelayError(
            f"the account has no {kind.noun} to import ({', '.join(required)} is not set)",
            "declare it in the program, which sets it",
        )
    return {
        "type": f"{DYNAMIC}{kind.token}",
        "name": name,
        "id": resource_id,
        "inputs": importable(provider, inputs, secret),
        "outputs": importable(provider, {**reading.outputs, READY: True}, secret),
    }


def living(session: Session, call: Call, kind: Kind) -> dict[str, str]:
    """The names of all that there are of a kind, by id."""
    if kind.singleton:
        return {SINGLETON: SINGLETON}
    try:
        rows, _ = session.rows(call, kind.listed, call.now())
    except NotFound:
        if kind.listed.missing is None:
            raise
        return {}
    return {key: kind.called(row) or key for key, row in rows.items() if kind.lives(row)}
