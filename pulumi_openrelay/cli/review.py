"""`pulumi-openrelay review`: what a change would do, before anybody applies it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import click

from ..review import markdown, page, post, rules, sarif
from ..review.findings import Verdict
from ..review.forges import FORGES, NotPosted, target
from ..review.preview import NotJudged, Project
from ..review.report import Review
from ..review.risk import DRIFT
from ..review.run import commit, redactor
from ..review.run import review as review_project
from .judging import Judging

BLOCKED = 3
_CODES = {Verdict.PASS: 0, Verdict.WARN: 0, Verdict.BLOCK: BLOCKED}
DRIFTED = 2
FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
_FILE = click.Path(dir_okay=False, path_type=Path)
PACKS = click.option(
    "--policy-pack",
    "packs",
    type=FOLDER,
    multiple=True,
    callback=lambda _context, _option, folders: [folder.resolve() for folder in folders],
    help="The folder of a policy pack of your own, to be run too; can be given several times.",
)


@click.command(cls=Judging)
@click.option("--stack", required=True, help="The stack.")
@click.option("--cwd", type=FOLDER, default=Path(), help="The project's folder. Default: this one.")
@click.option(
    "--profile", help="The profile of rules. Default: openrelay-policy.json's, or production."
)
@PACKS
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
    packs: Sequence[Path],
    *,
    drift: bool,
    **files: Path | None,
) -> None:
    """Say what a change would do to machines, data and money.

    Ends with 0 (pass or warn), 3 (block), or 1 where it could not judge; with --drift, with 2 where
    somebody changed something by hand that no exemption covers, and nothing is blocked.
    """
    folder = cwd.resolve()
    mark = post.mark(folder, stack)
    try:
        _clear(files)
        project = Project(folder, stack)
        policies = rules.configured(project.folder, profile)
        found = review_project(project, policies, drift=drift, packs=packs)
        comment = markdown.render(found, page_url)
        _write(found, comment, project.program, files)
    except NotJudged as why:
        said = redactor({})(str(why))
        if forge is not None:
            told = markdown.not_judged(said, stack, commit(folder))
            _post(forge, pull_request, mark, told, page_url)
        raise click.ClickException(f"the plan could not be judged: {said}") from None
    if files["markdown"] is None:
        click.echo(comment, nl=False)
    code = exit_code(found, drift=drift)
    if forge is not None and not _post(forge, pull_request, mark, comment, page_url):
        code = code if code == BLOCKED else 1
    sys.exit(code)


def exit_code(found: Review, *, drift: bool) -> int:
    """What the command ends with. drift: whether it looked for what was changed by hand."""
    drifted = any(reason.own and reason.rule == DRIFT.name for reason in found.reasons)
    if drift and drifted and found.verdict is not Verdict.BLOCK:
        return DRIFTED
    return _CODES[found.verdict]


def _clear(files: Mapping[str, Path | None]) -> None:
    """Empty the files, so that nobody takes an earlier review for one that fails.

    Raises NotJudged for a file that cannot be written.
    """
    for file in files.values():
        if file is not None:
            _put(file, "")


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
            _put(file, render())


def _put(file: Path, text: str) -> None:
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise NotJudged(f"{file} cannot be written: {error.strerror}") from None


def _post(forge: str, number: int | None, mark: str, comment: str, page_url: str | None) -> bool:
    """Comment, and say where that fails."""
    try:
        post.post(target(forge, os.environ, number), mark, comment, page_url)
    except NotPosted as why:
        click.echo(f"the review was not posted: {why}", err=True)
        return False
    return True
