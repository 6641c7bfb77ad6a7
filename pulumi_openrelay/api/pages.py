"""Lists, whole: cursor pages or one plain array, each thing once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import AnswerLost, Rejected
from .client import Client, Request

if TYPE_CHECKING:
    from ..caller import Caller

# A server whose cursors lead in a circle must not hold us for ever.
MOST_PAGES = 1000
# A cursor that names what has ended meanwhile is refused; the list is then read from its beginning.
MOST_BEGINNINGS = 5


@dataclass(frozen=True, slots=True)
class Pages:
    """How a list comes in pages. items, cursor: where an answer has its items and the cursor of the
    next page. more: where it says whether there is one; where it says so and gives no cursor, the
    id of the last item is the cursor. asks: the query that takes it. size: the longest page to ask
    for. null: whether null in place of the items means that there are none: only where a thing
    that a list does not show is asked for by its id before it is taken for gone.
    """

    items: str = "items"
    cursor: str = "nextCursor"
    asks: str = "cursor"
    size: int = 100
    more: str | None = None
    null: bool = False


def read_all(
    client: Client,
    path: str,
    parts: Mapping[str, str],
    query: Mapping[str, str],
    caller: Caller,
    *,
    pages: Pages | None,
    key: str = "id",
) -> dict[str, dict[str, Any]]:
    """Every item of the list by its id, in the API's order.

    pages: None for one plain array of all there is. key: where an item has its id; it is put under
    `id` too.

    A list that changes while its pages are read may show an item twice, or not at all: absence
    from one reading is no proof that the thing is gone.
    """
    rows: dict[str, dict[str, Any]] = {}
    if pages is None:
        request = Request("GET", path, parts, query, answers=list)
        return _add(rows, client.send(request, caller), key)
    first = {**query, "limit": str(pages.size)}
    asked, beginnings = first, 1
    for _ in range(MOST_PAGES):
        request = Request("GET", path, parts, asked, answers=dict)
        try:
            page = client.send(request, caller)
        except Rejected:
            # The longest page is unknown: where ours is refused, the server chooses.
            if asked == dict(query) or beginnings == MOST_BEGINNINGS:
                raise
            first = first if pages.asks in asked else dict(query)
            asked, beginnings = first, beginnings + 1
            rows.clear()
            continue
        items = page.get(pages.items)
        _add(rows, [] if items is None and pages.null and pages.items in page else items, key)
        cursor = page.get(pages.cursor)
        if not cursor:
            if pages.more is None or page.get(pages.more) is not True:
                return rows
            cursor = next(reversed(rows), None)
            if cursor in (None, asked.get(pages.asks)):
                raise AnswerLost("the API says that its list goes on, and not where")
        asked = {**asked, pages.asks: str(cursor)}
    raise AnswerLost(f"the API's list did not end within {MOST_PAGES} pages")


def _add(rows: dict[str, dict[str, Any]], items: Any, key: str) -> dict[str, dict[str, Any]]:
    if not isinstance(items, list):
        # To take this for an empty list would be to take every thing in it for gone.
        raise AnswerLost("the API answered with a list that is none")
    for item in items:
        if isinstance(item, dict) and item.get(key) not in (None, ""):
            item["id"] = str(item[key])
            rows[item["id"]] = item
    return rows
