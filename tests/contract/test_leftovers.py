"""What is there of a resource's name beside it: what is ended as a leftover, and what never is."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from pulumi_openrelay.emulator import Answer, Request, World
from pulumi_openrelay.emulator.inference_states import Cluster

from ..simulation.journal import Notes
from .examples import EXAMPLES
from .support import (
    NAME,
    Death,
    Stack,
    answer_by,
    create_request,
    failure,
    on_answer,
    one_replacement,
    program,
)

VM, CLUSTER, API_KEY = "openrelay:Vm", "openrelay:InferenceCluster", "relay:ApiKey"


def miss_until_a_create(stack: Stack, missed: str) -> None:
    """Let every list lack this one until a create was sent."""
    handle, kind, sent = stack.world.handle, stack.kind, list[str]()
    listed, created = (path.rpartition("}")[2] for path in (kind.listed.path, kind.create.path))

    def handled(request: Request) -> Answer:
        answer = handle(request)
        if request.method == "POST" and request.path.endswith(created):
            sent.append(request.path)
        if sent or request.method != "GET" or not request.path.endswith(listed):
            return answer
        page = json.loads(answer.body)
        lists = [page] if isinstance(page, list) else page.values()
        rows = next(part for part in lists if isinstance(part, list))
        rows[:] = [row for row in rows if row[kind.listed.key] != missed]
        return replace(answer, body=json.dumps(page).encode())

    answer_by(stack, handled)


def forgotten(token: str, *, seconds: float) -> tuple[Stack, str]:
    """A stack whose one resource no state and no note tells of, and that has lived for so long."""
    stack = Stack(token)
    stack.up(program(token, least=True))
    kept = stack.record()
    stack.engine.state.remove(kept)
    stack.journal = Notes()
    stack.engine.warnings.clear()
    stack.scheduler.clock.advance(seconds)
    return stack, kept.id


def killed(*, seconds: float) -> tuple[Stack, str]:
    """A stack whose create was killed so long ago, and the machine that it has made."""
    stack = Stack(VM)
    stack.death = Death(create_request(VM, least=True), after_the_work=True)
    assert failure(stack, program(VM, least=True)) is not None
    stack.death = None
    stack.scheduler.clock.advance(seconds)
    (left,) = stack.alive()
    return stack, left


class TestWhatIsTooOldToBeALeftover:
    @pytest.mark.parametrize("token", [VM, CLUSTER])
    def test_a_machine_that_a_list_shows_only_after_the_create_is_told_and_not_ended(
        self, token: str
    ) -> None:
        """It has this resource's name, and this create cannot have made it."""
        stack, old = forgotten(token, seconds=3600)
        miss_until_a_create(stack, old)
        stack.up(program(token, least=True, **one_replacement(token)))
        stack.scheduler.clock.advance(60)
        stack.world.advance()
        assert stack.alive() == {old, stack.record().id}
        (told,) = [line for line in stack.engine.warnings if old in line]
        assert "an older" in told

    def test_a_key_of_the_name_that_has_lived_for_a_day_is_not_ended(self) -> None:
        """Whoever uses it would stand without."""
        stack, old = forgotten(API_KEY, seconds=25 * 3600)
        miss_until_a_create(stack, old)
        assert f"exists already ({old})" in str(failure(stack, program(API_KEY, least=True)))
        assert stack.alive() == {old}

    def test_what_a_killed_create_made_is_told_and_not_ended_a_day_later(self) -> None:
        """It may hold data by now."""
        stack, left = killed(seconds=25 * 3600)
        stack.up(program(VM, least=True, **one_replacement(VM)))
        stack.scheduler.clock.advance(60)
        stack.world.advance()
        assert stack.alive() == {left, stack.record().id}
        (told,) = [line for line in stack.engine.warnings if left in line]
        assert "an older" in told


@pytest.mark.parametrize("lags", [False, True], ids=["listed", "not listed yet"])
def test_a_key_that_another_resource_has_since_an_alias_is_not_ended_for_its_name(
    *, lags: bool
) -> None:
    """The key was this resource's own once, and is called by its name."""
    stack, wanted = Stack(API_KEY), program(API_KEY, least=True)
    stack.up(wanted)
    used = stack.record()
    used.name = "renamed"
    if lags:
        miss_until_a_create(stack, used.id)
    said = failure(stack, {"renamed": wanted[NAME], **wanted})
    assert f"another resource of this program has it already ({used.id})" in str(said)
    assert stack.alive() == stack.recorded() == {used.id}


