"""What every kind makes of what others do: drift, deletions, imports, an API newer than we are."""

from __future__ import annotations

import json
import re
from copy import deepcopy
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from pulumi_openrelay.config import REVIEW_KEY
from pulumi_openrelay.emulator import Answer, Request
from pulumi_openrelay.importing import entry
from pulumi_openrelay.lifecycle.diff import Changes
from pulumi_openrelay.lifecycle.fields import OWNER
from pulumi_openrelay.lifecycle.life import life
from pulumi_openrelay.lifecycle.run import Lifecycle, Reading
from pulumi_openrelay.lifecycle.sentences import Failed
from pulumi_openrelay.lifecycle.unknown import UNKNOWN

from ..simulation.engine import OperationFailed, Program
from ..simulation.network import SimulatedCall
from ..simulation.scheduler import Process
from .examples import EXAMPLES, KEYS, By, Drift, Update
from .support import (
    KINDS,
    KNOWN,
    MACHINES,
    NAME,
    THINGS,
    TOKENS,
    Record,
    Stack,
    answer_by,
    failure,
    on_answer,
    program,
)

VM, CLUSTER, INSTANCE = "openrelay:Vm", "openrelay:InferenceCluster", "relay:Instance"
DRIFTS = [
    (token, name, least)
    for token in TOKENS
    for name, update in EXAMPLES[token].updates.items()
    for least in (False, True)
    if update.drift is not None
    # What the program neither asks for nor leaves at a plain default is the API's to choose.
    and (not least or name in EXAMPLES[token].least or KINDS[token].fields[name].absent is not None)
]


def drift_of(update: Update, *, least: bool) -> Drift:
    return (update.unasked if least else None) or update.drift or {}


@pytest.mark.parametrize(
    ("token", "name", "least"), DRIFTS, ids=lambda part: part if isinstance(part, str) else None
)
class TestDrift:
    def test_refresh_shows_what_another_hand_has_changed(
        self, token: str, name: str, least: bool
    ) -> None:
        stack = Stack(token)
        stack.up(program(token, least=least))
        asked = stack.record().inputs.get(name, KINDS[token].fields[name].absent)
        stack.another_hand(drift_of(EXAMPLES[token].updates[name], least=least))
        stack.refresh()
        assert stack.record().inputs[name] != asked
        assert stack.record().outputs[name] == stack.record().inputs[name]

    def test_the_next_up_mends_it_and_a_refresh_sends_nothing(
        self, token: str, name: str, least: bool
    ) -> None:
        stack = Stack(token)
        stack.up(program(token, least=least))
        update = EXAMPLES[token].updates[name]
        drift = drift_of(update, least=least)
        made, before = stack.record().id, stack.seen(drift)
        stack.another_hand(drift)
        assert stack.refresh() == []
        assert stack.up(program(token, least=least)) == list(update.mended or update.calls)
        assert stack.record().id == made
        assert stack.seen(drift) == before
        stack.refresh()
        stack.up(program(token, least=least))
        assert stack.sent == 0


@pytest.mark.parametrize("token", ["openrelay:Webhook", "relay:ApiKey"])
class TestANameThatNoProgramGives:
    def renamed(self, token: str) -> tuple[Stack, str]:
        """A stack whose one resource another hand has renamed, and what it was called."""
        stack = Stack(token)
        stack.up(program(token, name=None))
        name = stack.record().outputs["name"]
        stack.another_hand({"name": "renamed"})
        stack.refresh()
        assert stack.record().outputs["name"] == "renamed"
        return stack, name

    def changes(self, stack: Stack, wanted: Program) -> Changes:
        """What a preview of the program shows."""
        record = stack.record()

        def compared() -> Changes:
            life, _ = stack.life()
            news = {**wanted[NAME].inputs, OWNER: stack.engine.owner}
            inputs, _ = life.check(dict(record.inputs), news)
            return life.diff(record.id, record.inputs, record.outputs, inputs)[0]

        return stack.run(compared)

    def test_preview_shows_it_and_the_next_up_gives_it_its_own_again(self, token: str) -> None:
        stack, name = self.renamed(token)
        made, wanted = stack.record().id, program(token, name=None)
        assert self.changes(stack, wanted).updates == ["name"]
        assert stack.up(wanted) == list(EXAMPLES[token].updates["name"].calls)
        assert stack.seen({"name": "renamed"}) == {"name": name}
        assert (stack.record().id, stack.record().outputs["name"]) == (made, name)
        assert stack.up(wanted) == []

    def test_it_has_its_own_again_though_it_is_renamed_twice_and_an_up_fails(
        self, token: str
    ) -> None:
        stack, name = self.renamed(token)
        stack.another_hand({"name": "renamed again"})
        stack.refresh()
        wanted = program(token, name=None)
        stack.world.faults.status(403, "PATCH", "/", times=1)
        assert failure(stack, wanted) is not None
        stack.up(wanted)
        assert stack.seen({"name": "renamed"}) == {"name": name}

    def test_it_stays_renamed_where_all_that_is_recorded_is_given_back(self, token: str) -> None:
        """The engine does that with `ignore_changes=["*"]`."""
        stack, _ = self.renamed(token)
        recorded = stack.record().inputs
        checked = stack.run(lambda: stack.life()[0].check(dict(recorded), dict(recorded)))
        assert checked == (recorded, [])

    def test_one_that_a_program_gives_wins(self, token: str) -> None:
        stack, _ = self.renamed(token)
        stack.up(program(token, name="given", rotation=None))
        assert stack.seen({"name": "renamed"}) == {"name": "given"}
        stack.up(program(token, name=None, rotation=None))
        assert stack.seen({"name": "renamed"}) == {"name": "given"}


