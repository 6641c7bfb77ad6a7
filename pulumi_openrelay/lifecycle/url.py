"""URLs that an API is to call."""

from __future__ import annotations

from urllib.parse import urlsplit


def not_a_url(url: str) -> str | None:
    """Why it is no such URL, None where it is one."""
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a bracket without its pair, a port that is none
        good = False
    return None if good and url.isprintable() and " " not in url else "should be an http(s) URL"
