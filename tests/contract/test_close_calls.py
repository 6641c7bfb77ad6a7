"""What comes close to being lost, ended or told wrongly, and is not."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from pulumi_openrelay.emulator import Answer, Request
from pulumi_openrelay.errors import NotFound
from pulumi_openrelay.lifecycle.fields import WAS
from pulumi_openrelay.lifecycle.leftovers import warn_of_leftovers

from ..simulation.engine import Declared, Ref
from ..simulation.journal import Notes
from .examples import EXAMPLES, KEYS
from .support import (
    API_KEYS,
    MACHINES,
    NAME,
    SETTINGS,
    Death,
    OperationFailed,
    Program,
    Stack,
    answer_by,
    create_request,
    failure,
    on_answer,
    one_replacement,
    program,
    resolved,
    without_dates,
)

VM, CLUSTER, HOOK = "openrelay:Vm", "openrelay:InferenceCluster", "openrelay:Webhook"
SSH_KEY, API_KEY, ACCOUNT = "openrelay:SshKey", "relay:ApiKey", "relay:AccountSettings"
INSTANCE = "relay:Instance"


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


def test_a_refused_create_of_what_has_no_name_is_told_in_the_apis_words() -> None:
    """One just like it is there; it is in nobody's way."""
    stack = Stack(INSTANCE)
    handle = stack.world.handle

    def handled(request: Request) -> Answer:
        answer = handle(request)
        if request.method != "POST" or not request.path.endswith("/instances"):
            return answer
        told = {"error": {"code": "BUSY", "message": "The account is being moved."}}
        return replace(answer, status=409, body=json.dumps(told).encode())

    answer_by(stack, handled)
    said = failure(stack, program(INSTANCE, least=True))
    assert "The account is being moved" in str(said)
    assert "None" not in str(said)


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


def test_a_new_machine_is_taken_for_new_though_the_apis_clocks_differ() -> None:
    stack = Stack(VM)
    handle, stopped = stack.world.handle, list[str]()

    def handled(request: Request) -> Answer:
        if request.path.endswith("/stop"):
            path = request.path.removesuffix("/stop")
            stopped.append(stack.world.call("GET", path).json()["status"])
        answer = handle(request)
        body = json.loads(answer.body) if answer.body else None
        for row in [body, *(body.get("items") or [])] if isinstance(body, dict) else []:
            if "createdAt" in row:
                made = datetime.fromisoformat(row["createdAt"]) - timedelta(seconds=10)
                row["createdAt"] = made.isoformat()
        return replace(answer, body=json.dumps(body).encode()) if answer.body else answer

    answer_by(stack, handled)
    stack.up(program(VM, least=True, desired_state="stopped"))
    assert stopped == ["running"]
    assert stack.engine.warnings == []


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


def test_what_a_lost_answer_made_is_known_by_its_own_name_though_no_date_is_told() -> None:
    """Nobody else chooses such a name."""
    stack = Stack(CLUSTER)
    without_dates(stack, "/clusters")
    stack.world.faults.add({"match": {"path_regex": "/clusters/create$"}, "action": "lose_answer"})
    stack.up(program(CLUSTER, least=True))
    stack.assert_nothing_lost()


def test_of_a_hundred_ids_that_it_had_the_record_keeps_the_latest() -> None:
    """They tell what a state may have recorded, and is not ended."""
    stack = Stack(VM)
    stack.up(program(VM, least=True))
    was = [f"vm_{number}" for number in range(100)]
    stack.record().outputs[WAS] = was
    replaced = stack.record().id
    stack.up(program(VM, least=True, **one_replacement(VM)))
    assert stack.record().id != replaced
    assert stack.record().outputs[WAS] == [*was[1:], replaced]


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


@pytest.mark.parametrize("token", [INSTANCE, API_KEY, *SETTINGS])
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


