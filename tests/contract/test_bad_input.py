"""Whatever the user writes: preview refuses it by the property's name, or the API takes it.

BAD_INPUTS=5000 in the environment tries that many fresh ones for each kind.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pulumi_openrelay.lifecycle.check import check
from pulumi_openrelay.lifecycle.fields import OWNER
from pulumi_openrelay.lifecycle.sentences import Failed
from pulumi_openrelay.lifecycle.unknown import UNKNOWN, has_unknown

from .examples import EXAMPLES
from .support import KINDS, NAME, TOKENS, Stack, program

VM = "openrelay:Vm"
MORE = os.environ.get("BAD_INPUTS")
TRIED = settings(
    max_examples=int(MORE or 60),
    derandomize=MORE is None,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)

# What no reading of a shape can tell: what the catalog offers, what exists, what a host has.
BEYOND_SHAPE = re.compile(
    r"There is no |Either `gpuModelId` and a GPU count|No host can hold|A disk has from"
    r"|A VM of \d+ GPUs can have"
    r"|`tier` must be one of|can only grow|`guestMemMb` is for GPU VMs"
    r"|does not answer: the API refused the request"  # a model says itself what it takes
)

INPUTS = [
    (token, field.name)
    for token in TOKENS
    for field in KINDS[token].fields.values()
    if field.is_input
]
WORDS = [
    "",
    " ",
    "\t",
    "x" * 5000,
    "Ünï-cödé 🦆",
    "a\nb",
    "a\x00b",
    "-",
    "true",
    "0",
    "running",
    "90s",
]
ADDRESSES = ["http://[", "http://h:99999", "https://", "ftp://h", "http://h h", "//h", "http://:80"]
NUMBERS = [-1, 0, 1, 2, 65535, 65536, 2**31, 2**63, 2**64, 10**400, -0.5, 2.0, 1e308, math.inf]
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(WORDS)
    | st.sampled_from(ADDRESSES)
    | st.sampled_from(NUMBERS)
    | st.just(UNKNOWN)
)
ANYTHING = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)


def near(value: Any) -> st.SearchStrategy[Any]:
    """Values much like one that is good."""
    if isinstance(value, bool):
        return st.booleans() | st.sampled_from(["true", 1, 0])
    if isinstance(value, int):
        return st.integers(value - 2, value + 2) | st.sampled_from([str(value), value + 0.5])
    if isinstance(value, str):
        edits = [
            value,
            value.upper(),
            f" {value} ",
            value[:-1],
            value + ",",
            value + "\n",
            value * 2,
        ]
        return st.sampled_from(edits) | st.text(max_size=10).map(lambda text: value + text)
    if isinstance(value, list):
        return st.lists(st.sampled_from(value) | LEAVES, max_size=4)
    keys, values = st.sampled_from(list(value)), st.sampled_from(list(value.values()))
    return st.dictionaries(keys | st.text(max_size=5), values | LEAVES, max_size=3)


def feasible(token: str, name: str, value: Any) -> Any:
    most = EXAMPLES[token].most.get(name)
    return most if most and isinstance(value, (int, float)) and value > most else value


@st.composite
def written(draw: st.DrawFn, token: str, stack: Stack) -> dict[str, Any]:
    """The example's inputs, some left out or anything else, and perhaps one that is none."""
    example = stack.resolved(EXAMPLES[token].inputs)
    names = [field.name for field in KINDS[token].fields.values() if field.is_input]
    changed = draw(st.lists(st.sampled_from(names), max_size=3, unique=True))
    inputs = dict(example)
    for name in changed:
        good = example.get(name, "value")
        inputs[name] = feasible(token, name, draw(ANYTHING | near(good) | near(good)))
    if draw(st.integers(0, 9)) == 0:
        inputs[draw(st.sampled_from(["nmae", "gpuCount", "class", "ключ"]))] = draw(LEAVES)
    for name in draw(st.lists(st.sampled_from(names), max_size=2)):
        inputs[name] = None
    return inputs


def needed(token: str) -> Stack:
    """A stack with what the example needs, and nothing of the kind itself."""
    stack = Stack(token)
    stack.up({name: one for name, one in program(token).items() if name != NAME})
    return stack


def checked(stack: Stack, token: str, inputs: dict[str, Any]) -> dict[str, Any] | None:
    """The inputs as the lifecycle takes them; None where they are refused, each by its name."""
    life, _ = stack.life()
    taken, problems = life.check({}, {**inputs, OWNER: "owner"})
    fields = KINDS[token].fields
    for name, reason in problems:
        assert name in inputs or name in fields
        assert reason
        assert "\n" not in reason
        assert "Error" not in reason
    return None if problems else taken


