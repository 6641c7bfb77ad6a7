"""A review as the comment on a pull request: at most 39 lines, whatever the stack.

The fortieth is the forge's: a hidden mark by which the comment is found again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from ..policies.exemptions import EXPIRED
from . import words
from .findings import Effect, Exemption, NotEvaluated, Reason, Verdict
from .groups import MOST_NAMES, alike, natural, several
from .money import HOURS_PER_MONTH, Rate, rate_cents
from .plan import Action, Step
from .report import Review
from .risk import DRIFT, ENDINGS

LONGEST = 39
MOST_DELETIONS = 8
"""So many deletions alike have a line each."""
_ENDINGS = frozenset(rule.name for rule in ENDINGS)  # they stand with what ends
_MARKS = {Effect.BLOCK: "⛔ ", Effect.WARN: "⚠️ ", Effect.NOTE: ""}
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
        return f"{_sign(review)}: no resource changes in {_where(review)}.{_policy(review)}\n"
    sections = {
        "Changed by hand": _drift(review),
        "Deleted": _endings(review, Action.DELETE),
        "Replaced": _endings(review, Action.REPLACE),
        "Created": _creations(review),
        "Cost": _cost(review),
        "Capacity right now": _capacity(review),
        "Violations": _violations(review, review.reasons),
        "Worth knowing": _violations(review, review.notes),
        "Exemptions used": _lines(review.exemptions),
        "Not evaluated": _lines(_only_not_evaluated(review)),
    }
    lines = [f"### {_headline(review)}", "", _summary(review)]
    shown = _fit(sections, LONGEST - len(lines) - 2)
    for title, count in shown.items():
        lines += ["", f"**{title}**", *(f"- {line}" for line in sections[title][:count])]
    folded = {title: len(sections[title]) - count for title, count in shown.items()}
    return "\n".join(lines + _folded(folded, page_url)) + "\n"


def not_judged(why: str, stack: str, commit: str | None) -> str:
    """The comment where there is no verdict, so that an older one does not stand. why: one
    sentence without secrets."""
    at = f", commit {code(_short(commit))}" if commit else ""
    return f"### ⛔ Not judged: {escape(why, 400)}\n\nstack {code(stack)}{at}\n"


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


def _sign(review: Review) -> str:
    used = len(review.exemptions)
    count = f"; {used} exemption{'' if used == 1 else 's'} used" if used else ""
    return _SIGN[review.verdict] + count


def _headline(review: Review) -> str:
    if not review.reasons:
        unseen = len(review.not_evaluated)
        said = "" if review.exemptions else ": nothing speaks against it"
        return _sign(review) + said + (f"; {unseen} not evaluated" if unseen else "")
    top = review.reasons[0]
    group = next(each for each in _groups(review.reasons) if top in each)
    return f"{_SIGN[review.verdict]}: {_whose(review, group)}{escape(top.message, 200)}"


def _summary(review: Review) -> str:
    counts = [f"{n} {_DONE[a]}" for a in _DONE if (n := review.plan.count(a))]
    same = review.plan.count(Action.SAME)
    what = ", ".join(counts) or "no resource changes"
    unchanged = f", {same} unchanged" if same else ""
    return f"{_where(review)}: {what}{unchanged}.{_policy(review)}"


def _policy(review: Review) -> str:
    """That the change alters the rules which judge it."""
    return f" **{words.POLICY_CHANGED}**" if review.policy_changed else ""


def _where(review: Review) -> str:
    commit = f", commit {code(_short(review.commit))}" if review.commit else ""
    return f"stack {code(review.stack)} (profile {code(review.profile)}{commit})"


def _short(commit: str) -> str:
    """The commit's beginning; that files differ from it is not cut off."""
    return commit[:12] + ("-dirty" if commit.endswith("-dirty") else "")


def _endings(review: Review, action: Action) -> list[str]:
    """What ends, machines first, with what is held against it; those that differ in the name alone
    together. A deletion has a line of its own, unless there are very many alike."""
    held = {
        (reason.urn, reason.leftover): reason
        for reason in review.reasons
        if reason.own and reason.rule in _ENDINGS
    }

    def same(step: Step) -> tuple[str, ...]:
        reason = held.get((step.urn, step.leftover))
        against = _against(reason) if reason else ""
        return (step.noun, _why(review, step), review.loses(step), against)

    steps = sorted(
        (step for step in review.plan.resources if step.action is action),
        key=lambda step: (not step.is_machine, natural(step.name)),
    )
    lines = []
    for group in alike(steps, same):
        apart = action is Action.DELETE and len(group) <= MOST_DELETIONS
        for part in [[step] for step in group] if apart else [group]:
            noun, why, loses, against = same(part[0])
            who = several([step.name for step in part], escape(noun), code)
            loss = f"; **{loses}**" if loses else ""
            lines.append(f"{who}: {why}{loss}{against}")
    return lines


def _against(reason: Reason) -> str:
    fix = f" Fix: {escape(reason.fix, 160)}." if reason.fix else ""
    expired = reason.message.startswith(EXPIRED)
    more = f": {escape(reason.message)}" if expired else ""
    return f". {_MARKS[reason.effect]}{code(reason.rule)} ({reason.severity}){more}.{fix}"


def _why(review: Review, step: Step) -> str:
    forcing = [words.said(change) for change in step.changes if change.forces]
    return ", ".join(code(each) for each in forcing) or escape(review.because(step))


