"""The control path: how tests and demonstrations steer the emulator.

JSON in and out, without a key, from this machine only. Errors are {"error": …}.

GET    /_emulator                  this text
GET    /_emulator/world            live machines (VMs and clusters not terminated) with their
                                   rates, keys, webhooks, "machines", "rate_cents_per_hour"
GET    /_emulator/settings         how the service behaves; PATCH changes some, and takes
                                   "capacity": {"<GPU model id or name, or cpu>": units in all},
                                   "balance_cents": what is available from now on
POST   /_emulator/faults           a rule of faults.py, e.g.
                                   {"match": {"method": "POST", "path_regex": "/vms/create$"},
                                    "times": 2, "action": {"type": "status", "status": 429,
                                    "headers": {"Retry-After": "1"}}}
                                   GET lists rules with how often they hit, DELETE clears them
POST   /_emulator/script           what the next machine will do, as in scripts.py, e.g.
                                   {"kind": "vm", "name_regex": "^a", "outcome": {"type": "fail"}}
                                   GET lists, DELETE clears
GET    /_emulator/log              every request so far; DELETE clears
POST   /_emulator/clock            {"advance": seconds}
POST   /_emulator/keys             {"secret": "or_two", "organization": "Other",
                                   "permissions": […], "revoked": true, "expires_in_seconds": 60}:
                                   a further API key; `organization` names a new one (with
                                   "balance_cents"), left out it is the first; an existing
                                   secret is changed
PATCH  /_emulator/vms/{id}         behind the user's back: "status" with "status_reason", or any
                                   field of the record, such as name, public, disk_size_gb,
                                   ssh_key_ids; DELETE removes it entirely.
                                   GET shows the whole record, with what the API never gives
                                   back. The same for clusters, ssh-keys and webhooks.

Rules, scripts and the log live in memory; all else survives a restart.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from . import billing, capacity, openrelay
from .access import ApiKey
from .deliveries import Webhook
from .hardware import GPU_MODELS
from .ssh_keys import SshKey
from .store import contents
from .wire import Answer, Refusal, Request, json_answer, timestamp

if TYPE_CHECKING:
    from collections.abc import Callable

    from .area import BehindTheBack
    from .world import World

_Json = dict[str, Any]


def answer(world: World, request: Request) -> Answer:
    """Carry out one request of the control path."""
    try:
        return json_answer(200, _carry_out(world, request))
    except Refusal as refusal:
        return json_answer(refusal.status, refusal.envelope)
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        return json_answer(400, {"error": f"The request is wrong: {error}"})


def _carry_out(world: World, request: Request) -> Any:
    parts = request.path.strip("/").split("/")[1:]
    if not parts:
        return {"help": (__doc__ or "").splitlines()}
    if len(parts) == 2 and parts[0] in openrelay.BEHIND_THE_BACK:
        return _behind_the_back(world, openrelay.BEHIND_THE_BACK[parts[0]], parts[1], request)
    route = _ROUTES.get((request.method, "/".join(parts)))
    if route is None:
        raise Refusal(404, "The control path has no such request; GET /_emulator lists them.")
    body = json.loads(request.body) if request.body else {}
    return route(world, body)


def _behind_the_back(
    world: World, access: BehindTheBack, record_id: str, request: Request
) -> _Json:
    record = world.store.table(access.kind).get(record_id)
    if record is None:
        raise Refusal(404, f"There is no {access.kind.__name__} {record_id}.")
    match request.method:
        case "GET":
            return contents(record)
        case "PATCH":
            access.change(world, record, json.loads(request.body))
            return contents(record)
        case "DELETE":
            access.remove(world, record)
            return {"removed": record_id}
        case _:
            raise Refusal(405, f"This path does not take {request.method}.")


def summary(world: World) -> _Json:
    """What lives and what it costs, over all organizations."""
    live: dict[str, list[_Json]] = {}
    for area in openrelay.AREAS:
        if area.live is not None:
            live |= area.live(world)
    machines = [machine for kind in live.values() for machine in kind]
    return {
        "time": timestamp(world.now),
        **live,
        "machines": len(machines),
        "rate_cents_per_hour": sum(machine["rate_cents_per_hour"] for machine in machines),
        "ssh_keys": [
            {"id": key.id, "name": key.name} for key in world.store.table(SshKey).values()
        ],
        "webhooks": [
            {"id": webhook.id, "name": webhook.name, "url": webhook.url}
            for webhook in world.store.table(Webhook).values()
        ],
    }


def _settings(world: World, _body: _Json) -> _Json:
    settings = contents(world.settings)
    del settings["id"], settings["plan"]
    available = billing.available_cents(world, world.first_organization)
    models = {**{model.id: model.name for model in GPU_MODELS.values()}, capacity.CPU: "cpu"}
    units = {
        name: sum(node.units - node.withheld for node in capacity.nodes(world, model_id))
        for model_id, name in models.items()
    }
    return {**settings, "balance_cents": available, "capacity": units}


def _change_settings(world: World, body: _Json) -> _Json:
    units: dict[str, int] = body.pop("capacity", {})
    balance: int | None = body.pop("balance_cents", None)
    if balance is not None:
        balance = int(balance)
    names = {model.name: model.id for model in GPU_MODELS.values()}
    limits = {names.get(model, model): int(count) for model, count in units.items()}
    if unknown := {*limits} - {*GPU_MODELS, capacity.CPU}:
        raise ValueError(f"There is no GPU model {', '.join(unknown)}.")
    world.settings.change(body)
    for model_id, count in limits.items():
        capacity.limit(world, model_id, count)
    if balance is not None:
        billing.set_available(world, world.first_organization, balance, "Set by control path")
    return _settings(world, {})


def _add_key(world: World, body: _Json) -> _Json:
    organization = world.first_organization
    if "organization" in body:
        balance = body.get("balance_cents", billing.OPENING_CENTS)
        organization = world.add_organization(body["organization"], balance)
    key = world.api_key(body["secret"]) or world.add_key(body["secret"], organization.id)
    if "permissions" in body:
        key.permissions = body["permissions"]
    if "revoked" in body:
        key.revoked_time = world.now if body["revoked"] else None
    if "expires_in_seconds" in body:
        key.expires_time = world.now + body["expires_in_seconds"]
    return contents(key)


def _advance(world: World, body: _Json) -> _Json:
    world.skip(float(body["advance"]))
    return {"time": timestamp(world.now)}


def _clear(which: str) -> Callable[[World, _Json], _Json]:
    def clear(world: World, _body: _Json) -> _Json:
        getattr(world, which).clear()
        return {}

    return clear


_ROUTES: dict[tuple[str, str], Callable[[World, _Json], Any]] = {
    ("GET", "world"): lambda world, _body: summary(world),
    ("GET", "settings"): _settings,
    ("PATCH", "settings"): _change_settings,
    ("POST", "faults"): lambda world, body: world.faults.add(body).as_json(),
    ("GET", "faults"): lambda world, _body: [rule.as_json() for rule in world.faults.rules],
    ("DELETE", "faults"): _clear("faults"),
    ("POST", "script"): lambda world, body: world.scripts.add(body).as_json(),
    ("GET", "script"): lambda world, _body: [s.as_json() for s in world.scripts.scripts],
    ("DELETE", "script"): _clear("scripts"),
    ("GET", "log"): lambda world, _body: [entry.as_json() for entry in world.log.entries],
    ("DELETE", "log"): _clear("log"),
    ("POST", "clock"): _advance,
    ("POST", "keys"): _add_key,
    ("GET", "keys"): lambda world, _body: [
        contents(key) for key in world.store.table(ApiKey).values()
    ],
}