def test_a_name_that_a_create_of_this_resource_has_given_it_meanwhile_stays() -> None:
    """Its own may be that of a twin, which is still to be ended."""
    stack = Stack("relay:ApiKey")
    wanted = program("relay:ApiKey", name=None)
    stack.up(wanted)
    aside = stack.record().outputs["name"][:-6] + "abcdef"
    stack.another_hand({"name": aside})
    stack.refresh()
    assert stack.up(wanted) == []
    assert stack.record().outputs["name"] == aside


def test_a_machine_that_another_hand_has_renamed_stays_the_same_machine() -> None:
    """Only a new one could have its own name again."""
    stack = Stack(VM)
    stack.up(program(VM, least=True))
    made = stack.record().id
    stack.another_hand({"name": "renamed"})
    stack.refresh()
    assert stack.up(program(VM, least=True)) == []
    assert stack.record().id == made


def test_a_disk_that_another_hand_has_grown_never_costs_the_machine() -> None:
    """It cannot shrink again, and a new machine would lose what is on it."""
    stack = Stack("openrelay:Vm")
    stack.up(program("openrelay:Vm"))
    made = stack.record().id
    stack.another_hand({"disk_size_gb": 400})
    stack.refresh()
    assert stack.record().outputs["disk_size_gb"] == 400
    assert stack.up(program("openrelay:Vm")) == []
    assert stack.record().id == made


def test_a_disk_whose_resize_the_api_has_only_recorded_is_asked_for_once() -> None:
    """It goes on telling the old size, which no other hand can bring back."""
    stack = Stack("openrelay:Vm")
    stack.up(program("openrelay:Vm"))
    handle = stack.world.handle

    def handled(request: Request) -> Answer:
        return Answer(204) if request.path.endswith("/resize-disk") else handle(request)

    answer_by(stack, handled)
    stack.up(program("openrelay:Vm", disk_size_gb=200, desired_state="stopped"))
    grown = program("openrelay:Vm", disk_size_gb=200)
    on_answer(stack, "/restart", lambda _: stack.another_hand({"status": "failed"}))
    assert "it has failed" in str(failure(stack, grown))
    answer_by(stack, handle)  # which takes no resize of a machine that has failed
    stack.up(grown)

    stack.refresh()

    assert stack.record().outputs["disk_size_gb"] == 120
    assert stack.up(grown) == []


@pytest.mark.parametrize(
    ("token", "recorded", "is_now", "change", "says"),
    [
        (CLUSTER, "running", "stopped", {"replica_count": 4}, "INVALID_CLUSTER_STATE"),
        (VM, "stopped", "running", {"disk_size_gb": 400}, "409"),
    ],
)
def test_a_refusal_of_what_another_hand_has_stopped_or_started_says_that_a_refresh_helps(
    token: str, recorded: str, is_now: str, change: dict[str, Any], says: str
) -> None:
    stack = Stack(token)
    stack.up(program(token, least=True, desired_state=recorded))
    stack.another_hand({"status": is_now})
    wanted = program(token, least=True, desired_state=recorded, **change)

    said = str(failure(stack, wanted))

    assert says in said
    assert said.endswith(
        f"; nothing was changed ({stack.record().id}); desired_state is another than recorded: run "
        f"`pulumi refresh`, then run `pulumi up` again"
    )
    stack.refresh()
    stack.up(wanted)
    assert stack.up(wanted) == []
    (name,) = change
    assert stack.record().outputs[name] == change[name]


def without_false(stack: Stack) -> None:
    """Let no answer of the API tell that a VM is not public."""
    handle = stack.world.handle

    def told(body: Any) -> Any:
        if isinstance(body, list):
            return [told(part) for part in body]
        if not isinstance(body, dict):
            return body
        return {k: told(v) for k, v in body.items() if (k, v) != ("public", False)}

    def handled(request: Request) -> Answer:
        answer = handle(request)
        return replace(answer, body=json.dumps(told(json.loads(answer.body))).encode())

    answer_by(stack, handled)


class TestAModelAllowlistThatAnotherHandLifts:
    ALLOWLIST = "relay:ModelAllowlist"

    def lifted(self) -> Stack:
        stack = Stack(self.ALLOWLIST)
        stack.up(program(self.ALLOWLIST))
        path = "/v2/customer/model-allowlist"
        lift = By("PATCH", path, {"model_allowlist": None}, path, "model_allowlist")
        stack.another_hand(lift)
        assert stack.seen(lift) is None
        return stack

    def test_it_is_set_again_after_a_refresh(self) -> None:
        stack = self.lifted()
        stack.refresh()
        assert stack.up(program(self.ALLOWLIST)) == ["updateModelAllowlist"]
        stack.refresh()
        assert stack.up(program(self.ALLOWLIST)) == []

    def test_a_delete_leaves_it_lifted_as_it_was_found(self) -> None:
        stack = self.lifted()
        stack.refresh()
        stack.destroy()
        path = "/v2/customer/model-allowlist"
        assert stack.world.call("GET", path).json()["model_allowlist"] is None


def test_a_signing_secret_that_another_hand_has_made_anew_is_told_by_a_refresh() -> None:
    hook = "openrelay:Webhook"
    stack = Stack(hook)
    stack.up(program(hook))
    secret = stack.record().outputs["secret"]
    organization = stack.world.call("GET", "/v1/whoami").json()["organizationId"]
    path = f"/v1/orgs/{organization}/webhooks/{stack.record().id}/regenerate-secret"
    answer = stack.world.call("POST", path)
    assert answer.status == 200, answer.body
    for _ in range(2):  # for as long as it is so
        stack.engine.warnings.clear()
        stack.refresh()
        told = "".join(stack.engine.warnings)
        assert f"which begins with {answer.json()['secretPrefix']}" in told
    assert stack.record().outputs["secret"] == secret  # a list may lag behind: nothing is dropped
    assert stack.up(program(hook)) == []


