"""Organizations, API keys and who is calling: `GET /v1/whoami`.

A key is bound to one organization. Creating and revoking keys through the API is
not served; keys come from the command line and the control path.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from .area import AdmittedRequest, Area, Served
from .billing import OPENING_CENTS
from .json_values import fits
from .store import Owned, Record, contents
from .wire import Refusal, timestamp, without_none

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .world import World


@dataclass(kw_only=True)
class Organization(Record):
    """Money in cents; what its machines accrue is in `billing`."""

    name: str
    balance_cents: int = 0  # the ledger: deposits and credits
    ended_cents: float = 0.0  # what sessions that have ended cost
    open_sessions: list[str] = field(default_factory=list)
    announced_cents: int | None = None  # the lowest threshold announced; None above all

    @property
    def owner_id(self) -> str:
        return self.id


@dataclass(kw_only=True)
class ApiKey(Owned):
    """`secret` is the whole key; `permissions` None may do everything."""

    name: str
    secret: str
    revoked_time: float | None = None
    expires_time: float | None = None
    permissions: list[str] | None = None


# An operation without a key is called by the first organization.
Call: TypeAlias = "AdmittedRequest[World, Organization]"


def authenticate(world: World, headers: Mapping[str, str]) -> ApiKey:
    """The key of a request. Which codes a missing or unknown key gets is unknown."""
    scheme, _, secret = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not secret:
        raise Refusal(401, "Send an API key: Authorization: Bearer <key>.", "MISSING_API_KEY")
    key = world.api_key(secret)
    if key is None:
        raise Refusal(401, "This API key is not valid.", "INVALID_API_KEY")
    if key.revoked_time is not None:
        raise Refusal(401, "This API key was revoked.", "REVOKED_API_KEY")
    if key.expires_time is not None and key.expires_time <= world.now:
        raise Refusal(401, "This API key has expired.", "EXPIRED_API_KEY")
    return key


def require(key: ApiKey, permission: str) -> None:
    if key.permissions is not None and permission not in key.permissions:
        raise Refusal(
            403,
            f"This API key may not do that: it lacks {permission}.",
            permission=permission,
            deniedBy="key",
        )


def require_organization(key: ApiKey, organization_id: str, permission: str) -> None:
    if organization_id != key.owner_id:
        raise Refusal(
            403,
            "This API key belongs to another organization.",
            permission=permission,
            deniedBy="role",
        )


def _whoami(call: Call) -> dict[str, Any]:
    key = authenticate(call.world, call.headers)
    expires = key.expires_time
    days = None if expires is None else int((expires - call.world.now) // 86_400)
    described = without_none(
        id=key.id,
        name=key.name,
        prefix=key.secret[:6],
        expiresAt=timestamp(expires),
        expiresInDays=days,
    )
    return without_none(
        organizationId=call.caller.id,
        organizationName=call.caller.name,
        principalType="api_key",
        keyKind="org",
        key=described,
        permissions=key.permissions,
    )


_NEW_KEY = {
    "secret": "str",
    "organization": "str",
    "balance_cents": "int",
    "permissions": "list[str] | None",
    "revoked": "bool",
    "expires_in_seconds": "float",
}


def _add_key(world: World, body: dict[str, Any]) -> dict[str, Any]:
    if "secret" not in body or not {*body} <= {*_NEW_KEY}:
        raise ValueError(f"a key has a secret, and of these what is wanted: {[*_NEW_KEY]}.")
    for name, value in body.items():
        if not fits(value, _NEW_KEY[name]):
            raise ValueError(f"{name} is of type {_NEW_KEY[name]}.")
    organization = world.first_organization
    if "organization" in body:
        balance = body.get("balance_cents", OPENING_CENTS)
        organization = world.add_organization(body["organization"], balance)
    key = world.api_key(body["secret"]) or world.add_key(body["secret"], organization.id)
    if "permissions" in body:
        key.permissions = body["permissions"]
    if "revoked" in body:
        key.revoked_time = world.now if body["revoked"] else None
    if "expires_in_seconds" in body:
        key.expires_time = world.now + body["expires_in_seconds"]
    return contents(key)


def _list_keys(world: World, _body: dict[str, Any]) -> list[dict[str, Any]]:
    return [contents(key) for key in world.store.table(ApiKey).values()]


AREA = Area(
    operations={"whoami": Served(_whoami, needs="self.read")},
    records=(Organization, ApiKey),
    control={("POST", "keys"): _add_key, ("GET", "keys"): _list_keys},
)
