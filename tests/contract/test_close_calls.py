"""What comes close to being lost, ended or told wrongly, and is not."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from pulumi_openrelay.emulator import Answer, Request
from pulumi_openrelay.errors import NotFound
from pulumi_openrelay.lifecycle.leftovers import warn_of_leftovers

from .support import (
    API_KEYS,
    NAME,
    SETTINGS,
    Death,
    OperationFailed,
    Stack,
    create_request,
    failure,
    program,
)

VM, CLUSTER, HOOK = "openrelay:Vm", "openrelay:InferenceCluster", "openrelay:Webhook"
SSH_KEY, API_KEY, ACCOUNT = "openrelay:SshKey", "relay:ApiKey", "relay:AccountSettings"


def answer_by(stack: Stack, handle: Callable[[Request], Answer]) -> None:
    """Let this answer in place of the world."""
    # A method is replaced, of this one world: what mypy objects to is what is wanted.
    stack.world.handle = handle  # type: ignore[method-assign,assignment]


def on_answer(stack: Stack, ending: str, change: Callable[[dict[str, Any]], None]) -> None:
    """Let something be done with each good answer to a POST whose path ends so."""
    handle = stack.world.handle

    def handled(request: Request) -> Answer:
        answer = handle(request)
        if request.method != "POST" or not request.path.endswith(ending) or answer.status >= 300:
            return answer
        body = json.loads(answer.body) if answer.body else {}
        change(body)
        return replace(answer, body=json.dumps(body).encode())

    answer_by(stack, handled)


def make_another(stack: Stack, ending: str, *, at: int = 1, **others: Any) -> list[str]:
    """Let a stranger make the like just before so manieth of the stack's creates. Returns a list
    that its id will be in."""
    handle, made, seen = stack.world.handle, list[str](), list[str]()

    def handled(request: Request) -> Answer:
        if request.method == "POST" and request.path.endswith(ending):
            seen.append(request.path)
            if len(seen) == at:
                body = {**json.loads(request.body), **others}
                answer = handle(replace(request, body=json.dumps(body).encode()))
                made.append(str(json.loads(answer.body)[stack.kind.listed.key]))
        return handle(request)

    answer_by(stack, handled)
    return made


class TestAKeyOfAnotherOrganization:
    """To it, the API says, nothing of the stack is there."""

    @pytest.fixture(params=[VM, CLUSTER, HOOK, SSH_KEY])
    def stack(self, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Stack:
        stack = Stack(request.param)
        stack.up(program(stack.token, least=True))
        other = {"secret": "or_two", "organization": "Other", "balance_cents": 10**6}
        assert stack.world.call("POST", "/_emulator/keys", other).status < 300
        monkeypatch.setitem(API_KEYS, "openrelay", "or_two")
        return stack

    @pytest.mark.parametrize("operation", ["destroy", "refresh"])
    def test_it_drops_nothing_from_the_state(self, stack: Stack, operation: str) -> None:
        recorded = stack.recorded()
        with pytest.raises(OperationFailed, match="it belongs to the organization"):
            getattr(stack, operation)()
        assert stack.recorded() == stack.alive() == recorded

    def test_it_changes_and_replaces_nothing(self, stack: Stack) -> None:
        change: dict[str, dict[str, Any]] = {HOOK: {"enabled": False}, SSH_KEY: {"name": "other"}}
        change |= {VM: {"public": True}, CLUSTER: {"replica_count": 3}}
        said = failure(stack, program(stack.token, least=True, **change[stack.token]))
        assert "use a key of its own organization" in str(said)
        assert stack.recorded() == stack.alive()


@pytest.mark.parametrize(("token", "secret"), [(HOOK, "secret"), (API_KEY, "key")])
def test_a_secret_that_is_shown_once_is_kept_though_the_apis_clocks_differ(
    token: str, secret: str
) -> None:
    def made_earlier(body: dict[str, Any]) -> None:
        for name in {"createdAt", "created_at"} & body.keys():
            made = datetime.fromisoformat(body[name]) - timedelta(seconds=10)
            body[name] = made.isoformat()

    stack = Stack(token)
    on_answer(stack, "/create" if token == HOOK else "/keys", made_earlier)
    stack.up(program(token, least=True))
    assert stack.record().outputs[secret]


def test_a_machine_that_fails_at_once_is_ended_where_the_program_says_so() -> None:
    def fail(body: dict[str, Any]) -> None:
        failed = {"status": "failed", "status_reason": "image_pull"}
        stack.world.call("PATCH", f"/_emulator/vms/{body['id']}", failed)
        body["status"] = "failed"

    stack = Stack(VM)
    on_answer(stack, "/vms/create", fail)
    said = failure(stack, program(VM, least=True, on_failure="delete"))
    assert "it has failed: image_pull; it was ended and bills nothing" in str(said)
    stack.scheduler.clock.advance(60)
    stack.world.advance()
    assert stack.alive() == stack.recorded() == set()


class TestAStrangersOfTheSameName:
    """A name that the program gives may be another's too, and an answer may be lost just then."""

    def test_it_is_not_taken_for_what_the_create_made_where_it_differs(self) -> None:
        stack = Stack(HOOK)
        rule = {"method": "POST", "path_regex": "/webhooks/create$"}
        stack.world.faults.add({"match": rule, "skip": 1, "action": "drop"})  # the stack's own
        theirs = make_another(stack, "/webhooks/create", url="https://stranger.example.com")
        failure(stack, program(HOOK, least=True, name="pager"))
        assert set(theirs) <= stack.alive()
        assert stack.recorded().isdisjoint(theirs)

    def test_a_second_one_is_told_and_not_ended(self) -> None:
        stack = Stack(CLUSTER)
        stack.world.faults.drop("POST", "/clusters/create$")
        made = make_another(stack, "/clusters/create", at=2)
        stack.up(program(CLUSTER, least=True, name="prod"))
        (theirs,) = made
        assert stack.alive() == {theirs, stack.record().id}
        assert any(theirs in warning for warning in stack.engine.warnings)


