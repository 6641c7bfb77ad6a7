"""A check asks a model once, with the declared key, and fails the deployment where none answers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from pulumi_openrelay.emulator import Answer, RelayWorld, Request
from pulumi_openrelay.emulator.relay.inference.gate import UsageRecord
from pulumi_openrelay.emulator.relay.models import MODELS
from pulumi_openrelay.errors import Interrupted, OpenRelayError, Unreachable
from pulumi_openrelay.lifecycle.declare import ACTIONS
from pulumi_openrelay.relay import ModelName
from pulumi_openrelay.relay.catalog import Endpoint, ModelDetail, Price
from pulumi_openrelay.relay.inference_request import Reply, body, cost, fit, judged, promised

from ...contract.examples import RELAY_KEYS
from ...contract.support import answer_by, on_answer
from ...simulation.engine import Program
from .support import Death, OperationFailed, Stack, account, one

CHAT = "direct.openai.gpt-5.4-mini"
IMAGE = "direct.image.black-forest-labs/FLUX-2-pro"
PLAIN_KEY = "relay_sk_plain_7c1d"
OFFERED = [m.full_name(mode) for m in MODELS if not m.retired for mode in m.modes]


def check(model: str = CHAT, **inputs: Any) -> Program:
    return one("InferenceCheck", **{"model": model, "api_key": "relay_sk_local", **inputs})


def world(stack: Stack) -> RelayWorld:
    assert isinstance(stack.world, RelayWorld)
    return stack.world


def billed(stack: Stack) -> int:
    """How many requests were billed in all."""
    return sum(usage.calls for usage in stack.world.store.table(UsageRecord).values())


def asked(stack: Stack) -> list[str]:
    """The paths that the last operation posted to."""
    return [entry.path for entry in stack.world.log.entries if entry.method == "POST"]


def say(stack: Stack, path: str, answer: Mapping[str, Any]) -> None:
    """Let the next request to this path, a pattern, be answered so."""
    action = {"type": "status", "status": 200, "body": answer}
    stack.world.faults.add({"match": {"path_regex": path}, "action": action})


def _said(**message: Any) -> dict[str, Any]:
    """What a model says, in OpenAI's dialect."""
    return {"choices": [{"message": message}]}


@pytest.mark.parametrize("model", OFFERED)
def test_every_model_on_offer_is_asked_as_the_api_says(model: str) -> None:
    stack = account()
    stack.up(check(model))
    told = world(stack).call("GET", f"/v2/models/{ModelName.parse(model).model}").json()
    assert asked(stack) == [told["endpoint"]["path"]]
    assert billed(stack) == 1
    outputs = stack.record().outputs
    assert outputs["mode"] == model.partition(".")[0]
    assert 0 < outputs["latency_seconds"] < 5
    spent = sum(usage.cost_usd for usage in stack.world.store.table(UsageRecord).values())
    assert outputs["cost_usd"] == pytest.approx(spent)


def test_it_is_asked_when_it_is_made_and_whenever_an_input_changes() -> None:
    stack = account()
    world(stack).add_key(PLAIN_KEY, world(stack).first_customer, name="plain")
    programs = [
        check(),
        check(triggers=["ins_1"]),
        check(triggers=["ins_2"]),
        check(triggers=["ins_2"], api_key=PLAIN_KEY),
        check("direct.ollama.gpt-oss:20b", triggers=["ins_2"], api_key=PLAIN_KEY),
        check("direct.ollama.gpt-oss:20b", request={"options": {"num_predict": 8}}),
    ]
    for times, program in enumerate(programs, 1):
        stack.up(program)
        assert billed(stack) == times
        stack.refresh()
        stack.up(program)
        assert stack.sent == 0
        assert billed(stack) == times
    stack.destroy()
    assert stack.sent == 0