def test_a_cluster_of_an_api_that_is_not_there_any_more_is_not_said_to_be_gone() -> None:
    """Else the user refreshes, and it leaves the state while it bills."""
    stack = Stack(CLUSTER)
    stack.up(program(CLUSTER, replica_count=1))
    stack.world.faults.status(404, "GET", "/clusters", times=None)
    began = stack.scheduler.clock.seconds
    said = failure(stack, program(CLUSTER, replica_count=3))
    assert stack.scheduler.clock.seconds - began < 2.0  # no look more would tell another thing
    assert said is not None
    assert "does not exist any more" not in said
    assert "this organization" in said


def test_a_cluster_that_does_not_scale_while_the_program_has_it_stopped_says_what_helps() -> None:
    """No refresh and no further `pulumi up` of the same program would."""
    stack = Stack(CLUSTER)
    stack.up(program(CLUSTER, replica_count=1, desired_state="stopped"))
    said = failure(stack, program(CLUSTER, desired_state="stopped", replica_count=3))
    assert said is not None
    assert said.endswith(
        'set desired_state="running" with replica_count, and "stopped" after it, '
        "or take the change back"
    )
    stack.up(program(CLUSTER, desired_state="running", replica_count=3))
    stack.up(program(CLUSTER, desired_state="stopped", replica_count=3))
    assert stack.record().outputs["replica_count"] == 3


def test_what_else_keeps_a_stopped_cluster_from_scaling_is_not_taken_for_that() -> None:
    stack = Stack(CLUSTER)
    stack.up(program(CLUSTER, replica_count=1, desired_state="stopped"))
    stack.world.faults.status(409, "POST", "/scale", times=None)
    said = failure(stack, program(CLUSTER, desired_state="stopped", replica_count=3))
    assert said is not None
    assert "desired_state" not in said


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


@pytest.mark.parametrize("name", ["chosen", None])
def test_what_a_killed_create_made_is_ended_though_a_protection_refused_that_before(
    name: str | None,
) -> None:
    stack, wanted = Stack(VM), program(VM, least=True, name=name)
    stack.death = Death(create_request(VM, least=True), after_the_work=True)
    assert failure(stack, wanted) is not None
    stack.death = None
    (left,) = stack.alive()
    path = f"/_emulator/vms/{left}"
    assert stack.world.call("PATCH", path, {"status": "failed"}).status == 200
    for _ in range(2):
        refused = failure(stack, program(VM, least=True, name=name, deletion_protection=True))
        assert refused is not None
        assert "one of this resource exists already" in refused

    stack.up(wanted)

    stack.scheduler.clock.advance(60)
    stack.world.advance()
    assert left not in stack.alive()
    stack.assert_nothing_lost()


def test_what_a_killed_create_made_is_found_though_the_answer_that_misses_it_takes_its_time() -> (
    None
):
    """A list tells what was when it was asked for."""
    stack, wanted = Stack(CLUSTER, list_lag_seconds=8.0), program(CLUSTER, least=True)
    stack.death = Death(create_request(CLUSTER, least=True), after_the_work=True)
    assert failure(stack, wanted) is not None
    stack.death = None
    handle, slow = stack.world.handle, ["/clusters"]

    def handled(request: Request) -> Answer:
        answer = handle(request)
        if slow and request.method == "GET" and request.path.endswith(slow[0]):
            slow.clear()
            stack.scheduler.clock.advance(25)
        return answer

    answer_by(stack, handled)

    stack.up(wanted)

    assert not slow
    stack.assert_nothing_lost()


