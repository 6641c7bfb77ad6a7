"""Build actionlint, which reads GitHub's workflows, and print where it is.

It is built from the Go module proxy, as golang.py does it: its releases are on no package registry.
It lands in .tools/actionlint and serves the next runs, which then say nothing.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import golang

WANTED = "1.7.12"

ROOT = Path(__file__).resolve().parent.parent
RECIPE = ROOT / "scripts" / "actionlint-build"
TOOLS = ROOT / ".tools"
PROGRAM = TOOLS / "actionlint" / f"actionlint-{WANTED}"
BUILD = TOOLS / "actionlint.build"  # Go's caches; kept after a failure, so that a repeat is shorter


class ActionlintMissing(Exception):
    """There is none; the message is one sentence for the user."""


def actionlint() -> Path:
    """The program, built first if need be; raises ActionlintMissing.

    Safe to call from several processes at once: one works, the others wait for it.
    """
    if not PROGRAM.exists():
        try:
            with golang.alone(TOOLS / "actionlint.lock", _wait):
                if not PROGRAM.exists():
                    _build()
        except (golang.NotBuilt, OSError) as error:
            raise ActionlintMissing(
                f"actionlint {WANTED} cannot be had ({error}): let this machine reach the Go "
                f"module proxy, or set GOPROXY to one that it reaches, and try again"
            ) from error
    return PROGRAM


def _build() -> None:
    go = golang.Go(RECIPE, BUILD, _say)
    _say(f"building actionlint {WANTED} from the Go module proxy: about half a minute")
    go.build("github.com/rhysd/actionlint/cmd/actionlint", BUILD / "actionlint")
    PROGRAM.parent.mkdir(exist_ok=True)
    (BUILD / "actionlint").rename(PROGRAM)
    shutil.rmtree(BUILD)


def _wait() -> None:
    _say("waiting for another run that is building it")


def _say(text: str) -> None:
    print(f"actionlint: {text}", file=sys.stderr, flush=True)


def main() -> int:
    try:
        print(actionlint())
    except ActionlintMissing as problem:
        _say(str(problem))
        return 1
    except KeyboardInterrupt:
        _say("interrupted; nothing was installed")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
