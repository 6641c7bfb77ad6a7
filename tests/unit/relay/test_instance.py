"""An instance has no name and its create no key: found again all the same, and never doubled."""

from __future__ import annotations

import contextlib
import json
import re
from dataclasses import replace
from typing import Any

import pytest

from pulumi_openrelay.cli import leftovers
from pulumi_openrelay.emulator import Answer, RelayWorld, Request
from pulumi_openrelay.lifecycle.declare import KINDS
from pulumi_openrelay.lifecycle.fields import OWNER
from pulumi_openrelay.lifecycle.leftovers import warn_of_leftovers
from pulumi_openrelay.lifecycle.service import RELAY
from pulumi_openrelay.lifecycle.unknown import UNKNOWN
from pulumi_openrelay.lifecycle.unrecorded import LATEST_SECONDS
from pulumi_openrelay.relay.instance import _marked, _unmarked

from ...contract.examples import RELAY_KEYS
from ...contract.support import answer_by
from ...simulation.engine import Declared
from ...simulation.journal import Notes
from .support import (
    KEY,
    RSA_KEY,
    SMALL,
    Death,
    OperationFailed,
    Stack,
    account,
    creates,
    instance,
    speak_as,
    tell,
    tell_no,
)

URN = "urn:pulumi:dev::sim::pulumi-python:dynamic/relay:Instance::it"
OTHER_KEY = KEY.replace("A" * 43, "B" * 43)
HOOK = "https://hooks.example.com/relay?team=ml"
LOST_CREATE = {
    "match": {"method": "POST", "path_regex": "/instances$"},
    "action": "lose_answer",
}


def check(stack: Stack, **inputs: Any) -> tuple[dict[str, Any], dict[str, str]]:
    """What preview makes of these inputs: them as recorded, and what is wrong with them."""

    def checked() -> tuple[dict[str, Any], list[tuple[str, str]]]:
        return stack.life()[0].check({}, {**inputs, OWNER: "owner"})

    taken, problems = stack.run(checked)
    return taken, dict(problems)


def warnings(stack: Stack) -> str:
    return "\n".join(stack.engine.warnings)


def die_after_the_create(stack: Stack, program: Any) -> str:
    """An up whose plugin dies when the API has made the instance: its id."""
    before = stack.alive()
    die_at_the_create(stack, program, after_the_work=True)
    (left,) = stack.alive() - before
    return left


def die_at_the_create(stack: Stack, program: Any, *, after_the_work: bool) -> None:
    """An up whose plugin dies at its create."""
    undisturbed = account(beside=stack, owner="other")
    undisturbed.up(program)
    paths = [(entry.method, entry.path) for entry in stack.world.log.entries]
    undisturbed.destroy()
    stack.death = Death(paths.index(("POST", "/v2/instances")) + 1, after_the_work)
    with pytest.raises(OperationFailed):
        stack.up(program)
    stack.death = None
    stack.scheduler.clock.advance(5)


