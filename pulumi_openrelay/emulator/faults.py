"""Faults on order: what goes wrong with which request, how often.

A rule is a JSON object:

    {"match": {"method": "POST", "path_regex": "/vms/create$", "nth": 2},
     "times": 1, "skip": 0, "probability": 1.0,
     "action": "lose_answer"}

`match` may leave out either part; the regex is searched in the path. `times` is
how many requests it takes (1 by default, null for ever), after `skip` matching
ones went by; `nth` says the same for a single one, counted from 1. Each request
is taken by the first rule that wants it, but every matching rule counts it.

`action` is a name, or an object `{"type": name, …}` with details:

- `status`: answer `status` (503) with `body`, or the error envelope with `error`
  and `code`, and `headers` such as `{"Retry-After": "1"}`; the work is not done.
- `lose_answer`: do the work, then drop the connection without an answer.
- `drop`: drop the connection; the work is not done.
- `delay`: wait `seconds` (1) `"when": "before"` the work, or `"after"` it.
- `error_after_work`: do the work, then answer as `status` does (502).
- `invalid_json`, `html`: such a body with `status` (200, 502), after the work if
  `"work": true`.

Every other action takes `seconds` too: how long the caller waits for it.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

from .json_values import fits
from .wire import Answer, Request, json_answer

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Mapping

_DEFAULT_STATUS = {"status": 503, "error_after_work": 502, "invalid_json": 200, "html": 502}
_VALUE = r"([!-~]([ -~]*[!-~])?)?"  # of a header: printable, without space around it
ACTIONS = frozenset({*_DEFAULT_STATUS, "lose_answer", "drop", "delay"})


@dataclass(frozen=True, slots=True)
class Action:
    """What a rule does; fields that its type has no use for are left alone."""

    type: str
    status: int | None = None
    body: Any = None  # None is the error envelope
    error: str = "A fault on order."
    code: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    when: str = "before"
    work: bool = False

    def __post_init__(self) -> None:
        if self.type not in ACTIONS:
            raise ValueError(f"There is no action {self.type}; there are {sorted(ACTIONS)}.")
        for one in fields(self):
            if not fits(getattr(self, one.name), str(one.type)):
                raise TypeError(f"{one.name} is of type {one.type}")
        if self.status is not None and not 200 <= self.status <= 599:
            raise TypeError("status is from 200 to 599")
        if self.seconds < 0 or self.when not in ("before", "after"):
            raise TypeError("seconds are not negative, and when is before or after")
        for name, value in self.headers.items():
            if not re.fullmatch(r"[\w-]+", name, re.ASCII) or not re.fullmatch(_VALUE, value):
                raise TypeError(f"{name} is no header that could be sent")

    def apply(self, work: Callable[[], Answer], envelope: Callable[..., Any]) -> Answer:
        """The answer of a request that this befalls; `work` does what it asked for.

        `envelope` makes the service's error body of a status, a sentence and a code.
        """
        if self.type == "delay" and self.when == "before":
            return Answer(0, delay_seconds=self.seconds or 1.0, later=work)
        if self.type == "delay":
            return replace(work(), delay_seconds=self.seconds or 1.0)
        if self.type in ("lose_answer", "error_after_work") or self.work:
            work()
        return replace(self._answer(envelope), delay_seconds=self.seconds)

    def _answer(self, envelope: Callable[..., Any]) -> Answer:
        status = self.status or _DEFAULT_STATUS.get(self.type, 0)
        match self.type:
            case "drop" | "lose_answer":
                return Answer(0, drop=True)
            case "invalid_json":
                return Answer(status, b'{"id": "0f', {"content-type": "application/json"})
            case "html":
                page = f"<html><body><h1>{status}</h1>{self.error}</body></html>"
                return Answer(status, page.encode(), {"content-type": "text/html"})
            case _:
                body = self.body
                if body is None:
                    body = envelope(status, self.error, self.code)
                return json_answer(status, body, self.headers)


@dataclass(slots=True)
class Rule:
    """A rule and how often it was met: `seen` requests matched, `hits` of them it took."""

    id: int
    method: str | None
    path_regex: str
    times: int | None
    skip: int
    probability: float
    action: Action
    seen: int = 0
    hits: int = 0

    def __post_init__(self) -> None:
        counts = isinstance(self.times, int | None) and isinstance(self.skip, int)
        if not counts or not isinstance(self.probability, int | float):
            raise TypeError("times, skip, nth and probability are numbers")

    def matches(self, request: Request) -> bool:
        return self.method in (None, request.method) and bool(
            re.search(self.path_regex, request.path)
        )

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


class Faults:
    """The rules of one world, in the order they were added. Kept in memory only."""

    def __init__(self, chance: random.Random) -> None:
        self.rules: list[Rule] = []
        self._chance = chance
        self._added = 0

    def add(self, rule: Mapping[str, Any]) -> Rule:
        """Add a rule in the form that this module describes; ValueError says what is wrong."""
        match = rule.get("match", {})
        unknown = {*rule} - {"match", "times", "skip", "probability", "action"}
        unknown |= {*match} - {"method", "path_regex", "nth"}
        if unknown or "action" not in rule:
            raise ValueError(f"A rule needs an action and has no {sorted(unknown)}.")
        action: dict[str, Any] | str = rule["action"]
        details: dict[str, Any] = {"type": action} if isinstance(action, str) else action
        nth = match.get("nth")
        try:
            added = Rule(
                id=self._added + 1,
                method=match["method"].upper() if "method" in match else None,
                path_regex=re.compile(match.get("path_regex", "")).pattern,
                times=1 if nth is not None else rule.get("times", 1),
                skip=nth - 1 if nth is not None else rule.get("skip", 0),
                probability=rule.get("probability", 1.0),
                action=Action(**details),
            )
        except (TypeError, AttributeError, re.error) as error:
            raise ValueError(f"The rule is wrong: {error}.") from error
        self._added += 1
        self.rules.append(added)
        return added

    def lose_answer(self, method: str, path_regex: str, *, times: int | None = 1) -> Rule:
        return self._add_simple(method, path_regex, times, "lose_answer")

    def drop(self, method: str, path_regex: str, *, times: int | None = 1) -> Rule:
        return self._add_simple(method, path_regex, times, "drop")

    def status(
        self, status: int, method: str, path_regex: str, *, times: int | None = 1, **details: Any
    ) -> Rule:
        """`details` are the other fields of the action: code, headers, body, …"""
        action = {"type": "status", "status": status, **details}
        return self._add_simple(method, path_regex, times, action)

    def clear(self) -> None:
        self.rules.clear()

    def take(self, request: Request) -> Rule | None:
        """The rule that takes this request, counted; None lets it through."""
        taken = None
        for rule in self.rules:
            if not rule.matches(request):
                continue
            rule.seen += 1
            if (
                taken is None
                and rule.seen > rule.skip
                and (rule.times is None or rule.hits < rule.times)
                and (rule.probability >= 1 or self._chance.random() < rule.probability)
            ):
                rule.hits += 1
                taken = rule
        return taken

    def _add_simple(
        self, method: str, path_regex: str, times: int | None, action: str | dict[str, Any]
    ) -> Rule:
        match = {"method": method, "path_regex": path_regex}
        return self.add({"match": match, "times": times, "action": action})
