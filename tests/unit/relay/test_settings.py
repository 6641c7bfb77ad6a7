"""Settings of the account: set, and put back as they were found."""

from __future__ import annotations

import contextlib
import json
from dataclasses import replace
from typing import Any

import pytest

from pulumi_openrelay.emulator import Answer, RelayWorld, Request
from pulumi_openrelay.emulator.relay.webhooks import secret_of
from pulumi_openrelay.lifecycle.sentences import Failed

from ...simulation.engine import Declared, Program
from ...simulation.journal import Notes
from .support import Death, OperationFailed, Stack, account, one

MODELS = ["direct.openai.gpt-5.4-mini"]
OTHERS = ["direct.ollama.gpt-oss:20b"]


def world(stack: Stack) -> RelayWorld:
    assert isinstance(stack.world, RelayWorld)
    return stack.world


def allowlist(stack: Stack) -> Any:
    return world(stack).first_customer.model_allowlist


def threshold(stack: Stack) -> float:
    return world(stack).first_customer.warning_threshold


def secrets(stack: Stack) -> list[str]:
    """Those that are valid, the newest first."""
    w = world(stack)
    return secret_of(w, w.first_customer.id).valid(w.now)


def tell_always(stack: Stack, field: str, value: str) -> None:
    """Let the API tell this of the webhook secret, whatever the time."""
    handle = stack.world.handle

    def telling(request: Request) -> Answer:
        answer = handle(request)
        if not request.path.endswith("/webhook-secret"):
            return answer
        return replace(answer, body=json.dumps({**json.loads(answer.body), field: value}).encode())

    stack.world.handle = telling  # type: ignore[method-assign]


