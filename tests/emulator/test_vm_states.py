"""A VM's life: every state shows for a while, and none is skipped."""

from __future__ import annotations

from typing import Any

import pytest

from pulumi_openrelay.emulator import SimulatedClock, World

from .support import PROVISION_SECONDS, Api


def watch(api: Api, vm_id: str, seconds: float) -> list[tuple[str, str | None, str]]:
    """The distinct (status, stage, sshState) seen by someone who looks twice a second."""
    seen: list[tuple[str, str | None, str]] = []
    for _ in range(int(seconds * 2)):
        detail = api.detail(vm_id)
        state = (detail["status"], detail.get("provisioningStage"), detail["sshState"])
        if not seen or seen[-1] != state:
            seen.append(state)
        api.wait(0.5)
    return seen


def test_a_gpu_vm_comes_up_stage_by_stage_and_ssh_follows_later(api: Api) -> None:
    vm_id = api.create_vm()["id"]
    assert watch(api, vm_id, 20) == [
        ("deploying", "scheduling", "booting"),
        ("deploying", "pulling image", "booting"),
        ("deploying", "booting the guest", "booting"),
        ("running", None, "booting"),
        ("running", None, "ready"),
    ]
    detail = api.detail(vm_id)
    assert detail["sshReady"] is True
    assert detail["healthy"] is True
    assert detail["endpointUrl"].startswith(f"https://{detail['sshHandle']}.")


def test_it_is_running_exactly_after_the_provision_seconds(api: Api) -> None:
    vm_id = api.create_vm()["id"]
    api.wait(PROVISION_SECONDS - 0.001)
    assert api.vm(vm_id)["status"] == "deploying"
    api.wait(0.001)
    assert api.vm(vm_id)["status"] == "running"


def test_stopping_shows_before_stopped(api: Api) -> None:
    vm_id = api.running_vm()
    answer = api.ok("POST", f"/v1/vms/{vm_id}/stop")
    assert (answer["status"], answer["provisioningStage"]) == ("running", "stopping")
    assert watch(api, vm_id, 5) == [
        ("running", "stopping", "ready"),
        ("stopped", None, "offline"),
    ]
    assert api.vm(vm_id)["statusReason"] == "user_stopped"
    assert api.ok("POST", f"/v1/vms/{vm_id}/stop")["status"] == "stopped"


def test_terminating_shows_before_terminated(api: Api) -> None:
    vm_id = api.running_vm()
    answer = api.ok("POST", f"/v1/vms/{vm_id}/terminate")
    assert (answer["status"], answer["provisioningStage"]) == ("running", "terminating")
    assert watch(api, vm_id, 5)[-1] == ("terminated", None, "offline")
    assert api.vm(vm_id)["statusReason"] == "user_terminated"


def test_a_vm_can_be_terminated_while_it_is_deploying_or_stopping(api: Api) -> None:
    stopping = api.running_vm()
    deploying = api.create_vm()["id"]
    api.ok("POST", f"/v1/vms/{stopping}/stop")
    for vm_id in (deploying, stopping):
        api.ok("POST", f"/v1/vms/{vm_id}/terminate")
    api.refused(409, "POST", f"/v1/vms/{deploying}/stop")
    api.wait(3)
    assert api.vm(deploying)["status"] == "terminated"
    assert api.vm(stopping)["status"] == "terminated"
    api.wait_until_up()
    assert api.vm(deploying)["status"] == "terminated"


def test_restart_of_a_running_vm_reboots_in_place(api: Api) -> None:
    vm_id = api.running_vm()
    session = api.ok("GET", f"/v1/vms/{vm_id}/burn")["sessionStartedAt"]
    assert api.ok("POST", f"/v1/vms/{vm_id}/restart")["status"] == "running"
    assert watch(api, vm_id, 5) == [
        ("running", "rebooting", "booting"),
        ("running", None, "ready"),
    ]
    assert api.ok("GET", f"/v1/vms/{vm_id}/burn")["sessionStartedAt"] == session


def test_what_was_on_its_way_does_not_make_a_rebooting_vm_ready(api: Api) -> None:
    vm_id = api.create_vm()["id"]
    # SSH would follow at 1.5, and after a reboot within 0.3.
    api.wait(1.3 * PROVISION_SECONDS)
    for _ in range(2):
        api.ok("POST", f"/v1/vms/{vm_id}/restart")
        api.wait(0.25 * PROVISION_SECONDS)
        detail = api.detail(vm_id)
        assert (detail["provisioningStage"], detail["sshState"]) == ("rebooting", "booting")
    api.wait(0.1 * PROVISION_SECONDS)
    assert api.detail(vm_id)["sshState"] == "ready"


def test_restart_of_a_stopped_vm_deploys_it_again(api: Api) -> None:
    vm_id = api.stopped_vm()
    answer = api.ok("POST", f"/v1/vms/{vm_id}/restart")
    assert (answer["status"], answer["statusReason"]) == ("deploying", "user_restarted")
    api.refused(409, "POST", f"/v1/vms/{vm_id}/restart")  # it is on its way
    api.wait_until_up()
    assert api.vm(vm_id)["status"] == "running"


