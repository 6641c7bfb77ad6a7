"""What the API says for a review, or why it does not."""

from __future__ import annotations

from typing import Any

import pytest

from pulumi_openrelay.caller import Direct
from pulumi_openrelay.emulator import serve, serve_relay
from pulumi_openrelay.errors import Unreachable
from pulumi_openrelay.policies.reading import Chips
from pulumi_openrelay.review import market
from pulumi_openrelay.review.market import Account, Market

from . import told
from .told import vm


@pytest.mark.parametrize(
    "rows",
    [
        [{"gpuModelId": "g", "name": "G"}],
        [{"gpuModelId": "g", "vm": None}],
        [{"gpuModelId": "g", "vm": {"freeGpus": 1}}],
        [{"gpuModelId": "g", "vm": {"freeGpus": "many", "placeableGpuCounts": []}}],
        ["g"],
    ],
)
def test_an_answer_that_is_not_what_the_api_documents_is_unreadable(
    rows: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(_asked: object, path: str, _answers: type) -> Any:
        return rows if "gpu-availability" in path else {"availableCents": 100}

    monkeypatch.setattr(market, "session", lambda _get: None)
    monkeypatch.setattr(market, "_ask", answer)
    found = market.read(lambda _key: None)
    assert found.balance is not None
    assert (found.free, found.free_spot) == (None, None)
    assert found.unreadable == {"capacity": "the API's answer is not what it documents"}


def test_relays_catalog_is_read_for_what_is_rented(monkeypatch: pytest.MonkeyPatch) -> None:
    rented = told.plan(told.same("it", {"prescription": "x"}, "relay:Instance"))
    with serve_relay() as relay:
        given = {"relay:apiKey": relay.key, "relay:baseUrl": relay.url}
        found = market.with_instances(Market(), rented, given.get)
        asked = len(relay.world.log.entries)
        market.with_instances(Market(), told.plan(told.same("it", vm())), given.get)
        assert len(relay.world.log.entries) == asked == 1
    assert found.instance_chips is not None
    assert Chips(None, 0) in found.instance_chips.values()
    monkeypatch.delenv("RELAY_API_KEY", raising=False)
    monkeypatch.delenv("RELAY_CUSTOMER_TOKEN", raising=False)
    blind = market.with_instances(Market(unreadable={"balance": "x"}), rented, dict[str, str]().get)
    assert blind.instance_chips is None
    assert blind.unreadable == {"balance": "x", "instances": "no API key is configured"}


def test_an_answer_that_is_late_has_twenty_seconds_to_come(monkeypatch: pytest.MonkeyPatch) -> None:
    left: list[float] = []

    class Asked:
        def send(self, caller: Direct, *_request: Any, **_how: Any) -> Any:
            left.append(caller.deadline - caller.now())
            raise Unreachable("nobody answers")

    monkeypatch.setattr(market, "session", lambda *_of: Asked())
    assert market.read(lambda _key: None).balance is None
    assert left
    assert all(19 < seconds <= 20 for seconds in left)


def test_a_review_tells_whose_the_key_is_whatever_is_configured() -> None:
    plan = told.plan(told.created("trainer", vm()))
    with serve() as cloud:
        key = {"secret": "or_other", "organization": "other"}
        assert cloud.world.call("POST", "/_emulator/keys", key).status < 300
        given = {"openrelay:apiUrl": f"{cloud.url}/", "openrelay:apiKey": cloud.key}
        (own,) = market.accounts(plan, given.get).values()
        claimed = {**given, "openrelay:apiKey": "or_other", "openrelay:organizationId": own.id}
        (other,) = market.accounts(plan, claimed.get).values()
    assert own.url == other.url == cloud.url
    assert own.id is not None
    assert own.id != other.id


def test_an_organization_that_the_key_may_not_ask_for_is_the_configured_one() -> None:
    plan = told.plan(told.created("trainer", vm()))
    with serve() as cloud:
        key = {"secret": "or_blind", "permissions": ["vms.read"]}
        assert cloud.world.call("POST", "/_emulator/keys", key).status < 300
        blind = {"openrelay:apiUrl": cloud.url, "openrelay:apiKey": "or_blind"}
        assert market.accounts(plan, blind.get) == {"openrelay": Account(cloud.url, None)}
        given = {**blind, "openrelay:organizationId": "org_1"}
        assert market.accounts(plan, given.get) == {"openrelay": Account(cloud.url, "org_1")}


def test_relay_tells_whose_a_key_is_to_the_accounts_own_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("RELAY_API_KEY", raising=False)
    monkeypatch.delenv("RELAY_CUSTOMER_TOKEN", raising=False)
    rented = told.plan(told.created("it", {"prescription": "x"}, "relay:Instance"))
    with serve_relay() as relay:
        given = {"relay:apiKey": relay.key, "relay:baseUrl": relay.url}
        (own,) = market.accounts(rented, given.get).values()
        rule = {"match": {"path_regex": "profile$"}, "action": {"type": "status", "status": 403}}
        assert relay.world.call("POST", "/_emulator/faults", rule).status < 300
        (ordinary,) = market.accounts(rented, given.get).values()
    assert own.id
    assert ordinary == Account(relay.url, "")
    assert market.accounts(rented, dict[str, str]().get) == {"relay": Account()}
    assert market.accounts(told.plan(told.same("it", vm())), given.get) == {}


def test_relays_account_is_that_of_the_credential_which_carries_the_change(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("RELAY_API_KEY", raising=False)
    monkeypatch.delenv("RELAY_CUSTOMER_TOKEN", raising=False)
    plan = told.plan(
        told.created("rented", {"prescription": "x"}, "relay:Instance"),
        told.created("key", {"name": "app"}, "relay:ApiKey"),
    )
    with serve_relay() as relay:
        relay.world.add_customer("Other", "jwt_other")
        given = {"relay:apiKey": relay.key, "relay:baseUrl": relay.url}
        own = market.accounts(plan, given.get)
        mixed = market.accounts(plan, {**given, "relay:customerToken": "jwt_other"}.get)
        wrong = market.accounts(plan, {**given, "relay:customerToken": "jwt_expired"}.get)
    assert own["relay"] == own["relay:customerToken"]
    assert mixed["relay"] == wrong["relay"] == own["relay"]
    assert mixed["relay:customerToken"].id not in (None, "", own["relay"].id)
    assert wrong["relay:customerToken"].id is None