@pytest.mark.parametrize("model", [CHAT, IMAGE])
def test_its_latency_is_that_of_the_last_try(model: str) -> None:
    stack = account()
    headers = {"Retry-After": "30"}
    action = {"type": "status", "status": 429, "headers": headers}
    stack.world.faults.add({"match": {"method": "POST"}, "action": action})
    stack.up(check(model))
    assert len(asked(stack)) == 2
    assert 0 < stack.record().outputs["latency_seconds"] < 5


class TestWithoutAnAnswer:
    """One sentence; nothing recorded; and the next up asks again."""

    def failing(self, stack: Stack, program: Program) -> str:
        with pytest.raises(OperationFailed) as failure:
            stack.up(program)
        sentence = str(failure.value)
        assert stack.engine.record("it") is None
        assert sentence.startswith("inference check 'it': ")
        assert "the inference check has not passed" in sentence
        assert "relay_sk_local" not in sentence
        assert "\n" not in sentence
        return sentence

    def test_nobody_serves_the_model(self) -> None:
        stack = account(unavailable_models=["gpt-5.4-mini"])
        sentence = self.failing(stack, check())
        assert f"{CHAT} does not answer: there is no capacity for it right now (503" in sentence
        assert sentence.endswith("try later, or choose another model")
        stack.world.settings.change({"unavailable_models": []})
        stack.up(check())
        assert billed(stack) == 1

    @pytest.mark.parametrize(
        ("model", "said"),
        [
            ("direct.openai.openai/gpt-4-turbo", "it is retired"),
            ("direct.openai.gpt-0", "the API does not know it (404 MODEL_NOT_FOUND"),
            # The last part of the sentence is the advice.
            ("direct.openai.gpt-0", "has not passed; choose another model"),
            ("opengpu.openai.gpt-5.4-mini", "it is not served in mode opengpu, but in auto, dir"),
            ("direct.vllm.gpt-5.4-mini", "it is not of the source vllm, but of openai"),
        ],
    )
    def test_the_api_says_that_it_cannot(self, model: str, said: str) -> None:
        stack = account()
        sentence = self.failing(stack, check(model))
        assert f"{model} does not answer: " in sentence
        assert said in sentence
        assert asked(stack) == []

    def test_the_key_is_refused(self) -> None:
        said = self.failing(account(), check(api_key="relay_sk_wrong"))
        assert "refused the API key from the input api_key (401 INVALID_API_KEY" in said
        assert said.endswith("give the check a key that is valid")
        assert "relay_sk_wrong" not in said

    def test_the_key_may_not_use_the_model(self) -> None:
        stack = account()
        world(stack).add_key(PLAIN_KEY, world(stack).first_customer, name="plain")
        world(stack).first_customer.model_allowlist = ["direct.ollama.gpt-oss:20b"]
        said = self.failing(stack, check(api_key=PLAIN_KEY))
        assert "403 MODEL_NOT_AVAILABLE" in said
        assert said.endswith("allow the model to the key, or choose another")
        stack.up(check("direct.ollama.gpt-oss:20b", api_key=PLAIN_KEY))

    def test_the_keys_budget_is_spent(self) -> None:
        stack = account()
        customer = world(stack).first_customer
        world(stack).add_key(PLAIN_KEY, customer, name="plain", key_budget=0.0)
        assert "budget is spent" in self.failing(stack, check(IMAGE, api_key=PLAIN_KEY))

    def test_its_task_fails(self) -> None:
        stack = account()
        stack.world.scripts.add({"kind": "task", "outcome": {"type": "fail", "reason": "no_gpu"}})
        assert "its task failed (no_gpu)" in self.failing(stack, check(IMAGE))
        stack.scheduler.clock.advance(5)
        stack.up(check(IMAGE))
        assert stack.record().outputs["mode"] == "direct"

    def test_its_task_does_not_end(self) -> None:
        stack = account()
        stack.world.scripts.add({"kind": "task", "outcome": {"type": "stall"}})
        said = self.failing(stack, check(IMAGE))
        assert "its task is running after 60" in said
        assert said.endswith("CustomTimeouts(create=..., update=...) lets it wait longer")

    @pytest.mark.parametrize(
        ("answer", "said"),
        [
            ({}, "its answer has nothing in it"),
            ({"choices": []}, "its answer has nothing in it"),
            ({"error": "no"}, "it answers with an error (no)"),
            ({"error": {"message": "over\nload"}}, "it answers with an error (over load)"),
            ({"error": {"code": "BUSY"}}, "it answers with an error (BUSY)"),
            ({"status": "failed", "error": "nsfw", "urls": ["u"]}, "its task failed (nsfw)"),
        ],
    )
    def test_it_answers_with_nothing_or_an_error(
        self, answer: Mapping[str, Any], said: str
    ) -> None:
        stack = account()
        say(stack, "completions$", answer)
        assert said in self.failing(stack, check())

    def test_the_route_is_not_there(self) -> None:
        stack = account()
        stack.world.faults.status(404, "POST", "completions$")
        assert self.failing(stack, check()).endswith("has not passed; choose another model")

    def test_its_task_is_gone(self) -> None:
        stack = account()
        stack.world.faults.status(404, "GET", "/v2/tasks/", times=None)
        said = self.failing(stack, check(IMAGE))
        assert "its task is gone: the API does not know it (404" in said
        assert said.endswith("run `pulumi up` again to ask once more")
        assert stack.journal.left("owner") == []
        stack.world.faults.clear()
        stack.up(check(IMAGE))
        assert billed(stack) == 2  # under the same key, the API would promise the lost one again

    def test_one_odd_answer_is_no_task_that_is_gone(self) -> None:
        stack = account(task_seconds=200.0)
        handle, looks = stack.world.handle, 0

        def odd(request: Request) -> Answer:
            nonlocal looks
            looks += request.path.startswith("/v2/tasks/")
            return Answer(404) if looks in (20, 70) else handle(request)

        answer_by(stack, odd)
        stack.up(check(IMAGE))
        assert looks > 70
        assert billed(stack) == 1

    def test_its_task_is_not_there_yet_when_time_is_up(self) -> None:
        stack = account()
        stack.world.faults.status(404, "GET", "/v2/tasks/", times=None)
        kind = ACTIONS["relay:InferenceCheck"]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(type(kind), "create_seconds", 4.0)
            said = self.failing(stack, check(IMAGE))
        assert "its task is not there yet after 4 s" in said

    def test_its_answer_does_not_come_in_time(self) -> None:
        stack = account()
        stack.world.faults.add({"match": {"path_regex": "completions$"}, "action": "lose_answer"})
        handle = stack.world.handle

        def late(request: Request) -> Answer:
            if request.method == "POST":
                stack.scheduler.wait(600.0)
            return handle(request)

        stack.world.handle = late  # type: ignore[method-assign]
        assert self.failing(stack, check()).endswith(
            "run `pulumi up` again; CustomTimeouts(create=..., update=...) lets it wait longer"
        )

    def test_a_failed_check_leaves_what_passed_before(self) -> None:
        stack = account()
        stack.up(check())
        passed = dict(stack.record().outputs)
        stack.world.settings.change({"unavailable_models": ["gpt-5.4-mini"]})
        with pytest.raises(OperationFailed, match="does not answer"):
            stack.up(check(triggers=[1]))
        assert stack.record().outputs == passed
        stack.world.settings.change({"unavailable_models": []})
        stack.up(check(triggers=[1]))
        assert billed(stack) == 2


