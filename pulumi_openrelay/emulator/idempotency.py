"""`Idempotency-Key`: the same create sent twice makes one thing.

A key is remembered from the create that succeeded, for a day; how long the
service remembers, and whether it also remembers refusals, is unknown. The same
body is the same JSON, whatever its spacing and the order of its fields.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from .store import Owned
from .wire import Refusal

if TYPE_CHECKING:
    from .area import AdmittedRequest
    from .control_plane import ControlPlane

REMEMBERED_SECONDS = 86_400.0


@dataclass(kw_only=True)
class IdempotencyKey(Owned):
    """`made` is the id of what the create with this key made."""

    operation: str
    key: str
    body_digest: str
    made: str


def made_before(call: AdmittedRequest[Any, Any], code: str | None = None) -> str | None:
    """The id of what this very request made before; 422 where the body was another."""
    found = _find(call)
    if found is None:
        return None
    if found.body_digest != _digest(call.body):
        raise Refusal(422, "This Idempotency-Key was used with another body.", code)
    return found.made


def remember(call: AdmittedRequest[Any, Any], made: str) -> None:
    key = call.headers.get("idempotency-key")
    if key:
        call.world.store.add(
            IdempotencyKey(
                **call.world.new(call.caller.owner_id),
                operation=call.operation.id,
                key=key,
                body_digest=_digest(call.body),
                made=made,
            )
        )


def forget(world: ControlPlane, made: str) -> None:
    """Forget the keys of something that was removed as if it had never been."""
    table = world.store.table(IdempotencyKey)
    for record in [record for record in table.values() if record.made == made]:
        world.store.remove(record)


def _find(call: AdmittedRequest[Any, Any]) -> IdempotencyKey | None:
    key = call.headers.get("idempotency-key")
    table: dict[str, IdempotencyKey] = call.world.store.table(IdempotencyKey)
    oldest = call.world.now - REMEMBERED_SECONDS
    for record in list(table.values()):
        if record.created_time > oldest:
            break
        call.world.store.remove(record)
    if not key:
        return None
    wanted = (call.caller.owner_id, call.operation.id, key)
    for record in table.values():
        if (record.owner_id, record.operation, record.key) == wanted:
            return record
    return None


def _digest(body: object) -> str:
    return sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
