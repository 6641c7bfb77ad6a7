"""No secret in clear: in no state, event, log, error, argument or pickle."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

from pulumi_openrelay.emulator import ServedWorld

from .support import Stack

MARKER = "hidden-marker-7f3a"

PROGRAM = f"""
    key = relay.SshKey("laptop", public_key=KEY)
    options = Options(custom_timeouts=pulumi.CustomTimeouts(create="2s", update="2s"))
    vm = relay.Vm(
        "trainer", ssh_key_ids=[key.id], gpu_model_id=GPU, gpu_count=1, opts=options,
        cloud_init="#!/bin/sh\\necho {MARKER}-cloud-init", env_vars={{"TOKEN": "{MARKER}-vm"}},
    )
    cluster = relay.InferenceCluster(
        "llm", image_url="x", gpu_model_id=GPU, replica_count=1,
        env_vars={{"TOKEN": "{MARKER}-cluster"}},
    )
    hook = relay.Webhook("events", url="http://127.0.0.1:9/hook")
    pulumi.export("token", cluster.deploy_token)
    pulumi.export("secret", hook.secret)
"""


def secrets_of(cloud: ServedWorld, stack: Stack) -> list[str]:
    """All secrets there are: those of the program, those that the API made, and the key."""
    found = [MARKER, stack.environment.get("OPENRELAY_API_KEY", API_KEY)]
    for cluster in cloud.world.live_clusters():
        detail = cloud.world.call("GET", f"/v1/clusters/{cluster.id}/detail").json()
        found.append(detail["deployToken"])
    world = cloud.world.call("GET", "/_emulator/world").json()
    hooks = (cloud.world.call("GET", f"/_emulator/webhooks/{h['id']}") for h in world["webhooks"])
    return [*found, *(hook.json()["secret"] for hook in hooks)]


def look_for(secrets: list[str], place: str, text: str) -> list[str]:
    return [f"{secret[:24]}… in {place}" for secret in secrets if secret in text]


def test_no_secret_is_in_clear_anywhere(stack: Stack, cloud: ServedWorld) -> None:
    stack.environment["OPENRELAY_API_KEY"] = "or_secret_key_9c41"
    cloud.world.call("POST", "/_emulator/keys", {"secret": "or_secret_key_9c41"})
    cloud.world.scripts.add({"kind": "vm", "outcome": {"type": "stall"}})
    log = ("--logtostderr", "--logflow", "-v=3")
    leaks: list[str] = []

    def check(step: str, *texts: str) -> None:
        secrets = secrets_of(cloud, stack)
        state = stack.run("stack", "export", "--stack", stack.name).stdout
        clear = stack.run("stack", "export", "--show-secrets", "--stack", stack.name).stdout
        assert MARKER in clear, "the search would find nothing anyway"
        for number, text in enumerate([state, *texts]):
            leaks.extend(look_for(secrets, f"{step}, text {number}", text))

    failed = stack.up(PROGRAM, *log)
    assert failed.code != 0
    check("after a wait that failed", failed.text, str(failed.events))
    for vm in cloud.world.live_vms():
        cloud.world.call("PATCH", f"/_emulator/vms/{vm.id}", {"status": "running"})
    resumed = stack.up(None, *log)
    assert resumed.code == 0, resumed.text
    check("after going on", resumed.text, str(resumed.events))
    refreshed = stack.refresh(None, *log)
    check("after a refresh", refreshed.text, str(refreshed.events))
    preview = stack.preview(PROGRAM.replace("{MARKER}-vm", "{MARKER}-vm-2"), "--diff", *log)
    check("in a preview with a change", preview.text, str(preview.events))
    ids = {name: r["id"] for name, r in stack.resources().items() if "id" in r}
    read = stack.up(
        PROGRAM
        + f"""
    vm = relay.Vm.get("a-vm", {ids["trainer"]!r})
    cluster = relay.InferenceCluster.get("a-cluster", {ids["llm"]!r})
    pulumi.export("environment", cluster.env_vars)
    pulumi.export("token", cluster.deploy_token)
    """,
        *log,
    )
    assert read.code == 0, read.text
    check("after reading by id", read.text, str(read.events))

    for file in stack.folder.rglob("*"):
        if file.is_file() and file.name != "__main__.py":
            text = file.read_bytes().decode(errors="ignore")
            leaks.extend(look_for(secrets_of(cloud, stack), str(file), text))
    assert leaks == []


TRANSFORMED = f"""
    def give(args):
        if args.type_.endswith("openrelay:Vm"):
            secrets = {{"cloud_init": "#!/bin/sh\\necho {MARKER}", "env_vars": {{"T": "{MARKER}"}}}}
            return pulumi.ResourceTransformResult({{**args.props, **secrets}}, args.opts)

    pulumi.runtime.register_resource_transform(give)
    key = relay.SshKey("laptop", public_key=KEY)
    relay.Vm("trainer", ssh_key_ids=[key.id], gpu_model_id=GPU, gpu_count=1)
