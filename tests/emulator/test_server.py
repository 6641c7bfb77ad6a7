"""Over HTTP: connections that break, answers that come late, many callers, deliveries."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import pytest

from pulumi_openrelay.emulator import ServedWorld, SimulatedClock, World, WorldTransport, serve
from pulumi_openrelay.emulator.server import _Server, listen

from .support import PROVISION_SECONDS, Api, receiver


@pytest.fixture
def served(world: World) -> Iterator[ServedWorld]:
    with serve(world) as served:
        yield served


@pytest.fixture
def client(served: ServedWorld) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {served.key}"}
    with httpx.Client(base_url=served.url, headers=headers, trust_env=False) as client:
        yield client


def fault(client: httpx.Client, action: object, **match: Any) -> None:
    rule = {"match": match, "action": action}
    client.post("/_emulator/faults", json=rule).raise_for_status()


def test_the_same_world_answers_in_process_and_over_http(api: Api, client: httpx.Client) -> None:
    vm_id = api.running_vm()
    over_http = client.get(f"/v1/vms/{vm_id}/detail")
    assert over_http.json() == api.detail(vm_id)
    assert over_http.headers["content-type"] == "application/json"


def test_every_answer_is_dated_by_the_clock_of_the_times_in_it(
    api: Api, client: httpx.Client
) -> None:
    made = api.create_vm("trainer")["createdAt"]
    transport = WorldTransport(api.world)
    in_process = httpx.Client(transport=transport, base_url="http://emulator.test")
    for carried in (client, in_process):
        for path in ("/v1/vms/nobody/detail", "/openapi.json", "/v1/whoami"):
            told = parsedate_to_datetime(carried.get(path).headers["date"])
            assert told == datetime.fromisoformat(made).replace(microsecond=0)
    fault(client, {"type": "status", "headers": {"Date": "Thu, 01 Jan 1970 00:00:00 GMT"}})
    assert client.get("/v1/whoami").headers.get_list("date") == ["Thu, 01 Jan 1970 00:00:00 GMT"]


def test_a_dropped_connection_is_closed_without_an_answer(api: Api, client: httpx.Client) -> None:
    body = api.cpu_body()
    for action, machines in (("drop", 0), ("lose_answer", 1)):
        fault(client, action, method="POST")
        with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
            client.post(api.vms_create, json=body)
        assert len(api.world.live_vms()) == machines
    assert client.get("/v1/whoami").status_code == 200


def test_a_delayed_answer_comes_late_and_after_a_timeout_the_work_is_done_all_the_same(
    api: Api, client: httpx.Client
) -> None:
    body = api.cpu_body()
    fault(client, {"type": "delay", "seconds": 0.2})
    started = time.monotonic()
    assert client.get("/v1/whoami").status_code == 200
    assert time.monotonic() - started >= 0.2
    fault(client, {"type": "delay", "seconds": 0.3}, method="POST")
    with pytest.raises(httpx.ReadTimeout):
        client.post(api.vms_create, json=body, timeout=0.1)
    assert eventually(lambda: len(api.world.live_vms()) == 1)


def test_a_delayed_answer_keeps_nobody_else_waiting(api: Api, client: httpx.Client) -> None:
    body = api.cpu_body()
    fault(client, {"type": "delay", "seconds": 30}, method="POST")
    with ThreadPoolExecutor(1) as pool:
        late = pool.submit(client.post, api.vms_create, json=body, timeout=0.5)
        assert client.get("/v1/whoami", timeout=0.4).status_code == 200
        with pytest.raises(httpx.ReadTimeout):
            late.result()


def test_a_kept_connection_is_answered_without_waiting_for_acknowledgements(
    client: httpx.Client,
) -> None:
    def seconds() -> float:
        started = time.perf_counter()
        client.get("/v1/whoami")
        return time.perf_counter() - started

    assert min(seconds() for _ in range(20)) < 0.02


def test_a_hundred_and_twenty_eight_callers_at_once_are_all_answered(
    api: Api, served: ServedWorld
) -> None:
    body = api.cpu_body()
    limits = httpx.Limits(max_connections=None)
    headers = {"Authorization": f"Bearer {served.key}"}
    options: dict[str, Any] = {"headers": headers, "limits": limits, "trust_env": False}
    together = threading.Barrier(128)
    with httpx.Client(base_url=served.url, timeout=20, **options) as client:

        def create(number: int) -> int:
            together.wait()
            key = {"Idempotency-Key": f"key-{number % 64}"}
            return client.post(api.vms_create, json=body, headers=key).status_code

        with ThreadPoolExecutor(128) as pool:
            assert set(pool.map(create, range(128))) == {200}
    assert len(api.world.live_vms()) == 64


def test_a_bug_is_a_500_and_the_server_goes_on(
    client: httpx.Client, world: World, monkeypatch: pytest.MonkeyPatch, capfd: Any
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(world, "handle", None)
        assert client.get("/v1/whoami").status_code == 500
    assert "TypeError" in capfd.readouterr().err
    assert client.get("/v1/whoami").status_code == 200


@pytest.mark.parametrize(("peer", "status"), [("127.0.0.1", 200), ("::1", 200), ("10.0.0.7", 403)])
def test_the_control_path_answers_to_this_machine_alone(
    world: World, peer: str, status: int
) -> None:
    async def ask() -> tuple[int, int]:
        with closing(listen()) as listener:
            server = _Server(world, listener, lambda: None)
            transport = httpx.ASGITransport(server._answer, client=(peer, 1))
            async with httpx.AsyncClient(transport=transport, base_url="http://e") as client:
                control, api = await client.get("/_emulator/world"), await client.get("/v1/whoami")
                return control.status_code, api.status_code

    # `asyncio.run` would leave the other tests without the loop that Pulumi's mocks run in.
    with closing(asyncio.new_event_loop()) as loop:
        assert loop.run_until_complete(ask()) == (status, 401)


def test_a_web_page_cannot_reach_the_control_path(client: httpx.Client) -> None:
    headers = {"Origin": "https://elsewhere.example", "Content-Type": "text/plain"}
    sent = client.post("/_emulator/keys", content=b'{"secret": "or_two"}', headers=headers)
    assert sent.status_code == 403
    assert len(client.get("/_emulator/keys").json()) == 1


def eventually(holds: Any, seconds: float = 5.0) -> bool:
    """Whether it holds within the time; looked at often, so that nothing waits in vain."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if holds():
            return True
        time.sleep(0.01)
    return False


