"""Inference clusters: replicas one by one, scaling, and an API that may be missing."""

from __future__ import annotations

from typing import Any

import pytest

from pulumi_openrelay.emulator import capacity

from .support import PROVISION_SECONDS, Api


def test_replicas_come_up_one_by_one_and_then_the_cluster_runs(api: Api) -> None:
    cluster = api.create_cluster(replicaCount=3)
    assert (cluster["status"], cluster["replicaCount"], cluster["activeReplicas"]) == (
        "deploying",
        3,
        0,
    )
    seen: list[tuple[str, int]] = []
    for _ in range(20):
        summary = api.ok("GET", f"/v1/clusters/{cluster['id']}")
        if not seen or seen[-1] != (summary["status"], summary["activeReplicas"]):
            seen.append((summary["status"], summary["activeReplicas"]))
        api.wait(1)
    assert seen == [("deploying", 0), ("deploying", 1), ("deploying", 2), ("running", 3)]
    detail = api.cluster(cluster["id"])
    assert all(replica["healthy"] for replica in detail["replicas"])


def test_the_detail_gives_back_most_of_the_create_and_the_deploy_token(api: Api) -> None:
    kept: dict[str, Any] = {
        "imageUrl": "acme/chat",
        "envVars": {"A": "1"},
        "containerPort": 8000,
        "healthCheckPath": "/health",
        "preferredRegions": ["eu"],
    }
    hidden: dict[str, Any] = {
        "containerCommand": ["serve"],
        "registryCredentialId": "cred",
        "kernelModules": ["fuse"],
    }
    template = api.ok("GET", "/v1/vm-templates")[0]["id"]
    cluster = api.create_cluster(**kept, **hidden, templateId=template)
    detail = api.cluster(cluster["id"])
    assert {name: detail[name] for name in kept} == kept
    assert not {*detail} & {*hidden, "templateId"}
    assert detail["deployToken"]
    assert detail["gpuModel"]["name"] == "RTX 4090"
    assert "deployToken" not in cluster


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"resourceSize": "small"}, "RESOURCE_SIZE_NOT_APPLICABLE"),
        ({"gpusPerReplica": 9}, "GPU_COUNT_NOT_ALLOCATABLE"),
        ({"gpuModelId": "no-such-model"}, None),
        ({"replicaCount": 0}, None),
        ({"name": ""}, None),
        ({"tier": "platinum"}, None),
    ],
)
def test_a_create_that_can_never_work_is_refused(
    api: Api, fields: dict[str, Any], code: str | None
) -> None:
    body = {"name": "chat", "gpuModelId": api.model("4090"), **fields}
    api.refused(400, "POST", f"{api.org}/clusters/create", body, code=code)
    assert api.world.live_clusters() == []


def test_two_clusters_may_have_one_name(api: Api) -> None:
    assert api.create_cluster("twin")["id"] != api.create_cluster("twin")["id"]
    assert len(api.ok("GET", f"{api.org}/clusters")["items"]) == 2


def test_scaling_goes_both_ways_and_takes_its_time(api: Api) -> None:
    cluster_id = api.running_cluster(replicas=2)
    scale = f"/v1/clusters/{cluster_id}/scale"
    answer = api.ok("POST", scale, {"replicaCount": 4})
    assert (answer["replicaCount"], answer["activeReplicas"], answer["status"]) == (4, 2, "running")
    api.wait(2 * PROVISION_SECONDS)
    assert api.ok("GET", f"/v1/clusters/{cluster_id}")["activeReplicas"] == 4
    oldest = api.cluster(cluster_id)["replicas"][0]["id"]
    assert api.ok("POST", scale, {"replicaCount": 1})["activeReplicas"] == 1
    assert len(api.cluster(cluster_id)["replicas"]) == 4  # three are leaving
    api.wait(PROVISION_SECONDS)
    (left,) = api.cluster(cluster_id)["replicas"]
    assert left["id"] == oldest
    assert api.control("GET", "world")["rate_cents_per_hour"] == 29


def test_scaling_down_to_what_is_up_ends_the_deployment(api: Api) -> None:
    cluster_id = api.create_cluster(replicaCount=3)["id"]
    api.wait(1.3 * PROVISION_SECONDS)
    assert api.cluster(cluster_id)["status"] == "deploying"
    answer = api.ok("POST", f"/v1/clusters/{cluster_id}/scale", {"replicaCount": 2})
    assert (answer["status"], answer["activeReplicas"]) == ("running", 2)


