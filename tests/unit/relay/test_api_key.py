"""Keys: what changes, what stays, and what is never touched."""

from __future__ import annotations

from typing import Any

import pytest

from pulumi_openrelay.emulator import Answer, RelayWorld, Request
from pulumi_openrelay.emulator.relay.access import ApiKey
from pulumi_openrelay.relay.api_key import may_be

from .support import Death, OperationFailed, Stack, account, one, speak_as


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
            OperationFailed,
            match=r"key_budget cannot change: it is .*key; nothing was changed; take the change ba",
        ):
            stack.up(key(key_budget=1))
        with pytest.raises(OperationFailed, match=r"it is not deleted, because it is .*stays rec"):
            stack.destroy()
        assert held(stack).status == "active"
        assert [e.method for e in stack.world.log.entries] == []

    @pytest.mark.parametrize("kept", ["is_superkey", "system"])
    def test_nor_is_one_that_has_become_it_since_it_was_recorded(self, kept: str) -> None:
        stack = account("ApiKey")
        stack.up(key())
        stack.another_hand({kept: True})
        with pytest.raises(
            OperationFailed, match=r"key_budget cannot change: it is .*; nothing was changed \("
        ):
            stack.up(key(key_budget=1))
        with pytest.raises(OperationFailed, match=r"could not be deleted: it is .*`pulumi state d"):
            stack.destroy()
        assert held(stack).status == "active"
        assert {e.method for e in stack.world.log.entries} == {"GET"}


class TestADeleteThatFails:
    """A key is revoked before it is deleted."""

    def failing(self, stack: Stack) -> str:
        stack.world.faults.status(403, "DELETE", "/keys/", error="not now")
        with pytest.raises(OperationFailed) as failure:
            stack.destroy()
        return str(failure.value)

    def test_it_says_that_the_key_is_revoked_each_time_and_how_to_keep_it(self) -> None:
        stack = account("ApiKey")
        stack.up(key())
        for calls in (["POST", "DELETE"], ["DELETE"]):
            said = self.failing(stack)
            assert f"it is revoked by now, and stays recorded ({stack.record().id})" in said
            assert said.endswith(
                "to keep it, run `pulumi refresh` and `pulumi up`, which takes that back"
            )
            entries = stack.world.log.entries
            assert [e.method for e in entries if e.method != "GET"] == calls
        stack.refresh()
        assert stack.up(key()) == ["unrevokeKey"]
        assert held(stack).status == "active"

    def test_of_one_that_is_replaced_nothing_is_to_be_kept(self) -> None:
        stack = account("ApiKey")
        stack.up(key(rotation=1))
        stack.world.faults.status(403, "DELETE", "/keys/", error="not now")
        with pytest.raises(OperationFailed) as failure:
            stack.up(key(rotation=2))
        assert "it is revoked by now, and stays recorded" in str(failure.value)
        assert "to keep it" not in str(failure.value)


class TestWhatARotationLoses:
    def test_a_budget_that_the_program_no_longer_gives_is_warned_of(self) -> None:
        stack = account("ApiKey")
        stack.up(key(rotation=1, key_budget=10))
        stack.up(key(rotation=1))
        stack.up(key(rotation=2))
        (said,) = stack.engine.warnings
        assert "key_budget is 10, and the new key has the API's default" in said
        assert "give key_budget=10 to keep it" in said

    def test_so_is_what_another_hand_has_set(self) -> None:
        stack = account("ApiKey")
        stack.up(key(rotation=1))
        stack.another_hand({"key_budget": 25, "instances_allowed": False})
        stack.refresh()
        stack.up(key(rotation=2))
        said = "".join(stack.engine.warnings)
        assert "key_budget is 25" in said
        assert "give instances_allowed=False to keep it" in said

    def test_what_the_program_gives_or_nobody_has_set_is_not(self) -> None:
        for given in ({"key_budget": 10, "instances_allowed": False}, {}):
            stack = account("ApiKey")
            stack.up(key(rotation=1, **given))
            stack.up(key(rotation=2, **given))
            assert stack.engine.warnings == []


GENERATED: dict[str, Any] = {}
CHOSEN = {"name": "worker"}
NAMES = pytest.mark.parametrize("name", [GENERATED, CHOSEN], ids=["generated", "chosen"])


