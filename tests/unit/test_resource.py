"""What a program gives a resource that it does not take, and classes of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any, assert_type

import pulumi
import pytest

from pulumi_openrelay import InferenceCluster, SshKey, Vm, Webhook, relay
from pulumi_openrelay.given import wrong_option
from pulumi_openrelay.lifecycle.fields import In, updates

from .programs import Engine

UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""What stands for such a value on the wire."""


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (({"ssh_key_ids": ["x"]},), "inputs are keyword arguments, such as ssh_key_ids=...;"),
        (({}, pulumi.ResourceOptions()), "inputs are keyword arguments;"),
        ((None, {"sshKeyIds": ["x"]}), "inputs are keyword arguments;"),
        (("x",), "inputs are keyword arguments;"),
    ],
    ids=["a dict", "a dict and options", "a dict after options", "a value"],
)
def test_inputs_without_a_keyword_are_refused_with_one_line(given: Any, said: str) -> None:
    """As other languages of Pulumi have them; a RunError is shown without a traceback."""
    make: Any = Vm
    with pytest.raises(pulumi.RunError) as refused:
        make("t", *given)
    assert str(refused.value) == (
        f"Vm 't': {said} only its name and opts, a pulumi.ResourceOptions, stand before them"
    )


@pytest.mark.parametrize("merged", [False, True], ids=["given", "merged"])
def test_deleted_with_which_would_leave_it_billing_is_refused_with_one_line(merged: bool) -> None:
    target: Any = object()
    opts = pulumi.ResourceOptions(deleted_with=target)
    if merged:
        opts = pulumi.ResourceOptions.merge(pulumi.ResourceOptions(protect=True), opts)
    for make in (Vm, InferenceCluster, SshKey):
        with pytest.raises(pulumi.RunError) as refused:
            make("t", opts=opts)  # type: ignore[call-arg]
        assert str(refused.value) == (
            f"{make.__name__} 't' cannot have deleted_with: it ends with no other resource, so "
            "that Pulumi would only forget it, and what bills would go on billing; nothing was "
            "made of it; take the option out, and each is ended by itself"
        )


class Size(Enum):
    SMALL = "small"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"cloud_init": Path("secret")}, "cloud_init should be text, not a PosixPath"),
        ({"cloud_init": b"secret"}, "cloud_init should be text, not a bytes"),
        ({"resource_size": Size.SMALL}, "resource_size should be text, not a Size"),
        ({"disk_size_gb": Decimal(100)}, "disk_size_gb should be a whole number, not a Decimal"),
        (
            {"capacity_timeout": Decimal(9)},
            "capacity_timeout should be a whole number or a number or text, not a Decimal",
        ),
        ({"disk_size_gb": 10**400}, "disk_size_gb is too large a number"),
        ({"ssh_key_ids": {"k"}}, "ssh_key_ids should be a list, not a set"),
        ({"ssh_key_ids": (key for key in "k")}, "ssh_key_ids should be a list, not a generator"),
        ({"ssh_key_ids": ["k", b"secret"]}, "ssh_key_ids[1] should be text, not a bytes"),
        ({"env_vars": {1: "secret"}}, "env_vars should have keys of text, not an int"),
        ({"env_vars": {"A": {"secret"}}}, "env_vars['A'] should be text, not a set"),
        ({"env_vars": {"A": "secret\ud800"}}, "env_vars['A'] is no valid Unicode"),
        ({"env_vars": {"\ud800": "secret"}}, "the key of env_vars['\\ud800'] is no valid Unicode"),
        ({"name": "secret\ud800"}, "name is no valid Unicode"),
    ],
)
def test_what_pulumi_cannot_send_is_refused_with_one_line_and_no_value(
    given: dict[str, Any], said: str
) -> None:
    """Else the SDK tells of it in a traceback, with the value."""
    make: Any = Vm
    with pytest.raises(pulumi.RunError) as refused:
        make("v", **given)
    assert str(refused.value) == f"Vm 'v': {said}"


def test_what_pulumi_can_send_reaches_the_engine() -> None:
    async def later() -> str:
        return "tomorrow"

    def program() -> None:
        make: Any = Vm
        key = SshKey("k", public_key="k")
        make(
            "v",
            ssh_key_ids=("k1", key.id, later()),
            env_vars={"A": pulumi.Output.from_input("1"), pulumi.Output.from_input("B"): "ü"},
            disk_size_gb=100.0,
            cloud_init=pulumi.StringAsset("#!/bin/sh"),
            name=None,
        )
        model = relay.ModelName("direct", "openai", "m")
        relay.ModelAllowlist("a", models=[model])
        relay.InferenceCheck("c", model=model, api_key="k", triggers=[{"a": [1, None]}])

    engine = Engine()
    engine.run(program)
    assert engine.inputs["v"]["ssh_key_ids"] == ["k1", "k-id", "tomorrow"]
    assert engine.inputs["a"]["models"] == ["direct.openai.m"]
    assert engine.inputs["c"]["model"] == "direct.openai.m"


