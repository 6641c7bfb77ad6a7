"""What rules ask the APIs is asked once, whatever comes of it."""

from __future__ import annotations

import pytest

from pulumi_openrelay.emulator import serve_relay
from pulumi_openrelay.policies import account
from pulumi_openrelay.policies.account import OpenRelayAccount
from pulumi_openrelay.policies.reading import Chips, NotEvaluated


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(account, "_answers", {})


def test_a_failure_is_remembered_and_the_same_is_said_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = []

    def ask(path: str, *_: object) -> object:
        asked.append(path)
        raise TypeError

    monkeypatch.setattr(account, "_ask", ask)
    said = []
    for _ in range(3):
        with pytest.raises(NotEvaluated) as failed:
            OpenRelayAccount().gpu_names()
        said.append(str(failed.value))
    assert asked == ["/v1/gpu-models"]
    assert len(set(said)) == 1


def test_relays_catalog_tells_what_a_rented_machine_has(monkeypatch: pytest.MonkeyPatch) -> None:
    with serve_relay() as relay:
        monkeypatch.setenv("RELAY_BASE_URL", relay.url)
        monkeypatch.setenv("RELAY_API_KEY", relay.key)
        chips = OpenRelayAccount().instance_chips()
    assert any(each.model and each.count > 1 for each in chips.values())
    assert Chips(None, 0) in chips.values()
