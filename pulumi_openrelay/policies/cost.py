"""What machines may cost: by the hour, by the month, and until the balance is gone.

All amounts are US cents. A machine whose rate nobody can tell is not evaluated, never free.
"""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field

from .message import Severity
from .reading import (
    CLUSTER,
    INSTANCE,
    MACHINES,
    POD,
    VM,
    Balance,
    Chips,
    NotConfigured,
    NotEvaluated,
    Resource,
    Stack,
)
from .rule import Demanded, Level, Problem, ResourceRule, Settings, StackRule, finops

HOURS_PER_MONTH = 730
RATE = "rate_cents_per_hour"
ON_BALANCE = (VM, POD, CLUSTER)
"""What OpenRelay's balance pays for: Relay has its own credits."""


class MachineRateSettings(Settings):
    max_cents_per_hour: int = Field(
        default=3000, ge=0, description="The most that one machine may bill, in cents an hour."
    )


class StackRateSettings(Settings):
    max_cents_per_hour: int = Field(
        default=10_000,
        ge=0,
        description="The most that all machines of a stack may bill together, in cents an hour.",
    )


class BudgetSettings(Demanded):
    max_cents_per_month: int | None = Field(
        default=None, ge=0, description="The stack's budget for 730 hours, in cents; null for none."
    )


class RunwaySettings(Settings):
    min_hours: float = Field(
        default=72, gt=0, description="How long the balance must last, in hours."
    )
    balance_cents: int | None = Field(
        default=None,
        description="The balance, in cents; null asks OpenRelay, where an API key is configured.",
    )


class GpuCountSettings(Settings):
    max_gpus: int = Field(default=16, ge=0, description="The most GPUs of one machine or cluster.")


class GpuKindSettings(Demanded):
    allowed: tuple[str, ...] | None = Field(
        default=None,
        description="Ids or names of GPU models, or those of Relay's catalog; null for all.",
    )


class SpotSettings(Settings):
    stacks: tuple[str, ...] = Field(
        default=("*prod*",), description="Names or patterns of the stacks that must not use spot."
    )


def rate_cents(machine: Resource) -> float:
    """What a machine bills an hour. Raises NotEvaluated where nobody can tell."""
    rate = machine.number(RATE)
    if rate is None:
        raise NotEvaluated(
            f"{RATE} is unknown: the API's pricing does not tell it, or could not be read"
        )
    return rate


def _stack_rates(stack: Stack, *types: str) -> tuple[float, list[str]]:
    """What the machines of known rate bill an hour together, and the names of the others. types:
    none means all."""
    total, unknown = 0.0, []
    for machine in stack.of_type(*(types or MACHINES)):
        try:
            total += rate_cents(machine)
        except NotEvaluated:
            unknown.append(machine.name)
    return total, sorted(unknown)


def _all_known(known: float, unknown: list[str]) -> None:
    """Raise NotEvaluated where the stack has machines of unknown rate."""
    if unknown:
        raise NotEvaluated(
            f"{RATE} is unknown of {', '.join(unknown)}; the others bill {dollars(known)} an hour"
        )


def dollars(cents: float) -> str:
    return f"${cents / 100:,.2f}"


def _machine_rate(machine: Resource, settings: MachineRateSettings) -> Iterator[str]:
    rate = rate_cents(machine)
    if rate > settings.max_cents_per_hour:
        yield f"bills {dollars(rate)} an hour, more than {dollars(settings.max_cents_per_hour)}"


# What is known may be too much already, whatever the rest comes to.
def _stack_rate(stack: Stack, settings: StackRateSettings) -> Iterator[Problem]:
    known, unknown = _stack_rates(stack)
    if known > settings.max_cents_per_hour:
        yield Problem(
            f"the stack bills {_at_least(known, unknown)} an hour, "
            f"more than {dollars(settings.max_cents_per_hour)}"
        )
    else:
        _all_known(known, unknown)


