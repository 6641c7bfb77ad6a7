"""Which VMs' SSH keys the list of keys tells, so that a refresh need not ask each of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulumi_openrelay.lifecycle.declare import Rows
from pulumi_openrelay.resources.vm import VmKind


@dataclass(frozen=True)
class Machine:
    """pod: no list of VMs has it."""

    name: str
    keys: frozenset[str]
    status: str = "running"
    pod: bool = False


def told(machines: Sequence[Machine], *, other: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The keys that are told, by the position of a VM. other: fields of every key's row."""
    live = [machine for machine in machines if machine.status != "terminated"]
    keys: Rows = {
        key: {
            "id": key,
            "attachedVmCount": len([machine for machine in live if key in machine.keys]),
            "blockingVms": [machine.name for machine in live if machine.keys == {key}],
            **(other or {}),
        }
        for key in "abc"
    }
    vms: Rows = {
        str(n): {"id": str(n), "name": machine.name, "status": machine.status}
        for n, machine in enumerate(machines)
        if not machine.pod
    }
    assert VmKind.told_by is not None
    rows = VmKind.told_by.tell(vms, keys)
    return {vm: sorted(row["ssh_key_ids"]) for vm, row in rows.items()}


KEYS = st.frozensets(st.sampled_from("abc"), max_size=2)
VMS = st.builds(
    Machine, st.sampled_from("xyz"), KEYS, st.sampled_from(["running", "stopped", "terminated"])
)
PODS = st.builds(Machine, st.sampled_from("pq"), KEYS, pod=st.just(True))


@given(st.lists(VMS | PODS, max_size=6))
def test_what_is_told_is_so(machines: list[Machine]) -> None:
    for vm, keys in told(machines).items():
        assert keys == sorted(machines[int(vm)].keys)


def test_a_vm_with_one_key_is_told_of_beside_others_and_what_has_ended() -> None:
    machines = [
        Machine("x", frozenset("a")),
        Machine("y", frozenset("a"), status="stopped"),
        Machine("x", frozenset("b"), status="terminated"),
        Machine("z", frozenset("bc")),
    ]
    assert told(machines) == {"0": ["a"], "1": ["a"]}


@pytest.mark.parametrize(
    "other",
    [
        Machine("x", frozenset("a")),
        Machine("x", frozenset("b")),
        Machine("x", frozenset("bc")),
        Machine("x", frozenset("a"), pod=True),
        Machine("x", frozenset("b"), pod=True),
    ],
    ids=lambda other: f"{'pod' if other.pod else 'VM'} with {'+'.join(sorted(other.keys))}",
)
def test_where_two_machines_share_a_name_nothing_is_told(other: Machine) -> None:
    assert told([Machine("x", frozenset("a")), other]) == {}


def test_a_pod_hides_no_second_key_of_a_vm_of_its_name() -> None:
    """The list of keys names the pod alone, and no list of VMs has it."""
    pod = Machine("x", frozenset("a"), pod=True)
    assert told([Machine("x", frozenset("ab")), pod]) == {}


@pytest.mark.parametrize(
    "other",
    [
        {"attachedVmCount": None},
        {"blockingVms": None},
        {"blockingVms": "x"},
        {"blockingVms": []},
    ],
    ids=str,
)
def test_an_api_that_does_not_tell_is_asked(other: dict[str, Any]) -> None:
    assert told([Machine("x", frozenset("a"))], other=other) == {}
    assert told([Machine("x", frozenset("a"))]) == {"0": ["a"]}
