"""A key with a budget, the two models that it may use, a rented machine, and the proof that all of
it can be used."""

import pulumi

from pulumi_openrelay import relay

config = pulumi.Config()
chat = relay.ModelName.parse(config.require("chatModel"))
draft = relay.ModelName.parse(config.require("draftModel"))

key = relay.ApiKey(
    "app",
    key_budget=config.require_int("budget"),
    rate_limits={"global": 60},
    instances_allowed=False,
)
allowed = relay.ModelAllowlist("allowed", models=[str(chat), str(draft)])

worker = relay.Instance(
    "worker",
    prescription=config.require("prescription"),
    image=config.require("image"),
    ssh_public_key=config.require("sshPublicKey"),
)

checks = {
    name: relay.InferenceCheck(
        name,
        model=str(model),
        api_key=key.key,
        triggers=[worker.id],
        opts=pulumi.ResourceOptions(depends_on=[allowed]),
    )
    for name, model in {"chat": chat, "draft": draft}.items()
}

pulumi.export("worker", worker.connection)
pulumi.export("key", key.key)
pulumi.export("base_urls", {m.model: m.base_url(relay.base_url()) for m in (chat, draft)})
pulumi.export("latency_seconds", {name: check.latency_seconds for name, check in checks.items()})
