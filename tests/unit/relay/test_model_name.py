"""`mode.source.model`: parsed, checked, explained, and called by the right client."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import anthropic
import httpx
import ollama
import openai
import pulumi
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulumi_openrelay.emulator import ServedRelayWorld, serve_relay
from pulumi_openrelay.emulator.relay.models import MODELS
from pulumi_openrelay.relay import ModelName
from pulumi_openrelay.relay.catalog import Model, Models, model_paths
from pulumi_openrelay.relay.model_name import not_a_model, not_models

ALL = [model.full_name(mode) for model in MODELS for mode in model.modes]


@pytest.mark.parametrize("text", ALL)
def test_every_model_on_offer_is_parsed_and_written_as_it_was(text: str) -> None:
    name = ModelName.parse(text)
    assert str(name) == text
    assert name.unknown is None


def test_a_name_is_the_text_that_an_input_takes_and_survives_a_copy() -> None:
    name = ModelName.parse("direct.ollama.gpt-oss:20b")
    assert json.dumps([name]) == '["direct.ollama.gpt-oss:20b"]'
    copied = copy.deepcopy(name)
    assert (type(copied), copied, copied.model) == (ModelName, name, "gpt-oss:20b")


def test_what_the_api_offers_under_a_name_with_a_space_can_be_allowed_and_asked_for() -> None:
    (name,) = Models({}, direct={"ollama": [Model("gpt oss 20b")]}).names
    assert ModelName.parse(str(name)) == name
    assert not_models([str(name)]) is None
    assert model_paths(str(name))[0] == "/v2/models/gpt%20oss%2020b"


@pytest.mark.parametrize(
    "text", ["direct.openai../../customer/keys", "../customer/keys", "direct.openai.a/./b"]
)
def test_no_name_leads_out_of_the_models(text: str) -> None:
    assert model_paths(text) == []


def test_dots_slashes_and_colons_belong_to_the_model() -> None:
    assert ModelName.parse("opengpu.ollama.library/llama3.3:70b-q4.0") == ModelName(
        "opengpu", "ollama", "library/llama3.3:70b-q4.0"
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "gpt-4o",
        "openai.gpt-4o",
        "direct.openai.",
        "direct..gpt",
        ".openai.gpt",
        "direct/openai/gpt",
        "Direct.openai.gpt",
        "direct.openai.gpt ",
        "direct.open ai.gpt",
        " direct.openai.gpt",
        "direct.openai.gpt\n",
        "direct.openai.a\x00b",
    ],
)
def test_a_malformed_name_is_refused_with_the_form(text: str) -> None:
    with pytest.raises(ValueError, match=r"mode\.source\.model, such as direct"):
        ModelName.parse(text)
    assert not_a_model(text) is not None


@pytest.mark.parametrize("given", ["gpt-4", None])
def test_a_program_that_names_no_model_fails_with_one_line_that_says_what_it_named(
    given: Any,
) -> None:
    """A name that is not configured is None. Pulumi shows a RunError without a traceback."""
    with pytest.raises(pulumi.RunError) as refused:
        ModelName.parse(given)
    assert str(refused.value) == (
        f"{given!r} is no model of Relay: it should be mode.source.model, such as "
        "direct.openai.gpt-4o-mini"
    )


def test_a_mode_or_source_of_a_later_api_is_good_and_told_to_be_unknown() -> None:
    for text in ("cluster.openai.gpt-9", "direct.hologram.gpt-9"):
        name = ModelName.parse(text)
        assert not_models([text]) is None
        assert "which is not one of" in str(name.unknown)
        assert name.client == "relay" or name.source == "openai"
        assert text in name.explain()


def test_a_list_names_a_mode_and_not_auto() -> None:
    assert "auto is chosen for each request" in str(not_models(["auto.openai.gpt-4o"]))
    assert ModelName.parse("auto.openai.gpt-4o").unknown is None


@given(st.text())
def test_any_text_is_parsed_to_itself_or_refused(text: str) -> None:
    try:
        assert str(ModelName.parse(text)) == text
    except ValueError:
        assert not_a_model(text) is not None


def test_it_explains_itself() -> None:
    assert ModelName.parse("direct.anthropic.claude-haiku-4-5").explain() == (
        "direct.anthropic.claude-haiku-4-5: the model claude-haiku-4-5 (Anthropic's dialect), run "
        "by its provider, called by the package anthropic at https://relaygpu.com/v2/anthropic"
    )


class TestClients:
    """The vendors' own clients, given what the name says and nothing else."""

    MESSAGE = "Say seven."

    @pytest.fixture
    def relay(self) -> Iterator[ServedRelayWorld]:
        with serve_relay(check_answers=True) as served:
            yield served

    @pytest.mark.parametrize("text", ["direct.openai.gpt-5.4-mini", "opengpu.vllm.Qwen/Qwen3-8B"])
    def test_openai(self, relay: ServedRelayWorld, text: str) -> None:
        name = ModelName.parse(text)
        assert name.client == "openai"
        with openai.OpenAI(base_url=name.base_url(relay.url), api_key=relay.key) as client:
            said = client.chat.completions.create(
                model=name.model, messages=[{"role": "user", "content": self.MESSAGE}]
            )
        assert self.MESSAGE in str(said.choices[0].message.content)

    def test_anthropic(self, relay: ServedRelayWorld) -> None:
        name = ModelName.parse("direct.anthropic.claude-haiku-4-5")
        assert name.client == "anthropic"
        with anthropic.Anthropic(base_url=name.base_url(relay.url), api_key=relay.key) as client:
            said = client.messages.create(
                model=name.model,
                max_tokens=64,
                messages=[{"role": "user", "content": self.MESSAGE}],
            )
        assert self.MESSAGE in str(said.content)

    def test_ollama(self, relay: ServedRelayWorld) -> None:
        name = ModelName.parse("direct.ollama.gpt-oss:20b")
        assert name.client == "ollama"
        client = ollama.Client(host=name.base_url(relay.url), headers=name.headers(relay.key))
        said = client.chat(name.model, [{"role": "user", "content": self.MESSAGE}])
        client._client.close()
        assert self.MESSAGE in str(said.message.content)

    @pytest.mark.parametrize("text", ["direct.audio.sesame/csm-1b", "direct.image.Qwen/qwen-image"])
    def test_relays_own_routes(self, relay: ServedRelayWorld, text: str) -> None:
        name = ModelName.parse(text)
        assert name.client == "relay"
        detail = relay.world.call("GET", f"/v2/models/{name.model}").json()
        answer = httpx.post(
            name.base_url(relay.url) + detail["endpoint"]["path"],
            headers=name.headers(relay.key),
            json=detail["request_example"],
        )
        assert answer.status_code == 200
