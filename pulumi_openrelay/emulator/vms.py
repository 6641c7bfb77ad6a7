"""VMs: `/v1/orgs/{orgId}/vms` and `/v1/vms/{id}`.

Their life is in `vm_states`, what is shown of them in `vm_answers`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import billing, capacity, hardware, idempotency, pages, vm_answers, vm_shape, vm_states
from .access import Call
from .area import Area, BehindTheBack, Served, set_fields
from .scripts import Outcome
from .vm_answers import summary
from .vm_states import AT_REST, STATUSES, Vm
from .wire import Refusal

if TYPE_CHECKING:
    from .world import World


def _list(call: Call) -> dict[str, Any]:
    active_only = call.query.get("activeOnly", False)
    vms = [
        vm
        for vm in pages.listed(call, Vm)
        if not active_only or _listed_status(call, vm) != "terminated"
    ]
    return pages.page(
        call, vms, lambda vm: {**summary(call.world, vm), "status": _listed_status(call, vm)}
    )


def _listed_status(call: Call, vm: Vm) -> str:
    """A lagging list shows a VM that has just ended as it was before."""
    ended = vm.terminated_time
    if ended is not None and ended + call.world.settings.list_lag_seconds > call.world.now:
        return vm.last_live_status
    return vm.shown_status or vm.status


def _create(call: Call) -> dict[str, Any]:
    """Whether VM names are unique is unknown; here they are not."""
    world, organization, body = call.world, call.caller, call.body
    if (made := idempotency.made_before(call)) is not None:
        return summary(world, world.store.table(Vm)[made])
    name = vm_shape.require_name(body["name"])
    shape = vm_shape.require_shape(world, body, "gpuCount")
    tier = vm_shape.require_tier(body.get("tier", "community"))
    vm_shape.require_template(body.get("templateId"))
    vm_shape.require_cloud_init(body.get("cloudInit"))
    keys = vm_shape.require_ssh_keys(world, organization, body["sshKeyIds"])
    if body.get("nodeId"):
        # Only a node reserved to the organization can be named, and it has none.
        raise Refusal(404, f"There is no node {body['nodeId']}.")
    billing.require_balance(world, organization)
    node = capacity.place(
        world,
        shape["gpu_model_id"] or capacity.CPU,
        shape["gpu_count"] or 1,
        body.get("preferredRegions", ()),
        fallback=body.get("allowFallback", False),
    )
    vm = Vm(
        **world.new(organization.id),
        **shape,
        name=name,
        request=body,
        tier=tier,
        public=body.get("public", False),
        ssh_key_ids=keys,
        handle=world.new_id("vm").replace("_", "-")[:15],
        location=node.location["name"],
        node_id=node.id,
        held_units=shape["gpu_count"] or 1,
        updated_time=world.now,
    )
    world.store.add(vm)
    idempotency.remember(call, vm.id)
    vm_states.deploy(world, vm, world.scripts.take("vm", name) or _by_setting(world))
    return summary(call.world, vm)


def _by_setting(world: World) -> Outcome | None:
    settings = world.settings
    if settings.unknown_status:
        settings.unknown_status -= 1
        return Outcome("unknown_status", for_seconds=settings.unknown_status_seconds)
    if settings.pending_first:
        return Outcome("pending", for_seconds=settings.provision_seconds / 5)
    return None


def _attach_ssh_key(call: Call) -> None:
    """A key that is not the organization's is a 400 here, as in a create."""
    vm = _unended(call.find(Vm, "VM"), 400)
    vm_shape.require_live_key(call.world, call.caller, call.body["sshKeyId"])
    if call.body["sshKeyId"] not in vm.ssh_key_ids:
        vm.ssh_key_ids = [*vm.ssh_key_ids, call.body["sshKeyId"]]


def _detach_ssh_key(call: Call) -> None:
    """On a terminated VM: unknown; 400 here, as for attaching."""
    vm = _unended(call.find(Vm, "VM"), 400)
    left = [key_id for key_id in vm.ssh_key_ids if key_id != call.path["keyId"]]
    if not left:
        raise Refusal(400, "The last SSH key of a VM cannot be detached.")
    vm.ssh_key_ids = left


def _set_visibility(call: Call) -> dict[str, Any]:
    vm = _unended(call.find(Vm, "VM"), 409)
    vm.public = call.body["public"]
    return summary(call.world, vm)


def _stop(call: Call) -> dict[str, Any]:
    """Repeatable on a stopped VM; on a failed or ended one: unknown, 409 here."""
    vm = call.find(Vm, "VM")
    _refuse_if_stop_is_disabled(call)
    if vm.status == "stopped" or vm.intent == "stopping":
        return summary(call.world, vm)
    if vm.status in AT_REST or vm.intent:
        raise Refusal(409, f"A VM that is {vm.intent or vm.status} cannot be stopped.")
    vm_states.stop(call.world, vm, "user_stopped")
    return summary(call.world, vm)


