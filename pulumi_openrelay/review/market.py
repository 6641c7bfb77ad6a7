"""What the API says while a plan is reviewed: the balance, what burns it, and what is free.

What cannot be read is kept as the reason why, never as a zero.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from ..api.client import Request
from ..api.relay import CUSTOMER, Relay
from ..caller import Direct
from ..config import RelaySettings, resolve_relay
from ..errors import Forbidden, OpenRelayError
from ..lifecycle.service import DYNAMIC, RELAY, Service
from ..lifecycle.session import Session
from ..plugin import session
from ..policies.account import read_balance, read_chips
from ..policies.reading import INSTANCE, Balance, Chips
from .plan import Plan

SECONDS = 20.0
MANAGING = "relay:customerToken"
"""The name of the account whose keys and settings change."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Free:
    """What can be placed of one GPU model right now. counts: how many GPUs one machine can have."""

    name: str
    gpus: int
    counts: Sequence[int]


@dataclass(frozen=True, slots=True)
class Market:
    """Each of the four, or None and why not. instance_chips: of Relay's catalog, for stacks that
    have instances."""

    balance: Balance | None = None
    free: Mapping[str, Free] | None = None
    free_spot: Mapping[str, Free] | None = None
    instance_chips: Mapping[str, Chips] | None = None
    unreadable: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Account:
    """Where a service's part of a plan is carried out. url: of its API; None where it is not known.
    id: of the organization at OpenRelay, of the customer at Relay; None where it is not known,
    empty where the key may not ask."""

    url: str | None = None
    id: str | None = None

    def is_surely(self, other: Account) -> bool:
        """Whether both are one, as far as the keys may ask."""
        if None in (self.url, self.id, other.url, other.id) or self.url != other.url:
            return False
        return not self.id or not other.id or self.id == other.id


def read(get: Callable[[str], Any]) -> Market:
    """Ask the API. get: reads one value of the stack's configuration in clear."""
    try:
        asked = session(get)
    except OpenRelayError as error:
        return Market(unreadable={"balance": error.what, "capacity": error.what})
    unreadable: dict[str, str] = {}
    balance = _told(
        lambda: read_balance(lambda path: _ask(asked, path, dict)), "balance", unreadable
    )
    free = _told(lambda: _frees(_ask(asked, "/v1/gpu-availability", list)), "capacity", unreadable)
    on_demand, spot = free or (None, None)
    return Market(balance, on_demand, spot, unreadable=unreadable)


def with_instances(found: Market, plan: Plan, get: Callable[[str], Any]) -> Market:
    """The same with what Relay's catalog says, where the stack has instances. get: as for
    `read`."""
    if not any(step.before and step.type == f"{DYNAMIC}{INSTANCE}" for step in plan.steps):
        return found
    unreadable = dict(found.unreadable)
    chips = _told(
        lambda: read_chips(lambda path: _ask(session(get, RELAY), path, dict)),
        "instances",
        unreadable,
    )
    return replace(found, instance_chips=chips, unreadable=unreadable)


def accounts(plan: Plan, get: Callable[[str], Any]) -> dict[str, Account]:
    """Where what changes is carried out, by the service's name; what manages an account of Relay,
    which may have a credential of its own, by that. get: as for `read`."""
    found: dict[str, Account] = {}
    for kind in {step.kind for step in plan.changing if step.kind is not None}:
        path = kind.detail or kind.listed.path
        manages = kind.service is RELAY and path.startswith(CUSTOMER)
        name = MANAGING if manages else kind.service.name
        if name not in found:
            found[name] = _account(kind.service, get, manages=manages)
    return found


def _account(service: Service, get: Callable[[str], Any], *, manages: bool) -> Account:
    try:
        asked = session(get, service)
    except OpenRelayError:
        return Account()

    def ask() -> str:
        if service is RELAY:
            return _customer(asked, resolve_relay(get), manages=manages)
        return asked.key_organization(_caller())

    return Account(asked.client.address, _told(ask, "account", {}))


def _customer(asked: Session, settings: RelaySettings, *, manages: bool) -> str:
    """The id of the account whose credential is used; empty where that may not ask."""
    client = asked.client
    if settings.api_key is not None and not manages:
        client = client.speaking(Relay(replace(settings, customer_token=None)))
    try:
        profile = client.send(Request("GET", "/v2/customer/profile", answers=dict), _caller())
    except Forbidden:
        return ""
    return str(profile["customer_id"])


def _told(ask: Callable[[], T], what: str, unreadable: dict[str, str]) -> T | None:
    try:
        return ask()
    except OpenRelayError as error:
        unreadable[what] = error.what
    except (KeyError, TypeError, ValueError, AttributeError):
        unreadable[what] = "the API's answer is not what it documents"
    return None


def _ask(asked: Session, path: str, answers: type) -> Any:
    return asked.send(_caller(), "GET", path, {}, answers=answers)


def _caller() -> Direct:
    caller = Direct(lambda _text: None)
    caller.deadline = caller.now() + SECONDS
    return caller


def _frees(rows: Sequence[Mapping[str, Any]]) -> tuple[dict[str, Free], dict[str, Free]]:
    """What is free, and what is free as spot."""
    return (
        _free(rows, "freeGpus", "placeableGpuCounts"),
        _free(rows, "spotFreeGpus", "spotPlaceableGpuCounts"),
    )


def _free(rows: Sequence[Mapping[str, Any]], gpus: str, counts: str) -> dict[str, Free]:
    found = {}
    for row in rows:
        offered = row["vm"]
        model = str(row["gpuModelId"])
        most = int(offered.get(gpus) or 0)
        placeable = offered.get(counts)
        if placeable is None:
            placeable = range(1, int(offered["maxPlaceableGpus"]) + 1)
        found[model] = Free(str(row.get("name") or model), most, tuple(placeable))
    return found