class TestANameThatIsTaken:
    """A name is unique, and a list that lags behind does not show by what it was taken."""

    @NAMES
    def test_what_a_lost_answer_made_is_ended_as_soon_as_it_shows(
        self, name: dict[str, Any]
    ) -> None:
        stack = account("ApiKey", list_lag_seconds=15.0)
        match = {"method": "POST", "path_regex": "/keys$"}
        stack.world.faults.add({"match": match, "action": "lose_answer"})
        stack.up(key(**name))
        assert stack.record().outputs["key"] == held(stack).secret
        stack.assert_nothing_lost()

    @pytest.mark.parametrize("lag", [0.0, 30.0])
    @pytest.mark.parametrize("fault", ["drop", "status"])
    def test_what_came_up_after_the_answer_was_lost_is_named_and_not_touched(
        self, fault: str, lag: float
    ) -> None:
        """Another stack makes one of the very same name and inputs meanwhile."""
        stack = account("ApiKey", list_lag_seconds=lag)
        theirs, sent = list[str](), list[float]()
        handle, clock = stack.world.handle, stack.scheduler.clock

        def meanwhile(request: Request) -> Answer:
            if request.method == "POST" and request.path.endswith("/keys") and not sent:
                sent.append(clock.seconds)
                body = b'{"detail": "Bad gateway."}'
                return Answer(0, drop=True) if fault == "drop" else Answer(502, body=body)
            if sent and not theirs and clock.seconds > sent[0] + 2:
                theirs.append("")
                made = stack.world.call("POST", "/v2/customer/keys", CHOSEN)
                theirs[0] = made.json()["key_id"]
            return handle(request)

        stack.world.handle = meanwhile  # type: ignore[method-assign]
        with pytest.raises(OperationFailed) as failure:
            stack.up(key(**CHOSEN))
        held = "nothing was created" if lag else "whether it was created is unknown"
        assert f"exists already ({theirs[0]}); {held}; choose" in str(failure.value)
        assert stack.alive() == set(theirs)
        assert stack.world.store.table(ApiKey)[theirs[0]].status == "active"

    def test_what_a_late_list_shows_of_before_the_create_is_named_and_not_touched(self) -> None:
        stack = account("ApiKey", list_lag_seconds=15.0)
        theirs = stack.world.call("POST", "/v2/customer/keys", CHOSEN).json()["key_id"]
        stack.scheduler.clock.advance(3)
        stack.world.faults.status(502, "POST", "/keys$", times=1)
        with pytest.raises(OperationFailed, match=rf"exists already \({theirs}\)"):
            stack.up(key(**CHOSEN))
        assert stack.alive() == {theirs}
        assert stack.world.store.table(ApiKey)[theirs].status == "active"

    def test_so_is_what_a_killed_create_of_a_name_of_our_own_made(self) -> None:
        stack = account("ApiKey", list_lag_seconds=15.0)
        self.kill(stack, GENERATED)
        stack.up(key())
        assert stack.record().outputs["key"] == held(stack).secret
        stack.assert_nothing_lost()

    @NAMES
    def test_what_does_not_show_in_time_is_not_known_to_be_there(
        self, name: dict[str, Any]
    ) -> None:
        stack = account("ApiKey", list_lag_seconds=60.0)
        self.kill(stack, name)
        with pytest.raises(OperationFailed, match="whether it was created is unknown; run `pulumi"):
            stack.up(key(**name))
        assert len(stack.alive()) == 1

    def test_what_a_killed_create_of_a_chosen_name_made_is_named_and_not_touched(self) -> None:
        """Such a name proves nothing, and no key can be taken over."""
        stack = account("ApiKey", list_lag_seconds=15.0)
        self.kill(stack, CHOSEN)
        (left,) = stack.alive()
        with pytest.raises(OperationFailed) as failure:
            stack.up(key(**CHOSEN))
        assert f"choose another name, or revoke and delete {left} if a run" in str(failure.value)
        assert "adopt" not in str(failure.value)
        assert stack.alive() == {left}

    def test_a_refusal_for_another_reason_is_told_at_once(self) -> None:
        stack = account("ApiKey")
        error = "`rate_limits` are too high."
        stack.world.faults.status(400, "POST", "/keys$", error=error)
        before = stack.scheduler.clock()
        with pytest.raises(OperationFailed, match=r"too high.*nothing was created; correct it"):
            stack.up(key())
        assert stack.scheduler.clock() - before < 5

    def kill(self, stack: Stack, name: dict[str, Any]) -> None:
        for request in range(1, 9):
            stack.death = Death(request, after_the_work=True)
            with pytest.raises(OperationFailed):
                stack.up(key(**name))
            if stack.alive():
                break
        stack.death = None
        stack.scheduler.clock.advance(5)


@pytest.mark.parametrize(
    ("shown", "fits"),
    [
        ("relay_sk_ab…wxyz", True),
        ("relay_sk_a****", True),
        ("...xyz", True),
        ("relay_sk_ac…wxyz", False),
        ("relay_sk_ab…wxy", False),
        ("relay_sk_ab", False),
        (None, False),
    ],
)
def test_a_masked_key_is_recognized_by_what_it_shows(shown: str | None, fits: bool) -> None:
    assert may_be({"key": shown, "status": "active"}, "relay_sk_abcdefwxyz") is fits
    assert not may_be({"key": shown, "status": "revoked"}, "relay_sk_abcdefwxyz")


def _stack_of_a_new_customer() -> Stack:
    stack = account("ApiKey")
    assert isinstance(stack.world, RelayWorld)
    stack.world.add_customer("Other", "jwt_other")
    speak_as(stack, None, "jwt_other")
    return stack
