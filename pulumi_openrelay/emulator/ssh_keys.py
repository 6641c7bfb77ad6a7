"""SSH keys: what the server stores in canonical form, and refuses to delete."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from . import pages
from .access import Call
from .area import Area, BehindTheBack, Served, set_fields
from .openssh import fingerprint
from .openssh import parse as parse
from .store import Owned
from .vm_states import Vm
from .wire import Refusal, timestamp

if TYPE_CHECKING:
    from .world import World


@dataclass(kw_only=True)
class SshKey(Owned):
    """`public_key` is canonical: type, blob and comment with single spaces between."""

    name: str
    public_key: str
    fingerprint: str

    @property
    def blob(self) -> str:
        """The key itself, type included, whatever its comment."""
        return self.public_key.split(" ")[1]


def describe(key: SshKey) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "publicKey": key.public_key,
        "fingerprint": key.fingerprint,
        "createdAt": timestamp(key.created_time),
    }


def _uses(world: World) -> tuple[dict[str, int], dict[str, list[str]]]:
    """By key id: how many live VMs it is attached to, and the names of those it alone opens."""
    attached: dict[str, int] = defaultdict(int)
    blocking: dict[str, list[str]] = defaultdict(list)
    keys = world.store.table(SshKey)
    for vm in world.live_vms():
        live = [key_id for key_id in vm.ssh_key_ids if key_id in keys]
        for key_id in live:
            attached[key_id] += 1
        if len(live) == 1:
            blocking[live[0]].append(vm.name)
    return attached, blocking


def _list(call: Call) -> list[dict[str, Any]]:
    attached, blocking = _uses(call.world)
    rows = [
        {**describe(key), "attachedVmCount": attached[key.id], "blockingVms": blocking[key.id]}
        for key in pages.listed(call, SshKey)
    ]
    return pages.array(call, rows)


def _create(call: Call) -> dict[str, Any]:
    """Whether names are unique is unknown; here they are not."""
    if not call.body["name"].strip():
        raise Refusal(400, "`name` must not be empty.")
    try:
        kind, encoded, comment = parse(call.body["publicKey"])
    except ValueError as error:
        raise Refusal(400, str(error), "INVALID_KEY") from error
    for key in call.world.store.table(SshKey).values():
        if key.owner_id == call.caller.id and key.blob == encoded:
            raise Refusal(409, "This key is already registered.", "KEY_EXISTS")
    key = SshKey(
        **call.world.new(call.caller.id, "key"),
        name=call.body["name"],
        public_key=" ".join(part for part in (kind, encoded, comment) if part),
        fingerprint=fingerprint(encoded),
    )
    call.world.store.add(key)
    return {**describe(key), "attachedVmCount": 0, "blockingVms": []}


def _delete(call: Call) -> None:
    """The document lists no 404: deleting an unknown key is 204 here."""
    key = call.world.store.table(SshKey).get(call.path["id"])
    if key is None or key.owner_id != call.caller.id:
        return
    if _uses(call.world)[1][key.id]:
        raise Refusal(
            409, "This is the only SSH key of a VM: attach another one to it first.", "KEY_IN_USE"
        )
    _remove(call.world, key)


def _remove(world: World, key: SshKey) -> None:
    for vm in world.store.table(Vm).values():
        if key.id in vm.ssh_key_ids:
            vm.ssh_key_ids = [key_id for key_id in vm.ssh_key_ids if key_id != key.id]
    world.remove(key)


def _shown(world: World) -> dict[str, list[dict[str, Any]]]:
    keys = world.store.table(SshKey).values()
    return {"ssh_keys": [{"id": key.id, "name": key.name} for key in keys]}


AREA = Area(
    operations={
        "listOrgSshKeys": Served(_list, "sshkey.read"),
        "createOrgSshKey": Served(_create, "sshkey.write"),
        "deleteOrgSshKey": Served(_delete, "sshkey.write"),
    },
    records=(SshKey,),
    behind_the_back={"ssh-keys": BehindTheBack(SshKey, set_fields, _remove)},
    shown=_shown,
)
