"""Instances, rented machines: `/v2/instances` and their catalog.

Their life is in `instance_states`. A create takes no name and no idempotency key.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import pages as lists
from ..area import Area, BehindTheBack, Served, set_fields
from ..scripts import Outcome
from ..wire import Answer, Refusal, json_answer, timestamp
from . import access, hardware, instance_request, instance_states, money, pages
from .access import Customer
from .hardware import Offer
from .instance_states import ENDED, STATUSES, Instance

if TYPE_CHECKING:
    from .access import Call
    from .world import RelayWorld

_LIMIT_MAX = 500


def _get_catalog(call: Call) -> dict[str, Any]:
    _require_service(call.world)
    rows = [{**offer.as_json(), **_availability(call.world, offer)} for offer in hardware.OFFERS]
    return {
        "rows": rows,
        "billing": {
            "currency": "USD",
            "unit": "hour",
            "full_hour_ceil": True,
            "starts_at": "ready",
            "ends_at": "terminate_requested",
            "min_commit_hours": 1,
            "grace_hours": call.world.settings.grace_hours,
        },
        "count": len(rows),
    }


def _availability(world: RelayWorld, offer: Offer) -> dict[str, Any]:
    free = _free(world, offer)
    spawned = [
        instance
        for instance in world.store.table(Instance).values()
        if _is_of(instance, offer) and (instance.ready_time or instance.status == "failed")
    ]
    last: dict[str, Any] = {"outcome": "none", "at": None, "reason": None}
    if spawned:
        newest = spawned[-1]
        failed = newest.ready_time is None
        last = {
            "outcome": "failed" if failed else "ready",
            "at": timestamp(newest.ready_time or newest.ended_time),
            "reason": newest.ended_reason if failed else None,
        }
    state = {
        "state": "available" if free else "sold_out",
        "count": free,
        "checked_at": timestamp(world.now),
    }
    return {"last_spawn": last, "availability": state}


def _is_of(instance: Instance, offer: Offer) -> bool:
    return (instance.prescription, instance.service_mode) == (
        offer.prescription,
        offer.service_mode,
    )


def _free(world: RelayWorld, offer: Offer) -> int:
    units = world.settings.stock.get(offer.prescription, offer.units)
    taken = sum(_is_of(instance, offer) for instance in instance_states.live(world))
    return max(0, units - taken)


def _list(call: Call) -> dict[str, Any]:
    world = call.world
    wanted = _statuses(call.query.get("status"))
    listed = [i for i in lists.listed(call, Instance) if _listed_status(call, i) in wanted]
    rows, cursor = pages.page(
        call,
        listed,
        lambda i: {**instance_states.describe(i), "status": _shown_status(call, i)},
        pages.read_limit(call, _LIMIT_MAX),
    )
    return {
        "instances": rows,
        "count": len(rows),
        "total": len(listed),
        "has_more": cursor is not None,
        "next_cursor": cursor,
        "wallet": instance_states.wallet(world, call.caller.account),
    }


def _statuses(query: str | None) -> frozenset[str]:
    """`current`, `ended` and exact statuses, between commas; nothing asks for all."""
    groups = {"current": STATUSES - ENDED, "ended": ENDED}
    wanted: frozenset[str] = frozenset()
    for name in (query or "current,ended").split(","):
        if name not in groups and name not in STATUSES:
            raise Refusal(400, f"There is no instance status {name}.", "VALIDATION_ERROR")
        wanted |= groups.get(name, {name})
    return wanted


def _listed_status(call: Call, instance: Instance) -> str:
    """A lagging list has an instance that has just ended as it was before."""
    ended, lag = instance.ended_time, call.world.settings.list_lag_seconds
    if ended is not None and ended + lag > call.world.now:
        return instance.last_live_status
    return instance.status


def _shown_status(call: Call, instance: Instance) -> str:
    return instance.shown_status or _listed_status(call, instance)


def _create(call: Call) -> dict[str, Any]:
    world, customer, key = call.world, call.caller.account, call.caller.key
    _require_service(world)
    wanted = instance_request.read(call.body)
    offer = wanted.offer
    money.require(call.caller, offer.hourly_usd, "an hour of this machine")
    _require_room(world, customer, offer)
    instance = Instance(
        **world.new(customer.id, "ins"),
        prescription=offer.prescription,
        service_mode=offer.service_mode,
        image=wanted.image,
        region=wanted.region,
        ssh_key_fingerprint=wanted.ssh_key_fingerprint,
        billing_mode=wanted.billing_mode,
        hourly_usd=offer.hourly_usd,
        lifetime_hours=wanted.lifetime_hours,
        webhook_url=wanted.webhook_url,
        key_id=key.id if key else None,
        host=_host(world, offer),
    )
    world.store.add(instance)
    outcome = world.scripts.take("instance", offer.prescription) or _by_setting(world)
    instance_states.provision(world, instance, outcome)
    return {"id": instance.id, "status": instance.status}


def _require_service(world: RelayWorld) -> None:
    if not world.settings.instances_available:
        raise Refusal(503, "Instances are not available right now.", "INSTANCES_UNAVAILABLE")


def _require_room(world: RelayWorld, customer: Customer, offer: Offer) -> None:
    most = world.settings.instances_max
    if sum(i.owner_id == customer.id for i in instance_states.live(world)) >= most:
        raise Refusal(429, f"There are at most {most} instances at a time.", "INSTANCE_LIMIT")
    if not _free(world, offer):
        raise Refusal(503, "No such machine is free right now.", "INSTANCES_UNAVAILABLE")


def _host(world: RelayWorld, offer: Offer) -> str:
    digits = world.new_id("host")[5:]
    if offer.service_mode == hardware.DEDICATED:
        return f"198.51.100.{int(digits[:2], 16)}"  # TEST-NET-2: nobody's
    return digits[:10]


def _by_setting(world: RelayWorld) -> Outcome | None:
    settings = world.settings
    if not settings.unknown_status:
        return None
    settings.unknown_status -= 1
    return Outcome("unknown_status", for_seconds=settings.unknown_status_seconds)


def _get(call: Call) -> dict[str, Any]:
    shown = instance_states.describe(_find(call))
    for hidden in call.world.settings.hidden_detail_fields:
        shown.pop(hidden, None)
    return shown


def _terminate(call: Call) -> Answer:
    """Repeatable while it ends; before `ready` it is refused."""
    instance = _find(call)
    if instance.status in ("requested", "provisioning"):
        raise Refusal(
            409, "The instance is not ready yet: try again when it is.", "INSTANCE_NOT_READY"
        )
    if instance.status == "ready":
        instance_states.terminate(call.world, instance, "user_requested")
    ended = instance.status in ENDED
    return json_answer(200 if ended else 202, {"id": instance.id, "status": instance.status})


def _find(call: Call) -> Instance:
    return call.find(Instance, "instance", code="INSTANCE_NOT_FOUND")


def _live(world: RelayWorld) -> dict[str, list[dict[str, Any]]]:
    return {
        "instances": [
            {
                "id": instance.id,
                "prescription": instance.prescription,
                "status": instance.status,
                "rate_cents_per_hour": 100 * instance.hourly_usd
                if instance.status == "ready"
                else 0,
            }
            for instance in instance_states.live(world)
        ]
    }


def _change(world: RelayWorld, instance: Instance, changes: dict[str, Any]) -> None:
    """Behind the user's back: `status` with `ended_reason`, or any field of the record."""
    status = changes.pop("status", None)
    reason = changes.pop("ended_reason", None)
    set_fields(world, instance, changes)
    if status is None:
        return
    if status not in STATUSES:
        instance_states.show(world, instance, status)
        return
    instance.shown_status = None
    world.plan(instance, [])
    instance_states.enter(world, instance, status, reason)


AREA = Area(
    operations={
        "getInstanceCatalog": Served(_get_catalog, access.INSTANCES),
        "listInstances": Served(_list, access.INSTANCES),
        "createInstance": Served(_create, access.INSTANCES),
        # The document lists no 403 for these: what was rented can be read and ended by any key.
        "getInstance": Served(_get, access.KEY),
        "terminateInstance": Served(_terminate, access.KEY),
    },
    records=(Instance,),
    steps={Instance: instance_states.step, Customer: instance_states.step_customer},
    behind_the_back={
        "instances": BehindTheBack(Instance, _change, lambda world, i: world.remove(i))
    },
    live=_live,
    stop_machines=instance_states.stop_for_balance,
)