def test_without_provision_seconds_everything_has_happened_by_the_next_request(
    clock: SimulatedClock,
) -> None:
    api = Api(World(clock=clock, provision_seconds=0, check_answers=True), clock)
    vm_id = api.create_vm()["id"]
    assert api.detail(vm_id)["sshState"] == "ready"
    api.ok("POST", f"/v1/vms/{vm_id}/stop")
    assert api.vm(vm_id)["status"] == "stopped"
    api.ok("POST", f"/v1/vms/{vm_id}/terminate")
    assert api.vm(vm_id)["status"] == "terminated"


def test_pending_comes_first_where_that_is_set(api: Api) -> None:
    api.control("PATCH", "settings", {"pending_first": True})
    vm = api.create_vm()
    assert vm["status"] == "pending"
    api.wait(2)
    assert api.vm(vm["id"])["status"] == "deploying"
    api.wait(PROVISION_SECONDS)
    assert api.vm(vm["id"])["status"] == "running"


def script(api: Api, **outcome: Any) -> None:
    api.control("POST", "script", {"name_regex": "^trainer$", "outcome": outcome})


def test_a_scripted_failure_says_why_and_frees_its_gpus(api: Api) -> None:
    script(api, type="fail", reason="container failed to start: boom", after_seconds=3)
    vm_id = api.create_vm(gpuCount=8)["id"]
    api.wait(3)
    vm = api.vm(vm_id)
    assert (vm["status"], vm["statusReason"]) == ("failed", "container failed to start: boom")
    assert len(api.ok("GET", f"{api.org}/vms?activeOnly=true")["items"]) == 1
    api.wait_until_up()
    assert api.vm(vm_id)["status"] == "failed"
    api.ok("POST", f"/v1/vms/{vm_id}/restart")
    api.wait_until_up()
    assert api.vm(vm_id)["status"] == "running"


def test_a_script_is_for_machines_of_its_name_and_only_so_many_times(api: Api) -> None:
    script(api, type="fail", after_seconds=0)
    other, first, second = (api.create_vm(name)["id"] for name in ("other", "trainer", "trainer"))
    api.wait_until_up()
    assert [api.vm(vm)["status"] for vm in (other, first, second)] == [
        "running",
        "failed",
        "running",
    ]


def test_a_stalled_vm_never_leaves_deploying_and_can_be_terminated(api: Api) -> None:
    script(api, type="stall")
    vm_id = api.create_vm()["id"]
    api.wait(86_400)
    assert api.vm(vm_id)["status"] == "deploying"
    api.ok("POST", f"/v1/vms/{vm_id}/terminate")
    api.wait_until_up()
    assert api.vm(vm_id)["status"] == "terminated"


def test_an_interrupted_vm_is_not_billed_and_resumes_by_itself(api: Api) -> None:
    script(api, type="interrupt", after_seconds=10, for_seconds=100)
    vm_id = api.create_vm()["id"]
    api.wait(PROVISION_SECONDS + 10)
    detail = api.detail(vm_id)
    assert (detail["status"], detail["statusReason"]) == ("interrupted", "node_lost")
    assert detail["interruptedAt"]
    assert detail["sshState"] == "offline"
    assert "sessionStartedAt" not in api.ok("GET", f"/v1/vms/{vm_id}/burn")
    api.wait(100)
    detail = api.detail(vm_id)
    assert (detail["status"], detail["sshState"]) == ("running", "booting")
    assert "interruptedAt" not in detail
    api.wait_until_up()
    assert api.detail(vm_id)["sshState"] == "ready"


def test_an_interruption_before_ssh_was_ready_makes_it_wait_anew(api: Api) -> None:
    script(api, type="interrupt", after_seconds=1, for_seconds=10)
    vm_id = api.create_vm()["id"]
    api.wait(PROVISION_SECONDS + 11)
    detail = api.detail(vm_id)
    assert (detail["status"], detail["sshState"]) == ("running", "booting")
    api.wait_until_up()
    assert api.detail(vm_id)["sshState"] == "ready"


def test_a_machine_that_ran_does_not_end_for_want_of_a_boot(api: Api) -> None:
    script(api, type="end", after_seconds=1)
    vm_id = api.running_vm()
    vm = api.vm(vm_id)
    assert (vm["status"], vm["statusReason"]) == ("terminated", "ended by the service")


def test_a_vm_interrupted_for_seven_days_is_stopped(api: Api) -> None:
    vm_id = api.running_vm()
    api.control("PATCH", f"vms/{vm_id}", {"status": "interrupted", "status_reason": "node_lost"})
    api.wait(7 * 86_400 - 1)
    assert api.vm(vm_id)["status"] == "interrupted"
    api.wait(1)
    assert api.vm(vm_id)["status"] == "stopped"


