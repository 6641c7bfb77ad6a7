"""What rules ask OpenRelay, where an API key is configured: the balance and the GPU catalog."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, TypeVar

import pulumi

from ..caller import Direct
from ..errors import OpenRelayError
from ..plugin import session
from .reading import Balance, NotEvaluated

SECONDS = 10.0
"""How long one question may take; the update waits for it."""

T = TypeVar("T")


class OpenRelayAccount:
    """The account of the stack's API key, or of the environment's. Each question is asked once."""

    def balance(self) -> Balance:
        return _known("the balance is not known", _balance)

    def gpu_names(self) -> Mapping[str, str]:
        return _known("the GPU catalog is not known", _gpu_names)


def _known(otherwise: str, ask: Callable[[], T]) -> T:
    try:
        return ask()
    except OpenRelayError as error:
        raise NotEvaluated(f"{otherwise}: {error.what}") from None
    except (KeyError, TypeError, ValueError, AttributeError):
        why = "the API answers with something else than it documents"
        raise NotEvaluated(f"{otherwise}: {why}") from None


@cache
def _balance() -> Balance:
    return read_balance(lambda path: _ask(path, dict))


def read_balance(ask: Callable[[str], Any]) -> Balance:
    """The balance. ask: sends a GET to a path, and gives the object that it answers with."""
    balance = ask("/v1/orgs/{org}/billing/balance")
    usage = ask("/v1/orgs/{org}/usage/current")
    burn = usage.get("burnPerHourCents")
    return Balance(
        available_cents=int(balance["availableCents"]),
        burn_cents_per_hour=None if burn is None else int(burn),
        floor_cents=int(usage.get("autoStopFloorCents") or 0),
    )


@cache
def _gpu_names() -> dict[str, str]:
    models = _ask("/v1/gpu-models", list)
    return {str(model["id"]): str(model["name"]) for model in models}


def _ask(path: str, answers: type) -> Any:
    caller = Direct(lambda _text: None)
    caller.deadline = caller.now() + SECONDS
    return session(_configured).send(caller, "GET", path, {}, answers=answers)


def _configured(key: str) -> str | None:
    namespace, _, name = key.partition(":")
    return pulumi.Config(namespace).get(name)