def _at_least(cents: float, unknown: list[str]) -> str:
    return f"at least {dollars(cents)}" if unknown else dollars(cents)


def _monthly_budget(stack: Stack, settings: BudgetSettings) -> Iterator[Problem]:
    if not any(stack.of_type(*MACHINES)):
        return
    if settings.max_cents_per_month is None:
        raise NotConfigured("max_cents_per_month")
    known, unknown = _stack_rates(stack)
    month = known * HOURS_PER_MONTH
    if month > settings.max_cents_per_month:
        yield Problem(
            f"the stack costs {_at_least(month, unknown)} a month, "
            f"more than its budget of {dollars(settings.max_cents_per_month)}"
        )
    else:
        _all_known(known, unknown)


def _balance_runway(stack: Stack, settings: RunwaySettings) -> Iterator[Problem]:
    known, unknown = _stack_rates(stack, *ON_BALANCE)
    if known == 0:
        _all_known(known, unknown)
        return
    given = settings.balance_cents
    balance = stack.account.balance() if given is None else Balance(given)
    # Other stacks live on the same balance, so that it lasts no longer than they let it.
    burn = max(known, balance.burn_cents_per_hour or 0)
    text = too_short(balance, burn, settings, bound=bool(unknown))
    if text:
        yield Problem(text)
    else:
        _all_known(known, unknown)


def too_short(
    balance: Balance, burn_cents_per_hour: float, settings: RunwaySettings, *, bound: bool
) -> str:
    """What there is to say of how long a balance lasts, empty where that is long enough. bound:
    more is burnt, and nobody knows how much."""
    hours = balance.hours(burn_cents_per_hour)
    if hours is None or hours >= settings.min_hours:
        return ""
    return (
        f"the balance lasts {'at most ' if bound else ''}{hours:.0f} hours at "
        f"{dollars(burn_cents_per_hour)} an hour, less than {settings.min_hours:g}"
    )


def _gpu_count(machine: Resource, settings: GpuCountSettings) -> Iterator[str]:
    gpus = _gpus(machine)
    if gpus > settings.max_gpus:
        yield f"has {gpus:.0f} GPUs, more than {settings.max_gpus}"


def _gpus(machine: Resource) -> float:
    if machine.type == INSTANCE:
        chips = _chips(machine)
        return chips.count if chips.model is not None else 0
    if machine.text("gpu_model_id") is None and machine.type != POD:
        return 0
    if machine.type != CLUSTER:
        return machine.number("gpu_count") or 1
    each, replicas = machine.number("gpus_per_replica"), machine.number("replica_count")
    if each is None or replicas is None:
        raise NotEvaluated("gpus_per_replica or replica_count is left to the API")
    return each * replicas


def _chips(instance: Resource) -> Chips:
    """What a rented machine has, by Relay's catalog."""
    prescription = instance.text("prescription")
    found = instance.account.instance_chips().get(prescription or "")
    if found is None:
        raise NotEvaluated("prescription is not in the catalog of instances")
    return found


def _gpu_kinds(stack: Stack, settings: GpuKindSettings) -> Iterator[Problem]:
    for machine in stack.of_type(*MACHINES):
        try:
            if not _allowed_kind(machine, settings.allowed, stack):
                allowed = ", ".join(settings.allowed or ())
                yield Problem(f"{_model_property(machine)} is none of {allowed}", machine)
        except NotConfigured:
            raise
        except NotEvaluated as why:
            yield Problem.unknown(why, machine)


def _model_property(machine: Resource) -> str:
    return "the GPU of its prescription" if machine.type == INSTANCE else "gpu_model_id"


def _allowed_kind(machine: Resource, allowed: tuple[str, ...] | None, stack: Stack) -> bool:
    """Whether a machine has no GPU, or one that is allowed."""
    of_relay = machine.type == INSTANCE
    if of_relay and allowed is None:
        raise NotConfigured("allowed")
    model = _chips(machine).model if of_relay else machine.text("gpu_model_id")
    if model is None:
        return True
    if allowed is None:
        raise NotConfigured("allowed")
    return model in allowed or (not of_relay and stack.account.gpu_names().get(model) in allowed)


