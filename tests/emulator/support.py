"""What the emulator's tests share: a caller of one world, SSH keys and any values to call it
with, and a receiver of webhooks."""

from __future__ import annotations

import base64
import json
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Queue
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

if TYPE_CHECKING:
    from pulumi_openrelay.emulator import SimulatedClock, World

PROVISION_SECONDS = 10.0


def wire_string(content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + content


def public_key(number: int = 1, comment: str = "") -> str:
    """An ed25519 public key line; the same number is the same key."""
    blob = wire_string(b"ssh-ed25519") + wire_string(bytes([number]) * 32)
    return f"ssh-ed25519 {base64.b64encode(blob).decode()} {comment}".strip()


class Api:
    """Calls a world and expects: `ok` a success, `refused` an error with its status and code."""

    def __init__(self, world: World, clock: SimulatedClock) -> None:
        self.world = world
        self.clock = clock
        self.org = f"/v1/orgs/{world.first_organization.id}"

    def ok(self, method: str, target: str, body: object = None, **options: Any) -> Any:
        answer = self.world.call(method, target, body, **options)
        assert 200 <= answer.status < 300, (answer.status, answer.body)
        return answer.json() if answer.body else None

    def refused(
        self,
        status: int,
        method: str,
        target: str,
        body: object = None,
        code: str | None = None,
        **options: Any,
    ) -> dict[str, Any]:
        answer = self.world.call(method, target, body, **options)
        assert answer.status == status, (answer.status, answer.body)
        envelope: dict[str, Any] = answer.json()
        assert envelope["error"]
        assert envelope.get("code") == code
        return envelope

    def control(self, method: str, path: str, body: object = None) -> Any:
        answer = self.world.call(method, f"/_emulator/{path}", body, key=None)
        assert answer.status == 200, answer.body
        return answer.json()

    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.world.advance()

    def wait_until_up(self) -> None:
        self.wait(2 * PROVISION_SECONDS)

    def model(self, name: str) -> str:
        models = self.ok("GET", "/v1/gpu-models")
        return next(str(model["id"]) for model in models if name in model["name"])

    def ssh_key(self, number: int = 1) -> str:
        """The id of this key, created if it is not there yet."""
        keys = self.ok("GET", f"{self.org}/ssh-keys")
        line = public_key(number)
        for key in keys:
            if key["publicKey"] == line:
                return str(key["id"])
        body = {"name": f"key-{number}", "publicKey": line}
        return str(self.ok("POST", f"{self.org}/ssh-keys/create", body)["id"])

    def vm_body(self, name: str = "trainer", **fields: Any) -> dict[str, Any]:
        """One RTX 4090 unless the fields say otherwise; None leaves a field out."""
        body = {
            "name": name,
            "sshKeyIds": [self.ssh_key()],
            "gpuModelId": self.model("4090"),
            "gpuCount": 1,
            **fields,
        }
        return {name: value for name, value in body.items() if value is not None}

    def cpu_body(self, name: str = "runner", **fields: Any) -> dict[str, Any]:
        shape = {"gpuModelId": None, "gpuCount": None, "resourceSize": "small"}
        return self.vm_body(name, **{**shape, **fields})

    def create_vm(self, name: str = "trainer", key: str | None = None, **fields: Any) -> Any:
        """The answer of a create; `key` is the Idempotency-Key."""
        headers = {} if key is None else {"Idempotency-Key": key}
        return self.ok("POST", self.vms_create, self.vm_body(name, **fields), headers=headers)

    def running_vm(self, name: str = "trainer", **fields: Any) -> str:
        """The id of a VM that is up, with SSH ready."""
        vm = self.create_vm(name, **fields)
        self.wait_until_up()
        return str(vm["id"])

    def stopped_vm(self, name: str = "trainer", **fields: Any) -> str:
        vm_id = self.running_vm(name, **fields)
        self.ok("POST", f"/v1/vms/{vm_id}/stop")
        self.wait_until_up()
        return vm_id

    def vm(self, vm_id: str) -> Any:
        return self.ok("GET", f"/v1/vms/{vm_id}")

    def detail(self, vm_id: str) -> Any:
        return self.ok("GET", f"/v1/vms/{vm_id}/detail")

    def create_cluster(self, name: str = "chat", **fields: Any) -> Any:
        body = {"name": name, "gpuModelId": self.model("4090"), "imageUrl": "acme/chat", **fields}
        return self.ok("POST", f"{self.org}/clusters/create", body)

    def running_cluster(self, replicas: int = 1, **fields: Any) -> str:
        cluster = self.create_cluster(replicaCount=replicas, **fields)
        self.wait((2 + replicas) * PROVISION_SECONDS)
        return str(cluster["id"])

    def cluster(self, cluster_id: str) -> Any:
        return self.ok("GET", f"/v1/clusters/{cluster_id}/detail")

    @property
    def vms_create(self) -> str:
        return f"{self.org}/vms/create"


class Receiver:
    """A webhook receiver on this machine: what came, and the status it answers with."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.status = 200
        self.came: Queue[tuple[dict[str, str], bytes]] = Queue()


@contextmanager
def receiver() -> Iterator[Receiver]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            found.came.put((dict(self.headers), body))
            self.send_response(found.status)
            self.send_header("Location", f"{found.url}/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found = Receiver(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def bodies(fields: list[str], known: list[str]) -> st.SearchStrategy[bytes]:
    """Bodies of requests: JSON of these fields mostly, and nesting without end."""
    of_fields = st.dictionaries(st.sampled_from(fields), values(known))
    # Python writes an infinite number as no other would; JSON has one too large for it.
    written = (of_fields | values(known)).map(
        lambda value: json.dumps(value).replace("Infinity", "1e999").encode()
    )
    return written | st.just(b"[" * 100_000)


def values(known: list[str]) -> st.SearchStrategy[Any]:
    """JSON values: ids and names that exist, half a character, numbers beyond all use."""
    texts = st.sampled_from([*known, "\ud800"]) | st.text()
    numbers = st.integers(-1, 9) | st.integers() | st.floats() | st.just(10**400)
    return st.recursive(
        st.none() | st.booleans() | numbers | texts,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
        max_leaves=4,
    )
