"""One example of each kind, from which every contract test is made. A new kind needs one here.

`Ref("key")` stands for the id of another resource of the example, one of `needs`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from pulumi_openrelay.emulator.hardware import GPU_MODELS, TEMPLATES

from ..simulation.engine import Ref

KEYS = [f"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{letter * 43} someone" for letter in "ABC"]
RTX_4090 = next(model.id for model in GPU_MODELS.values() if model.name == "RTX 4090")
RTX_3090 = next(model.id for model in GPU_MODELS.values() if model.name == "RTX 3090")
RELAY_KEYS = ["relay_sk_local", "relay_sk_other", "relay_sk_local-swordfish"]
"""The API keys of the emulated customer."""
TEMPLATE, OTHER_TEMPLATE, _ = TEMPLATES


@dataclass(frozen=True)
class By:
    """A request by another hand, and where what it changes shows: a GET and a field of it."""

    method: str
    path: str
    body: Any
    shows: str
    field: str


Drift: TypeAlias = Mapping[str, Any] | By
"""What another hand does: new fields of the emulator's record, or a request."""


@dataclass(frozen=True)
class Update:
    """A change in place. calls: the operations that make it, and no other. beside: other inputs
    that have to change with it.

    drift: what another hand does to one that has all inputs; unasked: the same for one that leaves
    this input out, where that is something else. mended: the operations that undo it, where they
    are others than `calls`.
    """

    to: Any
    calls: Sequence[str]
    beside: Mapping[str, Any] = field(default_factory=dict)
    drift: Drift | None = None
    unasked: Drift | None = None
    mended: Sequence[str] | None = None


@dataclass(frozen=True)
class Replace:
    """A change that needs a new one. beside: other inputs that have to change with it."""

    to: Any
    beside: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Example:
    """One of a kind, and another value for every input that it has.

    least: inputs that it cannot do without; more: those that it takes beside them. needs: what
    else the program declares, by name: kind and inputs.

    made: the operations that make one with all of them.

    updates, replaces, settings: another value of each input, by what its change does. alike:
    another way to say the same, which changes nothing.
    not_emulated: replacing inputs that the emulator refuses whatever they are, with the reason.
    most: of numbers that the emulator takes at their word, one that it carries out quickly.

    table: its records' name on the emulator's control path; a setting of the account has none.
    route: the path that is asked, as a pattern, of a kind that is only done.
    ended: the states in which it is no more.
    """

    least: Mapping[str, Any]
    more: Mapping[str, Any]
    made: Sequence[str]
    table: str = ""
    route: str = ""
    needs: Mapping[str, tuple[str, Mapping[str, Any]]] = field(default_factory=dict)
    updates: Mapping[str, Update] = field(default_factory=dict)
    replaces: Mapping[str, Replace] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    alike: Mapping[str, Any] = field(default_factory=dict)
    not_emulated: Mapping[str, str] = field(default_factory=dict)
    most: Mapping[str, int] = field(default_factory=dict)
    ended: frozenset[str] = frozenset({"terminated"})

    @property
    def inputs(self) -> dict[str, Any]:
        return {**self.least, **self.more}


# What every machine has, whatever it is.
_MACHINE_SETTINGS = {
    "capacity_timeout": "10m",
    "on_failure": "delete",
    "on_timeout": "delete",
    "deletion_protection": True,
}
_NO_GPU = {"gpu_model_id": None, "gpu_count": None, "guest_mem_mb": None}

