"""`pulumi-openrelay import`: a file for `pulumi import --file`."""

from __future__ import annotations

import json
import re
from typing import Any

import click

from .console import configured, console, one_sentence


@click.command("import")
@click.argument("what")
@click.argument("ids", nargs=-1)
@click.option("--name", help="The resource's name in the program; only with one id.")
@click.option("--all", "everything", is_flag=True, help="All that the organization has of it.")
def import_(what: str, ids: tuple[str, ...], name: str | None, *, everything: bool) -> None:
    """Print a file for `pulumi import --file` with existing resources.

    WHAT is vm, ssh-key, inference-cluster, webhook, instance, api-key, model-allowlist,
    account-settings or webhook-secret; IDS are theirs. The key is read from OPENRELAY_API_KEY or
    RELAY_API_KEY.

    \b
      pulumi-openrelay import vm 6fa284fb > existing.json
      pulumi import --file existing.json --generate-code=false

    The file holds secrets in clear, such as environment variables: delete it afterwards. The state
    has them encrypted.
    """
    from ..importing import entry, kind_of, living

    if everything == bool(ids):
        raise click.UsageError("give ids, or --all, and not both")
    if name is not None and len(ids) != 1:
        raise click.UsageError("--name goes with one id")
    with one_sentence():
        kind = kind_of(what)
        session = configured(kind.service)
        names = living(session, console(), kind)
        resources: list[dict[str, Any]] = []
        for resource_id in names if everything else ids:
            called = name or _logical(names.get(resource_id, resource_id))
            if called in [made["name"] for made in resources]:
                called = f"{called}-{resource_id}"
            resources.append(entry(session, console(called), kind, resource_id, called))
    click.echo(json.dumps({"resources": resources}, indent=2))


def _logical(name: str) -> str:
    """A name for the program: without the digits that this package once added."""
    return re.sub(r"-[0-9a-f]{16}-[0-9a-f]{6}$", "", name)
