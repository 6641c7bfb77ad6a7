"""What the tests of the Relay emulator share: a caller of one world."""

from __future__ import annotations

from typing import Any

from pulumi_openrelay.emulator import RelayWorld, SimulatedClock

from ..support import public_key

PROVISION_SECONDS = 10.0
INSTANCES = "/v2/instances"
KEYS = "/v2/customer/keys"
ALLOWLIST = "/v2/customer/model-allowlist"
CHAT = "/v2/openai/v1/chat/completions"
GPT, GLM = "openai/gpt-4o-mini", "zai-org/glm-5.2"
GPT_FULL = "direct.openai.openai/gpt-4o-mini"


def instance_body(**fields: Any) -> dict[str, Any]:
    """A small CPU machine unless the fields say otherwise; None leaves a field out."""
    body = {
        "prescription": "cpu.small",
        "image": "ubuntu-24.04",
        "ssh_public_key": public_key(),
        **fields,
    }
    return {name: value for name, value in body.items() if value is not None}


def chat_body(text: str = "ping", model: str = GPT, **fields: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": text}], **fields}


class Api:
    """Calls a world and expects: `ok` a success, `refused` an error with its status and code.

    The key is the world's first, on the custom tier of these tests its superkey.
    """

    def __init__(self, world: RelayWorld, clock: SimulatedClock) -> None:
        self.world = world
        self.clock = clock

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
        """The `error` of the answer."""
        answer = self.world.call(method, target, body, **options)
        assert answer.status == status, (answer.status, answer.body)
        error: dict[str, Any] = answer.json()["error"]
        assert error["message"]
        assert error["code"] == code
        return error

    def control(self, method: str, path: str, body: object = None) -> Any:
        answer = self.world.call(method, f"/_emulator/{path}", body, key=None)
        assert answer.status == 200, answer.body
        return answer.json()

    def settings(self, **changes: Any) -> None:
        self.control("PATCH", "settings", changes)

    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.world.advance()

    @property
    def token(self) -> str:
        return self.world.customer_token

    def create_instance(self, **fields: Any) -> str:
        return str(self.ok("POST", INSTANCES, instance_body(**fields))["id"])

    def ready_instance(self, **fields: Any) -> str:
        instance_id = self.create_instance(**fields)
        self.wait(PROVISION_SECONDS)
        return instance_id

    def instance(self, instance_id: str) -> Any:
        return self.ok("GET", f"{INSTANCES}/{instance_id}")

    def terminate(self, instance_id: str) -> Any:
        return self.ok("POST", f"{INSTANCES}/{instance_id}/terminate")

    def create_key(self, name: str = "app", **fields: Any) -> Any:
        return self.ok("POST", KEYS, {"name": name, **fields})

    def key(self, key_id: str) -> Any:
        """As the list shows it."""
        return next(key for key in self.ok("GET", KEYS)["keys"] if key["key_id"] == key_id)

    def balance(self) -> float:
        return float(self.ok("GET", "/v2/customer/credits")["balance"])
