"""What a review holds against a plan, and what each profile makes of it."""

from __future__ import annotations

import inspect
from datetime import date
from typing import Any

import pytest
from pulumi.automation.events import EngineEvent

from pulumi_openrelay.policies import Exemption
from pulumi_openrelay.policies.message import Kind, Message, Severity
from pulumi_openrelay.policies.message import format as text_of
from pulumi_openrelay.policies.reading import Balance
from pulumi_openrelay.review import markdown, risk
from pulumi_openrelay.review.findings import Effect, Verdict
from pulumi_openrelay.review.market import Market

from . import told
from .told import MARKET, SECRET, UNKNOWN, vm


def exemption(rule: str, resource: str) -> Exemption:
    return Exemption(
        rule=rule, resource=resource, reason="paid", owner="ada", expires=date(2099, 12, 31)
    )


def rules(review: Any) -> list[tuple[str, str, str]]:
    return [(r.effect.value, r.rule, r.resource) for r in review.reasons]


@pytest.mark.parametrize(
    ("profile", "verdict"),
    [("development", "warn"), ("production", "block"), ("regulated", "block"), ("mine", "block")],
)
def test_a_running_machine_that_is_replaced_loses_its_data(profile: str, verdict: str) -> None:
    found = told.review(told.replaced("trainer", vm(), vm(gpu_count=2)), profile=profile)
    assert rules(found) == [(verdict, "data-loss", "trainer")]
    assert "because of gpu_count" in found.reasons[0].message


def test_a_stopped_machine_is_lost_more_quietly() -> None:
    found = told.review(told.deleted("trainer", vm(), status="stopped"))
    assert rules(found) == [("warn", "stopped-data-loss", "trainer")]


@pytest.mark.parametrize("status", ["running", "interrupted", "deploying", "some-new-status"])
def test_every_state_that_is_not_known_to_rest_counts_as_running(status: str) -> None:
    found = told.review(told.deleted("trainer", vm(), status=status))
    assert rules(found) == [("block", "data-loss", "trainer")]


def test_a_key_or_a_webhook_that_goes_is_no_loss() -> None:
    found = told.review(
        told.deleted("laptop", {"public_key": "ssh-ed25519 AAAA"}, "openrelay:SshKey"),
        told.deleted("events", {"url": "https://a.example"}, "openrelay:Webhook"),
    )
    assert found.verdict is Verdict.PASS
    assert [entry["resource"] for entry in found.as_json()["deletions"]] == ["events", "laptop"]


def test_a_rename_without_an_alias_is_called_a_deletion() -> None:
    found = told.review(told.deleted("trainer", vm()), told.created("coach", vm()))
    assert rules(found) == [("block", "hidden-deletion", "trainer")]
    assert found.as_json()["deletions"][0]["because"] == (
        "looks like a rename to coach without an alias"
    )


def test_one_of_which_nothing_is_known_yet_is_like_none() -> None:
    unknown = dict.fromkeys(vm(), UNKNOWN)
    found = told.review(told.deleted("trainer", vm()), told.created("coach", unknown))
    assert ("block", "data-loss", "trainer") in rules(found)


def test_a_machine_that_the_stack_only_forgets_goes_on_billing() -> None:
    kept = told.review(told.deleted("trainer", vm(), retain=True))
    adopted = told.review(told.deleted("trainer", vm(), adopted=True))
    assert rules(kept) == rules(adopted) == [("block", "left-running", "trainer")]


BUSY = Market(Balance(100_000, 2900, 0), MARKET.free, MARKET.free_spot)
DEAR = vm(rate_cents_per_hour=2900)
GONE, LARGER = told.deleted("disk", vm()), told.replaced("disk", vm(), vm(gpu_count=2))


