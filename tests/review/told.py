"""What the engine tells of a preview, made by hand, and reviews of it, for tests without one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pulumi.automation.events import EngineEvent

from pulumi_openrelay.policies import Configuration, Exemption
from pulumi_openrelay.policies.reading import Balance
from pulumi_openrelay.review import events, violations
from pulumi_openrelay.review.market import Free, Market
from pulumi_openrelay.review.plan import Plan, forget
from pulumi_openrelay.review.report import Review
from pulumi_openrelay.review.run import Source, StackConfiguration, judge

GPU = "gpu-4090"
MARKET = Market(
    balance=Balance(available_cents=1_000_000, burn_cents_per_hour=29, floor_cents=50),
    free={GPU: Free("RTX 4090", 8, (1, 2, 4, 8))},
    free_spot={GPU: Free("RTX 4090", 0, ())},
)
SECRET = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "ciphertext": "x"}
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"

TYPE = "pulumi-python:dynamic/openrelay:Vm"

Bag = Mapping[str, Any]


def urn(name: str, kind: str = "openrelay:Vm") -> str:
    return f"urn:pulumi:dev::shop::pulumi-python:dynamic/{kind}::{name}"


def vm(**inputs: Any) -> dict[str, Any]:
    """The inputs of a running VM of one GPU at 29 cents an hour."""
    shape = {"gpu_model_id": GPU, "gpu_count": 1, "ssh_key_ids": ["k"], "rate_cents_per_hour": 29}
    return {**shape, **inputs}


def same(name: str, inputs: Bag, kind: str = "openrelay:Vm", **outputs: Any) -> list[EngineEvent]:
    state = _state(name, kind, inputs, outputs)
    return [_event("same", name, kind, state, {**state, "outputs": {}})]


def created(name: str, inputs: Bag, kind: str = "openrelay:Vm") -> list[EngineEvent]:
    return [_event("create", name, kind, None, _state(name, kind, inputs, {}, id=""))]


def imported(name: str, inputs: Bag, kind: str = "openrelay:Vm") -> list[EngineEvent]:
    return [_event("import", name, kind, None, _state(name, kind, inputs, {}))]


def did(*ops: str, name: str = "theirs") -> list[EngineEvent]:
    """What the engine does with one VM, by the operations' own names."""
    state = _state(name, "openrelay:Vm", vm(), {})
    other = {**state, "id": "i-other"}
    ends = ("discard", "discard-replaced", "delete-replaced")
    return [_event(op, name, "openrelay:Vm", state, None if op in ends else other) for op in ops]


def deleted(
    name: str, inputs: Bag, kind: str = "openrelay:Vm", *, retain: bool = False, **outputs: Any
) -> list[EngineEvent]:
    state = {**_state(name, kind, inputs, outputs), "retainOnDelete": retain}
    return [_event("delete", name, kind, state, None)]


def updated(
    name: str, old: Bag, new: Bag, kind: str = "openrelay:Vm", **outputs: Any
) -> list[EngineEvent]:
    """outputs: those recorded before."""
    before, after = _state(name, kind, old, outputs), _state(name, kind, new, {})
    return [_event("update", name, kind, before, after, diffs=_differing(old, new))]


def replaced(
    name: str, old: Bag, new: Bag, forced_by: Sequence[str] = (), kind: str = "openrelay:Vm"
) -> list[EngineEvent]:
    """A replacement as the engine tells it: made anew, then replaced, and much later deleted."""
    before, after = _state(name, kind, old, {}), _state(name, kind, new, {}, id="")
    keys = list(forced_by) or _differing(old, new)
    how = {"keys": keys, "diffs": _differing(old, new)}
    return [
        _event("create-replacement", name, kind, before, after, **how),
        _event("replace", name, kind, before, after, **how),
        _event("delete-replaced", name, kind, {**before, "delete": True}, None),
    ]


def renamed(
    old: str, name: str, before: Bag, after: Bag, *, replaced: bool = False
) -> list[EngineEvent]:
    """One that has another name by an alias. Replaced too, what ends is told by its old URN."""
    kind = "openrelay:Vm"
    was = _state(old, kind, before, {})
    now = _state(name, kind, after, {}, id="" if replaced else str(was["id"]))
    how = {"keys": _differing(before, after), "diffs": _differing(before, after)}
    if not replaced:
        return [_event("update", name, kind, was, now, diffs=how["diffs"])]
    return [
        _event("create-replacement", name, kind, was, now, **how),
        _event("replace", name, kind, {**was, "delete": True}, now, **how),
        _event("delete-replaced", old, kind, {**was, "delete": True}, None),
    ]