def test_a_key_that_is_renamed_is_said_to_be_deleted_and_what_may_be_replaced_with_it() -> None:
    stack = Stack(SSH_KEY)
    stack.up(program(SSH_KEY, least=True, name="laptop"))
    stack.up(program(SSH_KEY, least=True, name="desktop"))
    (told,) = [line for line in stack.engine.warnings if "deleted and made anew" in line]
    assert told.startswith("the API cannot change name, so that it is deleted and made anew; where")
    assert "Pulumi replaces that machine too: take the change back" in told


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
    without_dates(stack, "/(vms|clusters)$")
    stack.death = Death(create_request(token, least=True), after_the_work=True)
    assert failure(stack, program(token, least=True)) is not None
    stack.death = None
    change = {VM: {"cloud_init": "#!/bin/sh"}, CLUSTER: {"image_url": "other:1"}}

    stack.up(program(token, least=True, **change[token]))

    stack.scheduler.clock.advance(60)
    stack.world.advance()
    stack.assert_nothing_lost()


@pytest.mark.parametrize(("token", "name"), [(SSH_KEY, "public_key"), (INSTANCE, "ssh_public_key")])
class TestAPublicKey:
    @pytest.mark.parametrize("end", ["\n", "\r\n"])
    def test_a_pub_file_is_taken_as_it_is_read(self, token: str, name: str, end: str) -> None:
        stack, wanted = Stack(token), program(token, least=True, **{name: KEYS[0] + end})
        bodies, handle = list[bytes](), stack.world.handle

        def handled(request: Request) -> Answer:
            bodies.append(request.body)
            return handle(request)

        answer_by(stack, handled)
        stack.up(wanted)
        assert [json.loads(b)[stack.kind.fields[name].wire] for b in bodies if b] == [KEYS[0]]
        stack.refresh()
        assert stack.up(wanted) == stack.up(program(token, least=True)) == []

    def test_its_comment_is_refused_only_where_the_api_says_so(self, token: str, name: str) -> None:
        stack, key = Stack(token), KEYS[0].replace("someone", "Ada, 100% $1")
        given = program(token, least=True, **{name: key})[NAME].inputs
        _, problems = stack.run(lambda: stack.life()[0].check({}, dict(given)))
        refused = [(name, "should have a comment without a comma, $ or %")]
        assert problems == ([] if token == INSTANCE else refused)
        if token == INSTANCE:
            stack.up(program(token, least=True, **{name: key}))


@pytest.mark.parametrize(
    ("token", "name"), [(HOOK, "secret_version"), ("relay:WebhookSecret", "rotation")]
)
def test_a_secret_that_receivers_use_is_ended_by_another_value_alone(token: str, name: str) -> None:
    stack = Stack(token)
    stack.up(program(token, least=True))
    new = list(EXAMPLES[token].updates[name].calls)
    for value, calls in [(1, []), (2, new), (None, []), ("x", []), ("x", []), ("y", new)]:
        assert stack.up(program(token, least=True, **{name: value})) == calls


def test_an_adopted_webhook_keeps_its_secret_until_another_value_is_given() -> None:
    mine = Stack(HOOK, "mine")
    mine.up(program(HOOK, least=True, name="pager"))
    theirs = Stack(HOOK, "theirs", beside=mine)
    adopting = {"name": "pager", "adopt": True}
    assert theirs.up(program(HOOK, least=True, **adopting, secret_version=1)) == []
    assert theirs.record().outputs.get("secret") is None
    again = theirs.up(program(HOOK, least=True, **adopting, secret_version=2))
    assert again == ["regenerateOrgWebhookSecret"]
    assert theirs.record().outputs["secret"]


