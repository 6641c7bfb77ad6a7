"""What the providers of one plugin process share: a session for each service and configuration."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from .api.client import Client
from .api.transport import HttpxTransport
from .config import RelaySettings, Settings, resolve, resolve_relay
from .lifecycle.service import OPENRELAY, RELAY, Service
from .lifecycle.session import Session

_sessions: dict[Settings | RelaySettings, Session] = {}
_lock = threading.Lock()


def session(
    get: Callable[[str], Any], service: Service = OPENRELAY, *, public: bool = False
) -> Session:
    """The session of this service with this configuration. get: reads one value of it. public: for
    what Relay tells without a credential too.

    Raises Misconfigured.
    """
    settings = resolve_relay(get, public=public) if service is RELAY else resolve(get)
    with _lock:
        if settings not in _sessions:
            _sessions[settings] = _connect(settings)
        return _sessions[settings]


def _connect(settings: Settings | RelaySettings) -> Session:
    retries, most = settings.max_retries, settings.max_concurrent_requests
    if isinstance(settings, RelaySettings):
        from .api.relay import Relay

        return Session(
            Client(
                settings.base_url,
                Relay(settings),
                HttpxTransport(settings.base_url_source),
                max_retries=retries,
                max_concurrent_requests=most,
            )
        )
    from .api.openrelay import OpenRelay

    client = Client(
        settings.api_url,
        OpenRelay(settings),
        HttpxTransport(settings.api_url_source),
        max_retries=retries,
        max_concurrent_requests=most,
    )
    return Session(
        client,
        settings.organization_id,
        organization_source=settings.organization_id_source,
    )
