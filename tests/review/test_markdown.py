"""The comment: the verdict first, what it costs, and never longer than forty lines."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pulumi_openrelay.policies.message import Kind, Message, Severity
from pulumi_openrelay.policies.message import format as text_of
from pulumi_openrelay.review import markdown, page, sarif
from pulumi_openrelay.review.market import Market

from . import told
from .told import MARKET, SECRET, vm

NAMES = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cs", "Cc"), exclude_characters=":"),
    min_size=1,
    max_size=30,
)


def test_nothing_changed_is_one_line() -> None:
    comment = markdown.render(told.review(told.same("trainer", vm())))
    assert comment == (
        "✅ Pass: no resource changes in stack `dev` "
        "(profile `production`, commit `0123456789ab`).\n"
    )


def test_the_verdict_comes_first_with_the_one_reason_that_matters_most() -> None:
    comment = markdown.render(
        told.review(
            told.created("many", vm(gpu_count=3)),
            told.replaced("trainer", vm(), vm(gpu_count=2)),
            told.created("unpriced", vm(rate_cents_per_hour=None)),
        )
    )
    assert comment.splitlines()[0] == (
        "### ⛔ Blocked: `trainer`: it is replaced because of gpu_count: its disk ends with it "
        "(data loss)"
    )


def test_a_replacement_names_the_field_that_forces_it_and_the_loss() -> None:
    comment = markdown.render(told.review(told.replaced("trainer", vm(), vm(gpu_count=2))))
    assert (
        "- `trainer` (VM): `gpu_count 1 → 2`; **data loss: its disk ends with it**. ⛔ `data-loss` "
        "(critical). Fix: take the change back, or save what is on the disk and exempt this once."
        in comment.splitlines()
    )


def test_money_is_told_before_after_and_changed_by_the_hour_and_the_month() -> None:
    review = told.review(told.updated("trainer", vm(), vm(replica_count=2, rate_cents_per_hour=58)))
    lines = markdown.render(review).splitlines()
    assert "- per hour: $0.58, before $0.29, change +$0.29" in lines
    assert "- per month: $423.40, before $211.70, change +$211.70" in lines
    assert "- the balance of $10,000.00 lasts 718 days, before 3 years" in lines


def test_an_unknown_rate_makes_the_rest_a_lower_bound() -> None:
    review = told.review(
        told.same("trainer", vm()), told.created("new", vm(rate_cents_per_hour=None))
    )
    assert "- per hour: at least $0.29, before $0.29, change at least 0" in markdown.render(review)


def test_an_unknown_rate_bounds_no_saving() -> None:
    review = told.review(
        told.same("trainer", vm(rate_cents_per_hour=3)),
        told.updated("web", vm(), vm(tier="spot", rate_cents_per_hour=None)),
    )
    text = markdown.render(review)
    assert "- per hour: at least $0.03, before $0.32, change unknown" in text


def test_what_policies_said_is_told_with_severity_and_a_fix() -> None:
    policies = [
        told.policy(
            "A rule's description\n"
            + text_of(
                Message(Kind.VIOLATION, Severity.HIGH, "is open to everyone", "set `public`")
            ),
            "web",
            rule="no-public-machines",
        ),
        told.policy(
            text_of(
                Message(
                    Kind.USED_EXEMPTION,
                    Severity.HIGH,
                    "exempt until 2030",
                    rule="no-public-machines",
                )
            ),
            "demo",
            "advisory",
            rule="used-exemptions",
        ),
        told.policy(
            text_of(Message(Kind.NOT_EVALUATED, Severity.LOW, "image_url is not known yet", "")),
            "web",
            "advisory",
            rule="image-by-digest",
        ),
    ]
    lines = markdown.render(
        told.review(told.created("web", vm(public=True)), policies=policies)
    ).splitlines()
    assert (
        "- ⛔ `no-public-machines` (high) `web`: is open to everyone. Fix: set `public`." in lines
    )
    assert "- `no-public-machines` `demo`: exempt until 2030" in lines
    assert "- `image-by-digest` (low) `web`: image_url is not known yet." in lines


def test_what_does_not_fit_is_counted_and_the_page_is_linked() -> None:
    review = told.review(
        *(told.deleted(f"vm{n}", vm(), note=n) for n in range(8)),
        *(told.replaced(f"r{n}", vm(), vm(gpu_count=n + 2)) for n in range(40)),
    )
    comment = markdown.render(review, "https://ci.example/page.html")
    assert comment.splitlines()[-1] == (
        "Folded away: 29 of replaced. [The whole review](https://ci.example/page.html)"
    )


def test_what_differs_in_the_resource_alone_is_one_line_and_a_deletion_has_its_own() -> None:
    review = told.review(
        *(told.replaced(f"worker{n}", vm(), vm(gpu_count=2)) for n in range(60)),
        *(told.deleted(f"old{n}", vm()) for n in range(4)),
    )
    lines = markdown.render(review).splitlines()
    assert lines[0].startswith("### ⛔ Blocked: `old0` … `old3` (4 VMs), each: it is deleted: ")
    replaced = [line for line in lines if "gpu_count 1 → 2" in line]
    assert len(replaced) == 1
    assert replaced[0].startswith("- `worker0` … `worker59` (60 VMs): `gpu_count 1 → 2`;")
    deleted = [line for line in lines if "no longer in the program" in line]
    assert [line.split(":")[0] for line in deleted] == [f"- `old{n}` (VM)" for n in range(4)]
    assert not [line for line in lines if line.startswith("Folded away")]


def test_what_the_protection_refuses_is_called_no_loss() -> None:
    old, new = vm(deletion_protection=True), vm(deletion_protection=True, gpu_count=2)
    comment = markdown.render(told.review(told.replaced("trainer", old, new)))
    assert "`gpu_count 1 → 2`; **deletion_protection will refuse it**. ⛔" in comment
    assert "data loss" not in comment


def test_names_are_in_the_order_in_which_people_count() -> None:
    review = told.review(*(told.replaced(f"w{n}", vm(), vm(gpu_count=2)) for n in (10, 9, 2)))
    assert "- `w2`, `w9` and `w10` (VM): `gpu_count 1 → 2`" in markdown.render(review)


def test_what_is_not_evaluated_is_told_once() -> None:
    message = text_of(Message(Kind.NOT_EVALUATED, Severity.HIGH, "image_url is unknown", ""))
    review = told.review(told.created("web", vm()), policies=[told.policy(message, "web")])
    assert review.verdict.value == "block"
    assert markdown.render(review).count("`web`: image_url is unknown") == 2  # and the headline
    assert [n.rule for n in review.not_evaluated] == ["a-rule"]


def test_a_machine_that_is_created_is_named_with_its_rate_and_no_record_of_ours_counts() -> None:
    lines = markdown.render(
        told.review(
            told.created("openrelay", {}, "openrelay:Owner"),
            told.created("a", vm()),
            told.created("b", vm()),
            told.created("c", vm(rate_cents_per_hour=None)),
        )
    ).splitlines()
    assert lines[2].endswith(": 3 to create.")
    assert "- `a` and `b` (VM): $0.29 an hour each" in lines
    assert "- `c` (VM): rate unknown" in lines


def test_a_runway_with_an_unknown_rate_is_an_upper_bound() -> None:
    review = told.review(
        told.same("trainer", vm()), told.created("new", vm(rate_cents_per_hour=None))
    )
    assert "- the balance of $10,000.00 lasts at most 3 years\n" in markdown.render(review)


def test_each_bound_stands_with_the_number_that_it_is_of() -> None:
    gone = told.review(told.same("a", vm()), told.deleted("b", vm(rate_cents_per_hour=None)))
    assert "- per hour: $0.29, before at least $0.29, change at most 0" in markdown.render(gone)


def test_that_files_differ_from_the_commit_is_not_cut_off() -> None:
    review = replace(told.review(told.same("a", vm())), commit="0123456789abcdef" + "-dirty")
    assert "commit `0123456789ab-dirty`" in markdown.render(review)


def test_a_pass_by_an_exemption_says_so() -> None:
    used = text_of(Message(Kind.USED_EXEMPTION, Severity.HIGH, "exempt until 2030", ""))
    review = told.review(
        told.created("demo", vm()),
        policies=[told.policy(used, "demo", "advisory", "used-exemptions")],
    )
    assert markdown.render(review).splitlines()[0] == "### ✅ Pass; 1 exemption used"
    changed = markdown.render(replace(review, policy_changed=True))
    assert "**This change alters `openrelay-policy.json`.**" in changed
    assert "alters" not in markdown.render(review)


def test_names_and_messages_work_no_markup_and_mention_nobody() -> None:
    policies = [told.policy("<img src=x> @octocat [a](http://b.example) **c** | d")]
    comment = markdown.render(
        told.review(told.deleted("a`b<script>\n# @octocat", vm()), policies=policies)
    )
    assert "<script>" not in comment.replace("`a'b<script> # @octocat`", "")
    assert "<img" not in comment.replace("\\<img", "")
    assert "](http" not in comment.replace("\\]", "")
    assert "@octocat [" not in comment
    assert "www." not in markdown.escape("see www.evil.example")


TURNED = "safe\u202e\u2066\u200b\x1b\agro.live"
"""A text that is shown the other way round from its middle on."""


def test_what_nobody_sees_is_left_out_wherever_people_read(tmp_path: Path) -> None:
    review = told.review(told.created(TURNED, vm()), policies=[told.policy(TURNED, TURNED)])
    findings = json.loads(sarif.render(review, tmp_path))["runs"][0]["results"]
    for shown in (
        markdown.render(review),
        page.render(review),
        *(finding["message"]["text"] for finding in findings),
    ):
        assert "safegro.live" in shown
        assert not {*"\u202e\u2066\x1b\a"} & {*shown}
    # Programs read the name itself, and no person's screen obeys it.
    text = review.to_json()
    assert text.isascii()
    assert json.loads(text)["creations"][0]["resource"] == TURNED


def test_an_emoji_stays_one_and_a_name_of_which_nothing_is_seen_has_a_place() -> None:
    assert markdown.code("team-👩\u200d💻") == "`team-👩\u200d💻`"
    assert markdown.code("\u202e") == "`?`"


def test_nobody_is_mentioned_by_the_name_of_a_character() -> None:
    assert markdown.escape("&commat;acme/team &#64;acme") == "\\&commat;acme/team \\&\\#64;acme"


def test_a_profiles_name_works_no_markup() -> None:
    name = "mine`\n\n### ✅ Pass\n[click](https://evil.example) @acme"
    review = replace(told.review(told.created("a", vm())), profile=name)
    assert "(profile `mine' ### ✅ Pass [click](https://evil.example) @acme`" in (
        markdown.render(review)
    )


@pytest.mark.parametrize("rule", ["data-loss", "drift"])
def test_a_rule_of_another_pack_that_is_called_as_ours_does_not_disappear(rule: str) -> None:
    event = told.policy("What it asks for.\nnobody may do this", "a", "mandatory", rule, "acme")
    comment = markdown.render(told.review(told.created("a", vm()), policies=[event]))
    assert f"- ⛔ `{rule}` (medium) `a`: nobody may do this." in comment


def test_values_that_could_be_secret_are_not_shown() -> None:
    old, new = vm(cloud_init=SECRET, note="marker-a"), vm(cloud_init=SECRET, note="marker-b")
    review = told.review(told.replaced("trainer", old, new, ["note", "cloud_init"]))
    comment = markdown.render(review)
    assert "`cloud_init`, `note`" in comment
    assert "marker" not in comment + review.to_json()


def events_of(name: str, what: str, inputs: dict[str, Any]) -> Any:
    match what:
        case "create":
            return told.created(name, inputs)
        case "delete":
            return told.deleted(name, inputs)
        case "update":
            return told.updated(name, inputs, {**inputs, "public": True})
        case "replace":
            return told.replaced(name, inputs, {**inputs, "gpu_count": 2})
        case "drift":
            return told.refreshed(name, inputs, {**inputs, "public": True})
    return told.same(name, inputs)


SHAPES = st.builds(
    vm,
    gpu_count=st.integers(1, 16),
    gpu_model_id=st.sampled_from([told.GPU, "gone", "other"]),
    tier=st.sampled_from(["community", "spot"]),
    rate_cents_per_hour=st.sampled_from([None, 0, 29, 2_000_000]),
)
RESOURCES = st.dictionaries(
    NAMES,
    st.tuples(st.sampled_from(["create", "delete", "update", "replace", "drift", "same"]), SHAPES),
    max_size=60,
)
MESSAGES = st.lists(
    st.builds(Message, st.sampled_from(Kind), st.sampled_from(Severity), NAMES, NAMES), max_size=40
)


@settings(max_examples=60, deadline=None)
@given(RESOURCES, MESSAGES, st.sampled_from([MARKET, Market()]))
def test_no_stack_makes_a_comment_longer_than_forty_lines(
    resources: dict[str, tuple[str, dict[str, Any]]], messages: list[Message], market: Market
) -> None:
    events = [events_of(name, what, inputs) for name, (what, inputs) in resources.items()]
    policies = [told.policy(text_of(message), f"vm{n}") for n, message in enumerate(messages)]
    review = told.review(*events, policies=policies, market=market)
    for page_url in (None, "https://ci.example/page.html"):
        lines = markdown.render(review, page_url).splitlines()
        assert len(lines) <= markdown.LONGEST
        assert all(len(line) < 1500 for line in lines)


@settings(max_examples=20, deadline=None)
@given(RESOURCES, st.randoms(use_true_random=False))
def test_the_same_plan_makes_the_same_comment_in_whatever_order_it_is_told(
    resources: dict[str, tuple[str, dict[str, Any]]], order: Any
) -> None:
    events = [events_of(name, what, inputs) for name, (what, inputs) in resources.items()]
    first = told.review(*events)
    order.shuffle(events)
    again = told.review(*events)
    assert markdown.render(again) == markdown.render(first)
    assert again.to_json() == first.to_json()
