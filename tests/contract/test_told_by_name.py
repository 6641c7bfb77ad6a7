"""A create that was killed, of a thing whose name the program gave: it is told of whatever the
program says by then, and never ended, for the name may be another's too."""

from __future__ import annotations

from typing import Any

import pytest

from pulumi_openrelay.lifecycle.leftovers import warn_of_leftovers

from ..simulation.engine import Declared
from .support import (
    API_KEYS,
    KINDS,
    MACHINES,
    NAME,
    Death,
    Program,
    Stack,
    create_of,
    create_request,
    failure,
    program,
    resolved,
    without_dates,
)

VM, CLUSTER, HOOK = "openrelay:Vm", "openrelay:InferenceCluster", "openrelay:Webhook"
NAMED = [VM, CLUSTER, HOOK]
NAMED_MACHINES = [token for token in MACHINES if not KINDS[token].alike]
NEWER = {VM: {"tier": "spot"}, CLUSTER: {"image_url": "vllm/vllm-openai:v0.7"}}
"""Inputs that only a new machine can have."""


def web(token: str, **changes: Any) -> Program:
    return program(token, least=True, **{"name": "web", **changes})


def killed(
    token: str, *, after_the_work: bool = True, answers: int = 0, **settings: Any
) -> tuple[Stack, set[str]]:
    """A stack whose create was killed so many answers after it was sent, and what that made."""
    stack = Stack(token, **settings)
    kill(stack, web(token), create_request(token, least=True, name="web") + answers, after_the_work)
    assert not stack.recorded()
    return stack, stack.alive()


def kill(stack: Stack, program: Program, request: int, after_the_work: bool = True) -> None:
    stack.death = Death(request, after_the_work)
    assert failure(stack, program) is not None
    assert stack.died
    stack.death = None


def beside_a_stranger() -> tuple[Stack, Program]:
    """A stack beside a stranger's VM of a name, and a program that gives another that name."""
    stranger = Stack(VM, "stranger")
    stranger.up(web(VM, wait_for="none"))  # just before
    return Stack(VM, beside=stranger), resolved(stranger, web(VM))


def told(stack: Stack) -> list[str]:
    """The warnings that speak of an earlier run."""
    return [warning for warning in stack.engine.warnings if "cut off" in warning]


def of_leftovers(stack: Stack) -> list[str]:
    """What the end of the stack warns of."""

    def warned() -> list[str]:
        life, call = stack.life()
        warn_of_leftovers(life.session, stack.kind.service, call, "owner")
        return call.warnings

    return stack.run(warned)


@pytest.mark.parametrize("lag", [0.0, 8.0])
@pytest.mark.parametrize("name", ["web2", None])
@pytest.mark.parametrize("token", NAMED)
def test_it_is_told_of_where_the_program_gives_another_name(
    token: str, name: str | None, lag: float
) -> None:
    stack, (left,) = killed(token, list_lag_seconds=lag)
    stack.up(web(token, name=name))
    (warning,) = told(stack)
    assert f"web ({left}" in warning
    assert stack.alive() == {left} | stack.recorded()
    stack.engine.warnings.clear()
    stack.up(web(token, name=name))
    assert stack.engine.warnings == []


def test_it_is_told_of_where_the_list_shows_it_only_after_another_of_the_name_was_made() -> None:
    stack, (left,) = killed(VM, list_lag_seconds=8.0)
    stack.up(web(VM, tier="spot"))
    (warning,) = told(stack)
    assert f"web ({left}" in warning
    assert stack.alive() == {left} | stack.recorded()


@pytest.mark.parametrize("lag", [0.0, 8.0, 60.0])
@pytest.mark.parametrize("changes", [{"name": "web2"}, {"tier": "spot"}])
def test_what_the_api_has_named_is_told_of_though_no_list_shows_it(
    changes: dict[str, Any], lag: float
) -> None:
    stack, (left,) = killed(VM, answers=1, list_lag_seconds=lag)
    said = failure(stack, web(VM, **changes))
    sentences = [*told(stack), *([said] if said else [])]
    assert [left in sentence for sentence in sentences] == [True]
    assert left in stack.alive()


@pytest.mark.parametrize("token", NAMED_MACHINES)
def test_a_killed_replacement_that_is_taken_back_is_told_until_somebody_has_ended_it(
    token: str,
) -> None:
    undisturbed = Stack(token)
    undisturbed.up(web(token))
    undisturbed.up(web(token, **NEWER[token]))
    paths = [entry.path for entry in undisturbed.world.log.entries]
    request = 1 + max(n for n, path in enumerate(paths) if path.endswith("s/create"))
    stack = Stack(token)
    stack.up(web(token))
    kill(stack, web(token, **NEWER[token]), request)
    (left,) = stack.alive() - stack.recorded()
    stack.scheduler.clock.advance(120)
    for _ in range(2):
        stack.engine.warnings.clear()
        stack.up(web(token))
        assert left in " ".join(told(stack))
    stack.world.call("DELETE", f"/_emulator/{stack.example.table}/{left}")
    stack.engine.warnings.clear()

    stack.up(web(token))

    assert stack.engine.warnings == []


