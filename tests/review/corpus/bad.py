"""Pull requests that are bad in one way each, and how a review must put it."""

from __future__ import annotations

from typing import Any

from pulumi_openrelay.emulator import ServedWorld

from . import PullRequest

EXPIRED = {"reason": "the public demo", "owner": "ada@example.com", "expires": "2026-01-31"}
H100 = 'relay.gpu_model_id("H100 SXM 80GB")'


def bad(title: str, base: str, rule: str, resource: str = "", **more: Any) -> PullRequest:
    """One that is blocked, unless `verdict` says that a warning is what it deserves."""
    return PullRequest(title, base, **{"verdict": "block", **more}, rule=rule, resource=resource)


def vm(cloud: ServedWorld, name: str) -> str:
    """The id of a live machine, by its resource's name."""
    return next(vm.id for vm in cloud.world.live_vms() if vm.name.startswith(f"{name}-"))


def post(cloud: ServedWorld, name: str, action: str, body: Any = None) -> None:
    answer = cloud.world.call("POST", f"/v1/vms/{vm(cloud, name)}/{action}", body or {})
    assert answer.status < 300, answer.body


MONEY = (
    bad(
        "ten times the replicas by a slip of the finger",
        "serving",
        "cost-jump",
        edits=[("replica_count=2", "replica_count=20")],
    ),
    bad(
        "eight H100 beside two RTX 4090",
        "training",
        "cost-jump",
        added=f"""
relay.Vm("large", ssh_key_ids=[laptop.id], gpu_model_id={H100}, gpu_count=8,
         deletion_protection=True)
""",
    ),
    bad(
        "a machine dearer than one machine may be",
        "training",
        "machine-rate",
        "second",
        policy={"rules": {"machine-rate": {"max_cents_per_hour": 100}}},
        added="""
relay.Vm("second", ssh_key_ids=[laptop.id], gpu_model_id=GPU, gpu_count=4,
         deletion_protection=True)
""",
    ),
    bad(
        "a stack dearer than one stack may be",
        "serving",
        "stack-rate",
        policy={"rules": {"stack-rate": {"max_cents_per_hour": 80}}},
        edits=[("replica_count=2", "replica_count=3")],
    ),
    bad(
        "the month's budget exceeded",
        "serving",
        "monthly-budget",
        policy={"rules": {"monthly-budget": {"max_cents_per_month": 50_000}}},
        edits=[("replica_count=2", "replica_count=3")],
    ),
    bad(
        "a balance that lasts some hours more",
        "serving",
        "runway",
        settings={"balance_cents": 900},
        edits=[("replica_count=2", "replica_count=3")],
    ),
    bad(
        "more GPUs in one cluster than allowed",
        "serving",
        "gpu-count",
        "llm",
        policy={"rules": {"gpu-count": {"max_gpus": 4}}},
        edits=[("replica_count=2", "replica_count=6")],
    ),
    bad(
        "a GPU model that is not allowed",
        "training",
        "gpu-kinds",
        "small",
        policy={"rules": {"gpu-kinds": {"allowed": ["RTX 4090"]}}},
        added="""
relay.Vm("small", ssh_key_ids=[laptop.id], gpu_model_id=relay.gpu_model_id("RTX 3090"),
         gpu_count=1, deletion_protection=True)
""",
    ),
)

EXPOSURE = (
    bad(
        "the trainer opened to everyone",
        "training",
        "public-machine",
        "trainer",
        edits=[("    disk_size_gb=500,\n", "    disk_size_gb=500,\n    public=True,\n")],
    ),
    bad(
        "a new machine that everyone can reach",
        "lab",
        "public-machine",
        "demo",
        added="""
relay.Vm("demo", ssh_key_ids=[laptop.id], resource_size="small", public=True,
         deletion_protection=True)
""",
    ),
    bad(
        "a container with all privileges",
        "lab",
        "privileged-container",
        "builder",
        added="""
relay.Vm("builder", ssh_key_ids=[laptop.id], resource_size="small", privileged=True,
         deletion_protection=True)
""",
    ),
    bad(
        "a webhook over plain HTTP",
        "training",
        "webhook-https",
        "hook",
        edits=[("https://hooks.example.com/a", "http://hooks.example.com/a")],
    ),
    bad(
        "a webhook to an address of the inner network",
        "serving",
        "webhook-private-address",
        "hook",
        edits=[("https://hooks.example.com/b", "https://10.0.0.7/b")],
    ),
)

