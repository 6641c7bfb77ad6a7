"""What a VM may be: the checks of its create, in the order in which a sentence helps most."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import capacity, hardware
from .ssh_keys import SshKey
from .wire import Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .access import Organization
    from .world import World


def require_shape(world: World, body: Mapping[str, Any], count_field: str) -> dict[str, Any]:
    """Either GPUs of one model or a CPU machine size: the record's fields for it.

    `count_field` is the GPU count's name in this body. Disk and RAM are checked
    and have their defaults. A GPU count of 0 is none, as the vendor's older client
    sends it; that neither shape is a 400 is the emulator's choice.
    """
    model_id, count, size_name = (
        body.get("gpuModelId"),
        body.get(count_field),
        body.get("resourceSize"),
    )
    if size_name and (model_id or count):
        raise Refusal(
            400,
            "`resourceSize` is for CPU machines: leave it out, or the GPUs.",
            "RESOURCE_SIZE_NOT_APPLICABLE",
        )
    if size_name:
        size = hardware.machine_size(size_name)
        if body.get("guestMemMb"):
            raise Refusal(400, "`guestMemMb` is for GPU VMs; a CPU machine's size has its RAM.")
        return {
            "gpu_model_id": None,
            "gpu_count": 0,
            "resource_size": size_name,
            "disk_size_gb": require_disk(body.get("diskSizeGb", size.disk_gb), None, 0),
            "guest_vcpu": size.vcpu,
            "guest_mem_mb": size.ram_mb,
        }
    if not model_id:
        raise Refusal(400, "Either `gpuModelId` and a GPU count, or `resourceSize`, is required.")
    model = hardware.gpu_model(model_id)
    if not count:
        raise Refusal(400, f"`{count_field}` is required with `gpuModelId`.")
    capacity.require_allocatable(world, model_id, count)
    share = model.share(count)
    return {
        "gpu_model_id": model_id,
        "gpu_count": count,
        "resource_size": "",
        "disk_size_gb": require_disk(
            body.get("diskSizeGb", hardware.DISK_GB_PER_GPU * count), model, count
        ),
        "guest_vcpu": share["vcpu"],
        "guest_mem_mb": _guest_mem_mb(body.get("guestMemMb"), model, count),
    }


def require_disk(size_gb: int, model: hardware.GpuModel | None, count: int) -> int:
    """A boot disk's size: within the platform's bounds, and the node's share for its GPUs."""
    if not hardware.DISK_GB_MIN <= size_gb <= hardware.DISK_GB_MAX:
        raise Refusal(
            400,
            f"A disk has from {hardware.DISK_GB_MIN} to {hardware.DISK_GB_MAX} GB.",
        )
    if model is not None and size_gb > (most := model.share(count)["diskGb"]):
        raise Refusal(
            400, f"A VM of {count} GPUs can have {most} GB at most.", "VM_SHAPE_NOT_PLACEABLE"
        )
    return size_gb


def require_tier(tier: str) -> str:
    if tier not in hardware.TIERS:
        raise Refusal(400, f"`tier` must be one of {', '.join(hardware.TIERS)}.")
    return tier


def require_template(template_id: str | None) -> None:
    if template_id and template_id not in hardware.TEMPLATES:
        raise Refusal(400, f"There is no VM template {template_id}.")


def require_name(name: str) -> str:
    """How long a name may be is unknown."""
    if not name.strip():
        raise Refusal(400, "`name` must not be empty.")
    return name


def require_ssh_keys(world: World, organization: Organization, key_ids: list[str]) -> list[str]:
    """At least one, each a live key of the organization; repeated ones count once."""
    if not key_ids:
        raise Refusal(400, "`sshKeyIds` needs at least one key.")
    for key_id in key_ids:
        require_live_key(world, organization, key_id)
    return list(dict.fromkeys(key_ids))


def require_live_key(world: World, organization: Organization, key_id: str) -> None:
    key = world.store.table(SshKey).get(key_id)
    if key is None or key.owner_id != organization.id:
        raise Refusal(400, f"There is no SSH key {key_id} in this organization.")


def require_cloud_init(script: str | None) -> None:
    if script and not script.startswith("#!"):
        raise Refusal(400, "`cloudInit` must be a script that begins with a shebang (#!).")


def _guest_mem_mb(wanted: int | None, model: hardware.GpuModel, count: int) -> int:
    """RAM: the full share unless given; less than the floor is raised to it."""
    most = model.share(count)["ramMb"]
    if not wanted:
        return most
    if wanted > most:
        raise Refusal(
            400, f"A VM of {count} GPUs can have {most} MiB RAM at most.", "VM_SHAPE_NOT_PLACEABLE"
        )
    return max(wanted, model.vram_gb * count * 1024 * 65 // 100)