@pytest.mark.parametrize("status", ["interrupted", "stopped", "something new"])
def test_a_machine_that_may_have_served_is_not_ended_by_on_timeout(status: str) -> None:
    """After `--target-replace` it is found by its name, and may be the recorded one."""
    stack, wanted = Stack(VM), program(VM, least=True, on_timeout="delete")
    stack.up(wanted)
    served = stack.record().id
    stack.world.call("PATCH", f"/_emulator/vms/{served}", {"status": status})
    failure(stack, wanted, target_replace=NAME)
    assert not [e for e in stack.world.log.entries if e.path.endswith("/terminate")]


class TestCtrlCWhileARequestIsRepeated:
    """The first try has done the work, and the pause before the next ends with the operation."""

    def stack(self, ending: str, *, of: str = "") -> Stack:
        stack = Stack(VM)
        if of:
            stack.up(program(VM, least=True))
        rule = {"match": {"method": "POST", "path_regex": f"{ending}$"}}
        stack.world.faults.add({**rule, "action": "error_after_work"})
        connect, handle = stack.engine.connect, stack.world.handle
        processes: list[Any] = []

        def handled(request: Request) -> Answer:
            answer = handle(request)
            if request.path.endswith(ending):
                processes[-1].cancelled = True
            return answer

        def connected(process: Any) -> Any:
            processes.append(process)
            return connect(process)

        stack.engine.connect = connected
        answer_by(stack, handled)
        return stack

    def test_a_create_says_that_it_is_unknown(self) -> None:
        stack = self.stack("/vms/create")
        said = failure(stack, program(VM, least=True))
        assert stack.alive() != set()
        assert "whether it was created is unknown" in str(said)

    def test_a_change_says_that_it_is_recorded(self) -> None:
        stack = self.stack("/visibility", of="one")
        said = failure(stack, program(VM, least=True, public=True))
        assert "nothing was changed" not in str(said)


@pytest.mark.parametrize("repeats", ["the whole", "a line"])
def test_a_secret_is_hidden_in_an_answer_of_any_length(repeats: str) -> None:
    script = "#!/bin/sh\nexport TOKEN=hunter2hunter2\n" + "apt-get install something-long\n" * 20
    told = script if repeats == "the whole" else "line 2: export TOKEN=hunter2hunter2: not found"
    stack = Stack(VM)
    stack.world.faults.status(400, "POST", "/vms/create$", error=f"cloudInit is invalid: {told}")
    said = failure(stack, program(VM, least=True, cloud_init=script))
    assert "cloudInit is invalid" in str(said)
    assert "hunter2" not in str(said)


def test_a_lost_webhook_makes_no_warning_of_a_strangers_machine() -> None:
    stack = Stack(HOOK)
    stack.world.faults.status(502, "POST", "/webhooks/create$", times=None)
    failure(stack, program(HOOK, least=True))
    stack.world.faults.clear()
    Stack(VM, "stranger", beside=stack).up(program(VM, least=True))

    def warned() -> list[str]:
        life, call = stack.life()
        warn_of_leftovers(life.session, stack.kind.service, call, "owner")
        return call.warnings

    assert stack.run(warned) == []


