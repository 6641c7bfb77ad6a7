"""The two services, as far as a declaration needs to know them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Service:
    """name: of its configuration and of its types. title: what users call it. wire: how it writes
    the name of a property."""

    name: str
    title: str
    wire: Callable[[str], str]


def camel(name: str) -> str:
    """`gpu_model_id` as OpenRelay writes it: `gpuModelId`."""
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


OPENRELAY = Service("openrelay", "OpenRelay", camel)
RELAY = Service("relay", "Relay", str)
DYNAMIC = "pulumi-python:dynamic/"
"""What the engine puts before the types of both, such as `openrelay:Vm`, in a URN and a state."""
SERVICES = {service.name: service for service in (OPENRELAY, RELAY)}
