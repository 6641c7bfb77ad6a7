"""`pulumi up --target-replace`: no call names the recorded one before its replacement is made, so
that it looks like what a cut-off create has left. It outlives everything that goes wrong."""

from __future__ import annotations

import re
from typing import Any

import pytest

from pulumi_openrelay.lifecycle.declare import KINDS
from pulumi_openrelay.lifecycle.fields import Role
from pulumi_openrelay.lifecycle.leftovers import warn_of_leftovers
from pulumi_openrelay.lifecycle.sentences import Failed

from .examples import EXAMPLES, RTX_4090
from .support import (
    MACHINES,
    NAME,
    SETTINGS,
    THINGS,
    Death,
    OperationFailed,
    Program,
    Stack,
    create_of,
    create_request,
    failure,
    one_replacement,
    program,
)

VM, KEY, HOOK, INSTANCE = "openrelay:Vm", "openrelay:SshKey", "openrelay:Webhook", "relay:Instance"
REPLACED = [token for token in THINGS if one_replacement(token)]
NAMED = [(token, least) for token in MACHINES for least in (False, True)]
EITHER = pytest.mark.parametrize("least", [False, True], ids=["whole", "least"])


def before(token: str, *, least: bool = True, **more: Any) -> Program:
    return program(token, **{"least": least, "name": None, **more})


def after(token: str, *, least: bool = True, **more: Any) -> Program:
    """The same with a change that needs a new one."""
    return program(token, **{"least": least, "name": None, **one_replacement(token), **more})


def refuse_creates(stack: Stack, **action: Any) -> None:
    rule = {"match": {"method": "POST", "path_regex": create_of(stack.token)}, "times": None}
    stack.world.faults.add({**rule, "action": {"type": "status", **action}})


def ends(stack: Stack) -> list[str]:
    """The paths of the last operation's requests that ended something."""
    asked = [e for e in stack.world.log.entries if e.path.endswith("/terminate")]
    asked += [e for e in stack.world.log.entries if e.method == "DELETE"]
    return [e.path for e in asked if "/vms/" not in e.path or "ssh-keys" not in e.path]


@pytest.mark.parametrize("token", [t for t in MACHINES if t != INSTANCE])
def test_one_that_serves_is_not_ended_by_on_timeout_though_no_list_comes(token: str) -> None:
    """A create finds the recorded one by its name where nothing but `--target-replace` asks for
    another."""
    stack, wanted = Stack(token), before(token, on_timeout="delete")
    stack.up(wanted)
    served = stack.record().id
    rule = {"method": "GET", "path_regex": f"{stack.kind.listed.path.rpartition('}')[2]}$"}
    stack.world.faults.add({"match": rule, "skip": 1, "times": None, "action": "drop"})

    said = failure(stack, wanted, target_replace=NAME)

    assert said is not None
    assert f"it exists and is recorded ({served})" in said
    assert stack.alive() == {served}


def test_one_that_is_stopped_is_not_ended_by_on_failure_though_the_list_does_not_show_it() -> None:
    """The API answers the create, whose key it knows, with the recorded one."""
    stack = Stack("openrelay:Vm", provision_seconds=0.0)
    wanted = before("openrelay:Vm", on_failure="delete", desired_state="stopped")
    stack.up(wanted)
    stopped = stack.record().id
    stack.world.settings.change({"list_lag_seconds": 30.0})

    stack.up(wanted, target_replace=NAME)

    assert stack.record().id == stopped
    stack.assert_nothing_lost()


@EITHER
@pytest.mark.parametrize("token", REPLACED)
def test_a_changed_one_is_replaced_and_the_old_one_ended_once(token: str, least: bool) -> None:
    stack = Stack(token)
    stack.up(before(token, least=least))
    old = stack.record().id
    stack.up(after(token, least=least), target_replace=NAME)
    assert stack.record().id != old
    assert len([path for path in ends(stack) if old in path]) == 1
    stack.assert_nothing_lost()
    assert stack.up(after(token, least=least)) == []


