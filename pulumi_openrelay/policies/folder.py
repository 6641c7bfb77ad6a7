"""The ready policy pack as a folder for `--policy-pack`.

The engine starts a pack with the Python that its `PulumiPolicy.yaml` names. A shipped folder cannot
name the user's environment, so what is handed out is a copy that names the one that this runs in,
with its configuration beside it. Each environment and configuration has a copy of its own, named
for its content, so that no command changes another's.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import tempfile
from pathlib import Path

from . import RULES
from .configuration import SHIPPED, Configuration


def ready(configuration: Configuration) -> Path:
    """The pack's folder, with a configuration. Raises WrongConfiguration."""
    configuration.check(RULES)
    pack = SHIPPED.parent
    return _written(
        {
            "PulumiPolicy.yaml": _project((pack / "PulumiPolicy.yaml").read_text(encoding="utf-8")),
            "__main__.py": (pack / "__main__.py").read_text(encoding="utf-8"),
            "policy.json": configuration.model_dump_json(indent=2, exclude_unset=True),
        }
    )


def _project(shipped: str) -> str:
    """The pack's project file, with the environment that this runs in.

    Where the interpreter has no `bin/python` beside it, as a system's own may, the engine looks for
    python3 on PATH.
    """
    if not Path(sys.prefix, "bin", "python").exists():
        return shipped
    # JSON is YAML, whatever the path holds.
    runtime = {"name": "python", "options": {"virtualenv": sys.prefix}}
    lines = [line for line in shipped.splitlines() if not line.startswith("#")]
    return "\n".join(lines).replace("runtime: python", f"runtime: {json.dumps(runtime)}") + "\n"


def _written(files: dict[str, str]) -> Path:
    digest = hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()[:16]
    folder = _cache() / f"policy-pack-{digest}"
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as parent:
        made = Path(parent, folder.name)
        made.mkdir()
        for name, text in files.items():
            (made / name).write_text(text, encoding="utf-8")
        try:
            made.rename(folder)
        except OSError:
            # Another command was first; what it wrote is the same.
            if not folder.is_dir():
                raise
    return folder


def _cache() -> Path:
    home = os.environ.get("XDG_CACHE_HOME")
    return Path(home or Path.home() / ".cache").absolute() / "pulumi-openrelay"
