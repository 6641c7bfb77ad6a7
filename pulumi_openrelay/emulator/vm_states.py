"""A VM's life: what it is, what it goes through, and what that does to money and capacity.

Every change of state takes a while, and shows while it does: stopping and
terminating have no status of their own, so the VM keeps its status and
`provisioningStage` tells. When billing starts and ends is the emulator's reading:
with `running`, and when the VM has stopped, ended or been interrupted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from . import billing, capacity, hardware
from .store import Owned

if TYPE_CHECKING:
    from .scripts import Outcome
    from .timeline import Step
    from .world import World

# The events that the service sends; `failed` has none.
EVENTS = frozenset({"running", "stopped", "terminated", "interrupted"})
STATUSES = EVENTS | {"pending", "deploying", "failed"}
# In these a VM holds no GPUs and is not on its way to any.
AT_REST = frozenset({"stopped", "failed", "terminated"})

# How long things take, as fractions of the time from create to running.
_PULLING, _BOOTING, _SSH_GPU, _SSH_CPU = 0.2, 0.6, 1.5, 1.1
_STOPPING, _TERMINATING, _REBOOTING = 0.25, 0.25, 0.3
_INTERRUPTED_AT_MOST_SECONDS = 7 * 86_400.0


@dataclass(kw_only=True)
class Vm(Owned):
    """`request` is the create's body: what no answer gives back is only there."""

    name: str
    request: dict[str, Any]
    gpu_model_id: str | None  # None: a CPU VM, of `resource_size`
    gpu_count: int
    resource_size: str
    tier: str
    disk_size_gb: int
    public: bool
    ssh_key_ids: list[str]
    guest_vcpu: int
    guest_mem_mb: int
    handle: str  # the first label of its endpoint
    location: str
    node_id: str
    updated_time: float
    held_units: int = 0  # on its node
    status: str = "deploying"
    shown_status: str | None = None  # what answers show instead, while it lasts
    status_reason: str | None = None
    stage: str | None = None
    intent: str = ""  # "stopping" or "terminating", until it is done
    ssh_ready: bool = False
    session_id: str | None = None
    slowness: float = 1.0
    # Where it stood before its end, for lists that lag behind.
    last_live_status: str = "deploying"
    started_time: float | None = None
    interrupted_time: float | None = None
    terminated_time: float | None = None

    @property
    def units(self) -> int:
        """What it takes of its node: its GPUs, or one machine."""
        return self.gpu_count or 1


def rate_cents(world: World, vm: Vm) -> int:
    """Per hour: locked while a session is open, else what one would lock."""
    if vm.session_id is not None:
        return world.store.table(billing.Session)[vm.session_id].rate_cents
    if vm.gpu_model_id is None:
        return hardware.MACHINE_SIZES[vm.resource_size].cents
    model = hardware.GPU_MODELS[vm.gpu_model_id]
    return hardware.gpu_rate_cents(world, model, vm.tier) * vm.gpu_count


def deploy(world: World, vm: Vm, outcome: Outcome | None = None) -> None:
    """Bring a placed VM up."""
    vm.status, vm.stage, vm.updated_time = "deploying", "scheduling", world.now
    vm.slowness = outcome.slowness if outcome else 1.0
    seconds = world.settings.provision_seconds * vm.slowness
    ssh = _SSH_GPU if vm.gpu_model_id else _SSH_CPU
    steps: list[Step] = [
        (_PULLING * seconds, "stage", "pulling image"),
        (_BOOTING * seconds, "stage", "booting the guest"),
        (seconds, "enter", ["running", vm.status_reason]),
        (ssh * seconds, "ssh_ready", None),
    ]
    world.plan(vm, outcome.shape(steps, seconds) if outcome else steps)
    if outcome and outcome.type == "pending":
        vm.status, vm.stage = "pending", "queued"


def stop(world: World, vm: Vm, reason: str) -> None:
    _begin(world, vm, "stopping")
    _replan(world, vm, [(_while(world, vm, _STOPPING), "enter", ["stopped", reason])])


def terminate(world: World, vm: Vm, reason: str) -> None:
    _begin(world, vm, "terminating")
    _replan(world, vm, [(_while(world, vm, _TERMINATING), "enter", ["terminated", reason])])


