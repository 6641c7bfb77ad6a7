"""`apply` is held to the secrets of a review too, which neither of them shows."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from click.testing import CliRunner
from pulumi.automation.events import EngineEvent
from pydantic import TypeAdapter

from pulumi_openrelay.cli import main
from pulumi_openrelay.policies import fingerprint
from pulumi_openrelay.policies.reading import UNKNOWN as NOT_KNOWN
from pulumi_openrelay.review.apply import (
    Refused,
    Reviewed,
    carry_out,
    hold_to_profile,
    permit,
    read,
)
from pulumi_openrelay.review.market import Account
from pulumi_openrelay.review.preview import NotJudged, Project, configurations
from pulumi_openrelay.review.report import Review
from pulumi_openrelay.review.run import bound_secrets

from . import told
from .told import SECRET, UNKNOWN, vm

URN = told.urn("trainer")


def found(prints: dict[str, str]) -> Review:
    review = told.review(told.created("trainer", vm(env_vars=SECRET, labels={"a": [SECRET]})))
    return replace(review, secrets=bound_secrets(review.plan, {URN: prints}))


def reviewed(review: Review) -> Reviewed:
    told_json = review.as_json()
    return TypeAdapter(Reviewed).validate_python(
        {name: told_json[name] for name in Reviewed.__slots__}
    )


def test_only_inputs_with_a_secret_of_what_changes_are_bound() -> None:
    prints = {"env_vars": "1", "labels": "2", "gpu_count": "3"}
    assert found(prints).secrets == {URN: {"env_vars": "1", "labels": "2"}}
    same = told.review(told.same("trainer", vm(env_vars=SECRET)))
    assert bound_secrets(same.plan, {URN: prints}) == {}


def test_the_same_secrets_are_permitted_and_another_is_named() -> None:
    first = found({"env_vars": "1", "labels": "2"})
    permit(reviewed(first), first)
    with pytest.raises(Refused, match="the secret in labels of trainer is another; review it"):
        permit(reviewed(first), found({"env_vars": "1", "labels": "3"}))


AT = Account("https://api.example", "org_1")
RENTED = Account("https://relay.example", "")


@pytest.mark.parametrize(
    ("service", "then", "now", "said"),
    [
        (
            "openrelay",
            AT,
            replace(AT, url="https://other.example"),
            "for the account org_1 of OpenRelay at https://api.example, and would be applied to "
            "the account org_1 of OpenRelay at https://other.example; use a key and a URL of the",
        ),
        ("openrelay", AT, replace(AT, id="org_2"), "the account org_2 of OpenRelay at https://api"),
        ("openrelay", replace(AT, id=None), AT, "for an account that is not known of OpenRelay"),
        ("openrelay", Account(), Account(), "OpenRelay at a URL that is not known"),
        ("relay", RENTED, replace(RENTED, url="https://b.example"), "of Relay at https://b.exampl"),
        ("relay", replace(RENTED, id="c1"), replace(RENTED, id="c2"), "the account c2 of Relay"),
    ],
)
def test_a_plan_that_was_reviewed_for_another_account_or_api_is_refused(
    service: str, then: Account, now: Account, said: str
) -> None:
    review = told.review(told.created("trainer", vm()))
    with pytest.raises(Refused) as refused:
        permit(
            reviewed(replace(review, accounts={service: then})),
            replace(review, accounts={service: now}),
        )
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("service", "then", "now"),
    [("openrelay", AT, AT), ("relay", RENTED, RENTED), ("relay", RENTED, replace(RENTED, id="c"))],
)
def test_the_account_of_the_review_is_permitted(service: str, then: Account, now: Account) -> None:
    """Relay tells whose a key is to one alone that manages the account."""
    review = told.review(told.created("trainer", vm()))
    permit(
        reviewed(replace(review, accounts={service: then})),
        replace(review, accounts={service: now}),
    )


@pytest.mark.parametrize(("then", "now"), [("", ""), ("1", ""), ("", "1")])
def test_a_secret_that_cannot_be_compared_is_refused(then: str, now: str) -> None:
    before = found({"env_vars": then, "labels": "2"})
    after = found({"env_vars": now, "labels": "2"})
    with pytest.raises(Refused, match="the secrets of trainer cannot be compared"):
        permit(reviewed(before), after)


@pytest.mark.parametrize(
    ("then", "now"),
    [
        (told.deleted("a", vm(), retain=True), told.deleted("a", vm())),
        (told.deleted("a", vm(), adopted=True), told.deleted("a", vm())),
        (told.deleted("a", vm(), status="stopped"), told.deleted("a", vm())),
    ],
)
def test_another_loss_than_the_reviewed_one_is_refused(
    then: list[EngineEvent], now: list[EngineEvent]
) -> None:
    before = told.review(then, profile="development")
    permit(reviewed(before), before)
    with pytest.raises(Refused, match="the plan is no longer the reviewed one"):
        permit(reviewed(before), told.review(now, profile="development"))


def test_what_differs_is_named_by_the_users_own_resources() -> None:
    owner = told.created("openrelay", {}, "openrelay:Owner")
    before = reviewed(told.review(owner, told.created("k", vm())))
    with pytest.raises(Refused) as refused:
        permit(before, told.review(told.same("k", vm())))
    assert str(refused.value) == (
        "the plan is no longer the reviewed one: k (create, now same); review it again"
    )
    # An update that failed at once has made nothing else.
    with pytest.raises(Refused, match=r"one: the record of the stack itself \(create, now same\);"):
        permit(before, told.review(told.created("k", vm())))


def test_a_review_by_another_profile_is_refused() -> None:
    by = reviewed(told.review(profile="development"))
    hold_to_profile(by, None)
    hold_to_profile(by, "development")
    with pytest.raises(Refused, match="by the profile 'development', and not by 'production'"):
        hold_to_profile(by, "production")


@pytest.mark.parametrize(
    "wrong",
    [
        {"secrets": [1]},
        {"secrets": {"urn": "x"}},
        {"profile": ["x"]},
        {"actions": []},
        {"refreshed": "perhaps"},
        {"secrets_key": 7},
        {"accounts": {"openrelay": {"url": 7, "id": None}}},
    ],
)
def test_a_file_that_is_no_review_is_one_sentence(tmp_path: Path, wrong: dict[str, Any]) -> None:
    file = tmp_path / "review.json"
    review = told.review().as_json()
    file.write_text(json.dumps(review))
    assert read(file).profile == "production"
    file.write_text(json.dumps({**review, **wrong}))
    with pytest.raises(NotJudged, match="is no review; give the file that `review --json` wrote"):
        read(file)


class Applies:
    """A project whose update does this."""

    def __init__(self, *does: list[EngineEvent]) -> None:
        self.does = does

    def up(self, _packs: object, _show: object, reviewed: set[str], **_options: object) -> Any:
        self.held_to = {urn.rsplit("::", 1)[-1] for urn in reviewed}
        return SimpleNamespace(events=[event for events in self.does for event in events])


def applied(before: Review, *does: list[EngineEvent]) -> list[str]:
    """What is shown where an update that was held to this review does this."""
    shown: list[str] = []
    carry_out(cast(Project, Applies(*does)), [], before, shown.append)
    return shown


def test_a_reviewed_change_that_turned_out_to_be_none_is_noted_and_no_failure() -> None:
    """As of what reads another's outputs, which a preview does not know and the update leaves."""
    key = told.updated("app", vm(labels={"a": 1}), vm(labels={"a": 2}))
    chat = told.updated("chat", vm(name="x"), vm(name=UNKNOWN))
    node = told.replaced("node", vm(name="x"), vm(name=UNKNOWN))
    before = told.review(key, chat, node)
    assert applied(before, key, chat, node) == []
    shown = applied(before, key, told.same("chat", vm(name="x")), told.same("node", vm(name="x")))
    assert shown == ["note: left as they are, though the review has them change: chat, node"]


