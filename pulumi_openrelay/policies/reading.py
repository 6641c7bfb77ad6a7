"""A stack as rules see it: a property is known, unknown or absent, and nothing passes in silence.

In a preview the engine does not know yet what other resources will answer. A rule that reads such a
value is stopped by `NotEvaluated`, which is reported at the rule's level.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final, Protocol

VM: Final = "openrelay:Vm"
POD: Final = "openrelay:Pod"
CLUSTER: Final = "openrelay:InferenceCluster"
SSH_KEY: Final = "openrelay:SshKey"
WEBHOOK: Final = "openrelay:Webhook"
API_KEY: Final = "openrelay:ApiKey"
PROVISIONING_TOKEN: Final = "openrelay:ProvisioningToken"  # noqa: S105
INSTANCE: Final = "relay:Instance"
INFERENCE_CHECK: Final = "relay:InferenceCheck"
RELAY_KEY: Final = "relay:ApiKey"
MODEL_ALLOWLIST: Final = "relay:ModelAllowlist"

MACHINES: Final = (VM, POD, CLUSTER, INSTANCE)
"""What bills by the hour."""


class Unknown(Enum):
    """Stands where a value is not known before the update runs."""

    UNKNOWN = "unknown"


UNKNOWN: Final = Unknown.UNKNOWN


class NotEvaluated(Exception):
    """A rule cannot tell. str() says why, without `not evaluated: ` before it."""


class NotConfigured(NotEvaluated):
    """A rule has nothing to judge by. It is reported where the rule's `required` says so."""

    def __init__(self, *settings: str) -> None:
        super().__init__(f"{' or '.join(settings)} is not configured")


class UnknownProperty(NotEvaluated):
    """A property is unknown in this preview."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is unknown until the update runs")


@dataclass(frozen=True, slots=True)
class Balance:
    """Money of the organization in US cents. burn: what all its machines bill an hour now; None
    where nobody told. floor: the balance at which the API stops machines."""

    available_cents: int
    burn_cents_per_hour: int | None = None
    floor_cents: int = 0

    def hours(self, burn_cents_per_hour: float) -> float | None:
        """How long it lasts at a rate; None means that nothing uses it up."""
        if burn_cents_per_hour <= 0:
            return None
        return max(0.0, (self.available_cents - self.floor_cents) / burn_cents_per_hour)


@dataclass(frozen=True, slots=True)
class Chips:
    """The GPUs of a prescription of Relay's catalog. model: None where it has none."""

    model: str | None
    count: int


class Account(Protocol):
    """What a rule may ask the APIs. Each raises NotEvaluated where it cannot be asked."""

    def balance(self) -> Balance: ...

    def gpu_names(self) -> Mapping[str, str]:
        """The catalog: the name of each GPU model by its id."""
        ...

    def instance_chips(self) -> Mapping[str, Chips]:
        """Relay's catalog: the GPUs of each prescription; the most, where its offers differ."""
        ...


class NoAccount:
    """Nobody to ask."""

    def balance(self) -> Balance:
        raise NotEvaluated("the balance is not known: no API key is configured")

    def gpu_names(self) -> Mapping[str, str]:
        raise NotEvaluated("the GPU catalog is not known: no API key is configured")

    def instance_chips(self) -> Mapping[str, Chips]:
        raise NotEvaluated("the catalog of instances is not known: nobody asked Relay")


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource. type: such as `openrelay:Vm`. properties: inputs; where the engine has nothing
    to change, the last outputs too. dependencies: for each property, the URNs of the resources
    that it was made of. account: whom to ask."""

    type: str
    name: str
    urn: str = ""
    properties: Mapping[str, Any] = field(default_factory=dict)
    dependencies: Mapping[str, Sequence[str]] = field(default_factory=dict)
    account: Account = field(default_factory=NoAccount, compare=False)

    def value(self, *path: str) -> Any:
        """The property at a path, None where it is absent. Raises UnknownProperty where it, or
        anything within it, is unknown."""
        found: Any = self.properties
        for part in path:
            found = found.get(part) if isinstance(found, Mapping) else None
            if found is UNKNOWN:
                break
        if _has_unknown(found):
            raise UnknownProperty(".".join(path))
        return found

    def text(self, *path: str) -> str | None:
        """A text; None where it is absent or empty."""
        return _typed(str, path, self.value(*path)) or None

    def number(self, *path: str) -> float | None:
        found = self.value(*path)
        return None if found is None else float(_typed((int, float), path, found))

    def flag(self, *path: str) -> bool:
        """Whether a boolean is true: one that is absent is not."""
        return _typed(bool, path, self.value(*path)) is True

    def texts(self, *path: str) -> list[str] | None:
        """A list of texts; None where it is absent or empty."""
        found: list[Any] | None = _typed(list, path, self.value(*path))
        return [str(item) for item in found] if found else None


@dataclass(frozen=True, slots=True)
class Stack:
    """All resources of a stack, and whom to ask about its account."""

    name: str
    resources: Sequence[Resource] = ()
    account: Account = field(default_factory=NoAccount)

    def of_type(self, *types: str) -> Iterator[Resource]:
        return (resource for resource in self.resources if resource.type in types)


def stack_of(urn: str) -> str:
    """The stack's name in a URN. (`pulumi.get_stack()` tells it in a policy pack only with some
    builds of the CLI.)"""
    parts = urn.split(":", 3)
    return parts[2] if len(parts) > 3 else ""


def _typed(wanted: type | tuple[type, ...], path: Sequence[str], found: Any) -> Any:
    if found is None or isinstance(found, wanted):
        return found
    # The value itself may be a secret: it is not shown.
    raise NotEvaluated(f"{'.'.join(path)} is of a type that this rule does not know")


def _has_unknown(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(map(_has_unknown, value.values()))
    if isinstance(value, list):
        return any(map(_has_unknown, value))
    return value is UNKNOWN