def test_a_server_that_knows_no_list_is_not_taken_for_one_without_leftovers() -> None:
    stack = Stack(VM)
    stack.world.faults.status(404, "GET", "/vms$", times=None)
    life, call = stack.life()
    with pytest.raises(NotFound):
        stack.run(lambda: warn_of_leftovers(life.session, stack.kind.service, call, "owner"))


def test_how_a_setting_was_is_not_forgotten_by_a_refusal() -> None:
    stack, wanted = Stack(ACCOUNT), program(ACCOUNT, least=True)

    def threshold() -> Any:
        return stack.world.call("GET", "/v2/customer/profile").json()["warning_threshold"]

    found = threshold()
    undisturbed = Stack(ACCOUNT)
    undisturbed.up(wanted)
    methods = [entry.method for entry in undisturbed.world.log.entries]
    stack.death = Death(1 + methods.index("PATCH"), after_the_work=True)
    assert failure(stack, wanted) is not None
    assert threshold() != found
    stack.death = None
    stack.world.faults.status(403, "PATCH", "/settings$")
    assert failure(stack, wanted) is not None

    stack.up(wanted)
    stack.destroy()

    assert threshold() == found


@pytest.mark.parametrize(("status", "code"), [(503, "INSUFFICIENT_GPU_CAPACITY"), (402, None)])
def test_a_refusal_after_a_lost_answer_leaves_it_unknown(status: int, code: str | None) -> None:
    """The first create may be why the second is refused, and a list may be slow to show it."""
    stack, wanted = Stack(CLUSTER, list_lag_seconds=21.0), program(CLUSTER, least=True)
    stack.world.faults.lose_answer("POST", "/clusters/create$")
    refused = {"type": "status", "status": status, "code": code, "error": "none left"}
    rule = {"method": "POST", "path_regex": "/clusters/create$"}
    stack.world.faults.add({"match": rule, "skip": 1, "action": refused})
    assert "whether it was created is unknown" in str(failure(stack, wanted))
    stack.world.faults.clear()

    stack.up(wanted)

    stack.assert_nothing_lost()


def test_what_a_killed_replacement_has_left_is_told_until_somebody_has_ended_it() -> None:
    stack, wanted = Stack(HOOK), program(HOOK, least=True)
    stack.up(wanted)
    stack.death = Death(create_request(HOOK, least=True), after_the_work=True)
    assert failure(stack, wanted, target_replace=NAME) is not None
    stack.death = None
    (left,) = stack.alive() - stack.recorded()
    stack.up(wanted)
    assert any(left in warning for warning in stack.engine.warnings)
    organization = stack.world.call("GET", "/v1/whoami").json()["organizationId"]
    stack.world.call("DELETE", f"/v1/orgs/{organization}/webhooks/{left}")
    stack.scheduler.clock.advance(60)
    stack.engine.warnings.clear()

    stack.up(wanted)

    assert stack.engine.warnings == []


def test_a_key_that_is_in_the_way_is_named_as_soon_as_a_list_shows_it() -> None:
    """What a killed create of a name that the program chose has made."""
    stack = Stack(SSH_KEY)
    stack.death = Death(create_request(SSH_KEY), after_the_work=True)
    assert failure(stack, program(SSH_KEY)) is not None
    stack.death = None
    began = stack.scheduler.clock.seconds
    assert "registered already" in str(failure(stack, program(SSH_KEY)))
    assert stack.scheduler.clock.seconds - began < 5.0


def test_a_key_that_is_answered_with_the_words_of_the_first_time_makes_another_machine() -> None:
    """Somebody ended the machine since, and the stored answer still says that it deploys."""
    stack, wanted = Stack(VM), program(VM, least=True)
    handle, answers = stack.world.handle, dict[str, Answer]()

    def handled(request: Request) -> Answer:
        key = {name.lower(): value for name, value in request.headers.items()}.get(
            "idempotency-key"
        )
        if key is None:
            return handle(request)
        if key not in answers:
            answers[key] = handle(request)
        return answers[key]

    answer_by(stack, handled)
    stack.up(wanted)
    stack.world.call("POST", f"/v1/vms/{stack.record().id}/terminate")
    stack.scheduler.clock.advance(60)
    stack.refresh()
    assert stack.recorded() == set()

    stack.up(wanted)

    stack.assert_nothing_lost()


