"""Relay on the real engine: its resources, their secrets, and the examples that use them."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pulumi_openrelay.emulator import Answer, Request, ServedRelayWorld, serve_relay
from pulumi_openrelay.emulator.relay.access import ApiKey
from pulumi_openrelay.emulator.relay.inference.gate import UsageRecord

from .support import KEY, ROOT, Result, Stack

CHAT, DRAFT = "direct.openai.gpt-5.4-mini", "opengpu.ollama.gpt-oss:20b"

PROGRAM = """
    from pulumi_openrelay import relay

    key = relay.ApiKey("worker", key_budget={budget}, rotation={rotation})
    allowed = relay.ModelAllowlist("allowed", models=["{chat}"])
    settings = relay.AccountSettings("settings", warning_threshold={budget})
    signing = relay.WebhookSecret("signing", rotation={rotation})
    box = relay.Instance(
        "box", prescription="cpu.small", image="ubuntu-24.04", ssh_public_key=KEY,
        webhook_url="https://hooks.example.com/relay",
    )
    check = relay.InferenceCheck(
        "check", model="{chat}", api_key=key.key, triggers=[box.id],
        opts=Options(depends_on=[allowed]),
    )
    pulumi.export("user", box.connection.user)
    pulumi.export("seconds", check.latency_seconds)
"""


def program(*, budget: int = 5, rotation: int = 1, chat: str = CHAT) -> str:
    return PROGRAM.format(budget=budget, rotation=rotation, chat=chat)


@pytest.fixture
def relay() -> Iterator[ServedRelayWorld]:
    with serve_relay(check_answers=True, provision_seconds=0.5) as served:
        yield served


@pytest.fixture
def stack(new_stack: Callable[..., Stack], relay: ServedRelayWorld, tmp_path: Path) -> Stack:
    return new_stack(
        environment={
            "RELAY_BASE_URL": relay.url,
            "RELAY_API_KEY": relay.key,
            "RELAY_CUSTOMER_TOKEN": relay.world.customer_token,
            "XDG_STATE_HOME": str(tmp_path / "state"),
        }
    )


def billed(relay: ServedRelayWorld) -> int:
    """How many inference requests were billed."""
    return sum(usage.calls for usage in relay.world.store.table(UsageRecord).values())


def keys(relay: ServedRelayWorld) -> list[ApiKey]:
    """Those that stacks have made."""
    return [k for k in relay.world.store.table(ApiKey).values() if not k.is_superkey]


def in_clear(relay: ServedRelayWorld, stack: Stack, *results: Result) -> list[str]:
    """Where a secret shows: in the state, in what was printed, in the engine's events, in files."""
    secrets = [key.secret for key in relay.world.store.table(ApiKey).values()]
    secrets += [relay.world.customer_token, *_signing_secrets(relay)]
    texts = {"state": stack.run("stack", "export", "--stack", stack.name).stdout}
    texts |= {f"command {n}": r.text + str(r.events) for n, r in enumerate(results)}
    texts |= {
        str(file): file.read_bytes().decode(errors="ignore")
        for file in stack.folder.parent.rglob("*")
        if file.is_file()
    }
    return [place for place, text in texts.items() if any(secret in text for secret in secrets)]


def _signing_secrets(relay: ServedRelayWorld) -> list[str]:
    answer = relay.world.call("GET", "/v2/customer/webhook-secret", key=relay.world.customer_token)
    return [answer.json()["secret"]]


def use_example(stack: Stack, name: str, **config: str) -> None:
    """Let the stack run an example, as its folder has it."""
    folder = ROOT / "examples" / name
    shutil.copy(folder / "__main__.py", stack.folder)
    text = (folder / "Pulumi.yaml").read_text()
    line = "runtime: python # the one on PATH\n"
    assert line in text
    runtime = f"runtime: {{name: python, options: {{virtualenv: {sys.prefix}}}}}\n"
    project = text.replace(line, runtime).replace(f"name: {name}", "name: test", 1)
    (stack.folder / "Pulumi.yaml").write_text(project)
    for key, value in config.items():
        stack.run("config", "set", key, value, "--stack", stack.name)


