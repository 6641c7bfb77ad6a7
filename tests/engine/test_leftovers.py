"""What a stack made and its state does not record is found, whatever became of the program."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from pulumi_openrelay.cli.leftovers import leftovers as command
from pulumi_openrelay.emulator import ServedWorld

from .support import Stack

PROGRAM = """
    key = relay.SshKey("laptop", public_key=KEY)
    vm = relay.Vm("trainer", ssh_key_ids=[key.id], gpu_model_id=GPU, gpu_count=1)
"""


@pytest.fixture
def lost(stack: Stack, cloud: ServedWorld) -> str:
    """The id of a machine that bills, and that the state has lost; it still has the key."""
    assert stack.up(PROGRAM).code == 0
    urn = stack.resources()["trainer"]["urn"]
    stack.run("state", "delete", urn, "--stack", stack.name, "--yes")
    (vm,) = cloud.world.live_vms()
    return vm.id


def leftovers(stack: Stack, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    options = options or ("--stack", stack.name)
    return subprocess.run(
        [sys.executable, "-m", "pulumi_openrelay", "leftovers", *options],
        cwd=stack.folder,
        env=stack.environment | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_machine_that_the_state_has_lost_is_named_with_its_rate(
    stack: Stack, cloud: ServedWorld
) -> None:
    assert stack.up(PROGRAM).code == 0
    found = leftovers(stack)
    assert (found.returncode, found.stdout, found.stderr) == (0, "", "nothing was left over\n")
    (vm,) = cloud.world.live_vms()
    urn = stack.resources()["trainer"]["urn"]
    stack.run("state", "delete", urn, "--stack", stack.name, "--yes")

    found = leftovers(stack)

    assert found.returncode == 2, found.stderr
    assert found.stdout == f"VM {vm.name} ({vm.id}, running, 29 cents an hour)\n"
    refused = stack.destroy()
    assert "this stack made" in refused.text
    assert vm.name in refused.text


def test_the_key_and_the_address_of_the_stacks_configuration_will_do(
    stack: Stack, cloud: ServedWorld, lost: str
) -> None:
    for setting in (["--secret", "openrelay:apiKey", cloud.key], ["openrelay:apiUrl", cloud.url]):
        stack.run("config", "set", *setting, "--stack", stack.name)
    del stack.environment["OPENRELAY_API_KEY"]

    found = leftovers(stack, OPENRELAY_API_URL="http://127.0.0.1:1")

    assert found.returncode == 2, found.stderr
    assert lost in found.stdout


def test_where_it_could_not_look_it_does_not_say_that_all_is_well(
    stack: Stack, cloud: ServedWorld, lost: str
) -> None:
    other = cloud.world.call(
        "POST", "/_emulator/keys", {"organization": "org_other", "secret": "or_other"}
    )
    assert other.status == 200, other.body
    nowhere = f"{cloud.url}/nowhere"
    own = cloud.world.first_organization.id
    for environment, said in (
        ({"OPENRELAY_API_KEY": ""}, "no API key is configured; run `pulumi config set --secret"),
        ({"OPENRELAY_API_KEY": "or_other"}, "; nothing was looked for; "),
        ({"OPENRELAY_API_KEY": "or_wrong"}, "the API refused the key from the environment"),
        ({"OPENRELAY_API_URL": "nonsense"}, "is 'nonsense', which is no http(s) URL"),
        ({"OPENRELAY_API_URL": nowhere}, "does not know /v1/whoami"),
        (
            {"OPENRELAY_API_URL": nowhere, "OPENRELAY_ORGANIZATION_ID": own},
            "could not be looked for: the API does not know it (404",
        ),
    ):
        found = leftovers(stack, **environment)
        assert (found.returncode, found.stdout) == (1, ""), environment
        assert said in found.stderr, environment
        assert "Traceback" not in found.stderr
        assert "nothing was left over" not in found.stderr
    assert lost in leftovers(stack).stdout
    # Where nothing is recorded any more, nothing tells which service was used.
    urn = stack.resources()["laptop"]["urn"]
    stack.run("state", "delete", urn, "--stack", stack.name, "--yes")
    assert leftovers(stack, OPENRELAY_API_KEY="").returncode == 1


def test_a_state_without_the_stacks_mark_is_no_all_clear(stack: Stack) -> None:
    told = leftovers(stack)
    assert (told.returncode, told.stdout) == (1, "")
    assert told.stderr.startswith("Error: nothing can be told: the state has no mark of this stack")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--stack", "dev", "--nope"), "No such option"),
        ((), "Missing option '--stack'"),
        (("--stack", "dev", "--cwd", "nowhere"), "Directory 'nowhere' does not exist"),
    ],
)
def test_a_wrong_call_does_not_end_as_one_that_found_some(
    options: tuple[str, ...], said: str
) -> None:
    told = CliRunner().invoke(command, options)
    assert told.exit_code == 1
    assert said in told.stderr


def test_a_folder_without_a_project_is_named(stack: Stack, tmp_path: Path) -> None:
    told = leftovers(stack, "--stack", stack.name, "--cwd", str(tmp_path))
    said = f"Error: {tmp_path} has no Pulumi.yaml: give the project's folder with --cwd\n"
    assert (told.returncode, told.stderr) == (1, said)


def test_a_folder_within_the_project_will_do(stack: Stack, lost: str) -> None:
    (stack.folder / "within").mkdir()
    found = leftovers(stack, "--stack", stack.name, "--cwd", "within")
    assert found.returncode == 2, found.stderr
    assert lost in found.stdout


def test_what_one_service_has_is_told_though_the_other_cannot_be_asked(
    stack: Stack, lost: str
) -> None:
    stack.run("config", "set", "relay:maxRetries", "0", "--stack", stack.name)
    found = leftovers(stack, RELAY_API_KEY="relay_sk_x", RELAY_BASE_URL="http://127.0.0.1:9")
    assert found.returncode == 1
    assert lost in found.stdout
    assert "cannot be reached" in found.stderr


def test_without_the_pulumi_cli_it_says_what_is_missing(stack: Stack) -> None:
    missing = leftovers(stack, PATH="")
    assert missing.returncode == 1
    assert missing.stderr.startswith("Error: there is no pulumi on PATH: install the Pulumi CLI")