class TestTheAllowlist:
    @pytest.mark.parametrize("found", [None, OTHERS])
    def test_a_delete_puts_back_what_was_found(self, found: list[str] | None) -> None:
        stack = account()
        world(stack).first_customer.model_allowlist = found
        stack.up(one("ModelAllowlist", models=MODELS))
        assert allowlist(stack) == MODELS
        stack.destroy()
        assert allowlist(stack) == found

    def test_what_was_found_survives_a_crash(self) -> None:
        """The create has set it, and died before it was recorded."""
        for request in range(1, 5):
            stack = account()
            world(stack).first_customer.model_allowlist = OTHERS
            stack.death = Death(request, after_the_work=True)
            try:
                stack.up(one("ModelAllowlist", models=MODELS))
            except OperationFailed:
                assert stack.died
            stack.death = None
            stack.up(one("ModelAllowlist", models=MODELS))
            assert allowlist(stack) == MODELS
            stack.destroy()
            assert allowlist(stack) == OTHERS
            assert stack.journal.left("owner") == []

    def test_a_refused_list_leaves_everything_as_it_was(self) -> None:
        stack = account()
        world(stack).first_customer.tier = "pro"
        with pytest.raises(OperationFailed, match=r"TIER_FEATURE_UNAVAILABLE.*nothing was changed"):
            stack.up(one("ModelAllowlist", models=MODELS))
        assert stack.engine.state == []
        assert stack.journal.left("owner") == []

    def test_two_in_one_program_are_refused(self) -> None:
        stack = account()
        two = {
            "a": Declared("relay:ModelAllowlist", {"models": MODELS}),
            "b": Declared("relay:ModelAllowlist", {"models": OTHERS}),
        }
        with pytest.raises(OperationFailed, match="another resource of this program sets it too"):
            stack.up(two)
        stack.up({"a": two["a"]})
        with pytest.raises(OperationFailed, match="another resource of this program sets it too"):
            stack.up(two)

    @pytest.mark.parametrize(
        ("found", "was"),
        [(None, "models was not set"), (OTHERS, 'models was ["direct.ollama.gpt-oss:20b"]')],
    )
    def test_one_that_another_name_of_the_program_sets_is_left_to_it_and_what_is_lost_is_told(
        self, found: list[str] | None, was: str
    ) -> None:
        stack = account()
        world(stack).first_customer.model_allowlist = found
        stack.up(one("ModelAllowlist", models=MODELS))
        renamed: Program = {"other": Declared("relay:ModelAllowlist", {"models": MODELS})}
        stack.up(renamed)
        assert allowlist(stack) == MODELS
        assert stack.engine.warnings == [
            "it is left as it is, because another resource of this program sets it; a later delete "
            f"of that one does not put back what was there before this one ({was}): name the old "
            "one in `aliases` where one is renamed"
        ]

    def test_of_one_that_changed_nothing_nothing_is_said_to_be_lost(self) -> None:
        stack = account()
        world(stack).first_customer.model_allowlist = MODELS
        stack.up(one("ModelAllowlist", models=MODELS))
        stack.up({"other": Declared("relay:ModelAllowlist", {"models": MODELS})})
        assert stack.engine.warnings == [
            "it is left as it is, because another resource of this program sets it"
        ]

    def test_a_delete_leaves_alone_what_another_stack_has_set(self) -> None:
        mine = account(owner="mine")
        mine.up(one("ModelAllowlist", models=MODELS))
        theirs = account(owner="theirs", beside=mine)
        theirs.up(one("ModelAllowlist", models=OTHERS))
        assert mine.destroy() == []
        assert allowlist(mine) == OTHERS
        (told,) = mine.engine.warnings
        assert told == (
            f"models is left as it is, {json.dumps(OTHERS)}: this stack has recorded "
            f"{json.dumps(MODELS)}, so that another may have set it for a reason; before this "
            f"stack had it, it was not set"
        )

    def test_a_delete_undoes_what_a_killed_change_has_set(self) -> None:
        for request in range(1, 5):
            stack = account()
            stack.up(one("ModelAllowlist", models=MODELS))
            stack.death = Death(request, after_the_work=True)
            with contextlib.suppress(OperationFailed):
                stack.up(one("ModelAllowlist", models=OTHERS))
            stack.death = None
            stack.destroy()
            assert allowlist(stack) is None, request
            assert stack.engine.warnings == []
            assert stack.journal.left("owner") == []
            if not stack.died:
                return
        pytest.fail("an operation of more than 4 requests")

    @pytest.mark.parametrize("models", [MODELS, [*MODELS, *OTHERS]])
    def test_what_is_there_is_found_whatever_this_machine_has_noted_of_an_earlier_create(
        self, models: list[str]
    ) -> None:
        """It was made here, and taken out of the program on another machine."""
        stack = account()
        stack.up(one("ModelAllowlist", models=MODELS))
        notes, stack.journal = stack.journal, Notes()
        stack.up({})
        assert allowlist(stack) is None
        stack.journal = notes
        world(stack).first_customer.model_allowlist = OTHERS
        stack.up(one("ModelAllowlist", models=models))
        stack.destroy()
        assert allowlist(stack) == OTHERS

    def test_one_that_was_replaced_on_order_stays_set(self) -> None:
        stack = account()
        program = one("ModelAllowlist", models=MODELS)
        stack.up(program)
        stack.run(lambda: stack.engine.up(program, target_replace="it"))
        assert allowlist(stack) == MODELS


def test_the_threshold_is_put_back() -> None:
    stack = account()
    found = threshold(stack)
    stack.up(one("AccountSettings", warning_threshold=20))
    assert threshold(stack) == 20
    stack.destroy()
    assert threshold(stack) == found


def test_a_threshold_that_the_profile_did_not_tell_is_left_with_a_warning() -> None:
    stack = account()
    handle = stack.world.handle

    def silent(request: Request) -> Answer:
        answer = handle(request)
        if not request.path.endswith("/profile"):
            return answer
        body = json.loads(answer.body)
        del body["warning_threshold"]
        return replace(answer, body=json.dumps(body).encode())

    stack.world.handle = silent  # type: ignore[method-assign]
    stack.up(one("AccountSettings", warning_threshold=20))
    assert stack.engine.warnings == []
    stack.destroy()
    assert threshold(stack) == 20
    assert "warning_threshold is left as it is" in "".join(stack.engine.warnings)


