"""Apply what was reviewed, and nothing else.

The plan is previewed again and compared with the reviewed one before anything is touched. Pulumi's
own update plans (`pulumi up --plan`) do not bind it further: they refuse halfway, after some of the
changes are made; the first deployment of a stack always breaks them, because names are made from an
id that only exists then; and what they say when they refuse shows secrets in clear. Instead the
policy pack stops the update at a resource that the plan does not have, such as one that the program
declares in `apply`, before it is touched; and the lines of the update itself are compared, and a
difference is told.

The engine hides the values of secrets, so that another secret makes the same plan. A review holds a
keyed fingerprint of each secret input of what changes, and the key encrypted as the stack's own
secrets are: only who may read those can compare, and nobody can try values out. A secret that is
known in the update alone cannot be held to a review.

The same plan for another account, or another API, is another plan: a review tells both.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from ..lifecycle.service import SERVICES
from ..urn import name_of, type_of
from . import events
from .findings import Verdict
from .market import Account
from .plan import OWNER, Action, Plan
from .preview import NotJudged, Project
from .report import FORMAT, Review
from .run import redactor


class Refused(Exception):
    """Nothing was applied. str() is the sentence that says why."""


@dataclass(frozen=True, slots=True)
class Reviewed:
    """What a review's JSON says that an update is held to. actions: by URN. secrets: the
    fingerprints of secret inputs. secrets_key: their key, sealed. accounts: where it is carried
    out, by the service's name."""

    project: str
    stack: str
    profile: str
    verdict: str
    digest: str
    commit: str | None
    refreshed: bool
    actions: Mapping[str, str]
    secrets: Mapping[str, Mapping[str, str]]
    secrets_key: str | None
    accounts: Mapping[str, Account]


_REVIEWED = TypeAdapter(Reviewed)


def read(file: Path) -> Reviewed:
    """A review's JSON. Raises NotJudged where it is none."""
    try:
        told: dict[str, Any] = json.loads(file.read_text())
        if told["format"] != FORMAT:
            raise NotJudged(f"{file} is of another version of this tool: review again")
        return _REVIEWED.validate_python({name: told[name] for name in Reviewed.__slots__})
    except (OSError, ValueError, KeyError, TypeError):
        raise NotJudged(f"{file} is no review; give the file that `review --json` wrote") from None


def hold_to_profile(reviewed: Reviewed, profile: str | None) -> None:
    """Raises Refused where the review is by another profile. profile: None takes any."""
    if profile is not None and profile != reviewed.profile:
        raise Refused(
            f"the review is by the profile {reviewed.profile!r}, and not by {profile!r}; review it "
            f"again with --profile {profile}"
        )


def hold_to_stack(reviewed: Reviewed, project: str, stack: str) -> None:
    """Raises Refused where the review is of another stack."""
    if (reviewed.project, reviewed.stack) != (project, stack):
        raise Refused(
            f"the review is of stack {reviewed.stack} of {reviewed.project}, and not of "
            f"{stack} of {project}"
        )


def permit(reviewed: Reviewed, now: Review) -> None:
    """Raises Refused unless this is the plan that was reviewed, and it may be applied."""
    hold_to_stack(reviewed, now.project, now.stack)
    if reviewed.verdict == Verdict.BLOCK:
        raise Refused("the review blocked this plan")
    _hold_to_accounts(reviewed, now)
    if _actions(now.plan) == reviewed.actions:
        _comparable(reviewed, now)
    if reviewed.digest != now.digest or reviewed.secrets != now.secrets:
        raise Refused(
            f"the plan is no longer the reviewed one: {_difference(reviewed, now)}; review it again"
        )
    if now.verdict is Verdict.BLOCK:
        raise Refused(f"the plan is as reviewed, and is blocked now: {now.reasons[0].message}")


def _hold_to_accounts(reviewed: Reviewed, now: Review) -> None:
    """Raises Refused where a service would be asked elsewhere, or for another account, than for the
    review. What changes in only one of the two is told as another plan."""
    for name, account in sorted(now.accounts.items()):
        was = reviewed.accounts.get(name)
        if was is not None and not was.is_surely(account):
            raise Refused(
                f"the plan was reviewed for {_described(name, was)}, and would be applied to "
                f"{_described(name, account)}; use a key and a URL of the former, or review it "
                "again with those of the latter"
            )


def _described(service: str, account: Account) -> str:
    which = f"the account {account.id}" if account.id else "an account that is not known"
    title = SERVICES[service.partition(":")[0]].title
    return f"{which} of {title} at {account.url or 'a URL that is not known'}"


