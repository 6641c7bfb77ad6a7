"""The vendor's own client through every operation that the emulator serves."""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import pytest
from openrelay import AuthenticatedClient
from openrelay.api.account import whoami
from openrelay.api.billing import get_balance
from openrelay.api.catalog import (
    get_gpu_availability,
    get_pricing,
    get_public_pricing,
    list_gpu_models,
    list_locations,
    list_models,
    list_vm_templates,
)
from openrelay.api.ssh_keys import create_org_ssh_key, delete_org_ssh_key, list_org_ssh_keys
from openrelay.api.usage import get_current_usage, get_daily_usage
from openrelay.api.vms import (
    attach_vm_ssh_key,
    create_vm,
    detach_vm_ssh_key,
    get_vm,
    get_vm_burn,
    get_vm_detail,
    get_vm_logs,
    get_vm_metrics,
    get_vm_ssh_keys,
    list_org_vms,
    reboot_vm,
    resize_vm_disk,
    restart_vm,
    set_vm_visibility,
    stop_vm,
    terminate_vm,
)
from openrelay.api.webhooks import (
    create_org_webhook,
    delete_org_webhook,
    list_org_webhook_deliveries,
    list_org_webhooks,
    regenerate_org_webhook_secret,
    toggle_org_webhook,
    update_org_webhook,
)
from openrelay.models import (
    AttachSshKeyRequest,
    CreateSshKeyRequest,
    CreateVmRequest,
    CreateWebhookRequest,
    Error,
    ResizeDiskRequest,
    SetVmVisibilityRequest,
    ToggleWebhookRequest,
    UpdateWebhookRequest,
)

from pulumi_openrelay.emulator import ServedWorld, SimulatedClock, World, serve
from pulumi_openrelay.emulator.openrelay import AREAS

from .support import PROVISION_SECONDS, public_key


@pytest.fixture
def served(world: World) -> Iterator[ServedWorld]:
    with serve(world) as served:
        yield served


@pytest.fixture
def client(served: ServedWorld) -> Iterator[AuthenticatedClient]:
    made = AuthenticatedClient(
        base_url=served.url, token=served.key, raise_on_unexpected_status=True
    )
    with made as client:
        yield client


def done(response: Any) -> Any:
    """What a success was parsed to."""
    assert 200 <= response.status_code < 300, response.content
    assert not isinstance(response.parsed, Error)
    return response.parsed


@pytest.fixture
def org(client: AuthenticatedClient) -> str:
    return str(done(whoami.sync_detailed(client=client)).organization_id)


@pytest.fixture
def key_id(client: AuthenticatedClient, org: str) -> str:
    body = CreateSshKeyRequest(name="laptop", public_key=public_key())
    return str(done(create_org_ssh_key.sync_detailed(org, client=client, body=body)).id)


def test_it_runs_through_every_operation_without_an_exception(
    client: AuthenticatedClient, org: str, key_id: str, served: ServedWorld, clock: SimulatedClock
) -> None:
    def call(operation: Any, *path: str, **options: Any) -> Any:
        return done(operation.sync_detailed(*path, client=client, **options))

    # Catalog
    models = call(list_gpu_models)
    model = next(m for m in models if m.name == "RTX 4090")
    assert call(list_locations)
    assert call(list_vm_templates)
    assert call(list_models).data
    assert {row.tier for row in call(get_pricing).gpu} == {"community", "verified"}
    assert call(get_public_pricing).gpu
    offers = {row.gpu_model_id: row.vm for row in call(get_gpu_availability)}
    assert offers[model.id].placeable_gpu_counts

    # A VM's life
    hook = CreateWebhookRequest(name="hook", url="http://127.0.0.1:9/hook")
    webhook = call(create_org_webhook, org, body=hook)
    wanted = CreateVmRequest(
        name="trainer", ssh_key_ids=[key_id], gpu_model_id=model.id, gpu_count=2
    )
    vm = call(create_vm, org, body=wanted, idempotency_key="one")
    assert call(create_vm, org, body=wanted, idempotency_key="one").id == vm.id
    clock.advance(3600)
    assert call(get_vm, vm.id).status == "running"
    detail = call(get_vm_detail, vm.id)
    assert (detail.ssh_state, detail.ssh_ready) == ("ready", True)
    assert call(get_vm_burn, vm.id).per_gpu_cents == 29
    assert call(get_vm_logs, vm.id).found
    assert call(get_vm_metrics, vm.id, range_="24h").accelerator.status == "unavailable"
    assert [item.id for item in call(list_org_vms, org, limit=5, active_only=True).items] == [vm.id]
    public = SetVmVisibilityRequest(public=True)
    assert call(set_vm_visibility, vm.id, body=public).public is True
    second = CreateSshKeyRequest(name="second", public_key=public_key(2))
    second_id = call(create_org_ssh_key, org, body=second).id
    call(attach_vm_ssh_key, vm.id, body=AttachSshKeyRequest(ssh_key_id=second_id))
    assert [key.attached for key in call(get_vm_ssh_keys, vm.id)] == [True, True]
    call(detach_vm_ssh_key, vm.id, second_id)
    call(delete_org_ssh_key, org, second_id)
    assert call(list_org_ssh_keys, org)[0].blocking_vms == ["trainer"]
    call(reboot_vm, vm.id)
    call(stop_vm, vm.id)
    clock.advance(PROVISION_SECONDS)
    call(resize_vm_disk, vm.id, body=ResizeDiskRequest(new_size_gb=300))
    call(restart_vm, vm.id)
    clock.advance(2 * PROVISION_SECONDS)
    call(terminate_vm, vm.id)
    clock.advance(PROVISION_SECONDS)
    assert call(get_vm_detail, vm.id).terminated_at

    # Money
    assert call(get_balance, org).available_cents < 1_000_000
    assert call(get_current_usage, org).usage_hours > 0
    assert call(get_daily_usage, org, days=2).daily[1].segments

    # Webhooks
    assert webhook.secret.startswith("whsec_")
    renamed = UpdateWebhookRequest(name="renamed")
    assert call(update_org_webhook, org, webhook.id, body=renamed).name == "renamed"
    off = ToggleWebhookRequest(enabled=False)
    assert call(toggle_org_webhook, org, webhook.id, body=off).enabled is False
    assert call(regenerate_org_webhook_secret, org, webhook.id).secret != webhook.secret
    assert call(list_org_webhooks, org)[0].name == "renamed"
    attempts = call(list_org_webhook_deliveries, org, webhook.id, limit=10)
    assert attempts[-1].event_type == "vm.running"
    call(delete_org_webhook, org, webhook.id)

    # Inference clusters are not in this client: it is of a later API.
    there = {
        operation for area in AREAS for operation in area.operations if "Cluster" not in operation
    }
    ran = {entry.operation for entry in served.world.log.entries if entry.worked}
    assert ran == there