def a_timeout(time: Any) -> pulumi.ResourceOptions:
    return pulumi.ResourceOptions(custom_timeouts=pulumi.CustomTimeouts(create=time))


@pytest.mark.parametrize(
    ("opts", "said"),
    [
        *(
            (
                a_timeout(time),
                "create of custom_timeouts should be a duration such as "
                f'"90s", "15m" or "2h", not {time!r}',
            )
            for time in ("2 hours", "1d", "90", 90, "h")
        ),
        *(
            (
                pulumi.ResourceOptions(aliases=aliases),  # type: ignore[arg-type] # its mistake
                "aliases should list URNs or former names, and 'old' is no URN: a former name is "
                'pulumi.Alias(name="old")',
            )
            for aliases in (["old"], [pulumi.Alias(name="older"), "old"], "old")
        ),
    ],
)
def test_an_option_that_the_engine_would_not_read_is_refused_with_one_line(
    opts: pulumi.ResourceOptions, said: str
) -> None:
    """The engine names no resource."""
    with pytest.raises(pulumi.RunError) as refused:
        Vm("v", opts, ssh_key_ids=["k"])
    assert str(refused.value) == f"Vm 'v': {said}"


@pytest.mark.parametrize(
    "opts",
    [
        *map(a_timeout, ("2h", "1h30m", "1.5h", "90s", "0", "1500ms", None, "")),
        # The SDK takes a dict too, though its type does not say so.
        pulumi.ResourceOptions(custom_timeouts={"create": "2h"}),  # type: ignore[arg-type]
        pulumi.ResourceOptions(
            aliases=[
                "urn:pulumi:dev::p::t::old",
                pulumi.Alias(name="old"),
                pulumi.Output.from_input("x"),
            ]
        ),
    ],
)
def test_an_option_that_the_engine_reads_is_let_through(opts: pulumi.ResourceOptions) -> None:
    assert wrong_option(opts) is None


def test_a_class_of_a_program_makes_what_its_parent_does() -> None:
    """So that it may have defaults of its own, and what exists may change between the two."""

    class GpuBox(Vm):
        def __init__(self, resource_name: str, **inputs: Any) -> None:
            super().__init__(resource_name, **{"resource_size": "small", **inputs})

    class BigBox(GpuBox):
        pass

    for made in (GpuBox, BigBox):
        assert (made.token, made.fields) == (Vm.token, Vm.fields)
        assert made._resource_type_name == Vm._resource_type_name
        assert made.__annotations__ == Vm.__annotations__


def test_a_class_of_a_program_that_would_be_another_kind_is_refused_where_it_stands() -> None:
    said = "^{} makes what Vm does: it has no module, name or properties of its own$"
    with pytest.raises(pulumi.RunError, match=said.format("Named")):

        class Named(Vm, module="acme", name="Named"):
            pass

    with pytest.raises(pulumi.RunError, match=said.format("Larger")):

        class Larger(Vm):
            team: In[str | None] = updates(default=None)
            """Whose it is."""


def test_the_id_of_what_is_read_is_known_to_a_preview() -> None:
    """Or each machine with a key that is read would be shown as changed, though nothing is."""

    def program() -> None:
        key = SshKey.get("key", "key_1")
        Vm("uses", ssh_key_ids=[key.id], resource_size="small")
        new = SshKey("new", public_key="k")
        Vm("waits", ssh_key_ids=[SshKey.get("late", new.id).id], resource_size="small")

    engine = Engine(preview=True)
    engine.run(program)
    assert engine.inputs["uses"]["ssh_key_ids"] == ["key_1"]
    assert "urn:key" in engine.dependencies["uses"]
    assert engine.inputs["waits"]["ssh_key_ids"] == [UNKNOWN]


def test_a_list_or_map_that_a_program_leaves_out_is_none_to_type_checkers_too() -> None:
    """And goes as it is into the input of another resource. What is said here, mypy checks."""
    heard: list[Any] = []

    def program() -> None:
        vm = Vm("vm", ssh_key_ids=["k"], resource_size="small")
        assert_type(vm.container_command, pulumi.Output[Sequence[str] | None])
        assert_type(vm.env_vars, pulumi.Output[Mapping[str, str] | None])
        assert_type(vm.ssh_key_ids, pulumi.Output[Sequence[str]])
        assert_type(Webhook("hook", url="u").events, pulumi.Output[Sequence[str]])
        vm.container_command.apply(heard.append)
        vm.env_vars.apply(heard.append)
        Vm("alike", ssh_key_ids=vm.ssh_key_ids, env_vars=vm.env_vars, resource_size="small")

    Engine().run(program)
    assert heard == [None, None]


def test_the_id_of_what_is_read_may_be_a_coroutine() -> None:
    """A preview makes use of it twice."""

    async def looked_up() -> str:
        return "key-1"

    def program() -> None:
        key = SshKey.get("theirs", looked_up())
        Vm("trainer", ssh_key_ids=[key.id], resource_size="small")

    engine = Engine(preview=True)
    engine.run(program)
    assert engine.inputs["trainer"]["ssh_key_ids"] == ["key-1"]
