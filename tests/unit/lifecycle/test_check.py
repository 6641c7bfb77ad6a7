"""Bad input is refused by the property's own name, all of it at once; what is unknown passes."""

from __future__ import annotations

import math
from typing import Any

import pytest

import pulumi_openrelay.relay  # noqa: F401 - registers the kinds
from pulumi_openrelay.lifecycle.check import check
from pulumi_openrelay.lifecycle.declare import KINDS
from pulumi_openrelay.lifecycle.unknown import UNKNOWN, has_unknown

from .boxes import BOX


def problems(**given: Any) -> dict[str, str]:
    _, found = check(BOX, {"size": 2, **given})
    assert len({name for name, _ in found}) == len(found), found
    return dict(found)


def test_good_inputs_pass_as_they_are() -> None:
    given = {
        "size": 2,
        "name": "it",
        "colour": "red",
        "lid": True,
        "script": "#!x",
        "env": {"A": "1"},
        "tags": ["a", "a"],
        "disk": 100,
        "patience": 1.5,
    }
    assert check(BOX, given) == (given, [])


def test_every_problem_is_named_not_only_the_first() -> None:
    _, found = check(BOX, {"size": 0, "colour": "green", "lid": 1, "nmae": "x", "tags": [1]})
    assert [name for name, _ in found] == ["size", "colour", "lid", "nmae", "tags"]


def test_what_is_required_and_missing_is_named() -> None:
    assert check(BOX, {}) == ({}, [("size", "is required")])
    assert check(BOX, {"size": None}) == ({}, [("size", "is required")])


def test_none_is_as_good_as_left_out() -> None:
    assert check(BOX, {"size": 2, "name": None, "tags": None}) == ({"size": 2}, [])


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"size": 0}, "should be greater than or equal to 1, not 0"),
        ({"size": 9}, "should be less than or equal to 8, not 9"),
        ({"size": "2"}, "should be a valid integer"),
        ({"size": 2.5}, "should be a valid integer, not 2.5"),
        ({"size": True}, "should be a valid integer, not True"),
        ({"lid": "yes"}, "should be a valid boolean"),
        ({"lid": 1}, "should be a valid boolean, not 1"),
        ({"name": 7}, "should be a valid string, not 7"),
        ({"colour": "green"}, "should be 'red' or 'blue'"),
        ({"tags": "a"}, "should be a valid list"),
        ({"tags": ["a", 7]}, "should be a valid string, not 7 (element 1)"),
        ({"env": ["A=1"]}, "should be a valid dictionary"),
        ({"disk": 201}, "should be at most 100 for each size"),
    ],
)
def test_a_problem_says_what_should_be_and_what_is(given: dict[str, Any], told: str) -> None:
    ((name, _),) = given.items()
    assert problems(**given) == {name: told}


@pytest.mark.parametrize("name", ["", " ", "\t\n"])
def test_a_blank_name_is_refused(name: str) -> None:
    assert problems(name=name) == {"name": "should not be blank"}


@pytest.mark.parametrize("number", [math.inf, -math.inf, math.nan])
def test_a_number_that_json_has_no_word_for_is_refused(number: float) -> None:
    _, found = check(BOX, {"size": 2, "patience": number})
    assert {name for name, _ in found} == {"patience"}
    assert any("a finite number" in reason for _, reason in found)


def test_what_may_be_of_several_types_has_one_reason_that_names_them_all() -> None:
    api_key = KINDS["relay:ApiKey"]
    assert check(api_key, {"key_budget": True})[1] == [
        ("key_budget", "should be a valid integer or a valid number or 'unlimited', not True")
    ]
    assert check(api_key, {"key_budget": "x"})[1] == [
        ("key_budget", "should be a valid integer or a valid number or 'unlimited'")
    ]
    assert check(api_key, {"rotation": [1]})[1] == [
        ("rotation", "should be a valid string or a valid integer")
    ]


def test_whole_numbers_of_the_engine_are_numbers() -> None:
    assert problems(size=2, disk=50) == {}


def test_an_input_that_there_is_not_comes_with_the_one_that_was_meant() -> None:
    assert problems(coluor="red") == {"coluor": "is no input of Box; did you mean colour?"}
    assert problems(zzz=1) == {"zzz": "is no input of Box"}


def test_an_output_is_no_input() -> None:
    assert problems(status="running")["status"].startswith("is no input of Box")


def test_a_kinds_own_check_is_not_asked_about_what_is_wrong_anyway() -> None:
    assert problems(size="2", disk=10**6).keys() == {"size"}


class TestSecrets:
    def test_a_secret_is_never_repeated(self) -> None:
        for value in ("hunter2", 4711, 47.11, ["hunter2"], {"hunter2": 1}):
            told = problems(script=value)["script"]
            assert "hunter2" not in told
            assert "4711" not in told
            assert "47.11" not in told

    def test_neither_is_a_part_of_one(self) -> None:
        for value in (4711, ["hunter2"], {"TOKEN": "hunter2"}):
            told = problems(env={"TOKEN": value})["env"]
            assert "hunter2" not in told
            assert "4711" not in told

    def test_a_key_is_none_and_tells_which_element_is_meant(self) -> None:
        told = problems(env={"HOST": "a", "PORT": 8080})["env"]
        assert told == "should be a valid string (element PORT)"

    def test_text_is_never_repeated_since_it_may_hold_one(self) -> None:
        assert "hunter2" not in problems(colour="hunter2")["colour"]


class TestUnknown:
    @pytest.mark.parametrize(
        "given",
        [
            {"size": UNKNOWN},
            {"colour": UNKNOWN},
            {"lid": UNKNOWN},
            {"script": UNKNOWN},
            {"tags": UNKNOWN},
            {"tags": ["a", UNKNOWN]},
            {"env": UNKNOWN},
            {"env": {"A": UNKNOWN, "B": "1"}},
            {"patience": UNKNOWN},
            {"disk": UNKNOWN},
        ],
    )
    def test_in_any_place_it_passes(self, given: dict[str, Any]) -> None:
        inputs, found = check(BOX, {"size": 2, **given})
        assert found == []
        assert has_unknown(inputs)

    def test_what_is_known_beside_it_is_checked(self) -> None:
        assert problems(tags=[UNKNOWN, 7]).keys() == {"tags"}
        assert problems(env={"A": UNKNOWN, "B": 1}).keys() == {"env"}

    def test_it_satisfies_what_is_required(self) -> None:
        assert check(BOX, {"size": UNKNOWN})[1] == []
