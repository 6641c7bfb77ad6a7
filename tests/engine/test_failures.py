"""Every failure is one line: which resource, what happened, what now holds, what to do next."""

from __future__ import annotations

import os
import signal

import pytest

from pulumi_openrelay.emulator import ServedWorld

from .support import (
    CREATE,
    VM,
    Stack,
    all_told_as_recorded,
    calm,
    fault,
    interrupted,
    mutations,
    wait_until,
)

REFUSALS: list[tuple[int, str | None, str]] = [
    (
        401,
        "REVOKED_API_KEY",
        "VM 'trainer': the API refused the key from the environment (OPENRELAY_API_KEY) (401 "
        "REVOKED_API_KEY: No); nothing was created; set a valid one there",
    ),
    (
        402,
        None,
        "VM 'trainer': the organization's balance does not cover it (402: No); nothing was "
        "created; add funds and run `pulumi up` again",
    ),
    (
        403,
        "ACCOUNT_RESTRICTED",
        "VM 'trainer': the API does not allow it with the key from the environment "
        "(OPENRELAY_API_KEY) (403 ACCOUNT_RESTRICTED: No); nothing was created; have what "
        "it says settled for the organization, then run `pulumi up` again",
    ),
    (
        409,
        "NAME_TAKEN",
        "VM 'trainer': the API refused it as things stand (409 NAME_TAKEN: No); nothing was "
        "created; choose another name, or leave it out; to replace one under its own name, "
        "set delete_before_replace",
    ),
    (
        422,
        None,
        "VM 'trainer': the API refused the request (422: No); nothing was created; correct it "
        "and run it again",
    ),
    (
        429,
        None,
        "VM 'trainer': the API kept asking to slow down (429: No); nothing was created; wait a "
        "little and run `pulumi up` again",
    ),
    (
        503,
        "INSUFFICIENT_GPU_CAPACITY",
        "VM 'trainer': there is no capacity for it right now (503 INSUFFICIENT_GPU_CAPACITY: "
        "No); nothing was created; try later or another shape, or let capacity_timeout wait "
        "for capacity",
    ),
    (
        500,
        None,
        "VM 'trainer': the API failed (500: No); whether it was created is unknown; run "
        "`pulumi up` again: it looks for it before it creates anything",
    ),
]


def test_each_refusal_of_a_create_is_one_line(stack: Stack, cloud: ServedWorld) -> None:
    stack.run("config", "set", "openrelay:maxRetries", "1", "--stack", stack.name)
    for status, code, sentence in REFUSALS:
        fault(cloud, CREATE, type="status", status=status, error="No.", code=code)

        failed = stack.up(VM)

        assert failed.code != 0
        assert failed.errors == [sentence]
        assert "Traceback" not in failed.text
        assert cloud.world.live_vms() == []
        calm(cloud)
    assert stack.up().code == 0
    assert len(cloud.world.live_vms()) == 1


def test_an_answer_that_is_no_json_is_one_line(stack: Stack, cloud: ServedWorld) -> None:
    stack.run("config", "set", "openrelay:maxRetries", "1", "--stack", stack.name)
    fault(cloud, {"method": "GET", "path_regex": "/ssh-keys$"}, type="invalid_json")

    failed = stack.up(VM)

    assert failed.errors == [
        "SSH key 'laptop': the API answered 200 with something else than the JSON it documents; "
        "nothing was created; run the command again; if it stays so, check the environment "
        "(OPENRELAY_API_URL)"
    ]
    assert "Traceback" not in failed.text


def test_a_server_that_is_none_of_the_api_is_named_with_where_its_address_came_from(
    stack: Stack, cloud: ServedWorld
) -> None:
    stack.environment["OPENRELAY_API_URL"] = f"{cloud.url}/nowhere"

    failed = stack.up(VM)

    assert failed.errors == [
        f"SSH key 'laptop': the server at {cloud.url}/nowhere does not know /v1/whoami; nothing "
        "was created; check the environment (OPENRELAY_API_URL)"
    ]


def test_an_organization_id_that_is_wrong_is_named_with_where_it_came_from(
    stack: Stack, cloud: ServedWorld
) -> None:
    source = "the environment (OPENRELAY_ORGANIZATION_ID)"
    stack.environment["OPENRELAY_ORGANIZATION_ID"] = "org_b"
    (refused,) = stack.up(VM).errors
    assert "VM 'trainer': " in refused or "SSH key 'laptop': " in refused
    assert refused.endswith(f"; if the key is of another organization, correct {source}")
    del stack.environment["OPENRELAY_ORGANIZATION_ID"]
    assert stack.up().code == 0
    stack.environment["OPENRELAY_ORGANIZATION_ID"] = "org_b"

    errors = stack.refresh().errors

    own = cloud.world.first_organization.id
    said = f"it belongs to the organization {own}, and {source} names org_b; "
    assert errors
    assert all(said in error for error in errors)
    assert all(f"; correct {source}, or leave it out and use a key" in e for e in errors)