def test_an_update_may_declare_what_the_reviewed_program_declares_and_nothing_else() -> None:
    """What the review has deleted, or only looked up, is not to be made instead."""
    does = [
        *told.created("new", vm()),
        *told.updated("other", vm(), vm(name="x")),
        *told.replaced("anew", vm(), vm(name="x")),
        *told.same("old", vm()),
        *told.leftover("old", vm()),
        *told.deleted("gone", vm()),
        *told.did("read", name="looked-up"),
    ]
    update = Applies(does)
    carry_out(cast(Project, update), [], told.review(does), print)
    assert update.held_to == {"new", "other", "anew", "old"}


@pytest.mark.parametrize(
    ("planned", "done", "said"),
    [
        (told.updated("a", vm(), vm(name="x")), told.replaced("a", vm(), vm()), "update, now repl"),
        (told.created("a", vm()), told.same("a", vm()), "create, now same"),
        (told.deleted("a", vm()), told.same("a", vm()), "delete, now same"),
        (told.same("a", vm()), told.updated("a", vm(), vm(name="x")), "same, now update"),
        ([], told.created("a", {}, "openrelay:SshKey"), r"absent, now create\); review again"),
        (
            [],
            told.created("a", vm()),
            r"absent, now create\); made by now, and billed: a; review again to see what there is",
        ),
        (told.updated("a", vm(), vm(name="x")), [], "update, now same"),
    ],
)
def test_an_update_that_does_another_thing_than_the_reviewed_one_fails(
    planned: list[EngineEvent], done: list[EngineEvent], said: str
) -> None:
    said = rf"what was applied is not what was reviewed: a \({said}"
    with pytest.raises(NotJudged, match=said):
        applied(told.review(planned), done)