@pytest.mark.parametrize("target", [GONE, LARGER], ids=["deleted", "replaced"])
@pytest.mark.parametrize(
    "change",
    [
        told.deleted("a", DEAR),
        told.deleted("a", {**DEAR, "deletion_protection": True}),
        told.replaced("a", DEAR, {**DEAR, "public": True}),
        told.renamed("a", "b", DEAR, {**DEAR, "public": True}, replaced=True),
    ],
    ids=["deleted", "protected", "replaced", "renamed and replaced"],
)
def test_a_machine_that_pulumi_ends_only_in_name_is_told_as_left_running_and_billing(
    change: list[EngineEvent], target: list[EngineEvent]
) -> None:
    found = told.review(change, target, market=BUSY, deleted_with={"a": "disk"})
    (left,) = [reason for reason in found.reasons if reason.rule == "left-running"]
    assert (left.effect, left.message, left.fix) == (
        Effect.BLOCK,
        "it leaves the stack and goes on billing: it is recorded with deleted_with `disk`, and "
        "Pulumi ends only that",
        "run `pulumi up` of what is there without `deleted_with` first",
    )
    (step,) = [step for step in found.plan.steps if step.name != "disk"]
    assert found.loses(step) == "goes on billing outside of the stack"
    after = 5800 if step.after else 2900
    assert found.burn_at_least()[1] - after == (29 if target is LARGER else 0)


def test_what_is_deleted_with_one_that_stays_ends_as_any_other() -> None:
    """And so does a leftover of its own name, which is recorded without that option."""
    stays = told.same("disk", vm())
    found = told.review(told.deleted("a", vm()), stays, deleted_with={"a": "disk"})
    assert rules(found) == [("block", "data-loss", "a")]
    older = told.leftover("a", vm())
    found = told.review(told.same("a", vm()), older, GONE, deleted_with={"a": "disk"})
    assert [rule for _, rule, _ in rules(found)] == ["data-loss", "data-loss"]


@pytest.mark.parametrize(
    "ops",
    [
        ("discard",),
        ("read-replacement", "replace", "discard-replaced"),
        ("create-replacement", "replace", "discard-replaced"),
    ],
)
def test_a_machine_that_was_only_read_is_nobodys_loss(ops: tuple[str, ...]) -> None:
    found = told.review(told.did(*ops))
    assert rules(found) == []
    assert found.as_json()["deletions"] == found.as_json()["replacements"] == []
    assert found.before.known_cents == 0


def test_a_machine_that_is_from_now_on_only_read_ends() -> None:
    found = told.review(told.did("read-replacement", "replace", "delete-replaced"))
    assert [(r.effect.value, r.rule) for r in found.reasons] == [("block", "data-loss")]


@pytest.mark.parametrize(
    "entering_or_leaving",
    [
        told.deleted("a", DEAR, retain=True),
        told.deleted("a", DEAR, adopted=True),
        told.imported("a", DEAR),
    ],
)
def test_what_enters_or_leaves_the_stack_and_bills_on_changes_no_runway(
    entering_or_leaving: list[EngineEvent],
) -> None:
    found = told.review(entering_or_leaving, market=BUSY)
    assert found.burn() == (2900, 2900)
    assert found.rooms == []
    assert "runway" not in [reason.rule for reason in found.reasons]


def test_what_may_be_taken_over_is_neither_billed_nor_placed_for_sure() -> None:
    found = told.review(told.created("a", vm(adopt=True, rate_cents_per_hour=2900)), market=BUSY)
    assert (found.burn(), found.burn_at_least()) == (None, (2900, 2900))
    assert found.rooms == []
    assert [(n.rule, n.resource) for n in found.not_evaluated] == [
        ("capacity", "a"),
        ("runway", "a"),
    ]


def test_openrelays_balance_does_not_pay_for_relays_machines() -> None:
    rented = told.created("w", {"rate_cents_per_hour": 2900}, "relay:Instance")
    found = told.review(rented, market=Market(Balance(1000, 0, 0), MARKET.free, MARKET.free_spot))
    assert found.burn() == (0, 0)
    assert found.after.cents == 2900
    assert [r.rule for r in found.reasons] == ["cost-jump"]
    assert ("runway", "w", "Relay's credits are not asked") in [
        (n.rule, n.resource, n.message) for n in found.not_evaluated
    ]