@pytest.mark.parametrize("token", ["relay:Instance", API_KEY, *SETTINGS])
def test_a_server_that_knows_no_path_drops_nothing_from_the_state(token: str) -> None:
    """As where `relay:baseUrl` was typed with a path too many."""
    stack = Stack(token)
    stack.up(program(token, least=True))
    recorded = stack.recorded()

    def nowhere(request: Request) -> Answer:
        del request
        return Answer(404, b'{"detail": "Not Found"}')

    answer_by(stack, nowhere)
    for operation in [stack.refresh] if token in SETTINGS else [stack.refresh, stack.destroy]:
        with pytest.raises(OperationFailed, match=r"404.*check relay:baseUrl"):
            operation()
        assert stack.recorded() == recorded


def test_a_killed_replacement_is_told_of_though_the_change_is_taken_back() -> None:
    stack, wanted = Stack(VM), program(VM, least=True)
    stack.up(wanted)
    change = {"cloud_init": "#!/bin/sh\necho other"}
    stack.death = Death(create_request(VM, least=True), after_the_work=True)
    assert failure(stack, program(VM, least=True, **change)) is not None
    stack.death = None
    (left,) = stack.alive() - stack.recorded()

    stack.up(wanted)

    assert any(left in warning for warning in stack.engine.warnings)


@pytest.mark.parametrize("seconds", [0, 6])
@pytest.mark.parametrize("lag", [8.0, 15.0])
def test_what_a_killed_create_made_is_ended_though_the_program_changes_and_the_list_lags(
    lag: float, seconds: int
) -> None:
    stack = Stack(VM, list_lag_seconds=lag)
    stack.death = Death(create_request(VM, least=True), after_the_work=True)
    assert failure(stack, program(VM, least=True)) is not None
    stack.death = None
    stack.scheduler.clock.advance(seconds)

    stack.up(program(VM, least=True, cloud_init="#!/bin/sh\necho other"))

    stack.scheduler.clock.advance(60)
    stack.world.advance()
    stack.assert_nothing_lost()


@pytest.mark.parametrize("token", [HOOK, API_KEY])
def test_what_one_list_misses_is_changed_all_the_same(token: str) -> None:
    stack = Stack(token)
    stack.up(program(token, least=True))
    handle, listed = stack.world.handle, stack.kind.listed.path.rpartition("/")[2]
    missed = list[str]()

    def handled(request: Request) -> Answer:
        answer = handle(request)
        if missed or request.method != "GET" or not request.path.endswith(listed):
            return answer
        missed.append(request.path)
        page = json.loads(answer.body)
        lists = [page] if isinstance(page, list) else page.values()
        next(part for part in lists if isinstance(part, list)).clear()
        return replace(answer, body=json.dumps(page).encode())

    answer_by(stack, handled)

    stack.up(program(token, least=True, enabled=False))

    assert missed
    stack.assert_nothing_lost()


def test_a_webhook_replaced_on_demand_twice_after_a_kill_is_one() -> None:
    stack, wanted = Stack(HOOK, list_lag_seconds=3.0), program(HOOK, least=True)
    stack.up(wanted)
    stack.scheduler.clock.advance(10)
    stack.death = Death(create_request(HOOK, least=True), after_the_work=True)
    assert failure(stack, wanted, target_replace=NAME) is not None
    stack.death = None

    stack.up(wanted, target_replace=NAME)

    stack.assert_nothing_lost()


@pytest.mark.parametrize("token", [VM, CLUSTER])
def test_a_leftover_is_ended_though_the_list_does_not_say_when_it_was_made(token: str) -> None:
    stack = Stack(token)
    handle = stack.world.handle

    def handled(request: Request) -> Answer:
        answer = handle(request)
        if request.method != "GET" or not request.path.endswith(("/vms", "/clusters")):
            return answer
        page = json.loads(answer.body)
        for row in page["items"]:
            del row["createdAt"]
        return replace(answer, body=json.dumps(page).encode())

    answer_by(stack, handled)
    stack.death = Death(create_request(token, least=True), after_the_work=True)
    assert failure(stack, program(token, least=True)) is not None
    stack.death = None
    change = {VM: {"cloud_init": "#!/bin/sh"}, CLUSTER: {"image_url": "other:1"}}

    stack.up(program(token, least=True, **change[token]))

    stack.scheduler.clock.advance(60)
    stack.world.advance()
    stack.assert_nothing_lost()
