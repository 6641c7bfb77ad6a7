"""What machines have in common: they are deployed, run, stop, start again, and end for good."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from ..errors import Conflict, Rejected
from .declare import Catalog, Inputs, Kind, Row, States

if TYPE_CHECKING:
    from .remote import Remote

STATES = States(
    starting=frozenset({"pending", "deploying"}),
    running=frozenset({"running"}),
    stopped=frozenset({"stopped"}),
    failed=frozenset({"failed"}),
    ended=frozenset({"terminated"}),
    degraded=frozenset({"degraded"}),
)


UNBILLED = frozenset({"interrupted"})
"""Beside those that are stopped: its node is away, and it resumes by itself."""
PRICING = "/v1/pricing"


class MachineKind(Kind):
    """A kind with a `desired_state` of `running` (the meaning of leaving it out) or `stopped`."""

    states = STATES
    bills = True
    catalog = (PRICING,)
    # What has stopped starts again at the price of that day.
    priced_by = frozenset(
        {
            "gpu_model_id",
            "gpu_count",
            "gpus_per_replica",
            "replica_count",
            "resource_size",
            "tier",
            "desired_state",
        }
    )
    create_seconds = 1800.0

    def goal(self, inputs: Inputs) -> frozenset[str]:
        # One that has failed rests as well: no API stops it any further.
        stopped = inputs.get("desired_state") == "stopped"
        return STATES.stopped | STATES.failed if stopped else STATES.running

    def derived(self, row: Row) -> dict[str, Any]:
        status, rate = str(row.get("status")), self.rate(row)
        stopped, failed = status in STATES.stopped, status in STATES.failed
        told: dict[str, Any] = {}
        if stopped or status in UNBILLED or row.get("nonBillable") is True:
            told["rate_cents_per_hour"] = 0
        elif failed or rate is not None:
            # Whether one that has failed is billed, the API does not say.
            told["rate_cents_per_hour"] = None if failed else rate
        if not failed:
            told["desired_state"] = "stopped" if stopped else "running"
        return told

    def size(self, inputs: Inputs) -> int | None:
        """How many times the price of one GPU, or of one `resource_size`, it bills."""
        raise NotImplementedError

    def foreseen(self, inputs: Inputs, catalog: Catalog) -> dict[str, Any]:
        if inputs.get("desired_state") == "stopped":
            return {"rate_cents_per_hour": 0}
        price, size = _price(inputs, catalog), self.size(inputs)
        if price is None or size is None:
            return {}
        return {"rate_cents_per_hour": price * size}

    def stop(self, machine: Remote, path: str) -> None:
        """POST the path, which stops one that does not rest already."""
        try:
            machine.send("POST", path, repeatable=True)
        except (Conflict, Rejected):
            if not STATES.rests(str(machine.look().get("status"))):
                raise

    def start(self, machine: Remote, path: str) -> None:
        """POST the path, which starts one that rests: one that runs would be rebooted by it."""
        status = str(machine.look().get("status"))
        if STATES.rests(status):
            machine.stale = status
            machine.act(path, done=lambda row: not STATES.rests(str(row.get("status"))))


def prices(catalog: Catalog, of: Literal["gpu", "cpu"]) -> list[Row]:
    """The rows of the pricing, none where it could not be read."""
    pricing = catalog.get(PRICING)
    rows = pricing.get(of) if isinstance(pricing, dict) else None
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def _price(inputs: Inputs, catalog: Catalog) -> int | None:
    """Cents an hour of one GPU of the model and tier, or of one machine of the size."""
    wanted, priced = {"gpuModelId": inputs.get("gpu_model_id")}, prices(catalog, "gpu")
    if inputs.get("gpu_model_id") is None:
        wanted, priced = {"resourceSize": inputs.get("resource_size")}, prices(catalog, "cpu")
    elif inputs.get("tier") is not None:
        wanted["tier"] = inputs["tier"]
    fits = [price for price in priced if wanted.items() <= price.items()]
    # A tier that is left out is the API's choice, which is `community` where it has several.
    fits = [price for price in fits if price.get("tier") == "community"] or fits
    cents = fits[0].get("pricePerHourCents") if len(fits) == 1 else None
    return cents if isinstance(cents, int) else None
