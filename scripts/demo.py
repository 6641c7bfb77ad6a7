"""`make demo`: the life of a stack on the real engine and the local emulator, step by step.

Everything it starts it ends, after Ctrl-C too; it writes nothing outside a temporary folder.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import processes
from get_pulumi import pulumi_directory

from pulumi_openrelay import webhooks

ROOT = Path(__file__).resolve().parent.parent
KEYS = {
    "laptopKey": "ssh-ed25519 "
    "AAAAC3NzaC1lZDI1NTE5AAAAIGm7Z0bTw5cDgbHGdWmOLNlsS9xXU5cPYvlEXaAtr0Lm ada@laptop",
    "deskKey": "ssh-ed25519 "
    "AAAAC3NzaC1lZDI1NTE5AAAAIKc5b0m6Vwq3o1yD7fGp1bJq0d7iQ4Zt3mJd9vQn8s2X ada@desk",
}
RULES = {
    "profile": "production",
    "exemptions": [
        {
            "rule": rule,
            "resource": "events",
            "reason": "the demo's receiver listens on this machine",
            "owner": "ada@example.com",
            "expires": f"{datetime.now(UTC).date() + timedelta(days=30)}",
        }
        for rule in ("webhook-https", "webhook-private-address")
    ],
}
PROVISION_SECONDS = "3"
# The quickstart's Python: this one.
PYTHON = str(Path(sys.executable).parent)


class Receiver:
    """What the webhook's URL leads to: it keeps every delivery."""

    def __init__(self) -> None:
        self.deliveries: list[tuple[dict[str, str], bytes]] = []
        kept = self.deliveries

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                kept.append((dict(self.headers.items()), body))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/events"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def verified(self, secret: str) -> list[str]:
        """The types of the events that arrived, all of which must be signed with the secret."""
        return [webhooks.verify(body, headers, secret)["type"] for headers, body in self.deliveries]


