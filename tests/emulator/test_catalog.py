"""What is on offer, and what of it is free now."""

from __future__ import annotations

from typing import Any

from .support import Api


def availability(api: Api, name: str) -> Any:
    rows = api.ok("GET", "/v1/gpu-availability")
    return next(row["vm"] for row in rows if name in row["name"])


def test_the_public_rates_are_those_seen_in_public(api: Api) -> None:
    rates = {
        row["name"]: row["communityCents"] for row in api.ok("GET", "/v1/public/pricing")["gpu"]
    }
    assert sorted(rates.values()) == [18, 29, 80, 260]
    for row in api.ok("GET", "/v1/public/pricing")["gpu"]:
        assert row["verifiedCents"] >= row["communityCents"]


def test_pricing_has_a_row_per_model_and_tier_and_the_disk_bounds(api: Api) -> None:
    pricing = api.ok("GET", "/v1/pricing")
    assert {row["tier"] for row in pricing["gpu"]} == {"community", "verified"}
    assert {row["resourceSize"] for row in pricing["cpu"]} == {"small", "medium", "large", "xl"}
    assert pricing["vmDisk"]["minGb"] < pricing["vmDisk"]["maxGb"]


def test_a_hidden_model_is_in_the_catalog_and_not_for_sale(api: Api) -> None:
    hidden = [model for model in api.ok("GET", "/v1/gpu-models") if model["hidden"]]
    assert hidden
    sold = {row["gpuModelId"] for row in api.ok("GET", "/v1/pricing")["gpu"]}
    assert hidden[0]["id"] not in sold
    body = api.vm_body(gpuModelId=hidden[0]["id"])
    api.refused(400, "POST", api.vms_create, body)


def test_the_small_catalogs_answer(api: Api) -> None:
    assert {location["region"] for location in api.ok("GET", "/v1/locations")} == {"eu", "us-east"}
    assert any(template["requiresGpu"] for template in api.ok("GET", "/v1/vm-templates"))
    assert api.ok("GET", "/v1/models")["object"] == "list"


def test_free_gpus_fall_with_a_create_and_come_back_with_its_end(api: Api) -> None:
    before = availability(api, "H100")
    assert before["freeGpus"] == before["totalGpus"] == 16
    assert before["placeableGpuCounts"] == list(range(1, 9))
    vm_id = api.running_vm(gpuModelId=api.model("H100"), gpuCount=6)
    during = availability(api, "H100")
    assert during["freeGpus"] == 10
    assert during["maxPlaceableGpus"] == 8
    assert sorted(len(offer["unitSizes"]) for offer in during["offers"]) == [2, 8]
    api.ok("POST", f"/v1/vms/{vm_id}/terminate")
    assert availability(api, "H100")["freeGpus"] == 10  # not gone yet
    api.wait_until_up()
    assert availability(api, "H100")["freeGpus"] == 16


def test_capacity_can_be_set_per_model_below_and_above_what_there_was(api: Api) -> None:
    api.control("PATCH", "settings", {"capacity": {"H100 SXM 80GB": 3}})
    assert availability(api, "H100")["freeGpus"] == 3
    assert availability(api, "H100")["totalGpus"] == 16
    api.control("PATCH", "settings", {"capacity": {"H100 SXM 80GB": 40}})
    assert availability(api, "H100")["freeGpus"] == 40
    assert api.control("GET", "settings")["capacity"]["H100 SXM 80GB"] == 40