class TestInPreview:
    @pytest.mark.parametrize(
        ("inputs", "name", "said"),
        [
            ({"prescription": "gpu.h200"}, "prescription", "gpu.rtx4090.1x, npu.gaudi3.1x"),
            ({"image": "windows"}, "image", "ubuntu-24.04, ubuntu-22.04"),
            ({"region": "mars"}, "region", "eu-north, us-east"),
            ({"billing_mode": "weekly"}, "billing_mode", "hourly"),
            ({"max_lifetime_hours": 1000}, "max_lifetime_hours", "at most 168"),
            ({"service_mode": "dedicated_machine"}, "service_mode", "not one that the catalog has"),
            (
                {"prescription": "gpu.rtx4090.1x", "image": "ubuntu-24.04-cuda"},
                "service_mode",
                "comes in more than one",
            ),
            (
                {"prescription": "gpu.h100.8x", "max_lifetime_hours": 5},
                "max_lifetime_hours",
                "is not something that this prescription takes",
            ),
        ],
    )
    def test_what_the_catalog_does_not_have_is_refused_with_what_it_has(
        self, inputs: dict[str, Any], name: str, said: str
    ) -> None:
        _, problems = check(account(), **{**SMALL, **inputs})
        assert list(problems) == [name]
        assert said in problems[name]

    def test_a_key_of_another_type_is_refused_with_those_that_it_takes(self) -> None:
        inputs = {"prescription": "gpu.h100.8x", "image": "ubuntu-24.04"}
        _, problems = check(account(), **inputs, ssh_public_key=RSA_KEY)
        assert problems == {
            "ssh_public_key": "is ssh-rsa, and this prescription takes ssh-ed25519",
        }

    def test_what_is_not_known_yet_passes(self) -> None:
        for name in SMALL:
            assert check(account(), **{**SMALL, name: UNKNOWN})[1] == {}

    def test_a_catalog_that_cannot_be_read_refuses_nothing(self) -> None:
        stack = account()
        stack.world.faults.add(
            {
                "match": {"path_regex": "catalog"},
                "times": None,
                "action": {"type": "status", "status": 503, "code": "INSTANCES_UNAVAILABLE"},
            }
        )
        taken, problems = check(stack, **{**SMALL, "image": "windows"})
        assert problems == {}
        assert "rate_cents_per_hour" not in taken

    def test_the_rate_is_known(self) -> None:
        taken, _ = check(account(), **SMALL)
        assert taken["rate_cents_per_hour"] == 5

    @pytest.mark.parametrize(("dollars", "cents"), [(0.0, 0), (0.0001, 1), (0.004, 1), (0.016, 2)])
    def test_a_price_below_a_cent_is_not_said_to_be_none(self, dollars: float, cents: int) -> None:
        row = {"rate_per_period": dollars, "billing_period_seconds": 3600}
        assert KINDS["relay:Instance"].rate(row) == cents

    def test_nothing_is_made(self) -> None:
        stack = account()
        check(stack, **SMALL)
        assert stack.alive() == set()


def test_one_that_ended_by_itself_is_gone_and_its_reason_shown() -> None:
    stack = account()
    stack.up(instance())
    gone = stack.record().id
    stack.another_hand({"status": "terminated", "ended_reason": "balance_exhausted"})
    stack.refresh()
    assert stack.engine.record("it") is None
    assert f"{gone} has ended (terminated: balance_exhausted)" in warnings(stack)
    stack.up(instance())
    assert stack.record().id != gone
    stack.assert_nothing_lost()


def test_what_its_reason_repeats_of_the_runs_own_key_is_neither_said_nor_recorded() -> None:
    stack = account()
    stack.script({"type": "fail", "reason": f"refused {RELAY_KEYS[0]}"})
    with pytest.raises(OperationFailed, match=r"it has failed: refused \[secret\]; "):
        stack.up(instance())
    assert stack.record().outputs["ended_reason"] == "refused [secret]"


def test_one_that_fails_on_its_way_is_told_with_the_reason_and_replaced_by_the_next_up() -> None:
    stack = account()
    stack.script({"type": "fail", "reason": "host_lost"})
    with pytest.raises(OperationFailed, match=r"it has failed: host_lost; .* which replaces it"):
        stack.up(instance())
    failed = stack.record().id
    stack.up(instance())
    assert stack.record().id != failed
    stack.assert_nothing_lost()


@pytest.mark.parametrize("code", ["INSTANCE_NOT_READY", None])
def test_the_end_of_one_that_is_not_ready_is_asked_for_until_it_takes(code: str | None) -> None:
    """Any part of an error may be missing, its code too."""
    stack = account(provision_seconds=300.0)
    stack.up(instance(wait_for="none"))
    assert stack.record().outputs["status"] == "requested"
    handle = stack.world.handle

    def coded(request: Request) -> Answer:
        answer = handle(request)
        if answer.status != 409:
            return answer
        body = {"error": {"code": code, "message": "It is not ready."}}
        return replace(answer, body=json.dumps(body).encode())

    stack.world.handle = coded  # type: ignore[method-assign]
    stack.destroy()
    answers = [e.status for e in stack.world.log.entries if e.path.endswith("/terminate")]
    assert answers[0] == 409
    assert answers[-1] == 202
    assert stack.alive() == set()


def test_a_limit_is_told_once_and_not_asked_for_again() -> None:
    stack = account(instances_max=0)
    with pytest.raises(OperationFailed, match=r"INSTANCE_LIMIT.*nothing was created; end an inst"):
        stack.up(instance())
    assert creates(stack) == 1


def test_no_capacity_is_an_error_at_once() -> None:
    stack = account(instances_available=False)
    with pytest.raises(OperationFailed, match=r"no capacity .*INSTANCES_UNAVAILABLE.*nothing was"):
        stack.up(instance())
    assert creates(stack) == 1


