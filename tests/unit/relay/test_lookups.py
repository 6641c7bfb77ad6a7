"""What a program asks Relay before it declares anything: typed, read only, one sentence."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pulumi
import pytest

from pulumi_openrelay import relay
from pulumi_openrelay.emulator import ServedRelayWorld, serve_relay
from pulumi_openrelay.relay.ask import read
from pulumi_openrelay.relay.catalog import Model, ModelDetail, Models
from pulumi_openrelay.relay.offers import Offer

EVERY: list[Callable[[], Any]] = [
    relay.models,
    lambda: relay.model("gpt-oss:20b"),
    relay.pricing,
    relay.tiers,
    relay.workflows,
    relay.media_storage,
    relay.instance_catalog,
    relay.billing_terms,
    relay.credits,
]
PUBLIC = EVERY[:6]
CLOUD = pytest.mark.usefixtures("cloud")


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[ServedRelayWorld]:
    with serve_relay(check_answers=True) as served:
        monkeypatch.setenv("RELAY_BASE_URL", served.url)
        monkeypatch.setenv("RELAY_API_KEY", served.key)
        yield served


def test_nothing_is_changed_by_asking(cloud: ServedRelayWorld) -> None:
    for ask in EVERY:
        ask()
    assert {entry.method for entry in cloud.world.log.entries} == {"GET"}


@CLOUD
def test_models_come_by_source_and_with_their_full_names() -> None:
    models = relay.models()
    names = [str(name) for name in models.names]
    assert "direct.ollama.gpt-oss:20b" in names
    assert "opengpu.vllm.Qwen/Qwen3-8B" in names
    (row,) = models.opengpu["vllm"]
    assert row.endpoint is not None
    assert row.endpoint.path == "/v2/vllm/v1/chat/completions"
    assert "guest" in models.model_restrictions_per_tier


@CLOUD
@pytest.mark.parametrize("name", ["Qwen/Qwen3-8B", "opengpu.vllm.Qwen/Qwen3-8B"])
def test_a_model_is_found_by_either_name_with_endpoint_and_price(name: str) -> None:
    model = relay.model(name)
    assert model.name == "Qwen/Qwen3-8B"
    assert model.modes == ["auto", "direct", "opengpu"]
    assert model.endpoint is not None
    assert model.endpoint.streams
    price = model.price("opengpu")
    assert price is not None
    assert price.per_1m_input_tokens == 0.04
    assert model.price("direct") != price
    assert relay.model(relay.ModelName.parse("direct.vllm.Qwen/Qwen3-8B")) == model


@CLOUD
def test_a_model_that_there_is_not_is_one_sentence() -> None:
    with pytest.raises(pulumi.RunError, match=r"^there is no model direct\.openai\.gpt-0$"):
        relay.model("direct.openai.gpt-0")


def test_the_keys_own_tier_is_told(cloud: ServedRelayWorld) -> None:
    cloud.world.call("PATCH", "/_emulator/settings", {"tier": "pro"})
    tiers = relay.tiers()
    assert tiers.current_tier == "pro"
    assert tiers.current is not None
    assert tiers.current.max_keys == 20


@CLOUD
def test_prices_workflows_and_machines_are_typed() -> None:
    assert any(price.per_image == 0.04 for price in relay.pricing())
    assert [workflow.id for workflow in relay.workflows()] == ["script-voiceover", "poster"]
    small = next(offer for offer in relay.instance_catalog() if offer.prescription == "cpu.small")
    assert small.compatible_images == ["ubuntu-24.04", "ubuntu-22.04"]
    assert small.billing_modes[0].rate_per_period == 0.05
    assert small.lifetime is not None
    assert small.lifetime.max_hours == 168
    assert small.network is not None
    assert small.network.download_mbps == 1000
    terms = relay.billing_terms()
    assert (terms.min_commit_hours, terms.grace_hours, terms.unit) == (1, 1, "hour")
    assert relay.media_storage()["relay1d"] > 0


def test_credits_are_in_dollars(cloud: ServedRelayWorld) -> None:
    cloud.world.call("PATCH", "/_emulator/settings", {"balance_usd": 12.5})
    assert relay.credits().balance == 12.5


@CLOUD
def test_what_is_public_needs_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RELAY_API_KEY")
    for ask in PUBLIC:
        assert ask()
    for ask in EVERY[6:]:
        with pytest.raises(pulumi.RunError, match="no API key is configured; run `pulumi config"):
            ask()


@CLOUD
def test_a_failure_is_one_sentence_with_the_source_of_the_key(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("RELAY_API_KEY", "relay_sk_wrong")
    with pytest.raises(pulumi.RunError) as failure:
        relay.instance_catalog()
    assert str(failure.value) == (
        "the catalog of instances cannot be read: the API refused the API key from the environment "
        "(RELAY_API_KEY) (401 INVALID_API_KEY: This API key is not valid); set a valid one there"
    )


def test_an_ordinary_key_is_told_what_the_account_needs(
    cloud: ServedRelayWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.world.call("POST", "/_emulator/keys", {"secret": "relay_sk_plain"})
    monkeypatch.setenv("RELAY_API_KEY", "relay_sk_plain")
    with pytest.raises(
        pulumi.RunError, match=r"need RELAY_CUSTOMER_TOKEN or the account's superkey"
    ):
        relay.credits()
    monkeypatch.setenv("RELAY_CUSTOMER_TOKEN", "jwt_wrong")
    with pytest.raises(pulumi.RunError, match=r"customer token from .*RELAY_CUSTOMER_TOKEN.*401"):
        relay.credits()
    monkeypatch.setenv("RELAY_CUSTOMER_TOKEN", cloud.world.customer_token)
    assert relay.credits()


class TestAnApiThatAnswersOtherwise:
    def test_unknown_fields_change_nothing(self, cloud: ServedRelayWorld) -> None:
        plain = relay.model("gpt-oss:20b")
        cloud.world.settings.change({"unknown_fields": True})
        assert relay.model("gpt-oss:20b").endpoint == plain.endpoint
        assert relay.instance_catalog()

    def test_what_does_not_fit_its_type_is_none_and_a_row_without_a_name_is_left_out(self) -> None:
        found = read(
            ModelDetail, {"name": "x", "modes": "direct", "pricing": [{"mode": 1}, None], "tag": 7}
        )
        assert found == ModelDetail("x")
        urls = {"request_schema_url": "https://e.com/q", "response_schema_url": "https://e.com/a"}
        told = read(ModelDetail, {"name": "x", **urls})
        assert {name: getattr(told, name) for name in urls} == urls
        assert read(ModelDetail, {"tag": "chat"}) is None
        rows = {"auto": {}, "direct": {"openai": [{"name": "a"}, {}, 3]}}
        assert read(Models, rows).direct == {"openai": [Model("a")]}
        assert (
            read(Offer, {"prescription": "p", "service_mode": "m", "ram_gb": True}).ram_gb is None
        )

    def test_an_answer_that_is_none_is_one_sentence(self, cloud: ServedRelayWorld) -> None:
        cloud.world.faults.add(
            {"match": {}, "action": {"type": "status", "status": 200, "body": {}}}
        )
        with pytest.raises(pulumi.RunError, match="the credits cannot be read: the answer is not"):
            relay.credits()


def test_where_relay_cannot_be_reached_its_own_setting_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("RELAY_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setattr(
        pulumi.Config, "get", lambda _self, key: "0" if key == "maxRetries" else None
    )
    with pytest.raises(
        pulumi.RunError,
        match=r"127.0.0.1:9 cannot be reached .*check the network and .* \(RELAY_BASE_URL\)",
    ):
        relay.models()
