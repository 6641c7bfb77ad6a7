"""API keys: `/v2/customer/keys`."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from typing import TYPE_CHECKING, Any, Literal

from ..api.pages import Pages
from ..errors import Conflict, OpenRelayError, Rejected
from ..lifecycle.declare import Create, Delete, Inputs, Kind, Listed, Row, in_place
from ..lifecycle.fields import In, InList, InMap, Out, output, replaces, same_set, updates
from ..resource import Resource
from .model_name import not_models, remarks

if TYPE_CHECKING:
    from ..lifecycle.remote import Remote

RESERVED = "__"
LIMITS = ("direct", "opengpu", "global")


def _not_a_name(name: str) -> str | None:
    if name.startswith(RESERVED):
        return f"should not begin with {RESERVED}, which is reserved"
    return None if name.strip() else "should not be blank"


def _not_limits(limits: dict[str, int]) -> str | None:
    strange = sorted(set(limits) - set(LIMITS))
    if strange:
        return f"has no {', '.join(map(repr, strange))}; there are {', '.join(LIMITS)}"
    return "should be at least 1 each" if any(limit < 1 for limit in limits.values()) else None


def _not_a_budget(budget: float | str) -> str | None:
    return "should be at least 0" if not isinstance(budget, str) and budget < 0 else None


class ApiKey(Resource, module="relay", name="ApiKey"):
    """A key for inference and instances, with its own budget and restrictions.

    The secret is shown once, when the key is made, and kept as a Pulumi secret. Everything but
    `rotation` changes in place. A delete revokes the key first. The account's superkey, which the
    first key of a custom tier becomes, and system keys are neither changed nor deleted here.

    API: `createKey`, `updateKey`, `revokeKey`, `unrevokeKey`, `deleteKey`, `listKeys`.
    """

    name: In[str | None] = updates(default=None, min_length=1, problem=_not_a_name)
    """What the key is called, unlike any other of the account. Default: made of the resource's
    name."""
    key_budget: In[int | float | Literal["unlimited"] | None] = updates(
        default=None, problem=_not_a_budget
    )
    """US dollars that the key may spend; `unlimited` lifts the budget. Default: what it is stays as
    it is, which for a new key is unlimited."""
    model_restrictions: InList[str] = updates(
        default=None, same=same_set, absent=[], problem=not_models
    )
    """The key's own `model_restrictions`, full names (`ModelName`) that the API adds to those of
    the account's tier, which are models that the tier may not use. Whether a key's are meant the
    same way the API does not say outright: let an `InferenceCheck` prove what the key can use, and
    `ModelAllowlist` say what is allowed. Default: none beside the tier's."""
    rate_limits: InMap[int] = updates(default=None, absent={}, problem=_not_limits)
    """Requests a minute, for `direct`, `opengpu` and `global`, at most the tier's. Default: the
    tier's."""
    instances_allowed: In[bool | None] = updates(default=None, in_create=False)
    """Whether it may rent instances. Default: the API's."""
    enabled: In[bool | None] = updates(default=None, absent=True, in_create=False)
    """False revokes it, and True takes that back. Default: True."""
    rotation: In[str | int | None] = replaces(default=None, readable=False, in_create=False)
    """Any text or number: a change makes a new key, in place of an imported one too, and deletes
    the old one at the end of the update, when whatever uses it has the new one. Needs `name` left
    out. A `key_budget` or `instances_allowed` that the program does not give is not the new key's,
    and a warning says so."""

    key: Out[str | None] = output(secret=True, readable=False)
    """The secret, `relay_sk_...`; None for a key that this stack did not make."""
    status: Out[str] = output()
    """`active` or `revoked`."""
    is_superkey: Out[bool | None] = output()
    """Whether it manages the account's other keys."""
    system: Out[bool | None] = output()
    """Whether it is Relay's own."""
    created_at: Out[str] = output()
    """When it was made: RFC 3339, UTC."""
    last_used_at: Out[str | None] = output()
    """When it was last used, as of the last refresh; None for never."""


