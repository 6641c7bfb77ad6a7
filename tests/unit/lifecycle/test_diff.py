"""What a change of the program means for what exists: nothing, some calls, or a new one."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pulumi_openrelay.lifecycle.diff import Changes, diff
from pulumi_openrelay.lifecycle.fields import MADE, OWNER, READY, SERVED
from pulumi_openrelay.lifecycle.unknown import UNKNOWN

from .boxes import BOX

TOLD = {"colour": "red", "disk": 40, "status": "running"}
"""What the API chose, or tells."""


def changes(
    before: dict[str, Any], after: dict[str, Any], /, imported: bool = False, **told: Any
) -> Changes:
    """From one program to another. imported: nothing made it, so that it has no owner."""
    inputs = {"size": 2, **before}
    ours = {} if imported else {OWNER: "owner", MADE: "mark", SERVED: True}
    outputs = {**TOLD, **inputs, **ours, **told}
    return diff(BOX, inputs, outputs, {"size": 2, **after})


def kinds(changed: Changes) -> tuple[list[str], list[str], list[str]]:
    return changed.replaces, changed.updates, changed.settings


def test_nothing_changed_is_no_change() -> None:
    whole = {"lid": True, "tags": ["a"], "open": True, "script": "#!x", "patience": 1, "env": {}}
    assert not changes(whole, dict(whole))
    assert not changes({}, {})


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({}, {"size": 3}, (["size"], [], [])),
        ({"colour": "red"}, {"colour": "blue"}, (["colour"], [], [])),
        ({"env": {"A": "1"}}, {"env": {"A": "2"}}, (["env"], [], [])),
        ({"script": "#!a"}, {"script": "#!b"}, (["script"], [], [])),
        ({"script": "#!a"}, {}, (["script"], [], [])),
        ({}, {"script": "#!a"}, (["script"], [], [])),
        ({"open": False}, {"open": True}, ([], ["open"], [])),
        ({"version": 1}, {"version": 2}, ([], ["version"], [])),
        ({"version": 1}, {}, ([], ["version"], [])),
        ({"version": "1"}, {"version": 1}, ([], ["version"], [])),
        ({"patience": 1}, {"patience": 2}, ([], [], ["patience"])),
        ({"patience": 1}, {}, ([], [], ["patience"])),
        ({}, {"patience": "2h"}, ([], [], ["patience"])),
        (
            {"open": True, "patience": 1},
            {"size": 5, "open": False, "patience": 2},
            (["size"], ["open"], ["patience"]),
        ),
    ],
)
def test_each_change_does_what_its_property_says(
    before: dict[str, Any], after: dict[str, Any], expected: Any
) -> None:
    assert kinds(changes(before, after)) == expected


class TestLeftOut:
    def test_what_the_api_chose_is_no_change_when_the_program_says_it_too(self) -> None:
        assert not changes({}, {"colour": "red", "disk": 40})
        assert changes({}, {"colour": "blue"}).replaces == ["colour"]

    def test_what_is_no_longer_given_stays_as_it_is_with_a_remark(self) -> None:
        """What the API would choose is not known, and no guess is worth a machine."""
        changed = changes({"colour": "red"}, {})
        assert not changed
        assert "colour is no longer given, so it stays as it is" in changed.remarks[0]
        assert not changes({"disk": 80}, {})

    @pytest.mark.parametrize(("after", "status"), [({"size": 3}, "running"), ({}, "terminated")])
    def test_it_is_not_said_to_stay_where_a_new_one_is_made(
        self, after: dict[str, Any], status: str
    ) -> None:
        changed = changes({"colour": "red"}, after, status=status)
        assert changed.replaces
        assert "stays" not in " ".join(changed.remarks)

    def test_leaving_out_means_the_default_where_that_is_plain(self) -> None:
        assert changes({"lid": True}, {}).replaces == ["lid"]
        assert changes({"open": True}, {}).updates == ["open"]
        assert changes({"tags": ["a"]}, {}).updates == ["tags"]
        assert not changes({"lid": False, "open": False, "tags": []}, {}, open=False)
        assert not changes({}, {"lid": False, "open": False, "tags": [], "keep": False})
        assert not changes({"keep": False}, {})
        assert changes({}, {"keep": True}).settings == ["keep"]

    def test_none_is_as_good_as_left_out(self) -> None:
        assert not changes({}, dict.fromkeys(("colour", "lid", "script", "tags", "open")))
        assert changes({"lid": True}, {"lid": None}).replaces == ["lid"]


class TestSameness:
    def test_another_order_is_no_change_where_order_means_nothing(self) -> None:
        assert not changes({"tags": ["a", "b"]}, {"tags": ["b", "a"]})
        assert changes({"tags": ["a", "b"]}, {"tags": ["a"]}).updates == ["tags"]

    def test_one_direction_in_place_and_the_other_by_a_new_one(self) -> None:
        assert kinds(changes({"disk": 50}, {"disk": 60})) == ([], ["disk"], [])
        assert kinds(changes({"disk": 50}, {"disk": 40})) == (["disk"], [], [])

    def test_growing_beyond_what_the_api_chose_is_in_place(self) -> None:
        assert kinds(changes({}, {"disk": 60})) == ([], ["disk"], [])
        assert kinds(changes({}, {"disk": 30})) == (["disk"], [], [])


class TestUnknown:
    @pytest.mark.parametrize("name", ["colour", "env", "script", "lid"])
    def test_what_is_not_known_yet_may_replace(self, name: str) -> None:
        assert changes({}, {name: UNKNOWN}).replaces == [name]

    def test_a_part_that_is_not_known_yet_may_change_the_whole(self) -> None:
        assert changes({"env": {"A": "1"}}, {"env": {"A": UNKNOWN}}).replaces == ["env"]
        assert changes({"tags": ["a"]}, {"tags": [UNKNOWN]}).updates == ["tags"]

    def test_it_is_never_compared(self) -> None:
        """A size that is not known cannot be told to shrink."""
        assert changes({"disk": 50}, {"disk": UNKNOWN}).updates == ["disk"]
        assert changes({"tags": ["a"]}, {"tags": UNKNOWN}).updates == ["tags"]


class TestDrift:
    def test_what_refresh_corrected_is_the_old_value(self) -> None:
        assert changes({"open": True}, {"open": False}).updates == ["open"]

    def test_what_the_api_tells_differently_never_replaces(self) -> None:
        """It may have normalized what it was given: only the program's own change counts."""
        assert not changes({"colour": "red"}, {"colour": "red"}, colour="RED", size=2.0)


