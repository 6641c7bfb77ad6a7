"""Hosts and what is free on them: placing machines, and running out.

A machine lands on one node. Its GPUs are taken from the create on, while it is
deploying, running or interrupted; a stopped, failed or terminated one has given
them back and competes for the same node when it is started again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .area import Lever
from .hardware import GPU_MODELS, LOCATIONS
from .json_values import fits
from .store import Record
from .wire import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .world import World

CPU = "cpu"  # stands where a GPU model id would, for hosts of CPU machines
CPU_MACHINES = 256
_UNITS_MAX = 10_000  # that can be set
_NODE_GPUS = 8  # of nodes that come in when more capacity is set than there ever was


@dataclass(kw_only=True)
class Node(Record):
    """A host. `withheld` units are taken by others; units are GPUs, or machines on a CPU host."""

    model_id: str
    location: dict[str, Any]
    units: int
    used: int = 0
    withheld: int = 0

    @property
    def free(self) -> int:
        return max(0, self.units - self.withheld - self.used)


def create_nodes(world: World) -> None:
    """The hosts of a new world."""
    for model in GPU_MODELS.values():
        for units in model.nodes:
            _add_node(world, model.id, units)
    _add_node(world, CPU, CPU_MACHINES)


def nodes(world: World, model_id: str) -> list[Node]:
    return [n for n in world.store.table(Node).values() if n.model_id == model_id]


def require_allocatable(world: World, model_id: str, count: int) -> None:
    """400 for a count that no node could ever hold."""
    largest = max((node.units for node in nodes(world, model_id)), default=0)
    if not 1 <= count <= largest:
        raise Refusal(
            400,
            f"No host can hold {count} GPUs of this model together; it has at most {largest}.",
            "GPU_COUNT_NOT_ALLOCATABLE",
        )


def place(
    world: World, model_id: str, count: int, regions: Sequence[str] = (), *, fallback: bool = False
) -> Node:
    """Take units of the tightest node that has them free; 503 where none has.

    `regions` are ids, names or regions of locations. Whether the service refuses
    or ignores one that it does not know is unknown; here it has no nodes.
    """
    fitting = [node for node in nodes(world, model_id) if node.free >= count]
    preferred = [n for n in fitting if not regions or _is_in(n, regions)]
    candidates = preferred or (fitting if fallback else [])
    if not candidates:
        if model_id == CPU:
            raise Refusal(
                503, "No host has room for this machine right now.", "INSUFFICIENT_HOST_CAPACITY"
            )
        raise Refusal(
            503,
            f"No host has {count} free GPUs of this model right now.",
            "INSUFFICIENT_GPU_CAPACITY",
        )
    node = min(candidates, key=lambda candidate: candidate.free)
    node.used += count
    return node


def place_on(world: World, node_id: str, count: int) -> None:
    """Take units of the node that holds a machine's disk; 503 VM_NODE_BUSY where it has too few."""
    node = world.store.table(Node)[node_id]
    if node.free < count:
        raise Refusal(
            503,
            f"The VM's node has {node.free} of the {count} units free that it needs; "
            "try later, or create a new VM.",
            "VM_NODE_BUSY",
        )
    node.used += count


def release(world: World, node_id: str, count: int) -> None:
    node = world.store.table(Node)[node_id]
    node.used = max(0, node.used - count)
    world.room_was_made()


def limit(world: World, model_id: str, units: int) -> None:
    """Leave this organization so many units of a model in all, its own machines' included."""
    hosts = nodes(world, model_id)
    missing = units - sum(node.units for node in hosts)
    while missing > 0:
        added = min(missing, _NODE_GPUS)
        hosts.append(_add_node(world, model_id, added))
        missing -= added
    for node in hosts:
        node.withheld = max(0, node.units - units)
        units -= node.units - node.withheld
    world.room_was_made()


def _is_in(node: Node, regions: Sequence[str]) -> bool:
    return any(node.location[key] in regions for key in ("id", "name", "region"))


def _add_node(world: World, model_id: str, units: int) -> Node:
    location = LOCATIONS[len(world.store.table(Node)) % len(LOCATIONS)]
    node = Node(id=world.new_id("node"), model_id=model_id, location=location, units=units)
    world.store.add(node)
    return node


def _read_capacity(world: World) -> dict[str, int]:
    models = {**{model.id: model.name for model in GPU_MODELS.values()}, CPU: "cpu"}
    return {
        name: sum(node.units - node.withheld for node in nodes(world, model_id))
        for model_id, name in models.items()
    }


def _check_capacity(world: World, units: dict[str, int]) -> Callable[[], None]:
    if not fits(units, "dict[str, int]") or not all(0 <= n <= _UNITS_MAX for n in units.values()):
        raise ValueError(f"capacity is units by GPU model, each from 0 to {_UNITS_MAX}.")
    names = {model.name: model.id for model in GPU_MODELS.values()}
    limits = {names.get(model, model): count for model, count in units.items()}
    if unknown := {*limits} - {*GPU_MODELS, CPU}:
        raise ValueError(f"There is no GPU model {', '.join(unknown)}.")

    def set_limits() -> None:
        for model_id, count in limits.items():
            limit(world, model_id, count)

    return set_limits


CAPACITY = Lever(read=_read_capacity, check=_check_capacity)
