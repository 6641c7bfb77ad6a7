"""Configuration of the two services: where each value comes from, and what it is by default.

| key                         | environment           | default                        |
|-----------------------------|-----------------------|--------------------------------|
| `openrelay:apiKey` (secret) | `OPENRELAY_API_KEY`   | none: needed                   |
| `openrelay:apiUrl`          | `OPENRELAY_API_URL`   | `https://api.openrelay.inc`    |
| `openrelay:organizationId`  | `OPENRELAY_ORGANIZATION_ID` | the key's, asked from `whoami` |
| `openrelay:maxRetries`      |                       | 9 repeats of a request         |

The stack's configuration wins over the environment, as with every Pulumi provider.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from .errors import Misconfigured

DEFAULT_URL = "https://api.openrelay.inc"
DEFAULT_RETRIES = 9


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of one service, resolved. The key never shows in a repr."""

    api_key: str = field(repr=False)
    api_key_source: str
    api_url: str
    organization_id: str | None
    max_retries: int


def resolve(get: Callable[[str], Any], environment: Mapping[str, str] | None = None) -> Settings:
    """The OpenRelay settings from the stack's configuration and the environment.

    get: reads one configuration value in clear, None where it is not set. environment: None means
    this process's. Raises Misconfigured, which says what to set.
    """
    env = os.environ if environment is None else environment

    def find(key: str, variable: str | None) -> tuple[str | None, str]:
        value = get(key)
        if value not in (None, ""):
            return str(value), f"the stack's configuration ({key})"
        if variable and env.get(variable):
            return env[variable], f"the environment ({variable})"
        return None, "nowhere"

    api_key, api_key_source = find("openrelay:apiKey", "OPENRELAY_API_KEY")
    if not api_key or not api_key.strip():
        raise Misconfigured(
            "no API key is configured",
            "run `pulumi config set --secret openrelay:apiKey <key>` or set OPENRELAY_API_KEY",
        )
    api_key = api_key.strip()
    if not api_key.isascii() or not api_key.isprintable() or " " in api_key:
        raise Misconfigured(
            f"the API key from {api_key_source} has characters that no key has",
            "check what was pasted",
        )

    api_url, api_url_source = find("openrelay:apiUrl", "OPENRELAY_API_URL")
    api_url = (api_url or DEFAULT_URL).strip().rstrip("/")
    parts = urlsplit(api_url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise Misconfigured(
            f"the API's URL from {api_url_source} is {api_url!r}, which is no http(s) URL",
            f"give one such as {DEFAULT_URL}",
        )

    organization_id, _ = find("openrelay:organizationId", "OPENRELAY_ORGANIZATION_ID")
    retries, retries_source = find("openrelay:maxRetries", None)
    if retries is not None and not retries.isdecimal():
        raise Misconfigured(
            f"the number of retries from {retries_source} is {retries!r}", "give a whole number"
        )
    return Settings(
        api_key=api_key,
        api_key_source=api_key_source,
        api_url=api_url,
        organization_id=organization_id,
        max_retries=DEFAULT_RETRIES if retries is None else int(retries),
    )
