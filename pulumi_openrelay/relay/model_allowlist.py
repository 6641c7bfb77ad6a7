"""The models that the account's keys may use: `/v2/customer/model-allowlist`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lifecycle.declare import Kind, in_place
from ..lifecycle.fields import InList, updates
from ..resource import Resource

if TYPE_CHECKING:
    from ..lifecycle.remote import Remote


def _same_set(old: list[str], new: list[str]) -> bool:
    return set(old) == set(new)


class ModelAllowlist(Resource, module="relay", name="ModelAllowlist"):
    """The models that the account's keys may use: there is one list. A delete restores what it
    found, which is no restriction where there was none.

    API: `updateModelAllowlist`, `getModelAllowlist`.
    """

    models: InList[str] = updates(
        in_create=False, wire="model_allowlist", same=_same_set, min_length=1
    )
    """Full names, such as `direct.openai.gpt-4o-mini`."""


class ModelAllowlistKind(Kind, resource=ModelAllowlist):
    noun = "model allowlist"
    singleton = True
    detail = "/v2/customer/model-allowlist"

    @in_place("models")
    def set_models(self, account: Remote) -> None:
        # null lifts the restriction.
        body = {"model_allowlist": account.new.get("models")}
        account.send("PATCH", "/v2/customer/model-allowlist", body)
