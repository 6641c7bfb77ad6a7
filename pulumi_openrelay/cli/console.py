"""A command as the caller of requests: configured by the environment, one sentence on failure."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click

from ..caller import Direct
from ..errors import OpenRelayError
from ..lifecycle.sentences import Failed
from ..lifecycle.service import Service
from ..lifecycle.session import Session
from ..plugin import session


def console(name: str = "") -> Direct:
    """A caller that warns on stderr."""
    return Direct(lambda text: click.echo(f"warning: {text}", err=True), name)


def configured(service: Service) -> Session:
    """A session by the environment alone: a command has no stack."""
    return session(lambda _key: None, service)


@contextmanager
def one_sentence() -> Iterator[None]:
    """Let a failure end the command with its sentence and the code 1."""
    try:
        yield
    except OpenRelayError as error:
        raise click.ClickException("; ".join(p for p in (error.what, error.advice) if p)) from error
    except Failed as failure:
        raise click.ClickException(str(failure)) from failure