class TestAMachineThatDoesNotComeUp:
    """What the next up does to it is what the failure of this one says."""

    def test_one_that_is_stopped_meanwhile_is_started_again(self) -> None:
        stack, wanted = Stack(VM), program(VM, least=True)
        stopped = {"status": "stopped", "status_reason": "auto_stopped_insufficient_balance"}

        def stop(body: dict[str, Any]) -> None:
            stack.world.call("PATCH", f"/_emulator/vms/{body['id']}", stopped)

        on_answer(stack, "/vms/create", stop)
        said = failure(stack, wanted)
        assert "it is stopped: auto_stopped_insufficient_balance" in str(said)
        assert "replaces" not in str(said)
        assert stack.up(wanted) == ["restartVm"]

    def test_an_adopted_one_that_fails_is_started_again(self) -> None:
        mine = Stack(VM, "mine")
        mine.up(program(VM, least=True, name="x"))
        mine.another_hand({"status": "stopped"})
        theirs = Stack(VM, "theirs", beside=mine)
        wanted = resolved(mine, program(VM, least=True, name="x", adopt=True))
        handle = mine.world.handle
        on_answer(theirs, "/restart", lambda _: mine.another_hand({"status": "failed"}))
        said = failure(theirs, wanted)
        assert "it has failed" in str(said)
        assert "replaces" not in str(said)
        answer_by(theirs, handle)
        assert theirs.up(wanted) == ["restartVm"]

    def test_one_that_never_served_and_fails_is_replaced(self) -> None:
        stack, wanted = Stack(VM), program(VM, least=True)
        stack.script({"type": "fail", "reason": "image_pull"})
        assert "which replaces it" in str(failure(stack, wanted))
        assert stack.up(wanted) == ["createVm", "terminateVm"]

    def test_of_a_protected_one_it_is_said_what_must_go_before_it_is_replaced(self) -> None:
        stack, wanted = Stack(VM), program(VM, least=True, deletion_protection=True)
        stack.script({"type": "fail", "reason": "image_pull"})
        said = str(failure(stack, wanted))
        made = stack.record().id
        lift = "set deletion_protection=False"
        assert said.endswith(f"; {lift}, and run `pulumi up` again, which replaces it")
        assert failure(stack, wanted) == (
            f"VM 'it': it has failed, so that only a new one can take its place, and "
            f"deletion_protection is on; nothing was changed ({made}); {lift} and run `pulumi up` "
            f"first"
        )
        assert stack.up(program(VM, least=True)) == ["createVm", "terminateVm"]


def test_a_key_that_the_api_does_not_know_is_not_taken_for_a_wrong_address() -> None:
    stack = Stack(VM)
    stack.up(program(VM, least=True))
    stack.world.faults.status(404, "POST", "/ssh-keys$", error="There is no such key.")
    said = failure(stack, program(VM, least=True, ssh_key_ids=["key_nowhere"]))
    assert "There is no such key" in str(said)
    assert "check the ids that the program gives" in str(said)


def test_an_end_that_the_api_cannot_carry_out_just_then_is_asked_for_again() -> None:
    stack = Stack(INSTANCE)
    stack.up(program(INSTANCE, least=True))
    stack.world.faults.status(503, "POST", "/terminate$", code="INSTANCES_UNAVAILABLE")
    stack.destroy()
    stack.assert_nothing_lost()


@pytest.mark.parametrize("bad", ["relay_sk swordfish", "relay_sk_swordfésh"])
def test_a_key_that_no_key_can_be_is_refused_by_name(bad: str) -> None:
    stack, token = Stack("relay:InferenceCheck"), "relay:InferenceCheck"
    given = program(token, least=True, api_key=bad)[NAME].inputs
    _, problems = stack.run(lambda: stack.life()[0].check({}, dict(given)))
    assert problems == [("api_key", "has characters that no key has")]
    stack.up(program(token, least=True, api_key=f"{EXAMPLES[token].least['api_key']}\n"))