def _spot(machine: Resource, _: Settings) -> Iterator[str]:
    if machine.text("tier") == "spot":
        yield "tier is spot: the owner of the capacity may end it at any time"


def _idle(machine: Resource, _: Settings) -> Iterator[str]:
    if machine.text("desired_state") == "stopped":
        yield "desired_state is stopped: it is kept, and used by nobody"


MACHINE_RATE = ResourceRule(
    name="machine-rate",
    description="A machine or cluster bills no more than its limit.",
    severity=Severity.HIGH,
    framework=finops("Budgeting", "Limits that spending is held to"),
    remediation="take fewer or cheaper GPUs, or raise the rule's max_cents_per_hour",
    settings=MachineRateSettings,
    types=MACHINES,
    check=_machine_rate,
)
STACK_RATE = StackRule(
    name="stack-rate",
    description="All machines of a stack together bill no more than its limit.",
    severity=Severity.HIGH,
    framework=finops("Budgeting", "Limits that spending is held to"),
    remediation="take fewer or cheaper machines, or raise the rule's max_cents_per_hour",
    settings=StackRateSettings,
    check=_stack_rate,
)
MONTHLY_BUDGET = StackRule(
    name="monthly-budget",
    description="A month of the stack costs no more than its budget.",
    severity=Severity.HIGH,
    framework=finops("Budgeting", "Limits that spending is held to"),
    remediation="take fewer or cheaper machines, or have the budget raised",
    settings=BudgetSettings,
    check=_monthly_budget,
)
BALANCE_RUNWAY = StackRule(
    name="balance-runway",
    description="OpenRelay's balance pays for its machines for some time to come.",
    severity=Severity.HIGH,
    framework=finops("Forecasting", "What is spent at the present rate"),
    remediation="add funds, or take fewer or cheaper machines: an empty balance stops them all",
    level=Level.ADVISORY,
    settings=RunwaySettings,
    check=_balance_runway,
)
GPU_COUNT = ResourceRule(
    name="gpu-count",
    description="A machine or cluster has no more GPUs than its limit.",
    severity=Severity.MEDIUM,
    framework=finops("Workload Optimization", "Resources that fit the work"),
    remediation="take fewer GPUs, or raise the rule's max_gpus",
    settings=GpuCountSettings,
    types=MACHINES,
    check=_gpu_count,
)
GPU_KINDS = StackRule(
    name="gpu-kinds",
    description="Machines use the GPU models that are allowed.",
    severity=Severity.MEDIUM,
    framework=finops("Workload Optimization", "Resources that fit the work"),
    remediation="take one of the allowed GPU models, or add this one to the rule's allowed",
    settings=GpuKindSettings,
    check=_gpu_kinds,
)
SPOT = ResourceRule(
    name="spot",
    description="Stacks that must not stop use no spot machines.",
    severity=Severity.HIGH,
    framework=finops("Rate Optimization", "The purchase option that fits the work"),
    remediation="leave tier out",
    settings=SpotSettings,
    types=(VM, CLUSTER),
    check=_spot,
)
IDLE = ResourceRule(
    name="idle",
    description="No machine is kept that is stopped.",
    severity=Severity.LOW,
    framework=finops("Workload Optimization", "Resources that nobody uses"),
    remediation="remove it from the program once its disk is of no use to anybody",
    level=Level.ADVISORY,
    types=(VM, POD, CLUSTER),
    check=_idle,
)

RULES = (
    MACHINE_RATE,
    STACK_RATE,
    MONTHLY_BUDGET,
    BALANCE_RUNWAY,
    GPU_COUNT,
    GPU_KINDS,
    SPOT,
    IDLE,
)