@EITHER
@pytest.mark.parametrize("token", [t for t in THINGS if t not in REPLACED])
def test_one_whose_secret_is_shown_once_is_made_anew_before_the_old_one_ends(
    token: str, least: bool
) -> None:
    stack = Stack(token)
    stack.up(before(token, least=least))
    old = stack.record().id
    stack.up(before(token, least=least), target_replace=NAME)
    assert stack.record().id != old
    assert len([path for path in ends(stack) if old in path]) == 1
    stack.assert_nothing_lost()


@EITHER
@pytest.mark.parametrize("code", ["INSUFFICIENT_GPU_CAPACITY", None], ids=["capacity", "refused"])
@pytest.mark.parametrize("token", THINGS)
def test_a_create_that_fails_never_costs_the_recorded_one(
    token: str, code: str | None, least: bool
) -> None:
    stack = Stack(token)
    stack.up(before(token, least=least))
    old = stack.record().id
    refuse_creates(stack, status=503 if code else 400, code=code)
    said = failure(stack, after(token, least=least), target_replace=NAME)
    assert said is not None
    assert stack.record().id == old
    assert ends(stack) == []
    stack.assert_nothing_lost()
    stack.world.faults.clear()
    stack.up(before(token, least=least))
    assert stack.record().id == old
    stack.assert_nothing_lost()


@pytest.mark.parametrize("token", [t for t in MACHINES if t != INSTANCE])
def test_a_refused_create_names_what_may_be_in_the_way(token: str) -> None:
    stack = Stack(token)
    stack.up(before(token))
    old = stack.record().id
    refuse_creates(stack, status=503, code="INSUFFICIENT_GPU_CAPACITY")
    said = failure(stack, after(token), target_replace=NAME)
    assert said is not None
    assert "nothing was created; try later or another shape" in said
    assert f"{old} of this resource was left as it is: if no state records it" in said


def test_an_api_key_whose_name_its_replacement_needs_outlives_a_failed_create() -> None:
    """The API allows no two of a name."""
    stack = Stack("relay:ApiKey")
    stack.up(before("relay:ApiKey"))
    old = stack.record().id
    refused = {"type": "status", "status": 503}
    match = {"method": "POST", "path_regex": create_of("relay:ApiKey")}
    stack.world.faults.add({"match": match, "skip": 1, "times": None, "action": refused})
    assert failure(stack, before("relay:ApiKey"), target_replace=NAME) is not None
    assert stack.alive() == {old}
    stack.world.faults.clear()
    stack.up(before("relay:ApiKey"), target_replace=NAME)
    assert stack.record().id != old
    stack.assert_nothing_lost()


def test_an_api_key_keeps_its_name_where_that_is_not_what_refuses_the_create() -> None:
    """It is known by it: to its users, and to the next run."""
    stack = Stack("relay:ApiKey")
    stack.up(before("relay:ApiKey"))
    path = f"/_emulator/keys/{stack.record().id}"
    name = stack.world.call("GET", path).json()["name"]
    refuse_creates(stack, status=429)
    assert failure(stack, before("relay:ApiKey"), target_replace=NAME) is not None
    assert stack.world.call("GET", path).json()["name"] == name


def test_a_key_that_a_machine_needs_goes_after_the_machine_has_the_new_one() -> None:
    stack = Stack(VM)
    stack.up(program(VM, least=True))
    old = stack.record("key").id
    other = {"public_key": program(VM)["key2"].inputs["public_key"]}
    changed = {n: d for n, d in program(VM, least=True).items() if n in (NAME, "key")}
    changed["key"] = type(changed["key"])(KEY, other)
    stack.up({n: d for n, d in program(VM, least=True).items() if n in (NAME, "key")})
    stack.up(changed, target_replace="key")
    assert stack.record("key").id != old
    stack.assert_nothing_lost()
    assert stack.up(changed) == []


def test_a_key_with_another_comment_is_the_same_key() -> None:
    """The API refuses a second one, and machines may hold the first."""
    stack = Stack(KEY)
    stack.up(program(KEY, least=True))
    old = stack.record().id
    given = str(program(KEY)[NAME].inputs["public_key"])
    changed = program(KEY, least=True, public_key=f"{given} else")
    stack.up(changed, target_replace=NAME)
    assert stack.record().id == old
    stack.assert_nothing_lost()
    assert stack.up(changed) == []