def test_every_resource_is_made_changed_and_ended(stack: Stack, relay: ServedRelayWorld) -> None:
    log = ("--logtostderr", "--logflow", "-v=3")
    preview = stack.preview(program())
    assert preview.code == 0, preview.text
    assert relay.world.live_instances() == []
    assert billed(relay) == 0

    made = stack.up(program(), *log)
    assert made.code == 0, made.text
    assert stack.outputs()["user"] == "root"
    assert stack.outputs()["rate_cents_per_hour"] == 5
    assert billed(relay) == 1
    (old,) = keys(relay)
    assert old.key_budget == 5

    assert stack.up(program()).changed == {}
    assert stack.refresh().changed == {}

    changed = stack.up(program(budget=7, rotation=2, chat=DRAFT), *log)
    assert changed.code == 0, changed.text
    assert changed.changed == {
        "worker": "replace",
        "allowed": "update",
        "settings": "update",
        "signing": "update",
        "check": "update",
    }
    (new,) = keys(relay)
    assert new.id != old.id
    assert relay.world.first_customer.model_allowlist == [DRAFT]
    assert billed(relay) == 2
    assert in_clear(relay, stack, preview, made, changed) == []

    destroyed = stack.destroy()
    assert destroyed.code == 0, destroyed.text
    assert relay.world.live_instances() == []
    assert keys(relay) == []
    assert relay.world.first_customer.model_allowlist is None
    assert relay.world.first_customer.warning_threshold == 5


def test_a_model_that_does_not_answer_fails_the_deployment_with_one_line(
    stack: Stack, relay: ServedRelayWorld
) -> None:
    relay.world.settings.change({"unavailable_models": ["gpt-5.4-mini"]})
    check = """
        from pulumi_openrelay import relay
        key = relay.ApiKey("worker")
        relay.InferenceCheck("check", model="direct.openai.gpt-5.4-mini", api_key=key.key)
    """
    failed = stack.up(check)
    assert failed.code != 0
    assert failed.errors == [
        "inference check 'check': direct.openai.gpt-5.4-mini does not answer: there is no capacity "
        "for it right now (503 CAPACITY_EXHAUSTED: Nobody serves gpt-5.4-mini right now); the "
        "inference check has not passed; try later, or choose another model"
    ]
    assert "Traceback" not in failed.text
    relay.world.settings.change({"unavailable_models": []})
    assert stack.up().changed == {"check": "create"}
    assert stack.destroy().code == 0


def test_without_a_credential_one_line_says_what_to_set(stack: Stack) -> None:
    del stack.environment["RELAY_API_KEY"], stack.environment["RELAY_CUSTOMER_TOKEN"]
    failed = stack.preview("""
        from pulumi_openrelay import relay
        relay.ApiKey("worker")
    """)
    assert failed.errors == [
        "Relay: no API key is configured; run `pulumi config set --secret relay:apiKey <key>` or "
        "set RELAY_API_KEY"
    ]


def test_the_example_of_an_app_is_up_unchanged_and_gone(
    stack: Stack, relay: ServedRelayWorld
) -> None:
    use_example(stack, "relay-app", sshPublicKey=KEY)
    made = stack.up()
    assert made.code == 0, made.text
    (key,) = keys(relay)
    assert (key.key_budget, key.instances_allowed) == (25, False)
    assert key.restrictions == {"rate_limits": {"global": 60}}
    assert relay.world.first_customer.model_allowlist == [CHAT, DRAFT]
    used = {(u.key_id, u.model): u.calls for u in relay.world.store.table(UsageRecord).values()}
    assert used == {(key.id, CHAT): 1, (key.id, DRAFT): 1}
    outputs: Any = stack.outputs()
    assert outputs["key"] == key.secret
    assert outputs["base_urls"] == {
        "gpt-5.4-mini": f"{relay.url}/v2/openai/v1",
        "gpt-oss:20b": f"{relay.url}/v2/ollama",
    }
    assert in_clear(relay, stack, made) == []

    assert stack.up().changed == {}
    assert billed(relay) == 2

    assert stack.destroy().code == 0
    assert stack.resources() == {}
    assert relay.world.live_instances() == []
    assert keys(relay) == []
    assert relay.world.first_customer.model_allowlist is None


def test_the_example_of_both_services_gives_the_vm_its_key(
    stack: Stack, relay: ServedRelayWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_example(stack, "relay-on-vm", sshPublicKey=KEY)
    scripts: list[str] = []
    handle = stack.cloud.world.handle

    def spy(request: Request) -> Answer:
        if request.path.endswith("/vms/create"):
            scripts.append(json.loads(request.body)["cloudInit"])
        return handle(request)

    monkeypatch.setattr(stack.cloud.world, "handle", spy)
    made = stack.up()
    assert made.code == 0, made.text
    (key,) = keys(relay)
    (script,) = scripts
    assert f"OPENAI_API_KEY={key.secret}\n" in script
    assert f"OPENAI_BASE_URL={relay.url}/v2/openai/v1\n" in script
    assert "CHAT_MODEL=gpt-5.4-mini\n" in script
    assert in_clear(relay, stack, made) == []

    assert stack.up().changed == {}

    assert stack.destroy().code == 0
    assert stack.cloud.world.live_vms() == []
    assert keys(relay) == []