def test_an_unknown_status_shows_for_a_while(api: Api) -> None:
    script(api, type="unknown_status", status="hibernating", for_seconds=5)
    vm_id = api.create_vm()["id"]
    assert api.vm(vm_id)["status"] == "hibernating"
    api.wait(5)
    assert api.vm(vm_id)["status"] == "deploying"
    api.wait_until_up()
    assert api.vm(vm_id)["status"] == "running"


def test_an_unknown_status_may_stay_until_the_vm_ends(api: Api) -> None:
    api.control("PATCH", "settings", {"unknown_status": 1})
    vm_id, next_id = api.running_vm(), api.running_vm()
    assert api.vm(vm_id)["status"] not in {"deploying", "running"}
    assert api.vm(next_id)["status"] == "running"
    api.ok("POST", f"/v1/vms/{vm_id}/terminate")
    api.wait_until_up()
    assert api.vm(vm_id)["status"] == "terminated"


def test_a_flickering_status_settles(api: Api) -> None:
    script(api, type="flicker", status="interrupted", times=2, for_seconds=1)
    vm_id = api.create_vm()["id"]
    api.wait(PROVISION_SECONDS)
    statuses = []
    for _ in range(6):
        statuses.append(api.vm(vm_id)["status"])
        api.wait(1)
    assert statuses == ["interrupted", "running"] * 2 + ["running"] * 2


def test_a_slow_vm_takes_its_time(api: Api) -> None:
    script(api, type="slow", factor=10)
    vm_id = api.create_vm()["id"]
    api.wait(PROVISION_SECONDS * 9)
    assert api.vm(vm_id)["status"] == "deploying"
    api.wait(PROVISION_SECONDS)
    assert api.vm(vm_id)["status"] == "running"


@pytest.mark.parametrize("status", ["stopped", "failed", "terminated", "interrupted"])
def test_a_status_set_behind_the_back_has_all_its_consequences(api: Api, status: str) -> None:
    vm_id = api.running_vm(gpuCount=8)
    api.control("PATCH", f"vms/{vm_id}", {"status": status, "status_reason": "spot_reclaimed"})
    assert api.vm(vm_id)["status"] == status
    assert api.control("GET", "world")["rate_cents_per_hour"] == 0
    free = sum(row["vm"]["freeGpus"] for row in api.ok("GET", "/v1/gpu-availability"))
    total = sum(row["vm"]["totalGpus"] for row in api.ok("GET", "/v1/gpu-availability"))
    assert total - free == (8 if status == "interrupted" else 0)


def test_an_unknown_status_can_be_set_and_taken_back_behind_the_back(api: Api) -> None:
    vm_id = api.running_vm()
    api.control("PATCH", f"vms/{vm_id}", {"status": "defragmenting"})
    assert api.vm(vm_id)["status"] == "defragmenting"
    api.control("PATCH", f"vms/{vm_id}", {"status": "running"})
    assert api.vm(vm_id)["status"] == "running"
    assert api.control("GET", "world")["rate_cents_per_hour"] == 29


def test_an_end_that_is_taken_back_behind_the_back_leaves_no_trace(api: Api) -> None:
    vm_id = api.running_vm()
    for status in ("terminated", "running"):
        api.control("PATCH", f"vms/{vm_id}", {"status": status})
        assert ("terminatedAt" in api.detail(vm_id)) == (status == "terminated")


def test_a_vm_can_drift_and_vanish_behind_the_back(api: Api) -> None:
    vm_id = api.running_vm(gpuCount=8)
    api.control("PATCH", f"vms/{vm_id}", {"public": True, "disk_size_gb": 7})
    assert (api.detail(vm_id)["public"], api.detail(vm_id)["diskSizeGb"]) == (True, 7)
    api.control("DELETE", f"vms/{vm_id}")
    api.refused(404, "GET", f"/v1/vms/{vm_id}")
    assert api.control("GET", "world")["machines"] == 0
    assert api.control("GET", "world")["rate_cents_per_hour"] == 0
    # What the three hosts hold fits again.
    for count in (8, 8, 4):
        api.create_vm(gpuCount=count)


def test_drift_of_its_shape_frees_no_more_than_the_vm_held(api: Api) -> None:
    vm_id = api.running_vm(gpuCount=2)
    api.control("PATCH", f"vms/{vm_id}", {"gpu_count": 8, "gpu_model_id": api.model("H100")})
    assert api.vm(vm_id)["gpuModelName"] == "H100 SXM 80GB"
    api.control("PATCH", f"vms/{vm_id}", {"status": "failed"})
    for row in api.ok("GET", "/v1/gpu-availability"):
        assert row["vm"]["freeGpus"] == row["vm"]["totalGpus"]
    wrong = {"gpu_model_id": "no-such-model"}
    assert api.world.call("PATCH", f"/_emulator/vms/{vm_id}", wrong).status == 400
    assert api.vm(vm_id)["status"] == "failed"


def test_a_removed_vm_is_not_replayed(api: Api) -> None:
    vm_id = api.create_vm(key="k")["id"]
    api.control("DELETE", f"vms/{vm_id}")
    assert api.create_vm(key="k")["id"] != vm_id
