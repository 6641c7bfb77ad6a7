"""One file configures the rules; a mistake in it is one sentence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pulumi_openrelay.policies import (
    RULES,
    Configuration,
    Exemption,
    Level,
    cost,
    exposure,
    naming,
)
from pulumi_openrelay.policies.configuration import (
    FILE,
    SHIPPED,
    WrongConfiguration,
    find,
    read,
)

EXEMPTION = {
    "rule": "public-machine",
    "resource": "demo-*",
    "reason": "the public demo",
    "owner": "ada@example.com",
    "expires": "2027-01-31",
}


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def write(**content: Any) -> Path:
        (tmp_path / FILE).write_text(json.dumps(content))
        return tmp_path

    return write


def test_without_a_file_the_profile_is_production(tmp_path: Path) -> None:
    configuration = find(tmp_path)

    assert configuration.profile == "production"
    for rule in RULES:
        assert configuration.level(rule) is rule.level
        assert configuration.settings(rule) == rule.settings()


def test_what_has_the_files_name_and_is_none_is_not_taken_for_no_file(tmp_path: Path) -> None:
    (tmp_path / FILE).symlink_to(tmp_path / "nowhere.json")
    with pytest.raises(WrongConfiguration, match=f"{FILE} cannot be read: No such file"):
        find(tmp_path)
    (tmp_path / FILE).unlink()
    (tmp_path / FILE).mkdir()
    with pytest.raises(WrongConfiguration, match=f"{FILE} cannot be read: Is a directory"):
        find(tmp_path)


def test_a_file_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text('{"profile": "regulated"}', encoding="utf-8-sig")
    assert find(tmp_path).profile == "regulated"


def test_one_line_switches_the_profile(write: Any) -> None:
    levels = {}
    for profile in ("development", "production", "regulated"):
        configuration = find(write(profile=profile))
        configuration.check(RULES)
        levels[profile] = [configuration.level(rule) for rule in RULES]

    strictness = [Level.DISABLED, Level.ADVISORY, Level.MANDATORY]
    for rows in zip(*levels.values(), strict=True):
        assert [strictness.index(level) for level in rows] == sorted(map(strictness.index, rows))
    assert Level.MANDATORY not in levels["development"]
    assert levels["regulated"].count(Level.MANDATORY) > levels["production"].count(Level.MANDATORY)


def test_a_rule_of_the_file_wins_over_the_profile(write: Any) -> None:
    folder = write(profile="development", rules={"machine-rate": {"max_cents_per_hour": 7}})
    configuration = find(folder)

    assert configuration.settings(cost.MACHINE_RATE) == cost.MachineRateSettings(
        max_cents_per_hour=7
    )
    assert configuration.level(cost.MACHINE_RATE) is Level.ADVISORY
    configuration = find(write(rules={"machine-rate": {"level": "disabled"}}))
    assert configuration.level(cost.MACHINE_RATE) is Level.DISABLED


def test_the_command_line_wins_over_the_file(write: Any) -> None:
    configuration = find(write(profile="development"), profile="regulated")

    assert configuration.level(exposure.PUBLIC_ENDPOINT) is Level.MANDATORY


def test_a_file_may_have_a_profile_of_its_own(write: Any) -> None:
    own = {"residency": {"allowed-locations": {"allowed": ["eu-*"]}}}
    configuration = find(write(profile="residency", profiles=own))

    configuration.check(RULES)
    assert configuration.settings(naming.ALLOWED_LOCATIONS) == naming.LocationSettings(
        allowed=("eu-*",)
    )


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ({"profile": "prod"}, "no profile 'prod'; there are development, production, regulated"),
        ({"rules": {"machine-rat": {}}}, "no rule 'machine-rat'; did you mean machine-rate?"),
        ({"rules": {"bananas": {}}}, "there is no rule 'bananas'; see `pulumi-openrelay policy"),
        ({"rules": {"idle": {"level": "error"}}}, "idle: its level should be one of mandatory"),
        (
            {"rules": {"gpu-count": {"max_gpus": "x"}}},
            "gpu-count: max_gpus: should be a valid integer",
        ),
        (
            {"rules": {"gpu-count": {"max_gpu": 1}}},
            "gpu-count: there is no key 'max_gpu'; did you mean max_gpus?",
        ),
        (
            {"rules": {"gpu-count": {"bananas": 1}}},
            "gpu-count: there is no key 'bananas'; there are level, max_gpus, stacks",
        ),
        ({"rules": {"gpu-count": 7}}, "rules.gpu-count: should be an object"),
        (
            {"rules": {"resource-name": {"pattern": "["}}},
            "resource-name: pattern: is no regular expression: unterminated character set at "
            "position 0",
        ),
        (
            {"rules": {"machine-rate": {"max_cents_per_hour": True}}},
            "machine-rate: max_cents_per_hour: should be a valid integer",
        ),
        (
            {"rules": {"api-key-expiry": {"max_days": "90"}}},
            "api-key-expiry: max_days: should be a valid number",
        ),
        (
            {"rules": {"monthly-budget": {"required": 1}}},
            "monthly-budget: required: should be a valid boolean",
        ),
        (
            {"exemptions": [{**EXEMPTION, "expires": 4_102_444_800}]},
            "exemptions.0.expires: should be a date, such as 2027-01-31",
        ),
        (
            {"profiles": {"production": {"public-machine": {"level": "disabled"}}}},
            "the profile 'production' is the package's own: give yours another name, or say under "
            "`rules` what is to differ",
        ),
        (
            {"profile": "mine", "profiles": {"mine": {}, "regulated": {}}},
            "the profile 'regulated' is the package's own",
        ),
        ({"rules": {"idle": {"stacks": "*"}}}, "idle: stacks: should be a list"),
        ({"exemptions": [{**EXEMPTION, "owner": " "}]}, "exemptions.0.owner: should not be blank"),
        (
            {"exemptions": [{**EXEMPTION, "expires": "soon"}]},
            "exemptions.0.expires: should be a date, such as 2027-01-31",
        ),
        (
            {"exemptions": [{**EXEMPTION, "expire": "soon"}]},
            "exemptions.0: there is no key 'expire'; did you mean expires?",
        ),
        ({"exemptions": [{**EXEMPTION, "rule": "public-machin"}]}, "did you mean public-machine?"),
        ({"exemptions": [{**EXEMPTION, "rule": "bananas"}]}, "there is no rule 'bananas'; see"),
        ({"exemptions": [{**EXEMPTION, "rule": "data-los"}]}, "did you mean data-loss?"),
        ({"exemptions": [dict(list(EXEMPTION.items())[:3])]}, "exemptions.0.owner: is missing"),
        ({"profil": "production"}, "there is no key 'profil'; did you mean profile?"),
        (
            {"bananas": []},
            "there is no key 'bananas'; there are $schema, exemptions, profile, profiles, rules",
        ),
        (
            {"profile": "mine` @acme", "profiles": {"mine` @acme": {}}},
            "profile: should have letters, digits, '_', '.' and '-' alone",
        ),
        (
            {"profiles": {"eu rope\n": {}}},
            "profiles: 'eu rope\\n' should have letters, digits, '_', '.' and '-' alone",
        ),
    ],
)
def test_a_mistake_is_named(write: Any, content: dict[str, Any], sentence: str) -> None:
    folder = write(**content)
    with pytest.raises(WrongConfiguration) as wrong:
        find(folder).check(RULES)
    assert sentence in str(wrong.value)
    assert "Input" not in str(wrong.value)
    assert "\n" not in str(wrong.value)


def test_a_file_that_is_not_there_or_no_json_is_named(tmp_path: Path) -> None:
    with pytest.raises(WrongConfiguration, match="cannot be read: No such file"):
        find(file=tmp_path / "policy.json")
    (tmp_path / FILE).write_text("profile: production")
    with pytest.raises(WrongConfiguration, match="is no JSON: expected value at line 1"):
        find(tmp_path)


def test_numbers_may_be_written_as_in_any_json(write: Any) -> None:
    settings = {"machine-rate": {"max_cents_per_hour": 3e3}, "api-key-expiry": {"max_days": 30}}
    find(write(rules=settings)).check(RULES)


def test_the_shipped_file_is_no_mistake() -> None:
    read(SHIPPED).check(RULES)


@pytest.mark.parametrize(
    ("pattern", "name", "covered"),
    [
        ("gpu[0]", "gpu[0]", True),
        ("gpu[0]", "gpu0", False),
        ("gpu[*]", "gpu[7]", True),
        ("w-?", "w-1", True),
        ("w-?", "w-?", True),
        ("w-*", "v-1", False),
        ("[!a]", "[!a]", True),
        ("[!a]", "b", False),
    ],
)
def test_an_exemption_covers_the_very_name_that_it_names(
    pattern: str, name: str, *, covered: bool
) -> None:
    exemption = Exemption.model_validate({**EXEMPTION, "resource": pattern})
    assert exemption.covers("public-machine", name) is covered


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ({"machine-rat": {}}, "profiles.mine: there is no rule 'machine-rat'; did you mean"),
        ({"idle": {"level": "error"}}, "profiles.mine: idle: its level should be one of"),
        ({"gpu-count": {"max_gpu": 1}}, "profiles.mine: gpu-count: there is no key 'max_gpu';"),
    ],
)
def test_a_mistake_in_a_profile_that_is_not_chosen_is_named(
    write: Any, said: dict[str, Any], sentence: str
) -> None:
    """Else it comes out where it is chosen first, which may be for production."""
    configuration = find(write(profiles={"good": {}, "mine": said}), profile="good")
    with pytest.raises(WrongConfiguration) as wrong:
        configuration.check(RULES)
    assert str(wrong.value).startswith(sentence)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('{"profile": "production", "rules": {}, "profile": "development"}', "profile"),
        ('{"rules": {"idle": {}, "spot": {}, "idle": {}}}', "rules.idle"),
        ('{"rules": {"idle": {"level": "disabled", "level": "mandatory"}}}', "rules.idle.level"),
        ('{"exemptions": [{}, {"rule": "idle", "rule": "spot"}]}', "exemptions.1.rule"),
    ],
)
def test_a_key_that_stands_there_twice_is_named(tmp_path: Path, text: str, place: str) -> None:
    """JSON takes the last one, and what the first one says is lost."""
    (tmp_path / FILE).write_text(text)
    with pytest.raises(WrongConfiguration) as wrong:
        find(tmp_path)
    assert str(wrong.value) == (
        f"{tmp_path / FILE}: {place} stands there twice, and the first of them would count for "
        "nothing; leave one"
    )


def test_an_exemption_of_a_rule_that_only_reviews_hold_is_no_mistake(write: Any) -> None:
    find(write(exemptions=[{**EXEMPTION, "rule": "data-loss"}])).check(RULES)


def test_a_profile_goes_with_some_of_the_rules_too() -> None:
    Configuration(profile="regulated").check(exposure.RULES)


def test_profiles_and_rules_can_be_given_in_a_program() -> None:
    Configuration(profile="regulated", rules={"idle": {"level": "mandatory"}}).check(RULES)
