"""The catalog: GPU models, locations, templates, models, prices, and what is free now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import capacity
from .access import Call
from .area import Area, Served
from .hardware import (
    CATALOG_TIME,
    DISK_GB_MAX,
    DISK_GB_MIN,
    GPU_MODELS,
    LOCATIONS,
    MACHINE_SIZES,
    TEMPLATES,
    GpuModel,
    gpu_rate_cents,
)
from .wire import timestamp

if TYPE_CHECKING:
    from .world import World

_MODELS: tuple[dict[str, Any], ...] = (
    {
        "id": "openrelay/gpt-oss-120b",
        "object": "model",
        "owned_by": "openrelay",
        "created": int(CATALOG_TIME),
        "status": "available",
        "supported_apis": ["chat_completions"],
        "endpoints": {"chat_completions": "/v1/chat/completions"},
        "modalities": {"input": ["text"], "output": ["text"]},
        "batch_eligible": True,
    },
)


def _list_gpu_models(_call: Call) -> list[dict[str, Any]]:
    return [model.as_json() for model in GPU_MODELS.values()]


def _for_sale() -> list[GpuModel]:
    return [model for model in GPU_MODELS.values() if model.community_cents is not None]


def _get_pricing(call: Call) -> dict[str, Any]:
    return {
        "gpu": [
            {
                "gpuModelId": model.id,
                "gpuModelName": model.name,
                "vramGb": model.vram_gb,
                "tier": tier,
                "pricePerHourCents": gpu_rate_cents(call.world, model, tier),
            }
            for model in _for_sale()
            for tier in ("community", "verified")
        ],
        "cpu": [
            {
                "resourceSize": name,
                "vcpu": size.vcpu,
                "ramMb": size.ram_mb,
                "pricePerHourCents": size.cents,
            }
            for name, size in MACHINE_SIZES.items()
        ],
        "vmDisk": {"minGb": DISK_GB_MIN, "maxGb": DISK_GB_MAX},
    }


def _get_public_pricing(call: Call) -> dict[str, Any]:
    shown = ("id", "name", "manufacturer", "vramGb", "architecture", "formFactor", "interconnect")
    return {
        "generatedAt": timestamp(call.world.now),
        "gpu": [
            {
                **{key: value for key, value in model.as_json().items() if key in shown},
                "communityCents": gpu_rate_cents(call.world, model, "community"),
                "verifiedCents": gpu_rate_cents(call.world, model, "verified"),
            }
            for model in _for_sale()
        ],
        "model": [
            {"id": model["id"], "inputPerMTokens": 0.1, "outputPerMTokens": 0.5}
            for model in _MODELS
        ],
    }


def _get_gpu_availability(call: Call) -> list[dict[str, Any]]:
    return [
        {
            "gpuModelId": model.id,
            "name": model.name,
            "vramGb": model.vram_gb,
            "formFactor": model.form_factor,
            "vm": _availability(call.world, model),
        }
        for model in _for_sale()
    ]


def _availability(world: World, model: GpuModel) -> dict[str, Any]:
    """Every unit is a single GPU, so any count up to a node's size tiles."""
    hosts = capacity.nodes(world, model.id)
    most_free = max((node.free for node in hosts), default=0)
    largest = max((node.units for node in hosts), default=0)
    share = model.share()
    floor = {**share, "ramMb": model.vram_gb * 1024 * 65 // 100}
    return {
        "freeGpus": sum(node.free for node in hosts),
        "totalGpus": sum(node.units for node in hosts),
        "maxPlaceableGpus": most_free,
        "placeableGpuCounts": list(range(1, most_free + 1)),
        "tileLattice": list(range(1, largest + 1)),
        "spotFreeGpus": 0,
        "spotPlaceableGpuCounts": list(range(1, most_free + 1)),
        "shapeSizing": True,
        "minDiskGb": DISK_GB_MIN,
        "floorPerGpu": floor,
        "minPerGpu": share,
        "maxPerGpu": share,
        "nodes": [],
        "offers": [
            {
                "perGpu": {**share, "ramBudgetMb": share["ramMb"] * 105 // 100 + 32},
                "free": model.share(node.free),
                "unitSizes": [1] * node.free,
                "structuralUnitSizes": [1] * node.units,
            }
            for node in hosts
        ],
    }


AREA = Area(
    operations={
        "listGpuModels": Served(_list_gpu_models, "catalog.read"),
        "listLocations": Served(lambda _call: list(LOCATIONS), "catalog.read"),
        "listVmTemplates": Served(lambda _call: list(TEMPLATES.values()), "catalog.read"),
        "listModels": Served(
            lambda _call: {"object": "list", "data": list(_MODELS)}, "catalog.read"
        ),
        "getPricing": Served(_get_pricing, "catalog.read"),
        "getPublicPricing": Served(_get_public_pricing, None),
        "getGpuAvailability": Served(_get_gpu_availability, "compute.read"),
    },
    records=(capacity.Node,),
    levers={"capacity": capacity.CAPACITY},
)