class ApiKeyKind(Kind, resource=ApiKey):
    noun = "API key"
    listed = Listed(
        "/v2/customer/keys",
        pages=Pages(items="keys", cursor="next_cursor", asks="starting_after", more="has_more"),
        key="key_id",
    )
    create = Create("/v2/customer/keys")
    delete = Delete(
        "DELETE", "/v2/customer/keys/{id}", after="/v2/customer/keys/{id}/revoke", makes="revoked"
    )
    shown_once = True
    anew = "rotation"
    unique_names = True

    def problems(self, inputs: Inputs, known: Callable[..., bool]) -> Iterator[tuple[str, str]]:
        if inputs.get("rotation") is not None and inputs.get("name") is not None:
            yield "name", "should be left out with rotation: the old and the new key stand together"

    def remarks(self, inputs: Inputs) -> Iterator[str]:
        return remarks("model_restrictions", inputs.get("model_restrictions"))

    def body(self, inputs: Inputs) -> dict[str, Any]:
        body: dict[str, Any] = {"name": inputs["name"]}
        if inputs.get("key_budget") not in (None, "unlimited"):
            body["key_budget"] = inputs["key_budget"]
        if restrictions := _restrictions(inputs):
            body["restrictions"] = restrictions
        return body

    def derived(self, row: Row) -> dict[str, Any]:
        told: dict[str, Any] = {}
        restrictions = row.get("restrictions")
        if isinstance(restrictions, dict):
            limits = restrictions.get("rate_limits") or {}
            told["model_restrictions"] = list(restrictions.get("model_restrictions") or [])
            told["rate_limits"] = {k: limits[k] for k in LIMITS if limits.get(k) is not None}
        if "key_budget" in row and row["key_budget"] is None:
            told["key_budget"] = "unlimited"
        if row.get("status") in ("active", "revoked"):
            told["enabled"] = row["status"] == "active"
        return told

    def impossible(
        self, old: Row, new: Inputs, updates: Collection[str]
    ) -> Iterator[tuple[str, str]]:
        why = self.kept(old)
        if updates and why is not None:
            yield ", ".join(sorted(updates)), f"cannot change: {why}"

    def lost(self, old: Row, new: Inputs) -> Iterator[str]:
        for name, free in (("key_budget", "unlimited"), ("instances_allowed", True)):
            if new.get(name) is None and old.get(name) not in (None, free):
                yield (
                    f"{name} is {old[name]}, and the new key has the API's default, since the "
                    f"program does not give it: give {name}={old[name]!r} to keep it"
                )

    def kept(self, old: Row) -> str | None:
        if old.get("is_superkey") is True:
            return "it is the account's superkey"
        return "it is a system key" if old.get("system") is True else None

    @in_place("name", "key_budget", "model_restrictions", "rate_limits", "instances_allowed")
    def change(self, key: Remote) -> None:
        new, changing = key.new, key.changing
        body: dict[str, Any] = {
            name: new[name]
            for name in ("name", "instances_allowed")
            if name in changing and new.get(name) is not None
        }
        if "key_budget" in changing:
            body["key_budget"] = None if new["key_budget"] == "unlimited" else new["key_budget"]
        if changing & {"model_restrictions", "rate_limits"}:
            body["restrictions"] = _restrictions(new)
        key.send("PATCH", "/v2/customer/keys/{id}", body)

    @in_place("enabled")
    def enable(self, key: Remote) -> None:
        verb = "revoke" if key.new.get("enabled") is False else "unrevoke"
        try:
            key.send("POST", f"/v2/customer/keys/{{id}}/{verb}", repeatable=True)
        except (Conflict, Rejected):
            # It may be done already, by a request whose answer was lost.
            if key.look().get("status") != ("revoked" if verb == "revoke" else "active"):
                raise

    def set_aside(self, remote: Remote, name: str) -> bool:
        remote.send("PATCH", "/v2/customer/keys/{id}", {"name": name})
        return True

    def surprises(self, row: Row) -> Iterator[str]:
        if row.get("is_superkey") is True:
            yield (
                "it has become the account's superkey, as the first key of a custom tier does: it "
                "manages every other key, and is neither changed nor deleted here"
            )

    def taken(self, row: Row) -> OpenRelayError:
        return OpenRelayError(
            f"one of the name {row.get('name')!r} exists already ({row['id']})",
            f"choose another name, or revoke and delete {row['id']} if a run that was cut off made "
            f"it, whose secret nobody has",
        )

    def shown(self, row: Row) -> dict[str, Any]:
        return {"key": row.get("key")}


def may_be(row: Row, secret: str) -> bool:
    """Whether a row may be of the key with this secret, of which it shows the beginning and the
    end at most."""
    shown = re.fullmatch(r"([\w-]*)[^\w-]+([\w-]*)", str(row.get("key")), re.ASCII)
    if shown is None or row.get("status") == "revoked":
        return False
    return secret.startswith(shown[1]) and secret.endswith(shown[2])


def _restrictions(inputs: Inputs) -> dict[str, Any]:
    """All of them, since the API replaces them whole."""
    restrictions: dict[str, Any] = {}
    if inputs.get("model_restrictions"):
        restrictions["model_restrictions"] = inputs["model_restrictions"]
    if inputs.get("rate_limits"):
        restrictions["rate_limits"] = inputs["rate_limits"]
    return restrictions
