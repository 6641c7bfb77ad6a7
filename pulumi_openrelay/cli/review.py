"""`pulumi-openrelay review`: what a change would do, before anybody applies it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import click

from ..review import markdown, page, post, rules, sarif
from ..review.findings import Verdict
from ..review.forges import FORGES, NotPosted, target
from ..review.preview import NotJudged, Project
from ..review.report import Review
from ..review.run import review as review_project

BLOCKED = 3
_CODES = {Verdict.PASS: 0, Verdict.WARN: 0, Verdict.BLOCK: BLOCKED}
DRIFTED = 2
FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.option("--stack", required=True, help="The stack.")
@click.option("--cwd", type=FOLDER, default=Path(), help="The project's folder. Default: this one.")
@click.option(
    "--profile", help="The profile of rules. Default: openrelay-policy.json's, or production."
)
@click.option("--drift", is_flag=True, help="Look first at what somebody changed by hand.")
@click.option("--markdown", type=_FILE, help="Where the comment goes. Default: stdout.")
@click.option("--json", type=_FILE, help="Where the findings go, for programs and for `apply`.")
@click.option("--sarif", type=_FILE, help="Where the violations go, for code scanning.")
@click.option("--html", type=_FILE, help="Where the page goes.")
@click.option("--post", "forge", type=click.Choice(sorted(FORGES)), help="Comment there.")
@click.option("--pull-request", type=int, help="Its number. Default: the pipeline's own.")
@click.option("--page-url", help="Where the page can be read, for a link in the comment.")
def review(
    stack: str,
    cwd: Path,
    profile: str | None,
    forge: str | None,
    pull_request: int | None,
    page_url: str | None,
    *,
    drift: bool,
    **files: Path | None,
) -> None:
    """Say what a change would do to machines, data and money.

    Ends with 0 (pass or warn), 3 (block), or 1 where it could not judge; with --drift, with 2 where
    somebody changed something by hand.
    """
    try:
        project = Project(cwd.resolve(), stack)
        found = review_project(project, rules.configured(project.folder, profile), drift=drift)
    except NotJudged as why:
        raise click.ClickException(f"the plan could not be judged: {why}") from None
    comment = markdown.render(found, page_url)
    _write(found, comment, project.program, files)
    if files["markdown"] is None:
        click.echo(comment, nl=False)
    code = DRIFTED if drift and found.plan.drifted else _CODES[found.verdict]
    if forge is not None:
        code = _post(forge, pull_request, found, comment, page_url) or code
    sys.exit(code)


def _write(found: Review, comment: str, folder: Path, files: Mapping[str, Path | None]) -> None:
    renderings: dict[str, Callable[[], str]] = {
        "markdown": lambda: comment,
        "json": found.to_json,
        "sarif": lambda: sarif.render(found, folder),
        "html": lambda: page.render(found),
    }
    for name, render in renderings.items():
        file = files[name]
        if file is not None:
            file.write_text(render(), encoding="utf-8")


def _post(
    forge: str, number: int | None, found: Review, comment: str, page_url: str | None
) -> int | None:
    """Comment; 1 where that fails, unless the plan is blocked anyway."""
    mark = f"pulumi-openrelay review of {found.project}/{found.stack}"
    try:
        post.post(target(forge, os.environ, number), mark, comment, page_url)
    except NotPosted as why:
        click.echo(f"the review was not posted: {why}", err=True)
        return None if found.verdict is Verdict.BLOCK else 1
    return None
