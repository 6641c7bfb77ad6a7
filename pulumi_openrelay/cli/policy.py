"""`pulumi-openrelay policy`: the ready policy pack, and the rules in it."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from ..policies import RULES, Rule
from ..policies.configuration import FILE, Configuration, WrongConfiguration, find
from ..policies.folder import ready
from ..policies.of_reviews import OF_REVIEWS
from ..policies.rule import Demanded
from ..policies.schema import schema
from ..review import risk

NOWHERE = "/no-policy-pack-was-made"
"""What stands for the folder where there is none: Pulumi fails for it, while an empty
`--policy-pack=` runs without any policy."""


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
      pulumi preview --policy-pack "$(pulumi-openrelay policy path)"
    """
    folder = NOWHERE
    try:
        if importlib.util.find_spec("pulumi_policy") is None:
            raise click.ClickException("the pack needs `pip install 'pulumi-openrelay[policy]'`")
        folder = str(ready(find(file=file, profile=profile)))
    except WrongConfiguration as wrong:
        raise click.ClickException(str(wrong)) from None
    except OSError as error:
        raise click.ClickException(
            f"the policy pack cannot be written: {error}; set XDG_CACHE_HOME to another folder"
        ) from None
    finally:
        click.echo(folder)


@policy.command("list")
@_configurable
def list_(file: Path | None, profile: str | None) -> None:
    """List the rules: name, level, severity, and what each asks for.

    What only reviews judge stands below, with what it does to their verdict.
    """
    try:
        configuration = find(file=file, profile=profile)
        configuration.check(RULES)
    except WrongConfiguration as wrong:
        raise click.ClickException(str(wrong)) from None
    click.echo(f"profile: {configuration.profile}")
    rows = [_row(rule, configuration) for rule in RULES]
    own = [
        (
            rule.name,
            rule.found(configuration.profile, "").effect,
            rule.severity,
            OF_REVIEWS[rule.name],
        )
        for rule in risk.RULES
    ]
    wide = [max(len(row[column]) for row in [*rows, *own]) for column in range(3)]
    for row in rows:
        click.echo(_line(row, wide))
    click.echo("of reviews alone:")
    for row in own:
        click.echo(_line(row, wide))


@policy.command("schema")
def schema_() -> None:
    """Print the JSON Schema of the configuration.

    \b
      pulumi-openrelay policy schema > openrelay-policy.schema.json
    """
    click.echo(json.dumps(schema(RULES), indent=2))


Row = tuple[str, str, str, str]
"""Name, level, severity, and what it asks for."""


def _row(rule: Rule, configuration: Configuration) -> Row:
    settings = configuration.settings(rule)
    note = ""
    if isinstance(settings, Demanded) and not settings.configured:
        note = " Not configured: " + ("not evaluated." if settings.required else "passes all.")
    return rule.name, configuration.level(rule), rule.severity, rule.description + note


def _line(row: Row, wide: Sequence[int]) -> str:
    columns = (text.ljust(width) for text, width in zip(row[:3], wide, strict=True))
    return "  ".join([*columns, row[3]])