class Demo:
    """The stack, its emulator and the terminal."""

    def __init__(self, folder: Path, emulator_url: str) -> None:
        self.folder = folder
        self.emulator_url = emulator_url
        self.step = 0
        backend = folder / "backend"
        backend.mkdir()
        # The project as it stands here, in a folder where its stack's files stay out of the way.
        shutil.copy(ROOT / "Pulumi.yaml", folder)
        shutil.copytree(ROOT / "examples" / "quickstart", folder / "examples" / "quickstart")
        (folder / "openrelay-policy.json").write_text(json.dumps(RULES))
        self.environment = {
            **os.environ,
            "PATH": os.pathsep.join([str(pulumi_directory()), PYTHON, os.environ["PATH"]]),
            "PULUMI_BACKEND_URL": backend.as_uri(),
            "PULUMI_CONFIG_PASSPHRASE": "demo",
            "PULUMI_HOME": str(folder / "home"),
            "XDG_STATE_HOME": str(folder / "state"),
            "XDG_CACHE_HOME": str(folder / "cache"),
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_PARALLEL": "64",
            "OPENRELAY_API_URL": emulator_url,
            "OPENRELAY_API_KEY": "or_local",
        }

    def start(self, **values: str) -> None:
        """Make the stack, with this configuration."""
        self.pulumi("stack", "init", "--non-interactive", shown=False)
        self.configure(**values)

    def say(self, line: str) -> None:
        self.step += 1
        shown = f"\033[1;36m{self.step}. {line}\033[0m" if sys.stdout.isatty() else line
        print(f"\n{shown}\n", flush=True)

    def pulumi(self, *arguments: str, fails: bool = False, shown: bool = True) -> str:
        """Run a command, and return what it prints where that is not shown.

        fails: it is there to show a refusal. shown: whether it is there for the user to see.
        """
        options: list[str] = []
        if shown:
            print(f"$ pulumi {' '.join(arguments)}", flush=True)
            options = ["--suppress-permalink=true"]
        done = self.run("pulumi", *arguments, "--stack", "demo", *options, shown=shown)
        if bool(done.returncode) != fails:
            raise SystemExit(f"demo: `pulumi {' '.join(arguments)}` ended with {done.returncode}")
        return done.stdout or ""

    def review(self, *, code: int) -> None:
        """Review the change as a pull request would be, and show the comment. code: its verdict."""
        command = ["pulumi-openrelay", "review", "--stack", "demo"]
        print(f"$ {' '.join(command)}\n", flush=True)
        if self.run(*command).returncode != code:
            raise SystemExit(f"demo: the review should have ended with {code}")

    def run(self, *command: str, shown: bool = True) -> subprocess.CompletedProcess[str]:
        stdout = None if shown else subprocess.PIPE
        return processes.run(*command, cwd=self.folder, env=self.environment, stdout=stdout)

    def configure(self, **values: str) -> None:
        pairs = [word for item in values.items() for word in ("--plaintext", "=".join(item))]
        self.pulumi("config", "set-all", *pairs, shown=False)

    def output(self, name: str) -> str:
        return self.pulumi("stack", "output", name, "--show-secrets", shown=False).strip()

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Ask the emulator, behind Pulumi's back."""
        request = urllib.request.Request(
            self.emulator_url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": "Bearer or_local", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)


@contextlib.contextmanager
def emulator() -> Iterator[str]:
    """The emulator's URL; it ends with the block, and a Ctrl-C does not reach it before."""
    command = [sys.executable, "-m", "pulumi_openrelay.emulator", "--ephemeral", "--port", "0"]
    command += ["--provision-seconds", PROVISION_SECONDS]
    with processes.started(
        *command, end_with=signal.SIGTERM, cwd=ROOT, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        ready = process.stdout.readline()
        print(ready, end="", flush=True)
        yield ready.split()[3]
    print("demo: the emulator has ended")


def propose_a_bad_change(demo: Demo) -> None:
    """Many times the replicas, and another machine in the place of a GPU machine."""
    demo.configure(replicas="40", bootScript="#!/bin/bash\necho hello")


def show(demo: Demo, receiver: Receiver) -> None:
    """The steps."""
    demo.start(**KEYS, webhookUrl=receiver.url)

    demo.say("Two SSH keys, two GPU machines, a CPU machine, an inference cluster, a webhook")
    demo.pulumi("up", "--yes", "--skip-preview")

    demo.say("Nothing has changed, so nothing is to be done")
    demo.pulumi("preview")

    demo.say("Changes in place: four replicas instead of two, and one GPU machine stopped")
    demo.configure(replicas="4", evaluator="stopped")
    demo.pulumi("up", "--yes", "--skip-preview")

    demo.say("Another boot script needs another machine: shown in preview, and not applied")
    demo.configure(bootScript="#!/bin/bash\necho hello")
    demo.pulumi("preview", "--diff")
    demo.configure(bootScript="#!/bin/bash")

    demo.say("Somebody opens the trainer to everyone behind Pulumi's back: refresh finds it")
    machines = demo.ask("GET", "/_emulator/world")["vms"]
    trainer = next(vm["id"] for vm in machines if vm["name"].startswith("trainer"))
    demo.ask("POST", f"/v1/vms/{trainer}/visibility", {"public": True})
    demo.pulumi("refresh", "--yes", "--skip-preview", "--diff")
    demo.pulumi("up", "--yes", "--skip-preview")

    demo.say("Bad input is refused in preview, by its name, before anything is touched")
    demo.configure(replicas="0")
    demo.pulumi("preview", fails=True)
    demo.configure(replicas="4")

    secret = demo.output("webhook_secret")
    events = receiver.verified(secret)
    demo.say(f"The webhook received {len(events)} events, each with a signature that fits")
    for kind in sorted(set(events)):
        print(f"   {events.count(kind)} x {kind}")
    if not events:
        raise SystemExit("demo: no event arrived")

    demo.say("A pull request that costs several times as much and replaces a GPU machine: blocked")
    propose_a_bad_change(demo)
    demo.review(code=3)

    demo.say("A pull request with one more replica: passed")
    demo.configure(replicas="5", bootScript="#!/bin/bash")
    demo.review(code=0)

    demo.say("And all of it goes")
    demo.pulumi("destroy", "--yes", "--skip-preview")
    left = demo.ask("GET", "/_emulator/world")["machines"]
    demo.say(f"Machines left, by the emulator's own count: {left}")
    if left:
        raise SystemExit("demo: machines are left")


def main() -> None:
    processes.stop_once()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="openrelay-demo-") as folder, emulator() as url:
        show(Demo(Path(folder), url), Receiver())
        print(f"demo: {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        left = processes.left_running()
        what = f"what still runs: {left}" if left else "nothing is left running"
        sys.exit(f"demo: interrupted; {what}")
