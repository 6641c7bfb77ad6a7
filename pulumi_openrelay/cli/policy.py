"""`pulumi-openrelay policy`: the ready policy pack, and the rules in it."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from ..policies import RULES
from ..policies.configuration import FILE, Configuration, WrongConfiguration, find
from ..policies.folder import ready


@click.group()
def policy() -> None:
    """Rules for stacks, and a policy pack of them."""


def _configurable(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option("--profile", help="development, production or regulated."),
        click.option(
            "--config",
            "file",
            type=click.Path(dir_okay=False, path_type=Path),
            help=f"The configuration. Default: {FILE} in this folder, if it is there.",
        ),
    ):
        command = option(command)
    return command


@policy.command()
@_configurable
def path(file: Path | None, profile: str | None) -> None:
    """Print the folder of the ready policy pack.

    \b
      pulumi preview --policy-pack $(pulumi-openrelay policy path)
    """
    if importlib.util.find_spec("pulumi_policy") is None:
        raise click.ClickException("the pack needs `pip install pulumi-openrelay[policy]`")
    try:
        click.echo(ready(find(file=file, profile=profile)))
    except WrongConfiguration as wrong:
        raise click.ClickException(str(wrong)) from None
    except OSError as error:
        raise click.ClickException(
            f"the policy pack cannot be written: {error}; set XDG_CACHE_HOME to another folder"
        ) from None


@policy.command("list")
@_configurable
def list_(file: Path | None, profile: str | None) -> None:
    """List the rules: name, level, severity, and what each asks for."""
    try:
        configuration = find(file=file, profile=profile)
        configuration.check(RULES)
    except WrongConfiguration as wrong:
        raise click.ClickException(str(wrong)) from None
    click.echo(f"profile: {configuration.profile}")
    for line in _table(configuration):
        click.echo(line)


def _table(configuration: Configuration) -> list[str]:
    rows = [
        (rule.name, configuration.level(rule), rule.severity, rule.description) for rule in RULES
    ]
    wide = [max(len(row[column]) for row in rows) for column in range(3)]
    return [
        "  ".join([*(text.ljust(width) for text, width in zip(row[:3], wide, strict=True)), row[3]])
        for row in rows
    ]