class TestImported:
    def test_what_the_api_does_not_give_back_is_as_the_program_says(self) -> None:
        changed = changes({}, {"script": "#!a", "version": 3}, imported=True)
        assert not changed
        assert ["script" in remark for remark in changed.remarks] == [True]

    def test_what_it_gives_back_counts(self) -> None:
        assert changes({}, {"colour": "blue"}, imported=True).replaces == ["colour"]
        assert changes({"open": True}, {"open": False}, imported=True).updates == ["open"]

    def test_once_the_program_has_said_it_a_change_counts(self) -> None:
        changed = changes({"script": "#!a"}, {"script": "#!b"}, imported=True)
        assert changed.replaces == ["script"]

    def test_what_no_program_has_given_is_not_said_to_be_given_no_longer(self) -> None:
        assert changes({"colour": "red"}, {}, imported=True).remarks == []


class TestNotReady:
    """An earlier run was cut off, and the update has nothing to show."""

    def test_the_preview_says_why_there_is_an_update(self) -> None:
        changed = changes({}, {}, status="deploying", **{READY: False})
        assert not changed
        assert changed.remarks == [
            "it was not ready when made or changed: `pulumi up` waits for it"
        ]

    @pytest.mark.parametrize("status", ["failed", "terminated"])
    def test_one_that_has_failed_is_not_waited_for(self, status: str) -> None:
        remarks = changes({}, {}, status=status, **{READY: False}).remarks
        assert "waits for" not in " ".join(remarks)

    def test_what_was_ready_needs_no_word(self) -> None:
        assert changes({}, {}, **{READY: True}).remarks == []


class TestFailed:
    def test_one_that_never_served_is_replaced(self) -> None:
        changed = changes({}, {}, status="failed", status_reason="no boot", **{SERVED: False})
        assert kinds(changed) == (["status"], [], [])
        assert changed.remarks == ["its status is failed (no boot): a new one takes its place"]

    def test_one_that_has_served_is_restarted_since_its_disk_may_hold_data(self) -> None:
        changed = changes({}, {}, status="failed", status_reason="no boot")
        assert kinds(changed) == ([], ["desired_state"], [])
        assert changed.remarks == [
            "its status is failed (no boot): `pulumi up` starts it again, on its own disk"
        ]

    def test_one_that_is_replaced_anyway_is_not_said_to_start_again(self) -> None:
        changed = changes({"size": 1}, {"size": 2}, status="failed")
        assert changed.replaces == ["size"]
        assert "starts it again" not in " ".join(changed.remarks)

    def test_one_that_was_imported_has_served(self) -> None:
        changed = changes({}, {}, imported=True, status="failed")
        assert kinds(changed) == ([], ["desired_state"], [])

    def test_one_that_is_to_be_stopped_rests_already(self) -> None:
        assert not changes(
            {"desired_state": "stopped"}, {"desired_state": "stopped"}, status="failed"
        )

    def test_one_that_has_ended_is_replaced(self) -> None:
        assert changes({}, {}, status="terminated").replaces == ["status"]

    @pytest.mark.parametrize("status", ["running", "stopped", "deploying", "defrosting", None])
    def test_in_any_other_state_it_is_left_alone(self, status: str | None) -> None:
        assert not changes({}, {}, status=status)


VALUES = st.fixed_dictionaries(
    {},
    optional={
        "size": st.integers(1, 8),
        "colour": st.sampled_from(["red", "blue"]),
        "lid": st.booleans(),
        "script": st.sampled_from(["#!a", "#!b"]),
        "env": st.dictionaries(st.sampled_from("AB"), st.sampled_from("12")),
        "tags": st.lists(st.sampled_from("ab"), max_size=2),
        "disk": st.integers(10, 12),
        "open": st.booleans(),
        "version": st.integers(1, 2) | st.just("1"),
        "desired_state": st.sampled_from(["running", "stopped"]),
        "patience": st.integers(1, 2),
    },
)


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(before=VALUES, after=VALUES)
def test_whatever_changes_once_it_is_recorded_nothing_is_left_to_change(
    before: dict[str, Any], after: dict[str, Any]
) -> None:
    assert not changes(before, before)
    changed = changes(before, after)
    for names in kinds(changed):
        assert len(names) == len(set(names))
        assert all(before.get(name) != after.get(name) for name in names)
    assert not changes(after, after)
