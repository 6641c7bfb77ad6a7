"""One review, from a project's folder to everything that there is to say."""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import subprocess
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..policies import Configuration, fingerprint
from ..policies.configuration import FILE
from ..policies.cost import BALANCE_RUNWAY
from . import capacity, clear, events, market, money, renames, risk, rules, violations
from .findings import Effect, NotEvaluated, Reason
from .market import Market
from .plan import Plan, forget
from .preview import HIDDEN, NotJudged, Project
from .report import Review

# Short ones may be words that any sentence has.
_SECRET_VARIABLE = re.compile(r"(?i)(?:_key|token|password|secret|passphrase)$")
_SHORTEST, _SHORTEST_VARIABLE = 4, 8
_OBJECT = re.compile("[0-9a-f]{40,64}")
_PASSWORD_IN_URL = re.compile(r"""(://[^\s/:@]*:)[^\s"'`<>]+@""")
UNPRICED = "its rate is unknown"
UNASKED = "Relay's credits are not asked"
UNSURE = "whether it exists and bills already is not known in preview"
PRICED = frozenset({"machine-rate", "stack-rate", "monthly-budget", "balance-runway"})
"""Rules that cannot judge without the API's prices."""

StackConfiguration = Mapping[str, tuple[str, bool]]
"""A stack's configuration: each value in clear, and whether it is a secret."""


def review(
    project: Project,
    configuration: Configuration,
    *,
    drift: bool = False,
    packs: Sequence[Path] = (),
    key: str | None = None,
) -> Review:
    """Preview and judge. configuration: of the policies. drift: look first at what is really
    there. packs: the user's own policy packs. key: of the review whose secrets this one is
    compared with; None makes one.

    Raises NotJudged.
    """
    all_packs, own_key = [rules.pack(configuration), *packs], key or secrets.token_hex(32)
    with ThreadPoolExecutor(1) as aside:
        reading = aside.submit(project.configuration)
        asked = aside.submit(lambda: market.read(_getter(reading.result())))
        try:
            told = project.preview(all_packs, own_key, refresh=drift)
        except NotJudged as why:
            raise NotJudged(redactor(reading.result())(str(why))) from None
        values, found = reading.result(), asked.result()
    plan = events.read(told.events)
    if any(step.ends_something for step in plan.machines):
        plan = forget(plan, project.deleted_with())
    found = market.with_instances(found, plan, _getter(values))
    so_before = rules.before(plan, project.stack, configuration, found)
    prints = {
        event.resource_urn or "": fingerprint.read(event.message)
        for event in told.policies
        if event.policy_name == fingerprint.POLICY
    }
    said = violations.read(
        (event for event in told.policies if event.policy_name != fingerprint.POLICY),
        redactor(values),
        so_before,
    )
    _check_prices(said, found)
    judged = judge(
        Source(
            project.project,
            project.name,
            commit(project.folder),
            refreshed=drift,
            policy_changed=policy_changed(project.folder),
        ),
        plan,
        found,
        said,
        policies=configuration,
        configuration=values,
        ciphertexts=project.ciphertexts(),
    )
    bound = bound_secrets(plan, prints)
    sealed = None
    if bound and key is None:
        try:
            sealed = project.seal(own_key)
        except NotJudged:  # such as a role that may decrypt only; then `apply` cannot compare
            bound = {urn: dict.fromkeys(prints, "") for urn, prints in bound.items()}
    redact = redactor(values)
    accounts = {
        name: replace(each, url=each.url and redact(each.url))
        for name, each in market.accounts(plan, _getter(values)).items()
    }
    return replace(judged, secrets=bound, secrets_key=sealed, accounts=accounts)


def _check_prices(said: violations.Said, found: Market) -> None:
    """Raises NotJudged where a rule that stops the update needs prices, and the API is away."""
    away = found.unreadable.get("balance"), found.unreadable.get("capacity")
    blind = any(
        reason.unknown and reason.effect is Effect.BLOCK and reason.rule in PRICED
        for reason in said.reasons
    )
    if blind and all(away):
        raise NotJudged(f"its cost cannot be told: {away[0]}; review it again later")


def bound_secrets(
    plan: Plan, fingerprints: Mapping[str, Mapping[str, str]]
) -> dict[str, dict[str, str]]:
    """The fingerprints of the secret inputs of what changes, by URN and input. An empty one stands
    for what no fingerprint is known of."""
    return {
        step.urn: {name: fingerprints.get(step.urn, {}).get(name, "") for name in step.secrets}
        for step in plan.changing
        if step.secrets
    }


@dataclass(frozen=True, slots=True)
class Source:
    """What a plan is of. refreshed: whether it was made of what is really there. policy_changed:
    whether the change alters the rules' own configuration; None where git does not tell."""

    project: str
    stack: str
    commit: str | None
    refreshed: bool = False
    policy_changed: bool | None = None