SUPPLY = (
    bad(
        "an image by the tag latest",
        "lab",
        "image-latest",
        "builder",
        added="""
relay.Vm("builder", ssh_key_ids=[laptop.id], resource_size="small",
         image_url="ghcr.io/acme/build:latest", deletion_protection=True)
""",
    ),
    bad(
        "an image without a tag",
        "lab",
        "image-latest",
        "builder",
        added="""
relay.Vm("builder", ssh_key_ids=[laptop.id], resource_size="small",
         image_url="ghcr.io/acme/build", deletion_protection=True)
""",
    ),
    bad(
        "an image by tag where digests are asked for",
        "lab",
        "image-digest",
        "builder",
        profile="regulated",
        added="""
relay.Vm("builder", ssh_key_ids=[laptop.id], resource_size="small",
         image_url="ghcr.io/acme/build:1.4", deletion_protection=True)
""",
        policy={"rules": {"deletion-protection": {"level": "advisory"}}},
    ),
    bad(
        "an image of a registry that nobody allowed",
        "lab",
        "image-registry",
        "builder",
        policy={"rules": {"image-registry": {"allowed": ["ghcr.io/acme/*"]}}},
        added="""
relay.Vm("builder", ssh_key_ids=[laptop.id], resource_size="small",
         image_url="docker.io/mallory/build:1.4", deletion_protection=True)
""",
    ),
)

ACCESS = (
    bad(
        "an RSA key of 1,024 bits",
        "lab",
        "ssh-key-strength",
        "old",
        added='\nrelay.SshKey("old", public_key=WEAK)\n',
    ),
    bad(
        "a secret among a container's arguments",
        "lab",
        "secret-in-clear",
        "builder",
        added="""
relay.Vm("builder", ssh_key_ids=[laptop.id], resource_size="small", deletion_protection=True,
         image_url="ghcr.io/acme/build@sha256:" + "c" * 64,
         container_command=["build", "--token", "secret-marker"])
""",
    ),
    bad(
        "a password in an image's address",
        "lab",
        "secret-in-clear",
        "builder",
        added="""
relay.Vm("builder", ssh_key_ids=[laptop.id], resource_size="small", deletion_protection=True,
         image_url="https://robot:secret-marker@ghcr.io/acme/build@sha256:" + "c" * 64)
""",
    ),
    bad(
        "the API key in the stack's configuration, in clear",
        "lab",
        "secret-in-clear",
        config={"app:apiKey": "secret-marker"},
    ),
    bad(
        "a token among the stack's outputs",
        "training",
        "secret-in-clear",
        added='\npulumi.export("hf_token", "secret-marker")\n',
    ),
)

DATA = (
    bad(
        "more GPUs for the only trainer, which is another machine",
        "training",
        "data-loss",
        "trainer",
        edits=[("gpu_count=2", "gpu_count=4")],
    ),
    bad(
        "a line more in the boot script, which is another machine",
        "training",
        "data-loss",
        "trainer",
        edits=[("pip install torch", "pip install torch numpy")],
    ),
    bad(
        "a smaller disk, which is another machine",
        "training",
        "data-loss",
        "trainer",
        edits=[("disk_size_gb=500", "disk_size_gb=400")],
    ),
    bad(
        "another image for the cluster, which is another cluster with another endpoint",
        "serving",
        "replacement",
        "llm",
        verdict="warn",
        edits=[('"b" * 64', '"d" * 64')],
    ),
    bad(
        "the cluster taken out of the program, and its endpoint with it",
        "serving",
        "endpoint-loss",
        "llm",
        edits=[
            (
                """llm = relay.InferenceCluster(
    "llm",
    gpu_model_id=GPU,
    gpus_per_replica=1,
    replica_count=2,
    image_url="ghcr.io/acme/llm@sha256:" + "b" * 64,
    container_port=8000,
    preferred_regions=["eu", "us-east"],
    env_vars={"API_TOKEN": "secret-marker"},
)
""",
                "",
            )
        ],
    ),
    bad(
        "a machine taken out of the program",
        "serving",
        "data-loss",
        "gateway",
        edits=[
            ('gateway = relay.Vm("gateway", ssh_key_ids=[laptop.id], resource_size="medium")\n', "")
        ],
    ),
    bad(
        "one worker less: the last one goes",
        "lab",
        "data-loss",
        "worker2",
        edits=[("range(3)", "range(2)")],
    ),
    bad(
        "a stopped machine taken out: its disk is all that there was",
        "lab",
        "stopped-data-loss",
        "archive",
        verdict="warn",
        edits=[
            (
                """archive = relay.Vm(
    "archive", ssh_key_ids=[laptop.id], gpu_model_id=GPU, gpu_count=1, desired_state="stopped"
)
""",
                "",
            )
        ],
    ),
    bad(
        "a new name for the trainer, without an alias",
        "training",
        "hidden-deletion",
        "trainer",
        edits=[('    "trainer",\n', '    "coach",\n')],
    ),
    bad(
        "workers counted from one: the first is deleted and a fourth is made",
        "lab",
        "hidden-deletion",
        "worker0",
        edits=[("range(3)", "range(1, 4)")],
    ),
    bad(
        "the cluster renamed in a refactoring",
        "serving",
        "hidden-deletion",
        "llm",
        edits=[('    "llm",\n', '    "chat",\n')],
    ),
    bad(
        "the trainer moved into a component, without an alias",
        "training",
        "hidden-deletion",
        "trainer",
        edits=[
            (
                "trainer = relay.Vm(",
                'team = pulumi.ComponentResource("acme:Team", "team")\ntrainer = relay.Vm(',
            ),
            (
                '"MODE": "train"},\n',
                '"MODE": "train"},\n    opts=Options(parent=team),\n',
            ),
        ],
    ),
    bad(
        "the protection of a machine lifted",
        "lab",
        "deletion-protection",
        "vault",
        verdict="warn",
        edits=[("deletion_protection=True", "deletion_protection=False")],
    ),
    bad(
        "a machine that only leaves the stack, and goes on billing",
        "lab",
        "left-running",
        "legacy",
        edits=[
            (
                """legacy = relay.Vm(
    "legacy",
    ssh_key_ids=[laptop.id],
    resource_size="small",
    opts=Options(retain_on_delete=True),
)
""",
                "",
            )
        ],
    ),
    bad(
        "a protected machine taken out of the program",
        "lab",
        "protected-deletion",
        "vault",
        edits=[
            (
                """vault = relay.Vm(
    "vault", ssh_key_ids=[laptop.id], resource_size="small", deletion_protection=True
)
""",
                "",
            )
        ],
    ),
)

