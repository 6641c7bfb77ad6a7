"""State in a file: a restart changes nothing, and two emulators never share one."""

from __future__ import annotations

import random
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from pulumi_openrelay.emulator import SimulatedClock, StateError, World

from .support import PROVISION_SECONDS, Api


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "deeper" / "emulator.sqlite"


def open_world(state: Path | None, clock: SimulatedClock, **options: Any) -> World:
    return World(state=state, clock=clock, check_answers=True, **options)


def random_request(chance: random.Random, api: Api) -> tuple[str, str, object, dict[str, str]]:
    """A request that an infrastructure program might send, of any area."""
    world = api.world
    number = chance.randrange(3)
    vms = [vm.id for vm in world.live_vms()] or ["unknown"]
    clusters = [cluster.id for cluster in world.live_clusters()] or ["unknown"]
    vm, cluster = chance.choice(vms), chance.choice(clusters)
    hooks = api.ok("GET", f"{api.org}/webhooks")
    hook = chance.choice(hooks)["id"] if hooks else "unknown"
    path, body = chance.choice(
        [
            (api.vms_create, api.vm_body(f"vm-{number}")),
            (api.vms_create, api.cpu_body(f"vm-{number}")),
            (f"{api.org}/clusters/create", {"name": "c", "resourceSize": "small"}),
            (f"{api.org}/webhooks/create", {"name": "w", "url": "http://h"}),
            (f"{api.org}/webhooks/{hook}/toggle", {"enabled": number > 0}),
            (f"{api.org}/webhooks/{hook}/regenerate-secret", None),
            (f"/v1/vms/{vm}/stop", None),
            (f"/v1/vms/{vm}/restart", None),
            (f"/v1/vms/{vm}/terminate", None),
            (f"/v1/vms/{vm}/ssh-keys", {"sshKeyId": api.ssh_key(2)}),
            (f"/v1/vms/{vm}/resize-disk", {"newSizeGb": 150 + number}),
            (f"/v1/clusters/{cluster}/scale", {"replicaCount": number}),
            (f"/v1/clusters/{cluster}/stop", None),
            (f"/v1/clusters/{cluster}/restart", None),
            (f"/v1/clusters/{cluster}/terminate", None),
            ("/_emulator/settings", {"balance_cents": 1000 * number}),
        ]
    )
    method = "PATCH" if path.startswith("/_emulator") else "POST"
    return method, path, body, {"Idempotency-Key": f"key-{number}"}


def everything(api: Api) -> list[Any]:
    """All that the API shows."""
    paths = ["vms?limit=100", "clusters?limit=100", "ssh-keys", "webhooks", "billing/balance"]
    shown = [api.ok("GET", f"{api.org}/{path}") for path in (*paths, "usage/current")]
    shown += [api.detail(vm["id"]) for vm in shown[0]["items"]]
    shown += [api.cluster(cluster["id"]) for cluster in shown[1]["items"]]
    shown += [api.ok("GET", f"{api.org}/webhooks/{w['id']}/deliveries") for w in shown[3]]
    return [*shown, api.ok("GET", "/v1/gpu-availability"), api.control("GET", "settings")]


def test_a_world_that_restarts_after_every_request_is_like_one_that_never_does(
    state: Path, clock: SimulatedClock
) -> None:
    options = {"seed": 7, "provision_seconds": PROVISION_SECONDS}
    steady = Api(open_world(None, clock, **options), clock)
    first = Api(open_world(state, clock, **options), clock)
    for api in (steady, first):
        api.ssh_key(1)
        api.ssh_key(2)
    first.world.close()
    chance = random.Random(7)
    for _ in range(120):
        request = random_request(chance, steady)
        clock.advance(chance.choice([0, 1, 5, 20]))
        restarted = open_world(state, clock, **options)
        method, path, body, headers = request
        expected = steady.world.call(method, path, body, headers=headers)
        assert restarted.call(method, path, body, headers=headers) == expected
        for world in (steady.world, restarted):
            for delivery in world.due_deliveries():
                world.delivery_result(delivery.attempt_id, 500)
        restarted.close()
    restarted = open_world(state, clock, **options)
    assert everything(Api(restarted, clock)) == everything(steady)
    restarted.close()


def test_keys_secrets_and_queued_deliveries_survive(state: Path, clock: SimulatedClock) -> None:
    first = Api(open_world(state, clock), clock)
    webhook = {"name": "w", "url": "http://h"}
    made = first.ok("POST", f"{first.org}/webhooks/create", webhook)
    first.control("POST", "keys", {"secret": "or_two"})
    vm_id = first.create_vm(key="k")["id"]
    first.wait_until_up()
    (before,) = first.world.due_deliveries()  # taken, and then the process dies
    first.world.close()
    second = Api(open_world(state, clock), clock)
    assert second.create_vm(key="k")["id"] == vm_id
    assert second.ok("GET", "/v1/whoami", key="or_two")
    (after,) = second.world.due_deliveries()
    assert after == before
    assert second.ok("GET", f"{second.org}/webhooks")[0]["id"] == made["id"]
    second.world.close()


def test_the_file_is_for_its_user_alone(state: Path, clock: SimulatedClock) -> None:
    open_world(state, clock).close()
    assert state.stat().st_mode & 0o077 == 0


def test_time_let_pass_by_order_stays_passed(state: Path, clock: SimulatedClock) -> None:
    first = Api(open_world(state, clock), clock)
    first.control("POST", "clock", {"advance": 3600})
    first.world.close()
    second = Api(open_world(state, clock), clock)
    assert second.control("GET", "world")["time"].startswith("2026-01-01T01:00:00")
    second.world.close()


def test_what_became_due_while_it_was_off_happens_at_its_own_time(
    state: Path, clock: SimulatedClock
) -> None:
    first = Api(open_world(state, clock, provision_seconds=10), clock)
    vm_id = first.create_vm()["id"]
    first.world.close()
    clock.advance(3610)
    second = Api(open_world(state, clock), clock)
    assert second.detail(vm_id)["startedAt"] == "2026-01-01T00:00:10.000Z"
    assert second.ok("GET", f"/v1/vms/{vm_id}/burn")["accruedSessionCents"] == 29
    second.world.close()


def test_settings_given_at_the_start_win_over_those_kept(
    state: Path, clock: SimulatedClock
) -> None:
    open_world(state, clock, page_size=3, provision_seconds=1).close()
    world = open_world(state, clock, provision_seconds=2)
    assert (world.settings.page_size, world.settings.provision_seconds) == (3, 2)
    world.close()


def test_a_file_of_another_version_is_refused_in_one_sentence(
    state: Path, clock: SimulatedClock
) -> None:
    open_world(state, clock).close()
    with sqlite3.connect(state) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(StateError, match="another version of the emulator") as refused:
        open_world(state, clock)
    assert str(refused.value).count(". ") == 0


def test_a_file_that_is_no_state_is_refused(tmp_path: Path, clock: SimulatedClock) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not a database, but long enough to look like one" * 50)
    with pytest.raises(StateError, match="cannot be used"):
        open_world(path, clock)
    with pytest.raises(StateError, match="cannot be used"):
        open_world(tmp_path, clock)


def test_a_file_in_use_is_refused(state: Path, clock: SimulatedClock) -> None:
    world = open_world(state, clock)
    with pytest.raises(StateError, match="another emulator uses it"):
        open_world(state, clock)
    world.close()
    open_world(state, clock).close()
