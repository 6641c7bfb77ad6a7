"""OpenRelay's dialect: bearer keys, the error envelope, and what its codes mean.

The envelope is `{"error": "<sentence>", "code": "<hint>"}`, the code optional. We branch on the
status and refine on the code; a code that nobody knows changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..config import Settings, set_anew
from ..errors import (
    RETRY,
    ApiError,
    Forbidden,
    NoCapacity,
    PaymentRequired,
    RateLimited,
    Rejected,
    Unauthorized,
)
from .dialect import Meaning, meaning, one_line, retry_after
from .transport import WireAnswer, WireRequest

CAPACITY_CODES = frozenset(
    {
        "INSUFFICIENT_GPU_CAPACITY",
        "INSUFFICIENT_HOST_CAPACITY",
        "INSUFFICIENT_IP_CAPACITY",
        "POD_NODE_BUSY",
        "VM_NODE_BUSY",
    }
)
CONFLICT_ADVICE = {
    "STOP_DISABLED": "ask OpenRelay to allow stopping, or take the stop out of the program",
    "FEATURE_DISABLED": "ask OpenRelay for the feature, or take it out of the program",
    "NAME_TAKEN": "choose another name, or leave it out; to replace one under its own name, set "
    "delete_before_replace",
}
REPEAT_CODES = frozenset({"CONCURRENT_UPDATE", "TOO_MANY_CLUSTERS_CREATING"})


class OpenRelay:
    """How requests to OpenRelay are signed, and how its errors read."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @property
    def url_source(self) -> str:
        return self._settings.api_url_source

    @property
    def secrets(self) -> list[str]:
        return [self._settings.api_key]

    def headers(self, path: str) -> Mapping[str, str]:
        return {"authorization": f"Bearer {self._settings.api_key}"}

    def asks_for_repeat(self, error: ApiError) -> bool:
        return isinstance(error, RateLimited) or error.code in REPEAT_CODES

    def error(self, answer: WireAnswer, body: Any, request: WireRequest | None = None) -> ApiError:
        envelope: dict[str, Any] = body if isinstance(body, dict) else {}
        code = envelope.get("code")
        code = one_line(code, self._settings.api_key) or None
        message = one_line(envelope.get("error"), self._settings.api_key)
        tag = f"{answer.status} {code}" if code else str(answer.status)
        said = f"{tag}: {message}" if message else tag
        kind, what, advice = self._meaning(answer.status, code, said, envelope, request)
        organization = self._settings.organization_id
        if (
            kind is Forbidden
            and organization
            and request
            and f"/orgs/{organization}/" in request.url
        ):
            source = self._settings.organization_id_source
            advice = f"{advice}; if the key is of another organization, correct {source}"
        return kind(
            what,
            advice,
            status=answer.status,
            code=code,
            message=message,
            retry_after=retry_after(answer.headers),
        )

    def _meaning(
        self,
        status: int,
        code: str | None,
        said: str,
        envelope: Mapping[str, Any],
        request: WireRequest | None,
    ) -> Meaning:
        source = self._settings.api_key_source
        if status == 401:
            return (
                Unauthorized,
                f"the API refused the key from {source} ({said})",
                set_anew(source, "openrelay:apiKey"),
            )
        if status == 402:
            return (
                PaymentRequired,
                f"the organization's balance does not cover it ({said})",
                f"add funds and {RETRY}",
            )
        if status == 403:
            permission = one_line(envelope.get("permission"), self._settings.api_key)
            denied_by = one_line(envelope.get("deniedBy"), self._settings.api_key)
            lack = f", which lacks the permission {permission}" if permission else ""
            by = f", denied by {denied_by}" if denied_by else ""
            return (
                Forbidden,
                f"the API does not allow it with the key from {source}{lack}{by} ({said})",
                "use a key that may do this"
                if permission
                else f"have what it says settled for the organization, then {RETRY}",
            )
        if status == 503 and code in CAPACITY_CODES:
            return (
                NoCapacity,
                f"there is no capacity for it right now ({said})",
                "try later or another shape, or let capacity_timeout wait for capacity",
            )
        if 300 <= status < 400:
            what = f"the server sent us elsewhere ({said})"
            return Rejected, what, f"check {self.url_source}"
        kind, what, advice = meaning(status, said, self.url_source, request)
        return kind, what, CONFLICT_ADVICE.get(code or "", advice) if status == 409 else advice