def test_what_an_import_did_not_find_is_left_as_it_is() -> None:
    stack = account()
    stack.up(one("AccountSettings", warning_threshold=20))
    record = stack.record()
    record.outputs = {n: v for n, v in record.outputs.items() if not n.startswith("__")}
    stack.destroy()
    assert threshold(stack) == 20
    assert "is not known" in "".join(stack.engine.warnings)


class TestTheWebhookSecret:
    def test_it_is_read_and_not_rotated_when_it_is_first_declared(self) -> None:
        stack = account()
        (secret,) = secrets(stack)
        assert stack.up(one("WebhookSecret", rotation=1)) == []
        assert stack.record().outputs["secret"] == secret

    def test_a_change_rotates_it_once_and_the_old_one_stays_valid(self) -> None:
        stack = account()
        stack.up(one("WebhookSecret", rotation=1))
        stack.scheduler.clock.advance(60)
        (old,) = secrets(stack)
        assert stack.up(one("WebhookSecret", rotation=2)) == ["rotateWebhookSecret"]
        assert secrets(stack)[1] == old
        assert stack.record().outputs["secret"] == secrets(stack)[0] != old
        assert stack.record().outputs["previous_valid_until"]
        stack.refresh()
        assert stack.up(one("WebhookSecret", rotation=2)) == []

    def test_a_rotation_whose_answer_is_lost_is_not_done_twice(self) -> None:
        stack = account()
        stack.up(one("WebhookSecret", rotation=1))
        stack.scheduler.clock.advance(60)
        (old,) = secrets(stack)
        rule = {"match": {"path_regex": "rotate$"}, "action": "lose_answer"}
        stack.world.faults.add(rule)
        stack.up(one("WebhookSecret", rotation=2))
        assert secrets(stack)[1] == old
        assert stack.record().outputs["secret"] == secrets(stack)[0]

    @pytest.mark.parametrize("refreshed", [False, True])
    @pytest.mark.parametrize("after_the_work", [False, True])
    def test_killed_at_any_request_and_run_again_it_is_rotated_once(
        self, after_the_work: bool, refreshed: bool
    ) -> None:
        for request in range(1, 9):
            stack, old = self.killed(Death(request, after_the_work))
            if refreshed:
                stack.refresh()
            stack.up(one("WebhookSecret", rotation=2))
            assert secrets(stack)[1:] == [old], request
            assert stack.record().outputs["secret"] == secrets(stack)[0] != old
            assert stack.up(one("WebhookSecret", rotation=3)) == ["rotateWebhookSecret"]
            stack.destroy()
            assert stack.journal.left("owner") == []
            if not stack.died:
                return
        pytest.fail("an operation of more than 9 requests")

    def test_killed_once_it_was_rotated_it_is_not_again_days_later(self) -> None:
        stack = account()
        stack.up(one("WebhookSecret", rotation=1))
        stack.scheduler.clock.advance(60)
        stack.death = Death(3, after_the_work=True)
        with contextlib.suppress(OperationFailed):
            stack.up(one("WebhookSecret", rotation=2))
        stack.death = None
        rotated = secrets(stack)
        assert len(rotated) == 2
        stack.scheduler.clock.advance(2 * 86400)
        assert stack.up(one("WebhookSecret", rotation=2)) == []
        assert secrets(stack)[0] == rotated[0] == stack.record().outputs["secret"]
        assert stack.engine.warnings == []

    def test_a_rotation_that_failed_before_it_was_done_can_be_taken_back(self) -> None:
        stack = account()
        stack.up(one("WebhookSecret", rotation=1))
        before = secrets(stack)
        stack.world.faults.status(502, "POST", "rotate$", times=None)
        with pytest.raises(OperationFailed):
            stack.up(one("WebhookSecret", rotation=2))
        stack.world.faults.clear()
        assert stack.up(one("WebhookSecret", rotation=1)) == []
        assert secrets(stack) == before

    def test_each_change_rotates_it_whichever_machine_makes_it(self) -> None:
        stack = account()
        stack.up(one("WebhookSecret", rotation="blue"))
        laptop, ci = Notes(), Notes()
        for journal, value in [(laptop, "green"), (ci, "blue")] * 3:
            stack.journal = journal
            stack.scheduler.clock.advance(60)
            assert stack.up(one("WebhookSecret", rotation=value)) == ["rotateWebhookSecret"]
            assert stack.record().outputs["secret"] == secrets(stack)[0]

    def test_each_change_rotates_it_though_it_was_left_out_meanwhile(self) -> None:
        stack = account()
        stack.up(one("WebhookSecret", rotation="a"))
        for value, calls in [("b", 1), (None, 0), ("a", 0), ("b", 1), ("a", 1), ("b", 1)]:
            stack.scheduler.clock.advance(60)
            inputs = {} if value is None else {"rotation": value}
            assert len(stack.up(one("WebhookSecret", **inputs))) == calls, value

    def test_it_is_rotated_though_another_hand_did_once_the_secret_from_before_then_has_ended(
        self,
    ) -> None:
        stack = account()
        stack.up(one("WebhookSecret", rotation=1))
        stack.scheduler.clock.advance(60)
        assert stack.world.call("POST", "/v2/customer/webhook-secret/rotate").status == 200
        ended_at = stack.world.call("GET", "/v2/customer/webhook-secret").json()
        stack.scheduler.clock.advance(2 * 86_400)
        tell_always(stack, "previous_valid_until", ended_at["previous_valid_until"])
        assert stack.up(one("WebhookSecret", rotation=2)) == ["rotateWebhookSecret"]
        assert stack.engine.warnings == []

    def test_the_new_secret_is_recorded_though_a_server_that_lags_behind_tells_the_old_one(
        self,
    ) -> None:
        stack = account()
        stack.up(one("WebhookSecret", rotation=1))
        stack.scheduler.clock.advance(60)
        handle = stack.world.handle
        old = stack.world.call("GET", "/v2/customer/webhook-secret")

        def lagging(request: Request) -> Answer:
            reads = request.method == "GET" and request.path.endswith("/webhook-secret")
            return old if reads else handle(request)

        stack.world.handle = lagging  # type: ignore[method-assign]
        stack.up(one("WebhookSecret", rotation=2))
        outputs = stack.record().outputs
        assert outputs["secret"] == secrets(stack)[0] != json.loads(old.body)["secret"]
        assert outputs["created_at"] != json.loads(old.body)["created_at"]
        assert outputs["previous_valid_until"]

    def test_another_machine_rotates_no_secret_away_that_the_stack_still_hands_out(self) -> None:
        attempts = (self.killed(Death(request, after_the_work=True)) for request in range(1, 9))
        stack, old = next((stack, old) for stack, old in attempts if secrets(stack)[1:] == [old])
        stack.journal = Notes()
        assert stack.up(one("WebhookSecret", rotation=2)) == []
        assert secrets(stack)[1] == old
        assert "that is taken for this rotation" in "".join(stack.engine.warnings)

    def killed(self, death: Death) -> tuple[Stack, str]:
        """A stack whose plugin died while it rotated, and the secret from before."""
        stack = account()
        stack.up(one("WebhookSecret", rotation=1))
        stack.scheduler.clock.advance(60)
        (old,) = secrets(stack)
        stack.death = death
        with contextlib.suppress(OperationFailed):
            stack.up(one("WebhookSecret", rotation=2))
        stack.death = None
        stack.scheduler.clock.advance(60)
        return stack, old

    def test_a_delete_leaves_it_as_it_is(self) -> None:
        stack = account()
        stack.up(one("WebhookSecret", rotation=1))
        before = secrets(stack)
        assert stack.destroy() == []
        assert secrets(stack) == before


@pytest.mark.parametrize("kind", ["AccountSettings", "ModelAllowlist", "WebhookSecret"])
def test_a_setting_is_read_under_no_other_id_than_account(kind: str) -> None:
    stack = account(kind)
    with pytest.raises(Failed, match=r"its id is 'account', and not 'cus_1'; .*give that one"):
        stack.run(lambda: stack.life()[0].read("cus_1", {}, {}))
