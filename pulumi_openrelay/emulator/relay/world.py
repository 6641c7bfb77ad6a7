"""Relay's world: its customers and keys, and how it refuses."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Any

from ..control_plane import ControlPlane
from ..wire import Refusal
from . import access, api, instance_states, money, tiers, webhooks
from .access import KEY_PREFIX, ApiKey, Caller, Customer
from .settings import RelaySettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from ..deliveries import Attempt, Delivery
    from ..operation import Operation, WrongRequest
    from ..wire import Request
    from .instance_states import Instance

# `error.type` by status; others are "internal".
_TYPES = {
    400: "validation",
    401: "authentication",
    402: "authorization",
    403: "authorization",
    404: "validation",
    405: "validation",
    409: "validation",
    422: "validation",
    429: "rate_limit",
    503: "unavailable",
}


class RelayWorld(ControlPlane):
    """One emulated Relay. What it has in common with every service is in ControlPlane.

    `keys` are API keys of the first customer, at least one: on a custom tier the first
    becomes the superkey. `customer_token` is that customer's dashboard token, `tier` its
    tier, `balance_usd` what it starts with; with a state file that has a world in it, all
    three are the file's. `settings` are changes to `RelaySettings`.
    """

    service = api.SERVICE
    settings_kind = RelaySettings

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.time,
        seed: int = 0,
        keys: Iterable[str] = ("relay_sk_local",),
        customer_token: str = "jwt_local",  # noqa: S107
        tier: str = "custom",
        balance_usd: float = money.OPENING_USD,
        state: Path | None = None,
        check_answers: bool = False,
        **settings: Any,
    ) -> None:
        super().__init__(
            clock=clock, seed=seed, state=state, check_answers=check_answers, settings=settings
        )
        self._keys: dict[str, ApiKey] = {}
        # By key, or else customer: when it called last, and in which mode.
        self.recent_calls: dict[str, deque[tuple[float, str]]] = {}
        keys = list(keys)
        self.key = keys[0]
        if self.is_new:
            self.add_customer("Emulated customer", customer_token, tier, balance_usd)
        for key in self.store.table(ApiKey).values():
            self._keys[key.secret] = key
        for secret in keys:
            if secret not in self._keys:
                self.add_key(secret, self.first_customer, name=f"emulator {len(self._keys) + 1}")
        self.advance()

    @property
    def settings(self) -> RelaySettings:
        return self.store.table(RelaySettings)["settings"]

    def admit(self, request: Request, needs: str | None, path: Mapping[str, str]) -> Caller:
        return access.admit(self, request.headers, needs)

    def refuse(self, operation: Operation, wrong: WrongRequest) -> Refusal:
        status = 422 if 422 in operation.statuses else 400
        where = ["body", *(wrong.field or "").split(".")] if wrong.field else ["body"]
        issues = [{"loc": where, "msg": str(wrong), "type": "value_error"}]
        return Refusal(status, str(wrong), "VALIDATION_ERROR", field=wrong.field, issues=issues)

    def error_body(self, status: int, sentence: str, code: str | None, **fields: object) -> Any:
        """`issues` are shown as `detail`, in place of the sentence; other fields in the error."""
        issues = fields.pop("issues", sentence)
        detail = {name: value for name, value in fields.items() if value is not None}
        error: dict[str, Any] = {
            "code": code,
            "type": _TYPES.get(status, "internal"),
            "source": "client" if status < 500 else "relay",
            "message": sentence,
            "request_id": self.new_id("req"),
        }
        if detail:
            error["detail"] = detail
        return {"detail": issues, "error": error}

    def credentials(self, key: str) -> Mapping[str, str]:
        """The dashboard's token goes as Bearer, an API key in a header of its own."""
        return {"x-api-key": key} if key.startswith(KEY_PREFIX) else super().credentials(key)

    def prepare(self, attempt: Attempt) -> Delivery | str:
        return webhooks.prepare(self, attempt)

    # For tests

    @property
    def first_customer(self) -> Customer:
        return next(iter(self.store.table(Customer).values()))

    @property
    def customer_token(self) -> str:
        """The first customer's dashboard token."""
        return self.first_customer.token

    def live_instances(self) -> list[Instance]:
        """Those that have not ended, oldest first."""
        return instance_states.live(self)

    # For the areas

    def customer(self, customer_id: str) -> Customer:
        return self.store.table(Customer)[customer_id]

    def add_customer(
        self,
        name: str,
        token: str,
        tier: str = "custom",
        balance_usd: float = money.OPENING_USD,
    ) -> Customer:
        if tier not in tiers.TIERS:
            raise ValueError(f"There is no tier {tier}; there are {', '.join(tiers.TIERS)}.")
        customer = Customer(
            id=self.new_id("cus"),
            name=name,
            email="emulated@example.com",
            token=token,
            tier=tier,
            created_time=self.now,
            balance_usd=balance_usd,
            allocated_usd=balance_usd,
        )
        self.store.add(customer)
        return customer

    def api_key(self, secret: str) -> ApiKey | None:
        return self._keys.get(secret)

    def add_key(self, secret: str, customer: Customer, *, name: str, **fields: Any) -> ApiKey:
        """On a custom tier the first key becomes the superkey."""
        is_first = not any(key.owner_id == customer.id for key in self._keys.values())
        key = ApiKey(
            **self.new(customer.id, "key"),
            name=name,
            secret=secret,
            is_superkey=is_first and tiers.TIERS[customer.tier].is_custom,
            **fields,
        )
        self.store.add(key)
        self._keys[secret] = key
        return key

    def forget_key(self, key: ApiKey) -> None:
        """Its secret opens nothing any more."""
        del self._keys[key.secret]
