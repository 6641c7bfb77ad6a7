"""One thing that the API has, on behalf of one call: requests about it, and waiting for it."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ..errors import (
    RETRY,
    AnswerLost,
    Conflict,
    Interrupted,
    MachineFailed,
    MachineGone,
    NoCapacity,
    NotFound,
    OpenRelayError,
    RateLimited,
    Rejected,
    ServerError,
    TimedOut,
    Unreachable,
)
from . import naming
from .declare import Inputs, Kind, Row, facts, made_at
from .duration import seconds
from .fields import OWNER, UNANSWERED

if TYPE_CHECKING:
    from ..caller import Caller
    from .discreet import DiscreetCall
    from .session import Session

NOT_NOW = (AnswerLost, RateLimited, ServerError, Unreachable)
"""Failures of one look that say nothing about the machine: the next look may succeed."""

SETTLE_SECONDS = 20.0
"""How long an API may go on showing the state from before a request, or not show a new thing."""

KEPT_ADVICE = "take it out of the state with `pulumi state delete`, or end it by hand"
"""What to do with what must never be deleted."""

UNLISTED_SECONDS = 120.0
"""How long after it was made a list may not show a thing yet."""

SHOWN_AGAIN_SECONDS = 60.0
"""How often a state that does not change is shown, so that a log shows that the wait goes on."""

LOOKS_AFTER_A_LOST_ANSWER = (0.0, 1.0, 3.0, 6.0)
"""Seconds between looks for what a lost answer made: a list may lag behind the work."""


def next_tick(looked: float, elapsed: float) -> float:
    """When to look again: twice a second for a quarter of a minute, every ten when a machine takes
    minutes.

    Ticks stand on a common grid, so that all who wait look at the same moment, and share the look.
    """
    steps = ((15.0, 0.5), (30.0, 1.0), (60.0, 2.0), (300.0, 5.0), (math.inf, 10.0))
    pause = next(pause for until, pause in steps if elapsed < until)
    return (looked // pause + 1) * pause


class Remote:
    """One thing of a kind, by its id. new: what the program wants of it; old: what it was
    before."""

    def __init__(
        self,
        session: Session,
        kind: Kind,
        caller: DiscreetCall,
        resource_id: str,
        *,
        new: Inputs,
        old: Inputs | None = None,
        fresh: bool = False,
    ) -> None:
        self.session = session
        self.kind = kind
        self.caller = caller
        self.id = resource_id
        self.new = new
        self.old = self.recorded = old or {}
        """As far as it was looked at since, `old` is what it is now; `recorded` is not."""
        self.fresh = fresh
        """True for one that was made by this very call, or by the one that it repeats."""
        self.sent = False
        """True once a request has changed it, or may have."""
        self.changing: frozenset[str] = frozenset()
        """The properties that this call changes."""
        self.changed: set[str] = set()
        """Those of them that are done."""
        self.shown_once: dict[str, Any] = {}
        """Secrets that no later answer gives again, by property."""
        self.seen: Row = {}
        """Its row, or its detail, as it was last seen."""
        self.served = False
        """True once it was seen to serve as the program waits for, or in part."""
        self.half_ended: str | None = None
        """The status that a request to end it has brought about, while it is still there."""
        self.unanswered: Any = self.recorded.get(UNANSWERED)
        """The path and the body of what was asked for once, here or in an earlier run, and whose
        answer was lost; None where there is none."""
        self.stale: str | None = None
        """The state from before a request, which the API may go on showing for a while."""
        self.unknown = False
        """True where it was to be ended, and the API did not know it, then or before."""

    def send(self, method: str, path: str, body: Any = None, **keywords: Any) -> Any:
        """Send a request about this thing: the path may name `{org}` and `{id}`."""
        parts = {"id": self.id, **keywords.pop("parts", {})}
        refused = False
        try:
            return self.session.send(self.caller, method, path, parts, body=body, **keywords)
        except OpenRelayError as error:
            refused = not error.outcome_unknown
            raise
        finally:
            self.sent = self.sent or (method != "GET" and not refused)

    def act(
        self,
        path: str,
        body: Any = None,
        *,
        done: Callable[[Row], bool],
        tells: str | None = None,
    ) -> Row:
        """POST something whose repetition could do harm; after a lost answer, look first.

        Returns the answer, or the row that shows that it was done. done: whether what was asked for
        shows in a row of the thing. tells: a key without which the answer is lost. Waits for
        capacity where the program gave a `capacity_timeout`. The outcome of a refusal is unknown
        where an answer to the very same was lost before: it may be refused as done.
        """
        patience, asked = Patience(self.caller, self.new), [path, body]
        while True:
            try:
                answer = self.send("POST", path, body, tells=tells)
            except NoCapacity as error:
                patience.wait_or_raise(error)
            except (Conflict, Rejected) as error:
                error.outcome_unknown |= self.unanswered == asked
                raise
            except Interrupted as error:
                if error.outcome_unknown:
                    self.unanswered = asked
                raise
            except AnswerLost as error:
                self.unanswered = asked
                for pause in LOOKS_AFTER_A_LOST_ANSWER:
                    self.caller.wait(pause)
                    row = self.look()
                    if done(row):
                        self.unanswered = None
                        return row
                patience.count_or_raise(error)
            else:
                self.unanswered = None
                return answer if isinstance(answer, dict) else {}

    def look(self) -> Row:
        """The thing as it is now, by the API's fullest answer. Raises MachineGone."""
        row = self.find(self.caller.now()) or self.find_again()
        if row is None:
            raise MachineGone(
                "it does not exist any more", "run `pulumi refresh`, then `pulumi up`"
            )
        return row

    def find_again(self) -> Row | None:
        """It, after a look that has missed it. Raises OpenRelayError where the list shows it alive
        all the same.

        A list may miss a thing while others come and go, and an answer come of a server that lags
        behind; two in a row do not. It may be longer where the thing was just made.
        """
        until = self.caller.now() + (SETTLE_SECONDS if self.is_new() else 0.0)
        while True:
            self.caller.report("the API does not show it: looking again")
            self.caller.wait(2.0)
            row = self.find(self.caller.now())
            if row is not None:
                return row
            if self.caller.now() >= until:
                break
        if self.kind.detail is not None and self._is_listed_alive():
            raise OpenRelayError(
                f"the API does not know it (404), and lists it as {describe(self.seen)}", RETRY
            )
        return None

    def is_new(self) -> bool:
        """Whether it was made so shortly ago that the API may not show it yet, or its record does
        not tell."""
        recorded = self.recorded.get("created_at")
        told = {self.kind.service.wire("created_at"): recorded} if recorded else self.seen
        made = made_at(self.kind, told)
        if made is None:
            return self.fresh or (self.kind.bills and bool(self.recorded))
        return self.session.client.time(self.caller) - made < UNLISTED_SECONDS

    def _may_not_show_yet(self) -> bool:
        """Whether it bills, and has only just begun to start, as far as it was ever seen."""
        seen = self.seen or self.recorded
        return self.kind.bills and self.is_new() and not self.kind.may_have_served(seen)

    def find(self, since: float) -> Row | None:
        """Its detail, or its row of the list where there is none; None where the API has it not."""
        if self.kind.detail is None:
            return self.listed(since)
        try:
            tells = self.kind.tells or (None if self.kind.singleton else self.kind.listed.key)
            return self._see(self.send("GET", self.kind.detail, answers=dict, tells=tells))
        except NotFound:
            if self.kind.singleton:
                raise
            # A 404 of an API that this organization does not have, or of another server, does not
            # mean that a thing is gone: then the list raises it too.
            self.listed(float("-inf"))
            return None

    def made_at(self, row: Row) -> float | None:
        """When it was made, in seconds since the epoch, by its row, or by its detail where that
        does not tell; None where neither does."""
        made = made_at(self.kind, row)
        if made is None and self.kind.detail is not None:
            made = made_at(self.kind, self.find(self.caller.now()) or {})
        return made

    def listed(self, since: float) -> Row | None:
        """Its row of the list, as read at `since` or later."""
        row, _ = self._listed(since)
        return row

    def _listed(self, since: float) -> tuple[Row | None, float]:
        rows, looked = self.session.rows(self.caller, self.kind.listed, since)
        row = rows.get(self.id)
        return (self._see(row) if row else None), looked

    def _see(self, row: Row) -> Row:
        states = self.kind.states
        self.caller.hide_told(row)
        if states is not None and str(row.get("status")) in states.serving:
            self.served = self.served or self.kind.lacks(row, self.new) is None
        self.seen = row
        return row

    def end(self) -> None:
        """End it, and wait until it is gone for good; what this operation has asked to end already
        is only waited for."""
        asked = (self.kind.token, self.id) in self.session.history.ended
        row = {} if asked else self.ask_to_end()
        if row is not None and self.kind.states is not None and self.kind.lives(row):
            self.wait_until_ended()

    def ask_to_end(self) -> Row | None:
        """Send the request that ends it: its row, or None where it is gone already.

        A refusal that may end by itself is waited out; any other names what stands in the way.
        """
        delete, caller = self.kind.delete, self.caller
        began = caller.now()
        while True:
            try:
                if delete.after is not None and self.half_ended is None:
                    self._begin_to_end(delete.after)
                row = self.send(delete.method, delete.path, repeatable=True)
                self.session.history.ended.add((self.kind.token, self.id))
            except NotFound as error:
                # The list may lag, or a server that does not know it may have answered.
                patience, advice = SETTLE_SECONDS, error.advice
                if self._is_listed_alive():
                    shown = f"lists it as {describe(self.seen)}"
                elif self._may_not_show_yet() and caller.now() < began + UNLISTED_SECONDS:
                    patience, advice = UNLISTED_SECONDS, RETRY
                    shown = "may not show it yet, since it was just made"
                    caller.report(f"the API {shown}: asking again")
                else:
                    self.unknown = not self.seen
                    return None
                if caller.now() >= min(began + patience, caller.deadline):
                    raise OpenRelayError(f"{error.what}, and {shown}", advice) from None
                caller.wait(2.0)
            except Conflict as error:
                if self._ends_already():
                    return self.seen
                patience = delete.waits_out.get(error.code or "", 0.0)
                if caller.now() >= min(began + patience, caller.deadline):
                    raise self._named(error) from None
                caller.report(f"waiting to be allowed to end it: {error.message}")
                caller.wait(2.0)
            else:
                return row if isinstance(row, dict) else {}

    def _begin_to_end(self, path: str) -> None:
        """Send what goes before the delete, unless it is done, or what is recorded must stay by
        now: the record may be older."""
        row, makes = self.find(self.caller.now()), self.kind.delete.makes
        if row is not None:
            why = self.kind.kept(facts(self.kind, row)) if self.recorded else None
            if why is not None:
                raise OpenRelayError(why, KEPT_ADVICE)
            if row.get("status") == makes:
                self.half_ended = makes
                return
        # It may be done already: the delete itself tells.
        with suppress(Conflict, Rejected):
            self.send("POST", path, repeatable=True)
            self.half_ended = makes

    def _ends_already(self) -> bool:
        """Whether it has ended, or is about to: an API may refuse to end such a one once more."""
        states = self.kind.states
        if states is None:
            return False
        try:
            row = self.find(self.caller.now())
        except NOT_NOW:
            return False
        return row is None or not self.kind.lives(row) or row.get("status") in states.ending

    def _named(self, error: Conflict) -> OpenRelayError:
        """The refusal, with the names of what stands in the way."""
        names = self.kind.blockers(self.listed(self.caller.now()) or {})
        if not names:
            return error
        advice = (
            f"{self.kind.freed_by}, then run the command again, or leave it where it is: take it "
            f"out of the state with `pulumi state delete`"
        )
        ours = [name for name in names if naming.is_of_stack(str(self.old.get(OWNER)), name)]
        if ours:
            advice = (
                f"this stack made {', '.join(ours)}: if no state records it, which `pulumi stack` "
                f"tells, an earlier run was cut off before it could; end it there, or {advice}"
            )
        return OpenRelayError(f"{error.what}; it is held by {', '.join(names)}", advice)

    def _is_listed_alive(self) -> bool:
        """Whether the list has it, whatever a 404 says. Raises NotFound where the list is not there
        either: an API that this organization does not have, or another server."""
        row = self.listed(self.caller.now())
        return row is not None and self.kind.lives(row)

    # Waiting

    def wait(self, goal: frozenset[str]) -> Row:
        """Wait until its state is one of the goal's and it serves what the program waits for.

        Returns its row of the list, or its detail where the list does not have it. Raises
        MachineFailed with the API's reason, MachineGone or TimedOut.
        """

        def reached(row: Row | None, elapsed: float) -> bool:
            settled = elapsed >= SETTLE_SECONDS
            if row is None:
                if settled:
                    raise gone("it does not exist any more")
                return False
            return self._reached(row, goal, stale=None if settled else self.stale)

        def lacks(row: Row) -> tuple[str, str] | None:
            return self.kind.lacks(row, self.new) if str(row.get("status")) in goal else None

        states = self.kind.states
        named = sorted(goal - states.failed if states else goal)
        row = self._watch(reached, f"it was not {' or '.join(named)}", "waiting", lacks)
        assert row is not None  # noqa: S101 - reached() is false for None
        return row

    def wait_until_ended(self) -> None:
        """Wait until it is gone for good. Raises TimedOut."""

        def reached(row: Row | None, _elapsed: float) -> bool:
            return row is None or not self.kind.lives(row)

        self._watch(reached, "it was not ended by the API", "ending")

    def _watch(
        self,
        reached: Callable[[Row | None, float], bool],
        missed: str,
        text: str,
        lacks: Callable[[Row], tuple[str, str] | None] = lambda _row: None,
    ) -> Row | None:
        """Look at it, at the ticks that all who wait share, until a row is what we wait for.

        missed: what is said where it never is, unless `lacks` tells better; text: what is shown
        where no row was seen yet. The first look is at the next tick where a request was sent a
        moment ago. A failed look does not end the wait. What is shown is shown again when it
        changes, and once a minute; how long it has taken, Pulumi tells beside it.
        """
        caller = self.caller
        began = since = caller.now()
        shown, shown_at = "", began
        if self.sent or self.fresh:
            since = max(began, min(next_tick(began, 0.0), caller.deadline))
            caller.wait(since - began)
        while True:
            trouble = ""
            try:
                row, looked = self._glance(since)
                if reached(row, looked - began):
                    caller.report(describe(self.seen) if self.seen else text)
                    return row
            except NOT_NOW as error:
                looked, trouble = caller.now(), f"; {error.what}"
            told, missing = describe(self.seen) if self.seen else text, missed
            lack = lacks(self.seen)
            if lack is not None:
                told, missing = f"{told}; {lack[1]}", lack[0]
            elapsed, line = caller.now() - began, f"{told}{trouble}"
            if line != shown or caller.now() >= shown_at + SHOWN_AGAIN_SECONDS:
                caller.report(line)
                shown, shown_at = line, caller.now()
            if caller.now() >= caller.deadline:
                raise TimedOut(f"{missing} within {elapsed:.0f} s ({line})")
            since = min(next_tick(looked, elapsed), caller.deadline)
            caller.wait(max(0.0, since - caller.now()))

    def _glance(self, since: float) -> tuple[Row | None, float]:
        """Its row of the shared list, or its detail where the list does not have it, and when."""
        row, looked = self._listed(since)
        return (row, looked) if row is not None else (self.find(since), looked)

    def _reached(self, row: Row, goal: frozenset[str], stale: str | None) -> bool:
        """Whether a row shows the goal; raises where it will never come by itself.

        stale: a state that the API may go on showing for a while though it is left.
        """
        states = self.kind.states
        assert states is not None  # noqa: S101 - only machines are waited for
        status = str(row.get("status"))
        reached = status in goal
        if reached and not self.kind.needs_detail(self.new):
            return True
        if not reached and (status == stale or (self.kind.lives(row) and not states.rests(status))):
            return False
        # The list may lag, and does not give every reason: the detail decides.
        row = self.look()
        status = str(row.get("status"))
        if status in goal:
            return self.kind.lacks(row, self.new) is None
        if states.rests(status) and status != stale:
            raise MachineFailed(f"it {condition(row)}")
        if not self.kind.lives(row):
            raise gone(f"it was ended while we waited ({describe(row)})")
        return False