class TestATaskInPlaceOfAnAnswer:
    """A 202 names it by an address, an id, a URL, or all of them, with or without a state."""

    @pytest.mark.parametrize(
        "keys",
        [
            {"task_address", "poll_url"},
            {"task_id", "poll_url", "message"},
            {"poll_url"},
            {"task_id", "task_address", "status", "poll_url", "message"},
        ],
        ids=len,
    )
    def test_it_is_followed_by_whatever_names_it(self, keys: set[str]) -> None:
        stack = account()

        def only(body: dict[str, Any]) -> None:
            for key in set(body) - keys:
                del body[key]

        on_answer(stack, "/generate", only)
        stack.up(check(IMAGE))
        assert billed(stack) == 1
        assert stack.record().outputs["mode"] == "direct"

    def test_whether_it_was_asked_for_or_not(self) -> None:
        stack = account()
        handle = stack.world.handle

        def accepting(request: Request) -> Answer:
            asked = json.loads(request.body) if request.body else {}
            body = json.dumps({**asked, "async": True}).encode() if asked else request.body
            return handle(replace(request, body=body))

        stack.world.handle = accepting  # type: ignore[method-assign]
        stack.up(check(IMAGE, request={"async": False}))
        assert any(e.path.startswith("/v2/tasks/") for e in stack.world.log.entries)
        assert billed(stack) == 1

    @pytest.mark.parametrize(
        ("answer", "address"),
        [
            ({"task_address": "direct:1", "poll_url": "/v2/tasks/x"}, "direct:1"),
            ({"task_id": "direct:1", "status": "queued"}, "direct:1"),
            ({"poll_url": "https://example.com/v2/tasks/a%2Fb?wait=5"}, "a/b"),
            ({"task_id": "direct:1", "urls": ["u"]}, None),
            ({"task_id": "direct:1", "status": "completed", "result": None}, None),
            ({"choices": []}, None),
        ],
    )
    def test_an_answer_with_something_in_it_is_none(
        self, answer: Mapping[str, Any], address: str | None
    ) -> None:
        assert promised(answer) == address


