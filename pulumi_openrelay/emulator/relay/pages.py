"""Relay's lists: newest first, `limit` and `starting_after`, the id of the last item seen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from .. import pages
from ..store import Owned
from ..wire import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .access import Call

O = TypeVar("O", bound=Owned)  # noqa: E741


def read_limit(call: Call, most: int) -> int:
    """From 1 to `most`, or 400; the emulator's own page size limits it further."""
    settings = call.world.settings
    limit: int = call.query.get("limit", settings.page_size)
    if not 1 <= limit <= max(most, settings.page_size):
        raise Refusal(400, f"`limit` must be from 1 to {most}.", "VALIDATION_ERROR")
    return min(limit, settings.page_size_max)


def page(
    call: Call,
    records: Sequence[O],
    describe: Callable[[O], dict[str, Any]],
    limit: int,
    cursor: str = "starting_after",
) -> tuple[list[dict[str, Any]], str | None]:
    """The rows of a page and the next page's cursor (the parameter's name), None on the last."""
    after = call.query.get(cursor)
    if after:
        at = next((i for i, record in enumerate(records) if record.id == after), None)
        if at is None:
            raise Refusal(400, f"`{cursor}` names no item: {after}.", "VALIDATION_ERROR")
        records = records[at + 1 :]
    shown = records[:limit]
    rows = pages.array(call, [describe(record) for record in shown])
    return rows, shown[-1].id if len(records) > limit else None