def reboot(world: World, vm: Vm) -> None:
    """In place: it stays `running`, billed, and its SSH is away for a moment."""
    vm.ssh_ready, vm.stage, vm.updated_time = False, "rebooting", world.now
    away = _while(world, vm, _REBOOTING)
    vm.plan = [planned for planned in vm.plan if planned[1] not in ("stage", "ssh_ready")]
    world.plan(vm, [(away, "stage", None), (away, "ssh_ready", None)], keep=True)


def step(world: World, vm: Vm, name: str, argument: Any) -> None:
    """Carry out one step of a VM's plan."""
    match name:
        case "stage":
            vm.stage = argument
        case "unqueue":
            vm.status, vm.stage = "deploying", "scheduling"
        case "ssh_ready":
            vm.ssh_ready = True
        case "show":
            vm.shown_status = argument
        case "interrupt":
            enter(world, vm, "interrupted", "node_lost")
        case "recover":
            enter(world, vm, "running", None)
            ready = _while(world, vm, _REBOOTING)
            world.plan(vm, [(ready, "ssh_ready", None)], keep=True)
        case "give_up":
            since = vm.interrupted_time
            if since is not None and since + _INTERRUPTED_AT_MOST_SECONDS <= world.now:
                enter(world, vm, "stopped", "node_lost")
        case _:
            enter(world, vm, *argument)


def enter(world: World, vm: Vm, status: str, reason: str | None) -> None:
    """The VM is in this status from now on, with all that follows from it."""
    if status != "terminated":
        vm.last_live_status = status
    vm.status, vm.status_reason, vm.stage, vm.intent = status, reason, None, ""
    vm.updated_time = world.now
    if status == "running":
        vm.started_time, vm.interrupted_time = world.now, None
        _bill(world, vm)
    else:
        vm.ssh_ready = False
        unbill(world, vm)
    if status in AT_REST:
        release(world, vm)
        _replan(world, vm, [])
    if status == "interrupted":
        vm.interrupted_time = world.now
        vm.plan = [planned for planned in vm.plan if planned[1] != "ssh_ready"]
        world.plan(vm, [(_INTERRUPTED_AT_MOST_SECONDS, "give_up", None)], keep=True)
    vm.terminated_time = world.now if status == "terminated" else None
    if status == "terminated":
        vm.shown_status = None
        world.plan(vm, [])
    if status in EVENTS:
        data = {"vm_id": vm.id, "status": status, "endpoint": endpoint(vm) or ""}
        world.emit(vm.owner_id, vm.id, f"vm.{status}", data)


def endpoint(vm: Vm) -> str | None:
    """From its first `running` on; what the address of an ended VM is, is unknown."""
    if vm.started_time is None or vm.status == "terminated":
        return None
    return f"https://{vm.handle}.run.openrelay.inc"


def unbill(world: World, vm: Vm) -> None:
    if vm.session_id is not None:
        billing.close_session(world, vm.session_id)
        vm.session_id = None


def hold(world: World, vm: Vm) -> None:
    """Take the VM's units of the node of its disk; 503 VM_NODE_BUSY where it has too few."""
    capacity.place_on(world, vm.node_id, vm.units)
    vm.held_units = vm.units


def release(world: World, vm: Vm) -> None:
    capacity.release(world, vm.node_id, vm.held_units)
    vm.held_units = 0


def _bill(world: World, vm: Vm) -> None:
    if vm.session_id is None:
        model = hardware.GPU_MODELS[vm.gpu_model_id] if vm.gpu_model_id else None
        vm.session_id = billing.open_session(
            world,
            vm.owner_id,
            vm.id,
            rate_cents(world, vm),
            key=model.name if model else "CPU",
            tier=vm.tier,
            gpu_count=vm.gpu_count,
        )


def _begin(world: World, vm: Vm, intent: str) -> None:
    vm.intent = vm.stage = intent
    vm.updated_time = world.now


def _replan(world: World, vm: Vm, steps: list[Step]) -> None:
    """Another course from now on; only what it shows for a while goes on."""
    vm.plan = [planned for planned in vm.plan if planned[1] == "show"]
    world.plan(vm, steps, keep=True)


def _while(world: World, vm: Vm, fraction: float) -> float:
    return fraction * world.settings.provision_seconds * vm.slowness