def cut_off() -> Stack:
    """A check that was killed once its question was answered, and billed."""
    stack = account()
    stack.death = Death(2, after_the_work=True)
    with pytest.raises(OperationFailed):
        stack.up(check(IMAGE))
    stack.death = None
    return stack


def test_it_is_priced_in_the_mode_that_the_request_asks_for() -> None:
    stack = account()
    say(stack, "completions$", _said(content="ready"))
    stack.up(check(request={"mode": "opengpu"}))
    assert stack.record().outputs["mode"] == "opengpu"


class TestBilledOnce:
    @pytest.mark.parametrize("how", ["lose_answer", "error_after_work", "drop"])
    def test_where_the_route_takes_a_key_a_lost_answer_is_asked_for_again(self, how: str) -> None:
        stack = account()
        stack.world.faults.add({"match": {"path_regex": "generate$"}, "times": 2, "action": how})
        stack.up(check(IMAGE))
        assert len(asked(stack)) == 3
        assert billed(stack) == 1

    @pytest.mark.parametrize("how", ["lose_answer", "error_after_work"])
    def test_the_next_up_asks_under_the_same_key_where_every_answer_was_lost(
        self, how: str
    ) -> None:
        stack = account()
        stack.world.faults.add({"match": {"path_regex": "generate$"}, "times": None, "action": how})
        with pytest.raises(OperationFailed, match="may have been done and billed"):
            stack.up(check(IMAGE))
        stack.world.faults.clear()
        stack.up(check(IMAGE))
        assert billed(stack) == 1

    @pytest.mark.parametrize("error", [Unreachable("nobody answers"), Interrupted()], ids=repr)
    def test_an_attempt_that_sends_nothing_forgets_no_earlier_one(
        self, error: OpenRelayError
    ) -> None:
        stack = cut_off()
        handle = stack.world.handle

        def away(request: Request) -> Answer:
            if request.method == "POST":
                raise error
            return handle(request)

        stack.world.handle = away  # type: ignore[method-assign]
        with pytest.raises(OperationFailed, match="has not passed"):
            stack.up(check(IMAGE))
        stack.world.handle = handle  # type: ignore[method-assign]
        stack.up(check(IMAGE))
        assert billed(stack) == 1

    @pytest.mark.parametrize("status", [401, 402, 403, 409, 429])
    def test_a_refusal_that_is_not_of_the_question_forgets_no_earlier_attempt(
        self, status: int
    ) -> None:
        stack = cut_off()
        fault = stack.world.faults.status(status, "POST", ".", times=None)
        with pytest.raises(OperationFailed, match="has not passed"):
            stack.up(check(IMAGE))
        assert fault.hits > 0
        stack.world.faults.clear()
        stack.up(check(IMAGE))
        assert billed(stack) == 1

    def test_where_it_takes_none_nothing_is_repeated_and_the_user_is_told(self) -> None:
        stack = account()
        stack.world.faults.add({"match": {"path_regex": "completions$"}, "action": "lose_answer"})
        with pytest.raises(OperationFailed, match="may have been done and billed"):
            stack.up(check())
        assert len(asked(stack)) == 1

    def test_killed_at_any_request_and_run_again_a_task_is_billed_once(self) -> None:
        for request in range(1, 20):
            for after_the_work in (False, True):
                stack = account()
                stack.death = Death(request, after_the_work)
                try:
                    stack.up(check(IMAGE))
                except OperationFailed:
                    assert stack.died
                stack.death = None
                stack.scheduler.clock.advance(5)
                stack.up(check(IMAGE))
                assert billed(stack) == 1
            if not stack.died:
                return
        pytest.fail("an operation of more than 20 requests")

    def test_a_task_that_outlasts_the_user_is_gone_on_with(self) -> None:
        stack = account(task_seconds=700.0)
        with pytest.raises(OperationFailed, match="its task is running"):
            stack.up(check(IMAGE))
        stack.up(check(IMAGE))
        assert billed(stack) == 1

    def test_however_long_a_task_runs_while_it_is_gone_on_with(self) -> None:
        stack = account(task_seconds=2500.0)
        for _ in range(3):
            with pytest.raises(OperationFailed, match="its task is "):
                stack.up(check(IMAGE))
            stack.scheduler.clock.advance(200)
        stack.up(check(IMAGE))
        assert billed(stack) == 1


