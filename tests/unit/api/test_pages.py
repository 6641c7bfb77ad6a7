"""A list is read whole, whatever comes in which order; what is no list is never an empty one."""

from __future__ import annotations

from typing import Any

import pytest

from pulumi_openrelay.api.pages import MOST_PAGES, Pages, read_all
from pulumi_openrelay.errors import AnswerLost, Forbidden, Rejected, ServerError

from ..support import Hand, Wire, answer, client, refusal

RELAY = Pages(items="keys", cursor="next_cursor", asks="starting_after", size=7)


def read(
    *answers: Any, pages: Pages | None, key: str = "id", **query: str
) -> tuple[dict[str, dict[str, Any]], Wire]:
    api, wire = client(*answers, max_retries=0)
    return read_all(api, "/v1/{org}/x", {"org": "o"}, query, Hand(), pages=pages, key=key), wire


def page(*ids: str, **more: Any) -> Any:
    return answer(200, {"items": [{"id": one} for one in ids], **more})


def test_a_plain_array_is_all_there_is() -> None:
    rows, wire = read(answer(200, [{"id": "a", "n": 1}, {"id": "b"}]), pages=None)
    assert rows == {"a": {"id": "a", "n": 1}, "b": {"id": "b"}}
    assert wire.sent[0].query == {}


def test_pages_are_read_to_the_last_in_the_apis_order() -> None:
    rows, wire = read(
        page("c", "a", nextCursor="1"), page("b", nextCursor="2"), page("d"), pages=Pages()
    )
    assert list(rows) == ["c", "a", "b", "d"]
    assert [sent.query.get("cursor") for sent in wire.sent] == [None, "1", "2"]
    assert {sent.query["limit"] for sent in wire.sent} == {"100"}


@pytest.mark.parametrize("last", [{}, {"nextCursor": None}, {"nextCursor": ""}])
def test_the_last_page_has_no_cursor_or_an_empty_one(last: dict[str, Any]) -> None:
    rows, wire = read(page("a", **last), pages=Pages())
    assert list(rows) == ["a"]
    assert len(wire.sent) == 1


def test_each_service_has_its_own_words_for_its_pages() -> None:
    rows, wire = read(
        answer(200, {"keys": [{"key_id": 1}], "next_cursor": "x", "items": [{"key_id": 9}]}),
        answer(200, {"keys": [{"key_id": 2}], "next_cursor": None}),
        pages=RELAY,
        key="key_id",
    )
    assert list(rows) == ["1", "2"]
    assert rows["1"] == {"key_id": 1, "id": "1"}
    assert wire.sent[0].query == {"limit": "7"}
    assert wire.sent[1].query == {"limit": "7", "starting_after": "x"}


def test_the_query_of_the_list_goes_with_every_page() -> None:
    _, wire = read(page("a", nextCursor="1"), page("b"), pages=Pages(), activeOnly="true")
    assert [sent.query["activeOnly"] for sent in wire.sent] == ["true", "true"]


def test_an_item_that_shows_twice_counts_once() -> None:
    rows, _ = read(page("a", "b", nextCursor="1"), page("b", "c"), pages=Pages())
    assert list(rows) == ["a", "b", "c"]


def test_what_has_no_id_is_no_item_and_breaks_nothing() -> None:
    rows, _ = read(
        answer(200, [None, 7, "x", [], {}, {"id": None}, {"id": ""}, {"id": 5}]), pages=None
    )
    assert rows == {"5": {"id": "5"}}


@pytest.mark.parametrize("items", [None, {}, "none", 7])
def test_a_page_without_items_is_not_taken_for_an_empty_one(items: Any) -> None:
    """Else every machine on it would be taken for gone."""
    with pytest.raises(AnswerLost):
        read(answer(200, {"items": items}), pages=Pages())
    with pytest.raises(AnswerLost):
        read(answer(200, {"data": []}), pages=Pages())


def test_null_is_an_empty_list_where_that_costs_nothing() -> None:
    """A thing that is not in it is asked for by its id before it is taken for gone."""
    assert read(answer(200, {"items": None}), pages=Pages(null=True))[0] == {}
    with pytest.raises(AnswerLost):
        read(answer(200, {}), pages=Pages(null=True))


def test_a_list_that_goes_on_without_a_cursor_goes_on_after_its_last_item() -> None:
    """Else everything on its other pages would be taken for gone."""
    on = {"has_more": True, "nextCursor": None}
    pages = Pages(more="has_more")
    rows, wire = read(page("a", "b", **on), page("c", **on), page("d", has_more=False), pages=pages)
    assert list(rows) == ["a", "b", "c", "d"]
    assert [sent.query.get("cursor") for sent in wire.sent] == [None, "b", "c"]


@pytest.mark.parametrize("ids", [[], ["a"]])
def test_a_list_that_goes_on_nobody_knows_where_is_an_error(ids: list[str]) -> None:
    with pytest.raises(AnswerLost, match="goes on, and not where"):
        read(page(*ids, has_more=True), pages=Pages(more="has_more"))


@pytest.mark.parametrize("paged", [True, False])
def test_the_wrong_kind_of_list_is_not_taken_for_an_empty_one(paged: bool) -> None:
    with pytest.raises(AnswerLost):
        read(answer(200, [] if paged else {"items": []}), pages=Pages() if paged else None)


def test_where_our_page_is_too_long_the_server_chooses() -> None:
    rows, wire = read(refusal(400), page("a", nextCursor="1"), page("b"), pages=Pages())
    assert list(rows) == ["a", "b"]
    assert [dict(sent.query) for sent in wire.sent] == [{"limit": "100"}, {}, {"cursor": "1"}]


def test_a_list_that_is_refused_whatever_the_page_is_an_error() -> None:
    with pytest.raises(Rejected):
        read(refusal(400), pages=Pages())


def test_a_cursor_that_is_refused_is_an_error() -> None:
    with pytest.raises(Rejected):
        read(page("a", nextCursor="1"), refusal(400), pages=Pages())


def test_a_list_that_is_read_anew_has_nothing_of_the_first_reading() -> None:
    """What its cursor named has ended meanwhile, which is why the cursor was refused."""
    rows, _ = read(
        page("a", "b", nextCursor="b"),
        refusal(400),
        page("a", nextCursor="a"),
        page("c"),
        pages=Pages(),
    )
    assert list(rows) == ["a", "c"]


@pytest.mark.parametrize(("status", "error"), [(403, Forbidden), (500, ServerError)])
def test_a_page_that_fails_fails_the_list(status: int, error: type[Exception]) -> None:
    with pytest.raises(error):
        read(page("a", nextCursor="1"), refusal(status), pages=Pages())


def test_cursors_that_lead_in_a_circle_come_to_an_end() -> None:
    with pytest.raises(AnswerLost, match="did not end"):
        read(page("a", nextCursor="1"), pages=Pages())


def test_a_list_of_a_hundred_thousand_is_read() -> None:
    assert MOST_PAGES * Pages().size >= 100_000