def leftover(
    name: str,
    inputs: Bag,
    id: str = "i-older",  # noqa: A002 - as events call it
    **outputs: Any,
) -> list[EngineEvent]:
    """One that an earlier update replaced, and did not come to delete."""
    state = _state(name, "openrelay:Vm", inputs, outputs, id=id)
    return [_event("delete-replaced", name, "openrelay:Vm", {**state, "delete": True}, None)]


def refreshed(name: str, old: Bag, new: Bag | None) -> list[EngineEvent]:
    """What a refresh before the preview found. new: None where it is gone."""
    kind = "openrelay:Vm"
    after = None if new is None else _state(name, kind, new, {})
    event = _event("refresh", name, kind, _state(name, kind, old, {}), after)
    metadata = _metadata("refresh", name, kind, _state(name, kind, old, {}), after)
    metadata["diffs"] = _differing(old, new or {})
    return [event, EngineEvent.from_json({"resOutputsEvent": {"metadata": metadata}})]


def exported(**outputs: Any) -> list[EngineEvent]:
    """The stack's outputs."""
    stack = "urn:pulumi:dev::shop::pulumi:pulumi:Stack::shop-dev"
    state = {"type": events.STACK, "urn": stack, "inputs": {}, "outputs": outputs}
    metadata = {"op": "same", "urn": stack, "type": events.STACK, "old": None, "new": state}
    return [EngineEvent.from_json({"resOutputsEvent": {"metadata": metadata}})]


def policy(
    message: str,
    name: str = "",
    level: str = "mandatory",
    rule: str = "a-rule",
    pack: str = "openrelay",
) -> Any:
    event = {
        "message": message,
        "policyName": rule,
        "enforcementLevel": level,
        "policyPackName": pack,
    }
    if name:
        event["resourceUrn"] = urn(name)
    return EngineEvent.from_json({"policyEvent": event}).policy_event


def plan(*told: list[EngineEvent]) -> Plan:
    return events.read(event for each in told for event in each)


def review(
    *told: list[EngineEvent],
    profile: str = "production",
    market: Market = MARKET,
    policies: Sequence[Any] = (),
    exemptions: Sequence[Exemption] = (),
    configuration: StackConfiguration | None = None,
    deleted_with: Mapping[str, str] | None = None,
) -> Review:
    """A review without an engine or an API. deleted_with: of VMs, by their names."""
    recorded = {(TYPE, f"i-{name}"): urn(other) for name, other in (deleted_with or {}).items()}
    return judge(
        Source("shop", "dev", "0123456789abcdef"),
        forget(plan(*told), recorded),
        market,
        violations.read(policies, lambda text: text),
        policies=Configuration(profile=profile, exemptions=tuple(exemptions)),
        configuration=configuration or {},
    )


def _differing(old: Bag, new: Bag) -> list[str]:
    return sorted(name for name in {*old, *new} if old.get(name) != new.get(name))


def _state(
    name: str,
    kind: str,
    inputs: Bag,
    outputs: Bag,
    id: str | None = None,  # noqa: A002 - as events call it
) -> dict[str, Any]:
    return {
        "type": f"pulumi-python:dynamic/{kind}",
        "urn": urn(name, kind),
        "id": f"i-{name}" if id is None else id,
        "inputs": {"__provider": "pickled", **inputs},
        "outputs": {"status": "running", **inputs, **outputs} if id != "" else {},
    }


def _metadata(op: str, name: str, kind: str, old: Any, new: Any, **more: Any) -> dict[str, Any]:
    type_ = f"pulumi-python:dynamic/{kind}"
    return {"op": op, "urn": urn(name, kind), "type": type_, "old": old, "new": new, **more}


def _event(op: str, name: str, kind: str, old: Any, new: Any, **more: Any) -> EngineEvent:
    metadata = _metadata(op, name, kind, old, new, **more)
    return EngineEvent.from_json({"resourcePreEvent": {"metadata": metadata, "planning": True}})
