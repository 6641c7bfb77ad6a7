"""The Pulumi CLI, ended with us.

It runs in a process group of its own. So a Ctrl-C in the terminal reaches it from here alone: once,
upon which it records what exists and ends what it has started. On a second one it drops everything.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import partial
from typing import IO, Any

from pulumi.automation import CommandResult, PulumiCommand
from pulumi.automation.errors import create_command_error

from .forges import FORGES

Hear = Callable[[str], Any] | None


def environment() -> dict[str, str]:
    """This process's, without the tokens that comments are posted with: the program that is run is
    what somebody asks to be reviewed."""
    tokens = {forge.token for forge in FORGES.values()}
    return {name: value for name, value in os.environ.items() if name not in tokens}


class Interruptible(PulumiCommand):
    """Where the SDK's own is interrupted, it leaves what it has started, and its threads fail."""

    def run(
        self,
        args: list[str],
        cwd: str,
        additional_env: Mapping[str, str],
        on_output: Hear = None,
        on_error: Hear = None,
    ) -> CommandResult:
        """As the SDK's. Each KeyboardInterrupt is passed on, and raised when the CLI has ended."""
        start = partial(
            subprocess.Popen[str],
            [self.command, "--non-interactive", *args],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=cwd,
            env={**environment(), **additional_env, "PULUMI_AUTOMATION_API": "true"},
            encoding="utf-8",
            process_group=0,
        )
        interrupted = False
        # In threads, since nothing can interrupt those halfway.
        with ThreadPoolExecutor(4) as aside:
            begun = aside.submit(start)
            out = aside.submit(lambda: _read(begun.result().stdout, on_output))
            err = aside.submit(lambda: _read(begun.result().stderr, on_error))
            ended: Future[int] = aside.submit(lambda: begun.result().wait())
            while not ended.done():
                try:
                    wait([ended])
                except KeyboardInterrupt:
                    interrupted = True
                    begun.result().send_signal(signal.SIGINT)
            result = CommandResult(out.result(), err.result(), ended.result())
        if interrupted:
            raise KeyboardInterrupt
        if result.code:
            raise create_command_error(result)
        return result


def _read(stream: IO[str] | None, hear: Hear) -> str:
    """All that a stream says. hear: called with each line as it comes."""
    assert stream is not None  # noqa: S101 - both are pipes
    lines = []
    with stream:
        for line in stream:
            lines.append(line.rstrip())
            if hear is not None:
                hear(lines[-1])
    return "\n".join(lines)
