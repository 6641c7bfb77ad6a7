"""`python -m pulumi_openrelay.emulator`: the emulator on a loopback port."""

from __future__ import annotations

import ipaddress
import os
import secrets
from contextlib import closing
from pathlib import Path
from typing import Any

import click

from . import billing, server
from .store import StateError
from .world import World


def _default_state() -> Path:
    base = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(base).expanduser() / "pulumi-openrelay" / "emulator.sqlite"


@click.command()
@click.option("--port", type=click.IntRange(0, 65_535), required=True, help="0 picks a free one.")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--provision-seconds",
    type=click.FloatRange(min=0),
    help="How long a VM takes to run; all other times follow. [default: 8]",
)
@click.option("--key", "keys", multiple=True, default=["or_local"], show_default=True)
@click.option("--ephemeral", is_flag=True, help="Keep nothing; for tests.")
@click.option(
    "--state",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The SQLite file that keeps the world. [default: in the user's state directory]",
)
@click.option("--seed", type=int, help="Of all ids and secrets of a new world. [default: random]")
@click.option("--page-size", type=click.IntRange(min=1), help="Items of a page at most.")
@click.option("--balance-cents", type=int, default=billing.OPENING_CENTS, help="Of a new world.")
def main(
    port: int,
    host: str,
    provision_seconds: float | None,
    keys: tuple[str, ...],
    ephemeral: bool,
    state: Path | None,
    seed: int | None,
    page_size: int | None,
    balance_cents: int,
) -> None:
    """Serve a local OpenRelay control plane, for tests and demonstrations.

    Its state survives a restart unless --ephemeral. GET /_emulator tells how to
    steer it: faults, time, capacity.
    """
    if ephemeral and state is not None:
        raise click.UsageError("Give either --ephemeral or --state.")
    settings: dict[str, Any] = {}
    if provision_seconds is not None:
        settings["provision_seconds"] = provision_seconds
    if page_size is not None:
        settings |= {"page_size": page_size, "page_size_max": page_size}
    try:
        world = World(
            seed=secrets.randbits(32) if seed is None else seed,
            keys=keys,
            balance_cents=balance_cents,
            state=None if ephemeral else state or _default_state(),
            **settings,
        )
    except StateError as error:
        raise click.ClickException(str(error)) from error
    with closing(world):
        try:
            listener = server.listen(host, port)
        except OSError as error:
            raise click.ClickException(
                f"Cannot listen on {host}:{port}: {error.strerror}."
            ) from error
        if not _is_loopback(host):
            click.echo(
                "Warning: the emulator listens beyond this machine (its control path does not).",
                err=True,
            )
        url = f"http://{f'[{host}]' if ':' in host else host}:{listener.getsockname()[1]}"
        ready = f"OpenRelay emulator on {url} (key {keys[0]})"
        server.run(world, listener, lambda: click.echo(ready))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


if __name__ == "__main__":
    main(prog_name="python -m pulumi_openrelay.emulator")