def test_a_cluster_has_at_least_one_replica(api: Api) -> None:
    cluster_id = api.running_cluster()
    for count in (0, -1):
        api.refused(400, "POST", f"/v1/clusters/{cluster_id}/scale", {"replicaCount": count})


@pytest.mark.parametrize("verb", ["stop", "terminate"])
def test_what_is_stopped_or_ended_cannot_be_scaled(api: Api, verb: str) -> None:
    cluster_id = api.running_cluster()
    api.ok("POST", f"/v1/clusters/{cluster_id}/{verb}")
    for _ in range(2):  # while it is ending, and after
        path = f"/v1/clusters/{cluster_id}/scale"
        api.refused(409, "POST", path, {"replicaCount": 2}, code="INVALID_CLUSTER_STATE")
        api.wait_until_up()


def test_stop_and_restart_bring_back_as_many_replicas(api: Api) -> None:
    cluster_id = api.running_cluster(replicas=2)
    assert api.ok("POST", f"/v1/clusters/{cluster_id}/stop")["status"] == "running"
    api.wait_until_up()
    assert api.cluster(cluster_id)["status"] == "stopped"
    assert api.cluster(cluster_id)["replicas"] == []
    assert api.ok("POST", f"/v1/clusters/{cluster_id}/stop")["status"] == "stopped"
    assert api.ok("POST", f"/v1/clusters/{cluster_id}/restart")["status"] == "deploying"
    api.wait_until_up()
    assert api.ok("GET", f"/v1/clusters/{cluster_id}")["activeReplicas"] == 2


def test_restart_of_a_running_cluster_restarts_its_replicas(api: Api) -> None:
    cluster_id = api.running_cluster(replicas=2)
    answer = api.ok("POST", f"/v1/clusters/{cluster_id}/restart")
    assert (answer["status"], answer["activeReplicas"]) == ("deploying", 0)
    api.wait_until_up()
    assert api.cluster(cluster_id)["status"] == "running"


def test_a_terminated_cluster_stays_readable_and_listed(api: Api) -> None:
    cluster_id = api.running_cluster()
    for _ in range(2):
        api.ok("POST", f"/v1/clusters/{cluster_id}/terminate")
    api.wait_until_up()
    assert api.cluster(cluster_id)["status"] == "terminated"
    assert api.ok("POST", f"/v1/clusters/{cluster_id}/terminate")["status"] == "terminated"
    assert api.ok("POST", f"/v1/clusters/{cluster_id}/restart")["status"] == "terminated"
    (row,) = api.ok("GET", f"{api.org}/clusters")["items"]
    assert row["status"] == "terminated"
    assert api.control("GET", "world")["machines"] == 0


def test_replicas_without_gpus_wait_and_the_detail_alone_says_why(api: Api) -> None:
    api.control("PATCH", "settings", {"capacity": {"RTX 4090": 1}})
    cluster_id = api.create_cluster(replicaCount=2)["id"]
    api.wait(10 * PROVISION_SECONDS)
    assert api.cluster(cluster_id)["status"] == "deploying"
    assert "waiting for capacity" in api.cluster(cluster_id)["statusReason"]
    assert "statusReason" not in api.ok("GET", f"/v1/clusters/{cluster_id}")
    api.control("PATCH", "settings", {"capacity": {"RTX 4090": 2}})
    api.wait(2 * PROVISION_SECONDS)
    assert api.cluster(cluster_id)["status"] == "running"
    assert "statusReason" not in api.cluster(cluster_id)


