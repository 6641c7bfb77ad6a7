"""What resources are called, and where machines and their data may be."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase

from pydantic import Field, field_validator

from .message import Severity
from .reading import (
    API_KEY,
    INSTANCE,
    MACHINES,
    POD,
    PROVISIONING_TOKEN,
    RELAY_KEY,
    SSH_KEY,
    WEBHOOK,
    NotConfigured,
    Resource,
)
from .rule import Demanded, Level, ResourceRule, Settings, nist


class NameSettings(Settings):
    pattern: str = Field(
        default="[a-z][a-z0-9-]*",
        description="A regular expression that the whole of a name matches.",
    )

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, pattern: str) -> str:
        try:
            re.compile(pattern)
        except re.error as error:
            raise ValueError(f"is no regular expression: {error}") from None
        return pattern


class LocationSettings(Demanded):
    allowed: tuple[str, ...] | None = Field(
        default=None, description="Names or patterns of regions, such as `eu-*`; null for all."
    )


def _resource_name(resource: Resource, settings: NameSettings) -> Iterator[str]:
    if re.fullmatch(settings.pattern, resource.name) is None:
        yield f"its name in the program does not match {settings.pattern}"
        return  # a name that is left out begins with that one
    name = resource.text("name")
    if name is not None and re.fullmatch(settings.pattern, name) is None:
        yield f"name does not match {settings.pattern}"


def _allowed_locations(machine: Resource, settings: LocationSettings) -> Iterator[str]:
    if settings.allowed is None:
        raise NotConfigured("allowed")
    allowed = ", ".join(settings.allowed)
    if machine.type == POD:
        yield f"a pod runs wherever there is room, not only in {allowed}"
        return
    name, regions = _regions(machine)
    if not regions:
        yield f"{name} is not set: it may be anywhere, not only in {allowed}"
    elif not all(any(fnmatchcase(each, one) for one in settings.allowed) for each in regions):
        yield f"{name} names a location that is none of {allowed}"
    elif machine.type != INSTANCE and machine.value("allow_fallback") is not False:
        yield f"allow_fallback is not false: it may be placed elsewhere than in {allowed}"


def _regions(machine: Resource) -> tuple[str, list[str]]:
    """The input that says where a machine may be, and what it says."""
    if machine.type == INSTANCE:
        region = machine.text("region")
        return "region", [region] if region else []
    return "preferred_regions", machine.texts("preferred_regions") or []


RESOURCE_NAME = ResourceRule(
    name="resource-name",
    description="Names follow the convention.",
    severity=Severity.LOW,
    framework=nist("CM-8", "System Component Inventory"),
    remediation="rename it, with an alias so that it is not replaced: "
    'opts=ResourceOptions(aliases=[Alias(name="its old name")])',
    level=Level.ADVISORY,
    settings=NameSettings,
    types=(*MACHINES, SSH_KEY, WEBHOOK, API_KEY, PROVISIONING_TOKEN, RELAY_KEY),
    check=_resource_name,
)
ALLOWED_LOCATIONS = ResourceRule(
    name="allowed-locations",
    description="Machines and their data are where they may be.",
    severity=Severity.CRITICAL,
    framework=nist("SA-9(5)", "Processing, Storage, and Service Location"),
    remediation="name allowed locations alone, and set allow_fallback=False",
    settings=LocationSettings,
    types=MACHINES,
    check=_allowed_locations,
)

RULES = (RESOURCE_NAME, ALLOWED_LOCATIONS)
