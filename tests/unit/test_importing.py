"""What exists already, as a file for `pulumi import --file`; on a served emulator."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pulumi
import pytest
from click.testing import CliRunner, Result
from pulumi.dynamic.dynamic import serialize_provider

import pulumi_openrelay.relay  # noqa: F401 - registers the kinds
from pulumi_openrelay import SshKey
from pulumi_openrelay.cli.imports import import_
from pulumi_openrelay.emulator import ServedWorld, World, serve, serve_relay
from pulumi_openrelay.errors import OpenRelayError
from pulumi_openrelay.importing import kind_of
from pulumi_openrelay.lifecycle.declare import KINDS
from pulumi_openrelay.lifecycle.fields import READY
from pulumi_openrelay.provider import Provider

SEALED = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270"}
"""How a state, and a file for an import, says that a value is secret."""
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGm7Z0bTw5cDgbHGdWmOLNlsS9xXU5cPYvlEXaAtr0Lm ada@laptop"


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[ServedWorld]:
    with serve(World(provision_seconds=0.0, balance_cents=10**6)) as served:
        monkeypatch.setenv("OPENRELAY_API_URL", served.url)
        monkeypatch.setenv("OPENRELAY_API_KEY", served.key)
        yield served


def made(cloud: ServedWorld, what: str, **body: Any) -> str:
    """The id of one that somebody has made."""
    path = f"/v1/orgs/{cloud.world.first_organization.id}/{what}/create"
    answer = cloud.world.call("POST", path, body)
    assert answer.status == 200, answer.body
    return str(answer.json()["id"])


def vm(cloud: ServedWorld, name: str = "trainer") -> str:
    listed = cloud.world.call("GET", f"/v1/orgs/{cloud.world.first_organization.id}/ssh-keys")
    keys = [key["id"] for key in listed.json()]
    keys = keys or [made(cloud, "ssh-keys", name="laptop", publicKey=KEY)]
    return made(cloud, "vms", name=name, sshKeyIds=keys, resourceSize="small", public=True)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(import_, arguments)


def resources(*arguments: str) -> list[dict[str, Any]]:
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    found: list[dict[str, Any]] = json.loads(result.stdout)["resources"]
    return found


class TestEntry:
    def test_one_says_what_it_is_as_the_program_would(self, cloud: ServedWorld) -> None:
        vm_id = vm(cloud)
        (entry,) = resources("vm", vm_id)
        assert entry["type"] == "pulumi-python:dynamic/openrelay:Vm"
        assert (entry["id"], entry["name"]) == (vm_id, "trainer")
        inputs = {k: v for k, v in entry["inputs"].items() if not k.startswith("__")}
        assert inputs.keys() >= {"name", "ssh_key_ids", "resource_size", "public"}
        assert (inputs["resource_size"], inputs["public"]) == ("small", True)
        assert entry["outputs"]["status"] == "running"
        assert entry["outputs"].items() >= inputs.items()

    def test_it_is_recorded_as_a_stacks_own_and_not_as_read(self, cloud: ServedWorld) -> None:
        """What `.get` has read, which is nobody's own, has no such mark."""
        (entry,) = resources("vm", vm(cloud))
        assert entry["outputs"][READY] is True

    def test_its_provider_is_the_one_that_every_state_has(self, cloud: ServedWorld) -> None:
        (entry,) = resources("vm", vm(cloud))
        wanted = serialize_provider(Provider("openrelay:Vm"))
        assert entry["inputs"]["__provider"] == entry["outputs"]["__provider"] == wanted

    def test_what_is_as_it_is_by_default_is_left_out(self, cloud: ServedWorld) -> None:
        hook = made(cloud, "webhooks", name="pager", url="https://h.example.com")
        (entry,) = resources("webhook", hook)
        assert entry["inputs"].keys() == {"name", "url", "__provider"}

    def test_it_has_the_name_that_is_asked_for(self, cloud: ServedWorld) -> None:
        assert resources("vm", vm(cloud), "--name", "mine")[0]["name"] == "mine"

    def test_the_digits_that_this_package_added_are_left_out_of_its_name(
        self, cloud: ServedWorld
    ) -> None:
        vm_id = vm(cloud, "trainer-0123456789abcdef-012345")
        (entry,) = resources("vm", vm_id)
        assert entry["name"] == "trainer"
        assert entry["inputs"]["name"] == "trainer-0123456789abcdef-012345"

    def test_every_secret_in_it_is_sealed(self, cloud: ServedWorld) -> None:
        """Else it would stand in clear in the state for ever."""
        model = cloud.world.call("GET", "/v1/gpu-models").json()[0]["id"]
        body = {"imageUrl": "x", "gpuModelId": model, "envVars": {"TOKEN": "hunter2"}}
        cluster = made(cloud, "clusters", name="chat", **body)
        (entry,) = resources("inference-cluster", cluster)
        for bag, name in (
            ("inputs", "env_vars"),
            ("outputs", "env_vars"),
            ("outputs", "deploy_token"),
        ):
            assert SEALED.items() <= entry[bag][name].items()
            assert entry[bag][name].keys() == {*SEALED, "plaintext"}
        assert json.loads(entry["inputs"]["env_vars"]["plaintext"]) == {"TOKEN": "hunter2"}


