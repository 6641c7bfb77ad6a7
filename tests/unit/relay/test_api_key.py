"""Keys: what changes, what stays, and what is never touched."""

from __future__ import annotations

from typing import Any

import pytest

from pulumi_openrelay.api.client import Client
from pulumi_openrelay.api.relay import Relay
from pulumi_openrelay.config import RelaySettings
from pulumi_openrelay.emulator import RelayWorld
from pulumi_openrelay.emulator.relay.access import ApiKey
from pulumi_openrelay.lifecycle.session import Session

from ...contract.support import _Wire
from ...simulation.scheduler import Process
from .support import OperationFailed, Stack, account, one


def key(**inputs: Any) -> Any:
    return one("ApiKey", **inputs)


def held(stack: Stack) -> ApiKey:
    """The key as the emulator has it."""
    found: ApiKey = stack.world.store.table(ApiKey)[stack.record().id]
    return found


class TestTheBudget:
    def test_a_number_sets_it(self) -> None:
        stack = account("ApiKey")
        stack.up(key(key_budget=5))
        assert held(stack).key_budget == 5
        assert stack.up(key(key_budget=7.5)) == ["updateKey"]
        assert held(stack).key_budget == 7.5

    def test_unlimited_lifts_it(self) -> None:
        stack = account("ApiKey")
        stack.up(key(key_budget=5))
        assert stack.up(key(key_budget="unlimited")) == ["updateKey"]
        assert held(stack).key_budget is None

    def test_left_out_it_stays_as_it_is(self) -> None:
        stack = account("ApiKey")
        stack.up(key(key_budget=5))
        assert stack.up(key()) == []
        stack.up(key(rate_limits={"global": 10}))
        assert held(stack).key_budget == 5

    def test_a_topup_by_another_hand_is_drift_where_the_program_says_a_number(self) -> None:
        stack = account("ApiKey")
        stack.up(key(key_budget=5))
        stack.world.call("POST", f"/v2/customer/keys/{stack.record().id}/topup", {"amount": 2})
        stack.refresh()
        assert stack.record().inputs["key_budget"] == 7


class TestRestrictions:
    MODELS = ("direct.openai.gpt-5.4-mini", "opengpu.ollama.gpt-oss:20b")

    def test_they_are_replaced_whole_and_none_is_lost(self) -> None:
        stack = account("ApiKey")
        stack.up(key(model_restrictions=list(self.MODELS), rate_limits={"direct": 5}))
        stack.up(key(model_restrictions=[self.MODELS[0]], rate_limits={"direct": 5}))
        assert held(stack).restrictions == {
            "model_restrictions": [self.MODELS[0]],
            "rate_limits": {"direct": 5},
        }

    def test_left_out_they_are_lifted(self) -> None:
        stack = account("ApiKey")
        stack.up(key(model_restrictions=list(self.MODELS), rate_limits={"direct": 5}))
        assert stack.up(key()) == ["updateKey"]
        assert held(stack).restrictions == {}

    def test_their_order_changes_nothing(self) -> None:
        stack = account("ApiKey")
        stack.up(key(model_restrictions=list(self.MODELS)))
        assert stack.up(key(model_restrictions=list(reversed(self.MODELS)))) == []

    def test_a_model_of_a_later_api_is_sent_with_a_warning(self) -> None:
        """The API decides; this emulator knows no such source."""
        stack = account("ApiKey")
        with pytest.raises(OperationFailed, match="400"):
            stack.up(key(model_restrictions=["direct.hologram.gpt-9"]))
        assert "names the source hologram, which is not one of" in stack.engine.warnings[0]


def test_a_rotation_leaves_the_old_key_until_the_new_one_is_there() -> None:
    stack = account("ApiKey")
    stack.up(key(rotation=1))
    old, secret = stack.record().id, stack.record().outputs["key"]
    calls = stack.up(key(rotation=2))
    assert calls == ["createKey", "revokeKey", "deleteKey"]
    assert stack.record().id != old
    assert stack.record().outputs["key"] not in (secret, None)
    stack.assert_nothing_lost()


def test_a_rotation_of_a_key_whose_name_the_program_chose_is_refused() -> None:
    stack = account("ApiKey")
    with pytest.raises(AssertionError, match="stand together"):
        stack.up(key(rotation=1, name="worker"))


class TestTheSuperkey:
    def test_the_first_key_of_a_custom_tier_is_told_to_have_become_it(self) -> None:
        stack = _stack_of_a_new_customer()
        stack.up(key(key_budget=5))
        assert "it has become the account's superkey" in "".join(stack.engine.warnings)

    @pytest.mark.parametrize("kept", ["is_superkey", "system"])
    def test_it_is_neither_changed_nor_revoked_nor_deleted(self, kept: str) -> None:
        stack = account("ApiKey")
        stack.up(key())
        stack.another_hand({kept: True})
        stack.refresh()
        with pytest.raises(
            OperationFailed, match=r"key_budget cannot change: it is .*key; nothing"
        ):
            stack.up(key(key_budget=1))
        with pytest.raises(OperationFailed, match=r"it is not deleted, because it is .*stays rec"):
            stack.destroy()
        assert held(stack).status == "active"
        assert [e.method for e in stack.world.log.entries] == []


def _stack_of_a_new_customer() -> Stack:
    stack = account("ApiKey")
    assert isinstance(stack.world, RelayWorld)
    stack.world.add_customer("Other", "jwt_other")
    settings = RelaySettings(None, "nowhere", "jwt_other", "the test", "", 9)

    def connect(process: Process) -> Session:
        wire = _Wire(stack, process)
        client = Client("http://relay.test", Relay(settings), wire, max_retries=9)
        return Session(client, None, stack.journal)

    stack.engine.connect = connect
    return stack