class TestAPublicVmWhoseAnswersLeaveOutWhatIsFalse:
    def test_closed_by_another_hand_it_is_opened_again(self) -> None:
        stack = Stack(VM)
        without_false(stack)
        stack.up(program(VM, public=True))
        stack.another_hand({"public": False})
        stack.refresh()
        assert stack.up(program(VM, public=True)) == ["setVmVisibility"]

    @pytest.mark.parametrize("by", ["the program", "another hand"])
    def test_closed_it_is_recorded_as_closed(self, by: str) -> None:
        stack, wanted = Stack(VM), program(VM, least=True)
        without_false(stack)
        stack.up(program(VM, least=True, public=by == "the program"))
        if by == "another hand":
            stack.another_hand({"public": True})
            stack.refresh()
        assert stack.up(wanted) == ["setVmVisibility"]
        assert stack.record().outputs["public"] is False
        stack.refresh()
        assert stack.up(wanted) == []


@pytest.mark.parametrize("token", THINGS)
class TestDeletedOutside:
    def test_refresh_forgets_it_and_up_makes_one_again(self, token: str) -> None:
        stack = Stack(token)
        stack.up(program(token))
        gone = stack.record().id
        stack.remove()
        stack.refresh()
        assert stack.engine.record(NAME) is None
        stack.up(program(token))
        assert stack.record().id != gone
        stack.assert_nothing_lost()

    def test_destroy_takes_it_for_done(self, token: str) -> None:
        stack = Stack(token)
        stack.up(program(token))
        stack.remove()
        stack.destroy()
        assert stack.engine.state == []
        stack.assert_nothing_lost()

    def test_a_change_without_a_refresh_ends_in_a_sentence_or_a_new_one(self, token: str) -> None:
        """Whatever is tried on what is gone, a refresh and an up put it right."""
        stack = Stack(token)
        stack.up(program(token))
        stack.remove()
        updates = EXAMPLES[token].updates
        changes = {name: updates[name].to for name in list(updates)[:1]}
        told = failure(stack, program(token, **changes))
        assert told is None or f"{KINDS[token].noun} '{NAME}': " in told
        stack.refresh()
        stack.up(program(token, **changes))
        stack.assert_nothing_lost()


@pytest.mark.parametrize("token", THINGS)
def test_a_list_that_lags_behind_loses_nothing_from_the_state(token: str) -> None:
    stack = Stack(token)
    stack.up(program(token))
    made = stack.record().id
    stack.world.settings.change({"list_lag_seconds": 15.0})
    stack.refresh()
    assert stack.record().id == made


@pytest.mark.parametrize("token", MACHINES)
def test_a_machine_that_another_hand_has_terminated_is_made_again(token: str) -> None:
    """It stays listed for ever, and must not be taken for alive."""
    stack = Stack(token)
    stack.up(program(token))
    gone = stack.record().id
    stack.another_hand({"status": "terminated"})
    stack.refresh()
    assert stack.engine.record(NAME) is None
    stack.up(program(token))
    assert stack.record().id != gone
    stack.assert_nothing_lost()


@pytest.mark.parametrize("token", TOKENS)
class TestNewerApi:
    """Fields and states that no document has."""

    def test_unknown_fields_in_every_answer_change_nothing(self, token: str) -> None:
        stack = Stack(token, unknown_fields=True)
        stack.up(program(token))
        stack.refresh()
        stack.up(program(token))
        assert stack.sent == 0
        plain = Stack(token)
        plain.up(program(token))
        assert stack.record().outputs.keys() == plain.record().outputs.keys()
        for name, update in EXAMPLES[token].updates.items():
            changed = program(token, **{name: update.to, **update.beside})
            assert stack.up(changed)
            stack.up(program(token))
        stack.destroy()
        stack.assert_nothing_lost()

    def test_it_is_recorded_with_the_same_outputs_whatever_order_lists_have(
        self, token: str
    ) -> None:
        stack = Stack(token, page_size=1, page_size_max=1, shuffle_lists=True)
        stack.up(program(token))
        stack.refresh()
        stack.up(program(token))
        assert stack.sent == 0
        stack.assert_nothing_lost()


@pytest.mark.parametrize("token", MACHINES)
class TestUnknownStatus:
    def test_a_machine_on_its_way_through_one_is_waited_for(self, token: str) -> None:
        stack = Stack(token)
        stack.script({"type": "unknown_status", "status": "defrosting", "for_seconds": 30})
        stack.up(program(token))
        states = KINDS[token].states
        assert states is not None
        assert stack.record().outputs["status"] in states.running
        assert stack.scheduler.clock.seconds > 30
        stack.assert_nothing_lost()

    def test_a_machine_that_shows_one_is_left_as_it_is(self, token: str) -> None:
        stack = Stack(token)
        stack.up(program(token))
        stack.another_hand({"status": "defrosting"})
        stack.refresh()
        assert stack.record().outputs["status"] == "defrosting"
        stack.up(program(token))
        assert stack.sent == 0
        stack.destroy()
        stack.assert_nothing_lost()


def imported(stack: Stack, token: str, *, least: bool) -> Record:
    """The record that `pulumi import --file` makes of an entry, with the made one's name."""
    stack.up(program(token, least=least))
    made = stack.record()

    def enter() -> dict[str, Any]:
        life, call = stack.life()
        return entry(life.session, call, life.kind, made.id, NAME)

    written = stack.run(enter)
    assert written["id"] == made.id
    assert written["type"].endswith(token)
    made.inputs, made.outputs = opened(written["inputs"]), opened(written["outputs"])
    return made