class TestAskedAnew:
    """What was answered before proves nothing of now."""

    def test_a_check_that_was_passed_asks_again_when_it_is_made_again(self) -> None:
        stack = account()
        stack.up(check(IMAGE))
        stack.up({})
        stack.up(check(IMAGE))
        assert billed(stack) == 2
        stack.run(lambda: stack.engine.up(check(IMAGE), target_replace="it"))
        assert billed(stack) == 3
        assert stack.journal.left("owner") == []

    def test_so_does_one_with_another_key(self) -> None:
        stack = account()
        world(stack).add_key(PLAIN_KEY, world(stack).first_customer, name="plain")
        stack.up(check(IMAGE))
        stack.up(check(IMAGE, api_key=PLAIN_KEY))
        assert billed(stack) == 2

    @pytest.mark.parametrize("other", [{"triggers": ["ins_2"]}, {"api_key": PLAIN_KEY}], ids=str)
    def test_so_does_one_that_was_cut_off_just_now_with_other_inputs(
        self, other: dict[str, Any]
    ) -> None:
        stack = account()
        world(stack).add_key(PLAIN_KEY, world(stack).first_customer, name="plain")
        handle = stack.world.handle
        keys: list[str] = []

        def noting(request: Request) -> Answer:
            keys.extend(v for k, v in request.headers.items() if k == "idempotency-key")
            return handle(request)

        stack.world.handle = noting  # type: ignore[method-assign]
        stack.death = Death(2, after_the_work=True)
        with pytest.raises(OperationFailed):
            stack.up(check(IMAGE))
        stack.death = None
        stack.up(check(IMAGE, **other))
        assert len(keys) == len(set(keys)) == billed(stack) == 2

    def test_what_was_asked_in_between_makes_an_old_attempt_no_newer(self) -> None:
        stack = account()
        stack.death = Death(2, after_the_work=True)
        with pytest.raises(OperationFailed):
            stack.up(check(IMAGE))
        stack.scheduler.clock.advance(600)
        stack.death = Death(2, after_the_work=True)
        with pytest.raises(OperationFailed):
            stack.up(check(IMAGE, triggers=["other"]))
        stack.death = None
        stack.scheduler.clock.advance(600)
        stack.up(check(IMAGE))
        assert billed(stack) == 3

    def test_so_does_one_that_was_cut_off_long_ago(self) -> None:
        stack = account()
        stack.death = Death(2, after_the_work=True)
        with pytest.raises(OperationFailed):
            stack.up(check(IMAGE))
        assert billed(stack) == 1
        stack.death = None
        stack.scheduler.clock.advance(1000)
        stack.up(check(IMAGE))
        assert billed(stack) == 2


