"""What an organization has spent: balance, usage of the month, spend per day."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from . import billing
from .access import Call, Organization
from .area import Area, Served
from .wire import Refusal, timestamp

if TYPE_CHECKING:
    from collections.abc import Iterable

_DAY = 86_400
_SHOWN_TRANSACTIONS = 25
_MIN_DEPOSIT_CENTS = 2500


def _sessions(call: Call) -> list[billing.Session]:
    table = call.world.store.table(billing.Session)
    return [s for s in table.values() if s.owner_id == call.caller.id]


def _month_start(now: float) -> float:
    moment = datetime.fromtimestamp(now, UTC)
    return moment.replace(day=1, hour=0, minute=0, second=0, microsecond=0).timestamp()


def _get_balance(call: Call) -> dict[str, Any]:
    world, organization = call.world, call.caller
    accrued = int(billing.accrued(world, organization))
    start = _month_start(world.now)
    month = int(sum(s.cents(start, world.now) for s in _sessions(call)))
    transactions = [
        t for t in world.store.table(billing.Transaction).values() if t.owner_id == organization.id
    ]
    return {
        "balanceCents": organization.balance_cents,
        "accruedUsageCents": accrued,
        "availableCents": organization.balance_cents - accrued,
        "currentMonthComputeCents": month,
        "currentMonthInferenceCents": 0,
        "currentMonthUsageCents": month,
        "pendingInferenceCents": 0,
        "pendingInferenceReservedCents": 0,
        "priorUnsettledComputeCents": max(0, accrued - month),
        "minDepositCents": max(_MIN_DEPOSIT_CENTS, billing.burn_cents(world, organization)),
        "monthlySpendLimitCents": None,
        "transactions": [
            {
                "id": t.id,
                "type": "credit" if t.amount_cents >= 0 else "debit",
                "source": "emulator",
                "amountCents": t.amount_cents,
                "description": t.description,
                "createdAt": timestamp(t.created_time),
            }
            for t in reversed(transactions[-_SHOWN_TRANSACTIONS:])
        ],
    }


def _get_current_usage(call: Call) -> dict[str, Any]:
    """The breakdown's key is the GPU model (or CPU) and the tier; how it is spelt is unknown."""
    world, organization = call.world, call.caller
    now, start = world.now, _month_start(world.now)
    cents: dict[str, float] = defaultdict(float)
    hours: dict[str, float] = defaultdict(float)
    for session in _sessions(call):
        key = f"{session.key} ({session.tier})"
        spent = session.cents(start, now)
        cents[key] += spent
        hours[key] += spent / session.rate_cents if session.rate_cents else 0
    return {
        "usageCents": int(sum(cents.values())),
        "usageHours": sum(hours.values()),
        "breakdown": [
            {"key": key, "cents": int(cents[key]), "hours": hours[key]} for key in sorted(cents)
        ],
        "burnPerHourCents": billing.burn_cents(world, organization),
        "autoStopFloorCents": billing.FLOOR_CENTS,
        "projectedRunwayHours": billing.runway_hours(world, organization),
    }


def _segments(
    sessions: Iterable[billing.Session], since: float, until: float
) -> tuple[int, list[dict[str, Any]]]:
    cents: dict[str, float] = defaultdict(float)
    for session in sessions:
        cents[session.key] += session.cents(since, until)
    spent = [{"key": key, "cents": int(cents[key])} for key in sorted(cents) if cents[key]]
    return sum(segment["cents"] for segment in spent if isinstance(segment["cents"], int)), spent


def _get_daily_usage(call: Call) -> dict[str, Any]:
    days = call.query.get("days", 7)
    if not 1 <= days <= 90:
        raise Refusal(400, "`days` must be from 1 to 90.")
    now = call.world.now
    today = now - now % _DAY
    first = today - (days - 1) * _DAY
    sessions = _sessions(call)
    daily = []
    for day in range(days):
        start = first + day * _DAY
        cents, segments = _segments(sessions, start, min(now, start + _DAY))
        date = datetime.fromtimestamp(start, UTC).date().isoformat()
        daily.append({"date": date, "cents": cents, "segments": segments})
    cents, segments = _segments(sessions, first - days * _DAY, first)
    return {"daily": daily, "previousCents": cents, "previousSegments": segments}


AREA = Area(
    operations={
        "getBalance": Served(_get_balance, "usage.read"),
        "getCurrentUsage": Served(_get_current_usage, "usage.read"),
        "getDailyUsage": Served(_get_daily_usage, "usage.read"),
    },
    records=(billing.Session, billing.Transaction),
    steps={Organization: billing.step},
    levers={"balance_cents": billing.AVAILABLE},
)