def test_capacity_is_waited_for_where_the_program_says_so() -> None:
    stack = account(instances_available=False)
    with pytest.raises(OperationFailed, match="no capacity"):
        stack.up(instance(capacity_timeout="10m"))
    assert creates(stack) > 5
    stack.world.settings.change({"instances_available": True})
    stack.up(instance(capacity_timeout="10m"))
    stack.assert_nothing_lost()


class TestAfterACrash:
    def test_without_a_webhook_the_machine_that_crashed_finds_it_again(self) -> None:
        stack = account()
        left = die_after_the_create(stack, instance())
        stack.up(instance())
        assert stack.record().id == left
        stack.assert_nothing_lost()
        assert f"{left} (" in warnings(stack)
        assert "5 cents an hour) is taken for what an earlier run was cut off at" in warnings(stack)
        assert "if it is another stack's, take this resource out" in warnings(stack)

    @pytest.mark.parametrize("answered", [False, True])
    def test_a_replacement_is_found_again_though_what_it_replaces_has_left_the_state(
        self, answered: bool
    ) -> None:
        stack = account()
        stack.up(instance())
        replaced = stack.record().id
        left = die_after_the_create(stack, instance(image="ubuntu-22.04"))
        if answered:
            (note,) = stack.journal.left("owner")
            stack.journal.write("owner", URN, replace(note, made=left))
        stack.world.call("PATCH", f"/_emulator/instances/{replaced}", {"status": "terminated"})
        stack.refresh()
        assert stack.recorded() == set()
        stack.up(instance(image="ubuntu-22.04"))
        assert stack.alive() == stack.recorded() == {left}

    @pytest.mark.parametrize("older", [False, True], ids=["noted now", "by an older release"])
    def test_it_is_found_again_though_the_comment_of_its_key_has_changed(self, older: bool) -> None:
        stack = account()
        left = die_after_the_create(stack, instance())
        if older:
            (note,) = stack.journal.left("owner")
            stack.journal.write("owner", URN, replace(note, replacing=None, look=None))
        stack.up(instance(ssh_public_key=KEY.replace("ada@laptop", "bob@desk")))
        assert stack.alive() == stack.recorded() == {left}

    def test_its_note_tells_no_input_that_may_be_a_secret(self) -> None:
        stack = account()
        die_after_the_create(stack, instance(webhook_url=f"{HOOK}&token=hidden-token"))
        (note,) = stack.journal.left("owner")
        assert "hidden-token" not in str(note)
        assert KEY.split()[1] not in str(note)

    def test_nothing_is_said_of_what_the_api_has_named_or_carries_the_mark(self) -> None:
        for hook in (None, HOOK):
            stack = account()
            left = die_after_the_create(stack, instance(webhook_url=hook))
            if hook is None:
                (note,) = stack.journal.left("owner")
                stack.journal.write("owner", URN, replace(note, made=left))
            stack.up(instance(webhook_url=hook))
            assert stack.record().id == left
            assert warnings(stack) == ""

    @pytest.mark.parametrize("hook", [None, HOOK])
    def test_what_a_stack_on_the_same_machine_made_meanwhile_is_not_taken_for_it(
        self, hook: str | None
    ) -> None:
        stack = account()
        die_at_the_create(stack, instance(), after_the_work=False)
        other = account(owner="other", beside=stack)
        other.journal = stack.journal
        other.up(instance(webhook_url=hook))
        stack.up(instance())
        assert stack.record().id != other.record().id
        assert stack.alive() == stack.recorded() | other.recorded()

    def test_what_came_up_long_after_an_answer_was_lost_is_not_taken_for_it(self) -> None:
        stack = account()
        stack.world.faults.status(502, "POST", "/instances$", times=None)
        with pytest.raises(OperationFailed, match="whether it was created is unknown"):
            stack.up(instance())
        stack.world.faults.clear()
        stack.scheduler.clock.advance(60)
        theirs = stack.world.call("POST", "/v2/instances", SMALL).json()["id"]
        stack.up(instance())
        assert stack.record().id != theirs
        assert stack.alive() == {stack.record().id, theirs}

    def test_what_a_create_that_was_sent_again_after_a_lost_answer_made_is_found(self) -> None:
        undisturbed, stack = account(), account()
        for each in (undisturbed, stack):
            each.world.faults.status(502, "POST", "/instances$", times=1)
        undisturbed.up(instance())
        methods = [entry.method for entry in undisturbed.world.log.entries]
        assert methods.count("POST") == 2
        again = len(methods) - methods[::-1].index("POST")
        stack.death = Death(again, after_the_work=True)
        with pytest.raises(OperationFailed):
            stack.up(instance())
        stack.death = None
        (left,) = stack.alive()
        stack.scheduler.clock.advance(5)
        stack.up(instance())
        assert stack.alive() == stack.recorded() == {left}

    def test_without_a_webhook_another_machine_warns_and_leaves_it_alone(self) -> None:
        stack = account()
        left = die_after_the_create(stack, instance())
        stack.journal = Notes()
        stack.up(instance())
        assert stack.record().id != left
        assert left in stack.alive()
        assert left in warnings(stack)
        assert "5 cents an hour" in warnings(stack)

    def test_with_a_webhook_any_machine_finds_it_again(self) -> None:
        stack = account()
        left = die_after_the_create(stack, instance(webhook_url=HOOK))
        stack.journal = Notes()
        stack.up(instance(webhook_url=HOOK))
        assert stack.record().id == left
        stack.assert_nothing_lost()

    def test_two_that_fit_are_named_and_neither_is_touched(self) -> None:
        stack = account()
        left = die_after_the_create(stack, instance())
        answer = stack.world.call("POST", "/v2/instances", SMALL)
        both = sorted([left, answer.json()["id"]])
        with pytest.raises(OperationFailed, match=re.escape(", ".join(both))) as failure:
            stack.up(instance())
        assert "none was touched" in str(failure.value)
        assert stack.engine.record("it") is None
        assert set(both) <= stack.alive()

    @pytest.mark.parametrize("hook", [None, HOOK])
    def test_what_the_program_does_not_want_any_more_is_ended(self, hook: str | None) -> None:
        stack = account()
        left = die_after_the_create(stack, instance(webhook_url=hook))
        if hook is None:
            # The id is known where the answer came, and the plugin died after it.
            (note,) = stack.journal.left("owner")
            stack.journal.write("owner", URN, replace(note, made=left))
        stack.up(instance(webhook_url=hook, image="ubuntu-22.04"))
        assert left not in stack.alive()
        stack.assert_nothing_lost()

    @pytest.mark.parametrize("answered", [False, True])
    @pytest.mark.parametrize("before", [{}, {"max_lifetime_hours": 72}], ids=["none", "72 h"])
    @pytest.mark.parametrize(
        "now", [{"max_lifetime_hours": 2}, {"ssh_public_key": OTHER_KEY}, {"webhook_url": HOOK}]
    )
    def test_what_it_made_is_never_recorded_as_if_it_had_the_inputs_of_now(
        self, before: dict[str, Any], now: dict[str, Any], answered: bool
    ) -> None:
        """The API tells none of these."""
        stack = account()
        tell_no(stack, "ssh_key_fingerprint")
        tell_no(stack, "webhook_url")
        left = die_after_the_create(stack, instance(**before))
        if answered:
            (note,) = stack.journal.left("owner")
            stack.journal.write("owner", URN, replace(note, made=left))
        stack.up(instance(**{**before, **now}))
        assert stack.record().id != left
        assert (left in stack.alive()) is not answered
        told = f"instance {left} (provisioning, 5 cents an hour) may be what an earlier run"
        assert (told in warnings(stack)) is not answered

    def test_what_may_be_left_of_it_is_told_when_the_program_has_changed(self) -> None:
        stack = account()
        left = die_after_the_create(stack, instance())
        stack.up(instance(image="ubuntu-22.04"))
        assert left in stack.alive()
        told = f"instance {left} (provisioning, 5 cents an hour) may be what an earlier run"
        assert told in warnings(stack)

    def test_a_replacement_that_was_cut_off_and_is_not_wanted_any_more_is_told(self) -> None:
        stack = account()
        stack.up(instance())
        made = stack.record().id
        left = die_after_the_create(stack, instance(image="ubuntu-22.04"))
        stack.scheduler.clock.advance(30)
        which = f"made another instance in place of {made}: perhaps {left} (ready, 5 cents an hour)"
        stack.up(instance())
        assert which in warnings(stack)
        stack.engine.warnings.clear()
        stack.destroy()
        assert which in warnings(stack)

    def test_a_replacement_that_was_cut_off_and_that_somebody_has_ended_is_told_no_more(
        self,
    ) -> None:
        stack = account()
        stack.up(instance())
        left = die_after_the_create(stack, instance(image="ubuntu-22.04"))
        stack.world.call("PATCH", f"/_emulator/instances/{left}", {"status": "terminated"})
        stack.scheduler.clock.advance(LATEST_SECONDS + 30)
        stack.up(instance())
        assert warnings(stack) == ""
        assert stack.journal.left("owner") == []

    def test_a_replacement_that_was_cut_off_is_told_though_it_does_its_work_late(self) -> None:
        stack = account()
        stack.up(instance())
        made = stack.record().id
        die_at_the_create(stack, instance(image="ubuntu-22.04"), after_the_work=False)
        stack.scheduler.clock.advance(30)
        stack.up(instance())
        told = f"made another instance in place of {made}; end that one if it is there and nobody"
        assert told in warnings(stack)
        asked = {**SMALL, "image": "ubuntu-22.04"}
        late = stack.world.call("POST", "/v2/instances", asked).json()["id"]
        stack.scheduler.clock.advance(30)
        stack.up(instance())
        assert f"in place of {made}: perhaps {late} (" in warnings(stack)

    @pytest.mark.parametrize("image", ["ubuntu-24.04", "ubuntu-22.04"])
    def test_what_the_program_calls_otherwise_by_now_is_told(self, image: str) -> None:
        stack = account()
        left = die_after_the_create(stack, instance())
        stack.up({name: instance(image=image)["it"] for name in ("renamed", "another")})
        assert left in stack.alive() - stack.recorded()
        assert warnings(stack).count(f"{left} (ready, 5 cents an hour) may be what an earlier") == 1
        assert "lists it after a `pulumi up` of the whole program, end it unless" in warnings(stack)

    def test_what_the_same_run_makes_beside_it_is_never_said_to_be_it(self) -> None:
        """The create of one is answered slowly, and another comes up meanwhile."""
        stack = account()
        left = die_after_the_create(stack, instance())
        handle = stack.world.handle

        def slow(request: Request) -> Answer:
            answer = handle(request)
            if request.method == "POST" and b"22.04" not in request.body:
                stack.scheduler.wait(12.0)
            return answer

        answer_by(stack, slow)
        one, other = instance()["it"], instance(image="ubuntu-22.04")["it"]
        stack.up({"one": one, "other": other})
        assert len(stack.recorded()) == 2
        assert left in warnings(stack)
        assert not [made for made in stack.recorded() if made in warnings(stack)]

    def test_what_the_program_declares_looks_after_its_own(self) -> None:
        """Its error names what it may have left, and no other resource warns of that."""
        stack = account()
        die_after_the_create(stack, instance())
        stack.world.call("POST", "/v2/instances", SMALL)
        other = instance(image="ubuntu-22.04")["it"]
        with pytest.raises(OperationFailed, match="none was touched"):
            stack.up({**instance(), "other": other})
        assert stack.engine.record("other") is not None
        assert warnings(stack) == ""

    def test_what_is_recorded_and_leaves_the_program_is_not_told_of(self) -> None:
        stack = account()
        stack.up(instance())
        stack.up({"other": instance()["it"]})
        assert warnings(stack) == ""
        stack.assert_nothing_lost()

    @pytest.mark.parametrize("hook", [None, HOOK])
    @pytest.mark.parametrize("name", ["it", "renamed"])
    def test_what_is_known_to_be_another_stacks_is_not_told_of(
        self, name: str, hook: str | None
    ) -> None:
        """By a note on this machine, or by the mark that it carries."""
        stack = account()
        die_at_the_create(stack, instance(), after_the_work=False)
        other = account(owner="other", beside=stack)
        if hook is None:
            other.journal = stack.journal
        other.up(instance(webhook_url=hook))
        stack.scheduler.clock.advance(30)
        stack.up({name: instance(max_lifetime_hours=2)["it"]})
        assert warnings(stack) == ""
        assert len(stack.alive()) == 2

    def test_the_machine_that_the_same_run_ends_is_not_told_of(self) -> None:
        """It is still to be deleted, and just what the program asks for again."""
        stack = account()
        stack.up(instance())
        stack.world.faults.status(403, "POST", "/terminate$", times=1)
        with pytest.raises(OperationFailed, match="it could not be deleted"):
            stack.up(instance(image="ubuntu-22.04"))
        stack.up(instance())
        assert warnings(stack) == ""
        stack.assert_nothing_lost()

    @pytest.mark.parametrize("hook", [None, HOOK])
    def test_the_leftovers_command_tells_of_it(
        self, hook: str | None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        stack = account()
        theirs = stack.world.call("POST", "/v2/instances", SMALL).json()["id"]
        stack.scheduler.clock.advance(60)
        left = die_after_the_create(stack, instance(webhook_url=hook))
        life, call = stack.run(lambda: stack.life())
        monkeypatch.setattr(leftovers, "console", lambda: call)
        unknown: list[str] = []
        lines = stack.run(
            lambda: leftovers._unrecorded(life.session, RELAY, {"owner"}, set(), unknown)
        )
        perhaps = "" if hook else ": perhaps what an earlier run was cut off at"
        (line,) = lines
        assert f"{left}" in line
        assert line.endswith(f"provisioning, 5 cents an hour){perhaps}")
        assert unknown == [f"instance {theirs} (ready, 5 cents an hour)"]

    def test_what_nobody_asked_for_is_never_said_to_be_perhaps_left_of_it(self) -> None:
        stack = account()
        die_at_the_create(stack, instance(), after_the_work=False)
        for unlike in ({"image": "ubuntu-22.04"}, {"ssh_public_key": OTHER_KEY}):
            stack.world.call("POST", "/v2/instances", {**SMALL, **unlike})
        life, call = stack.run(lambda: stack.life())
        stack.run(lambda: warn_of_leftovers(life.session, RELAY, call, "owner"))
        assert call.warnings == []
        stack.up(instance(region="us-east"))
        assert warnings(stack) == ""

    @pytest.mark.parametrize("hook", [None, HOOK])
    def test_a_stack_that_ends_tells_of_it(self, hook: str | None) -> None:
        stack = account()
        left = die_after_the_create(stack, instance(webhook_url=hook))
        life, call = stack.run(lambda: stack.life())
        stack.run(lambda: warn_of_leftovers(life.session, RELAY, call, "owner"))
        assert [left in warning for warning in call.warnings] == [True]
        life, call = stack.run(lambda: stack.life())
        stack.run(lambda: warn_of_leftovers(life.session, RELAY, call, "another"))
        assert call.warnings == []

    def test_no_note_is_left_of_what_is_recorded_or_gone(self) -> None:
        stack = account()
        stack.up(instance())
        stack.up(instance())
        assert stack.journal.left("owner") == []
        stack.up(instance(image="ubuntu-22.04"))
        stack.destroy()
        assert stack.journal.left("owner") == []


def test_what_a_lost_answer_made_is_gone_on_with_and_told() -> None:
    """Another stack may have rented the very same at that moment, and nothing tells."""
    stack = account()
    stack.world.faults.add(LOST_CREATE)
    stack.up(instance())
    assert creates(stack) == 1
    stack.assert_nothing_lost()
    told = "5 cents an hour) is taken for what a create has made whose answer was lost"
    assert f"the instance {stack.record().id} (" in warnings(stack)
    assert told in warnings(stack)
    assert "`pulumi state delete`, and change an input, such as webhook_url" in warnings(stack)


OURS, THEIRS = "relay_sk_ours_5b21", "relay_sk_theirs_9d40"


def two_keys(*, token: bool = True) -> Stack:
    """A stack with a key of its own, on an account that has another."""
    stack = account()
    assert isinstance(stack.world, RelayWorld)
    for name, secret in (("ours", OURS), ("theirs", THEIRS)):
        key = stack.world.add_key(secret, stack.world.first_customer, name=name)
        stack.strangers.add(key.id)
    speak_as(stack, OURS, "jwt_local" if token else None)
    return stack


def lose_the_create(stack: Stack, meanwhile: str, *, kill: bool = False) -> list[str]:
    """Let the next create get lost before the work, or kill its plugin then; meanwhile another key
    rents the same: its id."""
    handle = stack.world.handle
    made: list[str] = []

    def lost(request: Request) -> Answer:
        if request.method != "POST" or request.path != "/v2/instances" or made:
            return handle(request)
        made.append("")
        made[0] = stack.world.call("POST", "/v2/instances", SMALL, key=meanwhile).json()["id"]
        if kill:
            stack.died = True
            stack.scheduler.kill(stack.engine.process)
        return Answer(0, drop=True)

    stack.world.handle = lost  # type: ignore[method-assign]
    return made


class TestOfAnotherKey:
    """Another API key of the account rents just the same at the very moment of a lost answer."""

    def test_it_is_not_taken_over_where_the_account_tells_which_key_is_ours(self) -> None:
        stack = two_keys()
        theirs = lose_the_create(stack, THEIRS)
        stack.up(instance())
        assert stack.record().id not in theirs
        assert warnings(stack) == ""
        stack.destroy()
        assert stack.alive() == set(theirs)

    def test_nor_after_a_kill(self) -> None:
        stack = two_keys()
        theirs = lose_the_create(stack, THEIRS, kill=True)
        with pytest.raises(OperationFailed):
            stack.up(instance())
        stack.up(instance())
        assert stack.record().id not in theirs
        assert warnings(stack) == ""
        stack.destroy()
        assert stack.alive() == set(theirs)

    @pytest.mark.parametrize("kill", [False, True])
    def test_it_is_named_and_not_touched_where_nothing_tells_whose_it_is(self, kill: bool) -> None:
        stack = two_keys(token=False)
        theirs = lose_the_create(stack, THEIRS, kill=kill)
        if kill:
            with pytest.raises(OperationFailed, match="the plugin died"):
                stack.up(instance())
        for _ in range(2):
            with pytest.raises(OperationFailed) as failure:
                stack.up(instance())
            sentence = str(failure.value)
            assert theirs[0] in sentence
            assert "it was not touched" in sentence
            assert "set relay:customerToken, which tells" in sentence
            assert stack.alive() == set(theirs)
        speak_as(stack, OURS, "jwt_local")
        stack.up(instance())
        assert stack.record().id not in theirs
        assert len(stack.alive()) == 2

    def test_what_a_lost_answer_made_is_found_where_another_of_the_stack_tells_our_key(
        self,
    ) -> None:
        stack = two_keys(token=False)
        other = {"other": replace(instance()["it"], inputs={**SMALL, "image": "ubuntu-22.04"})}
        stack.up(other)
        stack.world.faults.add(LOST_CREATE)
        stack.up({**other, **instance()})
        stack.assert_nothing_lost()

    def test_where_the_list_tells_no_keys_the_rest_has_to_do(self) -> None:
        stack = two_keys(token=False)
        tell_no(stack, "key_id")
        stack.world.faults.add(LOST_CREATE)
        stack.up(instance())
        stack.assert_nothing_lost()


class TestAListWithoutWebhooks:
    """The API's document lets `webhook_url` be null, and with it the mark is not told."""

    def test_what_a_lost_answer_made_is_found(self) -> None:
        stack = account()
        tell_no(stack, "webhook_url")
        stack.world.faults.add(LOST_CREATE)
        stack.up(instance(webhook_url=HOOK))
        assert creates(stack) == 1
        stack.assert_nothing_lost()

    @pytest.mark.parametrize("told", ["https://hooks.example.com/relay", "https://***"])
    def test_what_a_lost_answer_made_is_told_where_the_url_is_told_without_its_mark(
        self, told: str
    ) -> None:
        stack = account()
        tell(stack, "webhook_url", told)
        stack.world.faults.add(LOST_CREATE)
        stack.up(instance(webhook_url=HOOK))
        (left,) = stack.alive() - stack.recorded()
        assert f"a second instance just like {stack.record().id} came up" in warnings(stack)
        assert f"which a lost answer may have made: {left}" in warnings(stack)

    def test_what_a_stranger_made_meanwhile_is_not_told_where_the_mark_is(self) -> None:
        stack = account()
        hooked = {**SMALL, "webhook_url": "https://elsewhere.example.com"}
        handle, lost = stack.world.handle, ["create"]

        def lose(request: Request) -> Answer:
            if request.method != "POST" or request.path != "/v2/instances" or not lost:
                return handle(request)
            lost.clear()
            stack.world.call("POST", "/v2/instances", hooked)
            return Answer(0, drop=True)

        stack.world.handle = lose  # type: ignore[method-assign]
        stack.up(instance(webhook_url=HOOK))
        assert creates(stack) == 2
        assert "a second instance" not in warnings(stack)

    def test_what_a_killed_create_made_is_found_on_the_same_machine_and_told_on_another(
        self,
    ) -> None:
        for elsewhere in (False, True):
            stack = account()
            tell_no(stack, "webhook_url")
            left = die_after_the_create(stack, instance(webhook_url=HOOK))
            if elsewhere:
                stack.journal = Notes()
            stack.up(instance(webhook_url=HOOK))
            assert (stack.record().id == left) is not elsewhere
            assert f"{'another instance' if elsewhere else 'the instance'}" in warnings(stack)
            assert left in warnings(stack)

    def test_where_it_tells_one_what_has_none_is_never_taken(self) -> None:
        stack = account()
        hooked = {**SMALL, "webhook_url": "https://elsewhere.example.com"}
        stack.world.call("POST", "/v2/instances", hooked)
        strangers = lose_the_create(stack, "relay_sk_local")
        stack.up(instance(webhook_url=HOOK))
        assert stack.record().id not in strangers


def test_of_three_alike_that_were_cut_off_none_is_said_to_be_a_strangers() -> None:
    """The others' notes tell whose they are, though none of them is recorded."""
    three = {name: Declared("relay:Instance", SMALL) for name in ("a", "b", "c")}
    for request in range(1, 40):
        stack = account()
        stack.death = Death(request, after_the_work=True)
        with contextlib.suppress(OperationFailed):
            stack.up(three)
        if not stack.died:
            break
        stack.death = None
        stack.scheduler.clock.advance(5)
        stack.up(three)
        assert len(stack.alive()) == 3
        assert "exists" not in warnings(stack), request
        assert "may be what" not in warnings(stack), request
        assert warnings(stack).count("is taken for") <= 1, request
        stack.assert_nothing_lost()
    else:
        pytest.fail("an operation of more than 40 requests")


class TestTheMark:
    def test_it_is_added_to_the_query_and_nothing_else_of_the_url_changes(self) -> None:
        mark, other = f"it-{'0' * 16}-012345", f"it-{'1' * 16}-012345"
        url = "https://h.example.com/a%20b?x=%2F&&y=1+2&z=#frag"
        marked = _marked(url, mark)
        assert marked == f"https://h.example.com/a%20b?x=%2F&&y=1+2&z=&pulumi={mark}#frag"
        assert _marked(marked, other) == marked.replace(mark, other)
        for written in (url, "https://h/p", "https://h/p?", "https://h/p?a&", "https://h/p#f?g"):
            assert _unmarked(_marked(written, mark)) == written

    def test_a_query_of_the_programs_own_that_is_called_like_it_stays(self) -> None:
        hook = "https://hooks.example.com/relay?pulumi=prod"
        stack = account()
        left = die_after_the_create(stack, instance(webhook_url=hook))
        stack.up(instance(webhook_url=hook))
        assert stack.record().id == left
        assert stack.record().outputs["webhook_url"] == hook
        stack.refresh()
        assert stack.up(instance(webhook_url=hook)) == []
        assert isinstance(stack.world, RelayWorld)
        (live,) = stack.world.live_instances()
        assert str(live.webhook_url).startswith(f"{hook}&pulumi=it-")

    def test_programs_and_drift_never_see_it(self) -> None:
        stack = account()
        stack.up(instance(webhook_url=HOOK))
        assert stack.record().outputs["webhook_url"] == HOOK
        stack.refresh()
        stack.up(instance(webhook_url=HOOK))
        assert stack.sent == 0
        assert isinstance(stack.world, RelayWorld)
        (live,) = stack.world.live_instances()
        assert str(live.webhook_url).startswith(f"{HOOK}&pulumi=it-")


def test_a_list_that_tells_less_than_was_asked_for_still_finds_what_was_lost() -> None:
    """`region` and the fingerprint may be missing of a row; the rest has to fit."""
    stack = account()
    kind, inputs = stack.kind, {**SMALL, "region": "eu-north"}
    row = {"id": "ins_1", "prescription": "cpu.small", "image": "ubuntu-24.04", "region": None}
    assert kind.twin(row, inputs)
    assert not kind.twin({**row, "region": "us-east"}, inputs)
    assert not kind.twin({**row, "ssh_key_fingerprint": "SHA256:other"}, inputs)
    assert not kind.twin({**row, "webhook_url": "https://hooks.example.com"}, inputs)


def test_a_key_that_was_read_from_a_file_is_sent_without_its_line_end() -> None:
    stack = account()
    handle = stack.world.handle
    sent: list[str] = []

    def noting(request: Request) -> Answer:
        if request.method == "POST" and request.path == "/v2/instances":
            sent.append(json.loads(request.body)["ssh_public_key"])
        return handle(request)

    stack.world.handle = noting  # type: ignore[method-assign]
    stack.up(instance(ssh_public_key=f"{KEY}\n"))
    assert sent == [KEY]
