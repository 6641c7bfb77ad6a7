"""`pulumi-openrelay leftovers`: machines that a stack made and its state does not record."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import click

import pulumi_openrelay.relay  # noqa: F401 - registers its kinds

from ..errors import NoCredential, NotFound
from ..lifecycle import naming
from ..lifecycle.declare import KINDS, Kind, Row
from ..lifecycle.discreet import DiscreetCall
from ..lifecycle.fields import ORGANIZATION
from ..lifecycle.remote import Remote
from ..lifecycle.sentences import Failed, sentence
from ..lifecycle.service import DYNAMIC, SERVICES, Service
from ..lifecycle.session import Session
from ..lifecycle.unrecorded import called, may_be_unrecorded
from ..review.preview import NO_PROJECT, NO_PULUMI, is_project
from ..urn import name_of
from .console import configured, console, one_sentence
from .judging import Judging

OWNER = f"{DYNAMIC}openrelay:Owner"
FOUND = 2
NO_OWNER = (
    "nothing can be told: the state has no mark of this stack, as before the first `pulumi up` and "
    "after a `pulumi destroy`, which names itself what it leaves"
)


@click.command(cls=Judging)
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
    unless the program has changed meanwhile. What may be what a run on this machine was cut off at
    is listed as that, where nothing else tells whose it is. One that was moved to another stack, or
    imported there, is listed too: end none that another state records. Ends with 2 where there are
    some, and with 1 where that could not be looked for, as where the state has no mark of the
    stack. The key is the stack's own, or the environment's. Nothing is ended.
    """
    folder = cwd.resolve()
    if not any(is_project(each) for each in (folder, *folder.parents)):
        raise click.ClickException(NO_PROJECT.format(folder))
    deployment = _pulumi(cwd, "stack", "export", "--stack", stack).get("deployment") or {}
    resources = deployment.get("resources") or []
    pending = [each["resource"] for each in deployment.get("pending_operations") or []]
    owners = {str(r.get("id")) for r in resources if r.get("type") == OWNER}
    recorded = {str(r.get("id")) for r in resources}
    if not owners:
        raise click.ClickException(NO_OWNER)
    found = False
    unknown: list[str] = []
    skipped: list[NoCredential] = []
    with one_sentence("what the stack left behind could not be looked for: "):
        settings = _configuration(stack, cwd)
        for service in SERVICES.values():
            of_it = [r for r in [*resources, *pending] if _is_of(service, r)]
            try:
                session = configured(service, settings.get)
            except NoCredential as missing:
                if of_it:
                    raise
                skipped.append(missing)
                continue
            _refuse_foreign(session, of_it)
            for line in _unrecorded(session, service, owners, recorded, unknown):
                click.echo(line)
                found = True
        if len(skipped) == len(SERVICES):
            raise skipped[0]
    if not found:
        said = "nothing was left over"
        if unknown:
            said += (
                f", as far as can be told: nothing tells which stack or person made the "
                f"{', '.join(unknown)}"
            )
        click.echo(said, err=True)
    sys.exit(FOUND if found else 0)


def _is_of(service: Service, resource: Mapping[str, Any]) -> bool:
    kind = str(resource.get("type"))
    return kind.startswith(f"{DYNAMIC}{service.name}:") and kind != OWNER


def _refuse_foreign(session: Session, resources: Iterable[Mapping[str, Any]]) -> None:
    """Raise Failed where the key sees another organization's machines, and not the stack's."""
    for resource in resources:
        recorded = (resource.get("outputs") or {}).get(ORGANIZATION)
        foreign = session.foreign(console(), recorded) if recorded is not None else None
        if foreign is not None:
            token = str(resource["type"]).removeprefix(DYNAMIC)
            name = name_of(str(resource["urn"]))
            holds = "nothing was looked for"
            said = sentence(KINDS[token].noun, name, foreign.what, holds, foreign.advice)
            raise Failed(said)


def _unrecorded(
    session: Session,
    service: Service,
    owners: set[str],
    recorded: set[str],
    unknown: list[str],
) -> list[str]:
    """A line for each machine that carries an owner's mark, or may be what a create was cut off at,
    and has none of the recorded ids. unknown: those that nothing tells of are added to it."""
    lines: list[str] = []
    for kind in KINDS.values():
        if not kind.bills or kind.service is not service:
            continue
        notes = [note for owner in owners for note in session.journal.notes(owner, kind.token)]
        for row in _rows(session, kind):
            if not kind.lives(row) or row["id"] in recorded:
                continue
            which = f"{kind.noun} {called(kind, row)}"
            remote = Remote(session, kind, DiscreetCall(console(), kind), row["id"], new={})
            if any(naming.is_of_stack(owner, str(kind.called(row))) for owner in owners):
                lines.append(which)
            elif any(may_be_unrecorded(remote, row, note) for note in notes):
                lines.append(f"{which}: perhaps what an earlier run was cut off at")
            elif kind.alike and kind.called(row) is None:
                unknown.append(which)
    return lines


def _rows(session: Session, kind: Kind) -> list[Row]:
    """All that there are of a kind; none where the organization has no such API."""
    caller = console()
    try:
        rows, _ = session.rows(caller, kind.listed, caller.now())
    except NotFound:
        if kind.listed.missing is None:
            raise
        return []
    return list(rows.values())


def _configuration(stack: str, cwd: Path) -> dict[str, Any]:
    """The stack's configuration in clear."""
    told = _pulumi(cwd, "config", "--show-secrets", "--json", "--stack", stack)
    return {key: value.get("value") for key, value in told.items()}


def _pulumi(cwd: Path, *arguments: str) -> dict[str, Any]:
    """What a command of the Pulumi CLI answers."""
    if shutil.which("pulumi") is None:
        raise click.ClickException(NO_PULUMI)
    done = subprocess.run(  # noqa: S603
        ["pulumi", *arguments, "--non-interactive"],  # noqa: S607
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise click.ClickException(done.stderr.strip().removeprefix("error: "))
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer
