"""One review, from a project's folder to everything that there is to say."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..policies import Configuration
from . import capacity, clear, events, market, money, renames, risk, rules, violations
from .findings import Effect, NotEvaluated
from .market import Market
from .plan import Plan
from .preview import HIDDEN, NotJudged, Project
from .report import Review

# Not the passphrase, which may be a word that any sentence has.
_SECRET_VARIABLES = (
    "OPENRELAY_API_KEY",
    "RELAY_API_KEY",
    "RELAY_CUSTOMER_TOKEN",
    "PULUMI_ACCESS_TOKEN",
)
UNPRICED = "nobody can tell what it costs"

StackConfiguration = Mapping[str, tuple[str, bool]]
"""A stack's configuration: each value in clear, and whether it is a secret."""


def review(project: Project, configuration: Configuration, *, drift: bool = False) -> Review:
    """Preview and judge. configuration: of the policies. drift: look first at what is really
    there.

    Raises NotJudged.
    """
    pack = rules.pack(configuration)
    with ThreadPoolExecutor(1) as aside:
        reading = aside.submit(project.configuration)
        asked = aside.submit(lambda: market.read(_getter(reading.result())))
        try:
            told = project.preview(pack, refresh=drift)
        except NotJudged as why:
            raise NotJudged(redactor(reading.result())(str(why))) from None
        values, found = reading.result(), asked.result()
    plan = events.read(told.events)
    so_before = rules.before(plan, project.stack, configuration, found)
    return judge(
        Source(project.project, project.name, commit(project.folder), refreshed=drift),
        plan,
        found,
        violations.read(told.policies, redactor(values), so_before),
        policies=configuration,
        configuration=values,
        ciphertexts=project.ciphertexts(),
    )


@dataclass(frozen=True, slots=True)
class Source:
    """What a plan is of. refreshed: whether it was made of what is really there."""

    project: str
    stack: str
    commit: str | None
    refreshed: bool = False


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
    own = [
        *risk.endings(plan, renamed, profile),
        *risk.drift(plan, profile),
        *risk.secrets(in_clear, plan, profile),
        *risk.cost(plan, found.balance, profile),
        *risk.capacity(rooms, plan, profile),
    ]
    own, used = rules.exempt(own, policies, source.stack.rsplit("/", 1)[-1])
    reasons = sorted({*said.reasons, *own}, key=lambda reason: reason.order)
    unpriced = [NotEvaluated("rate", name, UNPRICED) for name in money.after(plan).unknown]
    not_evaluated = [*said.not_evaluated, *unseen, *unpriced]
    if found.balance is None and any(step.makes_something for step in plan.machines):
        not_evaluated.append(NotEvaluated("runway", "", found.unreadable.get("balance", "")))
    return Review(
        project=source.project,
        stack=source.stack,
        profile=profile,
        commit=source.commit,
        refreshed=source.refreshed,
        digest=bind(plan, ciphertexts),
        plan=plan,
        reasons=[reason for reason in reasons if reason.effect is not Effect.NOTE],
        notes=[reason for reason in reasons if reason.effect is Effect.NOTE],
        renames=renamed,
        before=money.before(plan),
        after=money.after(plan),
        balance=found.balance,
        rooms=rooms,
        exemptions=sorted({*said.exemptions, *used}),
        not_evaluated=sorted(set(not_evaluated)),
    )


def bind(plan: Plan, ciphertexts: Sequence[str]) -> str:
    """What a review is bound to. The engine hides the values of secrets, so that another secret
    makes the same plan: their ciphertexts tell."""
    text = json.dumps([plan.content, sorted(ciphertexts)], sort_keys=True)
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def redactor(configuration: StackConfiguration) -> Callable[[str], str]:
    """What takes the stack's secrets, and the environment's, out of a text that somebody else
    wrote."""
    configured = {value for value, secret in configuration.values() if secret}
    given = {os.environ.get(name, "") for name in _SECRET_VARIABLES}
    secrets: Iterable[str] = sorted(
        {value for value in configured | given if len(value) >= 4},
        key=len,
        reverse=True,
    )

    def redact(text: str) -> str:
        for secret in secrets:
            text = text.replace(secret, HIDDEN)
        return text

    return redact


def commit(folder: Path) -> str | None:
    """The commit that is checked out, with `-dirty` where files differ from it; None outside of
    git."""
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=40", "--match="],  # noqa: S607
            cwd=folder,
            capture_output=True,
            text=True,
            check=True,
            timeout=20,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None


def _getter(configuration: StackConfiguration) -> Callable[[str], Any]:
    return lambda key: configuration.get(key, (None, False))[0]