EXAMPLES: dict[str, Example] = {
    "openrelay:SshKey": Example(
        table="ssh-keys",
        made=["createOrgSshKey"],
        alike={"public_key": KEYS[0].replace(" someone", "   somebody else")},
        least={"public_key": KEYS[0]},
        more={"name": "laptop"},
        replaces={"public_key": Replace(KEYS[1]), "name": Replace("desktop")},
        settings={"adopt": True},
    ),
    "openrelay:Webhook": Example(
        table="webhooks",
        made=["createOrgWebhook"],
        alike={"events": ["vm.stopped", "vm.running"]},
        least={"url": "https://hooks.example.com/openrelay"},
        more={
            "name": "pager",
            "events": ["vm.running", "vm.stopped"],
            "enabled": True,
            "secret_version": 1,
        },
        updates={
            "url": Update(
                "https://hooks.example.com/other",
                calls=["updateOrgWebhook"],
                drift={"url": "https://elsewhere.example.com"},
            ),
            "name": Update("bell", calls=["updateOrgWebhook"], drift={"name": "renamed"}),
            "events": Update(
                ["vm.stopped"],
                calls=["updateOrgWebhook"],
                drift={"events": ["vm.terminated"]},
            ),
            "enabled": Update(False, calls=["toggleOrgWebhook"], drift={"enabled": False}),
            "secret_version": Update(2, calls=["regenerateOrgWebhookSecret"]),
        },
        settings={"adopt": True},
    ),
    "openrelay:Vm": Example(
        table="vms",
        made=["createVm"],
        alike={"ssh_key_ids": [Ref("key3"), Ref("key")]},
        needs={
            "key": ("openrelay:SshKey", {"public_key": KEYS[0]}),
            "key2": ("openrelay:SshKey", {"public_key": KEYS[1]}),
            "key3": ("openrelay:SshKey", {"public_key": KEYS[2]}),
        },
        least={"ssh_key_ids": [Ref("key")], "gpu_model_id": RTX_4090, "gpu_count": 1},
        more={
            "ssh_key_ids": [Ref("key"), Ref("key3")],
            "name": "trainer",
            "tier": "community",
            "image_url": "ghcr.io/acme/train:1",
            "template_id": TEMPLATE,
            "container_command": ["python", "train.py"],
            "container_port": 8000,
            "env_vars": {"MODE": "train"},
            "cloud_init": "#!/bin/sh\ntrue",
            "disk_size_gb": 120,
            "guest_mem_mb": 32_768,
            "health_check_path": "/health",
            "health_check_port": 8001,
            "health_checks": ["http"],
            "kernel_modules": ["nbd"],
            "preferred_regions": ["eu"],
            "allow_fallback": True,
            "privileged": False,
            "public": True,
            "desired_state": "running",
        },
        updates={
            "ssh_key_ids": Update(
                [Ref("key2"), Ref("key3")],
                calls=["attachVmSshKey", "detachVmSshKey"],
                drift={"ssh_key_ids": [Ref("key2"), Ref("key3")]},
                unasked={"ssh_key_ids": [Ref("key2")]},
            ),
            "public": Update(
                False, calls=["setVmVisibility"], drift={"public": False}, unasked={"public": True}
            ),
            "disk_size_gb": Update(
                200, calls=["stopVm", "resizeVmDisk"], beside={"desired_state": "stopped"}
            ),
            "desired_state": Update(
                "stopped", calls=["stopVm"], drift={"status": "stopped"}, mended=["restartVm"]
            ),
        },
        replaces={
            "name": Replace("trainer-2"),
            "gpu_model_id": Replace(RTX_3090, {"guest_mem_mb": 16_384}),
            "gpu_count": Replace(2, {"guest_mem_mb": 65_536}),
            "resource_size": Replace("small", _NO_GPU),
            "tier": Replace("spot"),
            "image_url": Replace("ghcr.io/acme/train:2"),
            "template_id": Replace(OTHER_TEMPLATE),
            "container_command": Replace(["python", "serve.py"]),
            "container_port": Replace(9000),
            "env_vars": Replace({"MODE": "serve"}),
            "cloud_init": Replace("#!/bin/sh\nfalse"),
            "guest_mem_mb": Replace(40_000),
            "health_check_path": Replace("/ready"),
            "health_check_port": Replace(8002),
            "health_checks": Replace(["tcp"]),
            "kernel_modules": Replace(["nbd", "fuse"]),
            "preferred_regions": Replace(["us-east"]),
            "allow_fallback": Replace(False),
            "privileged": Replace(True),
            "node_id": Replace("node_reserved"),
        },
        not_emulated={"node_id": "the emulated organization has no reserved node"},
        settings={**_MACHINE_SETTINGS, "adopt": True, "wait_for": "ssh"},
    ),
    "openrelay:InferenceCluster": Example(
        table="clusters",
        made=["createCluster"],
        least={"image_url": "vllm/vllm-openai:v0.6", "gpu_model_id": RTX_4090},
        more={
            "name": "chat",
            "gpus_per_replica": 1,
            "replica_count": 2,
            "tier": "community",
            "allow_fallback": True,
            "registry_credential_id": "cred_1",
            "template_id": TEMPLATE,
            "container_port": 8000,
            "container_command": ["serve"],
            "env_vars": {"MODEL": "llama"},
            "disk_size_gb": 120,
            "health_check_path": "/health",
            "health_check_port": 8001,
            "health_checks": ["http"],
            "kernel_modules": ["nbd"],
            "preferred_regions": ["eu"],
            "privileged": False,
            "desired_state": "running",
        },
        updates={
            "replica_count": Update(3, calls=["scaleCluster"], drift={"replica_count": 1}),
            "desired_state": Update(
                "stopped",
                calls=["stopCluster"],
                drift={"status": "stopped"},
                mended=["restartCluster"],
            ),
        },
        replaces={
            "name": Replace("chat-2"),
            "gpu_model_id": Replace(RTX_3090),
            "gpus_per_replica": Replace(2),
            "resource_size": Replace("small", {"gpu_model_id": None, "gpus_per_replica": None}),
            "tier": Replace("spot"),
            "allow_fallback": Replace(False),
            "image_url": Replace("vllm/vllm-openai:v0.7"),
            "registry_credential_id": Replace("cred_2"),
            "template_id": Replace(OTHER_TEMPLATE),
            "container_port": Replace(9000),
            "container_command": Replace(["serve", "--fast"]),
            "env_vars": Replace({"MODEL": "mistral"}),
            "disk_size_gb": Replace(200),
            "health_check_path": Replace("/ready"),
            "health_check_port": Replace(8002),
            "health_checks": Replace(["tcp"]),
            "kernel_modules": Replace(["fuse"]),
            "preferred_regions": Replace(["us-east"]),
            "privileged": Replace(True),
        },
        settings={**_MACHINE_SETTINGS, "adopt": True, "wait_for": "none"},
        most={"replica_count": 20},
    ),
    "relay:Instance": Example(
        table="instances",
        made=["createInstance"],
        alike={"ssh_public_key": KEYS[0].replace("someone", "somebody else")},
        ended=frozenset({"terminated", "failed"}),
        least={
            "prescription": "cpu.small",
            "image": "ubuntu-24.04",
            "ssh_public_key": KEYS[0],
        },
        more={
            "service_mode": "managed_container",
            "billing_mode": "hourly",
            "region": "eu-north",
            "max_lifetime_hours": 24,
            "webhook_url": "https://hooks.example.com/relay?team=ml",
        },
        replaces={
            "prescription": Replace("npu.gaudi3.1x", {"image": "habana-1.21"}),
            "image": Replace("ubuntu-22.04"),
            "ssh_public_key": Replace(KEYS[1]),
            "service_mode": Replace(
                "dedicated_machine",
                {"prescription": "gpu.rtx4090.1x", "max_lifetime_hours": None},
            ),
            "billing_mode": Replace("weekly"),
            "region": Replace("us-east"),
            "max_lifetime_hours": Replace(48),
            "webhook_url": Replace("https://hooks.example.com/other"),
        },
        not_emulated={"billing_mode": "every prescription of the emulator is rented by the hour"},
        settings={**_MACHINE_SETTINGS, "wait_for": "none"},
    ),
    "relay:ApiKey": Example(
        table="keys",
        made=["createKey", "updateKey"],
        alike={
            "model_restrictions": ["direct.openai.gpt-4o", "direct.openai.gpt-4o-mini"],
        },
        least={},
        more={
            "name": "worker",
            "key_budget": 10,
            "model_restrictions": ["direct.openai.gpt-4o-mini", "direct.openai.gpt-4o"],
            "rate_limits": {"global": 60},
            "instances_allowed": True,
            "enabled": True,
        },
        updates={
            "name": Update("helper", calls=["updateKey"], drift={"name": "renamed"}),
            "key_budget": Update(25, calls=["updateKey"], drift={"key_budget": None}),
            "model_restrictions": Update(
                ["direct.anthropic.claude-sonnet-4"],
                calls=["updateKey"],
                drift={"restrictions": {"rate_limits": {"global": 60}}},
                unasked={"restrictions": {"model_restrictions": ["direct.openai.gpt-4o"]}},
            ),
            "rate_limits": Update(
                {"global": 30, "direct": 20},
                calls=["updateKey"],
                drift={"restrictions": {"model_restrictions": ["direct.openai.gpt-4o"]}},
                unasked={"restrictions": {"rate_limits": {"direct": 1}}},
            ),
            "instances_allowed": Update(
                False, calls=["updateKey"], drift={"instances_allowed": False}
            ),
            "enabled": Update(
                False, calls=["revokeKey"], drift={"status": "revoked"}, mended=["unrevokeKey"]
            ),
        },
        replaces={"rotation": Replace(2, {"name": None})},
    ),
    "relay:AccountSettings": Example(
        made=["updateSettings"],
        least={"warning_threshold": 20},
        more={},
        updates={
            "warning_threshold": Update(
                30,
                calls=["updateSettings"],
                drift=By(
                    "PATCH",
                    "/v2/customer/settings",
                    {"warning_threshold": 1.5},
                    "/v2/customer/profile",
                    "warning_threshold",
                ),
            )
        },
    ),
    "relay:ModelAllowlist": Example(
        made=["updateModelAllowlist"],
        alike={"models": ["direct.openai.gpt-4.1", "direct.openai.gpt-4o-mini"]},
        least={"models": ["direct.openai.gpt-4o-mini", "direct.openai.gpt-4.1"]},
        more={},
        updates={
            "models": Update(
                ["direct.openai.gpt-4o", "direct.openai.gpt-4o-mini"],
                calls=["updateModelAllowlist"],
                drift=By(
                    "PATCH",
                    "/v2/customer/model-allowlist",
                    {"model_allowlist": ["direct.openai.gpt-4o"]},
                    "/v2/customer/model-allowlist",
                    "model_allowlist",
                ),
            )
        },
    ),
    "relay:WebhookSecret": Example(
        made=[],
        least={"rotation": 1},
        more={},
        updates={"rotation": Update(2, calls=["rotateWebhookSecret"])},
    ),
    "relay:InferenceCheck": Example(
        route=r"^/v2/(openai/v1/chat/completions|tasks)$",
        made=["openai_chat_completions"],
        least={"model": "direct.openai.gpt-5.4-mini", "api_key": RELAY_KEYS[0]},
        more={"request": {"max_tokens": 5}, "triggers": ["first"]},
        updates={
            "model": Update("direct.openai.zai-org/glm-5.2", calls=["openai_chat_completions"]),
            "api_key": Update(RELAY_KEYS[1], calls=["openai_chat_completions"]),
            "request": Update({"max_tokens": 7}, calls=["openai_chat_completions"]),
            "triggers": Update(["second"], calls=["openai_chat_completions"]),
        },
    ),
}