class TestTheRequest:
    DETAIL = ModelDetail("m", endpoint=Endpoint("/v2/x"))

    def test_the_example_is_made_small(self) -> None:
        example = {"model": "other", "messages": [{"role": "user", "content": "x" * 9000}], "n": 4}
        detail = ModelDetail("m", endpoint=Endpoint("/v2/x", streams=True), request_example=example)
        sent = body(ModelName("direct", "openai", "m"), detail, {"max_tokens": 9})
        assert sent["model"] == "m"
        assert len(str(sent["messages"])) < 100
        assert (sent["n"], sent["stream"], sent["max_tokens"]) == (1, False, 9)
        assert "mode" not in sent
        assert "async" not in sent

    def test_without_example_and_schema_it_is_what_the_source_takes(self) -> None:
        chat = body(ModelName("direct", "vllm", "m"), self.DETAIL, {})
        assert list(chat) == ["messages", "model"]
        image = body(ModelName("opengpu", "image", "m"), self.DETAIL, {})
        assert image == {
            "prompt": "A red circle on white",
            "model": "m",
            "mode": "opengpu",
            "async": True,
        }

    def test_a_route_that_names_its_model_itself_is_sent_none(self) -> None:
        detail = ModelDetail(
            "m",
            endpoint=Endpoint("/v2/x", model_in_body=False),
            request_example={"prompt": "x", "model": "m"},
        )
        assert "model" not in body(ModelName("direct", "image", "m"), detail, {})

    @pytest.mark.parametrize("path", [".example.com/v2/x", "@example.com/", "https://example.com"])
    def test_the_key_goes_nowhere_but_to_relay(self, path: str) -> None:
        with pytest.raises(OpenRelayError, match="no single route"):
            fit(ModelName("direct", "image", "m"), ModelDetail("m", endpoint=Endpoint(path)))