def judge(
    source: Source,
    plan: Plan,
    found: Market,
    said: violations.Said,
    *,
    policies: Configuration,
    configuration: StackConfiguration,
    ciphertexts: Sequence[str] = (),
) -> Review:
    """Everything that there is to say about a plan.

    said: what the policies had to say. configuration: the stack's own.
    """
    profile = policies.profile
    renamed = renames.find(plan)
    rooms, unseen = capacity.look(plan, found)
    in_clear = [
        *clear.in_plan(plan),
        *clear.in_outputs(plan.outputs),
        *clear.in_configuration(configuration),
    ]
    before, after = money.before(plan), money.after(plan)
    name = source.stack.rsplit("/", 1)[-1]
    own = [
        *risk.endings(plan, renamed, profile),
        *risk.drift(plan, profile),
        *risk.secrets(in_clear, plan, profile),
        *risk.cost(plan, found.balance, profile),
        *risk.capacity(rooms, plan, profile),
        *risk.balance_runway(plan, found.balance, policies, name),
    ]
    own, used = rules.exempt(own, policies, name)
    exempt = {(each.rule, each.resource) for each in said.exemptions}
    used = [each for each in used if (each.rule, each.resource) not in exempt]
    reasons = sorted(_once(said.reasons, own), key=lambda reason: reason.order)
    unpriced = [NotEvaluated("rate", name, UNPRICED) for name in after.unknown]
    not_evaluated = [*said.not_evaluated, *unseen, *unpriced]
    if before.unknown:
        of = ", ".join(before.unknown)
        not_evaluated.append(NotEvaluated(risk.COST_JUMP.name, "", f"the rate of {of} is unknown"))
    made = [step for step in plan.machines if step.makes_something]
    if found.balance is None and any(step.is_on_balance for step in made):
        not_evaluated.append(NotEvaluated("runway", "", found.unreadable.get("balance", "")))
    for step in made:
        if not step.is_on_balance:
            not_evaluated.append(NotEvaluated("runway", step.name, UNASKED))
        elif step.may_exist:
            not_evaluated.append(NotEvaluated("runway", step.name, UNSURE))
    return Review(
        project=source.project,
        stack=source.stack,
        profile=profile,
        commit=source.commit,
        policy_changed=source.policy_changed,
        refreshed=source.refreshed,
        digest=bind(plan, ciphertexts),
        plan=plan,
        reasons=[reason for reason in reasons if reason.effect is not Effect.NOTE],
        notes=[reason for reason in reasons if reason.effect is Effect.NOTE],
        renames=renamed,
        before=before,
        after=after,
        balance=found.balance,
        rooms=rooms,
        exemptions=sorted({*said.exemptions, *used}),
        not_evaluated=sorted(set(not_evaluated)),
    )


def _once(said: Sequence[Reason], own: Sequence[Reason]) -> set[Reason]:
    """All reasons; of those that tell how long the balance lasts the gravest alone, and the
    review's own rather than the pack's, which cannot tell what bills already."""
    of_balance = [each for each in own if each.rule in (risk.RUNWAY.name, BALANCE_RUNWAY.name)]
    of_balance += [each for each in said if each.rule == BALANCE_RUNWAY.name and not each.unknown]
    told = min(of_balance, key=lambda each: list(Effect).index(each.effect), default=None)
    return {each for each in [*said, *own] if each is told or each not in of_balance}


def bind(plan: Plan, ciphertexts: Sequence[str]) -> str:
    """What a review is bound to, beside the fingerprints of secret inputs. ciphertexts: of the
    stack's configuration file, which tell that another secret stands there."""
    text = json.dumps([plan.content, sorted(ciphertexts)], sort_keys=True)
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def redactor(configuration: StackConfiguration) -> Callable[[str], str]:
    """What takes the stack's secrets, the environment's, and the passwords in URLs out of a text
    that somebody else wrote."""
    configured = {
        value for value, secret in configuration.values() if secret and len(value) >= _SHORTEST
    }
    given = {
        value
        for name, value in os.environ.items()
        if _SECRET_VARIABLE.search(name) and len(value) >= _SHORTEST_VARIABLE
    }
    secrets = sorted(configured | given, key=len, reverse=True)

    def redact(text: str) -> str:
        for secret in secrets:
            text = text.replace(secret, HIDDEN)
        return _PASSWORD_IN_URL.sub(rf"\1{HIDDEN}@", text)

    return redact


def commit(folder: Path) -> str | None:
    """The commit that is checked out, with `-dirty` where files differ from it; None outside of
    git."""
    return _git(folder, "describe", "--always", "--dirty", "--abbrev=40", "--match=") or None


def policy_changed(folder: Path, environment: Mapping[str, str] | None = None) -> bool | None:
    """Whether the rules' configuration differs from where the change began: the branch that the
    pipeline names as its target, or else the remote's main one. None where git does not tell, as
    in a clone without history, or of a link that leads out of it. environment: None means this
    process's."""
    env = os.environ if environment is None else environment
    target = env.get("GITHUB_BASE_REF") or env.get("CI_MERGE_REQUEST_TARGET_BRANCH_NAME") or "HEAD"
    base = _git(folder, "merge-base", f"refs/remotes/origin/{target}", "HEAD")
    if not base:
        return None
    differs = _git(folder, "diff", "--name-only", base, "--", FILE)
    if differs != "" or not (folder / FILE).is_symlink():
        return None if differs is None else bool(differs)
    # The link is as it was; what it leads to, through others too, may be another.
    follow = ("cat-file", "--batch-check=%(objectname)", "--follow-symlinks")
    before = _git(folder, *follow, given=f"{base}:./{FILE}")
    now = _git(folder, "hash-object", "--", FILE)
    if not before or not _OBJECT.fullmatch(before) or now is None:
        return None
    return before != now


def _git(folder: Path, *words: str, given: str = "") -> str | None:
    """What git says; None where it fails. given: what it reads."""
    try:
        done = subprocess.run(  # noqa: S603
            ["git", *words],  # noqa: S607
            cwd=folder,
            input=given,
            capture_output=True,
            text=True,
            check=True,
            timeout=20,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _getter(configuration: StackConfiguration) -> Callable[[str], Any]:
    return lambda key: configuration.get(key, (None, False))[0]
