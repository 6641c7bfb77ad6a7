"""`GET /v2/health`."""

from __future__ import annotations

from ..area import Area, Served

AREA = Area(operations={"getHealth": Served(lambda _call: {"status": "ok"}, None)})
