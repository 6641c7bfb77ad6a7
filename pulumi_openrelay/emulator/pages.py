"""Lists: what is in them and when, and their pages.

Newest first. A cursor is opaque to callers; inside it is the sequence of the last
item given out, so what is created meanwhile never shifts a page.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any, TypeVar

from .store import Owned
from .wire import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .area import AdmittedRequest

O = TypeVar("O", bound=Owned)  # noqa: E741


def listed(call: AdmittedRequest[Any, Any], kind: type[O]) -> list[O]:
    """The caller's records of a kind, newest first, as a lagging list knows them."""
    world = call.world
    lag = world.settings.list_lag_seconds
    records = [
        record
        for record in reversed(world.store.table(kind).values())
        if record.owner_id == call.caller.owner_id
        and (not lag or record.created_time + lag <= world.now)
    ]
    if lag:
        records += [
            record
            for ended, record in world.removed
            if isinstance(record, kind)
            and record.owner_id == call.caller.owner_id
            and ended + lag > world.now
        ]
        records.sort(key=lambda record: -record.sequence)
    return records


def array(call: AdmittedRequest[Any, Any], rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """An unpaged list's answer."""
    if call.world.settings.shuffle_lists:
        call.world.chance.shuffle(rows)
    return rows


def page(
    call: AdmittedRequest[Any, Any], records: Sequence[O], describe: Callable[[O], dict[str, Any]]
) -> dict[str, Any]:
    """One page of records that are sorted newest first. The last of several has an empty
    `nextCursor`, a single one has none: callers must take both."""
    limit = read_limit(call, call.world.settings.page_size)
    cursor = call.query.get("cursor") or ""
    if cursor:
        after = _read_cursor(cursor)
        records = [record for record in records if record.sequence < after]
    shown = records[:limit]
    items = array(call, [describe(record) for record in shown])
    if len(records) <= limit:
        return {"items": items, "nextCursor": ""} if cursor else {"items": items}
    return {"items": items, "nextCursor": _cursor(shown[-1].sequence)}


def read_limit(call: AdmittedRequest[Any, Any], default: int) -> int:
    """At least 1, or 400; whether the service refuses or clamps a larger one is unknown."""
    limit = call.query.get("limit")
    if limit is not None and limit < 1:
        raise Refusal(400, "`limit` must be at least 1.")
    most: int = call.world.settings.page_size_max
    return max(1, min(limit or default, most))


def _cursor(sequence: int) -> str:
    return base64.urlsafe_b64encode(f"after:{sequence}".encode()).decode()


def _read_cursor(cursor: str) -> int:
    try:
        return int(base64.urlsafe_b64decode(cursor).decode().removeprefix("after:"))
    except ValueError:
        raise Refusal(400, "`cursor` is not one that this list gave out.") from None