def assert_refused_or_made(stack: Stack, token: str, inputs: dict[str, Any]) -> None:
    def create() -> None:
        taken = checked(stack, token, inputs)
        if taken is None or has_unknown(taken):
            return
        try:
            stack.life()[0].create(taken)
        except Failed as failure:
            assert_not_about_shape(failure, inputs)

    stack.run(create)


def assert_not_about_shape(failure: Failed, inputs: dict[str, Any]) -> None:
    sentence = str(failure)
    assert "a defect in" not in sentence, (sentence, inputs)
    if "the API refused the request" in sentence:
        assert BEYOND_SHAPE.search(sentence), (sentence, inputs)


@pytest.mark.parametrize("token", TOKENS)
@TRIED
@given(data=st.data())
def test_whatever_is_written_is_refused_by_name_or_made(token: str, data: st.DataObject) -> None:
    stack = needed(token)
    inputs = data.draw(written(token, stack), "inputs")

    assert_refused_or_made(stack, token, inputs)


@pytest.mark.parametrize("token", TOKENS)
@TRIED
@given(data=st.data())
def test_whatever_an_existing_one_is_changed_to_is_refused_planned_or_made(
    token: str, data: st.DataObject
) -> None:
    stack = Stack(token)
    stack.up(program(token))
    record = stack.record()
    inputs = data.draw(written(token, stack), "inputs")

    def change() -> None:
        taken = checked(stack, token, inputs)
        if taken is None:
            return
        life, _ = stack.life()
        before = dict(record.inputs), dict(record.outputs)
        try:
            changes, _ = life.diff(record.id, *before, taken)
            if not changes.replaces and not has_unknown(taken):
                life.update(record.id, *before, taken)
        except Failed as failure:
            assert_not_about_shape(failure, inputs)

    stack.run(change)
    stack.assert_nothing_lost()


@pytest.mark.parametrize("token", TOKENS)
def test_an_input_that_there_is_not_is_refused_with_the_one_that_was_meant(token: str) -> None:
    stack = Stack(token)
    for name, field in KINDS[token].fields.items():
        if not field.is_input or len(name) < 5:
            continue
        wrong = name[:-2] + name[-1] + name[-2]
        if wrong in KINDS[token].fields:
            continue

        def check(wrong: str = wrong) -> list[tuple[str, str]]:
            return stack.life()[0].check({}, {wrong: "x"})[1]

        told = dict(stack.run(check))
        assert (
            told[wrong] == f"is no input of {KINDS[token].resource.__name__}; did you mean {name}?"
        )


def test_an_event_that_is_never_delivered_is_told_with_the_one_that_was_meant() -> None:
    """The API takes any name. Those of its older versions, and of what has no resource here, are
    delivered."""
    stack = Stack("openrelay:Webhook")
    lifecycle, call = stack.life()
    there = ["vm.running", "batch.expired", "balance.low", "endpoint.ready", "replica.healthy"]
    inputs = {"url": "https://hooks.example", "events": [*there, "vm.runing", "nope", UNKNOWN]}
    assert stack.run(lambda: lifecycle.check({}, inputs)[1]) == []
    said = "events: the API documents no event '{}': it stores and never delivers it"
    assert call.warnings == [
        f"{said.format('vm.runing')}; did you mean vm.running?",
        said.format("nope"),
    ]


@pytest.mark.parametrize(
    ("token", "name"),
    [
        (token, name)
        for token, name in INPUTS
        if KINDS[token].fields[name].shape == Sequence[str] and name != "container_command"
    ],
)
def test_a_blank_element_is_refused_in_every_list_but_a_command(token: str, name: str) -> None:
    _, problems = check(KINDS[token], {name: [" "]})
    assert name in dict(problems)


@pytest.mark.parametrize(("token", "name"), INPUTS)
class TestOneInput:
    def test_each_way_to_get_it_wrong_is_refused_by_name_or_made(
        self, token: str, name: str
    ) -> None:
        for value in [*WORDS, *ADDRESSES, *NUMBERS, [], {}, [""], {"": ""}, [[]], [None]]:
            stack = needed(token)
            inputs = {**stack.resolved(EXAMPLES[token].inputs), name: feasible(token, name, value)}
            assert_refused_or_made(stack, token, inputs)

    def test_not_known_yet_it_passes(self, token: str, name: str) -> None:
        stack = needed(token)
        inputs = {**stack.resolved(EXAMPLES[token].inputs), name: UNKNOWN}
        if name in EXAMPLES[token].replaces:
            inputs |= EXAMPLES[token].replaces[name].beside
        assert stack.run(lambda: checked(stack, token, inputs)) is not None
        assert has_unknown(stack.run(lambda: checked(stack, token, inputs)))

    def test_nothing_that_json_has_no_word_for_passes(self, token: str, name: str) -> None:
        stack = needed(token)
        inputs = {**stack.resolved(EXAMPLES[token].inputs), name: object()}
        life, _ = stack.run(lambda: stack.life())
        _, problems = stack.run(lambda: life.check({}, inputs))
        assert name in dict(problems)