class TestProtected:
    @pytest.mark.parametrize(("token", "least"), NAMED)
    def test_it_is_neither_ended_nor_doubled(self, token: str, least: bool) -> None:
        stack = Stack(token)
        stack.up(before(token, least=least, deletion_protection=True))
        old = stack.record().id
        changed = after(token, least=least, deletion_protection=True)
        said = failure(stack, changed, target_replace=NAME)
        assert said is not None
        assert said.startswith(f"{KINDS[token].noun} '{NAME}': one of this resource exists already")
        assert old in said
        assert "deletion_protection is on; nothing was created; take back what asks for" in said
        assert ends(stack) == []
        assert stack.record().id == old
        stack.assert_nothing_lost()
        assert stack.up(before(token, least=least, deletion_protection=True)) == []

    @pytest.mark.parametrize(("token", "least"), NAMED)
    def test_one_that_the_same_change_lifts_it_from_is_replaced(
        self, token: str, least: bool
    ) -> None:
        stack = Stack(token)
        stack.up(before(token, least=least, deletion_protection=True))
        old = stack.record().id
        stack.up(after(token, least=least), target_replace=NAME)
        assert stack.record().id != old
        stack.assert_nothing_lost()

    @pytest.mark.parametrize(("token", "least"), NAMED)
    def test_a_failed_one_stays_too(self, token: str, least: bool) -> None:
        """Its disk may hold data."""
        stack = Stack(token)
        stack.up(before(token, least=least, deletion_protection=True))
        if token == INSTANCE:
            return  # a failed one has ended
        stack.another_hand({"status": "failed"})
        same = before(token, least=least, deletion_protection=True)
        assert "deletion_protection is on" in str(failure(stack, same, target_replace=NAME))
        assert ends(stack) == []
        stack.assert_nothing_lost()

    @pytest.mark.parametrize(("token", "least"), NAMED)
    def test_what_a_killed_create_has_made_is_gone_on_with(self, token: str, least: bool) -> None:
        stack = Stack(token)
        given: dict[str, Any] = {"least": least, "name": None, "deletion_protection": True}
        stack.death = Death(create_request(token, **given), after_the_work=True)
        with pytest.raises(OperationFailed):
            stack.up(program(token, **given))
        (left,) = stack.alive() - stack.recorded()
        stack.death = None
        stack.scheduler.clock.advance(5)
        stack.up(program(token, **given))
        assert stack.record().id == left
        stack.assert_nothing_lost()

    @pytest.mark.parametrize("token", [t for t in MACHINES if t != INSTANCE])
    def test_what_a_killed_create_has_made_with_other_inputs_goes_when_it_is_lifted(
        self, token: str
    ) -> None:
        stack = Stack(token)
        given: dict[str, Any] = {"least": True, "deletion_protection": True}
        stack.death = Death(create_request(token, **given), after_the_work=True)
        with pytest.raises(OperationFailed):
            stack.up(program(token, **given))
        (left,) = stack.alive() - stack.recorded()
        stack.death = None
        stack.scheduler.clock.advance(5)
        assert left in str(failure(stack, after(token, deletion_protection=True)))
        assert stack.alive() == {left}
        stack.up(after(token))
        assert stack.up(after(token, deletion_protection=True)) == []
        stack.assert_nothing_lost()

    @pytest.mark.parametrize("token", MACHINES)
    @pytest.mark.parametrize("how", ["diff", "read"])
    def test_it_is_not_doubled_where_a_call_has_named_it(self, token: str, how: str) -> None:
        """As by `replace_on_changes`, or by `--refresh --target-replace`."""
        stack = Stack(token)
        stack.up(before(token, deletion_protection=True))
        old = stack.record()

        def replaced() -> None:
            life, _ = stack.life()
            if how == "diff":
                assert not life.diff(old.id, old.inputs, old.outputs, old.inputs)[0]
            else:
                assert life.read(old.id, old.inputs, old.outputs) is not None
            life.create(dict(old.inputs))

        with pytest.raises(Failed, match="it is to be replaced, and deletion_protection is on; no"):
            stack.run(replaced)
        assert stack.alive() == {old.id}

    @pytest.mark.parametrize("token", MACHINES)
    def test_one_that_has_vanished_is_made_anew(self, token: str) -> None:
        stack = Stack(token)
        stack.up(before(token, deletion_protection=True))
        old = stack.record()
        stack.remove()

        def made_anew() -> str:
            life, _ = stack.life()
            assert life.read(old.id, old.inputs, old.outputs) is None
            return life.create(dict(old.inputs))[0]

        new = stack.run(made_anew)
        assert stack.alive() == {new}

    def test_an_old_one_that_cannot_be_found_before_is_kept_beside_the_new_one(self) -> None:
        """An instance without a webhook carries no mark."""
        stack = Stack(INSTANCE)
        kept = before(INSTANCE, deletion_protection=True)
        stack.up(kept)
        stack.up(kept)  # it is known to be recorded
        old = stack.record().id
        changed = after(INSTANCE, deletion_protection=True)
        said = failure(stack, changed, target_replace=NAME)
        new = stack.record().id
        assert said == (
            f"instance '{NAME}': the one that it replaces is to be deleted ({old}), and "
            f"deletion_protection is on; both exist and are recorded, and the new one is {new}; "
            f"set deletion_protection=False and run `pulumi up`, which ends the old one"
        )
        assert stack.alive() == {old, new}
        stack.assert_nothing_lost()
        stack.up(after(INSTANCE))
        assert stack.alive() == {new}