def test_what_a_killed_create_made_is_not_ended_where_protection_was_switched_on_since() -> None:
    """The up that was to end it once the new one was up did not come so far."""
    stack, left = killed(seconds=5)
    changed = one_replacement(VM)
    stack.script({"type": "stall"})
    assert "was not running within" in str(failure(stack, program(VM, least=True, **changed)))
    stack.another_hand({"status": "running"})
    stack.engine.warnings.clear()

    stack.up(program(VM, least=True, **changed, deletion_protection=True))

    stack.scheduler.clock.advance(60)
    stack.world.advance()
    assert stack.alive() == {left, stack.record().id}
    assert any(left in line for line in stack.engine.warnings)


def test_a_machine_that_could_not_be_ended_fails_the_up_until_it_is() -> None:
    """A warning is soon forgotten, and it goes on billing."""
    stack, left = killed(seconds=5)
    changed = program(VM, least=True, **one_replacement(VM))
    stack.world.faults.status(409, "POST", f"{left}/terminate$", error="Not now.", times=None)
    for _ in range(2):
        said = failure(stack, changed)
        assert said is not None
        assert f"an earlier one of this resource could not be ended: {left}: " in said
        assert stack.alive() == {left, stack.record().id}
    stack.world.faults.clear()

    stack.up(changed)

    stack.scheduler.clock.advance(60)
    assert left not in stack.alive()
    stack.assert_nothing_lost()


def test_what_a_create_made_that_was_interrupted_is_ended_where_no_engine_recorded_it() -> None:
    """Ctrl-C may have ended the engine too."""
    stack = Stack(VM)

    def interrupt(_: dict[str, Any]) -> None:
        stack.engine.process.cancelled = True

    handle = stack.world.handle
    on_answer(stack, "/vms/create", interrupt)
    assert failure(stack, program(VM, least=True)) is not None
    answer_by(stack, handle)
    (left,) = stack.alive()
    stack.engine.state = [record for record in stack.engine.state if record.id != left]
    stack.scheduler.clock.advance(5)

    stack.up(program(VM, least=True, **one_replacement(VM)))

    stack.scheduler.clock.advance(60)
    assert left not in stack.alive()
    stack.assert_nothing_lost()


@pytest.mark.parametrize("token", [VM, CLUSTER])
def test_what_a_killed_create_made_is_ended_though_what_took_its_place_is_called_alike(
    token: str,
) -> None:
    """Of two creates of the same inputs, neither of which was recorded before, the names are the
    same; the second one failed too, and could not end what the first one left."""
    stack, wanted = Stack(token), program(token, least=True)
    stack.script({"type": "fail"})
    stack.death = Death(create_request(token, least=True), after_the_work=True)
    assert failure(stack, wanted) is not None
    stack.death = None
    (left,) = stack.alive()
    stack.scheduler.clock.advance(20)
    stack.script({"type": "fail"})
    assert "it has failed" in str(failure(stack, wanted))
    assert stack.alive() == {left, stack.record().id}

    stack.up(wanted)

    stack.scheduler.clock.advance(60)
    stack.world.advance()
    stack.assert_nothing_lost()
    assert not [line for line in stack.engine.warnings if left in line]


def test_protection_keeps_nothing_from_being_made_beside_what_only_the_list_still_shows() -> None:
    stack, gone = forgotten(VM, seconds=60)
    stack.world.settings.change({"list_lag_seconds": 30.0})
    assert stack.world.call("DELETE", f"/_emulator/vms/{gone}").status == 200
    changes = {**one_replacement(VM), "deletion_protection": True}
    stack.up(program(VM, least=True, **changes))
    stack.assert_nothing_lost()


def test_of_several_that_killed_creates_have_made_one_that_can_be_used_is_gone_on_with() -> None:
    """An earlier one has failed: that is no reason to make another, of which a lost answer leaves
    one more."""
    stack = Stack(CLUSTER)
    stack.death = Death(create_request(CLUSTER, least=True), after_the_work=True)
    assert failure(stack, program(CLUSTER, least=True)) is not None
    stack.death = None
    stack.scheduler.clock.advance(5)
    world, kind, (failed,) = stack.world, stack.kind, stack.alive()
    assert isinstance(world, World)
    path = kind.create.path.replace("{org}", world.first_organization.id)
    name = world.store.table(Cluster)[failed].name
    body = kind.body({**EXAMPLES[CLUSTER].least, "name": name})
    second = world.call("POST", path, body).json()["id"]
    world.call("PATCH", f"/_emulator/clusters/{failed}", {"status": "failed"})
    stack.scheduler.clock.advance(30)

    stack.up(program(CLUSTER, least=True))

    assert stack.record().id == second
    stack.scheduler.clock.advance(60)
    stack.assert_nothing_lost()
