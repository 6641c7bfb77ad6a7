"""What the API shows of models: `GET /v2/models`, one of them, and `/v2/pricing`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..area import Area, Served
from ..contract import document
from ..operation import Operation
from ..wire import Refusal
from . import models, tiers
from .inference.links import STORAGE_USD
from .models import MODELS, Model, Price

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .access import Call


def _operation(model: Model) -> Operation:
    return document("relay").operations[model.operation]


def _endpoint(model: Model) -> dict[str, Any]:
    operation = _operation(model)
    return {
        "method": operation.method,
        "path": operation.template,
        "operation_id": model.operation,
        "model_in_body": model.model_in_body,
        "model_default": None if model.model_in_body else model.name,
        "async_default": model.async_default,
        "streams": model.streams,
    }


def _has_outputs(model: Model) -> bool:
    """Whether it makes files, which can be stored."""
    return model.source in ("image", "video") or model.tag == "text-to-speech"


def _row(model: Model) -> dict[str, Any]:
    return {
        "name": model.name,
        "tag": model.tag,
        "display_name": model.name.rsplit("/", 1)[-1],
        "store_output_supported": _has_outputs(model),
        "endpoint": _endpoint(model),
    }


def _by_source(of: Iterable[Model]) -> dict[str, list[dict[str, Any]]]:
    rows: dict[str, list[dict[str, Any]]] = {}
    for model in of:
        rows.setdefault(model.source, []).append(_row(model))
    return rows


def _list_models(_call: Call) -> dict[str, Any]:
    """Without the retired ones."""
    offered = [model for model in MODELS if not model.retired]
    return {
        "auto": _by_source(offered),
        **{mode: _by_source(m for m in offered if mode in m.modes) for mode in models.MODES},
        "model_restrictions_per_tier": {
            tier.name: list(tier.model_restrictions) for tier in tiers.TIERS.values()
        },
    }


def _get_model(call: Call) -> dict[str, Any]:
    """By its own name or a full one."""
    mode, name = models.split(call.path["model"])
    model = next((m for m in MODELS if m.name == name and mode in (None, *m.modes)), None)
    if model is None:
        raise Refusal(404, f"There is no model {call.path['model']}.", "MODEL_NOT_FOUND")
    operation = _operation(model)
    unavailable = call.world.settings.unavailable_models
    return {
        **_row(model),
        "modes": ["auto", *model.modes],
        "sources": [model.source],
        "request_schema": operation.body_schema,
        "request_schema_url": None,
        "request_example": model.example,
        "response_schema": operation.answer_schema(operation.success),
        "response_schema_url": None,
        "restricted_tiers": [
            tier.name
            for tier in tiers.TIERS.values()
            if all(model.full_name(mode) in tier.model_restrictions for mode in model.modes)
        ],
        "pricing": [_priced(model, mode, price) for mode, price in model.modes.items()],
        "available": not model.retired and model.name not in unavailable,
        "status": "retired" if model.retired else "available",
    }


def _priced(model: Model, mode: str, price: Price) -> dict[str, Any]:
    """The model with its source, as the service names it in prices."""
    rates = {
        "per_1m_input_tokens": price.per_1m_input_tokens,
        "per_1m_output_tokens": price.per_1m_output_tokens,
        "per_1k_characters": price.per_1k_characters,
        "per_second_audio": price.per_second_audio,
        "per_image": price.per_image,
        "per_second_video": {"default": price.per_second_video},
    }
    counted = _COUNTED[price.billing_type]
    return {
        "mode": mode,
        "model": f"{model.source}.{model.name}",
        "billing_type": price.billing_type,
        **{name: rate if name in counted else None for name, rate in rates.items()},
    }


_COUNTED = {
    "per_token": ("per_1m_input_tokens", "per_1m_output_tokens"),
    "per_character": ("per_1k_characters",),
    "per_second_audio": ("per_second_audio",),
    "per_image": ("per_image",),
    "per_second_video": ("per_second_video",),
}


def _get_pricing(_call: Call) -> dict[str, Any]:
    rows = [
        _priced(model, mode, price)
        for model in MODELS
        if not model.retired
        for mode, price in model.modes.items()
    ]
    return {
        "pricing": rows,
        "total_count": len(rows),
        "media_storage": {**STORAGE_USD, "unit": "per file"},
    }


AREA = Area(
    operations={
        "listModels": Served(_list_models, None),
        "getModel": Served(_get_model, None),
        "getPricing": Served(_get_pricing, None),
    }
)