@pytest.mark.parametrize(
    ("profile", "hours", "effect"),
    [("regulated", 100, "block"), ("production", 50, "warn"), ("production", 100, None)],
)
def test_the_packs_rule_on_the_balance_counts_what_burns_after_the_change(
    profile: str, hours: int, effect: str | None
) -> None:
    market = Market(Balance(100 * 1000, 500, 0), MARKET.free, MARKET.free_spot)
    new = vm(rate_cents_per_hour=100 * 1000 // hours - 500)
    found = told.review(told.created("n", new), profile=profile, market=market)
    held = [r for r in found.reasons if r.rule == "balance-runway"]
    assert [r.effect.value for r in held] == ([effect] if effect else [])
    if effect:
        assert held[0].message.startswith(f"the balance lasts {hours} hours at $")
        name = exemption("balance-runway", "dev")
        exempt = told.review(
            told.created("n", new), profile=profile, market=market, exemptions=[name]
        )
        assert [e.rule for e in exempt.exemptions] == ["balance-runway"]


def test_a_balance_that_was_short_before_is_only_told() -> None:
    market = Market(Balance(5000, 100, 0), MARKET.free, MARKET.free_spot)
    found = told.review(
        told.updated("a", vm(rate_cents_per_hour=100), vm(rate_cents_per_hour=90)), market=market
    )
    assert found.verdict is Verdict.PASS
    assert [n.rule for n in found.notes] == ["balance-runway"]


def test_a_mandatory_rule_on_the_balance_blocks_where_the_reviews_own_would_warn() -> None:
    poor = Market(Balance(500, 29, 50), MARKET.free, MARKET.free_spot)
    said = text_of(Message(Kind.VIOLATION, Severity.HIGH, "the balance lasts 8 hours"))
    found = told.review(
        told.created("trainer", vm()),
        market=poor,
        profile="development",
        policies=[told.policy(said, rule="balance-runway")],
    )
    assert rules(found) == [("block", "balance-runway", "")]


def test_a_deletion_that_the_protection_will_refuse_is_told_before() -> None:
    found = told.review(
        told.deleted("trainer", vm(deletion_protection=True)), profile="development"
    )
    assert rules(found) == [("block", "protected-deletion", "trainer")]


def test_a_replacement_that_the_protection_will_refuse_is_told_before() -> None:
    old, new = vm(deletion_protection=True), vm(deletion_protection=True, gpu_count=2)
    found = told.review(told.replaced("trainer", old, new), profile="development")
    assert rules(found) == [("block", "protected-replacement", "trainer")]
    lifted = told.review(told.replaced("trainer", old, vm(gpu_count=2)))
    assert rules(lifted) == [("block", "data-loss", "trainer")]
    set_with_it = told.review(told.replaced("trainer", vm(), new), profile="development")
    assert rules(set_with_it) == [("block", "protected-replacement", "trainer")]


def test_what_is_not_known_yet_of_a_protected_machine_is_told_and_does_not_block() -> None:
    old = vm(deletion_protection=True, env_vars=told.SECRET)
    new = vm(deletion_protection=True, env_vars=told.UNKNOWN)
    found = told.review(told.updated("trainer", old, new), profile="regulated")
    assert rules(found) == [("warn", "protected-replacement", "trainer")]
    assert found.reasons[0].message == (
        "env_vars is not known until the update runs; if it then differs, deletion_protection will "
        "refuse the replacement"
    )
    opened = vm(deletion_protection=True, env_vars=told.SECRET, public=True)
    assert "protected-replacement" not in str(rules(told.review(told.updated("t", old, opened))))


def test_a_rename_of_a_protected_machine_is_called_a_rename_and_blocked() -> None:
    found = told.review(
        told.deleted("trainer", vm(deletion_protection=True)),
        told.created("coach", vm(deletion_protection=True)),
        profile="development",
    )
    assert rules(found) == [("block", "hidden-deletion", "trainer")]
    assert "aliases" in found.reasons[0].fix
    assert "deletion_protection will refuse that" in found.reasons[0].message


def test_what_an_earlier_update_did_not_delete_is_told_apart_from_its_replacement() -> None:
    stands = told.review(told.same("t", vm()), told.leftover("t", vm()))
    assert rules(stands) == [("block", "data-loss", "t")]
    assert (
        markdown.render(stands)
        .splitlines()[0]
        .endswith(
            "Blocked: `t`: the one that it replaced is deleted: its disk ends with it (data loss)"
        )
    )
    # Taking the change back would make a third machine.
    assert (
        "- `t` (VM): left over from an earlier replacement; **data loss: its disk ends with it**. "
        "⛔ `data-loss` (critical). Fix: save what is on its disk, and exempt this once."
        in markdown.render(stands).splitlines()
    )
    again = told.review(told.replaced("t", vm(), vm(gpu_count=2)), told.leftover("t", vm()))
    comment = markdown.render(again)
    assert "Fix: save what is on its disk, and exempt this once." in comment
    assert "Fix: take the change back, or save what is on the disk" in comment


def test_a_leftover_that_was_taken_over_goes_on_billing_outside_of_the_stack() -> None:
    older = told.leftover("t", vm(), adopted=True)
    (reason,) = told.review(told.same("t", vm()), older).reasons
    assert reason.message == "the one that it replaced leaves the stack and goes on billing"
    assert reason.fix == "end it by hand afterwards"


def test_a_cluster_that_is_replaced_has_another_endpoint_and_loses_no_data() -> None:
    kind = "openrelay:InferenceCluster"
    old, new = vm(image_url="a"), vm(image_url="b")
    found = told.review(told.replaced("llm", old, new, kind=kind))
    assert rules(found) == [("warn", "replacement", "llm")]
    assert "data" not in found.to_json().replace("_data", "")
    assert rules(told.review(told.deleted("llm", vm(), kind))) == [
        ("block", "endpoint-loss", "llm")
    ]


def test_a_stack_that_starts_to_cost_much_is_warned_of() -> None:
    dear = vm(rate_cents_per_hour=1000)
    assert ("warn", "cost-jump", "") in rules(told.review(told.created("trainer", dear)))
    cheap = told.review(told.created("trainer", vm()))
    assert cheap.verdict is Verdict.PASS


def test_a_jump_from_an_unknown_cost_is_not_evaluated() -> None:
    old = vm(desired_state="stopped", rate_cents_per_hour=None)
    new = vm(desired_state="running", rate_cents_per_hour=10_000)
    found = told.review(told.updated("trainer", old, new))
    assert [(n.rule, n.message) for n in found.not_evaluated] == [
        ("cost-jump", "the rate of trainer is unknown")
    ]


def test_beside_a_machine_whose_rate_was_unknown_nothing_costs_so_many_times_as_much() -> None:
    """What the stack cost before is more than what is known."""
    old, new = vm(replica_count=1), vm(replica_count=10, rate_cents_per_hour=290)
    unknown = told.deleted("old", vm(rate_cents_per_hour=None), status="stopped")
    found = told.review(told.updated("trainer", old, new), unknown)
    assert "cost-jump" not in [reason.rule for reason in found.reasons]


def test_one_balance_is_held_against_a_plan_once() -> None:
    poor = Market(Balance(500, 29, 50), MARKET.free, MARKET.free_spot)
    said = text_of(Message(Kind.VIOLATION, Severity.HIGH, "the balance lasts 8 hours"))
    policies = [told.policy(said, level="advisory", rule="balance-runway")]
    more = told.created("trainer", vm())
    found = told.review(more, told.same("old", vm()), market=poor, policies=policies)
    assert rules(found) == [("block", "runway", "")]
    rich = told.review(more, told.same("old", vm()), policies=policies)
    assert rules(rich) == [("warn", "balance-runway", "")]


def test_a_bill_of_many_times_as_much_is_held_against_it() -> None:
    old, new = vm(replica_count=1), vm(replica_count=10, rate_cents_per_hour=290)
    found = told.review(told.updated("trainer", old, new))
    assert ("block", "cost-jump", "") in rules(found)
    assert "10 times as much: $2.90 an hour instead of $0.29" in found.reasons[0].message


def test_cents_that_multiply_are_no_jump() -> None:
    old = vm(replica_count=1, rate_cents_per_hour=3)
    new = vm(replica_count=2, rate_cents_per_hour=30)
    assert told.review(told.updated("trainer", old, new)).verdict is Verdict.PASS


def test_a_balance_that_lasts_hours_is_held_against_more_cost_only() -> None:
    poor = Market(Balance(500, 29, 50), MARKET.free, MARKET.free_spot)
    more = told.review(told.created("trainer", vm()), told.same("old", vm()), market=poor)
    assert ("block", "runway", "") in rules(more)
    stopped = vm(desired_state="stopped", rate_cents_per_hour=0)
    less = told.review(told.updated("trainer", vm(), stopped), market=poor)
    assert less.verdict is Verdict.PASS
    poor = Market(Balance(500, 58, 50), MARKET.free, MARKET.free_spot)
    one_of_two = told.updated("trainer", vm(), stopped)
    assert told.review(one_of_two, told.same("old", vm()), market=poor).verdict is Verdict.PASS


@pytest.mark.parametrize(
    "other",
    [told.deleted("other", vm()), told.same("other", vm(), adopted=True)],
    ids=["ends", "was taken over"],
)
def test_what_ends_or_would_outlive_its_end_burns_no_more_than_it_bills(other: Any) -> None:
    poor = Market(Balance(500, 29, 50), MARKET.free, MARKET.free_spot)
    stopped = vm(desired_state="stopped", rate_cents_per_hour=0)
    found = told.review(other, told.updated("trainer", stopped, stopped), market=poor)
    assert "runway" not in [reason.rule for reason in found.reasons]


def test_the_rate_of_the_whole_organization_counts_for_the_balance() -> None:
    busy = Market(Balance(100_000, 9_971, 0), MARKET.free, MARKET.free_spot)
    found = told.review(told.created("trainer", vm()), market=busy)
    assert found.reasons[0].message == "the balance lasts 10 hours at $100.00 an hour"


def test_an_unknown_rate_is_never_zero() -> None:
    found = told.review(told.created("trainer", vm(rate_cents_per_hour=None)))
    assert [(n.rule, n.resource) for n in found.not_evaluated] == [("rate", "trainer")]
    rate = found.as_json()["rate_cents_per_hour"]
    assert rate["before"] == 0
    assert rate["after"] is None
    assert rate["unknown"] == ["trainer"]


def test_a_stopped_machine_costs_nothing_and_that_is_known() -> None:
    stopped = vm(desired_state="stopped", rate_cents_per_hour=0)
    found = told.review(told.updated("trainer", vm(), stopped))
    assert found.as_json()["rate_cents_per_hour"]["after"] == 0


def test_the_locked_rate_of_a_running_machine_is_no_jump_whatever_the_catalog_says_now() -> None:
    """A change of nothing that it is priced by bills what was recorded."""
    dear = vm(deletion_protection=True, rate_cents_per_hour=4000)
    found = told.review(told.updated("trainer", vm(), dear, rate_cents_per_hour=58))
    assert found.verdict is Verdict.PASS
    assert (found.before.cents, found.after.cents) == (58, 58)
    assert found.burn() == (58, 58)


def test_a_start_and_another_size_are_priced_anew() -> None:
    stopped = vm(desired_state="stopped", rate_cents_per_hour=0)
    starts = told.updated("a", stopped, vm(desired_state="running", rate_cents_per_hour=100))
    grows = told.updated("b", vm(replica_count=1), vm(replica_count=2, rate_cents_per_hour=58))
    other = told.replaced("c", vm(image_url="a"), vm(image_url="b", rate_cents_per_hour=30))
    found = told.review(starts, grows, other)
    assert (found.before.cents, found.after.cents) == (0 + 29 + 29, 100 + 58 + 30)


def test_an_unchanged_stack_bills_what_is_recorded_whatever_was_foreseen() -> None:
    found = told.review(
        told.same("spot", vm(tier="spot", rate_cents_per_hour=None), rate_cents_per_hour=520),
        told.same("mended", vm(rate_cents_per_hour=200), rate_cents_per_hour=58),
    )
    assert (found.before.cents, found.after.cents) == (578, 578)
    assert not found.not_evaluated


@pytest.mark.parametrize(
    ("inputs", "why"),
    [
        ({"gpu_count": 3}, "trainer needs 3, and at most 8 GPUs are free together right now"),
        ({"gpu_model_id": "gone"}, "the API offers no such GPU model"),
        ({"tier": "spot"}, "trainer needs 1, and none is free right now"),
    ],
)
def test_what_cannot_be_placed_is_told_before_it_fails(inputs: dict[str, Any], why: str) -> None:
    found = told.review(told.created("trainer", vm(**inputs)))
    assert rules(found) == [("block", "capacity", "trainer")]
    assert found.reasons[0].message.endswith(why)


def test_machines_that_fit_alone_and_not_together_do_not_fit() -> None:
    found = told.review(*(told.created(f"t{n}", vm(gpu_count=4)) for n in range(3)))
    assert rules(found) == [("block", "capacity", "")]
    assert "3 machines need 12, and 8 are free right now" in found.reasons[0].message


def test_of_machines_that_cannot_be_placed_none_is_named_for_the_others() -> None:
    small = told.created("a", vm(gpu_count=1))
    odd = [told.created(f"t{n}", vm(gpu_count=3 + 2 * n)) for n in range(2)]
    one = told.review(small, odd[0])
    assert rules(one) == [("block", "capacity", "t0")]
    assert "t0 needs 3, and at most 8" in one.reasons[0].message
    both = told.review(small, *odd)
    assert rules(both) == [("block", "capacity", "")]
    assert "2 machines need 3 or 5 each, and at most 8" in both.reasons[0].message
    missing = told.review(*(told.created(f"t{n}", vm(gpu_model_id="gone")) for n in range(2)))
    assert rules(missing) == [("block", "capacity", "")]


def test_a_machine_that_waits_for_capacity_is_not_blocked_for_it() -> None:
    found = told.review(told.created("trainer", vm(gpu_count=3, capacity_timeout="2h")))
    assert rules(found) == [("warn", "capacity", "trainer")]


def test_scaling_up_needs_room_for_what_is_added_alone() -> None:
    kind = "openrelay:InferenceCluster"
    old = {"gpu_model_id": told.GPU, "gpus_per_replica": 1, "replica_count": 8}
    shape = {**old, "rate_cents_per_hour": 232}
    fits = told.review(told.updated("llm", shape, {**shape, "replica_count": 16}, kind))
    assert fits.verdict is Verdict.PASS
    assert fits.rooms[0].wanted_gpus == 8
    not_more = told.review(told.updated("llm", shape, {**shape, "replica_count": 4}, kind))
    assert not_more.rooms == []


def test_starting_a_stopped_machine_needs_room() -> None:
    found = told.review(
        told.updated("t", vm(gpu_count=3, desired_state="stopped"), vm(gpu_count=3))
    )
    assert rules(found) == [("block", "capacity", "t")]


def test_a_machine_that_comes_to_rest_needs_no_room_and_one_that_is_made_to_rest_does() -> None:
    """The latter runs before it is stopped."""
    resting = vm(gpu_model_id="gone", desired_state="stopped")
    rests = told.review(told.updated("t", vm(), resting))
    assert "capacity" not in [reason.rule for reason in rests.reasons]
    made = told.review(told.created("t", resting))
    assert ("block", "capacity", "t") in rules(made)


def test_what_cannot_be_read_is_not_evaluated() -> None:
    blind = Market(unreadable={"capacity": "the API failed (500)"})
    found = told.review(told.created("trainer", vm()), market=blind)
    assert [(n.rule, n.resource) for n in found.not_evaluated] == [
        ("capacity", "trainer"),
        ("runway", ""),
    ]
    assert "the API failed" in found.not_evaluated[0].message


def test_a_shape_that_is_not_known_yet_is_not_evaluated() -> None:
    found = told.review(told.created("trainer", vm(gpu_model_id=UNKNOWN)))
    assert [n.rule for n in found.not_evaluated] == ["capacity"]


@pytest.mark.parametrize(
    "inputs",
    [
        {"container_command": ["serve", "--token", "marker-0123456789"]},
        {"container_command": ["serve", "--api-key=marker-0123456789"]},
        {"image_url": "https://robot:marker-0123456789@registry.example/app"},
        {"labels": {"password": "marker-0123456789"}},
        {"note": "sk-marker0123456789abcdef"},
        {"note": "or_marker0123456789abcdef"},
        {"note": "glpat-marker0123456789abcdef"},
        {"cloud_init": "#!/bin/sh\nexport TOKEN='marker-0123456789'\n"},
        {"cloud_init": '#!/bin/sh\nserve --api-key "marker-0123456789"\n'},
        {"cloud_init": "#!/bin/sh\necho '-----BEGIN OPENSSH PRIVATE KEY-----\nmarker' > k\n"},
    ],
)
def test_a_secret_in_clear_is_found_and_never_shown(inputs: dict[str, Any]) -> None:
    found = told.review(told.created("trainer", vm(**inputs)), profile="development")
    assert ("block", "secret-in-clear", "trainer") in rules(found)
    assert "marker" not in found.to_json()


@pytest.mark.parametrize(
    "inputs",
    [
        {"env_vars": SECRET},
        {"container_command": ["serve", "--tokens", "4096"]},
        {"container_command": ["python", "-m", "vllm", "--max-token", "32768"]},
        {"container_command": ["serve", "--token", "$HF_TOKEN"]},
        {"container_command": ["sh", "-c", "serve --api-key ${KEY}"]},
        {"image_url": "ghcr.io/acme/app@sha256:0123456789abcdef0123456789abcdef"},
        {"name": "token-server-0123456789abcdef"},
        {"ssh_key_ids": ["key_7d8a7f1677f57ba801fef521"]},
        {"container_command": ["--model", "hf-internal-testing/tiny-random-gpt2"]},
        {"image_url": "ghcr.io/acme/train-or-evaluate-a-model@sha256:0123456789abcdef"},
        {"cloud_init": '#!/bin/sh\nexport HF_TOKEN="$(cat /etc/hf)"\n'},
        {"cloud_init": '#!/bin/sh\nserve --api-key "$KEY"\n'},
        {"cloud_init": "#!/bin/sh\nTOKEN=`cat /run/token`\n"},
        {"cloud_init": "#!/bin/sh\ndocker build --secret id=npmrc,src=/root/.npmrc .\n"},
        {"cloud_init": "#!/bin/sh\ncurl https://robot:$PASSWORD@registry.example/app\n"},
        {"ssh_public_key": "sk-ecdsa-sha2-nistp256@openssh.com AAAAInNrLWVjZHNhLXNoYTI= a@b"},
        {"ssh_public_key": "sk-ssh-ed25519@openssh.com AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5z a@b"},
        {"env_vars": {"HF_TOKEN": "$TOKEN", "ROTATE_TOKEN": "true"}},
    ],
)
def test_what_only_looks_a_little_like_a_secret_is_none(inputs: dict[str, Any]) -> None:
    assert told.review(told.created("trainer", vm(**inputs))).verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("key", "value", "secret"),
    [
        ("aws:secretKey", "marker/0123456789", True),
        ("shop:awsSecretAccessKey", "marker/0123456789", True),
        ("shop:dbPassphrase", "correct horse battery", True),
        ("shop:api-key", "marker-0123456789", True),
        ("shop:rotateToken", "true", False),
        ("shop:sshPublicKey", "sk-ecdsa-sha2-nistp256@openssh.com AAAAInNrLWVj a@b", False),
        ("shop:secretKeyName", "billing", False),
    ],
)
def test_a_secret_in_the_plain_configuration_is_known_by_its_name(
    key: str, value: str, *, secret: bool
) -> None:
    found = told.review(told.same("trainer", vm()), configuration={key: (value, False)})
    assert rules(found) == ([("block", "secret-in-clear", "")] if secret else [])


