"""Whose machines they are: one small resource per stack, whose random id lives in the state.

Project and stack names alone are not unique: two people's local `dev` are two stacks. The owner's
id goes into every generated name, so that a stack finds what it lost and never another's.
"""

from __future__ import annotations

import secrets
from importlib import import_module
from typing import Any
from weakref import WeakKeyDictionary

import pulumi
from pulumi.dynamic import (
    ConfigureRequest,
    CreateResult,
    DiffResult,
    ReadResult,
    ResourceProvider,
    UpdateResult,
)

from .engine import EngineCall, current_call
from .errors import NoCredential, OpenRelayError
from .lifecycle.sentences import known

LEFTOVER_SECONDS = 20.0

_OWNERS: WeakKeyDictionary[Any, Owner] = WeakKeyDictionary()


class OwnerProvider(ResourceProvider):
    """Its module path and name never change: they stand in every state."""

    serialize_as_secret_always = False

    def __reduce__(self) -> tuple[type[OwnerProvider], tuple[()]]:
        return (OwnerProvider, ())

    def configure(self, req: ConfigureRequest) -> None:
        self._get = req.config.get

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> DiffResult:
        return DiffResult(changes=False)

    def create(self, props: dict[str, Any]) -> CreateResult:
        return CreateResult(secrets.token_hex(8), dict(props))

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        return ReadResult(id_, dict(props))

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        return UpdateResult(dict(_news))

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        """The stack ends, and this is the last of it: say what is still there all the same."""
        call = current_call()
        try:
            self._warn_of_leftovers(call, _id)
        except Exception as error:  # noqa: BLE001 - all that was to be ended has been
            call.warn(_not_looked(known(error)))

    def _warn_of_leftovers(self, call: EngineCall, owner: str) -> None:
        from .lifecycle.leftovers import warn_of_leftovers
        from .lifecycle.service import SERVICES
        from .plugin import session

        import_module("pulumi_openrelay.relay")  # whose kinds are there once it is imported
        call.deadline = call.now() + LEFTOVER_SECONDS
        for service in SERVICES.values():
            try:
                warn_of_leftovers(session(self._get, service), service, call, owner)
            except NoCredential:
                continue  # without a key, this stack made nothing there
            except OpenRelayError as error:
                call.warn(f"{service.title}: {_not_looked(error)}")


def _not_looked(error: OpenRelayError) -> str:
    return f"what this stack may have left behind could not be looked for: {error.what}"


class Owner(pulumi.dynamic.Resource, module="openrelay", name="Owner"):
    """The owner of what this stack makes. The package makes one by itself."""

    def __init__(self) -> None:
        super().__init__(OwnerProvider(), "openrelay", {})


def owner_of_this_stack() -> Owner:
    """The stack's owner, made when its first resource is. An Automation API program has several
    stacks in one process, one root resource each."""
    root = pulumi.runtime.get_root_resource()
    if root is None:
        return Owner()
    if root not in _OWNERS:
        _OWNERS[root] = Owner()
    return _OWNERS[root]
