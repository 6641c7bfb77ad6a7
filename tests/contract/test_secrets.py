"""A secret is one end to end: to Pulumi, and in everything that we say."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pulumi
import pytest
from pulumi.runtime import mocks, rpc

from pulumi_openrelay.lifecycle.journal import Note

from ..simulation.journal import Notes
from ..simulation.network import SimulatedCall
from .examples import EXAMPLES
from .support import (
    API_KEYS,
    KINDS,
    LOST,
    MACHINES,
    NAME,
    TOKENS,
    OperationFailed,
    Stack,
    create_of,
    failure,
    on_answer,
    program,
    resolved,
)

SECRET = [t for t in TOKENS if any(field.secret for field in KINDS[t].fields.values())]
SECRET_INPUTS = [
    (token, name)
    for token in TOKENS
    for name, field in KINDS[token].fields.items()
    if field.secret and field.is_input
]
MARKER = "swordfish"
VM, CLUSTER = "openrelay:Vm", "openrelay:InferenceCluster"


class Engine(mocks.MockMonitor):
    """Takes what a program registers, and keeps it as it came over the wire."""

    def __init__(self) -> None:
        super().__init__(_Nothing())
        self.requests: list[Any] = []

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802 - gRPC's name
        self.requests.append(request)
        return super().RegisterResource(request)  # type: ignore[no-untyped-call]

    def ReadResource(self, request: Any) -> Any:  # noqa: N802 - gRPC's name
        self.requests.append(request)
        return super().ReadResource(request)  # type: ignore[no-untyped-call]


class _Nothing(mocks.Mocks):
    def call(self, args: mocks.MockCallArgs) -> tuple[dict[str, Any], None]:
        return {}, None

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        return f"{args.name}-id", dict(args.inputs)


def registered(token: str, declare: Callable[[], Any]) -> Any:
    """The request in which a program registers, or reads, its resource of this kind."""
    engine = Engine()
    pulumi.runtime.set_mocks(_Nothing(), monitor=engine)
    pulumi.runtime.test(declare)()  # type: ignore[no-untyped-call]
    return next(r for r in engine.requests if r.type == f"pulumi-python:dynamic/{token}")


def secrets_of(token: str) -> set[str]:
    return {name for name, field in KINDS[token].fields.items() if field.secret}


def plain_inputs(token: str) -> dict[str, Any]:
    """The example's inputs, with ids in place of references."""

    def resolved(value: Any) -> Any:
        if isinstance(value, list):
            return [resolved(part) for part in value]
        return value if isinstance(value, (str, int, bool, dict)) else "some-id"

    return {name: resolved(value) for name, value in EXAMPLES[token].inputs.items()}


@pytest.mark.parametrize("token", TOKENS)
class TestInAProgram:
    def test_every_secret_property_is_one_to_the_engine(self, token: str) -> None:
        make = KINDS[token].resource
        request = registered(token, lambda: make(NAME, **plain_inputs(token)))
        assert set(request.additionalSecretOutputs) == secrets_of(token)
        for name in EXAMPLES[token].inputs:
            value = request.object.fields[name]
            sealed = rpc._special_sig_key in value.struct_value.fields
            assert sealed == (name in secrets_of(token)), name

    def test_every_secret_property_of_a_looked_up_one_is_one_too(self, token: str) -> None:
        make = KINDS[token].resource
        request = registered(token, lambda: make.get(NAME, "some-id"))
        assert set(request.additionalSecretOutputs) == secrets_of(token)

    def test_what_is_pickled_into_the_state_is_the_kind_and_nothing_else(self, token: str) -> None:
        make = KINDS[token].resource
        request = registered(token, lambda: make(NAME, **plain_inputs(token)))
        other = registered(token, lambda: make("another", **plain_inputs(token)))
        provider = request.object.fields["__provider"].string_value
        assert 0 < len(provider) < 200
        assert provider == other.object.fields["__provider"].string_value


REFUSALS: dict[str, Any] = {
    **{str(status): {"type": "status", "status": status} for status in (400, 402, 403, 409, 422)},
    **{str(status): {"type": "status", "status": status} for status in (401, 429, 500, 503)},
    "no capacity": {"type": "status", "status": 503, "code": "INSUFFICIENT_GPU_CAPACITY"},
    **LOST,
}