class TestAdopt:
    """It takes over what another hand has made, whose shape it cannot change."""

    @pytest.mark.parametrize(
        ("token", "wanted", "said"),
        [
            (VM, {"gpu_count": 4}, "gpu_count is 1 and not 4"),
            (CLUSTER, {"image_url": "another:1"}, "image_url is 'vllm/vllm-openai:v0.6' and not"),
        ],
    )
    def test_it_refuses_one_of_another_shape(
        self, token: str, wanted: dict[str, Any], said: str
    ) -> None:
        mine = Stack(token, "mine")
        mine.up(program(token, least=True, name="shared"))
        theirs = Stack(token, "theirs", beside=mine)
        asked = program(token, least=True, name="shared", adopt=True, **wanted)

        refused = failure(theirs, resolved(mine, asked))

        assert refused is not None
        assert f"adopt=True fits {mine.record().id}, whose {said}" in refused
        assert "nothing was created; ask for what it has, or give another name" in refused
        assert theirs.recorded() == set()

    def test_it_says_whose_ssh_keys_a_vm_lets_in_no_more(self) -> None:
        theirs = Stack(VM, "theirs")
        theirs.up(program(VM, least=True, name="shared"))
        ours = Stack(VM, "ours", beside=theirs)
        line = f"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{'D' * 43}"
        key = Declared(SSH_KEY, {"public_key": line}, timeout=1.0)
        wanted = program(VM, least=True, name="shared", adopt=True, ssh_key_ids=[Ref("key")])

        ours.up({"key": key, NAME: wanted[NAME]})

        (before,) = theirs.record().inputs["ssh_key_ids"]
        made = theirs.record().id
        assert ours.engine.warnings == [
            f"adopt=True takes over {made}: it lets in the SSH keys {before} no more, which "
            f"ssh_key_ids does not name: add those that somebody needs"
        ]
        ours.up({"key": key, NAME: wanted[NAME]})
        assert len(ours.engine.warnings) == 1
        with pytest.raises(OperationFailed) as refused:
            ours.destroy()
        assert "it is held by shared; it stays recorded" in str(refused.value)
        assert str(refused.value).endswith(
            "; give each of those another SSH key, then run the command again, or leave it where "
            "it is: take it out of the state with `pulumi state delete`"
        )

    def test_what_was_adopted_and_replaced_is_not_adopted_again(self) -> None:
        mine = Stack(VM, "mine")
        mine.up(program(VM, least=True, name="shared"))
        theirs = Stack(VM, "theirs", beside=mine)
        ids = []
        for count in (1, 2, 4, 1):
            asked = program(VM, least=True, name="shared", adopt=True, gpu_count=count)
            theirs.up(resolved(mine, asked))
            assert theirs.record().outputs["gpu_count"] == count
            ids.append(theirs.record().id)
        assert ids[0] == mine.record().id
        assert len({*ids}) == 4
        theirs.scheduler.clock.advance(60)
        assert theirs.alive() == {ids[0], ids[-1]}

    @pytest.mark.parametrize("adopt", [None, True])
    def test_a_key_that_another_resource_of_the_program_has_is_said_to_be_its(
        self, adopt: bool | None
    ) -> None:
        mine = Stack(SSH_KEY, "mine")
        if adopt:
            mine.up(program(SSH_KEY, least=True))
        stack = Stack(SSH_KEY, "theirs", beside=mine)
        both = program(SSH_KEY, least=True, adopt=adopt)
        stack.up(both)
        both["other"] = both[NAME]
        said = failure(stack, both)
        assert said == (
            f"SSH key 'other': another resource of this program has it already "
            f"({stack.record().id}); nothing was created; refer to that one's `.id` in place of "
            f"this one, or make this one differ from it"
        )
        assert stack.alive() == stack.recorded()

    def test_a_name_that_no_second_one_may_have_is_not_said_to_be_adoptable(self) -> None:
        mine = Stack(CLUSTER, "mine")
        mine.up(program(CLUSTER, least=True, name="shared"))
        theirs = Stack(CLUSTER, "theirs", beside=mine)
        theirs.up(program(CLUSTER, least=True, name="own"))
        own = theirs.record().id

        said = failure(theirs, program(CLUSTER, least=True, name="shared", adopt=True))

        assert said is not None
        assert f"exists already ({mine.record().id}); nothing was created; choose another" in said
        assert theirs.record().id == own