def _comparable(reviewed: Reviewed, now: Review) -> None:
    """Raises Refused where either review has a secret input without a fingerprint."""
    unseen = sorted(
        {
            name_of(urn)
            for secrets in (reviewed.secrets, now.secrets)
            for urn, prints in secrets.items()
            if not all(prints.values())
        }
    )
    if unseen:
        raise Refused(
            f"the secrets of {', '.join(unseen[:3])} cannot be compared with the reviewed ones; "
            "let the review encrypt with the stack's secrets provider, or use `pulumi up`"
        )


def carry_out(
    project: Project, packs: Sequence[Path], now: Review, show: Callable[[str], object]
) -> None:
    """Apply, and hold what the engine did against the plan.

    packs: the folders of policy packs. show: called with each line of the engine's display, and
    with a note of what turned out to need no change. Raises NotJudged where it fails, does another
    thing or is interrupted.
    """
    try:
        try:
            told = project.up(packs, show, _declared(now.plan), refresh=now.refreshed)
            done = events.read(told.events)
        except NotJudged as why:
            raise NotJudged(redactor(project.configuration())(str(why))) from None
    except KeyboardInterrupt:
        raise NotJudged(
            "interrupted: what was done until then is recorded; `pulumi preview` shows what is left"
        ) from None
    left = _left_as_they_are(now.plan, done)
    held_to = {urn: action for urn, action in _actions(now.plan).items() if urn not in left}
    differing = _unlike(held_to, _actions(done))
    if differing:
        raise NotJudged(
            f"what was applied is not what was reviewed: {differing}{_billing(now.plan, done)}; "
            "review again to see what there is by now"
        )
    if left:
        names = ", ".join(sorted(name_of(urn) for urn in left))
        show(f"note: left as they are, though the review has them change: {names}")


def _declared(plan: Plan) -> set[str]:
    """The URNs of what the program declares by this plan, without what it only looks up."""
    return {
        step.urn for step in plan.steps if step.action is not Action.DELETE and not step.foreign
    }


def _billing(plan: Plan, done: Plan) -> str:
    """The machines that were made and that the plan does not make, as a clause; empty where there
    is none."""
    foreseen = {step.urn for step in plan.machines if step.makes_something}
    made = [
        step.name for step in done.machines if step.makes_something and step.urn not in foreseen
    ]
    return f"; made by now, and billed: {', '.join(sorted(made))}" if made else ""


def _left_as_they_are(plan: Plan, done: Plan) -> set[str]:
    """The URNs of what was to change, and did not: a preview does not know what another resource
    will give it, which may be what it had."""
    changing = {step.urn for step in plan.steps if step.action in (Action.UPDATE, Action.REPLACE)}
    return {step.urn for step in done.steps if step.urn in changing and step.action is Action.SAME}


def _actions(plan: Plan) -> dict[str, str]:
    return {step.urn: step.action.value for step in plan.changing}


def _difference(reviewed: Reviewed, now: Review) -> str:
    differing = _unlike(reviewed.actions, _actions(now.plan))
    return (
        differing
        or _other_secrets(reviewed.secrets, now.secrets)
        or ("the same resources change, and their inputs or the stack's secrets differ")
    )


def _other_secrets(
    before: Mapping[str, Mapping[str, str]], after: Mapping[str, Mapping[str, str]]
) -> str:
    """The first few secret inputs with another value, as one clause; empty where there is none."""
    differing = sorted(
        f"{name} of {name_of(urn)}"
        for urn, prints in after.items()
        for name, each in prints.items()
        if urn in before and before[urn].get(name) != each
    )
    more = f" and {len(differing) - 3} more" if len(differing) > 3 else ""
    return f"the secret in {', '.join(differing[:3])}{more} is another" if differing else ""


def _unlike(before: Mapping[str, str], after: Mapping[str, str]) -> str:
    """The first few resources with another action, as one clause; empty where there is none. This
    package's own record of the stack is told of where nothing else differs."""
    differing = {urn for urn in {*before, *after} if before.get(urn) != after.get(urn)}
    own = {urn for urn in differing if type_of(urn) == OWNER}
    said = sorted(
        f"{'the record of the stack itself' if urn in own else name_of(urn)} "
        f"({_was(before, after, urn)}, now {after.get(urn, 'same')})"
        for urn in differing - own or own
    )
    more = f" and {len(said) - 3} more" if len(said) > 3 else ""
    return ", ".join(said[:3]) + more


def _was(before: Mapping[str, str], after: Mapping[str, str], urn: str) -> str:
    """What was to happen to a resource; what is made without having been to be, was not there."""
    return before.get(urn) or ("absent" if after.get(urn) == Action.CREATE else "same")
