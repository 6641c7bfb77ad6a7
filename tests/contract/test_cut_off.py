"""Where an earlier attempt was cut off between two steps, the next one does what is missing, and
does not do again what was done."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from pulumi_openrelay.emulator import Answer, Request
from pulumi_openrelay.emulator.webhooks import Webhook

from .support import (
    MACHINES,
    NAME,
    PROVISION_SECONDS,
    THINGS,
    Death,
    OperationFailed,
    Program,
    Stack,
    answer_by,
    create_request,
    failure,
    program,
    resolved,
    without_dates,
)

VM, HOOK, KEY = "openrelay:Vm", "openrelay:Webhook", "openrelay:SshKey"
CLUSTER, API_KEY = "openrelay:InferenceCluster", "relay:ApiKey"


def test_a_stop_that_was_refused_after_the_create_is_asked_for_again() -> None:
    stack, wanted = Stack(VM), program(VM, least=True, desired_state="stopped")
    stack.world.faults.status(409, "POST", "/stop$", code="STOP_DISABLED", error="Not here.")
    said = failure(stack, wanted)
    assert said is not None
    assert "ask OpenRelay to allow stopping" in said

    assert "stopVm" in stack.up(wanted)
    assert stack.world.call("GET", f"/v1/vms/{stack.record().id}").json()["status"] == "stopped"
    assert stack.up(wanted) == []


def test_what_a_killed_create_made_is_stopped_once_it_is_up_and_not_while_it_starts() -> None:
    stack, statuses = Stack(VM), list[str]()
    stack.death = Death(create_request(VM, least=True), after_the_work=True)
    assert failure(stack, program(VM, least=True)) is not None
    stack.death = None
    (made,) = stack.alive()
    handle = stack.world.handle

    def handled(request: Request) -> Answer:
        if request.path.endswith("/stop"):
            statuses.append(stack.world.call("GET", f"/v1/vms/{made}").json()["status"])
        return handle(request)

    answer_by(stack, handled)
    stack.up(program(VM, least=True, desired_state="stopped"))
    assert statuses == ["running"]
    assert stack.alive() == {made} == {stack.record().id}


def test_a_webhook_that_could_not_be_switched_off_is_switched_off_by_the_next_up() -> None:
    stack, wanted = Stack(HOOK), program(HOOK, least=True, enabled=False)
    stack.world.faults.status(403, "POST", "/toggle$")
    assert failure(stack, wanted) is not None

    assert stack.up(wanted) == ["toggleOrgWebhook"]
    assert stack.up(wanted) == []


@pytest.mark.parametrize("taken_back", [False, True])
@pytest.mark.parametrize("status", [400, 502])
def test_a_change_that_failed_leaves_the_signing_secret_as_it_is(
    status: int, taken_back: bool
) -> None:
    stack = Stack(HOOK)
    before, changed = program(HOOK, enabled=True), program(HOOK, enabled=False, url="https://new")
    stack.up(before)
    secret = stack.record().outputs["secret"]
    stack.world.faults.status(status, "POST", "/toggle$", times=None)
    assert failure(stack, changed) is not None
    stack.world.faults.clear()

    calls = stack.up(before if taken_back else changed)

    assert calls == ["updateOrgWebhook" if taken_back else "toggleOrgWebhook"]
    assert stack.record().outputs["secret"] == secret


def test_a_create_that_could_not_switch_a_webhook_off_keeps_the_secret_that_it_has_shown() -> None:
    stack, wanted = Stack(HOOK), program(HOOK, enabled=False)
    stack.world.faults.status(403, "POST", "/toggle$")
    assert failure(stack, wanted) is not None
    assert stack.up(wanted) == ["toggleOrgWebhook"]


class TestASigningSecretWhoseNewOneWasNotTold:
    """The API has made it, and its answers were lost."""

    def lost(self) -> Stack:
        stack = Stack(HOOK)
        stack.up(program(HOOK))
        done_and_refused(stack, "/regenerate-secret$", 502)
        assert failure(stack, program(HOOK, secret_version=2)) is not None
        stack.world.faults.clear()
        return stack

    def test_another_is_made_where_the_program_still_asks_for_it(self) -> None:
        stack = self.lost()
        assert stack.up(program(HOOK, secret_version=2)) == ["regenerateOrgWebhookSecret"]
        self.assert_known(stack)

    def test_it_is_told_where_the_program_takes_the_change_back(self) -> None:
        stack = self.lost()
        assert stack.up(program(HOOK)) == []
        told = "".join(stack.engine.warnings)
        assert "its signing secret is another by now" in told
        assert "another `secret_version` makes a new one" in told
        assert stack.up(program(HOOK, secret_version=3)) == ["regenerateOrgWebhookSecret"]
        self.assert_known(stack)

    def assert_known(self, stack: Stack) -> None:
        (webhook,) = stack.world.store.table(Webhook).values()
        assert stack.record().outputs["secret"] == webhook.secret


def test_what_an_update_did_before_it_was_killed_is_not_asked_for_again() -> None:
    """What the API says to a second attach, or to a disk that has its size already, is unknown."""
    changes = {"disk_size_gb": 300, "desired_state": "stopped", "public": True}
    undisturbed = Stack(VM)
    undisturbed.up(program(VM, least=True))
    whole = undisturbed.up(program(VM, least=True, **changes))
    for k in range(1, undisturbed.sent + 1):
        stack = Stack(VM)
        stack.up(program(VM, least=True))
        stack.death = Death(k, after_the_work=True)
        with pytest.raises(OperationFailed):
            stack.up(program(VM, least=True, **changes))
        stack.death = None
        done = [str(e.operation) for e in stack.world.log.entries if e.method != "GET"]

        again = stack.up(program(VM, least=True, **changes))

        # A stop may be asked for twice; a resize of the same size might be refused.
        assert {*done, *again} == set(whole), k
        assert [*done, *again].count("resizeVmDisk") == 1, k
        stack.assert_nothing_lost()


def done_and_refused(stack: Stack, path: str, status: int, code: str | None = None) -> None:
    """Let the API do what a POST asks for and refuse it: as it may answer a second one, after a
    first whose answer was lost."""
    action = {"type": "error_after_work", "status": status, "code": code}
    rule = {"match": {"method": "POST", "path_regex": path}, "action": action, "times": None}
    stack.world.faults.add(rule)


@pytest.mark.parametrize("status", [400, 409])
def test_a_second_attach_that_is_refused_does_no_harm_where_the_key_is_attached(
    status: int,
) -> None:
    stack = Stack(VM)
    stack.up(program(VM, least=True))
    ids = [record.id for record in stack.engine.state if record.kind == KEY]
    done_and_refused(stack, "/ssh-keys$", status)

    stack.up(program(VM, least=True, ssh_key_ids=ids))

    keys = stack.world.call("GET", f"/v1/vms/{stack.record().id}/ssh-keys").json()
    assert sorted(key["id"] for key in keys if key["attached"]) == sorted(ids)


@pytest.mark.parametrize("status", [400, 409])
class TestADiskWhoseResizeHasLostItsAnswer:
    """The API goes on telling the old size, and refuses to grow it to the same size again."""

    STOPPED = program(VM, least=True, desired_state="stopped", disk_size_gb=400)
    RUNNING = program(VM, least=True, disk_size_gb=400)

    def lost(self, status: int, answers: int = 1, **refusal: str) -> Stack:
        """A stopped VM, and an API that loses so many answers to a resize, of which an update asks
        for three, and refuses it after that."""
        stack = Stack(VM)
        stack.up(program(VM, least=True, desired_state="stopped"))
        handle, asked = stack.world.handle, []

        def handled(request: Request) -> Answer:
            if not request.path.endswith("/resize-disk"):
                return handle(request)
            asked.append(request)
            if len(asked) <= answers:
                return Answer(204, drop=True)
            return Answer(status, body=json.dumps({"error": "It only grows.", **refusal}).encode())

        answer_by(stack, handled)
        return stack

    def test_it_counts_as_asked_for_and_the_start_that_follows_is_reached(
        self, status: int
    ) -> None:
        stack = self.lost(status)
        stack.up(self.STOPPED)
        (warning,) = stack.engine.warnings
        assert "It only grows" in warning
        assert warning.endswith("if the disk never has 400 GB, ask for another size")
        assert stack.up(self.STOPPED) == []
        assert stack.up(self.RUNNING) == ["restartVm"]

    def test_so_it_does_in_the_next_run(self, status: int) -> None:
        stack = self.lost(status, answers=3)
        assert failure(stack, self.STOPPED) is not None
        stack.refresh()
        assert "restartVm" in stack.up(self.RUNNING)
        assert stack.record().outputs["status"] == "running"
        assert stack.up(self.RUNNING) == []

    def test_a_refusal_for_another_reason_does_not_count(self, status: int) -> None:
        stack = self.lost(status, code="VM_SHAPE_NOT_PLACEABLE")
        for _ in range(2):
            assert "VM_SHAPE_NOT_PLACEABLE" in str(failure(stack, self.STOPPED))

    def test_nor_does_one_of_a_machine_that_is_not_stopped(self, status: int) -> None:
        stack = self.lost(status)
        stack.another_hand({"status": "running"})
        assert "It only grows" in str(failure(stack, self.STOPPED))

    def test_another_size_is_refused_as_it_is(self, status: int) -> None:
        stack = self.lost(status, answers=3)
        assert failure(stack, self.STOPPED) is not None
        other = program(VM, least=True, desired_state="stopped", disk_size_gb=300)
        for _ in range(2):
            assert "It only grows" in str(failure(stack, other))

    def test_taking_the_change_back_replaces_nothing(self, status: int) -> None:
        stack = self.lost(status, answers=3)
        made = stack.record().id
        assert failure(stack, self.STOPPED) is not None
        stack.up(program(VM, least=True))
        assert stack.record().id == made
        assert stack.record().outputs["status"] == "running"


class TestADiskThatACreateFindsTooSmall:
    """What was not grown is never said to be, by whatever run."""

    def found(self, how: str, **inputs: Any) -> tuple[Stack, Program]:
        """A stack that finds a VM, and its program, which asks for a larger disk."""
        wanted = {**inputs, "disk_size_gb": 400}
        if how == "adopted":
            theirs = Stack(VM, "theirs")
            theirs.up(program(VM, least=True, name="shared", **inputs))
            adopting = program(VM, least=True, name="shared", adopt=True, **wanted)
            return Stack(VM, "ours", beside=theirs), resolved(theirs, adopting)
        stack = Stack(VM)
        stack.death = Death(create_request(VM, least=True), after_the_work=True)
        assert failure(stack, program(VM, least=True)) is not None
        stack.death = None
        stack.scheduler.clock.advance(PROVISION_SECONDS)
        return stack, program(VM, least=True, **wanted)

    @pytest.mark.parametrize("how", ["adopted", "left by a killed create"])
    def test_each_up_says_what_to_do_until_it_is_done(self, how: str) -> None:
        stack, wanted = self.found(how)
        says = "disk_size_gb grows only while the VM is stopped"
        first = str(failure(stack, wanted))
        assert says in first
        assert f"it exists and is recorded ({stack.record().id})" in first
        for _ in range(2):
            assert says in str(failure(stack, wanted))
            stack.refresh()
        assert stack.record().outputs["disk_size_gb"] == 100

        vm = wanted[NAME]
        stopped = replace(vm, inputs={**vm.inputs, "desired_state": "stopped"})
        assert stack.up({**wanted, NAME: stopped}) == ["stopVm", "resizeVmDisk"]
        assert stack.up(wanted) == ["restartVm"]
        assert stack.record().outputs["disk_size_gb"] == 400

    def test_a_refusal_with_a_code_is_told_by_each_up(self) -> None:
        stack, wanted = self.found("adopted", desired_state="stopped")
        stack.world.settings.change({"stop_disabled": True})
        for _ in range(3):
            assert "STOP_DISABLED" in str(failure(stack, wanted))
        stack.world.settings.change({"stop_disabled": False})
        assert stack.up(wanted) == ["resizeVmDisk"]

    def test_it_is_not_said_to_be_grown_where_nobody_could_look(self) -> None:
        stack, wanted = self.found("adopted", desired_state="stopped")
        stack.world.faults.status(403, "GET", "/ssh-keys$", times=1)
        assert failure(stack, wanted) is not None
        assert stack.up(wanted) == ["resizeVmDisk"]


class TestAChangeOfWhatIsNotReadyThatCouldNotBegin:
    """The first look failed: none of it is done, and the next `pulumi up` does all of it."""

    def test_a_disk_is_grown(self) -> None:
        stack, vm = Stack(VM), program(VM, least=True)[NAME]
        impatient = {**program(VM, least=True), NAME: replace(vm, timeout=PROVISION_SECONDS / 2)}
        assert "was not running within" in str(failure(stack, impatient))
        stack.scheduler.clock.advance(PROVISION_SECONDS)
        larger = program(VM, least=True, desired_state="stopped", disk_size_gb=400)
        stack.world.faults.status(403, "GET", "/detail$")
        assert failure(stack, larger) is not None
        assert stack.up(larger) == ["stopVm", "resizeVmDisk"]

    def test_a_secret_is_made_anew(self) -> None:
        stack = Stack(HOOK)
        stack.world.faults.status(403, "POST", "/toggle$")
        assert failure(stack, program(HOOK, enabled=False)) is not None
        stack.world.faults.status(403, "GET", "/webhooks$")
        wanted = program(HOOK, enabled=False, secret_version=2)
        assert failure(stack, wanted) is not None
        assert sorted(stack.up(wanted)) == ["regenerateOrgWebhookSecret", "toggleOrgWebhook"]


@pytest.mark.parametrize("state", ["stopped", None])
def test_a_disk_of_a_vm_that_has_failed_is_refused_with_what_makes_it_grow(
    state: str | None,
) -> None:
    """Nothing stops a VM that has failed."""
    stack = Stack(VM)
    stack.up(program(VM, least=True, desired_state=state))
    made = stack.record().id
    stack.another_hand({"status": "failed"})
    stack.refresh()
    larger = program(VM, least=True, desired_state=state, disk_size_gb=400)

    assert failure(stack, larger) == (
        "VM 'it': disk_size_gb grows only while the VM is stopped, and this one has failed, which "
        'no stop changes: run `pulumi up` with desired_state="running" and without the new size, '
        'which starts it again, then with "stopped" and the size; nothing was changed'
    )
    assert [path for path in stack.asked if "/vms/" in path] == []
    assert stack.up(program(VM, least=True, desired_state="running")) == ["restartVm"]
    stopped = program(VM, least=True, desired_state="stopped", disk_size_gb=400)
    assert stack.up(stopped) == ["stopVm", "resizeVmDisk"]
    assert stack.record().id == made
    assert stack.record().outputs["disk_size_gb"] == 400


@pytest.mark.parametrize("status", [400, 409])
class TestARevokedKey:
    """What the API says to a second revoke is unknown."""

    @pytest.mark.parametrize(
        ("enabled", "calls"), [(True, ["revokeKey", "deleteKey"]), (False, ["deleteKey"])]
    )
    def test_it_can_be_deleted(self, status: int, enabled: bool, calls: list[str]) -> None:
        stack = Stack(API_KEY)
        stack.up(program(API_KEY, enabled=enabled))
        done_and_refused(stack, "/revoke$", status)
        assert stack.destroy() == calls
        stack.assert_nothing_lost()

    @pytest.mark.parametrize("enabled", [False, True])
    def test_it_is_as_the_program_says_though_that_is_refused_as_done(
        self, status: int, enabled: bool
    ) -> None:
        stack = Stack(API_KEY)
        stack.up(program(API_KEY, enabled=not enabled))
        done_and_refused(stack, "revoke$", status)
        stack.up(program(API_KEY, enabled=enabled))
        stack.refresh()
        assert stack.record().outputs["enabled"] is enabled

    def test_one_that_is_not_as_the_program_says_is_told_of(self, status: int) -> None:
        stack = Stack(API_KEY)
        stack.up(program(API_KEY))
        stack.world.faults.status(status, "POST", "/revoke$", error="Not today.", times=None)
        assert "Not today" in str(failure(stack, program(API_KEY, enabled=False)))


class TestASecondTerminateThatIsRefused:
    """What the API says to one of a machine that has ended is not known of all kinds."""

    @pytest.mark.parametrize("token", MACHINES)
    def test_it_does_no_harm_where_another_hand_has_ended_the_machine(self, token: str) -> None:
        stack = Stack(token)
        stack.up(program(token, least=True))
        stack.another_hand({"status": "terminated"})
        done_and_refused(stack, "/terminate$", 409)
        stack.destroy()
        stack.assert_nothing_lost()

    def test_it_is_not_repeated_for_minutes_where_it_comes_after_a_lost_answer(self) -> None:
        stack = Stack(CLUSTER)
        stack.up(program(CLUSTER, least=True))
        done_and_refused(stack, "/terminate$", 409, "INVALID_CLUSTER_STATE")
        began = stack.scheduler.clock.seconds
        stack.destroy()
        assert stack.scheduler.clock.seconds - began < 60.0
        stack.assert_nothing_lost()


def test_a_machine_that_somebody_ended_is_said_to_have_ended_when_it_is_to_change() -> None:
    stack = Stack(VM)
    stack.up(program(VM, least=True))
    stack.world.call("POST", f"/v1/vms/{stack.record().id}/terminate")
    stack.scheduler.clock.advance(60)

    said = failure(stack, program(VM, least=True, public=True))

    assert said is not None
    assert "it has ended (terminated" in said
    assert "run `pulumi refresh`, then" in said


def test_a_secret_that_the_api_repeats_is_not_shown() -> None:
    stack = Stack(VM)
    error = "bad env T=hunter2hunter2 in #!/bin/sh echo hush"
    stack.world.faults.status(400, "POST", "/vms/create$", error=error)
    given = {"env_vars": {"T": "hunter2hunter2"}, "cloud_init": "#!/bin/sh\necho hush"}

    said = failure(stack, program(VM, least=True, **given))

    assert said is not None
    assert "bad env T=[secret] in [secret]" in said


def test_a_key_that_a_lagging_list_does_not_show_yet_is_named_all_the_same() -> None:
    stack = Stack(KEY, list_lag_seconds=3.0)
    other = Stack(KEY, "another owner", beside=stack)
    other.up(program(KEY))

    said = failure(stack, program(KEY))

    assert said is not None
    assert "registered already" in said
    assert "SshKey.get" in said


def test_what_the_api_has_named_is_recorded_though_the_look_for_a_second_one_fails() -> None:
    stack, wanted = Stack(HOOK), program(HOOK, least=True)
    stack.world.faults.add({"match": {"path_regex": "/create$"}, "action": "drop"})
    looks = {"match": {"method": "GET", "path_regex": "/webhooks$"}, "skip": 6, "times": 1}
    stack.world.faults.add({**looks, "action": {"type": "status", "status": 403}})
    said = failure(stack, wanted)
    assert said is not None
    assert f"it exists and is recorded ({stack.record().id})" in said
    stack.assert_nothing_lost()

    stack.up(wanted)
    stack.assert_nothing_lost()


@pytest.mark.parametrize("token", [HOOK, "relay:Instance"])
def test_a_look_that_fails_after_a_lost_create_leaves_it_unknown_and_the_next_up_finds_it(
    token: str,
) -> None:
    stack, wanted = Stack(token), program(token, least=True)
    listed = stack.kind.listed.path.replace("{org}", "[^/]+")
    stack.world.faults.lose_answer("POST", f"{listed}(/create)?$")
    refused = {"type": "status", "status": 429, "headers": {"Retry-After": "3600"}}
    rule = {"method": "GET", "path_regex": f"{listed}$"}
    stack.world.faults.add({"match": rule, "skip": 1, "times": None, "action": refused})

    said = failure(stack, wanted)

    assert said is not None
    assert "whether it was created is unknown" in said
    stack.world.faults.clear()
    stack.scheduler.clock.advance(3600)
    stack.up(wanted)
    stack.assert_nothing_lost()


def test_the_note_of_a_lost_create_outlasts_the_one_that_it_was_to_replace() -> None:
    stack = Stack("relay:Instance")
    stack.up(program("relay:Instance", least=True))
    stack.remove()
    wanted = program("relay:Instance", least=True, image="ubuntu-22.04")
    stack.world.faults.lose_answer("POST", "/v2/instances$")
    rule = {"method": "GET", "path_regex": "/v2/instances$"}
    stack.world.faults.add({"match": rule, "skip": 1, "times": None, "action": "drop"})
    assert "whether it was created is unknown" in str(failure(stack, wanted))
    stack.world.faults.clear()

    stack.up(wanted)

    stack.assert_nothing_lost()


@pytest.mark.parametrize("token", THINGS)
def test_what_a_killed_create_made_is_found_by_the_next_up_though_the_list_lags(token: str) -> None:
    stack, wanted = Stack(token, list_lag_seconds=8.0), program(token, least=True)
    stack.death = Death(create_request(token, least=True), after_the_work=True)
    with pytest.raises(OperationFailed):
        stack.up(wanted)
    stack.death = None

    stack.up(wanted)

    stack.assert_nothing_lost()
    assert stack.up(wanted) == []


@pytest.mark.parametrize(("seconds", "dated"), [(1, True), (4, False)])
def test_what_a_killed_create_made_becomes_what_the_program_asks_for_by_now_though_the_list_lags(
    seconds: int, dated: bool
) -> None:
    stack = Stack(VM, list_lag_seconds=10.0)
    if not dated:
        without_dates(stack, "/vms$")
    stack.death = Death(create_request(VM, least=True), after_the_work=True)
    assert failure(stack, program(VM, least=True, public=True)) is not None
    stack.death = None
    stack.scheduler.clock.advance(seconds)

    assert "setVmVisibility" in stack.up(program(VM, least=True))

    stack.assert_nothing_lost()
    assert stack.world.call("GET", f"/v1/vms/{stack.record().id}").json()["public"] is False


def test_of_two_creates_the_killed_one_is_found_though_the_list_shows_the_other() -> None:
    """The first one's secret was lost with its answer, so that it was ended and another made; and a
    list that lags still shows the first alone."""
    stacks = [Stack(HOOK, list_lag_seconds=8.0) for _ in range(2)]
    for stack in stacks:
        stack.world.faults.lose_answer("POST", "/webhooks/create$")
    undisturbed, stack = stacks
    wanted = program(HOOK, least=True)
    undisturbed.up(wanted)
    creates = [n for n, e in enumerate(undisturbed.world.log.entries, 1) if e.method == "POST"]
    stack.death = Death(creates[1] + 1, after_the_work=False)  # once its id is known
    with pytest.raises(OperationFailed):
        stack.up(wanted)
    stack.death = None

    stack.up(wanted)

    stack.scheduler.clock.advance(60)
    stack.assert_nothing_lost()


def test_what_a_killed_destroy_has_ended_is_made_anew_though_the_list_still_shows_it() -> None:
    undisturbed, wanted = Stack(VM), program(VM, least=True)
    undisturbed.up(wanted)
    undisturbed.destroy()
    stack = Stack(VM)
    stack.up(wanted)
    stack.scheduler.clock.advance(60)
    # At the last request, which is about the key, after the machine.
    stack.death = Death(undisturbed.sent, after_the_work=False)
    with pytest.raises(OperationFailed):
        stack.destroy()
    assert stack.alive() == stack.recorded() == set()
    stack.death = None
    stack.world.settings.change({"list_lag_seconds": 30.0})

    stack.up(wanted)

    stack.assert_nothing_lost()


def test_an_api_that_refuses_every_key_as_used_before_is_told_of_soon() -> None:
    """It is looked once for what an earlier attempt made, not with every other key."""
    stack = Stack(VM)
    code = "IDEMPOTENCY_KEY_REUSED"
    stack.world.faults.status(422, "POST", "/vms/create$", times=None, code=code)
    began = stack.scheduler.clock.seconds

    said = failure(stack, program(VM, least=True))

    assert said is not None
    assert "nothing was created" in said
    assert stack.scheduler.clock.seconds - began < 20.0
