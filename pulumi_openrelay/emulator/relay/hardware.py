"""The machines on offer. All of them are the emulator's own, in the catalog's shape."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

DEDICATED, MANAGED = "dedicated_machine", "managed_container"
HOUR = 3600
_KEY_TYPES = ("ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256")


@dataclass(frozen=True, slots=True)
class Offer:
    """A prescription in one service mode; `units` are there in all, `hourly_usd` the price."""

    prescription: str
    service_mode: str
    display_name: str
    kind: str
    chip: tuple[str, int, int] | None  # model, count, memory in GB; None of a CPU machine
    vcpu: int
    ram_gb: int
    disk_gb: int
    hourly_usd: float
    regions: tuple[str, ...]
    images: tuple[str, ...]
    lifetime_hours: tuple[float, float] | None = None  # by default, at most
    key_types: tuple[str, ...] = _KEY_TYPES
    units: int = 8

    def as_json(self) -> dict[str, Any]:
        """Without what changes: availability and the last spawn."""
        lifetime = self.lifetime_hours
        chip: dict[str, Any] = {"gpu": None, "npu": None}
        if self.chip:
            model, count, memory = self.chip
            chip[self.kind] = {"model": model, "count": count, "memory_gb": memory}
        return {
            "prescription": self.prescription,
            "service_mode": self.service_mode,
            "display_name": self.display_name,
            "description": f"{self.display_name}, {self.vcpu} vCPU, {self.ram_gb} GB",
            "kind": self.kind,
            "cpu": {"model": "EPYC 9354", "vcpu": self.vcpu},
            "ram_gb": self.ram_gb,
            **chip,
            "disk_gb": self.disk_gb,
            "network": {"download_mbps": 1000, "upload_mbps": 1000},
            "regions": list(self.regions),
            "default_region": self.regions[0],
            "compatible_images": list(self.images),
            "ssh_key_types": list(self.key_types),
            "lifetime": {"default_hours": lifetime[0], "max_hours": lifetime[1]}
            if lifetime
            else None,
            "billing_modes": [
                {
                    "mode": "hourly",
                    "period_seconds": HOUR,
                    "term_seconds": None,
                    "rate_per_period": self.hourly_usd,
                    "default": True,
                }
            ],
            "is_override": False,
        }


_LINUX = ("ubuntu-24.04", "ubuntu-22.04")
_CUDA = ("ubuntu-24.04-cuda", "pytorch-2.6")
_EVERYWHERE = ("eu-north", "us-east")

OFFERS = (
    Offer(
        prescription="gpu.rtx4090.1x",
        service_mode=DEDICATED,
        display_name="1x RTX 4090",
        kind="gpu",
        chip=("RTX 4090", 1, 24),
        vcpu=16,
        ram_gb=64,
        disk_gb=500,
        hourly_usd=0.45,
        regions=_EVERYWHERE,
        images=(*_LINUX, *_CUDA),
    ),
    Offer(
        prescription="gpu.rtx4090.1x",
        service_mode=MANAGED,
        display_name="1x RTX 4090, container",
        kind="gpu",
        chip=("RTX 4090", 1, 24),
        vcpu=16,
        ram_gb=64,
        disk_gb=200,
        hourly_usd=0.36,
        regions=_EVERYWHERE,
        images=_CUDA,
        lifetime_hours=(24.0, 720.0),
    ),
    Offer(
        prescription="gpu.h100.8x",
        service_mode=DEDICATED,
        display_name="8x H100 SXM",
        kind="gpu",
        chip=("H100 SXM", 8, 80),
        vcpu=208,
        ram_gb=1800,
        disk_gb=8000,
        hourly_usd=19.2,
        regions=("us-east",),
        images=(*_LINUX, *_CUDA),
        key_types=("ssh-ed25519",),
        units=2,
    ),
    Offer(
        prescription="npu.gaudi3.1x",
        service_mode=MANAGED,
        display_name="1x Gaudi 3",
        kind="npu",
        chip=("Gaudi 3", 1, 128),
        vcpu=24,
        ram_gb=192,
        disk_gb=400,
        hourly_usd=1.1,
        regions=("eu-north",),
        images=("habana-1.21",),
        lifetime_hours=(12.0, 168.0),
    ),
    Offer(
        prescription="cpu.small",
        service_mode=MANAGED,
        display_name="4 vCPU",
        kind="cpu",
        chip=None,
        vcpu=4,
        ram_gb=16,
        disk_gb=80,
        hourly_usd=0.05,
        regions=_EVERYWHERE,
        images=_LINUX,
        lifetime_hours=(24.0, 168.0),
        units=64,
    ),
)


def offers(prescription: str) -> list[Offer]:
    return [offer for offer in OFFERS if offer.prescription == prescription]


def offer(prescription: str, service_mode: str) -> Offer:
    return next(o for o in offers(prescription) if o.service_mode == service_mode)