class Patience:
    """How often, and how long, something that the API refuses for now is asked for again.

    For capacity: 5 s after the first refusal, then 1.5 times later each time, 60 s at most, until
    the program's `capacity_timeout` is over; None, the default, asks once. Where the API asks to
    wait for longer than that, nothing is waited for. Meanwhile the caller's own time stands still:
    it is for what comes after.
    """

    def __init__(self, caller: Caller, inputs: Inputs) -> None:
        self._caller = caller
        self._asked = seconds(inputs.get("capacity_timeout"))
        self._until = caller.now() + self._asked
        self._own = caller.deadline - caller.now()
        self._pause = 5.0
        self._lost = 0

    def wait_or_raise(self, error: NoCapacity) -> None:
        """Wait for capacity, or raise the refusal where the program's patience is over."""
        left = self._until - self._caller.now()
        if left <= 0:
            if self._asked:
                error.advice = "try later or another shape"
            raise error
        asked = error.retry_after or 0.0
        if asked > left:
            error.advice = (
                f"the API asks to wait {asked:.0f} s, and capacity_timeout leaves {left:.0f} s: "
                f"{RETRY} then, or try another shape"
            )
            raise error
        self._caller.report(f"waiting for capacity, {left:.0f} s at most: {error.message}")
        self._caller.wait(max(min(self._pause, left), asked))
        self._caller.deadline = self._caller.now() + self._own
        self._pause = min(self._pause * 1.5, 60.0)

    def count_or_raise(self, error: AnswerLost | ServerError, most: int = 3) -> None:
        """Allow one more try after an answer was lost and a look found nothing, so many in all."""
        self._lost += 1
        if self._lost >= most:
            raise AnswerLost(error.what, error.advice)


def describe(row: Row) -> str:
    """A state in the API's words: `deploying: pulling image`, `failed: vm_exited`."""
    status = str(row.get("status"))
    why = row.get("statusReason") or row.get("provisioningStage") or row.get("ended_reason")
    return f"{status}: {' '.join(str(why).split())}" if why else status


def condition(row: Row) -> str:
    """The same as what a sentence goes on with: `is stopped`, `has failed: vm_exited`."""
    said = describe(row)
    return f"has {said}" if said.startswith("failed") else f"is {said}"


def gone(what: str) -> MachineGone:
    return MachineGone(what, f"run `pulumi refresh`, then {RETRY}")
