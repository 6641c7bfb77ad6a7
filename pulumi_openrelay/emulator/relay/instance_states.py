"""An instance's life: what it is, what it goes through, and what that costs.

Nothing bills before `ready`; every started hour is then billed as it starts, and
billing stops when its end is asked for. Where the balance does not cover the next
hour, the machines go on for the grace hours and then end by themselves.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..store import Owned
from ..wire import timestamp
from . import hardware, money, webhooks
from .access import ApiKey, Customer

if TYPE_CHECKING:
    from ..scripts import Outcome
    from ..timeline import Step
    from .world import RelayWorld

ENDED = frozenset({"terminated", "failed"})
STATUSES = ENDED | {"requested", "provisioning", "ready", "terminating"}
_EVENTS = frozenset({"ready", "failed", "terminated"})

# How long things take, as fractions of the time from create to ready.
_PROVISIONING, _TERMINATING = 0.3, 0.25


@dataclass(kw_only=True)
class Instance(Owned):
    """`key_id` is the API key that rented it; the rate is locked when it is ordered."""

    prescription: str
    service_mode: str
    image: str
    region: str
    ssh_key_fingerprint: str
    billing_mode: str
    hourly_usd: float
    lifetime_hours: float | None
    webhook_url: str | None
    key_id: str | None
    host: str  # the address or the first label of the name that it is reached at
    status: str = "requested"
    shown_status: str | None = None  # what answers show instead, while it lasts
    slowness: float = 1.0
    # Where it stood before its end, for lists that lag behind.
    last_live_status: str = "requested"
    ready_time: float | None = None
    terminate_time: float | None = None
    ended_time: float | None = None
    ended_reason: str | None = None
    expires_time: float | None = None
    hours_billed: int = 0


def describe(instance: Instance) -> dict[str, Any]:
    """InstanceView."""
    offer = hardware.offer(instance.prescription, instance.service_mode)
    return {
        "id": instance.id,
        "status": instance.shown_status or instance.status,
        "prescription": instance.prescription,
        "display_name": offer.display_name,
        "kind": offer.kind,
        "image": instance.image,
        "service_mode": instance.service_mode,
        "billing_mode": instance.billing_mode,
        "billing_period_seconds": hardware.HOUR,
        "rate_per_period": instance.hourly_usd,
        "region": instance.region,
        "connection": _connection(instance),
        "ssh_key_fingerprint": instance.ssh_key_fingerprint,
        "expires_at": timestamp(instance.expires_time),
        "ended_reason": instance.ended_reason,
        "created_at": timestamp(instance.created_time),
        "ready_at": timestamp(instance.ready_time),
        "terminate_requested_at": timestamp(instance.terminate_time),
        "ended_at": timestamp(instance.ended_time),
        "hours_billed": instance.hours_billed,
        "spend_usd": money.usd(instance.hours_billed * instance.hourly_usd),
        "webhook_url": instance.webhook_url,
        "key_id": instance.key_id,
    }


def _connection(instance: Instance) -> dict[str, Any] | None:
    if instance.ready_time is None or instance.status in ENDED:
        return None
    if instance.service_mode == hardware.DEDICATED:
        return {"public_ip": instance.host, "port": 22, "user": "ubuntu"}
    name = f"{instance.host}.instances.relaygpu.com"
    return {"hostname": name, "port": 30_022, "user": "root"}


def live(world: RelayWorld) -> list[Instance]:
    """Those that have not ended, oldest first."""
    return [i for i in world.store.table(Instance).values() if i.status not in ENDED]


def provision(world: RelayWorld, instance: Instance, outcome: Outcome | None) -> None:
    instance.slowness = outcome.slowness if outcome else 1.0
    seconds = world.settings.provision_seconds * instance.slowness
    steps: list[Step] = [
        (_PROVISIONING * seconds, "stage", "provisioning"),
        (seconds, "enter", ["ready", None]),
    ]
    world.plan(instance, outcome.shape(steps, seconds, "provisioning") if outcome else steps)


def terminate(world: RelayWorld, instance: Instance, reason: str) -> None:
    instance.status, instance.terminate_time = "terminating", world.now
    seconds = _TERMINATING * world.settings.provision_seconds * instance.slowness
    shown = [planned for planned in instance.plan if planned[1] == "show"]
    instance.plan = shown
    world.plan(instance, [(seconds, "enter", ["terminated", reason])], keep=True)


def step(world: RelayWorld, instance: Instance, name: str, argument: Any) -> None:
    """Carry out one step of an instance's plan."""
    match name:
        case "stage":
            instance.status = argument
        case "show":
            show(world, instance, argument)
        case "bill":
            _bill(world, instance)
        case "expire":
            terminate(world, instance, "lifetime_reached")
        case "enter":
            enter(world, instance, *argument)