@pytest.mark.parametrize("token", NAMED_MACHINES)
def test_the_end_of_the_stack_tells_of_it(token: str) -> None:
    stack, (left,) = killed(token)
    (warning,) = of_leftovers(stack)
    assert f"web ({left}" in warning


@pytest.mark.parametrize("token", NAMED)
class TestToAKeyOfAnotherOrganization:
    """It does not see what was made."""

    @pytest.fixture
    def elsewhere(self, token: str, monkeypatch: pytest.MonkeyPatch) -> tuple[Stack, str, Program]:
        """A stack whose create was killed, what that made, and the same program for another
        organization, whose key is used from now on."""
        stack, (left,) = killed(token)
        other = {"secret": "or_two", "organization": "Other", "balance_cents": 10**6}
        assert stack.world.call("POST", "/_emulator/keys", other).status < 300
        monkeypatch.setitem(API_KEYS, "openrelay", "or_two")
        theirs = Stack(token, "theirs", beside=stack)
        theirs.up(program(token, least=True))
        return stack, left, {**web(token), **resolved(theirs, web(token))}

    def test_it_is_told_of_and_found_again_by_a_key_of_its_own(
        self, elsewhere: tuple[Stack, str, Program], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        stack, left, wanted = elsewhere
        stack.up(wanted)
        (warning,) = told(stack)
        assert f"made the {stack.kind.noun} web in the organization org_" in warning
        assert stack.up(wanted) == []
        assert left in stack.alive() - stack.recorded()
        del wanted[NAME]
        stack.up(wanted)
        stack.engine.warnings.clear()

        monkeypatch.undo()
        said = failure(stack, web(stack.token))

        if stack.kind.create.idempotent:
            assert stack.record().id == left
        else:
            assert f"exists already ({left})" in str(said)

    def test_the_end_of_the_stack_tells_of_it_too(
        self, elsewhere: tuple[Stack, str, Program]
    ) -> None:
        stack, left, wanted = elsewhere
        for gone in (False, True):
            stack.up({name: one for name, one in wanted.items() if not gone or name != NAME})
            warnings = [one for one in of_leftovers(stack) if "in the organization" in one]
            assert len(warnings) == stack.kind.bills
        assert left in stack.alive()


class TestWhereNoListSaysWhenItWasMade:
    """It need not; the machine itself does."""

    LISTS = "/(vms|clusters)$"

    @pytest.mark.parametrize("how", ["lose_answer", "error_after_work"])
    def test_what_a_lost_answer_made_is_gone_on_with(self, how: str) -> None:
        stack = Stack(CLUSTER)
        without_dates(stack, self.LISTS)
        stack.world.faults.add({"match": {"path_regex": create_of(CLUSTER)}, "action": how})
        stack.up(web(CLUSTER))
        stack.assert_nothing_lost()

    def test_of_a_strangers_of_the_name_another_is_made_beside_it(self) -> None:
        stack = Stack(CLUSTER)
        stranger = Stack(CLUSTER, "stranger", beside=stack)
        stranger.up(web(CLUSTER))
        stack.scheduler.clock.advance(60)
        without_dates(stack, self.LISTS)
        stack.world.settings.change({"list_lag_seconds": 75.0})  # it shows while we look
        stack.world.faults.drop("POST", create_of(CLUSTER))
        stack.up(web(CLUSTER))
        assert f"/v1/clusters/{stranger.record().id}/detail" in stack.asked
        assert stack.alive() == stranger.recorded() | stack.recorded()

    def test_where_nothing_says_so_another_is_not_made_either(self) -> None:
        stack = Stack(CLUSTER)
        without_dates(stack, "clusters")
        stack.world.faults.lose_answer("POST", create_of(CLUSTER))
        said = failure(stack, web(CLUSTER))
        (made,) = stack.alive()
        assert said == (
            f"inference cluster '{NAME}': one that this create may have made came up ({made}), and "
            f"nothing tells when it was made; it was not touched; whether it was created is "
            f"unknown; end it unless somebody else made it, and run `pulumi up` again, or give "
            f"another name"
        )
        assert f"exists already ({made})" in str(failure(stack, web(CLUSTER)))
        assert stack.alive() == {made}

    @pytest.mark.parametrize("silent", [LISTS, "(vms|clusters)"], ids=["the list", "nobody"])
    @pytest.mark.parametrize("token", NAMED_MACHINES)
    def test_a_killed_one_is_told_of(self, token: str, silent: str) -> None:
        stack, (left,) = killed(token)
        without_dates(stack, silent)
        (warning,) = of_leftovers(stack)
        assert f"web ({left}" in warning
        stack.up(web(token, name="web2"))
        (warning,) = told(stack)
        assert f"web ({left}" in warning
        assert stack.alive() == {left} | stack.recorded()

    @pytest.mark.parametrize("token", NAMED_MACHINES)
    def test_a_killed_one_is_told_of_though_it_cannot_be_asked(self, token: str) -> None:
        stack, (left,) = killed(token)
        without_dates(stack, self.LISTS)
        stack.world.faults.status(403, "GET", "/detail$", times=None)
        (warning,) = of_leftovers(stack)
        assert f"web ({left}" in warning

    @pytest.mark.parametrize("token", NAMED_MACHINES)
    def test_what_was_made_long_after_is_not(self, token: str) -> None:
        stack, _ = killed(token, after_the_work=False)
        stack.scheduler.clock.advance(3600)
        Stack(token, "stranger", beside=stack).up(resolved(stack, web(token)))
        without_dates(stack, self.LISTS)
        assert of_leftovers(stack) == []


class TestNothingIsToldOf:
    """What no create of this resource can have left."""

    @pytest.mark.parametrize("token", NAMED)
    def test_what_a_refused_create_has_not_made(self, token: str) -> None:
        stack = Stack(token)
        stack.world.faults.status(403, "POST", create_of(token), times=1)
        assert failure(stack, web(token)) is not None
        Stack(token, "stranger", beside=stack).up(resolved(stack, web(token)))
        stack.up(web(token, name="web2"))
        assert told(stack) == []

    def test_what_was_there_before(self) -> None:
        undisturbed = beside_a_stranger()
        undisturbed[0].up(undisturbed[1])
        paths = [entry.path for entry in undisturbed[0].world.log.entries]
        request = 1 + max(n for n, path in enumerate(paths) if path.endswith("/vms/create"))
        stack, wanted = beside_a_stranger()
        kill(stack, wanted, request, after_the_work=False)
        assert of_leftovers(stack) == []
        changed = {**wanted[NAME].inputs, "name": "web2"}
        stack.up({NAME: Declared(VM, changed)})
        assert told(stack) == []

    @pytest.mark.parametrize("token", NAMED)
    def test_what_another_resource_of_the_program_makes(self, token: str) -> None:
        stack, left = killed(token, after_the_work=False)
        assert not left
        both = web(token, name="web2")
        both["other"] = Declared(token, {**both[NAME].inputs, "name": "web"})
        stack.up(both)
        assert told(stack) == []

    @pytest.mark.parametrize("token", NAMED_MACHINES)
    def test_what_has_another_name(self, token: str) -> None:
        stack, _ = killed(token, after_the_work=False)
        Stack(token, "stranger", beside=stack).up(resolved(stack, web(token, name="theirs")))
        assert of_leftovers(stack) == []
        stack.up(web(token, name="web2"))
        assert told(stack) == []

    def test_what_the_same_program_finds_again(self) -> None:
        stack, left = killed(VM)
        stack.up(web(VM))
        assert stack.recorded() == left
        assert stack.engine.warnings == []

    @pytest.mark.parametrize("token", NAMED_MACHINES)
    def test_what_a_state_has_recorded_and_the_program_retains(self, token: str) -> None:
        stack = Stack(token)
        stack.up(web(token))
        assert of_leftovers(stack) == []


@pytest.mark.parametrize("token", NAMED)
def test_a_strangers_of_the_name_is_not_ended(token: str) -> None:
    stack, left = killed(token, after_the_work=False)
    assert not left
    stranger = Stack(token, "stranger", beside=stack)
    stranger.up(resolved(stack, web(token)))
    stack.up(web(token, name="web2"))
    assert stack.alive() == stranger.recorded() | stack.recorded()


@pytest.mark.parametrize("adopt", [None, True])
def test_a_name_that_is_taken_back_while_its_machine_is_to_be_deleted_is_said_to_be_its_own(
    adopt: bool | None,
) -> None:
    stack = Stack(CLUSTER)
    stack.up(web(CLUSTER, adopt=adopt))
    web1 = stack.record().id
    stack.world.faults.status(403, "POST", "terminate", times=1)
    assert failure(stack, web(CLUSTER, name="web2", adopt=adopt)) is not None

    said = failure(stack, web(CLUSTER, adopt=adopt))

    assert said == (
        f"inference cluster '{NAME}': one of the name 'web' exists already ({web1}); nothing was "
        f"created; this resource was that one before: if it is still to be deleted, take the "
        f"change back, run `pulumi up` again, which deletes it, and then make the change again; "
        f"else end it unless somebody needs it, or choose another name"
    )
    stack.up(web(CLUSTER, name="web2", adopt=adopt))
    stack.assert_nothing_lost()
    stack.up(web(CLUSTER, adopt=adopt))
    stack.assert_nothing_lost()
