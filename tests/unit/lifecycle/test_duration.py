"""Durations as users write them."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pulumi_openrelay.lifecycle.duration import not_a_duration, seconds

EXAMPLES = settings(max_examples=200, deadline=None, derandomize=True, database=None)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (None, 0.0),
        (0, 0.0),
        (90, 90.0),
        (1.5, 1.5),
        ("90", 90.0),
        ("90s", 90.0),
        ("1.5s", 1.5),
        ("15m", 900.0),
        ("1.5h", 5400.0),
        ("2h", 7200.0),
        ("1h30m", 5400.0),
        ("1h30m15s", 5415.0),
        ("1h15", 3615.0),
        (" 2h ", 7200.0),
        ("0s", 0.0),
    ],
)
def test_what_is_meant_is_read(written: Any, meant: float) -> None:
    assert seconds(written) == meant
    assert not_a_duration(written) is None


@pytest.mark.parametrize(
    "written",
    ["", " ", "soon", "h", "1d", "1 h", "30m1h", "-5m", "1e3", "1h 30m", "1.h", ".5h", "1h h"],
)
def test_what_is_no_duration_is_refused_with_examples(written: str) -> None:
    with pytest.raises(ValueError, match=re.escape(repr(written))):
        seconds(written)
    assert '"90s", "15m" or "2h"' in str(not_a_duration(written))


@pytest.mark.parametrize("written", [-1, -0.5, float("nan"), 10**400])
def test_a_number_that_is_no_time_is_refused(written: float) -> None:
    assert not_a_duration(written) is not None


@EXAMPLES
@given(
    hours=st.integers(0, 99) | st.none(),
    minutes=st.integers(0, 99) | st.none(),
    rest=st.integers(0, 99) | st.none(),
)
def test_parts_add_up(hours: int | None, minutes: int | None, rest: int | None) -> None:
    parts = [(hours, "h", 3600), (minutes, "m", 60), (rest, "s", 1)]
    given_parts = [(number, unit, worth) for number, unit, worth in parts if number is not None]
    if not given_parts:
        return
    written = "".join(f"{number}{unit}" for number, unit, _ in given_parts)
    assert seconds(written) == sum(number * worth for number, _, worth in given_parts)


@EXAMPLES
@given(st.text() | st.from_regex(r"[0-9hms. ]*"))
def test_any_text_is_a_duration_or_refused_never_both(written: str) -> None:
    refused = not_a_duration(written) is not None
    try:
        read: float | None = seconds(written)
    except ValueError:
        read = None
    assert refused == (read is None)
