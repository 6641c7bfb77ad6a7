"""What machines have in common: they are deployed, run, stop, start again, and end for good."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import Conflict
from .declare import Inputs, Kind, Row, States

if TYPE_CHECKING:
    from .remote import Remote

STATES = States(
    running=frozenset({"running"}),
    stopped=frozenset({"stopped"}),
    failed=frozenset({"failed"}),
    ended=frozenset({"terminated"}),
)


class MachineKind(Kind):
    """A kind with a `desired_state` of `running` (the meaning of leaving it out) or `stopped`."""

    states = STATES
    bills = True
    create_seconds = 1800.0

    def goal(self, inputs: Inputs) -> frozenset[str]:
        # One that has failed rests as well: no API stops it any further.
        stopped = inputs.get("desired_state") == "stopped"
        return STATES.stopped | STATES.failed if stopped else STATES.running

    def derived(self, row: Row) -> dict[str, Any]:
        status = str(row.get("status"))
        if status in STATES.failed:
            return {}
        return {"desired_state": "stopped" if status in STATES.stopped else "running"}

    def stop(self, machine: Remote, path: str) -> None:
        """POST the path, which stops one that does not rest already."""
        try:
            machine.send("POST", path, repeatable=True)
        except Conflict:
            if not STATES.rests(str(machine.look().get("status"))):
                raise

    def start(self, machine: Remote, path: str) -> None:
        """POST the path, which starts one that rests: one that runs would be rebooted by it."""
        status = str(machine.look().get("status"))
        if STATES.rests(status):
            machine.stale = status
            machine.act(path, done=lambda row: not STATES.rests(str(row.get("status"))))
