"""Who is let in, and what every operation does before its own work."""

from __future__ import annotations

import re
from typing import Any

import pytest

from pulumi_openrelay.emulator import Request
from pulumi_openrelay.emulator.contract import document
from pulumi_openrelay.emulator.openrelay import AREAS

from .support import Api


def test_whoami_names_the_organization_that_the_key_is_bound_to(api: Api) -> None:
    me = api.ok("GET", "/v1/whoami")
    assert api.org.endswith(me["organizationId"])
    assert me["principalType"] == "api_key"
    assert me["key"]["prefix"] == "or_loc"


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, "MISSING_API_KEY"),
        ({"Authorization": "Basic or_local"}, "MISSING_API_KEY"),
        ({"Authorization": "Bearer or_wrong"}, "INVALID_API_KEY"),
    ],
)
def test_without_a_valid_key_everything_is_401(
    api: Api, headers: dict[str, str], code: str
) -> None:
    for path in ("/v1/whoami", f"{api.org}/vms", "/v1/vms/unknown"):
        api.refused(401, "GET", path, code=code, key=None, headers=headers)


def test_public_pricing_needs_no_key(api: Api) -> None:
    assert api.ok("GET", "/v1/public/pricing", key=None)["gpu"]


def test_revoked_and_expired_keys_say_so(api: Api) -> None:
    api.control("POST", "keys", {"secret": "or_old", "revoked": True})
    api.control("POST", "keys", {"secret": "or_short", "expires_in_seconds": 60})
    api.refused(401, "GET", "/v1/whoami", code="REVOKED_API_KEY", key="or_old")
    assert api.ok("GET", "/v1/whoami", key="or_short")["key"]["expiresInDays"] == 0
    api.wait(61)
    api.refused(401, "GET", "/v1/whoami", code="EXPIRED_API_KEY", key="or_short")


def test_another_organizations_path_is_403_and_its_resources_are_404(api: Api) -> None:
    vm_id = api.running_vm()
    webhook = api.ok("POST", f"{api.org}/webhooks/create", {"name": "w", "url": "http://h"})
    api.control("POST", "keys", {"secret": "or_two", "organization": "Other"})
    denied = api.refused(403, "GET", f"{api.org}/vms", key="or_two")
    assert denied["permission"] == "compute.read"
    assert denied["deniedBy"]
    other = api.ok("GET", "/v1/whoami", key="or_two")["organizationId"]
    assert api.ok("GET", f"/v1/orgs/{other}/vms", key="or_two")["items"] == []
    api.refused(404, "GET", f"/v1/vms/{vm_id}", key="or_two")
    api.refused(404, "POST", f"/v1/vms/{vm_id}/terminate", key="or_two")
    toggle = f"/v1/orgs/{other}/webhooks/{webhook['id']}/toggle"
    api.refused(404, "POST", toggle, {"enabled": False}, key="or_two")
    # Where the document lists no 404, nothing happens.
    api.ok("DELETE", f"/v1/orgs/{other}/webhooks/{webhook['id']}", key="or_two")
    api.ok("DELETE", f"/v1/orgs/{other}/ssh-keys/{api.ssh_key()}", key="or_two")
    assert api.ok("GET", f"{api.org}/webhooks")
    assert api.ok("GET", f"{api.org}/ssh-keys")


def test_a_restricted_key_is_told_which_permission_it_lacks(api: Api) -> None:
    api.control("POST", "keys", {"secret": "or_ro", "permissions": ["compute.read"]})
    assert api.ok("GET", f"{api.org}/vms", key="or_ro") == {"items": []}
    denied = api.refused(403, "POST", api.vms_create, api.vm_body(), key="or_ro")
    assert denied["permission"] == "compute.create"
    assert denied["deniedBy"] == "key"


def test_unknown_paths_are_404_and_unserved_operations_501(api: Api) -> None:
    api.refused(404, "GET", "/v1/nothing")
    api.refused(404, "GET", "/v1/vms/")
    api.refused(405, "PUT", "/v1/whoami")
    sentence = api.refused(501, "GET", "/v1/pods", code="NOT_EMULATED")["error"]
    assert "listPods" in sentence


def test_every_operation_that_is_not_served_says_so(api: Api) -> None:
    served = {operation for area in AREAS for operation in area.operations}
    assert served <= {*document("openrelay").operations}
    org = api.org.rsplit("/", 1)[-1]
    for operation in document("openrelay").operations.values():
        if operation.id not in served:
            path = re.sub(r"\{\w+\}", org, operation.template)
            sentence = api.refused(501, operation.method, path, {}, code="NOT_EMULATED")["error"]
            assert operation.id in sentence


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": None}, "`name` is required"),
        ({"name": 7}, "`name` must be of type string"),
        ({"sshKeyIds": "key"}, "`sshKeyIds` must be of type array"),
        ({"sshKeyIds": [1]}, "`sshKeyIds.0` must be of type string"),
        ({"gpuCount": "1"}, "`gpuCount` must be of type integer"),
        ({"gpuCount": True}, "`gpuCount` must be of type integer"),
        ({"envVars": {"A": 1}}, "`envVars.A` must be of type string"),
    ],
)
def test_a_body_that_breaks_the_document_is_400_and_names_the_field(
    api: Api, change: dict[str, Any], field: str
) -> None:
    sentence = api.refused(400, "POST", api.vms_create, api.vm_body(**change))["error"]
    assert field in sentence
    assert api.world.live_vms() == []


def test_a_whole_number_sent_as_a_float_is_not_an_integer(api: Api) -> None:
    cluster_id = api.running_cluster()
    api.refused(400, "POST", f"/v1/clusters/{cluster_id}/scale", {"replicaCount": 2.0})


def test_unknown_extra_fields_of_a_body_are_ignored(api: Api) -> None:
    assert api.create_vm(futureField={"a": 1})["status"] == "deploying"


def test_a_refusal_never_repeats_what_a_body_holds(api: Api) -> None:
    body = api.vm_body(cloudInit="export TOKEN=hunter2")
    assert "hunter2" not in api.refused(400, "POST", api.vms_create, body)["error"]
    body = api.vm_body(envVars={"TOKEN": ["hunter2"]})
    assert "hunter2" not in api.refused(400, "POST", api.vms_create, body)["error"]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'"text"', b"\xff"])
def test_a_body_that_is_no_json_object_is_400(api: Api, body: bytes) -> None:
    headers = {"authorization": "Bearer or_local"}
    answer = api.world.handle(Request("POST", api.vms_create, {}, headers, body))
    assert answer.status == 400
    assert answer.json()["error"].startswith("The body must be")


@pytest.mark.parametrize("query", ["limit=many", "limit=0", "limit=-1", "activeOnly=maybe"])
def test_a_query_that_breaks_the_document_is_400(api: Api, query: str) -> None:
    api.refused(400, "GET", f"{api.org}/vms?{query}")


def test_ids_in_paths_may_be_percent_encoded(api: Api) -> None:
    vm_id = api.create_vm()["id"]
    assert api.ok("GET", f"/v1/vms/{vm_id.replace('-', '%2D')}")["id"] == vm_id


def test_the_document_is_served_without_a_key(api: Api) -> None:
    served = api.ok("GET", "/openapi.json", key=None)
    assert served["info"]["title"] == "OpenRelay control-plane API"
    assert len(served["paths"]) == 145
