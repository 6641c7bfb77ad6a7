"""The models on offer, as programs ask for them: `/v2/models`, `/v2/pricing`, `/v2/workflows`."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import pulumi

from .ask import ask, ask_if_there
from .model_name import ModelName


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The route that serves a model."""

    path: str
    """Such as `/v2/openai/v1/chat/completions`, from Relay's own URL on."""
    method: str | None = None
    operation_id: str | None = None
    model_in_body: bool | None = None
    """Whether the body names the model."""
    model_default: str | None = None
    """The model that it serves where the body names none."""
    async_default: bool | None = None
    """Whether it answers with a task unless told otherwise."""
    streams: bool | None = None


@dataclass(frozen=True, slots=True)
class Price:
    """What a model costs in one mode, in US dollars; None: not counted so."""

    mode: str
    model: str
    """The model as the API names it in prices, without its mode."""
    billing_type: str | None = None
    """What is counted, such as `per_token`."""
    per_1m_input_tokens: float | None = None
    per_1m_output_tokens: float | None = None
    per_1k_characters: float | None = None
    per_second_audio: float | None = None
    per_image: float | None = None
    per_second_video: dict[str, Any] | None = None
    """By resolution, quality or the like."""
    context_tier_threshold: int | None = None
    """Input tokens beyond which a request is of long context, and has the prices below. These three
    are not in the API's document; the vendor's own client reads them."""
    per_1m_input_tokens_long: float | None = None
    per_1m_output_tokens_long: float | None = None


@dataclass(frozen=True, slots=True)
class Model:
    """A model as the list has it."""

    name: str
    """Its own name."""
    tag: str | None = None
    """What it does, such as `text-generation`."""
    display_name: str | None = None
    store_output_supported: bool | None = None
    endpoint: Endpoint | None = None
    """None: no single route serves it."""


@dataclass(frozen=True, slots=True)
class Models:
    """The models on offer, by source: those of a mode, and those that `auto` picks from."""

    auto: dict[str, list[Model]]
    direct: dict[str, list[Model]] = field(default_factory=dict)
    opengpu: dict[str, list[Model]] = field(default_factory=dict)
    model_restrictions_per_tier: dict[str, list[str]] = field(default_factory=dict)
    """Full names that each tier may not use."""

    @property
    def names(self) -> list[ModelName]:
        """The full name of each, in both modes."""
        modes = {"direct": self.direct, "opengpu": self.opengpu}
        return [
            ModelName(mode, source, model.name)
            for mode, sources in modes.items()
            for source, models in sources.items()
            for model in models
        ]


@dataclass(frozen=True, slots=True)
class ModelDetail:
    """One model: where it runs, how it is called and what it costs."""

    name: str
    """Its own name."""
    tag: str | None = None
    display_name: str | None = None
    modes: list[str] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)
    endpoint: Endpoint | None = None
    """None: no single route serves it."""
    request_schema: dict[str, Any] | None = None
    """The body of a request, as JSON Schema."""
    request_schema_url: str | None = None
    """Where that is to be had, if it is not here."""
    request_example: dict[str, Any] | None = None
    response_schema: dict[str, Any] | None = None
    response_schema_url: str | None = None
    store_output_supported: bool | None = None
    restricted_tiers: list[str] = field(default_factory=list)
    """The tiers that may not use it."""
    pricing: list[Price] = field(default_factory=list)
    available: bool | None = None
    status: str | None = None
    """`available`, `retired`, or a state that the API adds later."""

    def price(self, mode: str) -> Price | None:
        """What it costs in a mode, None where the API does not say."""
        return next((price for price in self.pricing if price.mode == mode), None)


@dataclass(frozen=True, slots=True)
class _Pricing:
    pricing: list[Price]


@dataclass(frozen=True, slots=True)
class _Storage:
    media_storage: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class WorkflowStep:
    """A step of a workflow."""

    step_id: str
    model: str | None = None
    """Which model it asks; None where the step does not name one."""


@dataclass(frozen=True, slots=True)
class Workflow:
    """A template of several models."""

    id: str
    name: str | None = None
    description: str | None = None
    version: int | None = None
    input_schema: dict[str, Any] | None = None
    """What a run takes, as JSON Schema."""
    steps: list[WorkflowStep] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Workflows:
    workflows: list[Workflow]


def models() -> Models:
    """The models on offer; with a key, those of its account. Raises pulumi.RunError.

    API: `listModels`.
    """
    return ask(Models, "/v2/models", "the models", public=True)


def model(name: str | ModelName) -> ModelDetail:
    """One model, by its full name or its own. Raises pulumi.RunError. API: `getModel`."""
    for path in model_paths(str(name)):
        found = ask_if_there(ModelDetail, path, f"the model {name}", public=True)
        if found is not None:
            return found
    raise pulumi.RunError(f"there is no model {name}")


def pricing() -> list[Price]:
    """What each model costs in each mode. Raises pulumi.RunError. API: `getPricing`."""
    return ask(_Pricing, "/v2/pricing", "the prices", public=True).pricing


def media_storage() -> dict[str, Any]:
    """What it costs to keep what models made beyond an hour, in US dollars, as the API words it;
    empty where it does not say. Raises pulumi.RunError. API: `getPricing`."""
    return ask(_Storage, "/v2/pricing", "the prices", public=True).media_storage or {}


def workflows() -> list[Workflow]:
    """The workflows on offer. Raises pulumi.RunError. API: `listWorkflows`."""
    return ask(_Workflows, "/v2/workflows", "the workflows", public=True).workflows


def model_paths(name: str) -> list[str]:
    """Where the API has a model: under its own name, whichever way the program names it, or under
    its full name. A name that would lead out of the models is none of them."""
    names = [name]
    with suppress(ValueError):
        names.insert(0, ModelName.parse(name).model)
    inside = [each for each in names if {".", ".."}.isdisjoint(each.split("/"))]
    return [f"/v2/models/{quote(each, safe='/')}" for each in inside]
