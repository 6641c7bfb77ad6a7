"""Money: locked rates, a balance that falls, and machines that stop when it is gone."""

from __future__ import annotations

from typing import Any

from .support import PROVISION_SECONDS, Api

EIGHT_H100_CENTS = 8 * 260


def balance(api: Api) -> Any:
    return api.ok("GET", f"{api.org}/billing/balance")


def burn(api: Api, vm_id: str) -> Any:
    return api.ok("GET", f"/v1/vms/{vm_id}/burn")


def set_balance(api: Api, cents: int) -> None:
    api.control("PATCH", "settings", {"balance_cents": cents})


def eight_h100(api: Api) -> dict[str, Any]:
    return {"gpuModelId": api.model("H100"), "gpuCount": 8}


def test_an_hour_of_eight_h100_costs_their_rate(api: Api) -> None:
    vm_id = api.create_vm(**eight_h100(api))["id"]
    api.wait(PROVISION_SECONDS)
    assert balance(api)["availableCents"] == 1_000_000  # deploying is not billed
    api.wait(3600)
    after = balance(api)
    assert after["accruedUsageCents"] == EIGHT_H100_CENTS
    assert after["availableCents"] == 1_000_000 - EIGHT_H100_CENTS
    figures = burn(api, vm_id)
    assert figures["accruedSessionCents"] == EIGHT_H100_CENTS
    assert figures["orgAvailableCents"] == after["availableCents"]
    assert figures["orgBurnPerHourCents"] == figures["pricePerHourCents"] == EIGHT_H100_CENTS
    assert (figures["rateBasis"], figures["perGpuCents"]) == ("gpu", 260)
    assert figures["projectedRunwayHours"] == (1_000_000 - EIGHT_H100_CENTS - 50) / EIGHT_H100_CENTS


def test_a_stopped_or_ended_machine_costs_nothing_more(api: Api) -> None:
    for verb in ("stop", "terminate"):
        vm_id = api.running_vm(**eight_h100(api))
        api.ok("POST", f"/v1/vms/{vm_id}/{verb}")
        api.wait_until_up()
        spent = balance(api)["accruedUsageCents"]
        api.wait(86_400)
        assert balance(api)["accruedUsageCents"] == spent
        figures = burn(api, vm_id)
        assert figures["rateSource"] == "catalog"
        assert figures["orgBurnPerHourCents"] == 0
        assert figures["projectedRunwayHours"] is None


def test_the_rate_is_locked_while_a_session_is_open(api: Api) -> None:
    vm_id = api.running_vm()
    api.control("PATCH", "settings", {"rates": {"RTX 4090": 100}})
    assert burn(api, vm_id)["pricePerHourCents"] == 29
    assert api.create_vm()["pricePerHourCents"] == 100
    assert api.detail(vm_id)["gpuInfo"]["pricePerHourCents"] == 100  # the catalog's
    api.ok("POST", f"/v1/vms/{vm_id}/stop")
    api.wait_until_up()
    assert burn(api, vm_id)["pricePerHourCents"] == 100
    api.ok("POST", f"/v1/vms/{vm_id}/restart")
    api.wait_until_up()
    assert (burn(api, vm_id)["rateSource"], burn(api, vm_id)["pricePerHourCents"]) == (
        "locked",
        100,
    )


def test_a_verified_machine_costs_its_own_rate(api: Api) -> None:
    rates = {
        row["tier"]: row["pricePerHourCents"]
        for row in api.ok("GET", "/v1/pricing")["gpu"]
        if row["gpuModelName"] == "RTX 4090"
    }
    assert api.create_vm(tier="verified")["pricePerHourCents"] == rates["verified"]
    assert api.create_vm(tier="spot")["pricePerHourCents"] == rates["community"]


def test_without_balance_nothing_can_be_started(api: Api) -> None:
    stopped, cluster = api.stopped_vm(), api.running_cluster()
    api.ok("POST", f"/v1/clusters/{cluster}/stop")
    api.wait_until_up()
    deploying = api.create_cluster()["id"]
    starts = (
        (api.vms_create, api.vm_body()),
        (f"/v1/vms/{stopped}/restart", None),
        (f"{api.org}/clusters/create", {"name": "chat", "resourceSize": "small"}),
        (f"/v1/clusters/{cluster}/restart", None),
        (f"/v1/clusters/{deploying}/scale", {"replicaCount": 2}),
    )
    set_balance(api, 50)
    for path, body in starts:
        api.refused(402, "POST", path, body, code="INSUFFICIENT_BALANCE")
    set_balance(api, 51)
    for path, body in starts:
        api.ok("POST", path, body)


def test_below_the_floor_every_machine_is_stopped_and_says_why(api: Api) -> None:
    vm_id, cluster_id = api.running_vm(**eight_h100(api)), api.running_cluster()
    set_balance(api, 50 + EIGHT_H100_CENTS + 29)
    api.wait(3599)
    assert api.vm(vm_id)["status"] == "running"
    deploying = api.create_vm()["id"]
    api.wait(1)
    assert api.vm(vm_id)["provisioningStage"] == "stopping"
    api.wait_until_up()
    for machine in (vm_id, deploying):
        assert api.vm(machine)["status"] == "stopped"
        assert api.vm(machine)["statusReason"] == "auto_stopped_insufficient_balance"
    cluster = api.cluster(cluster_id)
    assert (cluster["status"], cluster["statusReason"]) == (
        "stopped",
        "auto_stopped_insufficient_balance",
    )
    assert api.control("GET", "world")["rate_cents_per_hour"] == 0


def test_the_balance_events_come_once_each_on_the_way_down(api: Api) -> None:
    webhook = {"name": "w", "url": "http://h", "events": ["balance.low", "balance.depleted"]}
    api.ok("POST", f"{api.org}/webhooks/create", webhook)
    api.running_vm(**eight_h100(api))
    set_balance(api, 1000)
    api.wait(3600)
    events = [delivery.headers["X-VectorLay-Event"] for delivery in api.world.due_deliveries()]
    assert events == ["balance.low", "balance.depleted"]


def test_a_balance_set_below_the_floor_stops_machines_at_once(api: Api) -> None:
    vm_id = api.running_vm()
    set_balance(api, 0)
    api.wait(0)
    assert api.vm(vm_id)["provisioningStage"] == "stopping"


def test_usage_is_split_by_model_and_by_day(api: Api) -> None:
    api.running_vm(**eight_h100(api))
    api.running_vm()
    api.wait(86_400)
    usage = api.ok("GET", f"{api.org}/usage/current")
    assert usage["burnPerHourCents"] == EIGHT_H100_CENTS + 29
    assert len(usage["breakdown"]) == 2
    assert abs(usage["usageCents"] - 24 * (EIGHT_H100_CENTS + 29)) < 20
    daily = api.ok("GET", f"{api.org}/usage/daily?days=3")
    assert [point["date"] for point in daily["daily"]] == ["2025-12-31", "2026-01-01", "2026-01-02"]
    assert [bool(point["cents"]) for point in daily["daily"]] == [False, True, True]
    api.refused(400, "GET", f"{api.org}/usage/daily?days=91")
