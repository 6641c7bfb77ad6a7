"""A command as the caller of requests: configured by the environment, one sentence on failure."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click

from ..caller import Direct
from ..config import Get
from ..errors import RETRY, NoCredential, OpenRelayError
from ..lifecycle.sentences import Failed
from ..lifecycle.service import Service
from ..lifecycle.session import Session
from ..plugin import session


def console(name: str = "") -> Direct:
    """A caller that warns on stderr."""
    return Direct(lambda text: click.echo(f"warning: {text}", err=True), name)


def configured(service: Service, get: Get | None = None) -> Session:
    """A session by the environment, and by the stack's configuration where the command has one.

    get: reads that; None where it has none.
    """
    if get is not None:
        return session(get, service)
    try:
        return session(lambda _key: None, service)
    except NoCredential as missing:
        raise NoCredential(missing.what, f"set {service.name.upper()}_API_KEY") from None


@contextmanager
def one_sentence(before: str = "") -> Iterator[None]:
    """Let a failure end the command with its sentence and the code 1. before: what is said before
    one that names nothing itself."""
    try:
        yield
    except OpenRelayError as error:
        advice = (error.advice or "").replace(RETRY, "run the command again")
        said = "; ".join(part for part in (error.what, advice) if part)
        raise click.ClickException(before + said) from error
    except Failed as failure:
        raise click.ClickException(str(failure)) from failure
