"""A plan says what will happen to each resource, and the same plan is always the same."""

from __future__ import annotations

import json
import random

import pytest
from pulumi.automation.events import OpType

from pulumi_openrelay.review import markdown, renames
from pulumi_openrelay.review.plan import Action, Mark
from pulumi_openrelay.review.run import bind

from . import told
from .told import SECRET, UNKNOWN, vm


def test_a_replacement_is_one_step_that_names_what_forces_it() -> None:
    (step,) = told.plan(told.replaced("trainer", vm(), vm(gpu_count=2), ["gpu_count"])).steps
    assert (step.action, step.name, step.forced_by) == (Action.REPLACE, "trainer", ("gpu_count",))


def test_what_an_earlier_replacement_left_is_a_deletion_of_its_own() -> None:
    plan = told.plan(told.same("trainer", vm()), told.leftover("trainer", vm()))
    assert [(s.action, s.leftover) for s in plan.steps] == [
        (Action.DELETE, True),
        (Action.SAME, False),
    ]


def test_a_leftover_beside_another_replacement_is_not_lost() -> None:
    plan = told.plan(
        told.replaced("trainer", vm(), vm(gpu_count=2)), told.leftover("trainer", vm())
    )
    assert [(s.action, s.leftover) for s in plan.steps] == [
        (Action.REPLACE, False),
        (Action.DELETE, True),
    ]


@pytest.mark.parametrize(
    ("tainted", "keys", "why"),
    [
        (False, [], "an option of its program, such as `replacement_trigger`"),
        (True, ["id"], "`pulumi state taint`"),
    ],
)
def test_a_replacement_that_no_property_forces_is_told_by_what_asks_for_it(
    *, tainted: bool, keys: list[str], why: str
) -> None:
    """`replacement_trigger` and `replace_with` of the program, or a mark in the state."""
    events = told.replaced("trainer", vm(), vm(), keys)
    for event in events:
        assert event.resource_pre_event is not None
        assert event.resource_pre_event.metadata.old is not None
        event.resource_pre_event.metadata.old.taint = tainted
    found = told.review(events)
    assert found.reasons[0].message == (
        f"it is replaced because of {why}: its disk ends with it (data loss)"
    )
    (replaced,) = found.as_json()["replacements"]
    assert (replaced["because"], replaced["changes"]) == (why, [])
    assert f"- `trainer` (VM): {why}; **data loss" in markdown.render(found)


def test_one_that_is_renamed_with_an_alias_and_replaced_is_told_once() -> None:
    old, new = vm(gpu_count=1), vm(gpu_count=2, rate_cents_per_hour=290)
    for events in ([0, 1, 2], [2, 1, 0]):
        told_of = told.renamed("a", "b", old, new, replaced=True)
        (step,) = told.plan([told_of[each] for each in events]).steps
        assert (step.action, step.name, step.leftover) == (Action.REPLACE, "b", False)
        found = told.review(told_of)
        assert (found.before.known_cents, found.after.known_cents) == (29, 290)
        assert {reason.rule for reason in found.reasons} == {"data-loss", "cost-jump"}


def test_beside_a_renamed_one_a_leftover_of_the_old_name_is_not_lost() -> None:
    plan = told.plan(
        told.renamed("a", "b", vm(), vm(gpu_count=2), replaced=True), told.leftover("a", vm())
    )
    assert [(s.action, s.name, s.leftover) for s in plan.steps] == [
        (Action.REPLACE, "b", False),
        (Action.DELETE, "a", True),
    ]


def test_the_gravest_comes_first_whatever_order_the_engine_tells() -> None:
    events = [
        told.created("b", vm()),
        told.deleted("c", vm()),
        told.same("a", vm()),
        told.replaced("z", vm(), vm(gpu_count=2)),
        told.updated("d", vm(), vm(public=True)),
        told.created("a2", vm()),
    ]
    expected = ["z", "c", "a2", "b", "d", "a"]
    for seed in range(20):
        random.Random(seed).shuffle(events)
        assert [step.name for step in told.plan(*events).steps] == expected


def test_secrets_and_unknowns_are_marks() -> None:
    (step,) = told.plan(
        told.created("trainer", vm(env_vars=SECRET, ssh_key_ids=[UNKNOWN], labels={"a": SECRET}))
    ).steps
    assert step.after is not None
    assert step.after.inputs["env_vars"] is Mark.SECRET
    assert step.after.inputs["ssh_key_ids"] == [Mark.UNKNOWN]
    assert step.after.inputs["labels"] == {"a": Mark.SECRET}


def test_the_digest_is_of_the_changes_alone() -> None:
    change = told.updated("trainer", vm(), vm(public=True))
    digest = bind(told.plan(change), [])
    unrelated = told.same("other", vm(), ssh_ready=False)
    assert bind(told.plan(unrelated, change), []) == digest
    assert bind(told.plan(told.updated("trainer", vm(), vm(public=False))), []) != digest
    assert bind(told.plan(told.updated("trainer", vm(gpu_count=3), vm(public=True))), []) != digest


def test_another_secret_in_the_configuration_is_another_digest() -> None:
    plan = told.plan(told.updated("trainer", vm(env_vars=SECRET), vm(env_vars=SECRET, public=True)))
    assert bind(plan, ["v1:a"]) != bind(plan, ["v1:b"])
    assert bind(plan, ["v1:a", "v1:b"]) == bind(plan, ["v1:b", "v1:a"])


def test_the_digest_can_be_computed_of_marks() -> None:
    plan = told.plan(told.created("trainer", vm(env_vars=SECRET, ssh_key_ids=[UNKNOWN])))
    assert "[secret]" in json.dumps(plan.content)
    assert bind(plan, []) == bind(plan, [])


def test_a_rename_is_told_from_one_that_goes_and_another_that_comes() -> None:
    plan = told.plan(
        told.deleted("trainer", vm(name="trainer-1-a")),
        told.created("coach", vm(name="coach-1-a")),
        told.deleted("small", {"resource_size": "small", "ssh_key_ids": ["k"]}),
    )
    assert [(r.ended.name, r.made.name) for r in renames.find(plan)] == [("trainer", "coach")]


def test_unlike_machines_are_no_rename() -> None:
    plan = told.plan(
        told.deleted("trainer", vm()), told.created("web", {"resource_size": "small", "public": 1})
    )
    assert renames.find(plan) == []


def test_each_created_machine_takes_the_place_of_one_at_most() -> None:
    plan = told.plan(told.deleted("a", vm()), told.deleted("b", vm()), told.created("c", vm()))
    assert [(r.ended.name, r.made.name) for r in renames.find(plan)] == [("a", "c")]


def test_a_machine_that_is_only_read_is_no_part_of_the_stack() -> None:
    (event,) = told.same("theirs", vm())
    assert event.resource_pre_event is not None
    event.resource_pre_event.metadata.op = OpType.READ
    plan = told.plan([event])
    assert [step.foreign for step in plan.steps] == [True]
    assert list(plan.machines) == []
