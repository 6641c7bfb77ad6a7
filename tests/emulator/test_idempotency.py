"""`Idempotency-Key`: one key, one machine."""

from __future__ import annotations

import json

from pulumi_openrelay.emulator import Request

from .support import Api, public_key


def test_the_same_key_and_body_give_the_same_vm(api: Api) -> None:
    assert api.create_vm(key="k")["id"] == api.create_vm(key="k")["id"]
    assert len(api.world.live_vms()) == 1


def test_a_replay_shows_the_vm_as_it_is_now(api: Api) -> None:
    api.create_vm(key="k")
    api.wait_until_up()
    assert api.create_vm(key="k")["status"] == "running"


def test_same_key_and_body_gives_the_same_vm_even_after_it_was_terminated(api: Api) -> None:
    vm_id = api.create_vm(key="k")["id"]
    api.ok("POST", f"/v1/vms/{vm_id}/terminate")
    api.wait_until_up()
    replay = api.create_vm(key="k")
    assert (replay["id"], replay["status"]) == (vm_id, "terminated")


def test_the_same_key_with_another_body_is_422(api: Api) -> None:
    api.create_vm(key="k")
    headers = {"Idempotency-Key": "k"}
    api.refused(422, "POST", api.vms_create, api.vm_body(gpuCount=2), headers=headers)
    assert len(api.world.live_vms()) == 1


def test_spacing_and_order_do_not_make_another_body(api: Api) -> None:
    body = api.vm_body()
    first = api.ok("POST", api.vms_create, body, headers={"Idempotency-Key": "k"})
    shuffled = json.dumps(dict(reversed(body.items())), indent=4).encode()
    headers = {"authorization": "Bearer or_local", "idempotency-key": "k"}
    again = api.world.handle(Request("POST", api.vms_create, {}, headers, shuffled))
    assert again.json()["id"] == first["id"]


def test_two_keys_or_none_make_two_machines(api: Api) -> None:
    ids = {api.create_vm(key=key)["id"] for key in ("a", "b", None, None)}
    assert len(ids) == 4


def test_a_key_is_forgotten_after_a_day(api: Api) -> None:
    first = api.create_vm(key="k")["id"]
    api.wait(86_399)
    assert api.create_vm(key="k")["id"] == first
    api.wait(1)
    assert api.create_vm(key="k")["id"] != first


def test_keys_of_two_organizations_are_apart(api: Api) -> None:
    api.create_vm(key="k")
    api.control("POST", "keys", {"secret": "or_two", "organization": "Other"})
    other = api.ok("GET", "/v1/whoami", key="or_two")["organizationId"]
    ssh_key = {"name": "k", "publicKey": public_key()}
    key_id = api.ok("POST", f"/v1/orgs/{other}/ssh-keys/create", ssh_key, key="or_two")["id"]
    path, body = f"/v1/orgs/{other}/vms/create", api.vm_body(sshKeyIds=[key_id])
    api.ok("POST", path, body, key="or_two", headers={"Idempotency-Key": "k"})
    assert len(api.world.live_vms()) == 2


def test_a_key_on_a_cluster_create_is_not_taken(api: Api) -> None:
    body = {"name": "chat", "resourceSize": "small"}
    headers = {"Idempotency-Key": "k"}
    ids = {api.ok("POST", f"{api.org}/clusters/create", body, headers=headers)["id"] for _ in "ab"}
    assert len(ids) == 2
