"""A provider that answers at once: what the engine and the SDK take by themselves."""

from __future__ import annotations

from typing import Any

import pulumi
from pulumi.dynamic import CreateResult, ResourceProvider

from . import KEY


class NothingProvider(ResourceProvider):
    serialize_as_secret_always = False

    def __reduce__(self) -> tuple[type[NothingProvider], tuple[()]]:
        return (NothingProvider, ())

    def create(self, props: dict[str, Any]) -> CreateResult:
        return CreateResult("nothing", props)


class Nothing(pulumi.dynamic.Resource):
    def __init__(self, name: str, **props: Any) -> None:
        super().__init__(NothingProvider(), name, props)


def declare(kind: str, count: int) -> None:
    """The same program as ours."""
    if kind == "webhook":
        for number in range(count):
            Nothing(f"it{number}", url=f"https://hooks.example.com/{number}")
        return
    key = Nothing("key", public_key=KEY)
    for number in range(count):
        Nothing(f"it{number}", ssh_key_ids=[key.id], resource_size="small")
