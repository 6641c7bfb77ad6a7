"""`python -m pulumi_openrelay.emulator`: the emulator on loopback ports."""

from __future__ import annotations

import ipaddress
import os
import secrets
import socket
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import click

from . import billing, server
from .control_plane import ControlPlane
from .relay.world import RelayWorld
from .store import StateError
from .world import World


def _default_state() -> Path:
    base = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(base).expanduser() / "pulumi-openrelay" / "emulator.sqlite"


@click.command()
@click.option("--port", type=click.IntRange(0, 65_535), required=True, help="0 picks a free one.")
@click.option(
    "--relay-port", type=click.IntRange(0, 65_535), help="Serve Relay too; 0 picks a free one."
)
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--provision-seconds",
    type=click.FloatRange(min=0),
    help="How long a machine takes to run; all other times follow. "
    "[default: what the state has, 8 in a new one]",
)
@click.option(
    "--key",
    "keys",
    multiple=True,
    default=["or_local"],
    show_default=True,
    help="An API key of OpenRelay's organization; may be given several times.",
)
@click.option(
    "--relay-key",
    "relay_keys",
    multiple=True,
    default=["relay_sk_local"],
    show_default=True,
    help="The same for Relay's account.",
)
@click.option("--relay-customer-token", default="jwt_local", help="Of the account's dashboard.")
@click.option("--ephemeral", is_flag=True, help="Keep nothing; for tests.")
@click.option(
    "--state",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The SQLite file that keeps the world, Relay's with .relay before its suffix. "
    "[default: in the user's state directory]",
)
@click.option("--seed", type=int, help="Of all ids and secrets of a new world. [default: random]")
@click.option(
    "--page-size",
    type=click.IntRange(min=1),
    help="Items of a page at most. [default: what the state has]",
)
@click.option("--balance-cents", type=int, default=billing.OPENING_CENTS, help="Of a new world.")
def main(
    port: int,
    relay_port: int | None,
    host: str,
    provision_seconds: float | None,
    keys: tuple[str, ...],
    relay_keys: tuple[str, ...],
    relay_customer_token: str,
    ephemeral: bool,
    state: Path | None,
    seed: int | None,
    page_size: int | None,
    balance_cents: int,
) -> None:
    """Serve local control planes of OpenRelay and Relay, for tests and demonstrations.

    Their state survives a restart unless --ephemeral: keys and settings that were given
    once stay there. GET /_emulator tells how to steer them: faults, time, capacity.
    """
    if ephemeral and state is not None:
        raise click.UsageError("Give either --ephemeral or --state.")
    file = None if ephemeral else state or _default_state()
    common: dict[str, Any] = {"seed": secrets.randbits(32) if seed is None else seed}
    if provision_seconds is not None:
        common["provision_seconds"] = provision_seconds
    if page_size is not None:
        common |= {"page_size": page_size, "page_size_max": page_size}
    with ExitStack() as stack:
        servings: list[server.Serving] = []
        ready: list[str] = []

        def serve(name: str, port: int, make: type[ControlPlane], **options: Any) -> None:
            world = stack.enter_context(closing(_make(make, **common, **options)))
            listener = stack.enter_context(closing(_listen(host, port)))
            servings.append((world, listener))
            ready.append(f"{name} emulator on {_url(host, listener)} (key {world.key})")

        serve("OpenRelay", port, World, keys=keys, state=file, balance_cents=balance_cents)
        if relay_port is not None:
            relay_file = file and file.with_suffix(f".relay{file.suffix}")
            relay = {"keys": relay_keys, "customer_token": relay_customer_token}
            serve("Relay", relay_port, RelayWorld, state=relay_file, **relay)
        if not _is_loopback(host):
            click.echo(
                "Warning: the emulator listens beyond this machine (its control path does not).",
                err=True,
            )
        server.run(servings, lambda: click.echo("\n".join(ready)))


def _make(kind: type[ControlPlane], **options: Any) -> ControlPlane:
    try:
        return kind(**options)
    except StateError as error:
        raise click.ClickException(str(error)) from error


def _listen(host: str, port: int) -> socket.socket:
    try:
        return server.listen(host, port)
    except OSError as error:
        raise click.ClickException(f"Cannot listen on {host}:{port}: {error.strerror}.") from error


def _url(host: str, listener: socket.socket) -> str:
    return f"http://{f'[{host}]' if ':' in host else host}:{listener.getsockname()[1]}"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


if __name__ == "__main__":
    main(prog_name="python -m pulumi_openrelay.emulator")
