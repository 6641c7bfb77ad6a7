"""A command as the caller of requests: it waits by itself, and talks on stderr."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event

import click

from ..errors import OpenRelayError
from ..lifecycle.sentences import Failed
from ..lifecycle.session import Session
from ..plugin import session


class Console:
    """What `caller.Call` asks for, at a terminal."""

    interrupted = False

    def __init__(self, name: str = "") -> None:
        self.name = name
        self.urn = ""
        self.timeout = 0.0
        self.deadline = math.inf

    def now(self) -> float:
        return time.monotonic()

    def time(self) -> float:
        return time.time()

    def wait(self, seconds: float, event: Event | None = None) -> None:
        (event or Event()).wait(seconds)

    def report(self, text: str) -> None:
        del text

    def warn(self, text: str) -> None:
        click.echo(f"warning: {text}", err=True)


def configured() -> Session:
    """A session by the environment alone: a command has no stack."""
    variables = {
        "openrelay:apiKey": "OPENRELAY_API_KEY",
        "openrelay:apiUrl": "OPENRELAY_API_URL",
        "openrelay:organizationId": "OPENRELAY_ORGANIZATION_ID",
    }
    return session(lambda key: None if key in variables else os.environ.get(key))


@contextmanager
def one_sentence() -> Iterator[None]:
    """Let a failure end the command with its sentence and the code 1."""
    try:
        yield
    except OpenRelayError as error:
        raise click.ClickException("; ".join(p for p in (error.what, error.advice) if p)) from error
    except Failed as failure:
        raise click.ClickException(str(failure)) from failure