def show(world: RelayWorld, instance: Instance, status: str | None) -> None:
    """Answers show this status, known or not, until told otherwise by None."""
    instance.shown_status = status
    if status is not None:
        world.undocumented.add(status)


def enter(world: RelayWorld, instance: Instance, status: str, reason: str | None) -> None:
    """The instance is in this status from now on, with all that follows from it."""
    if status not in ENDED:
        instance.last_live_status = status
    instance.status = status
    if status == "ready" and instance.ready_time is None:
        instance.ready_time = world.now
        _bill(world, instance)
        if instance.lifetime_hours is not None:
            seconds = instance.lifetime_hours * hardware.HOUR
            instance.expires_time = world.now + seconds
            world.plan(instance, [(seconds, "expire", None)], keep=True)
    has_ended = status in ENDED
    instance.ended_time = world.now if has_ended else None
    instance.ended_reason = reason if has_ended else None
    if has_ended:
        instance.shown_status = None
        world.plan(instance, [])
    if status in _EVENTS:
        emit(world, instance, f"instance.{status}")


def emit(world: RelayWorld, instance: Instance, event: str, **further: Any) -> None:
    """The `status` of a delivery is always completed; the instance's own is in `result`."""
    body = {
        "event": event,
        "task_id": f"{instance.id}:{event}",
        "status": "completed",
        "elapsed_seconds": int(world.now - instance.created_time),
        "mode": "direct",
        "model": instance.prescription,
        "created_at": timestamp(world.now),
        "result": {**describe(instance), **further},
    }
    webhooks.emit(world, instance.owner_id, instance.webhook_url, body)


def wallet(world: RelayWorld, customer: Customer) -> dict[str, Any]:
    """How long the balance lasts."""
    hourly = sum(i.hourly_usd for i in _billed(world, customer.id))
    started = customer.grace_started_time
    ends = None if started is None else started + world.settings.grace_hours * hardware.HOUR
    return {
        "balance": money.usd(customer.balance_usd),
        "warning_threshold": customer.warning_threshold,
        "grace_started_at": timestamp(started),
        "grace_ends_at": timestamp(ends),
        "hours_left": max(0.0, customer.balance_usd / hourly) if hourly else None,
    }


def _billed(world: RelayWorld, customer_id: str) -> list[Instance]:
    return [i for i in live(world) if i.owner_id == customer_id and i.status == "ready"]


def _bill(world: RelayWorld, instance: Instance) -> None:
    """The hour that starts now, and the next one when it comes."""
    customer = world.customer(instance.owner_id)
    key = world.store.table(ApiKey).get(instance.key_id or "")
    money.spend(customer, key, instance.hourly_usd, "instances")
    instance.hours_billed += 1
    world.plan(instance, [(hardware.HOUR, "bill", None)], keep=True)
    if customer.balance_usd < customer.warning_threshold and not customer.warned:
        customer.warned = True
        _announce(world, customer, "instance.warning")
    if customer.balance_usd <= 0 and customer.grace_started_time is None:
        customer.grace_started_time = world.now
        _announce(world, customer, "instance.grace")
        seconds = world.settings.grace_hours * hardware.HOUR
        world.plan(customer, [(seconds, "grace_over", None)])


def _announce(world: RelayWorld, customer: Customer, event: str) -> None:
    for instance in _billed(world, customer.id):
        emit(world, instance, event, wallet=wallet(world, customer))


def step_customer(world: RelayWorld, customer: Customer, _name: str, _argument: Any) -> None:
    """The grace hours are over."""
    customer.grace_started_time = None
    world.stop_machines(customer.id)


def stop_for_balance(world: RelayWorld, customer_id: str) -> None:
    for instance in _billed(world, customer_id):
        terminate(world, instance, "balance_exhausted")
