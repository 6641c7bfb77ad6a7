"""What rules ask, where an API key is configured: OpenRelay for the balance and the GPU catalog,
Relay for the catalog of instances."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from ..caller import Direct
from ..errors import OpenRelayError
from ..lifecycle.service import OPENRELAY, RELAY, Service
from ..lookups import configuration
from ..plugin import session
from .reading import Balance, Chips, NotEvaluated

SECONDS = 10.0
"""How long one question may take; the update waits for it."""

T = TypeVar("T")


class OpenRelayAccount:
    """The account of the stack's API key, or of the environment's.

    Each question is asked once: a failure is remembered too, since the next machine's answer would
    be as long in coming.
    """

    def balance(self) -> Balance:
        return _known("the balance is not known", _balance)

    def gpu_names(self) -> Mapping[str, str]:
        return _known("the GPU catalog is not known", _gpu_names)

    def instance_chips(self) -> Mapping[str, Chips]:
        return _known("the catalog of instances is not known", _instance_chips)


def _known(otherwise: str, ask: Callable[[], T]) -> T:
    """The answer. Raises NotEvaluated."""
    if ask not in _answers:
        _answers[ask] = _answer(otherwise, ask)
    answer: T | NotEvaluated = _answers[ask]
    if isinstance(answer, NotEvaluated):
        raise NotEvaluated(str(answer))
    return answer


_answers: dict[Callable[[], Any], Any] = {}


def _answer(otherwise: str, ask: Callable[[], T]) -> T | NotEvaluated:
    try:
        return ask()
    except OpenRelayError as error:
        return NotEvaluated(f"{otherwise}: {error.what}")
    except (KeyError, TypeError, ValueError, AttributeError):
        why = "the API answers with something else than it documents"
        return NotEvaluated(f"{otherwise}: {why}")


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


def _gpu_names() -> dict[str, str]:
    models = _ask("/v1/gpu-models", list)
    return {str(model["id"]): str(model["name"]) for model in models}


def _instance_chips() -> dict[str, Chips]:
    return read_chips(lambda path: _ask(path, dict, RELAY))


def read_chips(ask: Callable[[str], Any]) -> dict[str, Chips]:
    """The GPUs of each prescription. ask: as for `read_balance`, of Relay."""
    found: dict[str, Chips] = {}
    for row in ask("/v2/instances/catalog")["rows"]:
        name, gpu = str(row["prescription"]), row.get("gpu")
        chips = Chips(str(gpu["model"]), int(gpu["count"])) if gpu else Chips(None, 0)
        if name not in found or chips.count > found[name].count:
            found[name] = chips
    return found


def _ask(path: str, answers: type, service: Service = OPENRELAY) -> Any:
    caller = Direct(lambda _text: None)
    caller.deadline = caller.now() + SECONDS
    return session(configuration, service).send(caller, "GET", path, {}, answers=answers)
