"""Whether what a plan would start can be placed right now."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .findings import NotEvaluated
from .market import Free, Market
from .plan import Action, Mark, Plan, State, Step

RULE = "capacity"


@dataclass(frozen=True, slots=True)
class Demand:
    """GPUs that a step would take: so many machines of so many each. patient: it waits for
    capacity."""

    resource: str
    urn: str
    model: str
    gpus: int
    machines: int
    spot: bool
    patient: bool


@dataclass(frozen=True, slots=True)
class Room:
    """What is asked of one GPU model, and what is free of it. short: why it does not fit, empty
    where it does. at: the one that does not; None where several do not."""

    model: str
    spot: bool
    demands: tuple[Demand, ...]
    free_gpus: int
    short: str
    at: Demand | None = None

    @property
    def wanted_gpus(self) -> int:
        return sum(demand.gpus * demand.machines for demand in self.demands)

    @property
    def patient(self) -> bool:
        """Whether everything that is asked for waits until there is room."""
        return all(demand.patient for demand in self.demands)


def look(plan: Plan, market: Market) -> tuple[list[Room], list[NotEvaluated]]:
    """The GPU models that the plan would take from, and what could not be looked at."""
    demands: defaultdict[tuple[str, bool], list[Demand]] = defaultdict(list)
    missing: list[NotEvaluated] = []
    for step in plan.machines:
        for found in _demands(step):
            if isinstance(found, NotEvaluated):
                missing.append(found)
            else:
                demands[found.model, found.spot].append(found)
    if demands and market.free is None:
        why = market.unreadable.get("capacity", "the API does not say")
        missing += [NotEvaluated(RULE, d.resource, why) for each in demands.values() for d in each]
        return [], sorted(set(missing))
    rooms = [
        _room(model, spot, asked, (market.free_spot if spot else market.free) or {})
        for (model, spot), asked in sorted(demands.items())
    ]
    return sorted(rooms, key=lambda room: (not room.short, room.model)), sorted(set(missing))


def _demands(step: Step) -> Iterator[Demand | NotEvaluated]:
    """What a step takes that was not taken before it: a replacement comes before its original
    goes."""
    after = step.after
    if after is None or step.action in (Action.DELETE, Action.SAME):
        return
    # One that is to be made and to rest runs all the same before it is stopped.
    if step.action is Action.UPDATE and _rests(after):
        return
    if step.is_imported:
        return
    model = after.inputs.get("gpu_model_id")
    if step.may_exist:
        yield NotEvaluated(RULE, step.name, "it is taken over where it exists, and takes room else")
        return
    if model is None:
        if step.makes_something:
            what = "the API does not tell what is free of this kind"
            yield NotEvaluated(RULE, step.name, what)
        return
    gpus, machines = _shape(after)
    if step.before is not None and step.action is Action.UPDATE and not _rests(step.before):
        machines = _less(machines, _shape(step.before)[1])
    if isinstance(model, Mark) or gpus is None or machines is None:
        yield NotEvaluated(RULE, step.name, "how many GPUs of which model is not known in preview")
    elif machines > 0:
        spot = after.value("tier") == "spot"
        patient = after.inputs.get("capacity_timeout") is not None
        yield Demand(step.name, step.urn, str(model), gpus, machines, spot, patient)


def _rests(state: State) -> bool:
    return state.inputs.get("desired_state") == "stopped"


def _shape(state: State) -> tuple[int | None, int | None]:
    """GPUs of each machine, and machines. One, where the program leaves a number to the API."""
    gpus = _first(state.inputs, "gpu_count", "gpus_per_replica")
    return _number(gpus), _number(_first(state.inputs, "replica_count", "count"))


def _first(inputs: Mapping[str, Any], *names: str) -> Any:
    return next((inputs[name] for name in names if inputs.get(name) is not None), 1)


def _number(value: Any) -> int | None:
    return int(value) if isinstance(value, (int, float)) else None


def _less(more: int | None, less: int | None) -> int | None:
    return None if more is None or less is None else more - less


def _room(model: str, spot: bool, demands: list[Demand], free: Mapping[str, Free]) -> Room:
    offered = free.get(model)
    demands = sorted(demands, key=lambda demand: (demand.resource, demand.urn))
    short, at = _short(demands, offered)
    name, gpus = (offered.name, offered.gpus) if offered else (model, 0)
    return Room(name, spot, tuple(demands), gpus, short, at)


def _short(demands: list[Demand], offered: Free | None) -> tuple[str, Demand | None]:
    """Why they do not fit, and which of them does not where it is one."""
    unplaceable = [d for d in demands if offered and d.gpus not in offered.counts]
    in_need = unplaceable or demands
    at = in_need[0] if len(in_need) == 1 else None
    if offered is None:
        return "the API offers no such GPU model", at
    who = f"{at.resource} needs" if at else f"{sum(d.machines for d in in_need)} machines need"
    wanted = sum(d.gpus * d.machines for d in in_need)
    if unplaceable:
        each = " or ".join(map(str, sorted({d.gpus for d in unplaceable})))
        most = max(offered.counts, default=0)
        together = f"at most {most} GPUs are free together" if most else "none is free"
        return f"{who} {each}{'' if at else ' each'}, and {together} right now", at
    if wanted > offered.gpus:
        return f"{who} {wanted}, and {offered.gpus} are free right now", at
    return "", None