class TestTheAnswer:
    @pytest.mark.parametrize(
        ("answer", "reply"),
        [
            ({"choices": [{"message": {"content": "Ready.\n"}}]}, Reply("Ready.", 1)),
            (
                {"choices": [{"message": {"content": None, "reasoning_content": "hm"}}]},
                Reply("hm", 1),
            ),
            ({"content": [{"type": "thinking", "thinking": "hm"}]}, Reply("hm", 1)),
            ({"content": [{"type": "text", "text": "x y"}]}, Reply("x y", 1)),
            (_said(content=[{"type": "text", "text": "Ready."}]), Reply("Ready.", 1)),
            (_said(content=None, refusal="I cannot."), Reply("I cannot.", 1)),
            (_said(content=None, tool_calls=[{"id": "a"}, {"id": "b"}]), Reply(None, 2)),
            ({"message": {"content": "Ready."}}, Reply("Ready.", 1)),
            ({"text": "Hello."}, Reply("Hello.", 1)),
            ({"urls": ["u", "v"], "images": []}, Reply(None, 2)),
            ({"data": [{"b64_json": "x"}]}, Reply(None, 1)),
            ({"audio_url": "u"}, Reply(None, 1)),
        ],
    )
    def test_of_every_dialect_is_understood(self, answer: Mapping[str, Any], reply: Reply) -> None:
        assert judged(answer, ModelDetail("m")) == reply

    def test_of_a_shape_that_nobody_knows_is_held_to_its_schema(self) -> None:
        detail = ModelDetail("m", response_schema={"required": ["mesh"]})
        assert judged({"mesh": "x"}, detail) == Reply(None, 1)
        for answer in ({}, {"mash": "x"}, {"mesh": "x", "error": "y"}):
            with pytest.raises(OpenRelayError):
                judged(answer, detail)

    def test_costs_what_the_price_list_says_or_is_not_known(self) -> None:
        tokens = Price("direct", "m", per_1m_input_tokens=2.0, per_1m_output_tokens=4.0)
        used = {"usage": {"input_tokens": 500_000, "output_tokens": 250_000}}
        assert cost(tokens, used, {}, 1) == 2.0
        assert cost(tokens, {}, {}, 1) is None
        assert cost(None, used, {}, 1) is None
        film = Price("direct", "m", per_second_video={"720p": 0.1})
        assert cost(film, {"duration": 5}, {}, 1) == 0.5
        films = Price("direct", "m", per_second_video={"720p": 0.1, "1080p": 0.2})
        assert cost(films, {"duration": 5}, {}, 1) is None

    def test_no_part_of_what_it_costs_passes_for_the_whole(self) -> None:
        tokens = Price("direct", "m", per_1m_input_tokens=2.0, per_1m_output_tokens=4.0)
        assert cost(tokens, {"usage": {"prompt_tokens": 10}}, {}, 1) is None
        assert cost(tokens, {"prompt_eval_count": 10, "eval_count": 0}, {}, 1) == 0.00002
        embedding = Price("direct", "m", per_1m_input_tokens=2.0, per_1m_output_tokens=0)
        assert cost(embedding, {"usage": {"prompt_tokens": 10}}, {}, 1) == 0.00002
        speech = Price("direct", "m", per_1k_characters=10.0)
        assert cost(speech, {}, {"input": "Ready."}, 1) == 0.06
        assert cost(speech, {}, {"text": "Ready."}, 1) == 0.06
        assert cost(speech, {}, {}, 1) is None

    def test_is_recorded_in_part_and_without_the_key(self) -> None:
        stack = account()
        key = RELAY_KEYS[0]
        say(stack, "completions$", _said(content=f"{'x' * 190} {key} {'y' * 99}"))
        stack.up(check(api_key=key))
        assert stack.record().outputs["answer"] == f"{'x' * 190} [secret] "

    def test_of_a_model_that_auto_picks_it_is_taken_from_any_mode(self) -> None:
        detail = ModelDetail("m", modes=["direct", "opengpu"], endpoint=Endpoint("/v2/x"))
        fit(ModelName("auto", "image", "m"), detail)
        with pytest.raises(OpenRelayError, match="not served in mode cluster"):
            fit(ModelName("cluster", "image", "m"), detail)


class TestInPreview:
    def problems(self, **inputs: Any) -> dict[str, str]:
        from pulumi_openrelay.lifecycle.check import check as checked

        return dict(checked(ACTIONS["relay:InferenceCheck"], inputs)[1])

    def test_a_malformed_name_is_refused(self) -> None:
        assert "mode.source.model" in self.problems(model="gpt-4o", api_key="k")["model"]

    def test_what_is_missing_is_named(self) -> None:
        assert self.problems() == {"model": "is required", "api_key": "is required"}

    @pytest.mark.parametrize("name", ["request", "triggers"])
    def test_what_json_has_no_word_for_is_refused(self, name: str) -> None:
        value: Any = {"x": object()} if name == "request" else [float("nan")]
        assert name in self.problems(model=CHAT, api_key="k", **{name: value})

    def test_a_stream_is_refused_before_anything_is_billed(self) -> None:
        stream = {"stream": True}
        said = self.problems(model=CHAT, api_key="k", request=stream)["request"]
        assert said == "should leave out stream: the check reads one whole answer"
        assert self.problems(model=CHAT, api_key="k", request={"stream": False}) == {}

    def test_it_cannot_be_looked_up(self) -> None:
        stack = account()
        stack.up(check())
        from pulumi_openrelay.lifecycle.life import life
        from pulumi_openrelay.lifecycle.sentences import Failed

        known, call = stack.run(lambda: stack.life())
        with pytest.raises(Failed, match="no API knows the inference check it-1"):
            life(ACTIONS["relay:InferenceCheck"], known.session, call).read("it-1", {}, {})