@pytest.mark.parametrize("token", [*MACHINES, API_KEY])
@pytest.mark.parametrize("how", ["retained", "moved"])
def test_what_was_recorded_beside_one_still_to_be_deleted_is_never_taken_for_a_leftover(
    token: str, how: str
) -> None:
    """No delete of its own tells that it was let go, and the old one's delete knows nothing."""
    stack = Stack(token)
    first = program(token, least=True)
    stack.up(first)
    second = program(token, least=True, **one_replacement(token))
    second[NAME] = replace(second[NAME], retain=how == "retained")
    stack.world.faults.status(403, "POST", "terminate", times=1)
    stack.world.faults.status(403, "DELETE", "/v2/", times=1)
    assert failure(stack, second) is not None
    kept = stack.record().id
    if how == "moved":
        stack.engine.state = [one for one in stack.engine.state if one.id != kept]
    stack.up({name: each for name, each in second.items() if name != NAME})
    assert kept in stack.alive()
    stack.engine.warnings.clear()

    stack.up(first)

    assert kept in stack.alive()
    assert kept in " ".join(stack.engine.warnings)
    assert stack.record().id != kept


EITHER = pytest.mark.parametrize("least", [False, True], ids=["whole", "least"])


@EITHER
@pytest.mark.parametrize("token", MACHINES)
class TestWhatAProgramRetains:
    """With `retain_on_delete` the engine forgets a machine and lets it live: to this resource, it
    looks like what a killed create has left."""

    def test_it_outlives_every_later_replacement(self, token: str, least: bool) -> None:
        stack = Stack(token)
        made = []
        for changed in (False, True, False, True):
            stack.up(retained(token, changed=changed, least=least))
            made.append(stack.record().id)
        stack.scheduler.clock.advance(60)
        stack.up(retained(token, changed=True, least=least))
        assert stack.alive() == {*made}
        assert len({*made}) == 4

    def test_it_outlives_one_that_is_added_again(self, token: str, least: bool) -> None:
        stack = Stack(token)
        stack.up(retained(token, least=least))
        kept = stack.record().id
        self.remove(stack)
        stack.up(retained(token, changed=True, least=least))
        second = stack.record().id
        stack.scheduler.clock.advance(60)
        stack.up(retained(token, least=least, changed=True))
        assert stack.alive() == {kept, second}

        # Nor is it forgotten by what comes after that.
        stack.up(retained(token, least=least, timeout=0.0))
        assert stack.alive() == {kept, second, stack.record().id}

    def test_it_outlives_one_that_is_added_again_where_no_note_of_it_is(
        self, token: str, least: bool
    ) -> None:
        stack = Stack(token)
        stack.up(retained(token, least=least))
        kept = stack.record().id
        self.remove(stack)
        stack.journal = Notes()
        stack.up(retained(token, changed=True, least=least))
        stack.scheduler.clock.advance(60)
        assert stack.alive() == {kept, stack.record().id}

    def test_it_outlives_a_replacement_of_what_an_earlier_release_has_recorded(
        self, token: str, least: bool
    ) -> None:
        stack = Stack(token)
        stack.up(retained(token, least=least))
        first = stack.record().id
        stack.up(retained(token, changed=True, least=least))
        second, stack.journal = stack.record().id, Notes()
        del stack.record().outputs[WAS]
        stack.up(retained(token, least=least))
        stack.scheduler.clock.advance(60)
        assert stack.alive() == {first, second, stack.record().id}

    @staticmethod
    def remove(stack: Stack) -> None:
        """Take it out of the program."""
        others = {n: d for n, d in retained(stack.token, least=True).items() if n != NAME}
        stack.up(others)
        assert stack.recorded() == set()


def retained(token: str, *, changed: bool = False, least: bool, **more: Any) -> Program:
    """The example with `retain_on_delete`. changed: with a change that needs a new one."""
    changes = {"name": None, **(one_replacement(token) if changed else {})}
    whole = program(token, least=least, **changes)
    return {**whole, NAME: replace(whole[NAME], retain=True, **more)}