@pytest.fixture
def heard(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every line of progress, as it is reported; and the log from debug on."""
    caplog.set_level(logging.DEBUG)
    lines: list[str] = []
    monkeypatch.setattr(SimulatedCall, "report", lambda _self, text: lines.append(text))
    return lines


class TestInNotes:
    @pytest.mark.parametrize(
        ("token", "name"), [each for each in SECRET_INPUTS if not KINDS[each[0]].acts]
    )
    def test_what_is_noted_of_a_create_holds_no_secret_input(
        self, token: str, name: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        noted: list[Note] = []
        monkeypatch.setattr(Notes, "write", lambda _self, _owner, _urn, note: noted.append(note))
        stack = Stack(token)
        stack.up(program(token, **{name: marked(token, name)}))
        assert MARKER in str(stack.record().outputs[name])  # the marker went all the way
        assert noted != []
        assert MARKER not in str(noted)


class TestInWhatWeSay:
    @pytest.mark.parametrize("how", REFUSALS)
    @pytest.mark.parametrize(("token", "name"), SECRET_INPUTS)
    def test_no_failure_of_a_create_tells_a_secret(
        self, token: str, name: str, how: str, heard: list[str], caplog: pytest.LogCaptureFixture
    ) -> None:
        stack = Stack(token)
        rule = {"match": {"path_regex": create_of(token)}, "times": None, "action": REFUSALS[how]}
        stack.world.faults.add(rule)
        said = outcome(stack, lambda: stack.up(program(token, **{name: marked(token, name)})))
        stack.world.faults.clear()
        said += outcome(stack, lambda: stack.up(program(token, **{name: marked(token, name)})))
        assert MARKER in str(stack.record().outputs[name])  # the marker went all the way
        assert_unsaid([MARKER, API_KEYS[stack.kind.service.name]], said, heard, caplog)

    @pytest.mark.parametrize("token", sorted(set(MACHINES) & set(SECRET)))
    @pytest.mark.parametrize("what", ["fail", "stall", "interrupt"])
    def test_no_failure_of_a_wait_tells_a_secret(
        self, token: str, what: str, heard: list[str], caplog: pytest.LogCaptureFixture
    ) -> None:
        stack = Stack(token)
        stack.script({"type": what})
        inputs = {n: marked(token, n) for t, n in SECRET_INPUTS if t == token}
        said = outcome(stack, lambda: stack.up(program(token, **inputs)))
        said += outcome(stack, lambda: stack.up(program(token, **inputs)))
        said += outcome(stack, stack.refresh)
        outputs = [str(v) for n, v in stack.record().outputs.items() if n in secrets_of(token)]
        assert any(MARKER in value for value in outputs)
        tokens = [value for value in outputs if MARKER not in value]
        assert_unsaid([MARKER, API_KEYS[stack.kind.service.name], *tokens], said, heard, caplog)

    @pytest.mark.parametrize("token", ["openrelay:Vm", "openrelay:InferenceCluster"])
    def test_what_the_api_repeats_of_a_secret_is_hidden_whenever_it_does(
        self, token: str, heard: list[str], caplog: pytest.LogCaptureFixture
    ) -> None:
        """In the line of progress of a machine that comes up, in a read and in a delete."""
        stack = Stack(token)
        stack.script({"type": "stall"})
        of = program(token, env_vars={"TOKEN": MARKER}, on_timeout=None)
        declared = {**of, NAME: replace(of[NAME], timeout=5)}
        said = outcome(stack, lambda: stack.up(declared))

        def refuse(status: int, path: str) -> None:
            action = {"type": "status", "status": status, "error": f"{MARKER} may not do that."}
            stack.world.faults.add({"match": {"path_regex": path}, "times": None, "action": action})

        refuse(500, "/(vms|clusters)$")
        said += outcome(stack, lambda: stack.up(declared))
        assert any("(500: [secret] may not do that)" in line for line in heard)
        stack.world.faults.clear()
        refuse(403, "/(vms|clusters)")
        said += (read := outcome(stack, stack.refresh))
        said += (ended := outcome(stack, stack.destroy))
        assert "403: [secret] may not do that" in read
        assert "403: [secret] may not do that" in ended
        assert_unsaid([MARKER], said, heard, caplog)

    @pytest.mark.parametrize("quote", [json.dumps, repr])
    @pytest.mark.parametrize("secret", ["sword\"fish'77", "sword\\fish-77", "swördfish-77"])
    def test_what_the_api_quotes_of_a_secret_is_hidden(
        self, secret: str, quote: Callable[[str], str]
    ) -> None:
        stack = Stack(VM)
        error = f"no such variable: {quote(secret)}"
        stack.world.faults.status(400, "POST", create_of(VM), error=error)
        said = failure(stack, program(VM, least=True, env_vars={"TOKEN": secret}))
        assert "no such variable: " in str(said)
        assert "[secret]" in str(said)
        assert "fish" not in str(said)

    def test_a_refusal_to_adopt_tells_neither_secret(self) -> None:
        mine = Stack(CLUSTER, "mine")
        mine.up(program(CLUSTER, least=True, name="shared", env_vars={"TOKEN": "theirs-4711"}))
        asked = program(CLUSTER, least=True, name="shared", adopt=True, env_vars={"TOKEN": "o'urs"})
        said = failure(Stack(CLUSTER, "theirs", beside=mine), resolved(mine, asked))
        assert "whose env_vars is another than the program's; nothing was created" in str(said)
        assert "4711" not in str(said)
        assert "urs" not in str(said).replace("yours", "")

    @pytest.mark.parametrize(("token", "name"), SECRET_INPUTS)
    def test_a_refused_secret_is_not_repeated(self, token: str, name: str) -> None:
        stack = Stack(token)
        refused = 0
        for value in (MARKER, [MARKER], {"list": [MARKER]}, {"key": {"deep": MARKER}}, 4711_4711):
            given = {**EXAMPLES[token].inputs, name: value}

            def check(given: dict[str, Any] = given) -> Any:
                return stack.life()[0].check({}, given)

            _, problems = stack.run(check)
            told = [reason for named, reason in problems if named == name]
            refused += len(told)
            assert MARKER not in "".join(told)
            assert "4711" not in "".join(told)
        assert refused >= 3


def marked(token: str, name: str) -> Any:
    """The example's value of a secret input, with the marker in it."""
    value = EXAMPLES[token].inputs[name]
    if isinstance(value, dict):
        return dict.fromkeys(value, MARKER)
    return f"{value}-{MARKER}"


def outcome(stack: Stack, operate: Callable[[], Any]) -> str:
    """What the user reads of an operation: its failure, and its warnings."""
    try:
        operate()
    except OperationFailed as failure:
        return "\n".join([str(failure), *stack.engine.warnings])
    return "\n".join(stack.engine.warnings)


def assert_unsaid(
    secrets: list[str], said: str, heard: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    everything = "\n".join([said, *heard, *caplog.messages])
    assert len(caplog.messages) > 1
    for secret in secrets:
        assert secret not in everything


class TestWhatOnlyTheMachineItselfTells:
    """Its own token, and the environment that another hand gave it: its reason may repeat both."""

    def repeat(self, stack: Stack, cluster: str, status: str) -> None:
        told = stack.world.call("GET", f"/v1/clusters/{cluster}/detail").json()
        secrets = [told["deployToken"], *(told.get("envVars") or {}).values()]
        said = {"status": status, "status_reason": f"boot with {' '.join(secrets)}"}
        assert stack.world.call("PATCH", f"/_emulator/clusters/{cluster}", said).status == 200

    def theirs(self, status: str) -> Stack:
        """Another's cluster, which repeats its secrets."""
        theirs = Stack(CLUSTER, "theirs")
        theirs.up(program(CLUSTER, least=True, name="shared", env_vars={"TOKEN": "swordfish-77"}))
        self.repeat(theirs, theirs.record().id, status)
        return theirs

    @pytest.mark.parametrize("status", ["running", "failed"])
    def test_no_create_says_or_records_it(
        self, status: str, heard: list[str], caplog: pytest.LogCaptureFixture
    ) -> None:
        stack = Stack(CLUSTER)
        stack.script({"type": "stall"})
        on_answer(stack, "/clusters/create", lambda body: self.repeat(stack, body["id"], status))
        said = outcome(stack, lambda: stack.up(program(CLUSTER, least=True)))
        token = str(stack.record().outputs["deploy_token"])
        assert stack.record().outputs["status_reason"] == "boot with [secret]"
        assert_unsaid([token], said, heard, caplog)

    def test_nor_does_what_adopts_it(
        self, heard: list[str], caplog: pytest.LogCaptureFixture
    ) -> None:
        theirs = self.theirs("running")
        stack = Stack(CLUSTER, beside=theirs)
        adopting = program(CLUSTER, least=True, name="shared", adopt=True)
        said = outcome(stack, lambda: stack.up(resolved(theirs, adopting)))
        assert stack.record().outputs["status_reason"] == "boot with [secret] [secret]"
        assert_unsaid(["swordfish-77"], said, heard, caplog)

    def test_nor_does_what_reads_it(self) -> None:
        """As `InferenceCluster.get`, or an import, does."""
        theirs = self.theirs("failed")
        there = theirs.record().id
        read = theirs.run(lambda: theirs.life("elsewhere")[0].read(there, {}, {}))
        assert read is not None
        assert read.outputs["status_reason"] == "boot with [secret] [secret]"

    def test_what_an_earlier_release_has_recorded_of_it_goes_with_the_next_refresh(self) -> None:
        stack = Stack(CLUSTER)
        stack.up(program(CLUSTER, least=True))
        outputs = stack.record().outputs
        outputs["status_reason"] = f"boot with {outputs['deploy_token']}"
        stack.refresh()
        assert stack.record().outputs["status_reason"] == "boot with [secret]"