@pytest.mark.parametrize("token", [t for t in MACHINES if t != INSTANCE])
@pytest.mark.parametrize("demanded", [False, True], ids=["left", "recorded"])
def test_what_was_not_ended_yet_is_ended_by_the_up_that_goes_on(token: str, demanded: bool) -> None:
    """The new one was not up in time, so that the old one was kept."""
    stack = Stack(token)
    if demanded:
        stack.up(before(token))
    else:
        stack.death = Death(create_request(token, least=True), after_the_work=True)
        with pytest.raises(OperationFailed):
            stack.up(before(token))
        stack.death = None
        stack.scheduler.clock.advance(5)
    (old,) = stack.alive()
    stack.script({"type": "stall"})
    target = NAME if demanded else None
    assert "was not running within" in str(failure(stack, after(token), target_replace=target))
    assert old in stack.alive()
    stack.another_hand({"status": "running"})
    stack.refresh()
    stack.up(after(token))
    assert stack.alive() == {stack.record().id}
    stack.assert_nothing_lost()
    assert stack.up(after(token)) == []


@pytest.mark.parametrize("token", [t for t in MACHINES if t != INSTANCE])
def test_what_was_not_ended_yet_is_ended_though_a_replacement_on_demand_comes_next(
    token: str,
) -> None:
    """A refresh has seen the new one recorded, and no diff names it to its replacement."""
    stack = Stack(token)
    stack.death = Death(create_request(token, least=True), after_the_work=True)
    assert failure(stack, before(token)) is not None
    stack.death = None
    stack.scheduler.clock.advance(5)
    (old,) = stack.alive()
    stack.script({"type": "stall"})
    assert "was not running within" in str(failure(stack, after(token)))
    stack.refresh()
    third = {"gpu_count": 4} if token == VM else {"image_url": "another:1"}

    stack.up(after(token, **third), target_replace=NAME)

    stack.scheduler.clock.advance(60)
    assert old not in stack.alive()
    stack.assert_nothing_lost()


@pytest.mark.parametrize("on", ["on_failure", "on_timeout"])
def test_a_new_one_that_the_program_gives_up_on_leaves_the_old_one(on: str) -> None:
    stack = Stack(VM)
    stack.up(before(VM))
    old = stack.record().id
    stack.script({"type": "fail" if on == "on_failure" else "stall"})
    changes: dict[str, Any] = {on: "delete"}
    changed = after(VM, **changes)
    assert "it was ended and bills nothing" in str(failure(stack, changed, target_replace=NAME))
    assert [path for path in ends(stack) if old in path] == []
    assert old in stack.alive()
    stack.scheduler.clock.advance(60)
    stack.up(changed, target_replace=NAME)
    assert old not in stack.alive()
    stack.assert_nothing_lost()


