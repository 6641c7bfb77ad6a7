"""actionlint is built once, pinned, and reads the workflows in `make check`."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ROOT / "scripts"
WANTED = "1.7.12"

# Notes its calls, and builds a program that can do nothing.
GO = f"""#!{sys.executable}
import json, os, pathlib, sys
with open(os.environ["NOTES"], "a") as notes:
    print(json.dumps([sys.argv[1:], dict(os.environ)]), file=notes)
if sys.argv[1] == "version":
    print("go version go1.26.6 linux/amd64")
elif os.environ.get("FAILS"):
    sys.exit(os.environ["FAILS"])
else:
    target = pathlib.Path(sys.argv[sys.argv.index("-o") + 1])
    target.write_text("#!/bin/sh\\n")
    target.chmod(0o755)
"""


class Checkout:
    """The script, with a `go` of the test's on PATH and nothing else."""

    def __init__(self, root: Path) -> None:
        (root / "scripts").mkdir(parents=True)
        for name in ("get_actionlint.py", "golang.py"):
            shutil.copy(SCRIPTS / name, root / "scripts")
        shutil.copytree(SCRIPTS / "actionlint-build", root / "scripts" / "actionlint-build")
        (root / "bin").mkdir()
        (root / "bin" / "go").write_text(GO)
        (root / "bin" / "go").chmod(0o755)
        self.root, self.notes = root, root / "go.jsonl"
        self.program = root / ".tools" / "actionlint" / f"actionlint-{WANTED}"

    def run(self, **environment: str) -> tuple[int, str, str]:
        """The exit code, what stands on stdout, and what was said meanwhile."""
        done = subprocess.run(
            [sys.executable, self.root / "scripts" / "get_actionlint.py"],
            env={"PATH": str(self.root / "bin"), "NOTES": str(self.notes), **environment},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return done.returncode, done.stdout, done.stderr

    def builds(self) -> list[tuple[list[str], dict[str, str]]]:
        calls = [json.loads(line) for line in self.notes.read_text().splitlines()]
        return [(words, environment) for words, environment in calls if words[0] == "build"]


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path / "checkout")


def test_it_is_built_once_as_its_recipe_pins_it(checkout: Checkout) -> None:
    status, out, said = checkout.run(GOPROXY="http://127.0.0.1:9/mirror")
    assert (status, out) == (0, f"{checkout.program}\n")
    assert said == (
        f"actionlint: building actionlint {WANTED} from the Go module proxy: about half a minute\n"
    )
    assert checkout.run() == (0, f"{checkout.program}\n", "")
    [(words, environment)] = checkout.builds()
    assert {"-mod=readonly", "-trimpath", "-modcacherw"} < set(words)
    assert environment["GOPROXY"] == "http://127.0.0.1:9/mirror"
    assert environment["GOTOOLCHAIN"] == "local"
    assert os.access(checkout.program, os.X_OK)
    assert sorted(path.name for path in (checkout.root / ".tools").iterdir()) == [
        "actionlint",
        "actionlint.lock",
    ]


def test_where_it_cannot_be_built_one_sentence_says_why(checkout: Checkout) -> None:
    status, out, said = checkout.run(FAILS="go: no route to the proxy")
    assert (status, out) == (1, "")
    assert said.splitlines()[-1] == (
        f"actionlint: actionlint {WANTED} cannot be had (the Go build failed (go: no route to the "
        "proxy)): let this machine reach the Go module proxy, or set GOPROXY to one that it "
        "reaches, and try again"
    )
    assert not checkout.program.exists()


def test_the_recipe_builds_the_wanted_version() -> None:
    assert f'WANTED = "{WANTED}"' in (SCRIPTS / "get_actionlint.py").read_text()
    recipe = (SCRIPTS / "actionlint-build" / "go.mod").read_text()
    assert f"github.com/rhysd/actionlint v{WANTED} " in recipe


def test_check_reads_every_workflow_with_it_and_its_commands_with_shellcheck() -> None:
    told = subprocess.run(
        ["make", "--dry-run", "check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    (command,) = re.findall(r"^lint=\$\(.*get_actionlint.py\) && .*\n.*$", told, re.MULTILINE)
    assert "-shellcheck .venv/bin/shellcheck" in command
    assert command.endswith("examples/gitops/github/*.yml")
