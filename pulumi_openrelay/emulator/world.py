"""OpenRelay's world: its organizations and keys, and who is let in."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from . import access, billing, capacity, inference_states, openrelay, webhooks
from .access import ApiKey, Organization
from .control_plane import ControlPlane
from .inference_states import Cluster
from .openrelay import OpenRelaySettings
from .vm_states import Vm
from .wire import Refusal, without_none

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from .deliveries import Attempt, Delivery
    from .operation import Operation, WrongRequest
    from .wire import Request


class World(ControlPlane):
    """One emulated OpenRelay. What it has in common with every service is in ControlPlane.

    `keys` are API keys of the first organization, which starts with `balance_cents`;
    there is at least one. With a state file that has a world in it, the balance is the
    file's. `settings` are changes to `OpenRelaySettings`.
    """

    service = openrelay.SERVICE
    settings_kind = OpenRelaySettings

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.time,
        seed: int = 0,
        keys: Iterable[str] = ("or_local",),
        balance_cents: int = billing.OPENING_CENTS,
        state: Path | None = None,
        check_answers: bool = False,
        **settings: Any,
    ) -> None:
        super().__init__(
            clock=clock, seed=seed, state=state, check_answers=check_answers, settings=settings
        )
        self._keys: dict[str, ApiKey] = {}
        keys = list(keys)
        self.key = keys[0]
        if self.is_new:
            capacity.create_nodes(self)
            self.add_organization("Emulated organization", balance_cents)
        for key in self.store.table(ApiKey).values():
            self._keys[key.secret] = key
        for secret in keys:
            if secret not in self._keys:
                self.add_key(secret, self.first_organization.id)
        self.advance()

    @property
    def settings(self) -> OpenRelaySettings:
        return self.store.table(OpenRelaySettings)["settings"]

    def admit(self, request: Request, needs: str | None, path: Mapping[str, str]) -> Organization:
        if needs is None:
            return self.first_organization
        key = access.authenticate(self, request.headers)
        if "orgId" in path:
            access.require_organization(key, path["orgId"], needs)
        access.require(key, needs)
        return self.organization(key.owner_id)

    def refuse(self, operation: Operation, wrong: WrongRequest) -> Refusal:
        return Refusal(400, str(wrong))

    def error_body(self, status: int, sentence: str, code: str | None, **fields: object) -> Any:
        return without_none(error=sentence, code=code, **fields)

    def prepare(self, attempt: Attempt) -> Delivery | str:
        return webhooks.prepare(self, attempt)

    # For tests

    @property
    def first_organization(self) -> Organization:
        return next(iter(self.store.table(Organization).values()))

    def live_vms(self) -> list[Vm]:
        """The VMs that are not terminated, oldest first."""
        return [vm for vm in self.store.table(Vm).values() if vm.status != "terminated"]

    def live_clusters(self) -> list[Cluster]:
        return [c for c in self.store.table(Cluster).values() if c.status != "terminated"]

    # For the areas

    def emit(self, owner_id: str, subject_id: str, event: str, data: dict[str, Any]) -> None:
        """Queue a webhook event for whoever listens."""
        webhooks.emit(self, owner_id, subject_id, event, data)

    def room_was_made(self) -> None:
        """Units of a node are free again, perhaps: what waits for some tries soon."""
        inference_states.try_again(self)

    def organization(self, organization_id: str) -> Organization:
        return self.store.table(Organization)[organization_id]

    def add_organization(self, name: str, balance_cents: int) -> Organization:
        organization = Organization(id=self.new_id("org"), name=name)
        self.store.add(organization)
        billing.set_available(self, organization, balance_cents, "Opening balance")
        return organization

    def api_key(self, secret: str) -> ApiKey | None:
        return self._keys.get(secret)

    def add_key(self, secret: str, owner_id: str, **fields: Any) -> ApiKey:
        key = ApiKey(**self.new(owner_id), name=secret[:6], secret=secret, **fields)
        self.store.add(key)
        self._keys[secret] = key
        return key
