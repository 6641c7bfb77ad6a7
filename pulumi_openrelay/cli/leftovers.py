"""`pulumi-openrelay leftovers`: machines that a stack made and its state does not record."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

import pulumi_openrelay.relay  # noqa: F401 - registers its kinds

from ..errors import Misconfigured, NotFound
from ..lifecycle import naming
from ..lifecycle.declare import KINDS, Kind, Row
from ..lifecycle.remote import describe
from .console import configured, console, one_sentence

OWNER = "pulumi-python:dynamic/openrelay:Owner"
FOUND = 2


@click.command()
@click.option("--stack", required=True, help="The stack.")
@click.option(
    "--cwd",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=Path(),
    help="The project's folder. Default: this one.",
)
def leftovers(stack: str, cwd: Path) -> None:
    """List machines that the stack made and its state does not record.

    A run that is killed between a create and its record leaves one; the next `pulumi up` finds it,
    unless the program has changed meanwhile. Ends with 2 where there are some. Nothing is ended.
    """
    resources = _state(stack, cwd).get("deployment", {}).get("resources", [])
    owners = [str(r.get("id")) for r in resources if r.get("type") == OWNER]
    recorded = {str(r.get("id")) for r in resources}
    found = [line for owner in owners for line in _unrecorded(owner, recorded)]
    for line in found:
        click.echo(line)
    sys.exit(FOUND if found else 0)


def _unrecorded(owner: str, recorded: set[str]) -> list[str]:
    """A line for each machine that carries the owner's mark and has none of the recorded ids."""
    lines: list[str] = []
    for kind in KINDS.values():
        if kind.bills:
            lines += [
                f"{kind.noun} {kind.called(row)} ({row['id']}, {describe(row)}{_cost(kind, row)})"
                for row in _rows(kind)
                if naming.is_of_stack(owner, str(kind.called(row)))
                and kind.lives(row)
                and row["id"] not in recorded
            ]
    return lines


def _rows(kind: Kind) -> list[Row]:
    """All that there are of a kind; none where its service is not configured or has no such API."""
    caller = console()
    with one_sentence(), suppress(Misconfigured, NotFound):
        rows, _ = configured(kind.service).rows(caller, kind.listed, caller.now())
        return list(rows.values())
    return []


def _cost(kind: Kind, row: Row) -> str:
    rate = kind.rate(row)
    return f", {rate} cents an hour" if rate is not None else ""


def _state(stack: str, cwd: Path) -> dict[str, Any]:
    done = subprocess.run(  # noqa: S603
        ["pulumi", "stack", "export", "--stack", stack, "--non-interactive"],  # noqa: S607
        cwd=cwd,
        env=os.environ,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise click.ClickException(done.stderr.strip().removeprefix("error: "))
    state: dict[str, Any] = json.loads(done.stdout)
    return state
