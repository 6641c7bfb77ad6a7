"""What the demo starts has ended when the demo says so."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

import processes

STUBBORN = """
import signal, subprocess, sys, time
signal.signal(signal.SIGINT, signal.SIG_IGN)
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], process_group=0)
print("ready", flush=True)
time.sleep(60)
"""


def test_what_does_not_end_by_itself_is_killed_with_all_that_it_started(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(processes, "END_SECONDS", 0.2)
    monkeypatch.setattr(processes, "REST_SECONDS", 0.2)
    with processes.started(sys.executable, "-c", STUBBORN, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        assert len(processes.left_running()) == 2
    process.stdout.close()
    assert processes.left_running() == []