def test_what_an_update_fails_with_is_told_without_secrets() -> None:
    class Failing:
        def up(self, *_given: object, **_options: object) -> None:
            raise NotJudged("refused hunter2 by postgres://state:pass@db.example/state")

        def configuration(self) -> dict[str, tuple[str, bool]]:
            return {"shop:password": ("hunter2", True)}

    with pytest.raises(NotJudged) as failed:
        carry_out(cast(Project, Failing()), [], told.review(), print)
    assert str(failed.value) == "refused [secret] by postgres://state:[secret]@db.example/state"


def test_an_interrupt_after_an_update_failed_never_says_that_nothing_was_changed() -> None:
    class Failing:
        def up(self, *_given: object, **_options: object) -> None:
            raise NotJudged("VM 'b': there is no capacity")

        def configuration(self) -> dict[str, tuple[str, bool]]:
            raise KeyboardInterrupt

    with pytest.raises(NotJudged, match="interrupted: what was done until then is recorded"):
        carry_out(cast(Project, Failing()), [], told.review(), print)


def test_apply_says_why_there_is_no_stack_without_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_stack(_folder: Path, _stack: str) -> None:
        raise NotJudged("cannot open postgres://state:hunter2@db.example/state")

    monkeypatch.setattr("pulumi_openrelay.cli.apply.Project", no_stack)
    file = tmp_path / "review.json"
    file.write_text(told.review().to_json())
    ran = CliRunner().invoke(main, ["apply", "--stack", "dev", "--reviewed", str(file)])
    assert ran.exit_code == 1
    assert "cannot open postgres://state:[secret]@db.example/state" in ran.output


def test_a_fingerprint_is_of_its_key_resource_input_and_value() -> None:
    first = fingerprint.of("key", "urn", {"a": {"b": "x"}, "c": {"b": "x"}})
    assert fingerprint.of("key", "urn", {"c": {"b": "x"}, "a": {"b": "x"}}) == first
    assert first["a"] != first["c"]
    others = [
        fingerprint.of("other", "urn", {"a": {"b": "x"}}),
        fingerprint.of("key", "other", {"a": {"b": "x"}}),
        fingerprint.of("key", "urn", {"a": {"b": "y"}}),
        fingerprint.of("key", "urn", {"a": {"b": NOT_KNOWN}}),
    ]
    assert len({first["a"], *(each["a"] for each in others)}) == 5


def test_fingerprints_can_be_read_back_behind_the_policys_description() -> None:
    prints = {"a": "1", "b": "2"}
    message = f"Fingerprints of inputs, for a review.\n{fingerprint.write(prints)}\n"
    assert fingerprint.read(message) == prints


@pytest.mark.parametrize("project", ["stackConfigDir: of-stacks", "config: of-stacks"])
def test_a_stacks_secrets_are_found_where_the_project_has_its_configuration(
    tmp_path: Path, project: str
) -> None:
    (tmp_path / "Pulumi.yaml").write_text(f"name: shop\n{project}\n")
    own = tmp_path / "of-stacks" / "Pulumi.dev.yaml"
    own.parent.mkdir()
    for each in (own, own.with_name("Pulumi.other.yaml"), tmp_path / own.name):
        each.write_text("config: {}\n")
    assert configurations(tmp_path, "dev") == [own]
    (tmp_path / "Pulumi.yaml").write_text("name: shop\nconfig: {a: {default: 1}}\n")
    assert configurations(tmp_path, "dev") == [tmp_path / own.name]