def _creations(review: Review) -> list[str]:
    """The machines that are created, with their rates."""

    def same(step: Step) -> tuple[str, int | None]:
        return step.noun, rate_cents(step.after) if step.after else None

    made = [step for step in review.plan.machines if step.action is Action.CREATE]
    lines = []
    for group in alike(sorted(made, key=lambda step: natural(step.name)), same):
        noun, cents = same(group[0])
        rate = "rate unknown" if cents is None else f"{words.rate(cents)} an hour"
        each = " each" if len(group) > 1 and cents is not None else ""
        lines.append(f"{several([s.name for s in group], escape(noun), code)}: {rate}{each}")
    return lines


def _drift(review: Review) -> list[str]:
    lines = [
        f"{code(step.name)} ({escape(step.noun)}) "
        + (
            "is gone"
            if step.action is Action.DELETE
            else ", ".join(code(words.said(change)) for change in step.changes)
        )
        for step in review.plan.drifted
    ]
    held = [reason for reason in review.reasons if reason.own and reason.rule == DRIFT.name]
    return [*lines, _against(held[0]).removeprefix(". ")] if held else lines


def _cost(review: Review) -> list[str]:
    before, after = review.before, review.after
    if before == after == Rate(0, ()):
        return []
    lines = [
        f"per {unit}: {words.total(after, times)}, before {words.total(before, times)}, "
        f"change {words.difference(before, after, times)}"
        for unit, times in (("hour", 1), ("month", HOURS_PER_MONTH))
    ]
    if review.balance is not None:
        balance = words.rate(review.balance.available_cents)
        lines.append(f"the balance of {balance} lasts {review.lasts()}")
    return lines


def _capacity(review: Review) -> list[str]:
    return [
        f"{escape(room.model)}{' (spot)' if room.spot else ''}: {room.wanted_gpus} wanted, "
        + (f"**{room.free_gpus} free**" if room.short else f"{room.free_gpus} free")
        for room in review.rooms
    ]


def _violations(review: Review, reasons: Sequence[Reason]) -> list[str]:
    """What no other section has: endings and drift say themselves what is held against them."""
    others = [r for r in reasons if not (r.own and r.rule in {*_ENDINGS, DRIFT.name})]
    return [_violation(review, group) for group in _groups(others)]


def _groups(reasons: Sequence[Reason]) -> list[list[Reason]]:
    """The reasons that differ only in the resource together."""
    return alike(reasons, lambda r: (r.rule, r.effect, r.severity, r.message, r.fix, r.unknown))


def _violation(review: Review, group: Sequence[Reason]) -> str:
    first = group[0]
    fix = f" Fix: {escape(first.fix, 160)}." if first.fix else ""
    return (
        f"{_MARKS[first.effect]}{code(first.rule)} ({first.severity}) "
        f"{_whose(review, group)}{escape(first.message, 240)}.{fix}"
    )


def _whose(review: Review, group: Sequence[Reason]) -> str:
    """The resources of a group, and what they are where they are many."""
    nouns = {step.urn: step.noun for step in review.plan.steps}
    kinds = {nouns.get(reason.urn, "") for reason in group}
    many = len(group) > MOST_NAMES and len(kinds) == 1
    return _who([reason.resource for reason in group], kinds.pop() if many else "")


def _only_not_evaluated(review: Review) -> list[NotEvaluated]:
    """What is not among the violations already."""
    told = {(r.rule, r.resource) for r in [*review.reasons, *review.notes] if r.unknown}
    return [each for each in review.not_evaluated if (each.rule, each.resource) not in told]


def _lines(found: Sequence[NotEvaluated | Exemption]) -> list[str]:
    return [
        f"{code(group[0].rule)} {_who([each.resource for each in group])}"
        f"{escape(group[0].message, 160)}"
        for group in alike(found, lambda each: (each.rule, each.message))
    ]


def _folded(counts: Mapping[str, int], page_url: str | None) -> list[str]:
    folded = [f"{count} of {title.lower()}" for title, count in counts.items() if count]
    said = f"Folded away: {', '.join(folded)}. " if folded else ""
    if page_url:
        return ["", f"{said}[The whole review]({page_url})"]
    return ["", f"{said}The JSON has all."] if said else []


def _who(resources: Sequence[str], noun: str = "") -> str:
    named = [each for each in resources if each]
    each = ", each" if len(named) > 1 else ""
    return f"{several(named, escape(noun), code)}{each}: " if named else ""


def code(text: str) -> str:
    """A word as it stands in a program; nobody is mentioned by it, and no markup works in it."""
    return f"`{words.one_line(text, 100).replace('`', chr(39)) or '?'}`"


def escape(text: str, longest: int = 200) -> str:
    """Text in which no link leads anywhere, nobody is mentioned, and no markup works but
    `code`."""
    parts = words.one_line(text, longest).split("`")
    if len(parts) % 2 == 0:  # an odd backtick is only a backtick
        parts[-2:] = [f"{parts[-2]}'{parts[-1]}"]
    return "".join(code(part) if place % 2 else _inert(part) for place, part in enumerate(parts))


def _inert(text: str) -> str:
    text = re.sub(r"([\\*\[\]<>|~#&]|(?<!\w)_|_(?!\w))", r"\\\1", text)
    text = re.sub(r"(?i)\b(www)\.", "\\1\u200b.", text)
    return text.replace("@", "@\u200b").replace("://", ":\u200b//")