def test_without_a_key_nothing_is_sent_and_one_line_says_what_to_set(
    stack: Stack, cloud: ServedWorld
) -> None:
    del stack.environment["OPENRELAY_API_KEY"]
    cloud.world.log.clear()

    failed = stack.preview(VM)

    assert failed.errors == [
        "OpenRelay: no API key is configured; run `pulumi config set --secret openrelay:apiKey "
        "<key>` or set OPENRELAY_API_KEY"
    ]
    assert list(cloud.world.log.entries) == []


def test_a_refused_key_fails_the_preview_and_says_where_it_came_from(stack: Stack) -> None:
    stack.environment["OPENRELAY_API_KEY"] = "or_wrong"
    known = VM.replace("key.id", '"some-key"').replace("key =", "#")

    failed = stack.preview(known)

    assert failed.code != 0
    assert failed.errors == [
        "VM 'trainer': the API refused the key from the environment (OPENRELAY_API_KEY) (401 "
        "INVALID_API_KEY: This API key is not valid); nothing was changed; set a valid one there"
    ]
    assert "Traceback" not in failed.text
    assert "or_wrong" not in failed.text


@pytest.mark.parametrize("status", [403, 404, 500])
def test_a_catalog_that_cannot_be_read_fails_no_preview(
    stack: Stack, cloud: ServedWorld, status: int
) -> None:
    """The key may lack this one permission, and what is to be made needs no price."""
    fault(cloud, {"method": "GET", "path_regex": "/pricing$"}, type="status", status=status)
    preview = stack.preview(VM)
    assert preview.code == 0, preview.text
    assert preview.changed["trainer"] == "create"
    assert preview.errors == []


def test_an_api_that_is_away_fails_no_preview_and_says_so(stack: Stack) -> None:
    stack.environment["OPENRELAY_API_URL"] = "http://127.0.0.1:9"
    preview = stack.preview(VM)
    assert preview.code == 0, preview.text
    assert preview.changed["trainer"] == "create"
    assert any("cannot be reached" in line and "trying again" in line for line in preview.progress)


def test_the_stacks_configuration_wins_over_the_environment(stack: Stack) -> None:
    stack.environment["OPENRELAY_API_KEY"] = "or_wrong"
    stack.run(
        "config", "set", "--secret", "openrelay:apiKey", stack.cloud.key, "--stack", stack.name
    )
    assert stack.up(VM).code == 0


def test_bad_input_is_refused_in_preview_by_the_propertys_name(
    stack: Stack, cloud: ServedWorld
) -> None:
    cloud.world.log.clear()
    refused = stack.preview(
        """
    relay.Vm("trainer", ssh_key_ids=["k"], gpu_model_id=GPU, gpu_count=0,
             cloud_init="echo hidden-marker", env_vars={"TOKEN": 5})
    """
    )
    assert refused.code != 0
    problems = [error.split(" has a problem: ")[1] for error in refused.errors]
    assert sorted(problems) == [
        "cloud_init should be a script that begins with a shebang, such as #!/bin/bash",
        "env_vars should be a valid string (element TOKEN)",
        "gpu_count should be greater than or equal to 1, not 0",
    ]
    assert "hidden-marker" not in refused.text
    assert "Traceback" not in refused.text
    assert list(cloud.world.log.entries) == []


def test_a_wait_that_takes_too_long_records_the_machine_and_the_next_up_goes_on(
    stack: Stack, cloud: ServedWorld
) -> None:
    cloud.world.scripts.add({"kind": "vm", "outcome": {"type": "stall"}})
    program = """
    key = relay.SshKey("laptop", public_key=KEY)
    relay.Vm("trainer", ssh_key_ids=[key.id], gpu_model_id=GPU, gpu_count=1,
             opts=Options(custom_timeouts=pulumi.CustomTimeouts(create="2s", update="20s")))
    """

    failed = stack.up(program)

    machine = cloud.world.live_vms()[0]
    assert len(failed.errors) == 1
    assert failed.errors[0].startswith("VM 'trainer': it was not running within 2 s (deploying")
    assert failed.errors[0].endswith(
        f"it exists and is recorded ({machine.id}); run `pulumi up` again to go on"
    )
    recorded = stack.resources()["trainer"]
    assert recorded["id"] == machine.id
    assert recorded["initErrors"]
    cloud.world.call("PATCH", f"/_emulator/vms/{machine.id}", {"status": "running"})

    again = stack.up()

    assert again.code == 0, again.text
    assert again.changed == {"trainer": "update"}
    assert stack.resources()["trainer"]["outputs"]["status"] == "running"
    assert len(cloud.world.live_vms()) == 1
    assert stack.preview().changed == {}


def test_a_failed_machine_says_why_and_the_next_up_replaces_it(
    stack: Stack, cloud: ServedWorld
) -> None:
    outcome = {"type": "fail", "reason": "container failed to start: no such image"}
    cloud.world.scripts.add({"kind": "vm", "outcome": outcome})

    failed = stack.up(VM)

    broken = stack.resources()["trainer"]["id"]
    assert failed.errors == [
        "VM 'trainer': it has failed: container failed to start: no such image; it exists and is "
        f"recorded ({broken}); run `pulumi up` again, which replaces it"
    ]

    again = stack.up()

    assert again.code == 0, again.text
    assert again.changed == {"trainer": "replace"}
    assert [vm.id for vm in cloud.world.live_vms()] == [stack.resources()["trainer"]["id"]]
    assert stack.resources()["trainer"]["id"] != broken