@pytest.mark.parametrize("name", ["chosen", None])
@pytest.mark.parametrize("kills", [1, 2])
def test_what_killed_creates_have_made_is_ended_though_it_has_failed_since(
    name: str | None, kills: int
) -> None:
    """Each of them finds it, and is killed before it is recorded."""
    stack, wanted = Stack(VM), program(VM, least=True, name=name)
    for kill in range(kills):
        stack.death = Death(create_request(VM, least=True) + kill, after_the_work=True)
        assert failure(stack, wanted) is not None
        stack.death = None
        stack.scheduler.clock.advance(5)
    (left,) = stack.alive()
    path = f"/_emulator/vms/{left}"
    assert stack.world.call("PATCH", path, {"status": "failed"}).status == 200
    stack.death = Death(create_request(VM, least=True), after_the_work=True)
    assert failure(stack, wanted) is not None
    stack.death = None
    stack.scheduler.clock.advance(5)

    stack.up(wanted)

    stack.scheduler.clock.advance(60)
    assert left not in stack.alive()
    stack.assert_nothing_lost()


@pytest.mark.parametrize("token", [VM, CLUSTER])
class TestOneThatNothingProvesToBeALeftover:
    def test_it_is_told_once_with_its_rate_and_left(self, token: str) -> None:
        """What was made before `pulumi state delete`, or by a run that was killed on another
        machine, with other inputs."""
        stack = Stack(token)
        stack.up(program(token, least=True))
        kept = stack.record()
        stack.engine.state.remove(kept)
        stack.journal = Notes()
        stack.engine.warnings.clear()

        stack.up(program(token, least=True, **one_replacement(token)))

        rate = kept.outputs["rate_cents_per_hour"]
        # No row of a cluster tells what it bills.
        known = kept.id if token == CLUSTER else f"{kept.id}, {rate} cents an hour"
        told = (
            f"another {stack.kind.noun} of this resource is left as it is, because a state may "
            f"have recorded it: {known}; it goes on billing: if "
            f"`pulumi-openrelay leftovers` lists it, end it unless somebody needs it"
        )
        assert [line for line in stack.engine.warnings if kept.id in line] == [told]
        assert stack.alive() == {kept.id, stack.record().id}

    def test_it_is_taken_over_where_the_inputs_are_the_same(self, token: str) -> None:
        stack = Stack(token)
        stack.up(program(token, least=True))
        kept = stack.record()
        stack.engine.state.remove(kept)
        stack.journal = Notes()
        stack.engine.warnings.clear()
        stack.up(program(token, least=True))
        assert stack.record().id == kept.id
        stack.assert_nothing_lost()
        # The state that it was moved to may record it: then this stack must let go of it.
        (told,) = stack.engine.warnings
        assert kept.id in told
        assert "pulumi state move" in told

    def test_what_is_known_to_be_a_killed_creates_is_taken_over_without_a_word(
        self, token: str
    ) -> None:
        stack = Stack(token)
        stack.death = Death(create_request(token, least=True), after_the_work=True)
        assert failure(stack, program(token, least=True)) is not None
        stack.death = None
        stack.up(program(token, least=True))
        assert stack.engine.warnings == []
        stack.assert_nothing_lost()

    def test_what_a_killed_replacement_has_left_is_ended_without_a_note_too(
        self, token: str
    ) -> None:
        """The record of what it was to replace tells that it was never recorded."""
        stack = Stack(token)
        stack.up(program(token, least=True))
        changed = one_replacement(token)
        for request in range(1, 40):
            stack.death = Death(request, after_the_work=True)
            assert failure(stack, program(token, least=True, **changed)) is not None
            if len(stack.alive()) == 2:
                break
            stack.scheduler.clock.advance(5)
        (left,) = stack.alive() - stack.recorded()
        stack.death, stack.journal = None, Notes()
        stack.scheduler.clock.advance(5)

        more = {"gpu_count": 4} if token == VM else {"image_url": "another:1"}
        stack.up(program(token, **{"least": True, **changed, **more}))

        stack.scheduler.clock.advance(60)
        assert left not in stack.alive()
        stack.assert_nothing_lost()


