"""`pulumi-openrelay import`: a file for `pulumi import --file`."""

from __future__ import annotations

import json
from typing import Any

import click

from ..lifecycle.naming import without_mark
from .console import configured, console, one_sentence

MADE_BY_A_STACK = (
    "{} was made by a stack of this package: if the state of that stack still records it, take it "
    "out there with `pulumi state delete` first; else both stacks change it, and either ends it"
)
LEFT_OUT = (
    "{} that stacks of this package made are left out; name one by its id if no state records it"
)
NOT_TOLD = (
    "the API does not give {} of {} back, so that Pulumi will warn of a bug while it imports, "
    "which it is not: give it in the program"
)
NAMED_BY_A_PROGRAM = (
    "a stack may record these all the same, by a name that its program gave: take what a state "
    "records out of the file, or both stacks change it, and either ends it"
)


@click.command("import")
@click.argument("what")
@click.argument("ids", nargs=-1)
@click.option("--name", help="The resource's name in the program; only with one id.")
@click.option(
    "--all", "everything", is_flag=True, help="All without a name that this package chose."
)
def import_(what: str, ids: tuple[str, ...], name: str | None, *, everything: bool) -> None:
    """Print a file for `pulumi import --file` with existing resources.

    WHAT is vm, ssh-key, inference-cluster, webhook, instance, api-key, model-allowlist,
    account-settings or webhook-secret; IDS are theirs. The key is read from OPENRELAY_API_KEY or
    RELAY_API_KEY; api-key and the settings of the account need RELAY_CUSTOMER_TOKEN, or the
    account's superkey as RELAY_API_KEY.

    \b
      pulumi-openrelay import vm 6fa284fb > existing.json
      pulumi import --file existing.json --generate-code=false

    What has a name that this package chose is some stack's: --all leaves it out, and by its id it
    is printed with a warning, for two stacks that record one machine both end it. What has another
    name may be a stack's too, whose program gave it.

    The file holds secrets in clear, such as environment variables: delete it afterwards. The state
    has them encrypted.
    """
    from ..importing import entry, kind_of, living

    ids = tuple(dict.fromkeys(ids))
    if everything == bool(ids):
        raise click.UsageError("give ids, or --all, and not both")
    if name is not None and len(ids) != 1:
        raise click.UsageError("--name goes with one id")
    with one_sentence():
        kind = kind_of(what)
        session = configured(kind.service)
        names = living(session, console(), kind)
        marked = {key for key, called in names.items() if without_mark(called) != called}
        if everything:
            ids = tuple(key for key in names if key not in marked)
        resources: list[dict[str, Any]] = []
        for resource_id in ids:
            called = name or without_mark(names.get(resource_id, resource_id))
            if called in [other["name"] for other in resources]:
                called = f"{called}-{resource_id}"
            made = entry(session, console(called), kind, resource_id, called)
            resources.append(made)
            untold = [f.name for f in kind.fields.values() if f.required]
            untold = [name for name in untold if name not in made["inputs"]]
            if untold:
                console().warn(NOT_TOLD.format(", ".join(untold), resource_id))
        if everything and marked:
            console().warn(LEFT_OUT.format(len(marked)))
        if everything and ids and not kind.singleton:
            console().warn(NAMED_BY_A_PROGRAM)
        for resource_id in ids:
            if resource_id in marked:
                console().warn(MADE_BY_A_STACK.format(f"{kind.noun} {names[resource_id]}"))
    click.echo(json.dumps({"resources": resources}, indent=2))
