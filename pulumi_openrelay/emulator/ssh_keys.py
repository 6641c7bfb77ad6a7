"""SSH keys: what the server accepts, stores in canonical form, and refuses to delete."""

from __future__ import annotations

import base64
import binascii
import re
import unicodedata
from collections import defaultdict
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from . import pages
from .area import Area, BehindTheBack, Call, Served, set_fields
from .store import Owned
from .vm_states import Vm
from .wire import Refusal, timestamp

if TYPE_CHECKING:
    from .world import World

# Per type, the length of each string that follows the type's name in the blob;
# None is any length. RSA's numbers are checked apart.
_BLOBS: dict[str, tuple[int | None, ...]] = {
    "ssh-ed25519": (32,),
    "ssh-rsa": (None, None),
    "ecdsa-sha2-nistp256": (8, 65),
    "ecdsa-sha2-nistp384": (8, 97),
    "ecdsa-sha2-nistp521": (8, 133),
    "sk-ssh-ed25519@openssh.com": (32, None),
    "sk-ecdsa-sha2-nistp256@openssh.com": (8, 65, None),
}
_RSA_BITS_MIN = 1024  # OpenSSH's own; the service's is unknown

# Letters of Unicode's grapheme break class Prepend; the other characters of the
# class are format characters, which are not printable anyway.
_PREPEND = frozenset(
    "\u0d4e\U000111c2\U000111c3\U0001193f\U00011941\U00011a3a\U00011a84\U00011a85"
    "\U00011a86\U00011a87\U00011a88\U00011a89\U00011d46\U00011f02"
)


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


def parse(line: str) -> tuple[str, str, str]:
    """Type, base64 blob and comment of one OpenSSH public key line.

    Raises ValueError with a sentence, as CreateSshKeyRequest describes.
    """
    line = line.strip(" \t\r\n")
    if any(mark in line for mark in "\r\n"):
        raise ValueError("A public key is exactly one line.")
    kind, encoded, comment, *_ = [*re.split(r"[ \t]+", line, maxsplit=2), "", ""]
    if kind not in _BLOBS:
        raise ValueError("The line must begin with a supported key type, without any options.")
    encoded = _checked(kind, encoded)
    comment = unicodedata.normalize("NFC", comment)
    if not comment.isprintable() or not _PREPEND.union(",$%").isdisjoint(comment):
        raise ValueError("The comment holds a character that is not allowed.")
    return kind, encoded, comment


def describe(key: SshKey) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "publicKey": key.public_key,
        "fingerprint": key.fingerprint,
        "createdAt": timestamp(key.created_time),
    }


def _checked(kind: str, encoded: str) -> str:
    """The blob in canonical base64, if it is a key of this type."""
    try:
        blob = whole = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("The key is not valid base64.") from None
    strings = []
    while blob:
        length = int.from_bytes(blob[:4])
        if len(blob) < 4 + length:
            raise ValueError("The key is cut off.")
        strings.append(blob[4 : 4 + length])
        blob = blob[4 + length :]
    lengths = _BLOBS[kind]
    if not strings or strings[0] != kind.encode():
        raise ValueError("The key is not of the type that the line names.")
    fits = len(strings) == 1 + len(lengths) and all(
        length in (None, len(string)) for length, string in zip(lengths, strings[1:], strict=True)
    )
    if not fits or (kind == "ssh-rsa" and _bits(strings[2]) < _RSA_BITS_MIN):
        raise ValueError("The key's parts are not those of its type.")
    curve = kind.removeprefix("sk-").removesuffix("@openssh.com").removeprefix("ecdsa-sha2-")
    if "ecdsa" in kind and (strings[1] != curve.encode() or strings[2][:1] != b"\x04"):
        raise ValueError("The key's point is not on its curve.")
    return base64.b64encode(whole).decode()


def _bits(number: bytes) -> int:
    return int.from_bytes(number).bit_length()


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
        if key.organization_id == call.organization.id and key.blob == encoded:
            raise Refusal(409, "This key is already registered.", "KEY_EXISTS")
    digest = base64.b64encode(sha256(base64.b64decode(encoded)).digest()).decode()
    key = SshKey(
        **call.world.new(call.organization.id, "key"),
        name=call.body["name"],
        public_key=" ".join(part for part in (kind, encoded, comment) if part),
        fingerprint=f"SHA256:{digest.rstrip('=')}",
    )
    call.world.store.add(key)
    return {**describe(key), "attachedVmCount": 0, "blockingVms": []}


def _delete(call: Call) -> None:
    """The document lists no 404: deleting an unknown key is 204 here."""
    key = call.world.store.table(SshKey).get(call.path["id"])
    if key is None or key.organization_id != call.organization.id:
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


AREA = Area(
    operations={
        "listOrgSshKeys": Served(_list, "sshkey.read"),
        "createOrgSshKey": Served(_create, "sshkey.write"),
        "deleteOrgSshKey": Served(_delete, "sshkey.write"),
    },
    records=(SshKey,),
    behind_the_back={"ssh-keys": BehindTheBack(SshKey, set_fields, _remove)},
)
