"""Pull requests that a review must let pass: nothing ends, nothing opens, little costs more."""

from __future__ import annotations

from typing import Any

from . import PullRequest

VALID = {"reason": "moved to the new disk", "owner": "ada@example.com", "expires": "2099-12-31"}


def fine(title: str, base: str, *edits: tuple[str, str], **more: Any) -> PullRequest:
    return PullRequest(title, base, edits, **more)


PROGRAM_ONLY = (
    fine("nothing at all", "training"),
    fine("a comment", "training", ("trainer = relay", "# The large one.\ntrainer = relay")),
    fine("an output", "training", added='\npulumi.export("ssh", trainer.ssh_command)\n'),
    fine("the order of declarations", "lab", ("for n in range(3)", "for n in reversed(range(3))")),
    fine("the order of keys", "training", ("[laptop.id, desk.id]", "[desk.id, laptop.id]")),
    fine(
        "the order of environment variables",
        "training",
        (
            '{"HF_TOKEN": "secret-marker", "MODE": "train"}',
            '{"MODE": "train", "HF_TOKEN": "secret-marker"}',
        ),
    ),
    fine(
        "a loop instead of a line each",
        "training",
        (
            'laptop = relay.SshKey("laptop", public_key=KEY)\n'
            'desk = relay.SshKey("desk", public_key=OTHER_KEY)\n',
            'keys = {"laptop": KEY, "desk": OTHER_KEY}\n'
            "laptop, desk = (relay.SshKey(n, public_key=key) for n, key in keys.items())\n",
        ),
    ),
    fine("the comment of a key", "lab", ("public_key=KEY", 'public_key=KEY + "-new"')),
    fine(
        "a default written out", "training", ("disk_size_gb=500", "disk_size_gb=500, public=False")
    ),
    fine(
        "Pulumi's own protection",
        "training",
        ('"MODE": "train"},\n', '"MODE": "train"},\n    opts=Options(protect=True),\n'),
    ),
    fine(
        "a longer time-out",
        "training",
        (
            '"MODE": "train"},\n',
            '"MODE": "train"},\n'
            '    opts=Options(custom_timeouts=pulumi.CustomTimeouts(create="2h")),\n',
        ),
    ),
)

RENAMES = (
    fine(
        "a new name with an alias",
        "training",
        ('    "trainer",\n', '    "coach",\n'),
        (
            '"MODE": "train"},\n',
            '"MODE": "train"},\n    opts=Options(aliases=[pulumi.Alias(name="trainer")]),\n',
        ),
    ),
    fine(
        "a machine moved into a component with an alias",
        "serving",
        (
            'resource_size="medium")',
            'resource_size="medium",\n    opts=Options(parent=team, '
            "aliases=[pulumi.Alias(parent=pulumi.ROOT_STACK_RESOURCE)]))",
        ),
        ("llm = relay", 'team = pulumi.ComponentResource("acme:Team", "team")\nllm = relay'),
    ),
)

IN_PLACE = (
    fine("a key more for a machine", "training", ("[laptop.id],", "[laptop.id, desk.id],")),
    fine("a key less for a machine", "training", ("[laptop.id, desk.id]", "[desk.id]")),
    fine("one replica more", "serving", ("replica_count=2", "replica_count=3")),
    fine(
        "a machine stopped",
        "training",
        ('"--max-tokens", "4096"],\n', '"--max-tokens", "4096"],\n    desired_state="stopped",\n'),
    ),
    fine("a stopped machine started", "lab", (', desired_state="stopped"', "")),
    fine(
        "protection switched on",
        "lab",
        (
            '"notebook", ssh_key_ids=[laptop.id], resource_size="small"',
            '"notebook", ssh_key_ids=[laptop.id], resource_size="small", deletion_protection=True',
        ),
    ),
    fine("waiting for SSH", "training", ("disk_size_gb=500", 'disk_size_gb=500, wait_for="ssh"')),
    fine(
        "patience for capacity",
        "training",
        ("disk_size_gb=500", 'disk_size_gb=500, capacity_timeout="2h"'),
    ),
    fine(
        "other events for a webhook", "training", ('["vm.running"]', '["vm.running", "vm.stopped"]')
    ),
    fine("another receiver", "training", ("example.com/a", "example.com/c")),
    fine("a webhook switched off", "serving", ('example.com/b"', 'example.com/b", enabled=False')),
)

NEW_AND_GONE = (
    fine(
        "a key that no machine has yet",
        "lab",
        added='\nrelay.SshKey("grace", public_key=OTHER_KEY)\n',
    ),
    fine(
        "a second webhook",
        "lab",
        added='\nrelay.Webhook("hook", url="https://hooks.example.com/d")\n',
    ),
    fine(
        "a webhook less",
        "training",
        (
            'hook = relay.Webhook("hook", url="https://hooks.example.com/a", '
            'events=["vm.running"])\n',
            "",
        ),
    ),
    fine("an output less", "training", ('pulumi.export("trainer", trainer.id)\n', "")),
    fine(
        "a small machine that is protected",
        "lab",
        added="""
relay.Vm("bastion", ssh_key_ids=[laptop.id], resource_size="small", deletion_protection=True)
""",
    ),
    fine(
        "a GPU machine for which there is room",
        "training",
        added="""
relay.Vm("second", ssh_key_ids=[laptop.id], gpu_model_id=GPU, gpu_count=1,
         deletion_protection=True)
""",
    ),
    fine(
        "a second cluster, as small as the first",
        "serving",
        added="""
relay.InferenceCluster(
    "embed", gpu_model_id=GPU, gpus_per_replica=1, replica_count=2,
    image_url="ghcr.io/acme/embed@sha256:" + "e" * 64, container_port=8000,
    preferred_regions=["eu", "us-east"], deletion_protection=True,
)
""",
    ),
)

PROCESS = (
    fine(
        "a public machine with an exemption",
        "lab",
        added="""
relay.Vm("demo", ssh_key_ids=[laptop.id], resource_size="small", public=True,
         deletion_protection=True)
""",
        policy={"exemptions": [{"rule": "public-machine", "resource": "demo", **VALID}]},
    ),
    fine(
        "a replacement with an exemption",
        "training",
        ("gpu_count=2", "gpu_count=4"),
        policy={"exemptions": [{"rule": "data-loss", "resource": "trainer", **VALID}]},
    ),
    fine("a look for drift where nobody did anything", "training", drift=True),
    fine("nothing, with a balance that is almost gone", "serving", settings={"balance_cents": 900}),
)

HARMLESS = (*PROGRAM_ONLY, *RENAMES, *IN_PLACE, *NEW_AND_GONE, *PROCESS)