def _restart(call: Call) -> dict[str, Any]:
    """On a VM that is not running, stopped or failed: unknown, 409 here."""
    world, vm = call.world, call.find(Vm, "VM")
    if vm.intent or vm.status not in ("running", "stopped", "failed"):
        raise Refusal(409, f"A VM that is {vm.intent or vm.status} cannot be restarted.")
    if vm.status == "running":
        vm_states.reboot(world, vm)
        return summary(call.world, vm)
    billing.require_balance(world, call.caller)
    vm_states.hold(world, vm)
    vm.status_reason = "user_restarted"
    vm_states.deploy(world, vm)
    return summary(call.world, vm)


def _reboot(call: Call) -> None:
    """Beta: checked and accepted, and then nothing happens."""
    vm = call.find(Vm, "VM")
    if vm.status != "running" or vm.intent:
        raise Refusal(409, "Only a running VM can be rebooted.")


def _resize_disk(call: Call) -> None:
    """Beta: the new size is recorded and shown. The same size again is accepted."""
    vm = _unended(call.find(Vm, "VM"), 409)
    _refuse_if_stop_is_disabled(call)
    if vm.status != "stopped":
        raise Refusal(409, "Only a stopped VM's disk can be resized.")
    size = call.body["newSizeGb"]
    if size < vm.disk_size_gb:
        raise Refusal(400, f"The disk has {vm.disk_size_gb} GB and can only grow.")
    model = hardware.GPU_MODELS[vm.gpu_model_id] if vm.gpu_model_id else None
    vm.disk_size_gb = vm_shape.require_disk(size, model, vm.gpu_count)
    vm.updated_time = call.world.now


def _terminate(call: Call) -> dict[str, Any]:
    vm = call.find(Vm, "VM")
    if vm.status != "terminated" and vm.intent != "terminating":
        vm_states.terminate(call.world, vm, "user_terminated")
    return summary(call.world, vm)


def _unended(vm: Vm, status: int) -> Vm:
    if vm.status == "terminated":
        raise Refusal(status, "The VM is terminated.")
    return vm


def _refuse_if_stop_is_disabled(call: Call) -> None:
    if call.world.settings.stop_disabled:
        raise Refusal(409, "Stopping VMs is switched off for this organization.", "STOP_DISABLED")


def _stop_for_balance(world: World, owner_id: str) -> None:
    for vm in world.live_vms():
        moving = vm.status not in AT_REST and not vm.intent
        if vm.owner_id == owner_id and moving:
            vm_states.stop(world, vm, "auto_stopped_insufficient_balance")


def _live(world: World) -> dict[str, list[dict[str, Any]]]:
    return {
        "vms": [
            {
                "id": vm.id,
                "name": vm.name,
                "status": vm.status,
                "rate_cents_per_hour": vm_states.rate_cents(world, vm) if vm.session_id else 0,
            }
            for vm in world.live_vms()
        ]
    }


def _change(world: World, vm: Vm, changes: dict[str, Any]) -> None:
    """Behind the user's back: `status` with `status_reason`, or any field of the record."""
    status = changes.pop("status", None)
    reason = changes.pop("status_reason", None)
    if changes.get("gpu_model_id") not in (None, *hardware.GPU_MODELS):
        raise ValueError("There is no such GPU model.")
    if changes.get("resource_size") not in (None, *hardware.MACHINE_SIZES):
        raise ValueError("There is no such machine size.")
    set_fields(world, vm, changes)
    if status is None:
        return
    if status not in STATUSES:
        vm.shown_status = status
        return
    vm.shown_status = None
    if status not in AT_REST and not vm.held_units:
        vm_states.hold(world, vm)
    world.plan(vm, [])
    vm_states.enter(world, vm, status, reason)
    vm.ssh_ready = status == "running"


def _remove(world: World, vm: Vm) -> None:
    vm_states.unbill(world, vm)
    vm_states.release(world, vm)
    idempotency.forget(world, vm.id)
    world.remove(vm)


AREA = Area(
    operations={
        "listOrgVms": Served(_list, "compute.read"),
        "createVm": Served(_create, "compute.create"),
        "getVm": Served(vm_answers.get_summary, "compute.read"),
        "getVmDetail": Served(vm_answers.get_detail, "compute.read"),
        "getVmBurn": Served(vm_answers.get_burn, "compute.read"),
        "getVmMetrics": Served(vm_answers.get_metrics, "compute.read"),
        "getVmLogs": Served(vm_answers.get_logs, "compute.read"),
        "getVmSshKeys": Served(vm_answers.list_ssh_keys, "compute.read"),
        "attachVmSshKey": Served(_attach_ssh_key, "compute.operate"),
        "detachVmSshKey": Served(_detach_ssh_key, "compute.operate"),
        "setVmVisibility": Served(_set_visibility, "compute.operate"),
        "stopVm": Served(_stop, "compute.operate"),
        "restartVm": Served(_restart, "compute.operate"),
        "rebootVm": Served(_reboot, "compute.operate"),
        "resizeVmDisk": Served(_resize_disk, "compute.operate"),
        "terminateVm": Served(_terminate, "compute.delete"),
    },
    records=(Vm, idempotency.IdempotencyKey),
    steps={Vm: vm_states.step},
    behind_the_back={"vms": BehindTheBack(Vm, _change, _remove)},
    live=_live,
    stop_machines=_stop_for_balance,
)
