"""The machines on offer, as programs ask for them: `/v2/instances/catalog`."""

from __future__ import annotations

from dataclasses import dataclass, field

from .ask import ask


@dataclass(frozen=True, slots=True)
class Cpu:
    """The processor of a machine on offer."""

    model: str
    vcpu: int | None = None


@dataclass(frozen=True, slots=True)
class Accelerator:
    """GPUs or NPUs."""

    model: str
    count: int | None = None
    memory_gb: int | None = None


@dataclass(frozen=True, slots=True)
class Network:
    """Megabits a second."""

    download_mbps: int | None = None
    upload_mbps: int | None = None


@dataclass(frozen=True, slots=True)
class Lifetime:
    """For how many hours it is rented at most."""

    default_hours: float | None = None
    max_hours: float | None = None


@dataclass(frozen=True, slots=True)
class BillingMode:
    """A way to pay for it: what a period costs."""

    mode: str
    period_seconds: int | None = None
    term_seconds: int | None = None
    rate_per_period: float | None = None
    """US dollars."""
    default: bool | None = None


@dataclass(frozen=True, slots=True)
class Availability:
    """How many of it there are now."""

    state: str
    """`available`, `sold_out`, `unknown`, or a state that the API adds later."""
    count: int | None = None
    checked_at: str | None = None


@dataclass(frozen=True, slots=True)
class Offer:
    """A row of the catalog: what an `Instance` may ask for."""

    prescription: str
    service_mode: str
    display_name: str | None = None
    description: str | None = None
    kind: str | None = None
    """`gpu`, `npu` or `cpu`."""
    cpu: Cpu | None = None
    ram_gb: int | None = None
    gpu: Accelerator | None = None
    npu: Accelerator | None = None
    disk_gb: int | None = None
    network: Network | None = None
    regions: list[str] = field(default_factory=list)
    default_region: str | None = None
    compatible_images: list[str] = field(default_factory=list)
    ssh_key_types: list[str] = field(default_factory=list)
    lifetime: Lifetime | None = None
    """None: `max_lifetime_hours` is not for it."""
    billing_modes: list[BillingMode] = field(default_factory=list)
    availability: Availability | None = None


@dataclass(frozen=True, slots=True)
class BillingTerms:
    """How every instance is billed."""

    min_commit_hours: float
    """Hours that are billed at least."""
    grace_hours: float
    """Hours that instances live on once the balance does not cover them."""
    currency: str | None = None
    unit: str | None = None
    """What is counted, such as `hour`."""
    full_hour_ceil: bool | None = None
    """Whether a begun hour is billed whole."""
    starts_at: str | None = None
    """From when on it bills, such as `ready`."""
    ends_at: str | None = None


@dataclass(frozen=True, slots=True)
class _Catalog:
    rows: list[Offer]


@dataclass(frozen=True, slots=True)
class _Billing:
    billing: BillingTerms


def instance_catalog() -> list[Offer]:
    """The machines on offer. Raises pulumi.RunError. API: `getInstanceCatalog`."""
    return ask(_Catalog, "/v2/instances/catalog", "the catalog of instances").rows


def billing_terms() -> BillingTerms:
    """How the machines on offer are billed. Raises pulumi.RunError. API: `getInstanceCatalog`."""
    return ask(_Billing, "/v2/instances/catalog", "the catalog of instances").billing
