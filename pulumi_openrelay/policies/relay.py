"""What keys of Relay may use and spend."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field

from .message import Kind, Severity
from .reading import (
    INFERENCE_CHECK,
    MODEL_ALLOWLIST,
    RELAY_KEY,
    NotConfigured,
    NotEvaluated,
    Resource,
    Stack,
)
from .rule import Demanded, Level, Problem, ResourceRule, Settings, StackRule, finops, nist


class ModelSettings(Demanded):
    modes: tuple[str, ...] | None = Field(
        default=None, description="Allowed modes, such as `direct` and `opengpu`; null for all."
    )
    sources: tuple[str, ...] | None = Field(
        default=None, description="Allowed sources, such as `openai` and `vllm`; null for all."
    )


class KeyBudgetSettings(Settings):
    max_usd: float = Field(
        default=1000, gt=0, description="The most that one key may spend, in US dollars."
    )


def _relay_models(resource: Resource, settings: ModelSettings) -> Iterator[str]:
    if settings.modes is None and settings.sources is None:
        raise NotConfigured("modes", "sources")
    name, models = _models(resource)
    if models is None:
        yield f"{name} is not set: every source and mode may be used"
        return
    # A full name is mode.source.model.
    parts = [[*model.split(".", 2), "", ""][:2] for model in models]
    if settings.modes is not None and any(mode not in settings.modes for mode, _ in parts):
        yield f"{name} has a mode that is none of {', '.join(settings.modes)}"
    if settings.sources is not None and any(each not in settings.sources for _, each in parts):
        yield f"{name} has a source that is none of {', '.join(settings.sources)}"


def _models(resource: Resource) -> tuple[str, list[str] | None]:
    """The input that names models, and those that it names; None for all."""
    if resource.type == INFERENCE_CHECK:
        model = resource.text("model")
        return "model", [model] if model else None
    return "models", resource.texts("models")


def _relay_key_budget(key: Resource, settings: KeyBudgetSettings) -> Iterator[str]:
    budget = key.value("key_budget")
    if budget in (None, "unlimited"):
        yield "key_budget is not set: it may spend the whole balance"
    elif key.number("key_budget") and budget > settings.max_usd:
        yield f"key_budget is ${budget:,.2f}, more than ${settings.max_usd:,.2f}"


def _relay_allowlist(stack: Stack, _: Settings) -> Iterator[Problem]:
    if any(stack.of_type(MODEL_ALLOWLIST)):
        return
    for key in stack.of_type(RELAY_KEY):
        try:
            if key.texts("model_restrictions") is None:
                yield Problem(_EVERY_MODEL, key)
            else:
                yield Problem(_EITHER_WAY, key, Kind.NOT_EVALUATED, _ALLOWLIST)
        except NotEvaluated as why:
            yield Problem.unknown(why, key)


_EITHER_WAY = (
    "not evaluated: the API does not say whether model_restrictions are the models that the key "
    "may use, or those that it may not"
)
_EVERY_MODEL = (
    "it may use every model, unless another stack has set the account's allowlist: this one "
    "declares none"
)
_ALLOWLIST = "declare a relay.ModelAllowlist, or exempt the key where another stack has it"

RELAY_MODELS = ResourceRule(
    name="relay-models",
    description="Relay's models are of the sources and modes that are allowed.",
    severity=Severity.HIGH,
    framework=nist("SA-9", "External System Services"),
    remediation="name models of allowed sources and modes alone: mode.source.model",
    settings=ModelSettings,
    types=(MODEL_ALLOWLIST, INFERENCE_CHECK),
    check=_relay_models,
)
RELAY_KEY_BUDGET = ResourceRule(
    name="relay-key-budget",
    description="Relay's keys have a budget.",
    severity=Severity.MEDIUM,
    framework=finops("Budgeting", "Limits that spending is held to"),
    remediation="set key_budget, or raise the rule's max_usd",
    level=Level.ADVISORY,
    settings=KeyBudgetSettings,
    types=(RELAY_KEY,),
    check=_relay_key_budget,
)
RELAY_ALLOWLIST = StackRule(
    name="relay-allowlist",
    description="Relay's keys may use the models of a list.",
    severity=Severity.MEDIUM,
    framework=nist("CM-7(5)", "Authorized Software: Allow-by-Exception"),
    remediation=_ALLOWLIST,
    level=Level.ADVISORY,
    check=_relay_allowlist,
)

RULES = (RELAY_MODELS, RELAY_KEY_BUDGET, RELAY_ALLOWLIST)
