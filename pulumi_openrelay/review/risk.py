"""What speaks against a plan beside the policies: data, secrets, forgotten machines, money,
capacity.

| rule                  | severity | development | production | regulated |
|-----------------------|----------|-------------|------------|-----------|
| `data-loss`           | critical | warn        | block      | block     |
| `hidden-deletion`     | critical | warn        | block      | block     |
| `protected-deletion`  | high     | block       | block      | block     |
| `protected-replacement` | high   | block       | block      | block     |
| `endpoint-loss`       | high     | warn        | block      | block     |
| `left-running`        | high     | warn        | block      | block     |
| `stopped-data-loss`   | medium   | warn        | warn       | block     |
| `replacement`         | medium   | warn        | warn       | warn      |
| `secret-in-clear`     | critical | block       | block      | block     |
| `drift`               | high     | warn        | warn       | warn      |
| `cost-jump`           | high     | warn        | block      | block     |
| `runway`              | high     | warn        | block      | block     |
| `capacity`            | medium   | warn        | block      | block     |

Any other profile is taken for `production`. A machine that waits for capacity
(`capacity_timeout`) is never blocked for want of it. A rename of a protected machine is blocked in
every profile: the protection refuses it. What a preview cannot know yet of a protected machine is
only warned of, and so is a stack that starts to cost.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from ..lifecycle.diff import STATUS
from ..lifecycle.fields import Role
from ..lifecycle.service import DYNAMIC
from ..policies import Configuration, Level
from ..policies.cost import BALANCE_RUNWAY, RunwaySettings, too_short
from ..policies.message import Severity
from ..policies.reading import CLUSTER, Balance
from . import money
from .capacity import Room
from .clear import InClear
from .findings import Effect, Reason
from .plan import Action, Plan, State, Step
from .renames import Rename
from .words import forced, hours, rate, said

PROFILES = ("development", "production", "regulated")
COST_JUMP_FACTOR = 5
COST_JUMP_CENTS = 100
COST_START_CENTS = 1000
"""The rate of a stack that cost nothing before, from which on it is worth a warning."""
RUNWAY_HOURS = 24.0

_W, _B = Effect.WARN, Effect.BLOCK


@dataclass(frozen=True, slots=True)
class Rule:
    """A finding's name, how grave it is, what each profile makes of it, and what to do about
    it."""

    name: str
    severity: Severity
    effects: tuple[Effect, Effect, Effect]
    fix: str

    def found(
        self,
        profile: str,
        message: str,
        step: Step | None = None,
        effect: Effect | None = None,
        *,
        first: bool = False,
        fix: str = "",
    ) -> Reason:
        """The rule held against a step, or against the stack. effect: None leaves it to the
        profile. first: of the rule's reasons, it is told first. fix: in place of the rule's own."""
        leftover = step is not None and step.leftover
        place = PROFILES.index(profile) if profile in PROFILES else 1
        return Reason(
            rule=self.name,
            effect=effect or self.effects[place],
            severity=self.severity,
            resource=step.name if step else "",
            message=message,
            fix=fix or (_OF_LEFTOVERS.get(self.name, self.fix) if leftover else self.fix),
            urn=step.urn if step else "",
            first=first,
            leftover=leftover,
        )


DATA_LOSS = Rule(
    "data-loss",
    Severity.CRITICAL,
    (_W, _B, _B),
    "take the change back, or save what is on the disk and exempt this once",
)
HIDDEN_DELETION = Rule(
    "hidden-deletion",
    Severity.CRITICAL,
    (_W, _B, _B),
    'keep the machine: `opts=ResourceOptions(aliases=[Alias(name="its old name")])`',
)
SECRET_IN_CLEAR = Rule(
    "secret-in-clear",
    Severity.CRITICAL,
    (_B, _B, _B),
    "set it with `pulumi config set --secret`, and change it: it has been seen",
)
PROTECTED_DELETION = Rule(
    "protected-deletion",
    Severity.HIGH,
    (_B, _B, _B),
    "keep it, or apply `deletion_protection=False` first",
)
PROTECTED_REPLACEMENT = Rule(
    "protected-replacement",
    Severity.HIGH,
    (_B, _B, _B),
    "take the change back, or apply `deletion_protection=False` first",
)
ENDPOINT_LOSS = Rule(
    "endpoint-loss", Severity.HIGH, (_W, _B, _B), "keep it in the program, or exempt this once"
)
REPLACEMENT = Rule(
    "replacement",
    Severity.MEDIUM,
    (_W, _W, _W),
    "send its callers to the new endpoint, or take the change back",
)
LEFT_RUNNING = Rule(
    "left-running",
    Severity.HIGH,
    (_W, _B, _B),
    "keep it in the program, or end it by hand afterwards",
)
DRIFT = Rule(
    "drift",
    Severity.HIGH,
    (_W, _W, _W),
    "`pulumi up --refresh` puts it right; a change that is meant goes into the program",
)
COST_JUMP = Rule("cost-jump", Severity.HIGH, (_W, _B, _B), "make it smaller, or exempt this once")
RUNWAY = Rule("runway", Severity.HIGH, (_W, _B, _B), "add funds first")
CAPACITY = Rule(
    "capacity",
    Severity.MEDIUM,
    (_W, _B, _B),
    "try later or another shape, or let `capacity_timeout` wait",
)
STOPPED_DATA_LOSS = Rule(
    "stopped-data-loss", Severity.MEDIUM, (_W, _W, _B), "save what is on its disk first"
)
ENDINGS = (
    DATA_LOSS,
    HIDDEN_DELETION,
    PROTECTED_DELETION,
    PROTECTED_REPLACEMENT,
    ENDPOINT_LOSS,
    LEFT_RUNNING,
    STOPPED_DATA_LOSS,
    REPLACEMENT,
)
"""What is held against machines that end."""
_OF_LEFTOVERS = {
    DATA_LOSS.name: "save what is on its disk, and exempt this once",
    ENDPOINT_LOSS.name: "send its callers to the new endpoint, and exempt this once",
    LEFT_RUNNING.name: "end it by hand afterwards",
}
"""What to do about one whose replacement stands already: no change of the program keeps it."""
_OF_FORGOTTEN = "run `pulumi up` of what is there without `deleted_with` first"
RULES = (*ENDINGS, SECRET_IN_CLEAR, DRIFT, COST_JUMP, RUNWAY, CAPACITY)


def endings(plan: Plan, renames: Sequence[Rename], profile: str) -> Iterator[Reason]:
    """Machines that end, or that the stack only forgets."""
    renamed = {rename.ended.urn: rename.made for rename in renames}
    for step in plan.machines:
        if step.action is Action.UPDATE and protected(step):
            yield from _not_known(step, profile)
        if not step.ends_something or step.before is None:
            continue
        if protected(step) and step.action is Action.REPLACE:
            message = (
                f"it is to be replaced because of {forced(step)}, and deletion_protection will "
                "refuse that"
            )
            yield PROTECTED_REPLACEMENT.found(profile, message, step)
        elif step.stays:
            message = f"{_which(step)} leaves the stack and goes on billing"
            fix, other = "", step.before.forgotten_with
            if other:
                message += (
                    f": it is recorded with deleted_with `{other}`, and Pulumi ends only that"
                )
                fix = "" if step.leftover else _OF_FORGOTTEN
            yield LEFT_RUNNING.found(profile, message, step, fix=fix)
        elif step.urn in renamed and not step.leftover:
            refused = protected(step)
            end = "deletion_protection will refuse that" if refused else _end(step)
            message = f"it is deleted and made anew as `{renamed[step.urn].name}`: {end}"
            effect = Effect.BLOCK if refused else None
            yield HIDDEN_DELETION.found(profile, message, step, effect)
        elif protected(step):
            message = "it is to be deleted, and deletion_protection will refuse that"
            yield PROTECTED_DELETION.found(profile, message, step)
        elif not keeps_data(step):
            rule = REPLACEMENT if step.action is Action.REPLACE else ENDPOINT_LOSS
            yield rule.found(profile, _ending(step), step)
        elif step.rests:
            yield STOPPED_DATA_LOSS.found(profile, _ending(step), step)
        else:
            yield DATA_LOSS.found(profile, _ending(step), step)


def _not_known(step: Step, profile: str) -> Iterator[Reason]:
    """What a preview cannot know yet of a protected machine, and only a new one could have: known,
    it would be no change, or a replacement."""
    fields = step.kind.fields if step.kind else {}
    for change in step.changes:
        if change.property in fields and fields[change.property].role is Role.REPLACES:
            message = (
                f"{change.property} is not known until the update runs; if it then differs, "
                "deletion_protection will refuse the replacement"
            )
            yield PROTECTED_REPLACEMENT.found(profile, message, step, Effect.WARN)


def protected(step: Step) -> bool:
    """Whether deletion_protection refuses that it ends: it is on, and the program does not lift
    it; or the program sets it with a change that replaces what it holds of."""
    before, after = (_protects(state) for state in (step.before, step.after))
    sets = after and STATUS not in step.forced_by
    return not step.leftover and (sets or (before and (after or step.after is None)))


def _protects(state: State | None) -> bool:
    return state is not None and state.inputs.get("deletion_protection") is True


def keeps_data(step: Step) -> bool:
    """Whether data ends with it: a cluster has none of its own, only an endpoint."""
    return step.type.removeprefix(DYNAMIC) != CLUSTER


def _end(step: Step) -> str:
    if not keeps_data(step):
        return "its endpoint ends with it"
    return "its disk ends with it (data loss)"


def _ending(step: Step) -> str:
    end = _end(step)
    if step.action is Action.REPLACE:
        return f"it is replaced because of {forced(step)}: {end}"
    return f"{_which(step)} is deleted: {end}"


def _which(step: Step) -> str:
    return "the one that it replaced" if step.leftover else "it"


def drift(plan: Plan, profile: str) -> Iterator[Reason]:
    """What somebody did by hand."""
    for step in plan.drifted:
        if step.action is Action.DELETE:
            yield DRIFT.found(profile, "it is gone: somebody ended it by hand", step, first=True)
        else:
            what = ", ".join(said(change) for change in step.changes)
            yield DRIFT.found(profile, f"somebody changed it by hand: {what}", step)


def secrets(found: Iterable[InClear], plan: Plan, profile: str) -> Iterator[Reason]:
    """Secrets that anybody can read."""
    steps = {step.urn: step for step in plan.steps}
    for place in found:
        message = f"{place.place} holds what looks like a secret, in clear"
        yield SECRET_IN_CLEAR.found(profile, message, steps.get(place.urn))


def cost(plan: Plan, balance: Balance | None, profile: str) -> Iterator[Reason]:
    """What the plan does to the bill."""
    before, after = money.before(plan), money.after(plan)
    if not before.known_cents and not before.unknown and after.known_cents >= COST_START_CENTS:
        message = f"the stack costs {rate(after.known_cents)} an hour, and nothing before"
        yield COST_JUMP.found(profile, message, effect=Effect.WARN)
    more = after.known_cents - before.known_cents
    if (
        before.known_cents
        and not before.unknown
        and more >= COST_JUMP_CENTS
        and after.known_cents >= COST_JUMP_FACTOR * before.known_cents
    ):
        times = after.known_cents / before.known_cents
        message = (
            f"the stack costs {times:.0f} times as much: {rate(after.known_cents)} an hour "
            f"instead of {rate(before.known_cents)}"
        )
        yield COST_JUMP.found(profile, message)
    was, burn = money.burn(plan, balance)
    if balance is not None and burn.known_cents > was.known_cents:
        lasts = balance.hours(burn.known_cents)
        if lasts is not None and lasts < RUNWAY_HOURS:
            message = f"the balance lasts {hours(lasts)} at {rate(burn.known_cents)} an hour"
            yield RUNWAY.found(profile, message)


def balance_runway(
    plan: Plan, balance: Balance | None, policies: Configuration, stack: str
) -> Iterator[Reason]:
    """The pack's rule, held against the balance after the change: the pack itself cannot tell
    which machines bill already. stack: the stack's name, as rules have it."""
    level, settings = policies.level(BALANCE_RUNWAY), policies.settings(BALANCE_RUNWAY)
    assert isinstance(settings, RunwaySettings)  # noqa: S101 - that rule has those
    if settings.balance_cents is not None:
        balance = Balance(settings.balance_cents)
    if balance is None or level is Level.DISABLED or not settings.holds_for(stack):
        return
    was, burn = money.burn(plan, balance)
    text = too_short(balance, burn.known_cents, settings, bound=bool(burn.unknown))
    if text:
        effect = Effect.WARN if burn.known_cents > was.known_cents else Effect.NOTE
        yield Reason(
            rule=BALANCE_RUNWAY.name,
            effect=Effect.BLOCK if level is Level.MANDATORY else effect,
            severity=BALANCE_RUNWAY.severity,
            resource="",
            message=text,
            fix=BALANCE_RUNWAY.remediation,
        )


def capacity(rooms: Iterable[Room], plan: Plan, profile: str) -> Iterator[Reason]:
    """What cannot be placed right now."""
    steps = {step.urn: step for step in plan.steps}
    for room in rooms:
        if room.short:
            effect = Effect.WARN if room.patient else None
            message = f"no capacity for {room.model}: {room.short}"
            step = steps.get(room.at.urn) if room.at else None
            yield CAPACITY.found(profile, message, step, effect)