PROTECTED = (
    bad(
        "a larger machine in place of a protected one",
        "lab",
        "protected-replacement",
        "vault",
        edits=[
            (
                '"vault", ssh_key_ids=[laptop.id], resource_size="small"',
                '"vault", ssh_key_ids=[laptop.id], resource_size="medium"',
            )
        ],
    ),
    bad(
        "a protected machine renamed without an alias",
        "lab",
        "hidden-deletion",
        "vault",
        profile="development",
        edits=[('    "vault",', '    "safe",')],
    ),
)

CAPACITY = (
    bad(
        "a machine for which nothing is free",
        "training",
        "capacity",
        "second",
        settings={"capacity": {"RTX 4090": 0}},
        added="""
relay.Vm("second", ssh_key_ids=[laptop.id], gpu_model_id=GPU, gpu_count=1,
         deletion_protection=True)
""",
    ),
    bad(
        "more GPUs together than any host has",
        "training",
        "capacity",
        "second",
        added="""
relay.Vm("second", ssh_key_ids=[laptop.id], gpu_model_id=GPU, gpu_count=10,
         deletion_protection=True)
""",
    ),
    bad(
        "a stopped machine started where nothing is free",
        "lab",
        "capacity",
        "archive",
        settings={"capacity": {"RTX 4090": 0}},
        edits=[(', desired_state="stopped"', "")],
    ),
)

PROCESS = (
    bad(
        "an exemption that expired",
        "lab",
        "public-machine",
        "demo",
        policy={"exemptions": [{"rule": "public-machine", "resource": "demo", **EXPIRED}]},
        added="""
relay.Vm("demo", ssh_key_ids=[laptop.id], resource_size="small", public=True,
         deletion_protection=True)
""",
    ),
    bad(
        "a replacement whose exemption expired",
        "training",
        "data-loss",
        "trainer",
        policy={"exemptions": [{"rule": "data-loss", "resource": "trainer", **EXPIRED}]},
        edits=[("gpu_count=2", "gpu_count=4")],
    ),
    bad(
        "a machine opened to everyone by hand",
        "training",
        "drift",
        "evaluator",
        verdict="warn",
        drift=True,
        by_hand=lambda cloud: post(cloud, "evaluator", "visibility", {"public": True}),
        undo=lambda cloud: post(cloud, "evaluator", "visibility", {"public": False}),
    ),
    bad(
        "a machine stopped by hand",
        "serving",
        "drift",
        "gateway",
        verdict="warn",
        drift=True,
        by_hand=lambda cloud: post(cloud, "gateway", "stop"),
        undo=lambda cloud: post(cloud, "gateway", "restart"),
    ),
    bad(
        "spot in a stack that must not stop",
        "training",
        "spot",
        "cheap",
        policy={"rules": {"spot": {"stacks": ["*"]}}},
        added="""
relay.Vm("cheap", ssh_key_ids=[laptop.id], gpu_model_id=GPU, gpu_count=1, tier="spot",
         deletion_protection=True)
""",
    ),
)

BAD = (*MONEY, *EXPOSURE, *SUPPLY, *ACCESS, *DATA, *PROTECTED, *CAPACITY, *PROCESS)
