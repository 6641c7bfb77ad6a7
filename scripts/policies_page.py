"""`make policies`: write the tables of docs/policies.md anew from the rules themselves."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pulumi_openrelay.policies import RULES, Configuration, Rule
from pulumi_openrelay.policies.of_reviews import OF_REVIEWS
from pulumi_openrelay.review import risk

PAGE = Path(__file__).resolve().parent.parent / "docs" / "policies.md"
PROFILES = ("development", "production", "regulated")
COMMON = ("stacks", "required")


def rendered(page: str) -> str:
    """The page with its tables as they should be; what stands around them is left as it is."""
    for name, table in {"rules": _rules, "settings": _settings, "reviews": _reviews}.items():
        begin, end = f"<!-- {name}: written by `make policies` -->", f"<!-- {name}: end -->"
        found = re.findall(f"{re.escape(begin)}.*?{re.escape(end)}", page, re.DOTALL)
        assert len(found) == 1, f"{PAGE} should have {begin} once"
        written = f"{begin}\n\n" + "\n".join(table()) + f"\n\n{end}"
        page = page.replace(found[0], written)
    return page


def _rules() -> Iterator[str]:
    yield f"| rule | what it asks for | severity | {' | '.join(PROFILES)} | from |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    for rule in RULES:
        levels = [str(Configuration(profile=profile).level(rule)) for profile in PROFILES]
        source = f"{rule.framework.name} {rule.framework.reference}"
        yield _row(f"`{rule.name}`", rule.description, rule.severity, *levels, source)


def _settings() -> Iterator[str]:
    yield "| rule | setting | what it says | default | elsewhere |"
    yield "| --- | --- | --- | --- | --- |"
    for rule in RULES:
        for name, field in rule.settings.model_json_schema()["properties"].items():
            development, default, regulated = (_value(rule, each, name) for each in PROFILES)
            others = {"development": development, "regulated": regulated}
            elsewhere = [f"{who}: {value}" for who, value in others.items() if value != default]
            if elsewhere or name not in COMMON:
                told = (field["description"], default, "; ".join(elsewhere))
                yield _row(f"`{rule.name}`", f"`{name}`", *told)


def _value(rule: Rule, profile: str, name: str) -> str:
    settings = Configuration(profile=profile).settings(rule)
    return _said(settings.model_dump(mode="json")[name])


def _said(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(f"`{each}`" for each in value)
    return f"`{value}`" if isinstance(value, str) else f"{round(value, 6):,}".removesuffix(".0")


def _reviews() -> Iterator[str]:
    yield f"| rule | what it asks for | severity | {' | '.join(PROFILES)} |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for rule in risk.RULES:
        effects = [str(rule.found(profile, "").effect) for profile in PROFILES]
        yield _row(f"`{rule.name}`", OF_REVIEWS[rule.name], rule.severity, *effects)
    yield ""
    factor, more = f"{risk.COST_JUMP_FACTOR:g}", f"${risk.COST_JUMP_CENTS / 100:.2f}"
    yield f"- `cost-jump`: the stack bills {factor} times what it did, or more, and {more} an hour"
    yield "  more at least."
    yield f"- `runway`: the balance lasts less than {risk.RUNWAY_HOURS:g} hours after the change."
    yield "- `capacity`: a machine that waits for capacity (`capacity_timeout`) only warns."


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def main() -> None:
    PAGE.write_text(rendered(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    print(f"policies: {PAGE}")


if __name__ == "__main__":
    main()
