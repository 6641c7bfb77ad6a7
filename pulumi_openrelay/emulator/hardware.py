"""What is on offer: GPU models, machine sizes, locations, templates and their rates.

The community rates of the four sellable GPU models are the ones seen in public.
The verified rates (a fifth more), the CPU rates and the shares of a host are the
emulator's own: nothing public says them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_URL, uuid5

from .wire import Refusal, timestamp, without_none

if TYPE_CHECKING:
    from .world import World

# Spot has no published rate of its own; the emulator bills it as community.
TIERS = ("community", "verified", "spot")
DISK_GB_MIN, DISK_GB_MAX = 10, 4000
DISK_GB_PER_GPU = 100  # where a GPU VM does not say
CATALOG_TIME = 1_735_689_600.0  # 2025-01-01


@dataclass(frozen=True, slots=True)
class GpuModel:
    """`community_cents` None: in the catalog, but hidden and not for sale."""

    name: str
    vram_gb: int
    community_cents: int | None
    nodes: tuple[int, ...]  # GPUs of each node
    vcpu_per_gpu: int
    ram_mb_per_gpu: int
    architecture: str
    form_factor: str
    manufacturer: str = "NVIDIA"
    interconnect: str | None = None
    disk_gb_per_gpu: int = 2000

    @property
    def id(self) -> str:
        return str(uuid5(NAMESPACE_URL, f"gpu-model/{self.name}"))

    @property
    def verified_cents(self) -> int:
        return -(-(self.community_cents or 0) * 6 // 5)

    def share(self, count: int = 1) -> dict[str, int]:
        """The most that a VM of this many GPUs may ask of a node (ShapeCap)."""
        return {
            "vcpu": count * self.vcpu_per_gpu,
            "ramMb": count * self.ram_mb_per_gpu,
            "diskGb": count * self.disk_gb_per_gpu,
        }

    def as_json(self) -> dict[str, Any]:
        return without_none(
            id=self.id,
            name=self.name,
            manufacturer=self.manufacturer,
            vramGb=self.vram_gb,
            architecture=self.architecture,
            formFactor=self.form_factor,
            interconnect=self.interconnect,
            hidden=self.community_cents is None,
            createdAt=timestamp(CATALOG_TIME),
        )


@dataclass(frozen=True, slots=True)
class MachineSize:
    vcpu: int
    ram_mb: int
    disk_gb: int
    cents: int


GPU_MODELS = {
    model.id: model
    for model in (
        GpuModel("RTX 3090", 24, 18, (8, 4), 8, 32_768, "Ampere", "pcie"),
        GpuModel("RTX 4090", 24, 29, (8, 8, 4), 12, 49_152, "Ada Lovelace", "pcie"),
        GpuModel("A100 PCIe 40GB", 40, 80, (8,), 14, 98_304, "Ampere", "pcie"),
        GpuModel(
            "H100 SXM 80GB", 80, 260, (8, 8), 26, 204_800, "Hopper", "sxm", interconnect="nvswitch"
        ),
        GpuModel("MI300X", 192, None, (), 24, 262_144, "CDNA 3", "oam", "AMD", "infinity-fabric"),
    )
}

# Sizes and their vCPUs and RAM as the vendor's older client names them.
MACHINE_SIZES = {
    "small": MachineSize(2, 4_096, 40, 3),
    "medium": MachineSize(4, 8_192, 80, 6),
    "large": MachineSize(8, 16_384, 160, 12),
    "xl": MachineSize(16, 32_768, 320, 24),
}

LOCATIONS: tuple[dict[str, Any], ...] = (
    {"id": "loc_ams", "name": "Amsterdam 1", "city": "Amsterdam", "country": "NL", "region": "eu"},
    {"id": "loc_ash", "name": "Ashburn 1", "city": "Ashburn", "country": "US", "region": "us-east"},
    {"id": "loc_osl", "name": "Oslo 1", "city": "Oslo", "country": "NO", "region": "eu"},
)

TEMPLATES: dict[str, dict[str, Any]] = {
    template["id"]: template
    for template in (
        {
            "id": str(uuid5(NAMESPACE_URL, f"vm-template/{slug}")),
            "slug": slug,
            "name": name,
            "filename": f"{slug}.qcow2",
            "osType": "ubuntu",
            "osVersion": version,
            "requiresGpu": driver is not None,
            "compatibleGpuModelIds": None,
            **without_none(driverVersion=driver, isDefault=default),
        }
        for slug, name, version, driver, default in (
            ("ubuntu-24-04-cuda", "Ubuntu 24.04, CUDA", "24.04", "570.86", True),
            ("ubuntu-22-04-cuda", "Ubuntu 22.04, CUDA", "22.04", "550.90", None),
            ("ubuntu-24-04", "Ubuntu 24.04", "24.04", None, None),
        )
    )
}


def gpu_model(model_id: str) -> GpuModel:
    """A model that can be rented; 400 for one that the catalog lacks or hides."""
    model = GPU_MODELS.get(model_id)
    if model is None or model.community_cents is None:
        raise Refusal(400, f"There is no GPU model {model_id} on offer.")
    return model


def machine_size(name: str) -> MachineSize:
    if name not in MACHINE_SIZES:
        raise Refusal(
            400, f"There is no machine size {name}; there are {', '.join(MACHINE_SIZES)}."
        )
    return MACHINE_SIZES[name]


def gpu_rate_cents(world: World, model: GpuModel, tier: str) -> int:
    """Per GPU and hour, as of now."""
    rates = world.settings.rates
    community = rates.get(model.id, rates.get(model.name))
    if community is None:
        return model.verified_cents if tier == "verified" else model.community_cents or 0
    return -(-community * 6 // 5) if tier == "verified" else community
