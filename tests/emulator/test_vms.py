"""VMs: what a create takes, what is shown, what each operation does."""

from __future__ import annotations

from typing import Any

import pytest

from .support import PROVISION_SECONDS, Api

# What the detail does not give back (and the document has no fields for).
NOT_GIVEN_BACK = {
    "allowFallback": True,
    "cloudInit": "#!/bin/sh\ntrue",
    "containerCommand": ["serve"],
    "envVars": {"TOKEN": "hunter2"},
    "healthCheckPath": "/health",
    "healthCheckPort": 80,
    "healthChecks": ["http"],
    "kernelModules": ["fuse"],
    "preferredRegions": ["eu"],
    "privileged": True,
}


def test_a_create_answers_at_once_with_a_deploying_vm(api: Api) -> None:
    vm = api.create_vm(gpuCount=2)
    assert vm["status"] == "deploying"
    assert vm["provisioningStage"]
    assert vm["pricePerHourCents"] == 58
    assert vm["diskSizeGb"] == 200
    assert "endpointUrl" not in vm


def test_a_cpu_vm_has_a_size_and_no_gpus(api: Api) -> None:
    vm = api.ok("POST", api.vms_create, api.cpu_body(resourceSize="large"))
    detail = api.detail(vm["id"])
    assert (vm["gpuCount"], vm["resourceSize"]) == (0, "large")
    assert (detail["guestVcpu"], detail["guestMemMb"]) == (8, 16_384)
    assert "gpuModelId" not in detail
    assert "gpuInfo" not in detail


def test_a_gpu_count_of_zero_beside_a_size_is_a_cpu_vm(api: Api) -> None:
    assert api.ok("POST", api.vms_create, api.cpu_body(gpuCount=0))["resourceSize"] == "small"


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"resourceSize": "small"}, 400, "RESOURCE_SIZE_NOT_APPLICABLE"),
        ({"resourceSize": "small", "gpuModelId": None}, 400, "RESOURCE_SIZE_NOT_APPLICABLE"),
        ({"resourceSize": "small", "gpuCount": None}, 400, "RESOURCE_SIZE_NOT_APPLICABLE"),
        ({"gpuModelId": None, "gpuCount": None}, 400, None),
        ({"gpuCount": None}, 400, None),
        ({"gpuCount": 0}, 400, None),
        ({"gpuModelId": None}, 400, None),
        ({"gpuModelId": "no-such-model"}, 400, None),
        ({"gpuCount": 9}, 400, "GPU_COUNT_NOT_ALLOCATABLE"),
        ({"gpuCount": -1}, 400, "GPU_COUNT_NOT_ALLOCATABLE"),
        ({"name": ""}, 400, None),
        ({"name": "  "}, 400, None),
        ({"sshKeyIds": []}, 400, None),
        ({"sshKeyIds": ["key_unknown"]}, 400, None),
        ({"cloudInit": "#cloud-config\n"}, 400, None),
        ({"tier": "platinum"}, 400, None),
        ({"templateId": "no-such-template"}, 400, None),
        ({"diskSizeGb": 5}, 400, None),
        ({"diskSizeGb": 9000}, 400, None),
        ({"diskSizeGb": 2001}, 400, "VM_SHAPE_NOT_PLACEABLE"),
        ({"guestMemMb": 10_000_000}, 400, "VM_SHAPE_NOT_PLACEABLE"),
        ({"nodeId": "node_of_another"}, 404, None),
    ],
)
def test_a_create_that_can_never_work_is_refused_for_good(
    api: Api, fields: dict[str, Any], status: int, code: str | None
) -> None:
    api.refused(status, "POST", api.vms_create, api.vm_body(**fields), code=code)
    assert api.world.live_vms() == []


def test_unknown_sizes_and_ram_for_a_cpu_vm_are_refused(api: Api) -> None:
    api.refused(400, "POST", api.vms_create, api.cpu_body(resourceSize="huge"))
    api.refused(400, "POST", api.vms_create, api.cpu_body(guestMemMb=1024))


def test_guest_ram_is_raised_to_the_floor(api: Api) -> None:
    vm = api.create_vm(guestMemMb=1024)
    assert api.detail(vm["id"])["guestMemMb"] == 24 * 1024 * 65 // 100


def test_two_vms_may_have_one_name(api: Api) -> None:
    assert api.create_vm("twin")["id"] != api.create_vm("twin")["id"]


def test_the_detail_omits_what_the_service_never_gives_back(api: Api) -> None:
    template = api.ok("GET", "/v1/vm-templates")[0]
    fields = {**NOT_GIVEN_BACK, "templateId": template["id"], "imageUrl": "acme/train"}
    vm_id = api.running_vm(containerPort=8080, public=True, **fields)
    detail = api.detail(vm_id)
    assert not {*detail} & {*NOT_GIVEN_BACK, "templateId", "nodeId"}
    assert detail["imageUrl"] == "acme/train"
    assert detail["containerPort"] == 8080
    assert detail["public"] is True
    assert detail["templateInfo"]["name"] == template["name"]
    kept = api.control("GET", f"vms/{vm_id}")["request"]
    assert kept["envVars"] == {"TOKEN": "hunter2"}


def test_detail_fields_can_be_hidden_on_order(api: Api) -> None:
    vm_id = api.running_vm()
    api.control("PATCH", "settings", {"hidden_detail_fields": ["sshState", "sshReady"]})
    assert not {"sshState", "sshReady"} & {*api.detail(vm_id)}


