"""What stands in every state, and therefore never changes."""

from __future__ import annotations

import base64
import pickle

import pytest
from pulumi.dynamic import Config, ConfigureRequest
from pulumi.dynamic.dynamic import serialize_provider

import pulumi_openrelay.relay  # noqa: F401 - registers the kinds
from pulumi_openrelay.lifecycle.declare import KINDS
from pulumi_openrelay.owner import OwnerProvider
from pulumi_openrelay.provider import Provider

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
