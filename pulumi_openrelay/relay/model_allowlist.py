"""The models that the account's keys may use: `/v2/customer/model-allowlist`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ..lifecycle.declare import Inputs, Kind, Row, in_place
from ..lifecycle.fields import InList, same_set, updates
from ..resource import Resource
from .model_name import not_models, remarks

if TYPE_CHECKING:
    from ..lifecycle.remote import Remote


class ModelAllowlist(Resource, module="relay", name="ModelAllowlist"):
    """The models that the account's keys may use, but for its superkey: there is one list.

    A delete restores what it found, which is no restriction where there was none; a list that is
    not as this stack has set it is left alone, with a warning.

    API: `updateModelAllowlist`, `getModelAllowlist`.
    """

    models: InList[str] = updates(
        in_create=False, wire="model_allowlist", same=same_set, min_length=1, problem=not_models
    )
    """Full names (`ModelName`), such as `direct.openai.gpt-4o-mini`; at least one. The output is
    empty where another hand has lifted the restriction, which the next `pulumi up` sets again."""


class ModelAllowlistKind(Kind, resource=ModelAllowlist):
    noun = "model allowlist"
    singleton = True
    detail = "/v2/customer/model-allowlist"

    def remarks(self, inputs: Inputs) -> Iterator[str]:
        return remarks("models", inputs.get("models"))

    def derived(self, row: Row) -> dict[str, Any]:
        # null, no restriction at all, is a fact like any other: what the program wants is lost.
        lifted = "model_allowlist" in row and row["model_allowlist"] is None
        return {"models": []} if lifted else {}

    @in_place("models")
    def set_models(self, account: Remote) -> None:
        # null lifts the restriction.
        body = {"model_allowlist": account.new.get("models")}
        account.send("PATCH", "/v2/customer/model-allowlist", body)