def test_what_holds_the_last_capacity_gives_way_where_it_is_known_not_to_be_recorded() -> None:
    stack = Stack(VM)
    stack.world.call("PATCH", "/_emulator/settings", {"capacity": {"RTX 4090": 3}})
    small: dict[str, Any] = {"gpu_model_id": RTX_4090, "gpu_count": 1, "least": True}
    stack.up(program(VM, **small))
    two = program(VM, **{**small, "gpu_count": 2})
    for request in range(1, 40):
        stack.death = Death(request, after_the_work=True)
        assert failure(stack, two) is not None
        if len(stack.alive()) == 2:
            break
        stack.scheduler.clock.advance(5)
    stack.death = None
    stack.scheduler.clock.advance(5)
    (left,) = stack.alive() - stack.recorded()
    stack.up(program(VM, **{**small, "gpu_count": 2, "cloud_init": "#!/bin/sh\ntrue"}))
    assert left not in stack.alive()
    stack.assert_nothing_lost()


def test_one_with_a_name_of_its_own_is_said_to_be_perhaps_the_recorded_one() -> None:
    stack = Stack(VM)
    stack.up(program(VM, least=True, name="trainer"))
    old = stack.record().id
    said = failure(stack, program(VM, least=True, name="trainer", gpu_count=2), target_replace=NAME)
    assert said is not None
    assert re.search(rf"may be the one that lives \({old};.*\), and that may be the recorded", said)
    advice = "; change name, or take back what asks for another, such as --target-replace or "
    assert f"{advice}replacement_trigger; if no state records it" in said
    assert ends(stack) == []
    stack.assert_nothing_lost()


def test_one_that_is_taken_over_names_all_that_asks_for_a_new_one_without_a_change() -> None:
    stack = Stack(VM)
    stack.up(before(VM))
    stack.engine.warnings.clear()
    stack.up(before(VM), target_replace=NAME)
    (said,) = [said for said in stack.engine.warnings if "goes on with what is there" in said]
    for option in ("--target-replace", "--replace", "replacement_trigger", "replace_with"):
        assert f"`{option}`" in said


@pytest.mark.parametrize("token", THINGS)
def test_one_that_was_taken_over_names_an_input_that_makes_another(token: str) -> None:
    stack = Stack(token)
    stack.up(program(token))
    recorded = dict(stack.record().outputs)

    def deleted() -> list[str]:
        life, call = stack.life()
        life.session.history.own(call.urn, stack.record().id, "another mark")
        life.delete(stack.record().id, recorded)
        return list(call.warnings)

    (said,) = stack.run(deleted)
    named = re.search(r"change an input, such as (\w+)", said)
    fields = KINDS[token].fields.values()
    replacing = {field.name for field in fields if field.role is Role.REPLACES}
    assert named[1] in replacing if named is not None else not replacing
    stack.assert_nothing_lost()


@pytest.mark.parametrize("token", SETTINGS)
def test_a_setting_of_the_account_stays_set(token: str) -> None:
    stack = Stack(token)
    stack.up(program(token))
    stack.up(program(token), target_replace=NAME)
    told = "what it was before this stack had it is not known" in " ".join(stack.engine.warnings)
    assert told == any(update.drift for update in EXAMPLES[token].updates.values())
    assert stack.up(program(token)) == []


def test_one_that_is_replaced_under_its_own_name_is_not_said_to_stay() -> None:
    """The key of a create depends on what it replaces, so that the API makes another."""
    stack = Stack(VM)
    stack.up(program(VM, least=True, name="mine"))
    stack.up(program(VM, least=True, name="mine2"))
    old = stack.record().id
    stack.engine.warnings.clear()

    stack.up(program(VM, least=True, name="mine2"), target_replace=NAME)

    stack.scheduler.clock.advance(60)
    stack.world.advance()
    stack.assert_nothing_lost()
    assert stack.record().id != old
    (said,) = [said for said in stack.engine.warnings if old in said]
    assert said.endswith("; it is not touched, unless you replace it with `--target-replace`")