@pytest.mark.parametrize("least", [False, True], ids=["whole", "least"])
@pytest.mark.parametrize("token", KNOWN)
class TestImported:
    """What one stack made, another takes in by its id."""

    def test_the_next_preview_is_clean(self, token: str, least: bool) -> None:
        stack = Stack(token)
        name = imported(stack, token, least=least).outputs.get("name")
        assert stack.up(program(token, least=least, name=name)) == []
        assert stack.asked == []

    def test_it_is_refreshed_changed_and_ended_like_any_other(
        self, token: str, least: bool
    ) -> None:
        for changed, update in EXAMPLES[token].updates.items():
            field = KINDS[token].fields[changed]
            # What the API does not give back is taken to be as the program first says.
            if not field.readable or (least and update.to == field.absent):
                continue
            stack = Stack(token)
            record = imported(stack, token, least=least)
            made, name = record.id, record.outputs.get("name")
            stack.refresh()
            changes = {"name": name, changed: update.to, **update.beside}
            calls = stack.up(program(token, least=least, **changes))
            assert set(calls) == set(update.calls), changed
            assert stack.record().id == made
            stack.destroy()
            stack.assert_nothing_lost()


def test_an_imported_one_whose_key_the_api_tells_to_be_another_is_replaced() -> None:
    stack = Stack("relay:Instance")
    made = imported(stack, "relay:Instance", least=True).id
    other = f"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{'C' * 43} somebody"
    stack.up(program("relay:Instance", least=True, ssh_public_key=other))
    assert stack.record().id != made
    stack.assert_nothing_lost()


def test_a_rotation_of_an_imported_key_makes_a_new_one() -> None:
    stack = Stack("relay:ApiKey")
    made = imported(stack, "relay:ApiKey", least=True).id
    calls = stack.up(program("relay:ApiKey", least=True, name=None, rotation=1))
    assert calls == ["createKey", "revokeKey", "deleteKey"]
    assert stack.record().id != made
    assert stack.record().outputs["key"]
    stack.assert_nothing_lost()


def test_a_destroy_of_an_imported_setting_that_a_delete_always_leaves_says_nothing() -> None:
    stack = Stack("relay:WebhookSecret")
    imported(stack, "relay:WebhookSecret", least=True)
    stack.destroy()
    assert stack.engine.warnings == []


def test_the_memory_of_an_imported_vm_is_what_was_asked_for_and_not_what_it_runs_with() -> None:
    stack = Stack(VM)
    handle = stack.world.handle

    def handled(request: Request) -> Answer:
        answer = handle(request)
        body = json.loads(answer.body) if answer.body else None
        if isinstance(body, dict) and "guestMemMb" in body:
            body |= {"guestMemMb": 32_768, "requestedGuestMemMb": 20_000}
            answer = replace(answer, body=json.dumps(body).encode())
        return answer

    answer_by(stack, handled)
    imported(stack, VM, least=True)
    assert stack.record().outputs["guest_mem_mb"] == 32_768
    given = {"name": stack.record().outputs["name"], "guest_mem_mb": 20_000}
    assert stack.up(program(VM, least=True, **given)) == []


def opened(bag: dict[str, Any]) -> dict[str, Any]:
    """What the engine reads of a bag of the file, where secrets are sealed."""

    def plain(value: Any) -> Any:
        sealed = isinstance(value, dict) and "plaintext" in value
        return json.loads(value["plaintext"]) if sealed else value

    return {name: plain(value) for name, value in bag.items() if name != "__provider"}


class TestLookedUp:
    """`Vm.get("name", id)`: read with nothing recorded."""

    def read(self, stack: Stack, resource_id: str) -> Reading | None:
        return stack.run(lambda: stack.life()[0].read(resource_id, {}, {}))

    @pytest.mark.parametrize("token", KNOWN)
    def test_it_tells_what_the_api_tells(self, token: str) -> None:
        stack = Stack(token)
        stack.up(program(token))
        reading = self.read(stack, stack.record().id)
        assert reading is not None
        recorded, fields = stack.record().outputs, KINDS[token].fields
        strange = [
            name
            for name, value in reading.outputs.items()
            if name in fields and name != "updated_at"
            if not fields[name].same(recorded[name], value)
        ]
        assert strange == []
        untold = [
            name
            for name, field in fields.items()
            if field.readable and name in recorded and name not in reading.outputs
        ]
        assert untold == []

    @pytest.mark.parametrize("token", MACHINES)
    @pytest.mark.parametrize("declared", [True, False])
    def test_what_the_program_declares_itself_it_does_not_keep_alive(
        self, token: str, declared: bool
    ) -> None:
        """A replaced one ends, though the program reads it by its id too; what has left the program
        and is read by it lives on."""
        stack = Stack(token)
        stack.up(program(token, least=True))
        old = stack.record()

        def replaced() -> None:
            process = Process(stack.engine.owner)
            session = stack.connect(process)

            def of(name: str) -> Lifecycle:
                urn = f"urn:pulumi:dev::sim::pulumi-python:dynamic/{token}::{name}"
                return life(stack.kind, session, SimulatedCall(stack.scheduler, process, urn))

            if declared:
                of(NAME).check(old.inputs, old.inputs)
            of("seen").read(old.id, {}, {})
            of(NAME).delete(old.id, old.outputs)

        stack.run(replaced)
        assert stack.alive() == (set() if declared else {old.id})

    @pytest.mark.parametrize("token", THINGS)
    def test_an_id_that_nobody_has_is_one_sentence(self, token: str) -> None:
        stack = Stack(token)
        with pytest.raises(Failed) as failure:
            self.read(stack, "no/such id")
        assert str(failure.value).startswith(f"{KINDS[token].noun} '{NAME}': ")
        assert "no/such id" in str(failure.value)
        assert "\n" not in str(failure.value)


