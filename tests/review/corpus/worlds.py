"""The bases, each really up in a world of its own; reviews change neither."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any
from unittest.mock import patch

from pulumi_openrelay.emulator import ServedWorld, serve
from pulumi_openrelay.review import markdown, page, rules, sarif
from pulumi_openrelay.review.preview import Project
from pulumi_openrelay.review.report import Review
from pulumi_openrelay.review.run import review
from tests.engine.support import Stack

from . import PullRequest
from .bases import BASES, KEYS


@dataclass(frozen=True)
class Outcome:
    """What a review said of a pull request, and what that took."""

    review: Review
    comment: str
    seconds: float
    renderings: str
    """Comment, JSON, SARIF and page, one after the other."""

    @property
    def lines(self) -> int:
        return len(self.comment.splitlines())

    @property
    def top(self) -> tuple[str, str, str]:
        """The verdict, and the rule and resource of the reason that matters most."""
        first = self.review.reasons[0] if self.review.reasons else None
        return (
            self.review.verdict.value,
            first.rule if first else "",
            first.resource if first else "",
        )


class Worlds(AbstractContextManager["Worlds"]):
    """Brings each base up when it is first asked for. folder: where the projects are."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stacks: dict[str, Stack] = {}
        self._opened = ExitStack()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._opened.close()

    def review(self, request: PullRequest) -> Outcome:
        """Review a pull request; afterwards the world is as it was."""
        stack = self._stack(request.base)
        stack.write(KEYS + request.program(BASES[request.base]))
        (stack.folder / "openrelay-policy.json").write_text(json.dumps(request.policy))
        with _circumstances(stack, request), patch.dict(os.environ, stack.environment):
            began = time.monotonic()
            project = Project(stack.folder, stack.name)
            policies = rules.configured(stack.folder, request.profile)
            found = review(project, policies, drift=request.drift)
            comment = markdown.render(found)
            seconds = time.monotonic() - began
            others = (found.to_json(), sarif.render(found, stack.folder), page.render(found))
            return Outcome(found, comment, seconds, "\n".join([comment, *others]))

    def _stack(self, base: str) -> Stack:
        if base not in self._stacks:
            cloud = self._opened.enter_context(serve(provision_seconds=0.1))
            cache = {"XDG_CACHE_HOME": str(self._folder / "cache")}
            stack = Stack(self._folder / base, cloud, environment=cache)
            done = stack.up(KEYS + BASES[base])
            assert done.code == 0, done.text
            self._stacks[base] = stack
        return self._stacks[base]


@contextmanager
def _circumstances(stack: Stack, request: PullRequest) -> Iterator[None]:
    """The world and the configuration in which a pull request is reviewed."""
    cloud = stack.cloud
    before = _call(cloud, "GET", None)
    for key, value in request.config.items():
        stack.run("config", "set", key, value, "--plaintext", "--stack", stack.name)
    if request.settings:
        _call(cloud, "PATCH", dict(request.settings))
    if request.by_hand is not None:
        request.by_hand(cloud)
    try:
        yield
    finally:
        if request.undo is not None:
            request.undo(cloud)
        if request.settings:
            _call(cloud, "PATCH", {name: before[name] for name in request.settings})
        for key in request.config:
            stack.run("config", "rm", key, "--stack", stack.name)


def _call(cloud: ServedWorld, method: str, body: Any) -> dict[str, Any]:
    answer = cloud.world.call(method, "/_emulator/settings", body)
    assert answer.status < 300, answer.body
    settings: dict[str, Any] = answer.json()
    return settings
