"""The command line: `pulumi-openrelay`. A module per command; the only place that prints."""

from __future__ import annotations

import importlib
import sys

try:
    import click
except ImportError:
    sys.exit("pulumi-openrelay: the command line needs `pip install 'pulumi-openrelay[cli]'`")

# Each command's module and function, and the extra that it needs. They are imported when they run.
COMMANDS = {
    "apply": ("pulumi_openrelay.cli.apply", "apply", "review"),
    "emulator": ("pulumi_openrelay.emulator.__main__", "main", "emulator"),
    "import": ("pulumi_openrelay.cli.imports", "import_", "cli"),
    "leftovers": ("pulumi_openrelay.cli.leftovers", "leftovers", "cli"),
    "policy": ("pulumi_openrelay.cli.policy", "policy", "policy"),
    "review": ("pulumi_openrelay.cli.review", "review", "review"),
}


class _Commands(click.Group):
    """Commands that are imported when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, function, extra = COMMANDS[cmd_name]
        try:
            command: click.Command = getattr(importlib.import_module(module), function)
        except ImportError as error:
            raise click.ClickException(
                f"{cmd_name} needs `pip install 'pulumi-openrelay[{extra}]'` ({error})"
            ) from error
        return command


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="pulumi-openrelay")
def main() -> None:
    """GPU machines on OpenRelay and inference on Relay, declared in Python, run by Pulumi."""
