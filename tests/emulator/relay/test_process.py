"""Both services from one process: its command line, its lines, its end."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from click.testing import CliRunner

from pulumi_openrelay.emulator.__main__ import main

from .support import INSTANCES, KEYS, instance_body


@contextmanager
def emulator(*options: str) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """The process and its two lines."""
    command = [sys.executable, "-m", "pulumi_openrelay.emulator", "--port", "0", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process, [process.stdout.readline() for _ in range(2)]
        finally:
            process.kill()


def test_each_says_in_one_line_where_it_listens_and_both_end_on_a_signal() -> None:
    options = ("--ephemeral", "--relay-port", "0", "--relay-key", "relay_sk_mine")
    with emulator(*options, "--relay-customer-token", "jwt_mine") as (process, lines):
        openrelay, relay = (line.split()[3] for line in lines)
        assert lines == [
            f"OpenRelay emulator on {openrelay} (key or_local)\n",
            f"Relay emulator on {relay} (key relay_sk_mine)\n",
        ]
        with httpx.Client(trust_env=False) as client:
            bearer = {"Authorization": "Bearer or_local"}
            assert client.get(f"{openrelay}/v1/whoami", headers=bearer).status_code == 200
            dashboard = {"Authorization": "Bearer jwt_mine"}
            (key,) = client.get(relay + KEYS, headers=dashboard).json()["keys"]
            assert key["is_superkey"]
        process.send_signal(signal.SIGTERM)
        assert process.wait(5) == 0


def test_each_keeps_its_state_in_a_file_of_its_own(tmp_path: Path) -> None:
    options = ("--state", str(tmp_path / "state.sqlite"), "--relay-port", "0")
    headers = {"X-API-Key": "relay_sk_local"}
    for expected in (1, 2):
        with emulator(*options) as (process, lines), httpx.Client(trust_env=False) as client:
            url = lines[1].split()[3] + INSTANCES
            client.post(url, json=instance_body(), headers=headers).raise_for_status()
            assert client.get(url, headers=headers).json()["total"] == expected
            process.kill()
            process.wait(5)
    assert {path.name for path in tmp_path.glob("*.sqlite")} == {
        "state.sqlite",
        "state.relay.sqlite",
    }


def test_a_taken_port_is_one_sentence_for_either() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        options = ["--port", "0", "--relay-port", port, "--ephemeral"]
        result = CliRunner().invoke(main, options)
    assert result.exit_code == 1
    assert result.output == f"Error: Cannot listen on 127.0.0.1:{port}: Address already in use.\n"