class TestCommand:
    def test_what_a_stack_made_is_printed_by_its_id_with_a_warning(
        self, cloud: ServedWorld
    ) -> None:
        """Two stacks that record one machine both end it."""
        named = "trainer-0123456789abcdef-012345"
        theirs, mine = vm(cloud, named), vm(cloud, "mine")
        result = run("vm", theirs, mine)
        assert f"warning: VM {named} was made by a stack of this package" in result.stderr
        assert "pulumi state delete" in result.stderr
        assert result.stderr.count("warning") == 1

    def test_all_leaves_out_what_stacks_made_and_says_so(self, cloud: ServedWorld) -> None:
        theirs, mine = vm(cloud, "trainer-0123456789abcdef-012345"), vm(cloud, "mine")
        result = run("vm", "--all")
        assert [entry["id"] for entry in json.loads(result.stdout)["resources"]] == [mine]
        assert "1 that stacks of this package made are left out" in result.stderr
        assert theirs not in result.output

    def test_all_says_that_a_stack_may_record_what_is_listed(self, cloud: ServedWorld) -> None:
        """By a name that its program gave, which nothing tells from a stranger's."""
        said = "a stack may record these all the same, by a name that its program gave"
        assert said not in run("vm", "--all").stderr
        mine = vm(cloud, "mine")
        assert said in run("vm", "--all").stderr
        assert said not in run("vm", mine).stderr
        told = CliRunner().invoke(import_, ["--help"]).stdout
        assert "All without a name that this package chose." in told

    def test_all_that_live_are_there_and_no_others(self, cloud: ServedWorld) -> None:
        ids = [vm(cloud, name) for name in ("a", "b", "c")]
        cloud.world.call("POST", f"/v1/vms/{ids[1]}/terminate")
        assert {entry["id"] for entry in resources("vm", "--all")} == {ids[0], ids[2]}

    def test_several_by_their_ids(self, cloud: ServedWorld) -> None:
        ids = [vm(cloud, name) for name in ("a", "b", "c")]
        assert [entry["id"] for entry in resources("vm", ids[2], ids[0])] == [ids[2], ids[0]]

    def test_one_whose_id_is_given_twice_is_imported_once(self, cloud: ServedWorld) -> None:
        one = vm(cloud, "a")
        assert [entry["id"] for entry in resources("vm", one, one)] == [one]

    def test_two_of_one_name_have_two_names_in_the_program(self, cloud: ServedWorld) -> None:
        ids = [vm(cloud, "trainer"), vm(cloud, "trainer")]
        found = resources("vm", "--all")
        assert {entry["id"] for entry in found} == set(ids)
        assert len({entry["name"] for entry in found}) == 2

    def test_of_none_the_file_is_empty(self, cloud: ServedWorld) -> None:
        assert resources("webhook", "--all") == []

    def test_an_api_without_inference_clusters_has_none(self, cloud: ServedWorld) -> None:
        cloud.world.settings.change({"inference_clusters": False})
        assert resources("inference-cluster", "--all") == []

    def test_an_id_that_nobody_has_is_one_sentence(self, cloud: ServedWorld) -> None:
        vm(cloud)
        result = run("vm", "nobody")
        assert result.exit_code == 1
        assert result.output.count("\n") == 1
        assert "VM 'nobody': " in result.output

    def test_a_terminated_one_is_one_sentence(self, cloud: ServedWorld) -> None:
        vm_id = vm(cloud)
        cloud.world.call("POST", f"/v1/vms/{vm_id}/terminate")
        result = run("vm", vm_id)
        assert result.exit_code == 1
        assert f"there is none with the id {vm_id}" in result.output
        assert "; check the id, and that the key is of its organization\n" in result.output

    @pytest.mark.parametrize("of", [("--all",), ("some-id",)])
    def test_a_server_that_is_none_of_the_api_is_not_taken_for_one_without_machines(
        self, cloud: ServedWorld, monkeypatch: pytest.MonkeyPatch, of: tuple[str, ...]
    ) -> None:
        monkeypatch.setenv("OPENRELAY_API_URL", f"{cloud.url}/nowhere")
        monkeypatch.setenv("OPENRELAY_ORGANIZATION_ID", cloud.world.first_organization.id)
        result = run("vm", *of)
        assert result.exit_code == 1
        assert result.output == (
            "Error: the API does not know it (404: There is nothing at this path); check the "
            "environment (OPENRELAY_API_URL)\n"
        )

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (("vm",), "give ids, or --all, and not both"),
            (("vm", "a", "--all"), "give ids, or --all, and not both"),
            (("vm", "a", "b", "--name", "x"), "--name goes with one id"),
            (("vm", "--all", "--name", "x"), "--name goes with one id"),
        ],
    )
    def test_what_contradicts_itself_is_refused_before_anything_is_asked(
        self, cloud: ServedWorld, arguments: tuple[str, ...], said: str
    ) -> None:
        result = run(*arguments)
        assert result.exit_code == 2
        assert result.stderr.endswith(f"Error: {said}\n")
        assert list(cloud.world.log.entries) == []

    @pytest.mark.parametrize(
        ("what", "variable"), [("vm", "OPENRELAY_API_KEY"), ("api-key", "RELAY_API_KEY")]
    )
    def test_without_a_key_it_says_how_to_set_one_that_it_reads(
        self, monkeypatch: pytest.MonkeyPatch, what: str, variable: str
    ) -> None:
        for name in ("OPENRELAY_API_KEY", "RELAY_API_KEY", "RELAY_CUSTOMER_TOKEN"):
            monkeypatch.delenv(name, raising=False)
        result = run(what, "--all")
        assert result.exit_code == 1
        assert result.output == f"Error: no API key is configured; set {variable}\n"

    @pytest.mark.parametrize("of", [("--all",), ("some-id",)])
    def test_a_refused_key_is_to_be_set_where_it_is_read(
        self, cloud: ServedWorld, monkeypatch: pytest.MonkeyPatch, of: tuple[str, ...]
    ) -> None:
        """No stack's configuration is read here."""
        monkeypatch.setenv("OPENRELAY_API_KEY", "or_wrong")
        result = run("vm", *of)
        assert result.exit_code == 1
        assert result.output == (
            "Error: the API refused the key from the environment (OPENRELAY_API_KEY) (401 "
            "INVALID_API_KEY: This API key is not valid); set a valid one there\n"
        )