class TestWhatThePricingDoesNotHave:
    """Preview refuses of a VM what the API's own catalog rules out, and nothing else."""

    def problems(self, **inputs: Any) -> list[tuple[str, str]]:
        stack = needed(VM)
        given = {**stack.resolved(EXAMPLES[VM].least), **inputs}
        given = {name: value for name, value in given.items() if value is not None}
        return stack.run(lambda: stack.life()[0].check({}, given)[1])

    def test_a_size_that_is_not_there_is_refused_with_those_that_are(self) -> None:
        cpu = {"gpu_model_id": None, "gpu_count": None}
        assert self.problems(**cpu, resource_size="gigantic") == [
            ("resource_size", "is not in the API's pricing; there are small, medium, large, xl")
        ]
        assert self.problems(**cpu, resource_size="small") == []
        assert self.problems(**cpu, resource_size=UNKNOWN) == []

    @pytest.mark.parametrize(("size", "refused"), [(9, True), (10, False), (4001, True)])
    def test_a_disk_has_the_size_that_disks_may_have(self, size: int, refused: bool) -> None:
        told = [("disk_size_gb", f"should be from 10 to 4000, not {size}")]
        assert self.problems(disk_size_gb=size) == (told if refused else [])

    def test_the_name_of_a_gpu_model_is_not_taken_for_its_id(self) -> None:
        ((name, reason),) = self.problems(gpu_model_id="RTX 4090")
        assert name == "gpu_model_id"
        assert 'openrelay.gpu_model_id("RTX 4090")' in reason

    def test_a_gpu_model_that_is_not_priced_may_be_there_all_the_same(self) -> None:
        assert self.problems(gpu_model_id="of a reserved node") == []

    def test_what_is_taken_over_need_not_be_on_offer(self) -> None:
        assert self.problems(gpu_model_id="RTX 4090", name="x", adopt=True) == []

    @pytest.mark.parametrize(
        "pricing", [{}, [], {"cpu": [7], "gpu": [{"gpuModelName": []}], "vmDisk": []}, None]
    )
    def test_a_pricing_that_tells_nothing_refuses_nothing(self, pricing: Any) -> None:
        kind = KINDS[VM]
        inputs = {"resource_size": "x", "gpu_model_id": "y", "disk_size_gb": 10**9}
        offered = kind.not_offered(inputs, lambda *_: True, {"/v1/pricing": pricing})
        assert list(offered) == []


@pytest.mark.parametrize("token", [t for t in TOKENS if "adopt" in KINDS[t].fields])
def test_adopt_is_refused_without_that_by_which_it_finds_what_to_take_over(token: str) -> None:
    kind, stack = KINDS[token], needed(token)
    given = stack.resolved({**EXAMPLES[token].inputs, "adopt": True})

    def check(**changes: Any) -> list[tuple[str, str]]:
        inputs = {n: v for n, v in {**given, **changes}.items() if v is not None}
        return stack.run(lambda: stack.life()[0].check({}, inputs)[1])

    by = kind.adopted_by
    assert check() == check(**{by: UNKNOWN}) == []
    refused = check(**{by: None})
    if not kind.fields[by].required:
        assert refused == [("adopt", f"needs the {by} of the {kind.noun} to take over")]
    assert by in " ".join(f"{name} {reason}" for name, reason in refused)


@pytest.mark.parametrize("url", ["https://a b/c", "https://a.example.com/c\n", "https://a.b/\x00"])
@pytest.mark.parametrize(
    ("token", "name"), [("openrelay:Webhook", "url"), ("relay:Instance", "webhook_url")]
)
def test_a_url_with_a_space_or_a_line_break_is_none(token: str, name: str, url: str) -> None:
    stack = needed(token)
    given = stack.resolved({**EXAMPLES[token].inputs, name: url})
    assert stack.run(lambda: stack.life()[0].check({}, given)[1]) == [
        (name, "should be an http(s) URL")
    ]
