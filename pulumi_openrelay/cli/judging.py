"""Commands whose codes are verdicts."""

from __future__ import annotations

import signal
from typing import Any

import click


class _Misused(click.UsageError):
    exit_code = 1


class Judging(click.Command):
    """A command whose codes are verdicts: one that is called wrongly, or interrupted, ends with 1,
    as it could not judge."""

    def make_context(self, *arguments: Any, **options: Any) -> click.Context:
        try:
            return super().make_context(*arguments, **options)
        except click.UsageError as error:
            raise _Misused(error.format_message(), error.ctx) from None

    def invoke(self, ctx: click.Context) -> Any:
        # What ends us ends the CLI too, which is in a process group of its own.
        for number in (signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is signal.SIG_DFL:
                signal.signal(number, signal.default_int_handler)
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise click.ClickException("interrupted, and nothing was changed") from None
