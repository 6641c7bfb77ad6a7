"""For each rule: stacks that pass, that fail, and that it cannot judge."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pulumi_openrelay.policies.reading import (
    API_KEY,
    CLUSTER,
    INFERENCE_CHECK,
    INSTANCE,
    MODEL_ALLOWLIST,
    POD,
    PROVISIONING_TOKEN,
    RELAY_KEY,
    SSH_KEY,
    UNKNOWN,
    VM,
    WEBHOOK,
    Account,
    Balance,
    Chips,
    NoAccount,
    Resource,
    Stack,
)

DIGEST = "sha256:" + 64 * "a"
ED25519 = (
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGm7Z0bTw5cDgbHGdWmOLNlsS9xXU5cPYvlEXaAtr0Lm ada@laptop"
)


def rsa(bits: int) -> str:
    """An OpenSSH line with a modulus of so many bits."""
    fields = [b"ssh-rsa", b"\x01\x00\x01", b"\x00" + (1 << bits - 1 | 1).to_bytes(bits // 8, "big")]
    blob = b"".join(len(each).to_bytes(4, "big") + each for each in fields)
    return f"ssh-rsa {base64.b64encode(blob).decode()} grace@desk"


DSS = "ssh-dss " + base64.b64encode(b"\x00\x00\x00\x07ssh-dss\x00\x00\x00\x01\x01").decode()


class Told(NoAccount):
    """An account that answers."""

    def __init__(self, balance: Balance) -> None:
        self._balance = balance

    def balance(self) -> Balance:
        return self._balance

    def gpu_names(self) -> Mapping[str, str]:
        return {"gpu_1": "RTX 4090", "gpu_2": "H100 SXM 80GB"}

    def instance_chips(self) -> Mapping[str, Chips]:
        return {"one": Chips("RTX 4090", 1), "sixteen": Chips("H100", 16), "none": Chips(None, 0)}


RICH = Told(Balance(1_000_000))


def one(kind: str, name: str = "it", /, **properties: Any) -> list[Resource]:
    return [Resource(kind, name, f"urn:pulumi:prod::shop::{kind}::{name}", properties)]


def asking(resources: list[Resource], account: Account) -> list[Resource]:
    """The resources, with an account to ask."""
    return [replace(resource, account=account) for resource in resources]


@dataclass(frozen=True)
class Cases:
    """settings: of the rule in all of its cases. says: a part of what each failure says."""

    passes: Sequence[list[Resource]]
    fails: Sequence[tuple[list[Resource], str]]
    unknown: Sequence[tuple[list[Resource], str]]
    settings: Mapping[str, Any] = field(default_factory=dict)
    account: Account = RICH
    account_of_unknown: Account = RICH

    def stack(self, resources: list[Resource]) -> Stack:
        return Stack("prod", asking(resources, self.account), self.account)

    def stack_of_unknown(self, resources: list[Resource]) -> Stack:
        account = self.account_of_unknown
        return Stack("prod", asking(resources, account), account)


def _known_later(name: str) -> str:
    return f"not evaluated: {name} is unknown until the update runs"


NO_RATE = "not evaluated: rate_cents_per_hour is unknown: the API's pricing does not tell it"
TWO_KNOWN = [*one(VM, "a", rate_cents_per_hour=60), *one(POD, "b", rate_cents_per_hour=41.0)]
SHARED = [*one(VM, "a", ssh_key_ids=["k1"]), *one(POD, "b", ssh_key_ids=["k1", "k2"])]

CASES: dict[str, Cases] = {
    "machine-rate": Cases(
        settings={"max_cents_per_hour": 100},
        passes=[one(VM, rate_cents_per_hour=100.0), one(CLUSTER, rate_cents_per_hour=0)],
        fails=[
            (one(VM, rate_cents_per_hour=2080.0), "bills $20.80 an hour, more than $1.00"),
            (one(INSTANCE, rate_cents_per_hour=101), "$1.01"),
        ],
        unknown=[
            (one(POD, rate_cents_per_hour=UNKNOWN), _known_later("rate_cents_per_hour")),
            (one(VM), NO_RATE),
        ],
    ),
    "stack-rate": Cases(
        settings={"max_cents_per_hour": 100},
        passes=[TWO_KNOWN[:1], one(SSH_KEY), []],
        fails=[
            (TWO_KNOWN, "the stack bills $1.01 an hour, more than $1.00"),
            ([*TWO_KNOWN, *one(VM)], "$1.01"),
        ],
        unknown=[
            (
                [*TWO_KNOWN[:1], *one(VM, "late"), *one(VM, "big", rate_cents_per_hour=UNKNOWN)],
                "rate_cents_per_hour is unknown of big, late; the others bill $0.60 an hour",
            )
        ],
    ),
    "monthly-budget": Cases(
        settings={"max_cents_per_month": 73_000},
        passes=[one(VM, rate_cents_per_hour=100), []],
        fails=[
            (TWO_KNOWN, "costs $737.30 a month, more than its budget of $730.00"),
            ([*TWO_KNOWN, *one(VM, "late")], "costs at least $737.30 a month"),
        ],
        unknown=[(one(VM), "rate_cents_per_hour is unknown of it")],
    ),
    "balance-runway": Cases(
        settings={"min_hours": 10},
        account=Told(Balance(1_000, burn_cents_per_hour=50, floor_cents=100)),
        account_of_unknown=NoAccount(),
        passes=[
            one(VM, rate_cents_per_hour=80),
            one(VM, rate_cents_per_hour=0),
            one(INSTANCE, rate_cents_per_hour=10_000),
            [],
        ],
        fails=[
            (TWO_KNOWN, "the balance lasts 9 hours at $1.01 an hour, less than 10"),
            ([*TWO_KNOWN, *one(VM, "late")], "the balance lasts at most 9 hours"),
        ],
        unknown=[
            (TWO_KNOWN, "not evaluated: the balance is not known: no API key is configured"),
            (one(VM), "rate_cents_per_hour is unknown of it"),
        ],
    ),
    "gpu-count": Cases(
        settings={"max_gpus": 8},
        passes=[
            one(VM, gpu_model_id="g", gpu_count=8.0),
            one(VM, resource_size="small"),
            one(POD),
            one(CLUSTER, gpu_model_id="g", gpus_per_replica=4, replica_count=2),
            one(INSTANCE, prescription="one"),
            one(INSTANCE, prescription="none"),
        ],
        fails=[
            (one(VM, gpu_model_id="g", gpu_count=9.0), "has 9 GPUs, more than 8"),
            (one(CLUSTER, gpu_model_id="g", gpus_per_replica=4, replica_count=3), "12 GPUs"),
            (one(INSTANCE, prescription="sixteen"), "has 16 GPUs, more than 8"),
        ],
        unknown=[
            (one(INSTANCE, prescription="other"), "prescription is not in the catalog"),
            (one(POD, gpu_count=UNKNOWN), _known_later("gpu_count")),
            (one(CLUSTER, gpu_model_id="g", replica_count=2), "is left to the API"),
        ],
    ),
    "gpu-kinds": Cases(
        settings={"allowed": ["RTX 4090", "gpu_9"]},
        account_of_unknown=NoAccount(),
        passes=[
            one(VM, gpu_model_id="gpu_1"),
            one(POD, gpu_model_id="gpu_9"),
            one(VM),
            one(INSTANCE, prescription="one"),
            one(INSTANCE, prescription="none"),
        ],
        fails=[
            (one(VM, gpu_model_id="gpu_2"), "gpu_model_id is none of RTX 4090, gpu_9"),
            (one(INSTANCE, prescription="sixteen"), "the GPU of its prescription is none of"),
        ],
        unknown=[
            (one(INSTANCE, prescription="one"), "the catalog of instances is not known"),
            (one(VM, gpu_model_id=UNKNOWN), _known_later("gpu_model_id")),
            (one(VM, gpu_model_id="gpu_2"), "the GPU catalog is not known"),
        ],
    ),
    "spot": Cases(
        passes=[one(VM, tier="community"), one(CLUSTER)],
        fails=[(one(VM, tier="spot"), "tier is spot")],
        unknown=[(one(CLUSTER, tier=UNKNOWN), _known_later("tier"))],
    ),
    "idle": Cases(
        passes=[one(VM), one(VM, desired_state="running")],
        fails=[(one(CLUSTER, desired_state="stopped"), "desired_state is stopped")],
        unknown=[(one(POD, desired_state=UNKNOWN), _known_later("desired_state"))],
    ),
    "public-machine": Cases(
        passes=[one(VM, public=False), one(POD)],
        fails=[(one(VM, public=True), "public is true"), (one(POD, public=True), "public is true")],
        unknown=[(one(VM, public=UNKNOWN), _known_later("public"))],
    ),
    "public-endpoint": Cases(
        passes=[one(VM), []],
        fails=[(one(CLUSTER), "endpoint on the internet"), (one(INSTANCE), "address on the")],
        unknown=[],
    ),
    "privileged-container": Cases(
        passes=[one(VM, privileged=False), one(CLUSTER)],
        fails=[(one(CLUSTER, privileged=True), "privileged is true")],
        unknown=[(one(VM, privileged=UNKNOWN), _known_later("privileged"))],
    ),
    "health-check-tls": Cases(
        passes=[
            one(VM),
            one(VM, health_check_path="/up", health_check_port=443.0),
            one(CLUSTER, health_checks=["https"]),
        ],
        fails=[
            (one(VM, health_check_path="/up"), "plain HTTP or TCP"),
            (one(CLUSTER, health_checks=["http"], health_check_port=80), "plain HTTP or TCP"),
        ],
        unknown=[(one(VM, health_check_port=UNKNOWN), _known_later("health_check_port"))],
    ),
    "webhook-https": Cases(
        passes=[one(WEBHOOK, url="HTTPS://hooks.example.com/x"), one(INSTANCE)],
        fails=[
            (one(WEBHOOK, url="http://hooks.example.com/x"), "url is not https"),
            (one(INSTANCE, webhook_url="http://hooks.example.com"), "webhook_url is not https"),
        ],
        unknown=[
            (one(WEBHOOK, url=UNKNOWN), _known_later("url")),
            (one(WEBHOOK, url="https://[nonsense"), "not evaluated: url is no URL"),
        ],
    ),
    "webhook-private-address": Cases(
        passes=[
            one(WEBHOOK, url="https://hooks.example.com/x"),
            one(WEBHOOK, url="https://8.8.8.8:8443/x"),
            one(WEBHOOK, url="https://[2606:4700::1111]/x"),
            one(INSTANCE),
        ],
        fails=[
            (one(WEBHOOK, url=f"https://{host}/x"), "private or local address")
            for host in (
                "10.0.0.8",
                "127.0.0.1",
                "127.1",
                "2130706433",
                "0x7f000001",
                "169.254.169.254",
                "100.64.0.1",
                "[::1]",
                "[::ffff:10.0.0.8]",
                "[::ffff:100.64.0.1]",
                "[fd00::1]",
                "localhost",
                "LOCALHOST.",
                "intranet",
                "metadata.google.internal",
            )
        ],
        unknown=[(one(INSTANCE, webhook_url=UNKNOWN), _known_later("webhook_url"))],
    ),
    "image-latest": Cases(
        passes=[
            one(VM),
            one(VM, image_url="nginx:1.27"),
            one(CLUSTER, image_url="ghcr.io:443/acme/llm:v2"),
            one(POD, image=f"acme/llm@{DIGEST}"),
            one(POD, image=f"acme/llm:latest@{DIGEST}"),
        ],
        fails=[
            (one(VM, image_url="nginx:latest"), "image_url has the tag latest"),
            (one(POD, image="localhost:5000/llm"), "image has no tag, which means latest"),
        ],
        unknown=[(one(CLUSTER, image_url=UNKNOWN), _known_later("image_url"))],
    ),
    "image-digest": Cases(
        passes=[one(VM), one(VM, image_url=f"ghcr.io/acme/llm:v2@{DIGEST}")],
        fails=[
            (one(CLUSTER, image_url="ghcr.io/acme/llm:v2"), "image_url names no digest"),
            (one(POD, image="llm@sha256:abc"), "image names no digest"),
        ],
        unknown=[(one(POD, image=UNKNOWN), _known_later("image"))],
    ),
    "image-registry": Cases(
        settings={"allowed": ["ghcr.io/acme/*", "docker.io/library/nginx", "registry.acme.com"]},
        passes=[
            one(VM),
            one(VM, image_url="ghcr.io/acme/llm:v2"),
            one(VM, image_url="nginx:1.27"),
            one(POD, image="registry.acme.com/team/llm"),
        ],
        fails=[
            (one(VM, image_url="ghcr.io/other/llm"), "none of ghcr.io/acme/*"),
            (one(CLUSTER, image_url="vllm/vllm-openai:v0.6.3"), "none of"),
            (one(POD, image="registry.acme.com.evil.io/llm"), "none of"),
        ],
        unknown=[(one(VM, image_url=UNKNOWN), _known_later("image_url"))],
    ),
    "ssh-key-strength": Cases(
        passes=[one(SSH_KEY, public_key=ED25519), one(INSTANCE, ssh_public_key=rsa(4096))],
        fails=[
            (one(SSH_KEY, public_key=DSS), "of the type ssh-dss"),
            (one(SSH_KEY, public_key=rsa(2048)), "an RSA key of 2048 bits, less than 3072"),
            (one(INSTANCE, ssh_public_key="not a key"), "ssh_public_key is no OpenSSH public key"),
        ],
        unknown=[(one(SSH_KEY, public_key=UNKNOWN), _known_later("public_key"))],
    ),
    "shared-ssh-key": Cases(
        settings={"max_machines": 1},
        passes=[
            SHARED[:1],
            [*one(VM, "a", ssh_key_ids=["k1"]), *one(VM, "b", ssh_key_ids=["k2"])],
        ],
        fails=[
            (SHARED, "one SSH key opens 2 machines (a, b), more than 1"),
            (
                [
                    Resource(VM, name, name, {"ssh_key_ids": [UNKNOWN]}, {"ssh_key_ids": ["key"]})
                    for name in ("a", "b")
                ],
                "one SSH key opens 2 machines (a, b)",
            ),
            (
                # One knows the id already, the other waits for a second key.
                [
                    Resource(VM, "a", "a", {"ssh_key_ids": ["k1"]}, {"ssh_key_ids": ["key"]}),
                    Resource(
                        VM, "b", "b", {"ssh_key_ids": [UNKNOWN]}, {"ssh_key_ids": ["key", "new"]}
                    ),
                    *one(VM, "c", ssh_key_ids=["k1"]),
                ],
                "one SSH key opens 3 machines (a, b, c)",
            ),
            (
                # A rented machine is given the key itself.
                [
                    Resource(SSH_KEY, "laptop", "key", {"public_key": ED25519}),
                    Resource(VM, "a", "a", {"ssh_key_ids": ["k1"]}, {"ssh_key_ids": ["key"]}),
                    *one(INSTANCE, "b", ssh_public_key=ED25519.rpartition(" ")[0] + " other"),
                ],
                "one SSH key opens 2 machines (a, b)",
            ),
        ],
        unknown=[(one(VM, ssh_key_ids=[UNKNOWN]), _known_later("ssh_key_ids"))],
    ),
    "api-key-scope": Cases(
        passes=[one(API_KEY, scopes=["inference"]), one(API_KEY, template="read_only")],
        fails=[
            (one(API_KEY), "it may do all that its owner may"),
            (one(API_KEY, scopes=["vms:write", "clusters:write"]), "scopes has clusters:write"),
        ],
        unknown=[
            (one(API_KEY, scopes=["inference", UNKNOWN]), _known_later("scopes")),
            (
                one(API_KEY, restrictions={"permissions": UNKNOWN}),
                _known_later("restrictions.permissions"),
            ),
        ],
    ),
    "api-key-budget": Cases(
        settings={"max_usd": 50},
        passes=[one(API_KEY, budget={"limit_nano_usd": 50_000_000_000.0})],
        fails=[
            (one(API_KEY), "budget is not set"),
            (one(API_KEY, budget={"limit_nano_usd": 60_000_000_000}), "$60.00, more than $50.00"),
        ],
        unknown=[(one(API_KEY, budget=UNKNOWN), _known_later("budget.limit_nano_usd"))],
    ),
    "api-key-expiry": Cases(
        passes=[one(API_KEY, expires_in_seconds=86_400.0 * 90)],
        fails=[
            (one(API_KEY), "it never expires"),
            (one(API_KEY, expires_in_seconds=0), "it never expires"),
            (one(API_KEY, expires_in_seconds=86_400 * 91), "it lives 91 days, more than 90"),
        ],
        unknown=[(one(API_KEY, expires_in_seconds=UNKNOWN), _known_later("expires_in_seconds"))],
    ),
    "provisioning-token": Cases(
        passes=[one(PROVISIONING_TOKEN, class_="interruptible", max_enrollments=8.0)],
        fails=[
            (one(PROVISIONING_TOKEN), "of the class persistent"),
            (one(PROVISIONING_TOKEN, class_="interruptible"), "which means 64, more than 8"),
            (
                one(PROVISIONING_TOKEN, class_="interruptible", max_enrollments=9),
                "it enrolls 9 nodes, more than 8",
            ),
        ],
        unknown=[(one(PROVISIONING_TOKEN, class_=UNKNOWN), _known_later("class_"))],
    ),
    "replicas": Cases(
        passes=[one(CLUSTER, replica_count=2.0), one(VM)],
        fails=[
            (one(CLUSTER, replica_count=1), "replica_count is 1, less than 2"),
            (one(CLUSTER), "replica_count is not set"),
        ],
        unknown=[(one(CLUSTER, replica_count=UNKNOWN), _known_later("replica_count"))],
    ),
    "locations": Cases(
        passes=[
            one(CLUSTER),
            one(CLUSTER, preferred_regions=["eu", "us"]),
            one(CLUSTER, preferred_regions=["eu"], allow_fallback=True),
        ],
        fails=[(one(CLUSTER, preferred_regions=["eu", "eu"]), "names one location")],
        unknown=[(one(CLUSTER, preferred_regions=[UNKNOWN]), _known_later("preferred_regions"))],
    ),
    "disk-size": Cases(
        passes=[one(VM), one(VM, disk_size_gb=50.0), one(POD, volume_gb=100)],
        fails=[
            (one(CLUSTER, disk_size_gb=10), "disk_size_gb is 10, less than 50"),
            (one(POD, volume_gb=10), "volume_gb is 10, less than 50"),
        ],
        unknown=[(one(VM, disk_size_gb=UNKNOWN), _known_later("disk_size_gb"))],
    ),
    "deletion-protection": Cases(
        passes=[one(VM, deletion_protection=True)],
        fails=[
            (one(INSTANCE), "deletion_protection is not on"),
            (one(INSTANCE, deletion_protection=False), "deletion_protection is not on"),
        ],
        unknown=[(one(POD, deletion_protection=UNKNOWN), _known_later("deletion_protection"))],
    ),
    "fallback": Cases(
        passes=[
            one(VM, allow_fallback=False),
            one(VM, preferred_regions=["eu"]),
            one(CLUSTER, preferred_regions=["eu", "us"], allow_fallback=False),
        ],
        fails=[(one(VM, preferred_regions=["eu"], allow_fallback=False), "it does not start")],
        unknown=[
            (
                one(VM, preferred_regions=["eu"], allow_fallback=UNKNOWN),
                _known_later("allow_fallback"),
            )
        ],
    ),
    "resource-name": Cases(
        passes=[one(VM, "trainer-1"), one(SSH_KEY, "laptop", name="laptop-0a1b")],
        fails=[
            (one(VM, "My_VM"), "its name in the program does not match"),
            (one(WEBHOOK, "events", name="EVENTS!"), "name does not match"),
        ],
        unknown=[(one(RELAY_KEY, "app", name=UNKNOWN), _known_later("name"))],
    ),
    "allowed-locations": Cases(
        settings={"allowed": ["eu-*", "Ashburn 1"]},
        passes=[
            one(VM, preferred_regions=["eu-north", "Ashburn 1"], allow_fallback=False),
            one(INSTANCE, region="eu-west"),
        ],
        fails=[
            (one(VM), "preferred_regions is not set"),
            (one(VM, preferred_regions=["eu-north"]), "allow_fallback is not false"),
            (
                one(CLUSTER, preferred_regions=["eu-north", "us-east"], allow_fallback=False),
                "names a location that is none of eu-*, Ashburn 1",
            ),
            (one(INSTANCE), "region is not set"),
            (one(INSTANCE, region="us-east"), "region names a location"),
            (one(POD), "a pod runs wherever there is room"),
        ],
        unknown=[(one(INSTANCE, region=UNKNOWN), _known_later("region"))],
    ),
    "relay-models": Cases(
        settings={"modes": ["direct"], "sources": ["openai", "vllm"]},
        passes=[
            one(MODEL_ALLOWLIST, models=["direct.vllm.meta/llama-3.1:8b"]),
            one(INFERENCE_CHECK, model="direct.openai.gpt-4o-mini"),
            one(RELAY_KEY),  # what holds keys is `relay-allowlist`
        ],
        fails=[
            (one(MODEL_ALLOWLIST, models=["opengpu.vllm.x"]), "a mode that is none of direct"),
            (one(INFERENCE_CHECK, model="opengpu.vllm.x"), "model has a mode that is none of"),
            (
                one(MODEL_ALLOWLIST, models=["direct.anthropic.x"]),
                "a source that is none of openai, vllm",
            ),
        ],
        unknown=[(one(MODEL_ALLOWLIST, models=UNKNOWN), _known_later("models"))],
    ),
    "relay-key-budget": Cases(
        settings={"max_usd": 20},
        passes=[one(RELAY_KEY, key_budget=20.0), one(RELAY_KEY, key_budget=0)],
        fails=[
            (one(RELAY_KEY), "key_budget is not set"),
            (one(RELAY_KEY, key_budget="unlimited"), "key_budget is not set"),
            (one(RELAY_KEY, key_budget=20.5), "$20.50, more than $20.00"),
        ],
        unknown=[(one(RELAY_KEY, key_budget=UNKNOWN), _known_later("key_budget"))],
    ),
    "relay-allowlist": Cases(
        passes=[
            [],
            [*one(RELAY_KEY), *one(MODEL_ALLOWLIST, "models")],
            [
                *one(RELAY_KEY, model_restrictions=["direct.openai.x"]),
                *one(MODEL_ALLOWLIST, "models"),
            ],
        ],
        fails=[(one(RELAY_KEY), "it may use every model, unless another stack")],
        unknown=[
            (one(RELAY_KEY, model_restrictions=UNKNOWN), _known_later("model_restrictions")),
            # The API does not say whether they are an allowlist or the opposite.
            (one(RELAY_KEY, model_restrictions=["direct.openai.x"]), "does not say whether"),
        ],
    ),
}
