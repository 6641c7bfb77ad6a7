"""SSH keys: what is accepted, how it is stored, when it can be deleted."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from .support import Api, public_key, wire_string


def create(api: Api, line: str, name: str = "laptop") -> Any:
    return api.ok("POST", f"{api.org}/ssh-keys/create", {"name": name, "publicKey": line})


def refused(api: Api, line: str) -> str:
    body = {"name": "laptop", "publicKey": line}
    path = f"{api.org}/ssh-keys/create"
    return str(api.refused(400, "POST", path, body, code="INVALID_KEY")["error"])


def openssh(key: Any) -> str:
    encoded: bytes = key.public_key().public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    )
    return encoded.decode()


def line_of(kind: str, *parts: bytes) -> str:
    blob = b"".join(wire_string(part) for part in (kind.encode(), *parts))
    return f"{kind} {base64.b64encode(blob).decode()}"


@pytest.mark.parametrize(
    "line",
    [
        openssh(ed25519.Ed25519PrivateKey.generate()),
        openssh(rsa.generate_private_key(65537, 2048)),
        openssh(ec.generate_private_key(ec.SECP256R1())),
        openssh(ec.generate_private_key(ec.SECP384R1())),
        openssh(ec.generate_private_key(ec.SECP521R1())),
        line_of("sk-ssh-ed25519@openssh.com", b"k" * 32, b"ssh:"),
        line_of("sk-ecdsa-sha2-nistp256@openssh.com", b"nistp256", b"\x04" + b"p" * 64, b"ssh:"),
    ],
    ids=lambda line: line.split()[0],
)
def test_real_keys_of_every_type_are_accepted(api: Api, line: str) -> None:
    assert create(api, f"{line} me@laptop\n")["publicKey"] == f"{line} me@laptop"


def test_the_fingerprint_is_the_one_that_ssh_keygen_shows(api: Api) -> None:
    line = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl github"
    assert create(api, line)["fingerprint"] == "SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU"


def test_a_key_is_stored_in_canonical_form(api: Api) -> None:
    stored = create(api, f"  {public_key()} \t  Zoe\u0308 at work \n")
    assert stored["publicKey"] == f"{public_key()} Zo\u00eb at work"


def test_the_same_key_is_refused_whatever_its_comment(api: Api) -> None:
    create(api, public_key(comment="one"))
    body = {"name": "other", "publicKey": public_key(comment="two")}
    api.refused(409, "POST", f"{api.org}/ssh-keys/create", body, code="KEY_EXISTS")
    assert len(api.ok("GET", f"{api.org}/ssh-keys")) == 1


def test_a_deleted_key_can_be_registered_again(api: Api) -> None:
    first = create(api, public_key())
    api.ok("DELETE", f"{api.org}/ssh-keys/{first['id']}")
    assert api.ok("GET", f"{api.org}/ssh-keys") == []
    assert create(api, public_key())["id"] != first["id"]


BLOB = public_key().split()[1]


@pytest.mark.parametrize(
    "line",
    [
        "",
        "ssh-ed25519",
        "ssh-ed25519 not-base64!",
        f"ssh-rsa {BLOB}",
        f"ssh-dss {BLOB}",
        f"ssh-ed25519 {BLOB[:-8]}",
        f"ssh-ed25519 {BLOB.rstrip('=')[:-1]}",
        f'from="10.0.0.1" ssh-ed25519 {BLOB}',
        f"no-pty ssh-ed25519 {BLOB}",
        f"{public_key(1)}\n{public_key(2)}",
        f"{public_key()} a,b",
        f"{public_key()} a$b",
        f"{public_key()} a%b",
        f"{public_key()} a\tb",
        f"{public_key()} a\x07b",
        f"{public_key()} \u0d4ea",
        f"{public_key()} a\u202eb",
        line_of("ssh-ed25519", b"k" * 31),
        line_of("ssh-ed25519", b"k" * 32, b"more"),
        line_of("ssh-rsa", b"\x03", b"\x7f" * 64),
        line_of("ecdsa-sha2-nistp256", b"nistp384", b"\x04" + b"p" * 64),
        line_of("ecdsa-sha2-nistp256", b"nistp256", b"\x02" + b"p" * 64),
    ],
)
def test_what_is_not_exactly_one_public_key_is_invalid(api: Api, line: str) -> None:
    assert refused(api, line)
    assert api.ok("GET", f"{api.org}/ssh-keys") == []


def test_a_key_needs_a_name(api: Api) -> None:
    body = {"name": " ", "publicKey": public_key()}
    api.refused(400, "POST", f"{api.org}/ssh-keys/create", body)


def test_the_only_key_of_a_live_vm_cannot_be_deleted_and_the_list_names_the_vm(api: Api) -> None:
    vm_id = api.running_vm("trainer")
    key_id = api.ssh_key()
    (row,) = api.ok("GET", f"{api.org}/ssh-keys")
    assert (row["attachedVmCount"], row["blockingVms"]) == (1, ["trainer"])
    api.refused(409, "DELETE", f"{api.org}/ssh-keys/{key_id}", code="KEY_IN_USE")
    second = api.ssh_key(2)
    api.ok("POST", f"/v1/vms/{vm_id}/ssh-keys", {"sshKeyId": second})
    api.ok("DELETE", f"{api.org}/ssh-keys/{key_id}")
    (row,) = api.ok("GET", f"{api.org}/ssh-keys")
    assert (row["id"], row["blockingVms"]) == (second, ["trainer"])
    assert [key["id"] for key in api.ok("GET", f"/v1/vms/{vm_id}/ssh-keys")] == [second]


def test_a_key_of_a_stopped_vm_is_in_use_and_of_a_terminated_one_is_not(api: Api) -> None:
    vm_id = api.stopped_vm()
    path = f"{api.org}/ssh-keys/{api.ssh_key()}"
    api.refused(409, "DELETE", path, code="KEY_IN_USE")
    api.ok("POST", f"/v1/vms/{vm_id}/terminate")
    api.refused(409, "DELETE", path, code="KEY_IN_USE")  # it is not terminated yet
    api.wait_until_up()
    api.ok("DELETE", path)


def test_deleting_an_unknown_key_changes_nothing(api: Api) -> None:
    api.ok("DELETE", f"{api.org}/ssh-keys/key_unknown")