class TestWhatIsNotKnownInPreview:
    def changes(self, **news: Any) -> tuple[Changes, list[str]]:
        """The diff of a protected machine, and its warnings."""
        stack = Stack("openrelay:Vm")
        stack.up(program("openrelay:Vm", deletion_protection=True))
        old = stack.record()

        def compared() -> tuple[Changes, list[str]]:
            life, call = stack.life()
            changes, _ = life.diff(old.id, old.inputs, old.outputs, {**old.inputs, **news})
            return changes, call.warnings

        return stack.run(compared)

    def test_it_is_no_replacement_of_a_protected_machine_and_told(self) -> None:
        changes, warnings = self.changes(env_vars={"A": UNKNOWN})
        assert (changes.replaces, changes.updates) == ([], ["env_vars"])
        assert warnings == [
            "env_vars is not known until the update runs; if it then differs, that is refused, "
            "because only a new one can have it and deletion_protection is on"
        ]

    def test_what_is_known_beside_it_is_refused_by_its_name(self) -> None:
        with pytest.raises(Failed, match="'it': gpu_count cannot change without a new one, and"):
            self.changes(env_vars={"A": UNKNOWN}, gpu_count=4)

    def test_it_replaces_what_is_not_protected(self) -> None:
        changes, warnings = self.changes(env_vars={"A": UNKNOWN}, deletion_protection=False)
        assert (changes.replaces, warnings) == (["env_vars"], [])


class TestAProtectionThatIsSetTogetherWithAChange:
    """It holds already for the machine that is there."""

    def protecting(self, **changes: Any) -> tuple[Stack, str, Program]:
        """A stack with a VM without protection, its id, and the program that protects it and
        changes it."""
        stack = Stack(VM)
        stack.up(program(VM))
        return stack, stack.record().id, program(VM, deletion_protection=True, **changes)

    @pytest.mark.parametrize("change", [{"gpu_count": 2}, {"disk_size_gb": 50}])
    def test_what_would_replace_it_is_refused(self, change: dict[str, Any]) -> None:
        stack, made, changed = self.protecting(**change)
        (name,) = change
        assert failure(stack, changed) == (
            f"VM 'it': {name} cannot change without a new one, and deletion_protection is on as "
            f"soon as the program sets it; nothing was changed ({made}); take the change back, or "
            f"leave deletion_protection=True out of this `pulumi up` and set it in the next"
        )
        assert stack.alive() == {made}
        stack.up(program(VM, **change))
        assert stack.up(changed) == []
        assert made not in stack.alive()

    def test_so_is_what_the_engine_replaces_though_no_input_needs_it(self) -> None:
        stack, made, changed = self.protecting()
        old = stack.record()
        news = {**old.inputs, "deletion_protection": True}

        def replace_it(delete_first: bool) -> None:
            life, _ = stack.life()
            life.diff(old.id, old.inputs, old.outputs, news)
            if delete_first:
                life.delete(old.id, old.outputs)
            life.create(news)

        for delete_first, says in ((False, "it is to be replaced"), (True, "it is to be deleted")):
            with pytest.raises(Failed, match=f"{says}, and deletion_protection is on"):
                stack.run(partial(replace_it, delete_first))
        assert stack.alive() == {made}
        assert stack.up(changed) == []

    def test_what_is_not_known_yet_replaces_nothing(self) -> None:
        stack, _, _ = self.protecting()
        old = stack.record()
        news = {**old.inputs, "env_vars": {"A": UNKNOWN}, "deletion_protection": True}
        life, call = stack.life()
        changes, _ = stack.run(lambda: life.diff(old.id, old.inputs, old.outputs, news))
        assert (changes.replaces, changes.updates) == ([], ["env_vars"])
        assert "if it then differs, that is refused" in "".join(call.warnings)

    def test_one_that_never_came_up_has_nothing_to_protect(self) -> None:
        stack = Stack(VM)
        stack.script({"type": "fail", "reason": "image_pull"})
        assert failure(stack, program(VM, least=True)) is not None
        protecting = program(VM, least=True, deletion_protection=True)
        assert stack.up(protecting) == ["createVm", "terminateVm"]


