"""Lists, whole: cursor pages or one plain array, each thing once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..errors import AnswerLost, Rejected
from .client import Client, Request

if TYPE_CHECKING:
    from ..caller import Caller

PAGE_SIZE = 100
# A server whose cursors lead in a circle must not hold us for ever.
MOST_PAGES = 1000


def read_all(
    client: Client,
    path: str,
    parts: Mapping[str, str],
    query: Mapping[str, str],
    caller: Caller,
    *,
    paged: bool,
) -> dict[str, dict[str, Any]]:
    """Every item of the list by its id, in the API's order.

    paged: the answers are `{items, nextCursor}`; else one plain array of all there is.

    A list that changes while its pages are read may show an item twice, or not at all: absence
    from one reading is no proof that the thing is gone.
    """
    rows: dict[str, dict[str, Any]] = {}
    if not paged:
        request = Request("GET", path, parts, query, answers=list)
        return _add(rows, client.send(request, caller))
    asked = {**query, "limit": str(PAGE_SIZE)}
    for _ in range(MOST_PAGES):
        request = Request("GET", path, parts, asked, answers=dict)
        try:
            page = client.send(request, caller)
        except Rejected:
            # The longest page is unknown: where ours is refused, the server chooses.
            if "limit" not in asked or "cursor" in asked:
                raise
            asked = dict(query)
            continue
        _add(rows, page.get("items"))
        cursor = page.get("nextCursor")
        if not cursor:
            return rows
        asked = {**asked, "cursor": str(cursor)}
    raise AnswerLost(f"the API's list did not end within {MOST_PAGES} pages")


def _add(rows: dict[str, dict[str, Any]], items: Any) -> dict[str, dict[str, Any]]:
    if not isinstance(items, list):
        # To take this for an empty list would be to take every thing in it for gone.
        raise AnswerLost("the API answered with a list that is none")
    for item in items:
        if isinstance(item, dict) and item.get("id") not in (None, ""):
            item["id"] = str(item["id"])
            rows[item["id"]] = item
    return rows
