"""`pulumi-openrelay apply`: an update that is held to a review."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from ..review import apply as applying
from ..review import rules
from ..review.preview import NotJudged, Project
from ..review.run import redactor, review
from .judging import Judging
from .review import BLOCKED, FOLDER, PACKS


@click.command(cls=Judging)
@click.option("--stack", required=True, help="The stack.")
@click.option("--cwd", type=FOLDER, default=Path(), help="The project's folder. Default: this one.")
@click.option(
    "--reviewed",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    required=True,
    help="The JSON that `review --json` wrote.",
)
@click.option("--profile", help="The profile that it must be reviewed by. Default: any.")
@PACKS
def apply(
    stack: str, cwd: Path, reviewed: Path, profile: str | None, packs: Sequence[Path]
) -> None:
    """Apply what was reviewed, and nothing else.

    Previews again, and refuses with code 3 where the plan is no longer the reviewed one or was
    blocked. Ends with 1 where it could not judge, or where the update fails, as it does before it
    touches what the plan does not have.
    """
    try:
        held = applying.read(reviewed)
        applying.hold_to_profile(held, profile)
        project = Project(cwd.resolve(), stack)
        applying.hold_to_stack(held, project.project, project.name)
        policies = rules.configured(project.folder, held.profile)
        key = project.unseal(held.secrets_key) if held.secrets_key else None
        now = review(project, policies, drift=held.refreshed, packs=packs, key=key)
        applying.permit(held, now)
        if held.commit != now.commit:
            was, now_is = held.commit or "none", now.commit or "none"
            click.echo(f"note: reviewed at commit {was}, applied at {now_is}", err=True)
        applying.carry_out(project, [rules.pack(policies), *packs], now, click.echo)
    except applying.Refused as why:
        click.echo(f"refused, and nothing was applied: {why}", err=True)
        sys.exit(BLOCKED)
    except NotJudged as why:
        raise click.ClickException(redactor({})(str(why))) from None