def test_a_create_whose_answer_was_lost_bills_once(stack: Stack, cloud: ServedWorld) -> None:
    for path in ("/vms/create$", "/clusters/create$", "/webhooks/create$", "/ssh-keys/create$"):
        match = {"method": "POST", "path_regex": path}
        rule = {"match": match, "times": 1, "action": "lose_answer"}
        cloud.world.call("POST", "/_emulator/faults", rule)

    done = stack.up(
        """
    key = relay.SshKey("laptop", public_key=KEY)
    relay.Vm("trainer", ssh_key_ids=[key.id], gpu_model_id=GPU, gpu_count=1)
    relay.InferenceCluster("llm", image_url="x", gpu_model_id=GPU, replica_count=1)
    relay.Webhook("events", url="http://127.0.0.1:9/hook")
    """
    )

    assert done.code == 0, done.text
    world = cloud.world.call("GET", "/_emulator/world").json()
    counts = [len(world[what]) for what in ("vms", "clusters", "webhooks", "ssh_keys")]
    assert counts == [1, 1, 1, 1]
    recorded = {r["id"] for r in stack.resources().values() if "id" in r}
    assert {world["vms"][0]["id"], world["clusters"][0]["id"]} <= recorded


def test_capacity_is_waited_for_only_where_the_program_says_so(
    stack: Stack, cloud: ServedWorld
) -> None:
    rule = {
        "match": CREATE,
        "times": 2,
        "action": {"type": "status", "status": 503, "code": "INSUFFICIENT_GPU_CAPACITY"},
    }
    cloud.world.call("POST", "/_emulator/faults", rule)

    done = stack.up(
        """
    key = relay.SshKey("laptop", public_key=KEY)
    relay.Vm("trainer", ssh_key_ids=[key.id], gpu_model_id=GPU, gpu_count=1,
             capacity_timeout="60s")
    """
    )

    assert done.code == 0, done.text
    assert any("waiting for capacity" in line for line in done.progress)
    assert [m for m in mutations(cloud) if m.endswith("/vms/create")] == [
        f"POST /v1/orgs/{cloud.world.first_organization.id}/vms/create"
    ] * 3


def test_an_organization_without_inference_clusters_is_told_so(
    stack: Stack, cloud: ServedWorld
) -> None:
    program = 'relay.InferenceCluster("llm", image_url="x", gpu_model_id=GPU, replica_count=1)'
    assert stack.up(program).code == 0
    cloud.world.settings.change({"inference_clusters": False})

    refreshed = stack.refresh()

    assert refreshed.errors == [
        "inference cluster 'llm': it could not be read: this organization's API has no inference "
        "clusters (404); its record is as it was; take it out of the program, or out of the state "
        "with `pulumi state delete`"
    ]
    assert "llm" in stack.resources()


def test_unknown_states_fields_and_codes_break_nothing(stack: Stack, cloud: ServedWorld) -> None:
    cloud.world.settings.change(
        {"unknown_fields": True, "unknown_status": 1, "unknown_status_seconds": 1.0}
    )
    done = stack.up(VM)
    assert done.code == 0, done.text
    assert stack.refresh().code == 0
    assert stack.preview().changed == {}


def test_ctrl_c_is_answered_within_seconds_and_records_every_machine(
    stack: Stack, cloud: ServedWorld
) -> None:
    cloud.world.settings.change({"provision_seconds": 600.0})
    stack.write(
        """
    key = relay.SshKey("laptop", public_key=KEY)
    for n in range(5):
        relay.Vm(f"vm{n}", ssh_key_ids=[key.id], resource_size="small")
    """
    )
    up = stack.start("up", "--yes", "--skip-preview", "--event-log", str(stack.log))
    wait_until(lambda: len(cloud.world.live_vms()) == 5)

    os.kill(up.pid, signal.SIGINT)

    # The engine hears every sentence; what it prints at its end comes after its own five seconds.
    wait_until(lambda: all_told_as_recorded(stack, cloud), seconds=2)
    assert up.wait(timeout=60) != 0
    text = stack.printed.read_text()
    recorded = {n: r for n, r in stack.resources().items() if n.startswith("vm")}
    assert {r["id"] for r in recorded.values()} == {vm.id for vm in cloud.world.live_vms()}
    for vm in cloud.world.live_vms():
        assert text.count(interrupted(vm.id)) == 1
    assert "Traceback" not in text
    cloud.world.settings.change({"provision_seconds": 0.5})
    for vm in cloud.world.live_vms():
        cloud.world.call("PATCH", f"/_emulator/vms/{vm.id}", {"status": "running"})
    assert stack.up().code == 0
    assert len(cloud.world.live_vms()) == 5