def test_what_the_api_does_not_give_back_and_pulumi_will_miss_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Pulumi calls it a bug of the provider."""
    with serve_relay(keys=["relay_sk_local"]) as account:
        monkeypatch.setenv("RELAY_BASE_URL", account.url)
        monkeypatch.setenv("RELAY_API_KEY", "relay_sk_local")
        asks = {"prescription": "cpu.small", "image": "ubuntu-24.04", "ssh_public_key": KEY}
        rented = account.world.call("POST", "/v2/instances", asks).json()["id"]
        result = run("instance", rented)
    assert result.exit_code == 0
    said = f"warning: the API does not give ssh_public_key of {rented} back"
    assert said in result.stderr


@pytest.mark.parametrize(
    ("arguments", "before", "holds"),
    [
        (("api-key", "--all"), "", ""),
        (
            ("account-settings", "account"),
            "account settings 'account': it could not be read: ",
            "nothing was read; ",
        ),
    ],
)
def test_an_ordinary_key_is_told_the_variable_that_this_command_reads(
    monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], before: str, holds: str
) -> None:
    """No stack's configuration is read here."""
    with serve_relay(keys=["relay_sk_super", "relay_sk_ordinary"]) as account:
        monkeypatch.setenv("RELAY_BASE_URL", account.url)
        monkeypatch.setenv("RELAY_API_KEY", "relay_sk_ordinary")
        result = run(*arguments)
        monkeypatch.setenv("RELAY_CUSTOMER_TOKEN", "jwt_local")
        assert run(*arguments).exit_code == 0
    assert result.exit_code == 1
    start = f"Error: {before}the API does not allow it with the API key from the environment "
    assert result.output.startswith(f"{start}(RELAY_API_KEY) (403 CREDENTIAL_NOT_PERMITTED: ")
    assert result.output.endswith(
        f"); {holds}keys and account settings need RELAY_CUSTOMER_TOKEN or the account's superkey\n"
    )
    assert "RELAY_CUSTOMER_TOKEN" in CliRunner().invoke(import_, ["--help"]).stdout


