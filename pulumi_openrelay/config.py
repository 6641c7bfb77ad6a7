"""Configuration of the two services: where each value comes from, and what it is by default.

| key                         | environment           | default                        |
|-----------------------------|-----------------------|--------------------------------|
| `openrelay:apiKey` (secret) | `OPENRELAY_API_KEY`   | none: needed                   |
| `openrelay:apiUrl`          | `OPENRELAY_API_URL`   | `https://api.openrelay.inc`    |
| `openrelay:organizationId`  | `OPENRELAY_ORGANIZATION_ID` | the key's, asked from `whoami` |
| `openrelay:maxRetries`      |                       | 9 repeats of a request         |
| `openrelay:maxConcurrentRequests` |                 | 32 requests under way at once  |
| `relay:apiKey` (secret)     | `RELAY_API_KEY`       | none: instances need it        |
| `relay:customerToken` (secret) | `RELAY_CUSTOMER_TOKEN` | the API key, if the superkey |
| `relay:baseUrl`             | `RELAY_BASE_URL`      | `https://relaygpu.com`         |
| `relay:maxRetries`          |                       | 9 repeats of a request         |
| `relay:maxConcurrentRequests` |                     | 32 requests under way at once  |

The stack's configuration wins over the environment, as with every Pulumi provider.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from .errors import Misconfigured, NoCredential

DEFAULT_URL = "https://api.openrelay.inc"
DEFAULT_RELAY_URL = "https://relaygpu.com"
DEFAULT_RETRIES = 9
DEFAULT_CONCURRENT_REQUESTS = 32

REVIEW_KEY = "OPENRELAY_REVIEW_KEY"
"""The environment variable with the key of a review: set in its preview, and nowhere else."""
REVIEWED = "OPENRELAY_REVIEWED"
"""The environment variable with the file of what an update may declare, a JSON list of URNs: set
where `apply` updates, and nowhere else."""

Get = Callable[[str], Any]
"""Reads one configuration value in clear, None where it is not set."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of OpenRelay, resolved. The key never shows in a repr."""

    api_key: str = field(repr=False)
    api_key_source: str
    api_url: str
    organization_id: str | None
    max_retries: int
    max_concurrent_requests: int = DEFAULT_CONCURRENT_REQUESTS
    api_url_source: str = "openrelay:apiUrl"
    """What to check where the URL may be wrong: as it is by default, where it was not given."""
    organization_id_source: str = "nowhere"


@dataclass(frozen=True, slots=True)
class RelaySettings:
    """The settings of Relay, resolved. At least one of the two credentials is there, unless they
    are for what is public."""

    api_key: str | None = field(repr=False)
    api_key_source: str
    customer_token: str | None = field(repr=False)
    customer_token_source: str
    base_url: str
    max_retries: int
    max_concurrent_requests: int = DEFAULT_CONCURRENT_REQUESTS
    base_url_source: str = "relay:baseUrl"
    """What to check where the URL may be wrong: as it is by default, where it was not given."""


def resolve(get: Get, environment: Mapping[str, str] | None = None) -> Settings:
    """The OpenRelay settings from the stack's configuration and the environment.

    environment: None means this process's. Raises Misconfigured, which says what to set.
    """
    sources = _Sources(get, environment)
    api_key, source = sources.credential("the API key", "openrelay:apiKey", "OPENRELAY_API_KEY")
    if api_key is None:
        raise NoCredential(
            "no API key is configured",
            "run `pulumi config set --secret openrelay:apiKey <key>` or set OPENRELAY_API_KEY",
        )
    api_url, api_url_source = sources.url("openrelay:apiUrl", "OPENRELAY_API_URL", DEFAULT_URL)
    organization_id, organization_id_source = sources.find(
        "openrelay:organizationId", "OPENRELAY_ORGANIZATION_ID"
    )
    return Settings(
        api_key=api_key,
        api_key_source=source,
        api_url=api_url,
        organization_id=organization_id,
        max_retries=sources.retries("openrelay:maxRetries"),
        max_concurrent_requests=sources.concurrent_requests("openrelay:maxConcurrentRequests"),
        api_url_source=api_url_source,
        organization_id_source=organization_id_source,
    )


