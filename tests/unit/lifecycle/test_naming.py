"""Names that find again what this resource made, and that no release changes."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pulumi_openrelay.relay  # noqa: F401 - registers the kinds
from pulumi_openrelay.lifecycle import naming
from pulumi_openrelay.lifecycle.declare import KINDS
from pulumi_openrelay.lifecycle.fields import NAME, OWNER
from pulumi_openrelay.lifecycle.run import Lifecycle
from pulumi_openrelay.lifecycle.session import Session
from pulumi_openrelay.lifecycle.unknown import UNKNOWN

from ...simulation.journal import Notes
from ..support import Hand, client, refusal

OWNER_ID = "0123456789abcdef"
URN = "urn:pulumi:dev::shop::pulumi-python:dynamic/openrelay:Vm::trainer"
SHAPE = {"gpu_count": 1, "gpu_model_id": "g"}
EXAMPLES = settings(max_examples=200, deadline=None, derandomize=True, database=None)


@pytest.mark.parametrize("built", ["x{}", "{}-data", "{}c", "{}0", "{}\n", "X{}"])
def test_what_a_program_builds_from_a_name_is_not_the_resources_own(built: str) -> None:
    prefix = naming.prefix(OWNER_ID, URN, "trainer")
    name = prefix + naming.suffix(OWNER_ID, URN, SHAPE, None)
    assert naming.is_of_resource(prefix, name)
    assert not naming.is_of_resource(prefix, built.format(name))


class TestNoReleaseRenamesAnything:
    """A state of any release finds its machines in any later one. These values never change."""

    def test_a_name(self) -> None:
        assert naming.prefix(OWNER_ID, URN, "trainer") == "trainer-2746f6b8d340f857-"
        assert naming.suffix(OWNER_ID, URN, SHAPE, None) == "8d2801"
        assert naming.suffix(OWNER_ID, URN, SHAPE, "id1") == "276854"
        assert naming.suffix(OWNER_ID, URN, {}, None) == "ef35bf"

    def test_an_idempotency_key(self) -> None:
        def key(replaced_id: str | None, attempt: int) -> str:
            return naming.idempotency_key(OWNER_ID, URN, "trainer", replaced_id, attempt)

        assert key(None, 0) == "e2583a8d6f4b2d60b269cee71e132001"
        assert key("id1", 0) == "b7680d2d3781f06d8aaa1581b9175479"
        assert key(None, 1) == "edfea8a670cb99718bd64ebbe2837a1b"

    @pytest.mark.parametrize(
        ("logical_name", "stem"),
        [
            ("trainer", "trainer"),
            ("My Trainer_2", "my-trainer-2"),
            ("Ünïcode_Name 7", "n-code-name-7"),
            ("7up", "r-7up"),
            ("", "r"),
            ("--", "r"),
            ("é", "r"),
            ("x" * 200, "x" * 39),
            ("a" * 38 + "--b", "a" * 38),
        ],
    )
    def test_what_a_logical_name_becomes(self, logical_name: str, stem: str) -> None:
        assert naming.prefix(OWNER_ID, URN, logical_name) == f"{stem}-2746f6b8d340f857-"

    @pytest.mark.parametrize(
        ("token", "inputs", "name"),
        [
            (
                "openrelay:Vm",
                {"ssh_key_ids": ["k"], "gpu_model_id": "g", "gpu_count": 1, "public": True},
                "trainer-2746f6b8d340f857-8d2801",
            ),
            (
                "openrelay:InferenceCluster",
                {"image_url": "i", "gpu_model_id": "g", "env_vars": {"B": "2", "A": "1"}},
                "trainer-2746f6b8d340f857-292c0b",
            ),
            (
                "openrelay:SshKey",
                {
                    "public_key": "ssh-ed25519 "
                    "AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
                },
                "trainer-2746f6b8d340f857-455e96",
            ),
            (
                "openrelay:Webhook",
                {"url": "https://h.example.com"},
                "trainer-2746f6b8d340f857-ef35bf",
            ),
            ("relay:ApiKey", {"rotation": 1}, "trainer-2746f6b8d340f857-40908b"),
        ],
    )
    def test_what_a_resource_of_each_kind_is_called(
        self, token: str, inputs: dict[str, Any], name: str
    ) -> None:
        assert called(token, inputs) == name


class TestApart:
    def test_another_owner_another_resource_another_shape_another_name(self) -> None:
        names = {
            naming.prefix(owner, urn, "trainer") + naming.suffix(owner, urn, shape, replaced)
            for owner in (OWNER_ID, "another")
            for urn in (URN, URN + "2")
            for shape in (SHAPE, {**SHAPE, "gpu_count": 2})
            for replaced in (None, "id1")
        }
        assert len(names) == 16

    def test_all_that_one_resource_ever_makes_begins_alike_and_nobody_elses_does(self) -> None:
        mine = naming.prefix(OWNER_ID, URN, "trainer")
        for owner, urn in (("another", URN), (OWNER_ID, URN + "-2"), (OWNER_ID, URN[:-1])):
            assert not naming.prefix(owner, urn, "trainer").startswith(mine)

    def test_a_stack_knows_its_own_names_and_no_others(self) -> None:
        mine = naming.prefix(OWNER_ID, URN, "trainer") + naming.suffix(OWNER_ID, URN, SHAPE, None)
        assert naming.is_of_stack(OWNER_ID, mine)
        assert not naming.is_of_stack("another", mine)
        for name in ("", "trainer", mine[:-1], mine + "0", mine.upper(), "trainer-12345678-123456"):
            assert not naming.is_of_stack(OWNER_ID, name)

    def test_what_is_not_given_does_not_count(self) -> None:
        """So a new optional input in a release renames nothing."""
        given_none = called("openrelay:Vm", {**VM, "tier": None, "image_url": None})
        assert given_none == called("openrelay:Vm", VM)

    def test_what_changes_in_place_does_not_count(self) -> None:
        changed = {**VM, "public": True, "ssh_key_ids": ["other"], "desired_state": "stopped"}
        assert called("openrelay:Vm", changed) == called("openrelay:Vm", VM)

    def test_what_is_secret_cannot_be_guessed_from_the_name(self) -> None:
        """The owner, which is random and never leaves the state, is the key of every digest."""
        scripts = [f"#!/bin/sh\n{pin:02d}" for pin in range(50)]
        names = {called("openrelay:Vm", {**VM, "cloud_init": s}) for s in scripts}
        guesses = {called("openrelay:Vm", {**VM, "cloud_init": s}, owner="guess") for s in scripts}
        assert len(names) == 50
        assert names.isdisjoint(guesses)


class TestKept:
    def test_an_existing_one_keeps_its_name_whatever_a_release_would_call_it(self) -> None:
        assert called("openrelay:Vm", VM, olds={"name": "an-older-name"}) == "an-older-name"

    def test_the_programs_own_name_is_used_as_it_is(self) -> None:
        olds = {"name": "an-older-name"}
        assert called("openrelay:Vm", {**VM, "name": "Any Name!"}, olds=olds) == "Any Name!"

    def test_while_an_input_is_unknown_so_is_the_name(self) -> None:
        assert called("openrelay:Vm", {**VM, "image_url": UNKNOWN}) is None
        assert called("openrelay:Vm", {**VM, "ssh_key_ids": [UNKNOWN]}) is not None

    def test_while_the_owner_is_unknown_so_is_the_name(self) -> None:
        assert called("openrelay:Vm", VM, owner=UNKNOWN) is None


@EXAMPLES
@given(logical_name=st.text(max_size=300), owner=st.text(min_size=1), urn=st.text())
def test_any_name_is_short_and_can_stand_in_a_host_name(
    logical_name: str, owner: str, urn: str
) -> None:
    name = naming.prefix(owner, urn, logical_name) + naming.suffix(owner, urn, SHAPE, None)
    assert re.fullmatch(r"[a-z]([a-z0-9-]*[a-z0-9])?", name)
    assert len(name) <= naming.LONGEST_NAME == 63


VM = {"ssh_key_ids": ["k"], **SHAPE}


def called(
    token: str, inputs: dict[str, Any], owner: Any = OWNER_ID, olds: dict[str, Any] | None = None
) -> Any:
    """What check calls a resource `trainer` of this kind."""
    kind = KINDS[token]
    api, _ = client(refusal(404))
    life = Lifecycle(kind, Session(api, "org_1", Notes()), Hand(urn=URN, name="trainer"))
    checked, problems = life.check(dict(olds or {}), {**inputs, OWNER: owner})
    assert problems == []
    return checked.get("name" if "name" in kind.fields else NAME)
