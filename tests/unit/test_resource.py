"""What a program gives a resource that it does not take, and classes of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, assert_type

import pulumi
import pytest

from pulumi_openrelay import InferenceCluster, SshKey, Vm, Webhook
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