def test_it_understands_every_refusal(
    client: AuthenticatedClient, org: str, key_id: str, served: ServedWorld
) -> None:
    def refused(operation: Any, *path: str, **options: Any) -> tuple[HTTPStatus, Any]:
        response = operation.sync_detailed(*path, client=client, **options)
        assert isinstance(response.parsed, Error), response.content
        return response.status_code, response.parsed.code

    cpu = CreateVmRequest(name="runner", ssh_key_ids=[key_id], resource_size="small")
    vm = create_vm.sync(org, client=client, body=cpu, idempotency_key="k")
    assert vm is not None
    assert not isinstance(vm, Error)
    other = CreateVmRequest(name="other", ssh_key_ids=[key_id], resource_size="small")
    assert refused(create_vm, org, body=other, idempotency_key="k")[0] == 422
    duplicate = CreateSshKeyRequest(name="again", public_key=public_key())
    assert refused(create_org_ssh_key, org, body=duplicate) == (409, "KEY_EXISTS")
    broken = CreateSshKeyRequest(name="broken", public_key="ssh-dss AAAA")
    assert refused(create_org_ssh_key, org, body=broken) == (400, "INVALID_KEY")
    assert refused(delete_org_ssh_key, org, key_id) == (409, "KEY_IN_USE")
    assert refused(get_vm, "unknown")[0] == 404
    assert refused(list_org_vms, "org_of_another")[0] == 403
    assert refused(list_org_vms, org, cursor="nonsense")[0] == 400
    assert refused(detach_vm_ssh_key, vm.id, key_id)[0] == 400
    assert refused(resize_vm_disk, vm.id, body=ResizeDiskRequest(new_size_gb=300))[0] == 409
    served.world.settings.stop_disabled = True
    assert refused(stop_vm, vm.id) == (409, "STOP_DISABLED")
    served.world.call("PATCH", "/_emulator/settings", {"capacity": {"cpu": 0}})
    assert refused(create_vm, org, body=other) == (503, "INSUFFICIENT_HOST_CAPACITY")
    client.get_httpx_client().headers["Authorization"] = "Bearer or_wrong"
    assert refused(get_vm, vm.id) == (401, "INVALID_API_KEY")


def test_it_pages_through_a_list(
    client: AuthenticatedClient, org: str, key_id: str, served: ServedWorld
) -> None:
    served.world.settings.change({"page_size": 2, "page_size_max": 2})
    ids = set()
    for number in range(5):
        body = CreateVmRequest(f"vm-{number}", ssh_key_ids=[key_id], resource_size="small")
        ids.add(done(create_vm.sync_detailed(org, client=client, body=body)).id)
    seen: list[str] = []
    options: dict[str, Any] = {}
    for _ in range(3):
        page = done(list_org_vms.sync_detailed(org, client=client, limit=100, **options))
        seen += [item.id for item in page.items]
        options = {"cursor": page.next_cursor}
    assert sorted(seen) == sorted(ids)
    assert not page.next_cursor