def test_a_week_of_waiting_takes_few_tries_and_ends_soon_after_there_is_room(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.control("PATCH", "settings", {"capacity": {"RTX 4090": 1}})
    vm_id = api.running_vm()
    cluster_id = api.create_cluster(replicaCount=4)["id"]
    tries, place = [], capacity.place

    def counted(*arguments: Any, **options: Any) -> Any:
        tries.append(arguments)
        return place(*arguments, **options)

    monkeypatch.setattr(capacity, "place", counted)
    api.wait(7 * 86_400)
    assert len(tries) < 1000
    assert "waiting for capacity" in api.cluster(cluster_id)["statusReason"]
    api.ok("POST", f"/v1/vms/{vm_id}/terminate")
    api.wait(2 * PROVISION_SECONDS)
    assert api.ok("GET", f"/v1/clusters/{cluster_id}")["activeReplicas"] == 1
    api.control("PATCH", "settings", {"capacity": {"RTX 4090": 4}})
    api.wait(2 * PROVISION_SECONDS)
    assert api.cluster(cluster_id)["status"] == "running"


def script(api: Api, **outcome: Any) -> None:
    api.control("POST", "script", {"kind": "cluster", "outcome": outcome})


def test_a_scripted_failure_says_why_in_the_detail(api: Api) -> None:
    script(api, type="fail", reason="image not found", after_seconds=4)
    cluster_id = api.create_cluster()["id"]
    api.wait(4)
    detail = api.cluster(cluster_id)
    assert (detail["status"], detail["statusReason"]) == ("failed", "image not found")
    api.wait_until_up()
    assert api.cluster(cluster_id)["status"] == "failed"
    api.ok("POST", f"/v1/clusters/{cluster_id}/restart")
    api.wait_until_up()
    assert api.cluster(cluster_id)["status"] == "running"


def test_an_unhealthy_replica_degrades_the_cluster_for_a_while(api: Api) -> None:
    script(api, type="interrupt", after_seconds=5, for_seconds=20)
    cluster_id = api.create_cluster(replicaCount=2)["id"]
    api.wait(1.3 * PROVISION_SECONDS)
    assert api.cluster(cluster_id)["status"] == "running"
    api.wait(5)
    detail = api.cluster(cluster_id)
    assert (detail["status"], detail["statusReason"]) == ("degraded", "1 of 2 replicas unhealthy")
    api.wait(20)
    assert api.cluster(cluster_id)["status"] == "running"


def test_a_cluster_can_stall_be_slow_flicker_or_show_an_unknown_status(api: Api) -> None:
    for outcome in ({"type": "stall"}, {"type": "slow", "factor": 3}):
        script(api, **outcome)
        cluster_id = api.create_cluster()["id"]
        api.wait(2.5 * PROVISION_SECONDS)
        assert api.cluster(cluster_id)["status"] == "deploying"
    script(api, type="unknown_status", status="rebalancing", for_seconds=5)
    cluster_id = api.create_cluster()["id"]
    assert api.cluster(cluster_id)["status"] == "rebalancing"
    api.wait(5)
    assert api.cluster(cluster_id)["status"] == "deploying"
    script(api, type="flicker", status="degraded", times=1, for_seconds=1)
    cluster_id = api.create_cluster()["id"]
    api.wait(PROVISION_SECONDS)
    assert api.cluster(cluster_id)["status"] == "degraded"
    api.wait(1)
    assert api.cluster(cluster_id)["status"] == "running"


def test_a_cluster_can_change_and_vanish_behind_the_back(api: Api) -> None:
    cluster_id = api.running_cluster(replicas=2)
    change = {"status": "failed", "status_reason": "node lost", "replica_count": 5}
    api.control("PATCH", f"clusters/{cluster_id}", change)
    detail = api.cluster(cluster_id)
    assert (detail["status"], detail["statusReason"], detail["replicaCount"]) == (
        "failed",
        "node lost",
        5,
    )
    api.control("PATCH", f"clusters/{cluster_id}", {"status": "unheard-of"})
    assert api.cluster(cluster_id)["status"] == "unheard-of"
    api.control("DELETE", f"clusters/{cluster_id}")
    api.refused(404, "GET", f"/v1/clusters/{cluster_id}")


def test_an_organization_without_clusters_answers_404_on_every_path(api: Api) -> None:
    cluster_id = api.running_cluster()
    api.control("PATCH", "settings", {"inference_clusters": False})
    for method, path in (
        ("GET", f"{api.org}/clusters"),
        ("POST", f"{api.org}/clusters/create"),
        ("GET", f"/v1/clusters/{cluster_id}"),
        ("GET", f"/v1/clusters/{cluster_id}/detail"),
        ("POST", f"/v1/clusters/{cluster_id}/terminate"),
    ):
        assert api.refused(404, method, path, {}) == api.refused(404, "GET", "/v1/nothing")