def test_where_the_key_of_a_review_is_left_in_the_environment_nothing_is_replaced(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A review sees the replacement of a protected machine, which a preview refuses."""
    stack = Stack("openrelay:Vm")
    stack.up(program("openrelay:Vm", deletion_protection=True))
    made = stack.record().id
    monkeypatch.setenv(REVIEW_KEY, "key")
    changed = program("openrelay:Vm", deletion_protection=True, gpu_count=2)
    told = failure(stack, changed)
    assert told is not None
    assert "is for reviews alone; nothing was created; unset it" in told
    assert stack.alive() == stack.recorded() == {made}


class TestARate:
    """`rate_cents_per_hour` is what a machine bills, as far as the API says."""

    def rate(self, stack: Stack) -> Any:
        stack.refresh()
        rate = stack.record().outputs.get("rate_cents_per_hour")
        stack.refresh()
        assert stack.record().outputs.get("rate_cents_per_hour") == rate
        return rate

    @pytest.mark.parametrize("token", [VM, CLUSTER])
    def test_it_is_nothing_while_another_hand_has_it_stopped(self, token: str) -> None:
        stack = Stack(token)
        stack.up(program(token))
        full = self.rate(stack)
        assert full > 0
        stack.another_hand({"status": "stopped"})
        assert self.rate(stack) == 0
        stack.another_hand({"status": "running"})
        assert self.rate(stack) == full

    @pytest.mark.parametrize(
        ("token", "change"), [(VM, {"public": False}), (CLUSTER, {"wait_for": "none"})]
    )
    def test_what_it_is_not_priced_by_leaves_it_as_it_is(
        self, token: str, change: dict[str, Any]
    ) -> None:
        stack = Stack(token)
        stack.up(program(token))
        foreseen = stack.record().inputs["rate_cents_per_hour"]
        assert foreseen > 0
        self.double(stack)
        before = stack.record().id
        stack.up(program(token, **change))
        assert stack.record().id == before
        assert stack.record().inputs["rate_cents_per_hour"] == foreseen
        if token == VM:
            assert stack.record().outputs["rate_cents_per_hour"] == foreseen

    def test_an_update_that_asks_nothing_records_no_estimate(self) -> None:
        stack = Stack(VM)
        stack.up(program(VM, least=True))
        told = stack.record().outputs["rate_cents_per_hour"]
        stack.record().inputs["rate_cents_per_hour"] = told + 100  # what some check had foreseen
        stack.up(program(VM, least=True, wait_for="none"))
        assert stack.record().inputs["rate_cents_per_hour"] == told + 100
        assert stack.record().outputs["rate_cents_per_hour"] == told

    @pytest.mark.parametrize("token", [VM, CLUSTER])
    def test_a_start_is_at_the_price_of_the_day(self, token: str) -> None:
        stack = Stack(token)
        stack.up(program(token))
        foreseen = stack.record().inputs["rate_cents_per_hour"]
        stack.up(program(token, desired_state="stopped"))
        assert stack.record().inputs["rate_cents_per_hour"] == 0
        self.double(stack)
        stack.up(program(token, desired_state="running"))
        assert stack.record().inputs["rate_cents_per_hour"] == 2 * foreseen

    def test_a_replacement_is_at_the_price_of_the_day(self) -> None:
        stack = Stack(VM)
        stack.up(program(VM, least=True))
        foreseen = stack.record().inputs["rate_cents_per_hour"]
        self.double(stack)
        stack.up(program(VM, least=True, image_url="nginx:1.29"))
        assert stack.record().inputs["rate_cents_per_hour"] == 2 * foreseen

    @pytest.mark.parametrize("goes", [False, True], ids=["dearer", "gone"])
    @pytest.mark.parametrize(
        ("token", "named"),
        [
            (VM, {"tier": "community"}),
            (CLUSTER, {"tier": "community"}),
            (INSTANCE, {"service_mode": "managed_container", "billing_mode": "hourly"}),
            (INSTANCE, {"region": "eu-north"}),
            (INSTANCE, {"ssh_public_key": f"{KEYS[0].rpartition(' ')[0]} renamed"}),
        ],
        ids=str,
    )
    def test_naming_what_already_holds_needs_no_offer_and_keeps_what_it_bills(
        self, token: str, named: dict[str, Any], goes: bool
    ) -> None:
        stack = Stack(token)
        size = {"replica_count": 1, "gpus_per_replica": 1} if token == CLUSTER else {}
        stack.up(program(token, least=True, **size))
        made, told = stack.record().id, stack.record().inputs["rate_cents_per_hour"]
        assert told > 0
        self.double(stack, goes=goes)
        assert stack.up(program(token, least=True, **size, **named)) == []
        assert stack.record().id == made
        # Where the catalog tells no price, none is claimed: the API may have chosen another.
        prices = goes and not named.keys().isdisjoint({"tier", "billing_mode"})
        known = None if prices else told
        assert stack.record().inputs.get("rate_cents_per_hour") == known
        stack.up(program(token, least=True, **size))
        assert stack.record().inputs.get("rate_cents_per_hour") == known
        assert stack.record().outputs["rate_cents_per_hour"] == told

    def checked(self, stack: Stack, **other: Any) -> dict[str, Any]:
        """What policies see first of the recorded one with other inputs."""
        olds = stack.record().inputs
        news = {n: v for n, v in olds.items() if n != "rate_cents_per_hour"} | other
        life = stack.life()[0]
        inputs, problems = stack.run(lambda: life.check(olds, news))
        assert problems == []
        return dict(inputs)

    def test_another_machine_has_no_rate_where_the_catalog_cannot_be_read(self) -> None:
        stack = Stack(VM)
        stack.up(program(VM, least=True))
        stack.world.faults.status(500, "GET", "/pricing", times=None)
        assert self.checked(stack).get("rate_cents_per_hour")
        assert "rate_cents_per_hour" not in self.checked(stack, tier="verified")

    def test_policies_see_the_price_of_the_day_of_what_is_to_take_its_place(self) -> None:
        stack = Stack(VM)
        stack.up(program(VM, least=True, image_url="nginx:1.28"))
        told = stack.record().inputs["rate_cents_per_hour"]
        self.double(stack)
        assert self.checked(stack)["rate_cents_per_hour"] == told
        seen = self.checked(stack, image_url="nginx:1.29")
        assert seen["rate_cents_per_hour"] == 2 * told

    def test_naming_another_than_holds_is_priced_before_it_is_found_to_be_a_replacement(
        self,
    ) -> None:
        stack = Stack(VM)
        stack.up(program(VM, least=True))
        told = stack.record().inputs["rate_cents_per_hour"]
        assert self.checked(stack, tier="verified")["rate_cents_per_hour"] > told

    def double(self, stack: Stack, *, goes: bool = False) -> None:
        """What the catalog's machines cost from now on. goes: the catalog has none any more."""
        handle = stack.world.handle

        def handled(request: Request) -> Answer:
            answer = handle(request)
            if not request.path.endswith(("/pricing", "/catalog")):
                return answer
            told = json.loads(answer.body)
            for rows in [told[name] for name in ("gpu", "cpu", "rows") if name in told]:
                for price in (price for row in rows for price in row.get("billing_modes", [row])):
                    price["rate_per_period" if "mode" in price else "pricePerHourCents"] *= 2
                for row in rows if goes else ():
                    row |= {"prescription": "another", "gpuModelId": "another"}
            return replace(answer, body=json.dumps(told).encode())

        answer_by(stack, handled)

    def test_it_is_nothing_while_its_node_is_away(self) -> None:
        stack = Stack(VM)
        stack.up(program(VM, least=True))
        stack.another_hand({"status": "interrupted"})
        assert self.rate(stack) == 0

    @pytest.mark.parametrize("token", [VM, CLUSTER])
    def test_of_one_that_has_failed_it_is_not_known(self, token: str) -> None:
        stack = Stack(token)
        stack.up(program(token, least=True, replica_count=2 if token == CLUSTER else None))
        stack.another_hand({"status": "failed"})
        assert self.rate(stack) is None

    def test_it_is_nothing_of_one_that_is_never_charged(self) -> None:
        stack = Stack(VM)
        handle = stack.world.handle

        def handled(request: Request) -> Answer:
            answer = handle(request)
            if not request.path.endswith("/detail"):
                return answer
            free = {**json.loads(answer.body), "nonBillable": True}
            return replace(answer, body=json.dumps(free).encode())

        answer_by(stack, handled)
        stack.up(program(VM, least=True))
        assert stack.record().outputs["rate_cents_per_hour"] == 0
        assert self.rate(stack) == 0

    def test_of_a_cluster_that_another_hand_has_scaled_it_is_that_of_its_replicas(self) -> None:
        stack = Stack(CLUSTER)
        stack.up(program(CLUSTER))
        full = self.rate(stack)
        stack.another_hand({"replica_count": 1})
        assert self.rate(stack) * 2 == full

    def test_of_a_cluster_whose_gpus_are_the_apis_choice_it_is_told_by_what_the_api_chose(
        self,
    ) -> None:
        stack = Stack(CLUSTER)
        stack.up(program(CLUSTER, gpus_per_replica=2, replica_count=2))
        each = self.rate(stack) // 4
        stack = Stack(CLUSTER)
        stack.up(program(CLUSTER, gpus_per_replica=None, replica_count=2))
        assert stack.record().outputs["gpus_per_replica"] == 1
        assert stack.record().outputs["rate_cents_per_hour"] == 2 * each
        assert self.rate(stack) == 2 * each
        stack.up(program(CLUSTER, gpus_per_replica=None, replica_count=3))
        assert stack.record().outputs["rate_cents_per_hour"] == 3 * each
        assert self.rate(stack) == 3 * each

    def test_of_a_cluster_that_is_scaled_it_is_that_of_its_replicas_at_once(self) -> None:
        stack = Stack(CLUSTER)
        stack.up(program(CLUSTER, replica_count=1))
        each = stack.record().outputs["rate_cents_per_hour"]
        stack.up(program(CLUSTER, replica_count=3))
        assert stack.record().outputs["rate_cents_per_hour"] == 3 * each

    def test_of_a_cluster_that_could_not_be_stopped_it_is_that_of_one_that_runs(self) -> None:
        stack = Stack(CLUSTER)
        stack.up(program(CLUSTER))
        full = self.rate(stack)
        stopped = program(CLUSTER, desired_state="stopped")
        for each in (stack, Stack(CLUSTER)):  # an update and a create
            each.world.faults.status(409, "POST", "/stop$", error="not now")
            assert failure(each, stopped) is not None
            assert each.record().outputs["status"] == "running"
            assert each.record().outputs["rate_cents_per_hour"] == full

    def test_of_a_cluster_that_does_not_come_up_again_it_is_that_of_the_replicas_it_has(
        self,
    ) -> None:
        stack = Stack(CLUSTER)
        stack.up(program(CLUSTER, replica_count=1))
        each = stack.record().outputs["rate_cents_per_hour"]
        handle = stack.world.handle

        def degraded(request: Request) -> Answer:
            if request.method == "GET" and "/clusters" in request.path:
                stack.another_hand({"status": "degraded"})
            return handle(request)

        answer_by(stack, degraded)
        assert "(degraded)" in str(failure(stack, program(CLUSTER, replica_count=3)))
        assert stack.record().outputs["replica_count"] == 3
        assert stack.record().outputs["rate_cents_per_hour"] == 3 * each

    def test_of_a_cluster_that_is_scaled_while_the_pricing_is_away_it_is_not_known(self) -> None:
        stack = Stack(CLUSTER)
        stack.up(program(CLUSTER, replica_count=1))
        stack.world.faults.status(500, "GET", "/pricing$", times=None)
        stack.up(program(CLUSTER, replica_count=3))
        assert "rate_cents_per_hour" not in stack.record().outputs

    @pytest.mark.parametrize(
        ("token", "name"),
        [(VM, "tier"), (CLUSTER, "tier"), ("relay:Instance", "billing_mode")],
    )
    def test_none_is_foreseen_where_an_input_that_it_hangs_on_is_not_known_yet(
        self, token: str, name: str
    ) -> None:
        """One that is left out has a price of its own."""
        stack = Stack(token)
        inputs = {**EXAMPLES[token].inputs, "ssh_key_ids": ["a key"], name: None}
        fields = KINDS[token].fields
        given = {n: v for n, v in inputs.items() if v is not None and n in fields}

        def foreseen(**more: Any) -> Any:
            checked, problems = stack.run(lambda: stack.life()[0].check({}, {**given, **more}))
            assert not problems
            return checked.get("rate_cents_per_hour")

        assert foreseen() > 0
        assert foreseen(**{name: UNKNOWN}) is None

    def test_of_a_cluster_that_is_started_while_the_pricing_is_away_it_is_not_known(self) -> None:
        stack = Stack(CLUSTER)
        stack.up(program(CLUSTER))
        stack.another_hand({"status": "stopped"})
        assert self.rate(stack) == 0
        stack.another_hand({"status": "running"})
        stack.world.faults.status(500, "GET", "/pricing$", times=None)
        assert self.rate(stack) is None


@pytest.mark.parametrize("token", ["relay:ApiKey", "relay:Instance"])
def test_a_list_whose_pages_have_no_cursors_drops_nothing_from_the_state(token: str) -> None:
    stack = Stack(token, page_size=1, page_size_max=1)
    handle = stack.world.handle

    def handled(request: Request) -> Answer:
        answer = handle(request)
        body = json.loads(answer.body) if answer.body else None
        if isinstance(body, dict) and "next_cursor" in body:
            answer = replace(answer, body=json.dumps({**body, "next_cursor": None}).encode())
        return answer

    answer_by(stack, handled)
    declared = program(token, least=True)[NAME]
    wanted = {f"one-{n}": declared for n in range(3)}
    stack.up(wanted)
    recorded = stack.recorded()
    stack.refresh()
    assert stack.recorded() == recorded == stack.alive()
    assert stack.up(wanted) == []


@pytest.mark.parametrize("token", [VM, CLUSTER])
def test_an_empty_list_that_the_api_calls_null_is_empty(token: str) -> None:
    stack = Stack(token)
    handle = stack.world.handle

    def handled(request: Request) -> Answer:
        answer = handle(request)
        body = json.loads(answer.body) if answer.body else None
        if isinstance(body, dict) and body.get("items") == []:
            answer = replace(answer, body=json.dumps({**body, "items": None}).encode())
        return answer

    answer_by(stack, handled)
    stack.up(program(token))
    stack.refresh()
    stack.assert_nothing_lost()


def test_what_the_detail_alone_tells_is_as_old_as_the_last_change_in_the_list() -> None:
    stack = Stack(VM)
    stack.up(program(VM))
    before = stack.record().outputs["ssh_ready"]
    handle = stack.world.handle

    def handled(request: Request) -> Answer:
        answer = handle(request)
        if not request.path.endswith("/detail"):
            return answer
        told = {**json.loads(answer.body), "sshReady": not before}
        return replace(answer, body=json.dumps(told).encode())

    answer_by(stack, handled)
    stack.refresh()
    assert stack.record().outputs["ssh_ready"] is before
    stack.another_hand({"status": "stopped"})
    stack.refresh()
    assert stack.record().outputs["ssh_ready"] is not before


class TestWhatOnlyTheVmItselfTells:
    """Its attached keys, which a refresh asks for while it reads the list."""

    KEYS = "/vms/[^/]+/ssh-keys$"

    def asked(self, stack: Stack) -> int:
        return len([e for e in stack.world.log.entries if re.search(self.KEYS, e.path)])

    @pytest.mark.parametrize("status", [400, 404])
    def test_one_that_has_gone_is_asked_once_and_the_list_tells(self, status: int) -> None:
        stack = Stack(VM)
        stack.up(program(VM))
        stack.another_hand({"status": "terminated"})
        stack.world.faults.status(status, "GET", self.KEYS, times=None)
        stack.refresh()
        assert NAME not in {record.name for record in stack.engine.state}
        assert self.asked(stack) == 1

    def test_where_they_cannot_be_read_nothing_is_changed_and_the_user_reads_why(self) -> None:
        stack = Stack(VM)
        stack.up(program(VM))
        before = deepcopy(vars(stack.record()))
        stack.world.faults.status(403, "GET", self.KEYS, times=None, error="Not yours.")
        with pytest.raises(OperationFailed, match="Not yours"):
            stack.refresh()
        assert vars(stack.record()) == before

    def test_they_are_read_once_where_nothing_has_changed(self) -> None:
        stack = Stack(VM)
        stack.up(program(VM))
        stack.refresh()
        assert self.asked(stack) == 1


class TestTheOneKeyOfAVm:
    """The list of the keys tells it, which a refresh reads once for all VMs."""

    KEYS = "/orgs/[^/]+/ssh-keys$"

    def up(self) -> Stack:
        stack = Stack(VM)
        least = program(VM, least=True)
        stack.up({**least, "other": least[NAME]})
        return stack

    def test_a_refresh_asks_for_nothing_about_each_machine(self) -> None:
        stack = self.up()
        stack.refresh()
        lists = [path.rpartition("/")[2] for path in stack.asked]
        assert sorted(lists) == ["ssh-keys", "vms", "whoami"]

    def test_another_key_that_somebody_attached_is_shown(self) -> None:
        stack = self.up()
        keys = [stack.record("key").id, stack.record("key2").id]
        stack.another_hand({"ssh_key_ids": keys})
        stack.refresh()
        assert sorted(stack.record().inputs["ssh_key_ids"]) == sorted(keys)
        assert stack.record("other").inputs["ssh_key_ids"] == keys[:1]

    @pytest.mark.parametrize("status", [403, 404, 500])
    def test_where_that_list_cannot_be_read_the_machine_is_asked(self, status: int) -> None:
        stack = self.up()
        stack.another_hand({"ssh_key_ids": [stack.record("key2").id]})
        stack.world.faults.status(status, "GET", self.KEYS, times=None)
        record = stack.record()

        def read() -> Reading | None:
            return stack.life()[0].read(record.id, record.inputs, record.outputs)

        reading = stack.run(read)
        assert reading is not None
        assert reading.inputs["ssh_key_ids"] == [stack.record("key2").id]

    def test_a_list_that_tells_of_another_key_is_not_believed(self) -> None:
        """It may lag behind, or tell of a pod that is called alike."""
        stack = self.up()
        handle, other = stack.world.handle, stack.record("key2").id
        held = [stack.record(name).inputs["name"] for name in (NAME, "other")]

        def handled(request: Request) -> Answer:
            answer = handle(request)
            if request.method != "GET" or not re.search(self.KEYS, request.path):
                return answer
            rows = json.loads(answer.body)
            for row in rows:
                row["blockingVms"] = held if row["id"] == other else []
                row["attachedVmCount"] = len(row["blockingVms"])
            return replace(answer, body=json.dumps(rows).encode())

        answer_by(stack, handled)
        stack.refresh()
        for name in (NAME, "other"):
            assert stack.record(name).inputs["ssh_key_ids"] == [stack.record("key").id]
