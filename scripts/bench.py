"""`make bench`: how long a stack of N machines takes, beside an engine that does nothing.

Contestants run in turns on the same machine, against the local emulator, on the real engine:

- ours: this package;
- nothing: a dynamic provider that answers at once, which is the engine's own time;
- plain: a dynamic provider as Pulumi's documentation teaches it, which polls each machine by
itself.

Each figure is the median of the runs; ratios are between medians. Everything is printed, and
written as JSON to bench-results/.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import textwrap
import time
import urllib.request
from dataclasses import asdict, dataclass
from pathlib import Path

from get_pulumi import pulumi_directory

from pulumi_openrelay.emulator import ServedWorld, serve

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "bench-results"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGm7Z0bTw5cDgbHGdWmOLNlsS9xXU5cPYvlEXaAtr0Lm bench"

OURS = """
import pulumi_openrelay as relay
key = relay.SshKey("key", public_key={key!r})
for n in range({count}):
    relay.Vm(f"vm{{n}}", ssh_key_ids=[key.id], resource_size="small")
"""

NOTHING = """
import nothing
key = nothing.Nothing("key")
for n in range({count}):
    nothing.Nothing(f"vm{{n}}", key=key.id)
"""

NOTHING_MODULE = """
import pulumi
from pulumi.dynamic import CreateResult, ResourceProvider

class NothingProvider(ResourceProvider):
    serialize_as_secret_always = False
    def __reduce__(self):
        return (NothingProvider, ())
    def create(self, props):
        return CreateResult("nothing", props)

class Nothing(pulumi.dynamic.Resource):
    def __init__(self, name, opts=None, **props):
        super().__init__(NothingProvider(), name, props, opts)
"""

PLAIN = """
import plain
key = plain.Plain("key", what="key", url="", body={{"name": "key", "publicKey": {key!r}}})
for n in range({count}):
    plain.Plain(f"vm{{n}}", what="vm", url="", body={{
        "name": f"vm{{n}}", "sshKeyIds": [key.id], "resourceSize": "small"}})
"""

PLAIN_MODULE = """
import os
import time
import httpx
import pulumi
from pulumi.dynamic import CreateResult, ResourceProvider

def ask(method, path, body=None):
    headers = {"Authorization": "Bearer " + os.environ["OPENRELAY_API_KEY"]}
    answer = httpx.request(method, os.environ["OPENRELAY_API_URL"] + path, json=body,
                           headers=headers)
    answer.raise_for_status()
    return answer.json() if answer.content else None

class PlainProvider(ResourceProvider):
    def create(self, props):
        org = ask("GET", "/v1/whoami")["organizationId"]
        if props["what"] == "key":
            return CreateResult(
                ask("POST", f"/v1/orgs/{org}/ssh-keys/create", props["body"])["id"], props)
        vm = ask("POST", f"/v1/orgs/{org}/vms/create", props["body"])
        while ask("GET", f"/v1/vms/{vm['id']}")["status"] != "running":
            time.sleep(1)
        return CreateResult(vm["id"], props)
    def delete(self, id, props):
        if props["what"] == "vm":
            ask("POST", f"/v1/vms/{id}/terminate")

class Plain(pulumi.dynamic.Resource):
    def __init__(self, name, opts=None, **props):
        super().__init__(PlainProvider(), name, props, opts)
"""

CONTESTANTS = {"ours": OURS, "nothing": NOTHING, "plain": PLAIN}


@dataclass
class Run:
    """One `up` of one contestant: its wall time, and its requests to the API."""

    contestant: str
    machines: int
    provision_seconds: float
    seconds: float
    requests: int


class Project:
    """A project folder of one contestant."""

    def __init__(self, folder: Path, contestant: str, count: int, cloud: ServedWorld) -> None:
        self.folder = folder
        python = str(Path(sys.executable).parent)
        (folder / "Pulumi.yaml").write_text("name: bench\nruntime: python\n")
        (folder / "__main__.py").write_text(
            textwrap.dedent(CONTESTANTS[contestant]).format(key=KEY, count=count)
        )
        (folder / "nothing.py").write_text(NOTHING_MODULE)
        (folder / "plain.py").write_text(PLAIN_MODULE)
        (folder / "backend").mkdir()
        self.environment = {
            **os.environ,
            "PATH": os.pathsep.join([str(pulumi_directory()), python, os.environ["PATH"]]),
            "PULUMI_BACKEND_URL": (folder / "backend").as_uri(),
            "PULUMI_CONFIG_PASSPHRASE": "bench",
            "PULUMI_HOME": str(folder / "home"),
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "OPENRELAY_API_URL": cloud.url,
            "OPENRELAY_API_KEY": cloud.key,
        }
        self.pulumi("stack", "init", "dev")

    def pulumi(self, *arguments: str) -> float:
        """Run a command; the seconds that it took."""
        began = time.monotonic()
        done = subprocess.run(
            ["pulumi", *arguments, "--non-interactive"],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise SystemExit(f"bench: pulumi {' '.join(arguments)}:\n{done.stdout}{done.stderr}")
        return time.monotonic() - began


def up(contestant: str, count: int, provision_seconds: float, parallel: int) -> Run:
    """Bring the machines up once, on an emulator of its own."""
    with (
        serve(provision_seconds=provision_seconds) as cloud,
        tempfile.TemporaryDirectory(prefix="openrelay-bench-") as folder,
    ):
        change = json.dumps({"capacity": {"cpu": 4 * count}}).encode()
        request = urllib.request.Request(
            f"{cloud.url}/_emulator/settings", data=change, method="PATCH"
        )
        urllib.request.urlopen(request, timeout=10).close()
        project = Project(Path(folder), contestant, count, cloud)
        options = ["--yes", "--skip-preview", "--parallel", str(parallel)]
        seconds = project.pulumi("up", *options)
        return Run(contestant, count, provision_seconds, seconds, len(cloud.world.log.entries))


def main() -> None:
    parser = argparse.ArgumentParser(description="Bring machines up and compare the times.")
    parser.add_argument("--machines", type=int, default=64)
    parser.add_argument("--provision-seconds", type=float, default=3.0)
    parser.add_argument("--parallel", type=int, default=128)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--contestants", nargs="+", default=list(CONTESTANTS))
    asked = parser.parse_args()
    runs: list[Run] = []
    print(f"up of {asked.machines} machines of {asked.provision_seconds:g} s, in seconds:")
    for number in range(asked.runs):
        for contestant in asked.contestants:
            run = up(contestant, asked.machines, asked.provision_seconds, asked.parallel)
            runs.append(run)
            print(
                f"  run {number + 1} {contestant:8} {run.seconds:7.2f} s {run.requests:6} requests",
                flush=True,
            )
    medians = {
        contestant: statistics.median(r.seconds for r in runs if r.contestant == contestant)
        for contestant in asked.contestants
    }
    floor = asked.provision_seconds + medians.get("nothing", 0.0)
    for contestant, seconds in medians.items():
        if contestant != "nothing":
            print(f"{contestant}: {seconds / floor:.2f} x (the slowest machine + nothing's time)")
    RESULTS.mkdir(exist_ok=True)
    result = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "python": platform.python_version(),
        "runs": [asdict(run) for run in runs],
        "medians": medians,
    }
    (RESULTS / "up.json").write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
