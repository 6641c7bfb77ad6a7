"""Uploads, and where links lead: `/v2/files` and `/v2/media/{name}`.

What is uploaded is kept and given back; a file that Relay is to copy from elsewhere is
not fetched, and is empty.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ... import pages as lists
from ...area import Area, Served
from ...json_values import read_json
from ...store import Owned
from ...wire import Answer, Refusal, timestamp
from .. import access, money, pages
from . import links, tasks
from .links import RETENTION_SECONDS, STORAGE_USD

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..access import Call

_BYTES_MAX = 100_000_000
_LIMIT_MAX = 200


@dataclass(kw_only=True)
class File(Owned):
    """`content` is base64."""

    content: str
    size_bytes: int
    content_type: str
    retention: str
    url: str
    cost_usd: float
    is_deleted: bool = False

    @property
    def expires_time(self) -> float:
        return self.created_time + RETENTION_SECONDS[self.retention]

    def status(self, now: float) -> str:
        if self.is_deleted:
            return "deleted"
        return "ready" if now < self.expires_time else "expired"


def _describe(file: File, now: float) -> dict[str, Any]:
    return {
        "file_id": file.id,
        "url": file.url,
        "source": "upload",
        "content_type": file.content_type,
        "size_bytes": file.size_bytes,
        "retention": file.retention,
        "expires_at": timestamp(file.expires_time),
        "seconds_left": max(0, int(file.expires_time - now)),
        "cost_usd": file.cost_usd,
        "created_at": timestamp(file.created_time),
        "status": file.status(now),
    }


def _upload(call: Call) -> dict[str, Any]:
    """Raw bytes, or JSON with the `url` of what is to be copied."""
    world = call.world
    asked: Mapping[str, Any] = call.query
    content = call.content
    content_type = call.headers.get("content-type", "application/octet-stream")
    if content_type == "application/json":
        asked, content = _read_copy(content), b""
    retention = asked.get("retention") or "relay1h"
    if not isinstance(retention, str) or retention not in RETENTION_SECONDS:
        raise Refusal(422, f"There is no retention {retention}.", "VALIDATION_ERROR")
    if len(content) > _BYTES_MAX:
        raise Refusal(413, "A file is at most 100 MB.", "FILE_TOO_LARGE")
    cost = STORAGE_USD.get(retention, 0.0)
    if cost:
        money.require(call.caller, cost)
        money.spend(call.caller.account, call.caller.key, cost, "storage")
    new = world.new(call.caller.owner_id, "file")
    file = File(
        **new,
        content=base64.b64encode(content).decode(),
        size_bytes=len(content),
        content_type=content_type,
        retention=retention,
        url=links.to(call, new["id"]),
        cost_usd=cost,
    )
    world.store.add(file)
    return _describe(file, world.now)


def _read_copy(content: bytes) -> dict[str, Any]:
    try:
        asked = read_json(content)
        if isinstance(asked["url"], str):
            return dict(asked)
    except (ValueError, TypeError, KeyError):
        pass
    raise Refusal(422, "A copy needs the `url` of a file.", "VALIDATION_ERROR", field="url")


def _list(call: Call) -> dict[str, Any]:
    """`cursor` is the id of the last one seen."""
    now, query = call.world.now, call.query
    files = [
        file
        for file in lists.listed(call, File)
        if not file.is_deleted
        and query.get("status") in (None, file.status(now))
        and query.get("source") in (None, "upload")
    ]
    limit = pages.read_limit(call, _LIMIT_MAX)
    rows, cursor = pages.page(call, files, lambda f: _describe(f, now), limit, "cursor")
    return {"files": rows, "next_cursor": cursor}


def _find(call: Call) -> File:
    return call.find(File, "file", "file_id", code="FILE_NOT_FOUND")


def _delete(call: Call) -> None:
    """Repeatable."""
    _find(call).is_deleted = True


def _get_media(call: Call) -> Answer:
    """An upload or an output; its link is all that is needed."""
    world, name = call.world, call.path["name"]
    file = world.store.table(File).get(name)
    if file is not None and file.status(world.now) == "ready":
        content = base64.b64decode(file.content)
        return Answer(200, content, {"content-type": file.content_type})
    found = tasks.output(world, name)
    if found is None:
        raise Refusal(404, "This link leads nowhere, or has expired.", "FILE_NOT_FOUND")
    return found


AREA = Area(
    operations={
        "files_list": Served(_list, access.KEY),
        "files_create": Served(_upload, access.KEY),
        "files_get": Served(lambda call: _describe(_find(call), call.world.now), access.KEY),
        "files_delete": Served(_delete, access.KEY),
        "media_get": Served(_get_media, None),
    },
    records=(File,),
)
