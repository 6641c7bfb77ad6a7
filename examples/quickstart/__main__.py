"""Two SSH keys, two GPU machines, a CPU machine, an inference cluster and a webhook."""

import pulumi

import pulumi_openrelay as openrelay

config = pulumi.Config()
gpu = openrelay.gpu_model_id(config.require("gpu"))

laptop = openrelay.SshKey("laptop", public_key=config.require("laptopKey"))
desk = openrelay.SshKey("desk", public_key=config.require("deskKey"))

trainer = openrelay.Vm(
    "trainer",
    ssh_key_ids=[laptop.id, desk.id],
    gpu_model_id=gpu,
    gpu_count=2,
    cloud_init=config.require("bootScript"),
)
evaluator = openrelay.Vm(
    "evaluator",
    ssh_key_ids=[laptop.id],
    gpu_model_id=gpu,
    gpu_count=1,
    desired_state="stopped" if config.require("evaluator") == "stopped" else "running",
)
bastion = openrelay.Vm("bastion", ssh_key_ids=[laptop.id, desk.id], resource_size="small")

chat = openrelay.InferenceCluster(
    "chat",
    image_url="vllm/vllm-openai:v0.6.3",
    gpu_model_id=gpu,
    gpus_per_replica=1,
    replica_count=config.require_int("replicas"),
    container_port=8000,
    env_vars={"MODEL": "meta-llama/Llama-3.1-8B-Instruct"},
)

events = openrelay.Webhook(
    "events",
    url=config.require("webhookUrl"),
    events=["vm.running", "vm.stopped", "vm.terminated"],
)

pulumi.export("ssh", trainer.ssh_command)
pulumi.export("chat", chat.endpoint_url)
pulumi.export("cents_per_hour", trainer.price_per_hour_cents)
pulumi.export("webhook_secret", events.secret)
