"""The control path: how tests and demonstrations steer the emulator.

JSON in and out, without a key, from this machine only. Errors are {"error": …}.

GET    /_emulator                  this text
GET    /_emulator/world            live machines (those not ended) with their rates, "machines",
                                   "rate_cents_per_hour", and what else there is
GET    /_emulator/settings         how the service behaves; PATCH changes some
POST   /_emulator/faults           a rule of faults.py, e.g.
                                   {"match": {"method": "POST", "path_regex": "/vms/create$"},
                                    "times": 2, "action": {"type": "status", "status": 429,
                                    "headers": {"Retry-After": "1"}}}
                                   GET lists rules with how often they hit, DELETE clears them
POST   /_emulator/script           what the next machine will do, as in scripts.py, e.g.
                                   {"kind": "vm", "name_regex": "^a", "outcome": {"type": "fail"}}
                                   GET lists, DELETE clears
GET    /_emulator/log              every request so far; DELETE clears
POST   /_emulator/clock            {"advance": seconds}, a hundred years at most
GET    /_emulator/<kind>/{id}      the whole record, with what the API never gives back; PATCH
                                   changes it behind the user's back, DELETE removes it entirely

Rules, scripts and the log live in memory; all else survives a restart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .area import check_fields
from .json_values import fits, read_json
from .store import contents
from .wire import Answer, Refusal, Request, json_answer, timestamp

if TYPE_CHECKING:
    from collections.abc import Callable

    from .area import BehindTheBack
    from .control_plane import ControlPlane

_Json = dict[str, Any]

_ADVANCE_MAX = 100 * 365 * 86_400.0


def answer(world: ControlPlane, request: Request) -> Answer:
    """Carry out one request of the control path."""
    try:
        return json_answer(200, _carry_out(world, request))
    except Refusal as refusal:
        return json_answer(refusal.status, {"error": refusal.sentence})
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        return json_answer(400, {"error": f"The request is wrong: {error}"})


def _carry_out(world: ControlPlane, request: Request) -> Any:
    service = world.service
    parts = request.path.strip("/").split("/")[1:]
    if not parts:
        return {"help": [*(__doc__ or "").splitlines(), *service.control_help.splitlines()]}
    if len(parts) == 2 and parts[0] in service.behind_the_back:
        return _behind_the_back(world, service.behind_the_back[parts[0]], parts[1], request)
    route = {**_ROUTES, **service.control}.get((request.method, "/".join(parts)))
    if route is None:
        raise Refusal(404, "The control path has no such request; GET /_emulator lists them.")
    return route(world, _object(request))


def _object(request: Request) -> _Json:
    body = read_json(request.body) if request.body else {}
    if not isinstance(body, dict):
        raise ValueError("the body must be a JSON object.")  # noqa: TRY004 - like any other
    return body


def _behind_the_back(
    world: ControlPlane, access: BehindTheBack, record_id: str, request: Request
) -> _Json:
    record = world.store.table(access.kind).get(record_id)
    if record is None:
        raise Refusal(404, f"There is no {access.kind.__name__} {record_id}.")
    match request.method:
        case "GET":
            return contents(record)
        case "PATCH":
            changes = _object(request)
            check_fields(access.kind, changes)
            access.change(world, record, changes)
            return contents(record)
        case "DELETE":
            access.remove(world, record)
            return {"removed": record_id}
        case _:
            raise Refusal(405, f"This path does not take {request.method}.")


def summary(world: ControlPlane) -> _Json:
    """What lives and what it costs, over all owners."""
    live: dict[str, list[_Json]] = {}
    shown: dict[str, list[_Json]] = {}
    for area in world.service.areas:
        if area.live is not None:
            live |= area.live(world)
        if area.shown is not None:
            shown |= area.shown(world)
    machines = [machine for kind in live.values() for machine in kind]
    return {
        "time": timestamp(world.now),
        **live,
        "machines": len(machines),
        "rate_cents_per_hour": sum(machine["rate_cents_per_hour"] for machine in machines),
        **shown,
    }


def _settings(world: ControlPlane, _body: _Json) -> _Json:
    settings = contents(world.settings)
    del settings["id"], settings["plan"]
    levers = {name: lever.read(world) for name, lever in world.service.levers.items()}
    return {**settings, **levers}


def _change_settings(world: ControlPlane, body: _Json) -> _Json:
    levers = world.service.levers
    pulls = [levers[name].check(world, body.pop(name)) for name in [*body] if name in levers]
    world.settings.change(body)
    for pull in pulls:
        pull()
    return _settings(world, {})


def _advance(world: ControlPlane, body: _Json) -> _Json:
    seconds = body["advance"]
    if not fits(seconds, "float") or not 0 <= seconds <= _ADVANCE_MAX:
        raise ValueError("advance is a number of seconds, from 0 to a hundred years.")
    world.skip(seconds)
    return {"time": timestamp(world.now)}


def _clear(which: str) -> Callable[[ControlPlane, _Json], _Json]:
    def clear(world: ControlPlane, _body: _Json) -> _Json:
        getattr(world, which).clear()
        return {}

    return clear


_ROUTES: dict[tuple[str, str], Callable[[Any, _Json], Any]] = {
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
}