def webhook(api: Api, url: str) -> Any:
    return api.ok("POST", f"{api.org}/webhooks/create", {"name": "w", "url": url})


def deliveries(api: Api, webhook_id: str) -> Any:
    return api.ok("GET", f"{api.org}/webhooks/{webhook_id}/deliveries")


def failed(api: Api, webhook_id: str) -> int:
    return sum(row.get("statusCode") == 302 for row in deliveries(api, webhook_id))


def test_a_delivery_arrives_signed(api: Api, served: ServedWorld) -> None:
    with receiver() as found:
        made = webhook(api, found.url)
        vm_id = api.create_vm()["id"]
        api.clock.advance(PROVISION_SECONDS)  # no request: the server lets time pass
        headers, body = found.came.get(timeout=5)
        event = json.loads(body)
        assert (event["type"], event["data"]["vm_id"]) == ("vm.running", vm_id)
        key = hashlib.sha256(made["secret"].encode()).digest()
        wanted = hmac.new(key, body, hashlib.sha256).hexdigest()
        assert headers["X-VectorLay-Signature"] == f"sha256={wanted}"
        assert headers["X-VectorLay-Event"] == "vm.running"
        assert eventually(lambda: deliveries(api, made["id"])[0]["status"] == "delivered")
        assert headers["X-VectorLay-Delivery"] == deliveries(api, made["id"])[0]["id"]
    assert served.world is api.world


@pytest.mark.usefixtures("served")
def test_a_receiver_that_fails_or_redirects_gets_three_attempts(api: Api) -> None:
    with receiver() as found:
        found.status = 302
        made = webhook(api, found.url)
        api.create_vm()
        api.clock.advance(PROVISION_SECONDS)
        bodies = []
        for _ in range(3):
            bodies.append(found.came.get(timeout=5)[1])
            assert eventually(lambda: failed(api, made["id"]) == len(bodies))
            api.clock.advance(60)
        assert len(set(bodies)) == 1
        assert found.came.empty()
    assert [row["attemptNumber"] for row in deliveries(api, made["id"])] == [3, 2, 1]


@pytest.mark.usefixtures("served")
def test_a_receiver_that_is_not_there_is_an_error_in_the_list(api: Api) -> None:
    with receiver() as found:
        url = found.url
    made = webhook(api, url)
    api.create_vm()
    api.clock.advance(PROVISION_SECONDS)
    assert eventually(lambda: "errorMessage" in (deliveries(api, made["id"]) or [{}])[-1])
    assert "statusCode" not in deliveries(api, made["id"])[-1]


def test_a_world_fits_under_an_httpx_client_without_a_port(api: Api, clock: SimulatedClock) -> None:
    headers = {"Authorization": "Bearer or_local"}
    transport = WorldTransport(api.world, sleep=clock.advance)
    with httpx.Client(base_url="http://world", transport=transport, headers=headers) as client:
        vm_id = client.post(api.vms_create, json=api.vm_body()).json()["id"]
        listed = client.get(f"{api.org}/vms", params={"limit": 5, "activeOnly": "true"})
        assert [vm["id"] for vm in listed.json()["items"]] == [vm_id]
        api.world.faults.lose_answer("POST", "/terminate")
        with pytest.raises(httpx.RemoteProtocolError):
            client.post(f"/v1/vms/{vm_id}/terminate")
        clock.advance(PROVISION_SECONDS)
        assert client.get(f"/v1/vms/{vm_id}").json()["status"] == "terminated"
        for when in ("before", "after"):
            action = {"type": "delay", "seconds": 60, "when": when}
            fault(client, action, method="POST")
            before = clock()
            with pytest.raises(httpx.ReadTimeout):
                client.post(api.vms_create, json=api.cpu_body(), timeout=5)
            assert clock() - before == 5
        assert len(api.world.live_vms()) == 2
