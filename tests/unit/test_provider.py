"""What stands in every state, and therefore never changes."""

from __future__ import annotations

import base64
import pickle
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from pulumi.dynamic import Config, ConfigureRequest
from pulumi.dynamic.dynamic import serialize_provider
from pulumi.runtime.proto import status_pb2

import pulumi_openrelay.relay  # noqa: F401 - registers the kinds
from pulumi_openrelay import owner
from pulumi_openrelay.engine import unplain
from pulumi_openrelay.errors import AnswerLost
from pulumi_openrelay.lifecycle import leftovers
from pulumi_openrelay.lifecycle.declare import KINDS
from pulumi_openrelay.lifecycle.unknown import UNKNOWN
from pulumi_openrelay.owner import OwnerProvider
from pulumi_openrelay.provider import Provider

from .support import Hand

# As releases have written them. A state that has one of them must find its provider for ever.
PICKLED = {
    "openrelay:Vm": "gASVPQAAAAAAAACMGXB1bHVtaV9vcGVucmVsYXkucHJvdmlkZXKUjAhQcm92aWRlcpSTlIwM"
    "b3BlbnJlbGF5OlZtlIWUUpQu",
}
OWNER = "gASVLwAAAAAAAACMFnB1bHVtaV9vcGVucmVsYXkub3duZXKUjA1Pd25lclByb3ZpZGVylJOUKVKULg=="
TOKENS = {
    *("openrelay:SshKey", "openrelay:Vm", "openrelay:InferenceCluster", "openrelay:Webhook"),
    *("relay:Instance", "relay:ApiKey", "relay:AccountSettings", "relay:ModelAllowlist"),
    "relay:WebhookSecret",
}


def test_a_state_of_any_release_finds_its_provider() -> None:
    for token, pickled in PICKLED.items():
        found = pickle.loads(base64.b64decode(pickled))  # noqa: S301 - our own
        assert type(found) is Provider
        assert found.kind == token
    owner = pickle.loads(base64.b64decode(OWNER))  # noqa: S301 - our own
    assert type(owner) is OwnerProvider


def test_no_kind_is_ever_renamed() -> None:
    assert set(KINDS) >= TOKENS


@pytest.mark.parametrize("token", KINDS)
def test_what_is_written_is_byte_stable_and_names_the_kind_alone(token: str) -> None:
    """So that no upgrade touches a resource."""
    written = serialize_provider(Provider(token))
    used = Provider(token)
    used.configure(ConfigureRequest(Config({"openrelay:apiKey": "or_swordfish"}, "shop")))
    assert serialize_provider(used) == written
    content = pickle.dumps(Provider(token))
    assert content.count(b"pulumi_openrelay.provider") == 1
    assert token.encode() in content
    assert len(content) < 100


def test_the_engine_need_not_encrypt_what_is_written() -> None:
    assert Provider("openrelay:Vm").serialize_as_secret_always is False
    assert OwnerProvider().serialize_as_secret_always is False


class Context:
    """What the SDK gives a call: it keeps what the engine would be told."""

    def __init__(self) -> None:
        self.sentence = ""

    def is_active(self) -> bool:
        return True

    def set_trailing_metadata(self, metadata: tuple[tuple[str, bytes], ...]) -> None:
        ((_, told),) = metadata
        self.sentence = status_pb2.Status.FromString(told).message


def asked(call: Callable[[Provider], Any]) -> str:
    """What the engine is told where it asks a provider whose every call meets a defect."""
    context, request = Context(), SimpleNamespace(urn="urn:pulumi:dev::p::t::trainer")
    provider = Provider("openrelay:Vm")

    def serve(request: Any, context: Any) -> None:  # noqa: ARG001 - found up the stack
        call(provider)

    with pytest.raises(AttributeError):
        serve(request, context)
    return context.sentence


