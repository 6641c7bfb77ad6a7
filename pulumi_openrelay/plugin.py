"""What the providers of one plugin process share: one session for each configuration."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from .api.client import Client
from .api.openrelay import OpenRelay
from .api.transport import HttpxTransport
from .config import Settings, resolve
from .lifecycle.session import Session

_sessions: dict[Settings, Session] = {}
_lock = threading.Lock()


def session(get: Callable[[str], Any]) -> Session:
    """The session of this configuration. get: reads one value of the stack's configuration.

    Raises Misconfigured.
    """
    settings = resolve(get)
    with _lock:
        if settings not in _sessions:
            transport = HttpxTransport()
            client = Client(
                settings.api_url,
                OpenRelay(settings),
                transport,
                max_retries=settings.max_retries,
            )
            _sessions[settings] = Session(client, settings.organization_id)
        return _sessions[settings]
