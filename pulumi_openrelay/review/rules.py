"""The policies' rules on a review: the pack with its configuration, and what was so before.

A review judges a change. An advisory rule that was violated before, in the same words, is told and
does not count; a mandatory one stops the update all the same.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from ..lifecycle.service import DYNAMIC
from ..policies import RULES, Configuration, Level, judge
from ..policies import configuration as configurations
from ..policies.exemptions import find as find_exemption
from ..policies.folder import ready
from ..policies.judge import today
from ..policies.reading import UNKNOWN, Balance, Chips, NotEvaluated, Resource, Stack
from .findings import Exemption, Reason
from .market import Market
from .plan import Mark, Plan, State
from .preview import NotJudged

T = TypeVar("T")
Told = tuple[str, str, str]
"""A rule, a resource's URN as it is after the change, empty of the stack as a whole, and what the
rule says of it. Resources under different parents may have one name."""


def configured(folder: Path, profile: str | None) -> Configuration:
    """The configuration of a project's rules. profile: wins over its own. Raises NotJudged."""
    if importlib.util.find_spec("pulumi_policy") is None:
        raise NotJudged("reviews need `pip install 'pulumi-openrelay[review]'`")
    try:
        found = configurations.find(folder, profile=profile)
        found.check(RULES)
    except configurations.WrongConfiguration as wrong:
        raise NotJudged(f"the configuration of the policies is wrong: {wrong}") from None
    return found


def pack(configuration: Configuration) -> Path:
    """The folder of the policy pack with this configuration. Raises NotJudged."""
    try:
        return ready(configuration)
    except OSError as error:
        raise NotJudged(f"the policy pack cannot be written: {error}") from None


def exempt(
    reasons: Iterable[Reason], configuration: Configuration, stack: str
) -> tuple[list[Reason], list[Exemption]]:
    """The reasons that are left when exemptions are taken into account, and those used.

    An expired one exempts nothing, and the reason says so.
    """
    left, used = [], []
    for reason in reasons:
        name = reason.resource or stack
        found = find_exemption(configuration.exemptions, reason.rule, name)
        if found is None:
            left.append(reason)
        elif today() > found.expires:
            said = found.describe(reason.message, expired=True)
            left.append(replace(reason, message=said))
        else:
            said = found.describe(reason.message, expired=False)
            used.append(Exemption(reason.rule, reason.resource, said))
    return left, used


def before(plan: Plan, stack: str, configuration: Configuration, market: Market) -> set[Told]:
    """What the rules say of the stack as it is."""
    account = _Account(market)
    resources = [
        Resource(
            step.type.removeprefix(DYNAMIC),
            step.name,
            step.urn,
            _plain(step.before),
            account=account,
        )
        for step in plan.steps
        if step.before is not None
    ]
    found = Stack(stack, resources, account)
    return {
        (rule.name, finding.resource.urn if finding.resource else "", finding.message.text)
        for rule in RULES
        if configuration.level(rule) is not Level.DISABLED
        for finding in judge(rule, configuration.settings(rule), found, configuration.exemptions)
    }


def _plain(state: State) -> dict[str, Any]:
    """The properties as rules read them: what is hidden, or not known, is unknown."""
    return {name: _read(value) for name, value in {**state.outputs, **state.inputs}.items()}


def _read(value: Any) -> Any:
    if isinstance(value, Mark):
        return UNKNOWN
    if isinstance(value, Mapping):
        return {key: _read(item) for key, item in value.items()}
    return [_read(item) for item in value] if isinstance(value, list) else value


class _Account:
    """The account of a stack, by what has been read for the review."""

    def __init__(self, market: Market) -> None:
        self._market = market

    def balance(self) -> Balance:
        return self._read("the balance", "balance", self._market.balance)

    def gpu_names(self) -> Mapping[str, str]:
        free = self._read("the GPU catalog", "capacity", self._market.free)
        return {model: each.name for model, each in free.items()}

    def instance_chips(self) -> Mapping[str, Chips]:
        return self._read("the catalog of instances", "instances", self._market.instance_chips)

    def _read(self, title: str, name: str, found: T | None) -> T:
        """What was read. Raises NotEvaluated, in the words of the pack."""
        if found is None:
            why = self._market.unreadable.get(name)
            raise NotEvaluated(f"{title} is not known" + (f": {why}" if why else ""))
        return found
