"""Money: usage sessions at locked rates, the balance they eat, and the auto-stop.

A session is open while a machine runs; its rate is locked when it opens. Accrued
usage is exact inside and whole cents outside. Settling a month into the ledger is
not emulated: usage stays accrued.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .area import Lever
from .json_values import fits
from .store import Owned
from .wire import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from .access import Organization
    from .world import World

# The lines of the balance events, in cents; at the lower one, the auto-stop floor,
# the organization's machines are stopped.
LOW_CENTS = 100
FLOOR_CENTS = 50
OPENING_CENTS = 1_000_000  # what an organization starts with unless told otherwise


@dataclass(kw_only=True)
class Session(Owned):
    """One machine's usage. `key` is its GPU model's name, or CPU."""

    machine_id: str
    key: str
    tier: str
    gpu_count: int
    rate_cents: int  # per hour, for the whole machine
    ended_time: float | None = None

    def cents(self, since: float, until: float) -> float:
        """What it cost between two moments."""
        start = max(self.created_time, since)
        end = until if self.ended_time is None else min(self.ended_time, until)
        return self.rate_cents * max(0.0, end - start) / 3600


@dataclass(kw_only=True)
class Transaction(Owned):
    amount_cents: int
    description: str


def open_session(
    world: World,
    owner_id: str,
    machine_id: str,
    rate_cents: int,
    *,
    key: str,
    tier: str,
    gpu_count: int,
) -> str:
    """Start billing a machine; returns the session's id."""
    session = Session(
        **world.new(owner_id),
        machine_id=machine_id,
        key=key,
        tier=tier,
        gpu_count=gpu_count,
        rate_cents=rate_cents,
    )
    world.store.add(session)
    organization = world.organization(owner_id)
    organization.open_sessions = [*organization.open_sessions, session.id]
    watch(world, organization)
    return session.id


def close_session(world: World, session_id: str) -> None:
    session = world.store.table(Session)[session_id]
    session.ended_time = world.now
    organization = world.organization(session.owner_id)
    organization.open_sessions = [s for s in organization.open_sessions if s != session_id]
    organization.ended_cents += session.cents(0, world.now)
    watch(world, organization)


def open_sessions(world: World, organization: Organization) -> list[Session]:
    table = world.store.table(Session)
    return [table[session_id] for session_id in organization.open_sessions]


def burn_cents(world: World, organization: Organization) -> int:
    """Per hour, over all open sessions."""
    return sum(session.rate_cents for session in open_sessions(world, organization))


def accrued(world: World, organization: Organization) -> float:
    """Cents used and not settled, exactly."""
    running = sum(s.cents(0, world.now) for s in open_sessions(world, organization))
    return organization.ended_cents + running


def available(world: World, organization: Organization) -> float:
    return organization.balance_cents - accrued(world, organization)


def available_cents(world: World, organization: Organization) -> int:
    """The available balance as answers show it: the ledger less whole cents accrued."""
    return organization.balance_cents - int(accrued(world, organization))


def runway_hours(world: World, organization: Organization) -> float | None:
    burn = burn_cents(world, organization)
    if not burn:
        return None
    return max(0.0, (available(world, organization) - FLOOR_CENTS) / burn)


def require_balance(world: World, organization: Organization) -> None:
    """402 for whatever would start a machine. No operation lists it; its code is unknown."""
    if available(world, organization) <= FLOOR_CENTS:
        raise Refusal(
            402, "The balance is too low to start a machine: add funds.", "INSUFFICIENT_BALANCE"
        )


def set_available(world: World, organization: Organization, cents: int, why: str) -> None:
    """Deposit (or take) what makes the available balance this many cents."""
    amount = cents + int(accrued(world, organization)) - organization.balance_cents
    world.store.add(Transaction(**world.new(organization.id), amount_cents=amount, description=why))
    organization.balance_cents += amount
    watch(world, organization)


def watch(world: World, organization: Organization) -> None:
    """Plan the moments at which the balance crosses a line."""
    left = available(world, organization)
    if left > LOW_CENTS:
        organization.announced_cents = None
    burn = burn_cents(world, organization)
    # The floor stays planned once it was crossed: whatever starts below it stops again.
    lines = (LOW_CENTS, FLOOR_CENTS) if organization.announced_cents is None else (FLOOR_CENTS,)
    crossings = [(max(0.0, left - line) * 3600 / burn, "cross", line) for line in lines if burn]
    world.plan(organization, crossings)


def step(world: World, organization: Organization, _name: str, line: int) -> None:
    """The balance crosses a line: an event, once, and at the floor the auto-stop."""
    if organization.announced_cents is None or line < organization.announced_cents:
        organization.announced_cents = line
        event = "balance.low" if line == LOW_CENTS else "balance.depleted"
        left = available_cents(world, organization)
        data: dict[str, Any] = {"available_cents": left, "threshold_cents": line}
        world.emit(organization.id, organization.id, event, data)
    if line == FLOOR_CENTS:
        world.stop_machines(organization.id)


def _check_available(world: World, cents: Any) -> Callable[[], None]:
    if not fits(cents, "int"):
        raise ValueError(f"balance_cents cannot be {cents!r}.")
    organization = world.first_organization
    return lambda: set_available(world, organization, cents, "Set by control path")


AVAILABLE = Lever(
    read=lambda world: available_cents(world, world.first_organization), check=_check_available
)