"""


def test_a_secret_that_a_transform_gave_is_in_no_state_and_in_no_diff(stack: Stack) -> None:
    created = stack.up(TRANSFORMED)
    assert created.code == 0, created.text
    clear = stack.run("stack", "export", "--show-secrets", "--stack", stack.name).stdout
    assert clear.count(MARKER) >= 4, "the search would find nothing anyway"
    shown = {
        "the state": stack.run("stack", "export", "--stack", stack.name).stdout,
        "a change": stack.preview(TRANSFORMED.replace(MARKER, f"{MARKER}-2"), "--diff").text,
        "an end": stack.preview("    pass", "--diff").text,
        "the same": stack.preview(TRANSFORMED, "--diff").text,
    }
    assert "cloud_init" in shown["a change"]
    assert [place for place, text in shown.items() if MARKER in text] == []


API_KEY = "or_secret_key_5e77"
GIVEN = ("OPENRELAY_API_KEY", "PULUMI_CONFIG")
"""Variables that may hold a secret: the key's own, and the one in which the CLI's launcher gives
the configuration to the program."""


def processes_of(session: int) -> Iterator[Path]:
    """The folders of /proc of the living processes of a session."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if os.getsid(int(folder.name)) == session:
                yield folder
        except OSError:
            continue


def seen_of(process: Path) -> dict[str, str]:
    """What anybody on the machine may see of a process: its arguments and its environment."""
    try:
        arguments = (process / "cmdline").read_bytes().decode(errors="ignore")
        variables = (process / "environ").read_bytes().decode(errors="ignore").split("\0")
    except OSError:
        return {}  # it has ended
    others = [variable for variable in variables if variable.partition("=")[0] not in GIVEN]
    return {f"the arguments {arguments[:60]!r}": arguments} | {
        f"the environment of {arguments[:60]!r}": "\n".join(others)
    }


def test_no_secret_is_in_an_argument_a_child_or_a_temporary_file(
    stack: Stack, cloud: ServedWorld
) -> None:
    """While an up waits for a machine that stalls; and the key is one of the configuration."""
    temporary = stack.folder / "temporary"
    temporary.mkdir()
    stack.environment["TMPDIR"] = str(temporary)
    del stack.environment["OPENRELAY_API_KEY"]
    cloud.world.call("POST", "/_emulator/keys", {"secret": API_KEY})
    stack.run("config", "set", "--secret", "openrelay:apiKey", API_KEY, "--stack", stack.name)
    cloud.world.scripts.add({"kind": "vm", "outcome": {"type": "stall"}})
    stack.write(PROGRAM.replace('"2s"', '"6s"'))
    seen: dict[str, str] = {}
    up = stack.start("up", "--yes", "--skip-preview", "--logtostderr", "--logflow", "-v=3")
    while up.poll() is None:
        for process in processes_of(up.pid):
            seen |= seen_of(process)
        for file in temporary.rglob("*"):
            if file.is_file():
                seen[str(file)] = file.read_bytes().decode(errors="ignore")
        time.sleep(0.1)
    assert "was not running within" in stack.printed.read_text()
    looked_at = "".join(text for place, text in seen.items() if place.startswith("the arguments"))
    assert "pulumi.dynamic" in looked_at  # the plugin
    assert "__main__" in looked_at or "pulumi-language-python-exec" in looked_at  # the program
    secrets = secrets_of(cloud, stack)
    leaks = [leak for place, text in seen.items() for leak in look_for(secrets, place, text)]
    for file in stack.folder.rglob("*"):
        if file.is_file() and file.name != "__main__.py":
            text = file.read_bytes().decode(errors="ignore")
            leaks += look_for(secrets, str(file), text)
    assert leaks == []
