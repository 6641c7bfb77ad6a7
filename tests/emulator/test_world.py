"""What simulations need of a world: repeatable, cheap, driven by its clock alone."""

from __future__ import annotations

import time
from typing import Any

import pytest

from pulumi_openrelay.emulator import SimulatedClock, World
from pulumi_openrelay.emulator.contract import document

from .support import PROVISION_SECONDS, Api


def play(seed: int) -> list[Any]:
    clock = SimulatedClock()
    api = Api(World(clock=clock, seed=seed), clock)
    answers = [api.create_vm(f"vm-{number}") for number in range(3)]
    answers.append(api.create_cluster(replicaCount=2))
    webhook = {"name": "w", "url": "http://h"}
    answers.append(api.ok("POST", f"{api.org}/webhooks/create", webhook))
    api.wait(3600)
    answers += [delivery.body for delivery in api.world.due_deliveries()]
    return [*answers, api.ok("GET", f"{api.org}/vms"), api.ok("GET", f"{api.org}/billing/balance")]


def test_the_same_seed_and_requests_give_the_same_answers() -> None:
    assert play(1) == play(1)
    assert play(1)[0]["id"] != play(2)[0]["id"]


def test_ids_take_more_than_one_form(api: Api) -> None:
    vm_id = api.create_vm()["id"]
    assert "_" not in vm_id
    assert len(vm_id) == 36
    assert api.ssh_key().startswith("key_")


def test_things_happen_in_order_of_time_however_late_one_looks(api: Api) -> None:
    api.ok("POST", f"{api.org}/webhooks/create", {"name": "w", "url": "http://h"})
    first = api.create_vm("first")["id"]
    api.wait(1)
    second = api.create_vm("second")["id"]
    api.ok("POST", f"/v1/vms/{first}/terminate")
    api.clock.advance(86_400)
    starts = [api.detail(vm_id).get("startedAt") for vm_id in (first, second)]
    assert starts == [None, "2026-01-01T00:00:11.000Z"]
    assert api.detail(first)["terminatedAt"] == "2026-01-01T00:00:03.500Z"
    events = [delivery.headers["X-VectorLay-Event"] for delivery in api.world.due_deliveries()]
    assert events == ["vm.terminated", "vm.running"]


def test_it_tells_when_something_is_due_next(api: Api) -> None:
    assert api.world.next_due() is None
    api.create_vm()
    due = api.world.next_due()
    assert due is not None
    assert due - api.clock() == pytest.approx(0.2 * PROVISION_SECONDS)
    while (due := api.world.next_due()) is not None and due < api.clock() + 60:
        api.clock.advance(due - api.clock())
        api.world.advance()
    assert api.world.live_vms()[0].ssh_ready
    # All that is left is the balance running out, far away.
    assert due is not None
    assert due > api.clock() + 86_400


def test_a_clock_that_goes_back_undoes_nothing(api: Api) -> None:
    vm_id = api.running_vm()
    api.clock.advance(-3600)
    assert api.vm(vm_id)["status"] == "running"
    assert api.ok("GET", f"/v1/vms/{vm_id}/burn")["accruedSessionCents"] == 0


def test_worlds_share_nothing(clock: SimulatedClock) -> None:
    one, two = (Api(World(clock=clock), clock) for _ in range(2))
    one.create_vm()
    one.control("PATCH", "settings", {"capacity": {"RTX 4090": 0}, "stop_disabled": True})
    assert two.world.live_vms() == []
    assert two.control("GET", "settings")["stop_disabled"] is False
    assert two.create_vm()


def test_a_world_is_cheap(clock: SimulatedClock) -> None:
    started = time.perf_counter()
    for seed in range(100):
        World(clock=clock, seed=seed)
    assert (time.perf_counter() - started) / 100 < 0.002


def test_an_answer_that_breaks_the_document_does_not_leave_a_checking_world() -> None:
    operation = document("openrelay").operations["getVm"]
    good = b'{"id":"1","name":"n","organizationId":"o","status":"running"}'
    operation.check_answer(200, good, known_fields_only=True)
    operation.check_answer(502, b'{"error":"x"}', known_fields_only=True)
    for status, body in (
        (200, good.replace(b'"status"', b'"state"')),
        (200, good.replace(b"}", b',"extra":1}')),
        (200, good.replace(b"}", b',"gpuCount":null}')),
        (404, b'{"message":"x"}'),
        (418, b'{"error":"x"}'),
    ):
        with pytest.raises(AssertionError, match="getVm answered"):
            operation.check_answer(status, body, known_fields_only=True)
    operation.check_answer(200, good.replace(b"}", b',"extra":1}'), known_fields_only=False)


def test_both_documents_can_be_read() -> None:
    assert len(document("openrelay").operations) == 171
    assert document("relay").operations