@pytest.mark.parametrize(
    ("value", "secret"),
    [
        ('{"host":"db.example","password":"marker-0123456789"}', True),
        ('{"users":[{"name":"ada","apiKey":"marker-0123456789"}]}', True),
        ('["--password","marker-0123456789"]', True),
        ('{"host":"db.example","password":""}', False),
        ('{"passwordFile":"/run/secrets/db","password":"${DB}"}', False),
        ("{broken", False),
    ],
)
def test_a_secret_within_structured_configuration_is_found(value: str, *, secret: bool) -> None:
    found = told.review(told.same("trainer", vm()), configuration={"shop:database": (value, False)})
    assert rules(found) == ([("block", "secret-in-clear", "")] if secret else [])
    assert "marker" not in found.to_json()


def test_a_secret_among_the_stacks_outputs_is_found() -> None:
    found = told.review(told.same("trainer", vm()), told.exported(api_key="abc", url="https://a.b"))
    assert rules(found) == [("block", "secret-in-clear", "")]
    hidden = told.review(told.same("trainer", vm()), told.exported(api_key=SECRET))
    assert hidden.verdict is Verdict.PASS


def test_what_somebody_did_by_hand_is_told_with_its_values_and_what_is_gone_first() -> None:
    found = told.review(
        told.refreshed("w-0", vm(public=False), vm(public=True)),
        told.refreshed("w-1", vm(), None),
        told.refreshed("same", vm(), vm()),
    )
    assert [r.message for r in found.reasons if r.rule == "drift"] == [
        "it is gone: somebody ended it by hand",
        "somebody changed it by hand: public False → True",
    ]


def test_the_table_of_rules_is_what_the_rules_do() -> None:
    table = inspect.getdoc(risk) or ""
    rows = [line.strip("|").split("|") for line in table.splitlines() if line.startswith("| `")]
    written = {row[0].strip(" `"): [cell.strip() for cell in row[1:]] for row in rows}
    assert written == {
        rule.name: [rule.severity.value, *(effect.value for effect in rule.effects)]
        for rule in risk.RULES
    }
