"""A review as the comment on a pull request: at most 39 lines, whatever the stack.

The fortieth is the forge's: a hidden mark by which the comment is found again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from . import words
from .findings import Effect, Reason, Verdict
from .money import HOURS_PER_MONTH
from .plan import Action, Step
from .report import Review

LONGEST = 39
_SIGN = {Verdict.PASS: "✅ Pass", Verdict.WARN: "⚠️ Warning", Verdict.BLOCK: "⛔ Blocked"}
_DONE = {
    Action.REPLACE: "to replace",
    Action.DELETE: "to delete",
    Action.CREATE: "to create",
    Action.UPDATE: "to change in place",
}


def render(review: Review, page_url: str | None = None) -> str:
    """The comment, with a newline at its end. page_url: where the page with everything is."""
    if not review.changes_something and review.verdict is Verdict.PASS:
        return f"✅ Pass: no resource changes in {_where(review)}.\n"
    sections = {
        "Changed by hand": _drift(review),
        "Replaced and deleted": _endings(review),
        "Cost": _cost(review),
        "Capacity right now": _capacity(review),
        "Violations": [_violation(reason) for reason in review.reasons],
        "Worth knowing": [_violation(reason) for reason in review.notes],
        "Exemptions used": [_line(e.rule, e.resource, e.message) for e in review.exemptions],
        "Not evaluated": [_line(n.rule, n.resource, n.message) for n in review.not_evaluated],
    }
    lines = [f"### {_headline(review)}", "", _summary(review)]
    shown = _fit(sections, LONGEST - len(lines) - 2)
    for title, count in shown.items():
        lines += ["", f"**{title}**", *(f"- {line}" for line in sections[title][:count])]
    folded = {title: len(sections[title]) - count for title, count in shown.items()}
    return "\n".join(lines + _folded(folded, page_url)) + "\n"


def _fit(sections: Mapping[str, Sequence[str]], room: int) -> dict[str, int]:
    """How many lines each section shows, where so many are left: in turns, until none is left. A
    section takes two for itself."""
    shown = {title: 0 for title, lines in sections.items() if lines}
    room -= 2 * len(shown)
    while room > 0 and any(count < len(sections[title]) for title, count in shown.items()):
        for title in shown:
            if room > 0 and shown[title] < len(sections[title]):
                shown[title] += 1
                room -= 1
    return shown


def _headline(review: Review) -> str:
    sign = _SIGN[review.verdict]
    if not review.reasons:
        unseen = len(review.not_evaluated)
        return f"{sign}: nothing speaks against it" + (
            f"; {unseen} not evaluated" if unseen else ""
        )
    top = review.reasons[0]
    return f"{sign}: {_who(top.resource)}{escape(top.message, 200)}"


def _summary(review: Review) -> str:
    counts = [f"{n} {_DONE[a]}" for a in _DONE if (n := review.plan.count(a))]
    same = review.plan.count(Action.SAME)
    what = ", ".join(counts) or "no resource changes"
    return f"{_where(review)}: {what}" + (f", {same} unchanged." if same else ".")


def _where(review: Review) -> str:
    commit = f", commit {code(review.commit[:12])}" if review.commit else ""
    return f"stack {code(review.stack)} (profile {review.profile}{commit})"


def _endings(review: Review) -> list[str]:
    machines_first = sorted(
        (step for step in review.plan.steps if step.ends_something),
        key=lambda step: not step.is_machine,
    )
    return [_ending(review, step) for step in machines_first]


def _drift(review: Review) -> list[str]:
    return [
        f"{code(step.name)} ({escape(step.noun)}) "
        + (
            "is gone"
            if step.action is Action.DELETE
            else ", ".join(code(words.said(change)) for change in step.changes)
        )
        for step in review.plan.drifted
    ]


def _ending(review: Review, step: Step) -> str:
    loses = review.loses(step)
    loss = f"; **{loses}**" if loses else ""
    if step.action is Action.REPLACE:
        forcing = [words.said(change) for change in step.changes if change.forces]
        why = ", ".join(code(each) for each in forcing) or escape(review.because(step))
        return f"{code(step.name)} ({escape(step.noun)}) is replaced: {why}{loss}"
    return (
        f"{code(step.name)} ({escape(step.noun)}) is deleted: {escape(review.because(step))}{loss}"
    )


def _cost(review: Review) -> list[str]:
    before, after = review.before, review.after
    at_least = "at least " if before.unknown or after.unknown else ""
    more = after.known_cents - before.known_cents
    lines = [
        f"per {unit}: {at_least}{words.rate(after.known_cents * times)}, "
        f"before {words.rate(before.known_cents * times)}, change {words.change(more * times)}"
        for unit, times in (("hour", 1), ("month", HOURS_PER_MONTH))
    ]
    if before.known_cents == after.known_cents == 0 and not at_least:
        lines = []
    burn = review.burn()
    if lines and review.balance is not None and burn is not None:
        runway = [review.balance.hours(each) for each in burn]
        then, now = map(words.lasts, runway)
        lines.append(
            f"the balance of {words.rate(review.balance.available_cents)} lasts {now}"
            + ("" if then == now else f", before {then}")
        )
    return lines


def _capacity(review: Review) -> list[str]:
    return [
        f"{escape(room.model)}{' (spot)' if room.spot else ''}: "
        + (
            f"**{escape(room.short)}**"
            if room.short
            else f"{room.wanted_gpus} wanted, {room.free_gpus} free"
        )
        for room in review.rooms
    ]


def _violation(reason: Reason) -> str:
    mark = {Effect.BLOCK: "⛔ ", Effect.WARN: "⚠️ ", Effect.NOTE: ""}[reason.effect]
    fix = f" Fix: {escape(reason.fix, 160)}." if reason.fix else ""
    return (
        f"{mark}{code(reason.rule)} ({reason.severity}) "
        f"{_who(reason.resource)}{escape(reason.message, 240)}.{fix}"
    )


def _line(rule: str, resource: str, message: str) -> str:
    return f"{code(rule)} {_who(resource)}{escape(message, 160)}"


def _folded(counts: Mapping[str, int], page_url: str | None) -> list[str]:
    folded = [f"{count} of {title.lower()}" for title, count in counts.items() if count]
    said = f"Folded away: {', '.join(folded)}. " if folded else ""
    if page_url:
        return ["", f"{said}[The whole review]({page_url})"]
    return ["", f"{said}The JSON has all."] if said else []


def _who(resource: str) -> str:
    return f"{code(resource)}: " if resource else ""


def code(text: str) -> str:
    """A word as it stands in a program; nobody is mentioned by it, and no markup works in it."""
    return f"`{words.one_line(text, 100).replace('`', chr(39))}`"


def escape(text: str, longest: int = 200) -> str:
    """Text in which no link leads anywhere, nobody is mentioned, and no markup works but
    `code`."""
    parts = words.one_line(text, longest).split("`")
    if len(parts) % 2 == 0:  # an odd backtick is only a backtick
        parts[-2:] = [f"{parts[-2]}'{parts[-1]}"]
    return "".join(code(part) if place % 2 else _inert(part) for place, part in enumerate(parts))


def _inert(text: str) -> str:
    text = re.sub(r"([\\*\[\]<>|~#]|(?<!\w)_|_(?!\w))", r"\\\1", text)
    return text.replace("@", "@\u200b").replace("://", ":\u200b//")
