"""A review as one value, which every rendering starts from, and as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from ..policies.reading import Balance
from . import money, words
from .capacity import Room
from .findings import Exemption, NotEvaluated, Reason, Verdict, verdict
from .market import Account
from .money import HOURS_PER_MONTH, Rate
from .plan import Action, Change, Plan, Step
from .renames import Rename
from .risk import keeps_data, protected

FORMAT = 4


@dataclass(frozen=True)
class Review:
    """What there is to say about a plan.

    commit: None outside of git. refreshed: whether the plan is made of what is
    really there, rather than of the record. notes: what is told and does not count. digest: the
    same for the same plan and the same secrets in the stack's configuration. policy_changed:
    whether the change alters the rules' own configuration; None where git does not tell. secrets:
    a keyed fingerprint of each secret input of what changes, by URN and input. secrets_key: their
    key, encrypted as the stack's own secrets are; None where it was given. accounts: where what
    changes is carried out, by the service's name.
    """

    project: str
    stack: str
    profile: str
    commit: str | None
    refreshed: bool
    digest: str
    plan: Plan
    reasons: Sequence[Reason]
    notes: Sequence[Reason]
    renames: Sequence[Rename]
    before: Rate
    after: Rate
    balance: Balance | None
    rooms: Sequence[Room]
    exemptions: Sequence[Exemption]
    not_evaluated: Sequence[NotEvaluated]
    policy_changed: bool | None = None
    secrets: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    secrets_key: str | None = None
    accounts: Mapping[str, Account] = field(default_factory=dict)

    @property
    def verdict(self) -> Verdict:
        return verdict(self.reasons)

    @property
    def changes_something(self) -> bool:
        return bool(self.plan.drifted) or any(True for _ in self.plan.changing)

    def burn(self) -> tuple[int, int] | None:
        """What the whole organization burns in cents per hour, before and after; None where a rate
        is unknown."""
        before, after = money.burn(self.plan, self.balance)
        if before.cents is None or after.cents is None:
            return None
        return before.cents, after.cents

    def burn_at_least(self) -> tuple[int, int]:
        """The same of what is known."""
        before, after = money.burn(self.plan, self.balance)
        return before.known_cents, after.known_cents

    def lasts(self) -> str:
        """How long the balance lasts, and how long it did before where that differs: a bound where
        a rate is unknown. Empty where the balance is."""
        if self.balance is None:
            return ""
        before, after = map(self.balance.hours, self.burn_at_least())
        bound = "at most " if self.burn() is None and after is not None else ""
        then, now = words.lasts(before), words.lasts(after)
        return bound + now + ("" if then == now else f", before {then}")

    def because(self, step: Step) -> str:
        """Why a resource is replaced or deleted."""
        if step.action is Action.REPLACE:
            return words.forced(step)
        renamed = next((each for each in self.renames if each.ended is step), None)
        if renamed is not None:
            return f"looks like a rename to {renamed.made.name} without an alias"
        if step.leftover:
            return "left over from an earlier replacement"
        return "no longer in the program"

    def loses(self, step: Step) -> str:
        """What ends with it, empty where nothing that anybody would miss."""
        if not step.is_machine or not step.ends_something:
            return ""
        if step.stays and not (step.action is Action.REPLACE and protected(step)):
            return "goes on billing outside of the stack"
        if protected(step):
            return "deletion_protection will refuse it"
        if not keeps_data(step):
            return "its endpoint ends"
        return "data loss: its disk ends with it" + (" (it is stopped)" if step.rests else "")

    def as_json(self) -> dict[str, Any]:
        """For other programs, and for `apply`.

        Rates are cents; None is unknown. `because` names the properties that force a replacement,
        or says why there is a deletion.
        """
        burn, least = self.burn(), self.burn_at_least()
        return {
            "format": FORMAT,
            "project": self.project,
            "stack": self.stack,
            "profile": self.profile,
            "commit": self.commit,
            "refreshed": self.refreshed,
            "digest": self.digest,
            "verdict": self.verdict,
            "actions": {step.urn: step.action for step in self.plan.changing},
            "secrets": self.secrets,
            "secrets_key": self.secrets_key,
            "accounts": {name: asdict(each) for name, each in self.accounts.items()},
            "policy_changed": self.policy_changed,
            "reasons": [_reason(reason) for reason in self.reasons],
            "notes": [_reason(reason) for reason in self.notes],
            "replacements": [self._ending(s) for s in self._steps(Action.REPLACE)],
            "deletions": [self._ending(s) for s in self._steps(Action.DELETE)],
            "drift": [
                {
                    **_step(s),
                    "gone": s.action is Action.DELETE,
                    "changes": [_change(c) for c in s.changes],
                }
                for s in self.plan.drifted
            ],
            "creations": [_step(s) for s in self._steps(Action.CREATE)],
            "updates": [
                {**_step(s), "changes": [_change(c) for c in s.changes]}
                for s in self._steps(Action.UPDATE)
            ],
            "rate_cents_per_hour": {
                "before": self.before.cents,
                "after": self.after.cents,
                "at_least": {"before": self.before.known_cents, "after": self.after.known_cents},
                "unknown": sorted({*self.before.unknown, *self.after.unknown}),
            },
            "hours_per_month": HOURS_PER_MONTH,
            "balance_cents": self.balance.available_cents if self.balance else None,
            "runway_hours_at_most": {
                "before": self.balance.hours(least[0]) if self.balance else None,
                "after": self.balance.hours(least[1]) if self.balance else None,
            },
            "runway_hours": {
                "before": self.balance.hours(burn[0]) if burn and self.balance else None,
                "after": self.balance.hours(burn[1]) if burn and self.balance else None,
            },
            "capacity": [_room(room) for room in self.rooms],
            "exemptions": [
                {"rule": e.rule, "resource": e.resource, "message": e.message}
                for e in self.exemptions
            ],
            "not_evaluated": [
                {"rule": n.rule, "resource": n.resource, "message": n.message}
                for n in self.not_evaluated
            ],
        }

    def to_json(self) -> str:
        """Exact, and in ASCII: what nobody would see stands there as `\\u202e`."""
        return json.dumps(self.as_json(), indent=2) + "\n"

    def _steps(self, action: Action) -> list[Step]:
        return [step for step in self.plan.resources if step.action is action]

    def _ending(self, step: Step) -> dict[str, Any]:
        return {
            **_step(step),
            "because": self.because(step),
            "loses": self.loses(step),
            "changes": [_change(change) for change in step.changes],
        }


def _step(step: Step) -> dict[str, Any]:
    return {"resource": step.name, "type": step.type, "urn": step.urn}


def _change(change: Change) -> dict[str, Any]:
    return {"property": change.property, "forces": change.forces, "said": words.said(change)}


def _reason(reason: Reason) -> dict[str, Any]:
    return {
        "rule": reason.rule,
        "effect": reason.effect,
        "severity": reason.severity,
        "resource": reason.resource,
        "message": reason.message,
        "fix": reason.fix,
        "urn": reason.urn,
    }


def _room(room: Room) -> dict[str, Any]:
    return {
        "model": room.model,
        "spot": room.spot,
        "wanted_gpus": room.wanted_gpus,
        "free_gpus": room.free_gpus,
        "fits": not room.short,
        "message": room.short,
    }
