"""What is up before a pull request. All of it is in the style of one who reviews: in `production`
nothing but advice speaks against it."""

from __future__ import annotations

KEYS = """\
WEAK = (
    "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQDoW99GmfzzWRn+FepFuhpfHdAfcb4ZiNAvRM8/ddvCwG/tiVKs1BHXD"
    "1MFEED2NjUFoEQIY82eK4MsZ9DAvx93Tl2rYLoSGR4xBiv0/gdBd+ifBLPGzVGoUXpDWVWh6IlHmRJEhtaweJNAwz8JRG0"
    "HDGk2uZRlzEyXOp8YFiz6mw=="
)
"""

TRAINING = """
laptop = relay.SshKey("laptop", public_key=KEY)
desk = relay.SshKey("desk", public_key=OTHER_KEY)
trainer = relay.Vm(
    "trainer",
    ssh_key_ids=[laptop.id],
    gpu_model_id=GPU,
    gpu_count=2,
    disk_size_gb=500,
    preferred_regions=["eu", "us-east"],
    cloud_init="#!/bin/bash\\npip install torch",
    env_vars={"HF_TOKEN": "secret-marker", "MODE": "train"},
)
evaluator = relay.Vm(
    "evaluator",
    ssh_key_ids=[laptop.id, desk.id],
    gpu_model_id=GPU,
    gpu_count=1,
    image_url="ghcr.io/acme/eval@sha256:" + "a" * 64,
    container_command=["python", "-m", "eval", "--max-tokens", "4096"],
)
hook = relay.Webhook("hook", url="https://hooks.example.com/a", events=["vm.running"])
pulumi.export("trainer", trainer.id)
"""

SERVING = """
laptop = relay.SshKey("laptop", public_key=KEY)
llm = relay.InferenceCluster(
    "llm",
    gpu_model_id=GPU,
    gpus_per_replica=1,
    replica_count=2,
    image_url="ghcr.io/acme/llm@sha256:" + "b" * 64,
    container_port=8000,
    preferred_regions=["eu", "us-east"],
    env_vars={"API_TOKEN": "secret-marker"},
)
gateway = relay.Vm("gateway", ssh_key_ids=[laptop.id], resource_size="medium")
hook = relay.Webhook("hook", url="https://hooks.example.com/b")
"""

LAB = """
laptop = relay.SshKey("laptop", public_key=KEY)
notebook = relay.Vm("notebook", ssh_key_ids=[laptop.id], resource_size="small")
archive = relay.Vm(
    "archive", ssh_key_ids=[laptop.id], gpu_model_id=GPU, gpu_count=1, desired_state="stopped"
)
vault = relay.Vm(
    "vault", ssh_key_ids=[laptop.id], resource_size="small", deletion_protection=True
)
legacy = relay.Vm(
    "legacy",
    ssh_key_ids=[laptop.id],
    resource_size="small",
    opts=Options(retain_on_delete=True),
)
for n in range(3):
    relay.Vm(f"worker{n}", ssh_key_ids=[laptop.id], gpu_model_id=GPU, gpu_count=1)
"""

BASES = {"training": TRAINING, "serving": SERVING, "lab": LAB}
