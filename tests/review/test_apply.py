"""`apply` is held to the secrets of a review too, which neither of them shows."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pulumi_openrelay.policies import fingerprint
from pulumi_openrelay.policies.reading import UNKNOWN as NOT_KNOWN
from pulumi_openrelay.review.apply import Refused, Reviewed, permit
from pulumi_openrelay.review.report import Review
from pulumi_openrelay.review.run import bound_secrets

from . import told
from .told import SECRET, vm

URN = told.urn("trainer")


def found(prints: dict[str, str]) -> Review:
    review = told.review(told.created("trainer", vm(env_vars=SECRET, labels={"a": [SECRET]})))
    return replace(review, secrets=bound_secrets(review.plan, {URN: prints}))


def reviewed(review: Review) -> Reviewed:
    told_json = review.as_json()
    return Reviewed(**{name: told_json[name] for name in Reviewed.__slots__})


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


@pytest.mark.parametrize(("then", "now"), [("", ""), ("1", ""), ("", "1")])
def test_a_secret_that_cannot_be_compared_is_refused(then: str, now: str) -> None:
    before = found({"env_vars": then, "labels": "2"})
    after = found({"env_vars": now, "labels": "2"})
    with pytest.raises(Refused, match="the secrets of trainer cannot be compared"):
        permit(reviewed(before), after)


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