def test_a_vm_of_another_id_is_404(api: Api) -> None:
    for path in ("", "/detail", "/burn", "/ssh-keys", "/metrics"):
        api.refused(404, "GET", f"/v1/vms/unknown{path}")
    api.refused(404, "POST", "/v1/vms/unknown/terminate")
    api.refused(404, "GET", "/api/nomad/vms/unknown/logs")


def test_visibility_changes_in_place(api: Api) -> None:
    vm_id = api.running_vm()
    assert api.vm(vm_id)["public"] is False
    assert api.ok("POST", f"/v1/vms/{vm_id}/visibility", {"public": True})["public"] is True
    assert api.detail(vm_id)["public"] is True


def test_keys_attach_and_detach_but_the_last_one_stays(api: Api) -> None:
    vm_id, first, second = api.running_vm(), api.ssh_key(), api.ssh_key(2)
    path = f"/v1/vms/{vm_id}/ssh-keys"

    def attached() -> set[str]:
        return {key["id"] for key in api.ok("GET", path) if key["attached"]}

    assert attached() == {first}
    for _ in range(2):  # attaching twice is fine
        api.ok("POST", path, {"sshKeyId": second})
    assert attached() == {first, second}
    for _ in range(2):  # and so is detaching
        api.ok("DELETE", f"{path}/{first}")
    assert attached() == {second}
    api.refused(400, "DELETE", f"{path}/{second}")
    api.refused(400, "POST", path, {"sshKeyId": "key_unknown"})
    assert attached() == {second}


def test_a_terminated_vm_takes_no_keys(api: Api) -> None:
    vm_id = api.running_vm()
    api.ok("POST", f"/v1/vms/{vm_id}/terminate")
    api.wait_until_up()
    api.refused(400, "POST", f"/v1/vms/{vm_id}/ssh-keys", {"sshKeyId": api.ssh_key(2)})
    api.refused(400, "DELETE", f"/v1/vms/{vm_id}/ssh-keys/{api.ssh_key()}")
    api.refused(409, "POST", f"/v1/vms/{vm_id}/visibility", {"public": True})


def test_a_disk_grows_only_and_only_when_stopped(api: Api) -> None:
    vm_id = api.running_vm()
    path = f"/v1/vms/{vm_id}/resize-disk"
    api.refused(409, "POST", path, {"newSizeGb": 200})
    api.ok("POST", f"/v1/vms/{vm_id}/stop")
    api.refused(409, "POST", path, {"newSizeGb": 200})  # it is stopping, not stopped
    api.wait_until_up()
    api.refused(400, "POST", path, {"newSizeGb": 99})
    api.refused(400, "POST", path, {"newSizeGb": 9000})
    api.ok("POST", path, {"newSizeGb": 200})
    assert api.detail(vm_id)["diskSizeGb"] == 200


def test_stop_can_be_switched_off_and_that_blocks_resizing_too(api: Api) -> None:
    running, stopped = api.running_vm(), api.stopped_vm()
    api.control("PATCH", "settings", {"stop_disabled": True})
    api.refused(409, "POST", f"/v1/vms/{running}/stop", code="STOP_DISABLED")
    resize = f"/v1/vms/{stopped}/resize-disk"
    api.refused(409, "POST", resize, {"newSizeGb": 200}, code="STOP_DISABLED")
    api.ok("POST", f"/v1/vms/{running}/terminate")


def test_terminate_is_repeatable_and_final(api: Api) -> None:
    vm_id = api.running_vm()
    for _ in range(2):
        api.ok("POST", f"/v1/vms/{vm_id}/terminate")
    api.wait_until_up()
    assert api.ok("POST", f"/v1/vms/{vm_id}/terminate")["status"] == "terminated"
    api.refused(409, "POST", f"/v1/vms/{vm_id}/restart")
    api.refused(409, "POST", f"/v1/vms/{vm_id}/stop")
    api.refused(409, "POST", f"/v1/vms/{vm_id}/reboot")
    assert api.vm(vm_id)["status"] == "terminated"


def test_a_terminated_vm_stays_listed_unless_only_active_ones_are_asked_for(api: Api) -> None:
    vm_id = api.running_vm()
    api.ok("POST", f"/v1/vms/{vm_id}/terminate")
    api.wait_until_up()
    (row,) = api.ok("GET", f"{api.org}/vms")["items"]
    assert (row["id"], row["status"]) == (vm_id, "terminated")
    assert api.ok("GET", f"{api.org}/vms?activeOnly=true") == {"items": []}
    detail = api.detail(vm_id)
    assert detail["terminatedAt"]
    assert detail["healthy"] is False
    assert "provisioningStage" not in detail


def test_reboot_is_accepted_and_changes_nothing(api: Api) -> None:
    vm_id = api.running_vm()
    before = api.detail(vm_id)
    api.ok("POST", f"/v1/vms/{vm_id}/reboot")
    assert api.detail(vm_id) == before


def test_metrics_of_a_vm_are_unavailable_and_its_console_is_short(api: Api) -> None:
    vm_id = api.create_vm()["id"]
    metrics = api.ok("GET", f"/v1/vms/{vm_id}/metrics?range=6h")
    assert metrics["accelerator"]["reason"] == "accelerator_passthrough"
    assert metrics["stepSeconds"] == 300
    api.refused(400, "GET", f"/v1/vms/{vm_id}/metrics?range=1y")
    assert api.ok("GET", f"/api/nomad/vms/{vm_id}/logs")["found"] is False
    api.wait(PROVISION_SECONDS)
    assert "login" in api.ok("GET", f"/api/nomad/vms/{vm_id}/logs")["content"]
