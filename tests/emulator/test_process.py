"""The emulator as a process: its command line, its signals, its death."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner

from pulumi_openrelay.emulator.__main__ import main

from .support import public_key


class Emulator:
    """A running emulator process and a client of it."""

    def __init__(self, process: subprocess.Popen[str], line: str) -> None:
        self.process = process
        self.line = line
        self.url = line.split()[3]
        self.client = httpx.Client(
            base_url=self.url, headers={"Authorization": "Bearer or_local"}, trust_env=False
        )
        self.org = f"/v1/orgs/{self.ok('GET', '/v1/whoami')['organizationId']}"

    def ok(self, method: str, path: str, body: object = None, **options: Any) -> Any:
        return self.client.request(method, path, json=body, **options).raise_for_status().json()


@contextmanager
def emulator(*options: str) -> Iterator[Emulator]:
    command = [sys.executable, "-m", "pulumi_openrelay.emulator", "--port", "0", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            found = Emulator(process, process.stdout.readline())
            with closing(found.client):
                yield found
        finally:
            process.kill()


def test_it_says_in_one_line_where_it_listens_and_ends_at_once_on_a_signal() -> None:
    with emulator("--ephemeral", "--key", "or_local") as found:
        assert found.line == f"OpenRelay emulator on {found.url} (key or_local)\n"
        rule = {"match": {"path_regex": "pricing"}, "action": {"type": "delay", "seconds": 60}}
        found.ok("POST", "/_emulator/faults", rule)
        host, port = found.url.removeprefix("http://").split(":")
        with (
            socket.create_connection((host, int(port))) as idle,
            socket.create_connection((host, int(port))) as delayed,
        ):
            idle.sendall(b"GET /v1/public/pr")  # never finished
            delayed.sendall(b"GET /v1/public/pricing HTTP/1.1\r\nHost: x\r\n\r\n")
            while not found.ok("GET", "/_emulator/faults")[0]["hits"]:
                pass  # the delayed request is on its way in
            started = time.monotonic()
            found.process.send_signal(signal.SIGTERM)
            assert found.process.wait(5) == 0
            assert time.monotonic() - started < 5
            assert found.process.stdout is not None
            assert found.process.stdout.read() == ""


def test_it_ends_quietly_on_ctrl_c() -> None:
    with emulator("--ephemeral") as found:
        found.process.send_signal(signal.SIGINT)
        assert found.process.wait(5) == 0


def test_a_killed_process_loses_nothing_that_it_has_answered(tmp_path: Path) -> None:
    options = ("--state", str(tmp_path / "state.sqlite"), "--provision-seconds", "0")
    key = {"name": "laptop", "publicKey": public_key()}
    create = {"resourceSize": "small", "name": "runner"}
    headers = {"Idempotency-Key": "k"}
    with emulator(*options) as found:
        create["sshKeyIds"] = [found.ok("POST", f"{found.org}/ssh-keys/create", key)["id"]]  # type: ignore[assignment]
        vm = found.ok("POST", f"{found.org}/vms/create", create, headers=headers)
        org = found.org
        os.kill(found.process.pid, signal.SIGKILL)
        found.process.wait(5)
    with emulator(*options) as found:
        assert found.org == org
        again = found.ok("POST", f"{found.org}/vms/create", create, headers=headers)
        assert (again["id"], again["status"]) == (vm["id"], "running")
        second = CliRunner().invoke(main, ["--port", "0", *options])
        assert second.exit_code == 1
        assert "another emulator uses it" in second.output
        assert second.output.count("\n") == 1


def test_a_taken_port_is_one_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        result = CliRunner().invoke(main, ["--port", port, "--ephemeral"])
    assert result.exit_code == 1
    assert result.output == f"Error: Cannot listen on 127.0.0.1:{port}: Address already in use.\n"


def test_ephemeral_and_a_state_file_exclude_each_other(tmp_path: Path) -> None:
    options = ["--port", "0", "--ephemeral", "--state", str(tmp_path / "s.sqlite")]
    result = CliRunner().invoke(main, options)
    assert result.exit_code == 2
    assert "either --ephemeral or --state" in result.output


def test_the_state_is_kept_in_the_users_state_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    with emulator("--page-size", "2", "--balance-cents", "4200") as found:
        assert (tmp_path / "pulumi-openrelay" / "emulator.sqlite").exists()
        settings = found.ok("GET", "/_emulator/settings")
    assert (settings["page_size"], settings["page_size_max"]) == (2, 2)
    assert settings["balance_cents"] == 4200


def test_listening_beyond_the_machine_is_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        monkeypatch.setattr("pulumi_openrelay.emulator.server.run", lambda *_arguments: None)
        monkeypatch.setattr("pulumi_openrelay.emulator.server.listen", lambda *_: listener)
        result = CliRunner().invoke(main, ["--port", "0", "--host", "::", "--ephemeral"])
    assert result.exit_code == 0
    assert "listens beyond this machine" in result.stderr