CALLS: dict[str, Callable[[Provider], Any]] = {
    "check": lambda provider: provider.check({}, {}),
    "diff": lambda provider: provider.diff("id", {}, {}),
    "read": lambda provider: provider.read("id", {}),
    "create": lambda provider: provider.create({}),
    "update": lambda provider: provider.update("id", {}, {}),
    "delete": lambda provider: provider.delete("id", {}),
}


@pytest.mark.parametrize("method", CALLS)
def test_a_defect_is_one_sentence_whichever_call_meets_it(method: str) -> None:
    """Without its configuration, a provider cannot do anything."""
    told = asked(CALLS[method])
    holds = "nothing was changed"
    if method in ("create", "update", "delete"):
        holds = "whether anything was changed is unknown"
    assert told.startswith(
        "VM 'trainer': a defect in pulumi-openrelay came up (AttributeError in _life, provider.py:"
    )
    assert told.endswith(f"); {holds}; please report it; running the command again is safe")


def checked(**inputs: Any) -> dict[str, Any]:
    """What the engine is to record of these inputs of a VM, which the lifecycle takes."""
    takes_all = SimpleNamespace(check=lambda _olds, news: (news, []))
    provider = Provider("openrelay:Vm")
    provider._life = lambda _call: takes_all  # type: ignore[assignment, method-assign, return-value]
    return provider.check({}, inputs).inputs


def test_a_secret_is_marked_though_a_transform_gave_it_in_clear() -> None:
    """The program's own marks are gone then, and the engine records an input as check gives it."""
    given = {"cloud_init": "#!/bin/sh", "env_vars": {"TOKEN": "swordfish"}}
    mark = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270"}
    told = checked(**given, image_url="ghcr.io/acme/x:1")
    assert {name: told[name] for name in given} == {
        name: {**mark, "value": value} for name, value in given.items()
    }
    assert told["image_url"] == "ghcr.io/acme/x:1"


def test_a_secret_that_is_not_known_yet_stays_one() -> None:
    (unknown,) = unplain({"cloud_init": UNKNOWN}).values()
    assert isinstance(checked(cloud_init=unknown)["cloud_init"]["value"], type(unknown))


class TestTheEndOfAStack:
    @pytest.fixture
    def call(self, monkeypatch: pytest.MonkeyPatch) -> Hand:
        hand = Hand()
        monkeypatch.setattr(owner, "current_call", lambda: hand)
        monkeypatch.setenv("OPENRELAY_API_KEY", "or_swordfish")
        monkeypatch.delenv("RELAY_API_KEY", raising=False)
        monkeypatch.delenv("RELAY_CUSTOMER_TOKEN", raising=False)
        return hand

    def end(self) -> None:
        provider = OwnerProvider()
        provider.configure(ConfigureRequest(Config({}, "shop")))
        provider.delete("owner", {})

    @pytest.mark.parametrize(
        ("error", "reason"),
        [
            (ValueError("swordfish"), "a defect in pulumi-openrelay came up (ValueError in "),
            (AnswerLost("the connection broke"), "the connection broke"),
        ],
        ids=["defect", "outage"],
    )
    def test_no_failure_to_look_for_leftovers_fails_it(
        self, call: Hand, monkeypatch: pytest.MonkeyPatch, error: Exception, reason: str
    ) -> None:
        def fail(*_: Any) -> None:
            raise error

        monkeypatch.setattr(leftovers, "warn_of_leftovers", fail)
        self.end()
        (warning,) = call.warnings
        said = "what this stack may have left behind could not be looked for: "
        assert f"{said}{reason}" in warning
        assert "swordfish" not in warning

    def test_an_address_that_is_none_is_told_of(
        self, call: Hand, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("OPENRELAY_API_URL", "nonsense")
        self.end()
        (warning,) = call.warnings
        assert "could not be looked for: the API's URL from the environment" in warning

    def test_a_service_without_a_key_is_passed_over(
        self, call: Hand, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("OPENRELAY_API_KEY")
        self.end()
        assert call.warnings == []
