"""Money, times and changes as a reader reads them."""

from __future__ import annotations

import re
from typing import Any
from unicodedata import category

from ..policies.configuration import FILE
from .money import Rate
from .plan import Change, Step

POLICY_CHANGED = f"This change alters `{FILE}`."
"""That a change alters the rules which judge it."""

JOINER = "\u200d"
_UNSEEN = frozenset({"Cc", "Cf"})  # controls, and marks of format

# Strings that are shown: ids of a catalog and words of the API. Any other could hold a secret.
_SHOWN = frozenset(
    {
        "gpu_model_id",
        "resource_size",
        "tier",
        "desired_state",
        "wait_for",
        "node_id",
        "template_id",
        "location",
        "region",
        "status",
    }
)


def rate(cents: int) -> str:
    """`$2.60`; with a minus where it is one."""
    sign = "-" if cents < 0 else ""
    return f"{sign}${abs(cents) / 100:,.2f}"


def change(cents: int) -> str:
    """`+$2.60`, `-$2.60` or `0`."""
    return "0" if cents == 0 else ("+" if cents > 0 else "") + rate(cents)


def total(of: Rate, times: int) -> str:
    """So many hours of a rate: a bound where that of a machine is unknown."""
    return ("at least " if of.unknown else "") + rate(of.known_cents * times)


def difference(before: Rate, after: Rate, times: int) -> str:
    """A bound where the rate of one side is known, and nothing where that of neither is, or where
    what is not known afterwards may eat up the saving."""
    more = after.known_cents - before.known_cents
    if after.unknown and (before.unknown or more < 0):
        return "unknown"
    bound = "at most " if before.unknown else "at least " if after.unknown else ""
    return bound + change(more * times)


def hours(count: float) -> str:
    """`45 minutes`, `7 hours`, `12 days`, `3 years`: rounded down."""
    for size, unit in ((24 * 365, "year"), (24, "day"), (1, "hour")):
        if count >= 2 * size or (unit == "hour" and count >= 1):
            return _counted(int(count // size), unit)
    return _counted(int(count * 60), "minute")


def lasts(count: float | None) -> str:
    """The same; None means that nothing uses the balance up."""
    return "indefinitely" if count is None else hours(count)


def _counted(count: int, unit: str) -> str:
    return f"{count:,} {unit}" + ("" if count == 1 else "s")


def forced(step: Step) -> str:
    """What forces a replacement: properties, as a list, or what asks for it without one."""
    if step.forced_by:
        return ", ".join(step.forced_by)
    if step.before is not None and step.before.tainted:
        return "`pulumi state taint`"
    return "an option of its program, such as `replacement_trigger`"


def said(changed: Change) -> str:
    """`gpu_count 1 → 2`, or the property alone where its values are not for showing."""
    before, after = _shown(changed, changed.before), _shown(changed, changed.after)
    if before is None or after is None:
        return changed.property
    return f"{changed.property} {before} → {after}"


def _shown(changed: Change, value: Any) -> str | None:
    if value is None:
        return "default"
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, (int, float)):
        return f"{value:g}"
    if isinstance(value, str) and changed.property in _SHOWN:
        return one_line(value, 40)
    return None


def one_line(text: str, longest: int = 240) -> str:
    """The text as it is seen, cut where it is too long."""
    line = seen(text)
    return line if len(line) <= longest else line[: longest - 1] + "…"


def seen(text: str) -> str:
    """The text on one line, without characters that nobody sees: some turn round what stands beside
    them. One of them joins the parts of an emoji, and stays."""
    kept = (c for c in text if c.isspace() or c == JOINER or category(c) not in _UNSEEN)
    return re.sub(r"\s+", " ", "".join(kept)).strip()