def resolve_relay(
    get: Get, environment: Mapping[str, str] | None = None, *, public: bool = False
) -> RelaySettings:
    """The Relay settings, as `resolve` does it for OpenRelay. public: for what needs no credential.

    Raises Misconfigured.
    """
    sources = _Sources(get, environment)
    api_key, api_key_source = sources.credential("the API key", "relay:apiKey", "RELAY_API_KEY")
    token, token_source = sources.credential(
        "the customer token", "relay:customerToken", "RELAY_CUSTOMER_TOKEN"
    )
    if api_key is None and token is None and not public:
        raise NoCredential(
            "no API key is configured",
            "run `pulumi config set --secret relay:apiKey <key>` or set RELAY_API_KEY",
        )
    base_url, base_url_source = sources.url("relay:baseUrl", "RELAY_BASE_URL", DEFAULT_RELAY_URL)
    return RelaySettings(
        api_key=api_key,
        api_key_source=api_key_source,
        customer_token=token,
        customer_token_source=token_source,
        base_url=base_url,
        max_retries=sources.retries("relay:maxRetries"),
        max_concurrent_requests=sources.concurrent_requests("relay:maxConcurrentRequests"),
        base_url_source=base_url_source,
    )


def not_a_credential(value: str) -> str | None:
    """Why it is no key and no token, None where it may be one, with space around it too."""
    value = value.strip()
    fine = value.isascii() and value.isprintable() and " " not in value
    return None if fine else "has characters that no key has"


def is_from_environment(source: str) -> bool:
    """Whether a credential is from there, where it works beside no stack's configuration too.
    source: as the settings have it."""
    return "the environment" in source


def set_anew(source: str, key: str) -> str:
    """What to do about a credential that was refused. source: as the settings have it. key: its key
    in a stack's configuration."""
    if is_from_environment(source):
        return "set a valid one there"
    return f"set a valid one with `pulumi config set --secret {key} <value>`"


class _Sources:
    """The stack's configuration and the environment, each value with where it was found."""

    def __init__(self, get: Get, environment: Mapping[str, str] | None) -> None:
        self._get = get
        self._environment = os.environ if environment is None else environment

    def find(self, key: str, variable: str | None) -> tuple[str | None, str]:
        value = self._get(key)
        if value not in (None, ""):
            return str(value), f"the stack's configuration ({key})"
        if variable and self._environment.get(variable):
            return self._environment[variable], f"the environment ({variable})"
        return None, "nowhere"

    def credential(self, title: str, key: str, variable: str) -> tuple[str | None, str]:
        value, source = self.find(key, variable)
        value = (value or "").strip()
        problem = not_a_credential(value)
        if problem is not None:
            raise Misconfigured(f"{title} from {source} {problem}", "check what was pasted")
        return value or None, source

    def url(self, key: str, variable: str, default: str) -> tuple[str, str]:
        value, source = self.find(key, variable)
        url = (value or default).strip().rstrip("/")
        if "@" in url:  # httpx would send a name and password instead of the key
            raise Misconfigured(
                f"the API's URL from {source} has an @, as if a name or password stood in it",
                f"give one such as {default}: only the key authenticates",
            )
        try:
            parts = urlsplit(url)
            fine = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:  # a bracket without its pair, a port that is none
            fine = False
        if not fine:
            raise Misconfigured(
                f"the API's URL from {source} is {url!r}, which is no http(s) URL",
                f"give one such as {default}",
            )
        return url, source if value else key

    def count(self, key: str, title: str, default: int, *, least: int = 0) -> int:
        value, source = self.find(key, None)
        if value is None:
            return default
        if not value.isdecimal() or int(value) < least:
            at_least = f" from {least} on" if least else ""
            raise Misconfigured(
                f"the number of {title} from {source} is {value!r}",
                f"give a whole number{at_least}",
            )
        return int(value)

    def retries(self, key: str) -> int:
        return self.count(key, "retries", DEFAULT_RETRIES)

    def concurrent_requests(self, key: str) -> int:
        return self.count(key, "concurrent requests", DEFAULT_CONCURRENT_REQUESTS, least=1)
