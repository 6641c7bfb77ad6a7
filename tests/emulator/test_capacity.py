"""Capacity that runs out, and who gets what is left."""

from __future__ import annotations

from typing import Any

from .support import Api

NO_GPUS = "INSUFFICIENT_GPU_CAPACITY"


def test_a_full_house_is_503_and_makes_nothing(api: Api) -> None:
    api.control("PATCH", "settings", {"capacity": {"RTX 4090": 2}})
    api.create_vm(gpuCount=2)
    api.refused(503, "POST", api.vms_create, api.vm_body(), code=NO_GPUS)
    assert len(api.world.live_vms()) == 1


def test_gpus_of_two_hosts_do_not_make_one_machine(api: Api) -> None:
    for _ in range(2):
        api.create_vm(gpuModelId=api.model("H100"), gpuCount=5)
    body = api.vm_body(gpuModelId=api.model("H100"), gpuCount=4)
    api.refused(503, "POST", api.vms_create, body, code=NO_GPUS)
    api.create_vm(gpuModelId=api.model("H100"), gpuCount=3)


def test_the_tightest_host_is_taken_so_that_large_machines_still_fit(api: Api) -> None:
    for count in (1, 1, 1, 1, 8, 8):  # hosts of 8, 8 and 4
        api.create_vm(gpuCount=count)


def test_capacity_comes_back_when_a_machine_has_stopped_failed_or_ended(api: Api) -> None:
    model = api.model("A100")
    shape: dict[str, Any] = {"gpuModelId": model, "gpuCount": 8}
    vm_id = api.running_vm(**shape)
    body = api.vm_body(**shape)
    for verb in ("stop", "terminate"):
        api.ok("POST", f"/v1/vms/{vm_id}/{verb}")
        api.refused(503, "POST", api.vms_create, body, code=NO_GPUS)
        api.wait_until_up()
        vm_id = api.running_vm(**shape)


def test_a_stopped_vm_competes_for_the_host_of_its_disk(api: Api) -> None:
    shape: dict[str, Any] = {"gpuModelId": api.model("A100"), "gpuCount": 8}
    stopped = api.stopped_vm("first", **shape)
    other = api.running_vm("second", **shape)
    api.refused(503, "POST", f"/v1/vms/{stopped}/restart", code="VM_NODE_BUSY")
    assert api.vm(stopped)["status"] == "stopped"
    api.ok("POST", f"/v1/vms/{other}/terminate")
    api.wait_until_up()
    api.ok("POST", f"/v1/vms/{stopped}/restart")


def test_cpu_machines_run_out_too(api: Api) -> None:
    api.control("PATCH", "settings", {"capacity": {"cpu": 1}})
    api.ok("POST", api.vms_create, api.cpu_body())
    code = "INSUFFICIENT_HOST_CAPACITY"
    api.refused(503, "POST", api.vms_create, api.cpu_body(), code=code)


def test_preferred_regions_bind_unless_fallback_is_allowed(api: Api) -> None:
    api.create_vm(preferredRegions=["eu"])
    body = api.vm_body(preferredRegions=["mars"])
    api.refused(503, "POST", api.vms_create, body, code=NO_GPUS)
    api.create_vm(preferredRegions=["mars"], allowFallback=True)


def test_a_refused_create_can_be_repeated_with_its_key_once_there_is_room(api: Api) -> None:
    api.control("PATCH", "settings", {"capacity": {"RTX 4090": 0}})
    headers = {"Idempotency-Key": "k"}
    body = api.vm_body()
    api.refused(503, "POST", api.vms_create, body, code=NO_GPUS, headers=headers)
    api.control("PATCH", "settings", {"capacity": {"RTX 4090": 1}})
    assert api.ok("POST", api.vms_create, body, headers=headers)["status"] == "deploying"
