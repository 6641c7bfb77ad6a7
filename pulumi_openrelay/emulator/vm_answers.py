"""What the API shows of a VM: summary, detail, burn, keys, logs and metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import billing, hardware, pages, vm_states
from .ssh_keys import SshKey
from .vm_states import Vm
from .wire import timestamp, without_none

if TYPE_CHECKING:
    from .access import Call
    from .world import World

_SSH_HOST, _SSH_PORT = "ssh.run.openrelay.inc", 22
_SSH_REASONS = {
    "ready": "The guest's sshd has answered.",
    "booting": "The guest has not answered on SSH yet.",
    "offline": "The VM is not running.",
}
_METRICS_STEP_SECONDS = {"1h": 60, "6h": 300, "24h": 900, "7d": 3600}


def summary(world: World, vm: Vm) -> dict[str, Any]:
    """VmSummary; the detail has most of it too."""
    return without_none(
        id=vm.id,
        organizationId=vm.owner_id,
        name=vm.name,
        status=vm.shown_status or vm.status,
        statusReason=vm.status_reason,
        provisioningStage=vm.stage,
        gpuModelId=vm.gpu_model_id,
        gpuCount=vm.gpu_count,
        resourceSize=vm.resource_size,
        tier=vm.tier,
        diskSizeGb=vm.disk_size_gb,
        imageUrl=vm.request.get("imageUrl"),
        public=vm.public,
        endpointUrl=vm_states.endpoint(vm),
        pricePerHourCents=vm_states.rate_cents(world, vm),
        createdAt=timestamp(vm.created_time),
        **_gpu_names(vm),
    )


def _gpu_names(vm: Vm) -> dict[str, Any]:
    if vm.gpu_model_id is None:
        return {}
    model = hardware.GPU_MODELS[vm.gpu_model_id]
    return {"gpuModelName": model.name, "gpuManufacturer": model.manufacturer}


def get_detail(call: Call) -> dict[str, Any]:
    """Without what the service never gives back: it stays in the create's request alone."""
    world, vm = call.world, call.find(Vm, "VM")
    shared = summary(world, vm)
    for only_in_summaries in ("gpuModelName", "gpuManufacturer"):
        shared.pop(only_in_summaries, None)
    alive = vm.status != "terminated"
    detail = {
        **shared,
        **_ssh(vm),
        **without_none(
            updatedAt=timestamp(vm.updated_time),
            startedAt=timestamp(vm.started_time),
            interruptedAt=timestamp(vm.interrupted_time),
            terminatedAt=timestamp(vm.terminated_time),
            containerPort=vm.request.get("containerPort"),
            guestVcpu=vm.guest_vcpu,
            guestMemMb=vm.guest_mem_mb,
            requestedGuestMemMb=vm.guest_mem_mb,
            osType="ubuntu",
            nodeInfo={"location": vm.location} if alive else None,
            gpuInfo=_gpu_info(world, vm),
            templateInfo=_template_info(vm),
        ),
        "healthy": vm.status == "running" and vm.ssh_ready,
    }
    for hidden in world.settings.hidden_detail_fields:
        detail.pop(hidden, None)
    return detail


def _ssh(vm: Vm) -> dict[str, Any]:
    if vm.status in ("pending", "deploying", "running"):
        state = "ready" if vm.ssh_ready else "booting"
    else:
        state = "offline"
    fields: dict[str, Any] = {
        "sshReady": state == "ready",
        "sshState": state,
        "sshStateReason": _SSH_REASONS[state],
    }
    if vm_states.endpoint(vm) is not None:
        fields |= {
            "sshHandle": vm.handle,
            "sshHost": _SSH_HOST,
            "sshPort": _SSH_PORT,
            "sshUser": "ubuntu",
            "sshCommand": f"ssh {vm.handle}@{_SSH_HOST}",
        }
    return fields


def _gpu_info(world: World, vm: Vm) -> dict[str, Any] | None:
    if vm.gpu_model_id is None:
        return None
    model = hardware.GPU_MODELS[vm.gpu_model_id]
    return {
        "name": model.name,
        "vramGb": model.vram_gb,
        "manufacturer": model.manufacturer,
        "pricePerHourCents": hardware.gpu_rate_cents(world, model, vm.tier),
    }


def _template_info(vm: Vm) -> dict[str, Any] | None:
    template = hardware.TEMPLATES.get(vm.request.get("templateId", ""))
    if template is None:
        return None
    return {key: template[key] for key in ("name", "osType", "osVersion")}


def get_summary(call: Call) -> dict[str, Any]:
    return summary(call.world, call.find(Vm, "VM"))


def get_burn(call: Call) -> dict[str, Any]:
    world, organization, vm = call.world, call.caller, call.find(Vm, "VM")
    accrued = int(billing.accrued(world, organization))
    rate = vm_states.rate_cents(world, vm)
    session = world.store.table(billing.Session).get(vm.session_id or "")
    gpus: dict[str, Any] = {}
    if vm.gpu_count:
        gpus = {"gpuCount": vm.gpu_count, "perGpuCents": rate // vm.gpu_count}
    open_session: dict[str, Any] = {}
    if session is not None:
        open_session = {
            "sessionStartedAt": timestamp(session.created_time),
            "accruedSessionCents": int(session.cents(0, world.now)),
        }
    return {
        "vmId": vm.id,
        "pricePerHourCents": rate,
        "rateBasis": "gpu" if vm.gpu_count else "cpu",
        "rateSource": "catalog" if session is None else "locked",
        "diskBilled": False,
        "orgAccruedCents": accrued,
        "orgAccruedMonthCents": accrued,
        "orgAvailableCents": organization.balance_cents - accrued,
        "orgBurnPerHourCents": billing.burn_cents(world, organization),
        "autoStopFloorCents": billing.FLOOR_CENTS,
        "projectedRunwayHours": billing.runway_hours(world, organization),
        **gpus,
        **open_session,
    }


def list_ssh_keys(call: Call) -> list[dict[str, Any]]:
    vm = call.find(Vm, "VM")
    rows = [
        {
            "id": key.id,
            "name": key.name,
            "fingerprint": key.fingerprint,
            "attached": key.id in vm.ssh_key_ids,
            "crossOrg": False,
        }
        for key in pages.listed(call, SshKey)
    ]
    return pages.array(call, rows)


def get_metrics(call: Call) -> dict[str, Any]:
    """A VM's GPUs are passed through to the guest: the host cannot read them."""
    vm = call.find(Vm, "VM")
    span = call.query.get("range", "1h")
    now = timestamp(call.world.now)
    return {
        "vmId": vm.id,
        "range": span,
        "stepSeconds": _METRICS_STEP_SECONDS[span],
        "start": now,
        "end": now,
        "pointCount": 0,
        "gpus": [],
        "accelerator": {
            "class": "accelerator",
            "status": "unavailable",
            "reason": "accelerator_passthrough",
            "detail": "The GPUs are passed through to the guest.",
        },
    }


def get_logs(call: Call) -> dict[str, Any]:
    vm = call.find(Vm, "VM", "vmId")
    if vm.started_time is None:
        return {"found": False, "message": "The VM has written nothing yet."}
    return {"found": True, "content": f"{vm.handle} login: \n"}
