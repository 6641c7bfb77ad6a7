"""What the unit tests share: a caller whose clock we turn, a wire that answers as it is told."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from threading import Event
from typing import Any

from pulumi_openrelay.api.client import Client
from pulumi_openrelay.api.openrelay import OpenRelay
from pulumi_openrelay.api.transport import WireAnswer, WireRequest
from pulumi_openrelay.caller import Caller
from pulumi_openrelay.config import Settings
from pulumi_openrelay.errors import Interrupted

KEY = "or_swordfish"
URL = "https://api.example.com"
OPENRELAY = Settings(KEY, "the test", URL, "org_1", 9)


@dataclass
class Hand:
    """A caller that never sleeps: waiting puts its clock forward, and is remembered."""

    seconds: float = 1000.0
    deadline: float = math.inf
    interrupted: bool = False
    urn: str = "urn:pulumi:dev::p::pulumi-python:dynamic/openrelay:Vm::it"
    name: str = "it"
    timeout: float = 0.0
    waits: list[float] = field(default_factory=list)
    reports: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def now(self) -> float:
        return self.seconds

    def time(self) -> float:
        return self.seconds

    def wait(self, seconds: float, event: Event | None = None) -> None:
        del event
        if self.interrupted:
            raise Interrupted
        self.waits.append(seconds)
        self.seconds += seconds

    def report(self, text: str) -> None:
        self.reports.append(text)

    def warn(self, text: str) -> None:
        self.warnings.append(text)


@dataclass
class Wire:
    """Answers each request with the next of these; an exception among them is raised. The last
    one answers for ever."""

    answers: list[WireAnswer | Exception]
    sent: list[WireRequest] = field(default_factory=list)
    times: list[float] = field(default_factory=list)

    def send(self, request: WireRequest, caller: Caller) -> WireAnswer:
        self.sent.append(request)
        self.times.append(caller.now())
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            # A new one each time: who catches it may add to it.
            raise type(answer)(*answer.args)
        return answer


def answer(status: int = 200, body: Any = None, **headers: str) -> WireAnswer:
    """body: bytes as they are, None for none, anything else as JSON."""
    content = (
        body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    )
    return WireAnswer(status, {k.replace("_", "-"): v for k, v in headers.items()}, content)


def refusal(status: int, code: str | None = None, **headers: str) -> WireAnswer:
    """OpenRelay's error envelope."""
    body = {"error": "A sentence.", "code": code} if code else {"error": "A sentence."}
    return answer(status, body, **headers)


def client(*answers: WireAnswer | Exception, **options: Any) -> tuple[Client, Wire]:
    """A client of OpenRelay over a wire with these answers."""
    wire = Wire(list(answers))
    options = {"max_retries": 9, **options}
    return Client(URL, OpenRelay(OPENRELAY), wire, **options), wire


def spread(numbers: Iterable[float]) -> list[float]:
    """Rounded, for comparisons of sums of fractions."""
    return [round(number, 6) for number in numbers]
