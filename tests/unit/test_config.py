"""Where each setting comes from, which one wins, and what is said where none will do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pulumi_openrelay import plugin
from pulumi_openrelay.api.client import Client
from pulumi_openrelay.config import (
    DEFAULT_RELAY_URL,
    DEFAULT_RETRIES,
    DEFAULT_URL,
    RelaySettings,
    Settings,
    resolve,
    resolve_relay,
)
from pulumi_openrelay.errors import Misconfigured
from pulumi_openrelay.lifecycle.service import OPENRELAY, RELAY, Service

STACK = {
    "openrelay:apiKey": "or_stack",
    "openrelay:apiUrl": "https://stack.example.com",
    "openrelay:organizationId": "org_stack",
    "openrelay:maxRetries": "3",
    "openrelay:maxConcurrentRequests": "5",
    "relay:apiKey": "relay_sk_stack",
    "relay:customerToken": "jwt_stack",
    "relay:baseUrl": "https://relay.stack.example.com",
    "relay:maxRetries": "4",
    "relay:maxConcurrentRequests": "6",
}
SHELL = {
    "OPENRELAY_API_KEY": "or_shell",
    "OPENRELAY_API_URL": "https://shell.example.com",
    "OPENRELAY_ORGANIZATION_ID": "org_shell",
    "RELAY_API_KEY": "relay_sk_shell",
    "RELAY_CUSTOMER_TOKEN": "jwt_shell",
    "RELAY_BASE_URL": "https://relay.shell.example.com",
}
KEY_ALONE = {"OPENRELAY_API_KEY": "or_shell"}


def openrelay(stack: dict[str, Any] | None = None, shell: dict[str, str] | None = None) -> Settings:
    return resolve((stack or {}).get, shell or {})


def relay(
    stack: dict[str, Any] | None = None, shell: dict[str, str] | None = None
) -> RelaySettings:
    return resolve_relay((stack or {}).get, shell or {})


class TestOpenRelay:
    def test_the_stacks_configuration_wins_over_the_environment(self) -> None:
        assert openrelay(STACK, SHELL) == Settings(
            "or_stack",
            "the stack's configuration (openrelay:apiKey)",
            "https://stack.example.com",
            "org_stack",
            3,
            5,
            api_url_source="the stack's configuration (openrelay:apiUrl)",
            organization_id_source="the stack's configuration (openrelay:organizationId)",
        )

    def test_the_environment_alone_will_do(self) -> None:
        assert openrelay({}, SHELL) == Settings(
            "or_shell",
            "the environment (OPENRELAY_API_KEY)",
            "https://shell.example.com",
            "org_shell",
            DEFAULT_RETRIES,
            api_url_source="the environment (OPENRELAY_API_URL)",
            organization_id_source="the environment (OPENRELAY_ORGANIZATION_ID)",
        )

    def test_a_key_alone_will_do(self) -> None:
        found = openrelay({}, KEY_ALONE)
        assert (found.api_url, found.organization_id) == (DEFAULT_URL, None)
        assert found.api_url_source == "openrelay:apiUrl"
        assert found.max_retries == DEFAULT_RETRIES

    @pytest.mark.parametrize("empty", [None, ""])
    def test_what_is_empty_is_as_good_as_not_set(self, empty: Any) -> None:
        assert openrelay(dict.fromkeys(STACK, empty), SHELL) == openrelay({}, SHELL)

    def test_each_source_is_chosen_by_itself(self) -> None:
        found = openrelay({"openrelay:apiUrl": "https://stack.example.com"}, SHELL)
        assert (found.api_key, found.api_url) == ("or_shell", "https://stack.example.com")

    def test_the_process_environment_is_the_default(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name, value in SHELL.items():
            monkeypatch.setenv(name, value)
        assert resolve(dict[str, Any]().get) == openrelay({}, SHELL)
        assert resolve_relay(dict[str, Any]().get) == relay({}, SHELL)

    @pytest.mark.parametrize("blank", ["", "  ", "\n"])
    def test_a_missing_key_says_both_ways_to_set_one(self, blank: str) -> None:
        with pytest.raises(Misconfigured) as error:
            openrelay({"openrelay:apiKey": blank}, {})
        assert error.value.what == "no API key is configured"
        assert "pulumi config set --secret openrelay:apiKey" in str(error.value.advice)
        assert "OPENRELAY_API_KEY" in str(error.value.advice)

    def test_a_line_end_that_was_pasted_with_the_key_does_no_harm(self) -> None:
        assert openrelay({"openrelay:apiKey": " or_x\n"}).api_key == "or_x"

    @pytest.mark.parametrize("key", ["or_x y", "or_\x00x", "or_x\ny", "or_ключ", "or_x\u200b"])
    def test_a_key_that_no_header_can_carry_is_refused_without_being_shown(self, key: str) -> None:
        with pytest.raises(Misconfigured) as error:
            openrelay({}, {"OPENRELAY_API_KEY": key})
        assert "the environment (OPENRELAY_API_KEY)" in error.value.what
        assert key not in f"{error.value.what}{error.value.advice}"

    @pytest.mark.parametrize(
        "url",
        [
            "api.example.com",
            "ftp://h",
            "http://[",
            "http://h:99999",
            "http://h:0",
            "https:",
            "//h",
            "http:///x",
        ],
    )
    def test_a_url_that_is_none_is_refused_with_where_it_came_from(self, url: str) -> None:
        with pytest.raises(Misconfigured) as error:
            openrelay({"openrelay:apiUrl": url}, KEY_ALONE)
        assert "the stack's configuration (openrelay:apiUrl)" in error.value.what
        assert repr(url) in error.value.what

    @pytest.mark.parametrize(
        "url",
        [
            "https://me:hunter22@api.example.com",
            "https://me:hunter22@api.example.com:99999",
            "https://me:hun/hunter22@api.example.com",
            "htps://me:hunter22@api.example.com",
            "me:hunter22@api.example.com",
            "https://hunter22@api.example.com",
        ],
    )
    @pytest.mark.parametrize("given", [openrelay, relay])
    def test_a_url_with_a_password_is_refused_without_being_shown(
        self, given: Callable[[dict[str, Any]], Any], url: str
    ) -> None:
        """Of one that is asked, httpx sends the password instead of the key."""
        with pytest.raises(Misconfigured) as error:
            given({**STACK, "openrelay:apiUrl": url, "relay:baseUrl": url})
        key = "openrelay:apiUrl" if given is openrelay else "relay:baseUrl"
        assert f"from the stack's configuration ({key}) has an @" in error.value.what
        assert "hunter22" not in f"{error.value.what}{error.value.advice}"

    def test_a_slash_at_the_end_of_a_url_does_no_harm(self) -> None:
        found = openrelay({"openrelay:apiUrl": " http://127.0.0.1:8080// "}, KEY_ALONE)
        assert found.api_url == "http://127.0.0.1:8080"

    @pytest.mark.parametrize("retries", ["-1", "many", "1.5", " "])
    def test_a_number_of_retries_that_is_none_is_refused(self, retries: str) -> None:
        with pytest.raises(Misconfigured, match="maxRetries"):
            openrelay({"openrelay:maxRetries": retries}, KEY_ALONE)

    @pytest.mark.parametrize("requests", ["0", "-1", "many"])
    def test_a_number_of_requests_at_once_that_is_none_is_refused(self, requests: str) -> None:
        with pytest.raises(Misconfigured, match="openrelay:maxConcurrentRequests") as error:
            openrelay({"openrelay:maxConcurrentRequests": requests}, KEY_ALONE)
        assert error.value.advice == "give a whole number from 1 on"

    def test_no_retries_at_all_can_be_asked_for(self) -> None:
        assert openrelay({"openrelay:maxRetries": "0"}, KEY_ALONE).max_retries == 0

    def test_the_key_never_shows_where_settings_are_printed(self) -> None:
        assert "or_stack" not in repr(openrelay(STACK))


class TestRelay:
    def test_the_stacks_configuration_wins_over_the_environment(self) -> None:
        assert relay(STACK, SHELL) == RelaySettings(
            "relay_sk_stack",
            "the stack's configuration (relay:apiKey)",
            "jwt_stack",
            "the stack's configuration (relay:customerToken)",
            "https://relay.stack.example.com",
            4,
            6,
            base_url_source="the stack's configuration (relay:baseUrl)",
        )

    def test_the_environment_alone_will_do(self) -> None:
        found = relay({}, SHELL)
        sources = found.api_key_source, found.customer_token_source
        assert sources == (
            "the environment (RELAY_API_KEY)",
            "the environment (RELAY_CUSTOMER_TOKEN)",
        )
        assert found.base_url == "https://relay.shell.example.com"
        assert found.base_url_source == "the environment (RELAY_BASE_URL)"
        assert found.max_retries == DEFAULT_RETRIES

    @pytest.mark.parametrize("name", ["RELAY_API_KEY", "RELAY_CUSTOMER_TOKEN"])
    def test_one_of_the_two_credentials_will_do(self, name: str) -> None:
        found = relay({}, {name: SHELL[name]})
        assert {found.api_key, found.customer_token} == {SHELL[name], None}
        assert found.base_url == DEFAULT_RELAY_URL

    def test_without_either_both_ways_to_set_one_are_said(self) -> None:
        with pytest.raises(Misconfigured) as error:
            relay({}, SHELL | {"RELAY_API_KEY": "", "RELAY_CUSTOMER_TOKEN": " "})
        assert "relay:apiKey" in str(error.value.advice)
        assert "RELAY_API_KEY" in str(error.value.advice)

    def test_one_service_needs_nothing_of_the_other(self) -> None:
        assert openrelay({}, KEY_ALONE).api_key == "or_shell"
        assert relay({}, {"RELAY_API_KEY": "relay_sk_x"}).api_key == "relay_sk_x"

    def test_neither_credential_shows_where_settings_are_printed(self) -> None:
        assert "_stack'" not in repr(relay(STACK))


@pytest.mark.parametrize(("service", "retries", "most"), [(OPENRELAY, 3, 5), (RELAY, 4, 6)])
def test_the_requests_of_a_service_are_repeated_and_limited_as_its_settings_say(
    monkeypatch: pytest.MonkeyPatch, service: Service, retries: int, most: int
) -> None:
    made: list[dict[str, Any]] = []

    def recorded(*arguments: Any, **named: Any) -> Client:
        made.append(named)
        return Client(*arguments, **named)

    monkeypatch.setattr(plugin, "_sessions", {})
    monkeypatch.setattr(plugin, "Client", recorded)
    plugin.session(STACK.get, service)
    assert made == [{"max_retries": retries, "max_concurrent_requests": most}]
