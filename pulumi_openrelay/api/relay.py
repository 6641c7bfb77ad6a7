"""Relay's dialect: two credentials by path, the error envelope, and what its codes mean.

The envelope is `{"detail": ..., "error": {"code", "type", "source", "message", "request_id"}}`, of
which any part may be missing. We branch on the status and refine on the code.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from ..config import RelaySettings, is_from_environment, set_anew
from ..errors import (
    RETRY,
    ApiError,
    Forbidden,
    NoCapacity,
    PaymentRequired,
    RateLimited,
    Unauthorized,
)
from .dialect import Meaning, meaning, one_line, retry_after
from .transport import WireAnswer, WireRequest

CUSTOMER = "/v2/customer/"
"""The paths of the account: they take the customer's token, or the superkey."""
KEY_PREFIX = "relay_sk_"
"""What an API key begins with, and the superkey too: it goes as such, whatever it is given as."""
LIMITS = frozenset({"INSTANCE_LIMIT"})
"""Codes of a 429 that no waiting ends."""
REPEAT_CODES = frozenset({"IDEMPOTENCY_IN_PROGRESS"})
CAPACITY_CODES = frozenset({"CAPACITY_EXHAUSTED", "INSTANCES_UNAVAILABLE"})
ORDINARY_KEY_CODES = frozenset({None, "CREDENTIAL_NOT_PERMITTED"})
"""Codes of a 403 for a key that does not manage the account."""


class Relay:
    """How requests to Relay are signed, and how its errors read."""

    def __init__(self, settings: RelaySettings) -> None:
        self._settings = settings

    @property
    def url_source(self) -> str:
        return self._settings.base_url_source

    @property
    def secrets(self) -> list[str]:
        given = (self._settings.api_key, self._settings.customer_token)
        return [secret for secret in given if secret is not None]

    def headers(self, path: str) -> Mapping[str, str]:
        key, token = self._settings.api_key, self._settings.customer_token
        if token is None or (key is not None and not path.startswith(CUSTOMER)):
            return {} if key is None else {"x-api-key": key}
        is_key = token.startswith(KEY_PREFIX)
        return {"x-api-key": token} if is_key else {"authorization": f"Bearer {token}"}

    def asks_for_repeat(self, error: ApiError) -> bool:
        if error.code in REPEAT_CODES:
            return True
        return isinstance(error, RateLimited) and error.code not in LIMITS

    def error(self, answer: WireAnswer, body: Any, request: WireRequest | None = None) -> ApiError:
        envelope: dict[str, Any] = body if isinstance(body, dict) else {}
        inner = envelope.get("error")
        error: dict[str, Any] = inner if isinstance(inner, dict) else {}
        code = error.get("code")
        code = code if isinstance(code, str) and code else None
        message = self._message(envelope, error)
        tag = f"{answer.status} {code}" if code else str(answer.status)
        said = f"{tag}: {message}" if message else tag
        if answer.status in (401, 403):
            kind, what, advice = self._denied(answer.status, code, said, request)
        elif answer.status == 503 and code in CAPACITY_CODES and _asks_for_capacity(request):
            kind = NoCapacity
            what = f"there is no capacity for it right now ({said})"
            advice = "try later or another prescription, or let capacity_timeout wait for capacity"
        else:
            kind, what, advice = self._meaning(answer.status, code, said, error, request)
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
        error: Mapping[str, Any],
        request: WireRequest | None,
    ) -> Meaning:
        if status == 402 and code == "KEY_BUDGET_EXHAUSTED":
            return PaymentRequired, f"the key's budget is spent ({said})", "raise its key_budget"
        if status == 402:
            detail = error.get("detail")
            money = detail if isinstance(detail, dict) else error
            needs, has = money.get("required_usd"), money.get("balance_usd")
            figures = f": it needs ${needs} and has ${has}" if needs and has is not None else ""
            return (
                PaymentRequired,
                f"the account's credits do not cover it{figures} ({said})",
                f"add credits and {RETRY}",
            )
        if status == 429 and code in LIMITS:
            advice = "end an instance that nobody needs, or ask for a higher limit"
            return RateLimited, f"the account has as many as it may ({said})", advice
        return meaning(status, said, self.url_source, request)

    def _denied(
        self, status: int, code: str | None, said: str, request: WireRequest | None
    ) -> Meaning:
        setting, used = self._used(request)
        manages = request is not None and urlsplit(request.url).path.startswith(CUSTOMER)
        if setting == "customerToken" and not manages:
            advice = "set an API key with `pulumi config set --secret relay:apiKey <value>` as well"
            if is_from_environment(used):
                advice = "set RELAY_API_KEY as well"
            kind = Unauthorized if status == 401 else Forbidden
            what = f"the {used} is for keys and account settings, and the API refused it ({said})"
            return kind, what, advice
        if status == 401:
            advice = set_anew(used, f"relay:{setting}")
            return Unauthorized, f"the API refused the {used} ({said})", advice
        what = f"the API does not allow it with the {used} ({said})"
        if code == "TIER_FEATURE_UNAVAILABLE":
            return Forbidden, what, "choose a tier that has it"
        if manages and setting == "apiKey" and code in ORDINARY_KEY_CODES:
            token = "RELAY_CUSTOMER_TOKEN" if is_from_environment(used) else "relay:customerToken"
            advice = f"keys and account settings need {token} or the account's superkey"
            return Forbidden, what, advice
        return Forbidden, what, None

    def _used(self, request: WireRequest | None) -> tuple[str, str]:
        """The credential that a request carried: its setting, and its name with its source."""
        settings = self._settings
        token, key = settings.customer_token_source, settings.api_key_source
        if request is None:
            sources = {key, token} - {"nowhere"}
            return "apiKey", f"credential from {' or '.join(sorted(sources))}"
        sent = request.headers.get("x-api-key"), request.headers.get("authorization")
        given = settings.customer_token
        if given not in (None, settings.api_key) and (given in sent or f"Bearer {given}" in sent):
            return "customerToken", f"customer token from {token}"
        return "apiKey", f"API key from {key}"

    def _message(self, envelope: Mapping[str, Any], error: Mapping[str, Any]) -> str:
        """The API's sentence, with the field where it names one."""
        detail = error.get("detail")
        named = detail.get("field") if isinstance(detail, dict) else None
        said = error.get("message") or _text(envelope.get("detail"))
        line = one_line(said, self._settings.api_key, self._settings.customer_token)
        return f"{named}: {line}" if isinstance(named, str) and named not in line else line


def _asks_for_capacity(request: WireRequest | None) -> bool:
    """Whether no capacity is what may be wrong: a look needs none, and no more does an end."""
    if request is None:
        return True
    return not (request.only_reads or urlsplit(request.url).path.endswith("/terminate"))


def _text(detail: Any) -> Any:
    """The text of a `detail`. Of a list: each problem, after the field that it is about."""
    if not isinstance(detail, list):
        return detail
    problems = [part if isinstance(part, dict) else {"msg": part} for part in detail]
    return "; ".join(": ".join([*_field(p.get("loc")), str(p.get("msg"))]) for p in problems)


def _field(place: Any) -> list[str]:
    """`["max_lifetime_hours"]` of `["body", "max_lifetime_hours"]`; nothing of the body whole."""
    parts = [str(part) for part in place[1:]] if isinstance(place, list) else []
    return [".".join(parts)] if parts else []