@pytest.mark.parametrize(
    ("token", "ending", "status"),
    [(CLUSTER, "/clusters/create", "terminated"), (INSTANCE, "/v2/instances", "failed")],
)
def test_one_that_has_ended_in_the_very_answer_is_recorded_and_made_once(
    token: str, ending: str, status: str
) -> None:
    """Without a key, asking again would make another."""
    stack = Stack(token)
    answer, key = stack.world.handle, stack.kind.listed.key

    def fail(body: dict[str, Any]) -> None:
        path = f"/_emulator/{stack.example.table}/{body[key]}"
        assert stack.world.call("PATCH", path, {"status": status}).status == 200
        body["status"] = status

    on_answer(stack, ending, fail)

    said = failure(stack, program(token, least=True))

    assert said is not None
    made = [e for e in stack.world.log.entries if e.method == "POST" and e.path.endswith(ending)]
    assert len(made) == 1
    assert stack.record().id in said
    answer_by(stack, answer)
    stack.refresh()
    stack.up(program(token, least=True))
    stack.assert_nothing_lost()


@pytest.mark.parametrize("token", [VM, CLUSTER])
class TestAMachineWhoseNameIsBuiltFromAnothers:
    """The program reads the name of one, and gives another a name that is that and more, or that
    alone; another stack may do so too."""

    @pytest.mark.parametrize("suffix", ["-data", "c", "0"])
    @pytest.mark.parametrize("demanded", [False, True], ids=["by diff", "on demand"])
    def test_it_outlives_that_ones_replacements(
        self, token: str, suffix: str, demanded: bool
    ) -> None:
        stack, other = built_from_anothers(token, suffix)
        for changes in (one_replacement(token), {}):
            wanted = program(token, least=True, **changes)
            stack.up(wanted, target_replace=NAME if demanded else None)
        stack.scheduler.clock.advance(60)
        stack.world.advance()
        assert stack.alive() == stack.recorded() | other.recorded()
        assert not [line for line in stack.engine.warnings if other.record().id in line]

    def test_it_is_not_told_of_where_a_call_has_named_it(self, token: str) -> None:
        stack = Stack(token)
        stack.up(program(token, least=True))
        name = stack.record().outputs["name"]
        both = program(token, least=True, **one_replacement(token))
        both["other"] = Declared(token, {**program(token, least=True)[NAME].inputs, "name": name})
        stack.up({**program(token, least=True), "other": both["other"]})
        stack.engine.warnings.clear()

        stack.up(both, target_replace=NAME)

        assert not [line for line in stack.engine.warnings if stack.record("other").id in line]
        stack.assert_nothing_lost()


def built_from_anothers(token: str, suffix: str) -> tuple[Stack, Stack]:
    """A stack, and another whose machine has the name of that one's and a suffix."""
    stack = Stack(token)
    stack.up(program(token, least=True))
    other = Stack(token, "other", beside=stack)
    name = f"{stack.record().outputs['name']}{suffix}"
    other.up(resolved(stack, program(token, least=True, name=name)))
    return stack, other


def test_a_machine_of_the_very_name_of_anothers_outlives_that_ones_replacements() -> None:
    """It may be what an attempt has left, or what another stack has given that name."""
    stack, other = built_from_anothers(VM, "")
    for changes in (one_replacement(VM), {}):
        stack.engine.warnings.clear()
        stack.up(program(VM, least=True, **changes))
        (told,) = stack.engine.warnings
        assert "is left as it is, because a state may have recorded it" in told
        assert other.record().id in told
    stack.scheduler.clock.advance(60)
    stack.world.advance()
    assert stack.alive() == stack.recorded() | other.recorded()
