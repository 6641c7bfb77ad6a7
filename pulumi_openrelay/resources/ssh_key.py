"""SSH public keys: `/v1/orgs/{orgId}/ssh-keys`."""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Any

from ..errors import OpenRelayError
from ..lifecycle.declare import Create, Delete, Inputs, Kind, Listed, Row
from ..lifecycle.fields import In, Out, output, replaces, setting
from ..resource import Resource

TYPES = frozenset(
    {
        "ssh-ed25519",
        "ssh-rsa",
        "ssh-dss",
        "ecdsa-sha2-nistp256",
        "ecdsa-sha2-nistp384",
        "ecdsa-sha2-nistp521",
        "sk-ssh-ed25519@openssh.com",
        "sk-ecdsa-sha2-nistp256@openssh.com",
    }
)


def type_and_blob(line: str) -> tuple[str, bytes] | None:
    """What makes two OpenSSH lines the same key: the comment and the spacing do not. None: no
    key."""
    parts = line.split(None, 2)
    if len(parts) < 2 or parts[0] not in TYPES or "\n" in line.strip():
        return None
    try:
        blob = base64.b64decode(parts[1], validate=True)
    except (binascii.Error, ValueError):
        return None
    # The blob begins with its own type, so a key cut short or pasted under another type shows.
    length = int.from_bytes(blob[:4], "big")
    if blob[4 : 4 + length] != parts[0].encode() or len(blob) <= 4 + length:
        return None
    return parts[0], blob


def fingerprint(line: str) -> str:
    """`SHA256:...`, as OpenSSH writes it, of a line that is a key."""
    found = type_and_blob(line)
    blob = found[1] if found else b""
    digest = base64.b64encode(hashlib.sha256(blob).digest()).decode()
    return "SHA256:" + digest.rstrip("=")


def same_key(old: str, new: str) -> bool:
    return old == new or type_and_blob(old) == type_and_blob(new) is not None


def not_a_key(line: str) -> str | None:
    """Why it is no key, None where it is one: a .pub file as it is read, its line break included,
    is."""
    if type_and_blob(line) is None:
        return "should be one line of a .pub file: the type, the base64 key and an optional comment"
    return None if _comment(line).isprintable() else "should have a comment of printable text"


def _comment(line: str) -> str:
    return "".join(line.strip().split(None, 2)[2:])


def _not_a_key_here(line: str) -> str | None:
    problem = not_a_key(line)
    if problem is None and not {",", "$", "%"}.isdisjoint(_comment(line)):
        return "should have a comment without a comma, $ or %"
    return problem


class SshKey(Resource, module="openrelay", name="SshKey"):
    """An SSH public key of the organization, which VMs let in.

    A key is unique by its type and its blob, whatever its comment. One that another stack, or a
    person, has registered is refused with an error that names it: look it up with `SshKey.get`, or
    take it over with `adopt=True`; a key taken over is left in place when it is deleted here.

    API: `createOrgSshKey`, `listOrgSshKeys`, `deleteOrgSshKey`.
    """

    public_key: In[str] = replaces(same=same_key, problem=_not_a_key_here, max_length=16384)
    """One OpenSSH public key on one line, such as `Path("id.pub").read_text()`. The comment is
    printable text without a comma, $ or %; a change of the comment alone changes nothing."""
    name: In[str | None] = replaces(default=None, min_length=1)
    """What the key is called. The API cannot rename one: a change deletes it and adds it anew, and
    Pulumi replaces with it each machine that takes its `public_key`, as an output, for an input
    that only a new machine can have. Default: made of the resource's name."""
    adopt: In[bool | None] = setting(default=None, absent=False)
    """Take over an existing key of the same type and blob instead of failing. Default: False."""

    fingerprint: Out[str] = output()
    """The SHA-256 fingerprint that the API computed."""
    created_at: Out[str] = output()
    """When it was added: RFC 3339, UTC."""
    attached_vm_count: Out[int | None] = output()
    """How many live VMs let it in; None where the API does not say."""
    blocking_vms: Out[list[str] | None] = output()
    """The names of the VMs that would let nobody in without it: it cannot be deleted before they
    let in another key."""
    adopted: Out[bool] = output(readable=False)
    """True where `adopt` took over an existing key, which a delete leaves in place."""


def held_by(row: Row) -> list[str]:
    """The names of the live VMs whose only key it is."""
    names: Any = row.get("blockingVms")
    return [str(name) for name in names] if isinstance(names, list) else []


SSH_KEYS = Listed("/v1/orgs/{org}/ssh-keys")


class SshKeyKind(Kind, resource=SshKey):
    noun = "SSH key"
    listed = SSH_KEYS
    create = Create("/v1/orgs/{org}/ssh-keys/create")
    # A VM that is being terminated holds its keys a moment longer.
    delete = Delete("DELETE", "/v1/orgs/{org}/ssh-keys/{id}", waits_out={"KEY_IN_USE": 20.0})
    adopted_by = "public_key"
    freed_by = "give each of those another SSH key"

    def body(self, inputs: Inputs) -> dict[str, Any]:
        return {**super().body(inputs), "publicKey": inputs["public_key"].strip()}

    def twin(self, row: Row, inputs: Inputs) -> bool:
        return same_key(str(row.get("publicKey")), inputs["public_key"])

    def taken(self, row: Row) -> OpenRelayError:
        name, key_id = row.get("name"), row["id"]
        return OpenRelayError(
            f"the key is registered already, as {name!r} ({key_id}), and not by this resource",
            f"name the old resource in `aliases` if this one was renamed, refer to it with "
            f'SshKey.get("{name}", "{key_id}"), or take it over with adopt=True',
        )

    def deletes_first(self, old: Inputs, new: Inputs) -> bool:
        # The same key under another name: the API refuses it while the old one stands.
        return same_key(str(old.get("public_key")), str(new.get("public_key")))

    def blockers(self, row: Row) -> list[str]:
        return held_by(row)