@pytest.mark.parametrize("then", ["up", "destroy"])
def test_one_that_its_own_create_gave_back_is_not_said_to_be_anothers_leftover(then: str) -> None:
    """The API knows the key of the create, and answers with the recorded one: there is no other."""
    stack, named = Stack(VM), program(VM, least=True, name="mine")
    stack.up(named)
    recorded = stack.record().id
    stack.up(named, target_replace=NAME)
    assert stack.alive() == {recorded} == stack.recorded()
    stack.engine.warnings.clear()

    {"up": lambda: stack.up(named), "destroy": stack.destroy}[then]()

    assert not [said for said in stack.engine.warnings if recorded in said]


class TestAReplacementThatTheEngineAsksFor:
    """As by `replace_on_changes`, of what the API allows only once: diff has named the old one."""

    UNIQUE = pytest.mark.parametrize(
        ("token", "leave"), [(KEY, ""), ("relay:ApiKey", ", leave name out")]
    )

    def replaced(self, stack: Stack, *, first: bool) -> str:
        """The id of the new one. first: whether the old one is deleted before it is made."""
        old = stack.record()
        owner = {"__owner": stack.engine.owner}

        def made() -> str:
            life, _ = stack.life()
            assert not life.diff(old.id, old.inputs, old.outputs, old.inputs)[0].replaces
            inputs, _ = life.check({}, {**stack.example.inputs, **owner})
            if first:
                life.delete(old.id, old.outputs)
            return life.create(inputs)[0]

        return stack.run(made)

    @UNIQUE
    def test_it_is_said_at_once_what_is_in_its_way(self, token: str, leave: str) -> None:
        stack = Stack(token)
        stack.up(program(token))
        old, began = stack.record().id, stack.scheduler.clock.seconds
        with pytest.raises(Failed) as failed:
            self.replaced(stack, first=False)
        said = str(failed.value)
        assert said.startswith(f"{KINDS[token].noun} '{NAME}': the API refused ")
        assert said.endswith(
            f", and the one that it is to replace is in its way ({old}); nothing was created; set "
            f"delete_before_replace{leave}, or take back what asks for another, such as "
            f"replace_on_changes"
        )
        assert stack.scheduler.clock.seconds - began < 2.0
        assert stack.up(program(token)) == []
        stack.assert_nothing_lost()

    @UNIQUE
    def test_it_is_made_where_the_old_one_is_deleted_before(self, token: str, leave: str) -> None:
        stack = Stack(token)
        stack.up(program(token))
        old = stack.record().id
        new = self.replaced(stack, first=True)
        assert stack.alive() == {new} != {old}


class TestAnOldOneThatCouldNotBeDeletedYet:
    """The engine has recorded both, and a destroy deletes each."""

    def both(self, token: str, **changes: Any) -> tuple[Stack, str]:
        """A stack that records the old one and the new one, whose id is told."""
        stack = Stack(token)
        stack.up(program(token, least=True, **changes))
        old = stack.record().id
        stack.world.faults.status(403, "POST", f"{old}/terminate$")
        stack.world.faults.status(403, "DELETE", f"{old}$")
        changes |= one_replacement(token)
        assert "could not be deleted" in str(failure(stack, program(token, least=True, **changes)))
        stack.world.faults.clear()
        stack.engine.warnings.clear()
        return stack, stack.record().id

    @pytest.mark.parametrize("token", REPLACED)
    def test_the_new_one_is_not_said_to_be_what_a_run_was_cut_off_at(self, token: str) -> None:
        stack, _ = self.both(token)
        owner = stack.engine.owner
        stack.destroy()
        assert stack.engine.warnings == []
        assert stack.journal.left(owner) == []
        stack.assert_nothing_lost()

    @pytest.mark.parametrize("token", MACHINES)
    def test_the_end_of_the_stack_tells_of_the_new_one_where_its_record_was_lost(
        self, token: str
    ) -> None:
        stack, new = self.both(token, name=None if token == INSTANCE else "web")
        stack.engine.state = [record for record in stack.engine.state if record.id != new]

        def end() -> list[str]:
            life, call = stack.life()
            for record in stack.engine.state:
                if record.name == NAME:
                    life.delete(record.id, record.outputs)
            warn_of_leftovers(life.session, stack.kind.service, call, stack.engine.owner)
            return call.warnings

        (warning,) = stack.run(end)
        assert new in warning