@pytest.mark.parametrize("what", ["model-allowlist", "account-settings", "webhook-secret"])
def test_a_setting_has_one_id_and_no_other(monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    """The state would hold the other for ever."""
    with serve_relay(keys=["relay_sk_local"]) as account:
        monkeypatch.setenv("RELAY_BASE_URL", account.url)
        monkeypatch.setenv("RELAY_API_KEY", "relay_sk_local")
        result = run(what, "x")
    assert result.exit_code == 1
    assert result.output == (
        f"Error: {what.replace('-', ' ')} 'x': it could not be read: "
        "its id is 'account', and not 'x'; nothing was read; give that one\n"
    )


@pytest.mark.parametrize(
    ("what", "path", "nothing", "name"),
    [
        ("model-allowlist", "/v2/customer/model-allowlist", {"model_allowlist": None}, "models"),
        ("account-settings", "/v2/customer/profile", {"customer_id": "c"}, "warning_threshold"),
    ],
)
def test_a_setting_that_is_not_set_is_refused_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch, what: str, path: str, nothing: dict[str, Any], name: str
) -> None:
    """Pulumi would call the entry, which lacks what a program must give, a bug of ours."""
    with serve_relay(keys=["relay_sk_local"]) as account:
        monkeypatch.setenv("RELAY_BASE_URL", account.url)
        monkeypatch.setenv("RELAY_API_KEY", "relay_sk_local")
        account.world.faults.status(200, "GET", f"{path}$", times=None, body=nothing)
        result = run(what, "account")
    assert result.exit_code == 1
    assert result.output == (
        f"Error: the account has no {what.replace('-', ' ')} to import ({name} is not set); "
        f"declare it in the program, which sets it\n"
    )


class TestPulumisOwnWay:
    """`ResourceOptions(import_=...)` would ask a provider that nothing names."""

    def test_it_is_refused_with_the_commands_that_do_it(self) -> None:
        with pytest.raises(pulumi.RunError) as error:
            SshKey("laptop", pulumi.ResourceOptions(import_="key_1"), public_key=KEY)
        assert str(error.value) == (
            "SshKey 'laptop' cannot be imported by import_: run `pulumi-openrelay import SshKey "
            "key_1 --name laptop > it.json` and `pulumi import --file it.json "
            "--generate-code=false`, and take import_ out of the program"
        )


class TestNouns:
    @pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
    def test_a_kind_is_known_by_its_name_in_any_spelling(self, kind: Any) -> None:
        name = kind.resource.__name__
        dashed = "".join(f"-{c.lower()}" if c.isupper() else c for c in name).lstrip("-")
        for spelling in (name, name.lower(), dashed, dashed.replace("-", "_"), dashed.upper()):
            assert kind_of(spelling) is kind

    def test_another_is_refused_with_all_that_there_are(self) -> None:
        with pytest.raises(OpenRelayError) as error:
            kind_of("virtual-machine")
        told = error.value.what.partition("; there are ")[2].split(", ")
        assert {"vm", "inference-cluster"} <= set(told)
        assert {kind_of(noun).token for noun in told} == set(KINDS)
