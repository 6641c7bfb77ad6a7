"""A declared smoke test: what the stack deployed can be used."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from ..api.client import Client, Request
from ..api.relay import Relay
from ..config import RelaySettings, not_a_credential
from ..errors import (
    RETRY,
    Forbidden,
    Interrupted,
    NoCapacity,
    NotFound,
    OpenRelayError,
    Rejected,
    TimedOut,
    Unauthorized,
)
from ..lifecycle import naming
from ..lifecycle.declare import Inputs, Kind, in_place
from ..lifecycle.fields import OWNER, In, InListOrNone, InMapOrNone, Out, output, updates
from ..lifecycle.journal import Note
from ..resource import Resource
from . import inference_request
from .ask import read
from .catalog import ModelDetail, model_paths
from .model_name import ModelName, not_a_model, remarks

if TYPE_CHECKING:
    from ..lifecycle.remote import Remote

SAME_ATTEMPT_SECONDS = 900.0
"""How long ago an attempt may have been cut off whose answer still proves something; while it goes
on, it is not cut off."""
NOTED_SECONDS = 60.0
"""How often it is noted that an attempt goes on."""
UNSEEN_SECONDS = 5.0
"""For how long a task must not be there to be gone: a new one is not there yet, and one answer may
be odd."""
LONGEST_TEXT = 200
"""Of what a model said."""


def _not_json(value: Any) -> str | None:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return "should be what JSON has a word for"
    return None


def _not_a_request(value: Any) -> str | None:
    if value.get("stream") not in (None, False):
        return "should leave out stream: the check reads one whole answer"
    return _not_json(value)


class InferenceCheck(Resource, module="relay", name="InferenceCheck"):
    """One small request through a model with a key: the deployment fails where it is not answered.

    It is sent when the check is made and whenever an input of it changes, and is billed like any
    other. The API's own example is the request; `GET /v2/models/{model}` tells that and the route.
    Where the route takes an idempotency key, an attempt that was cut off is not billed twice, if it
    is gone on with within 15 minutes. An answer is waited for as long as `custom_timeouts` say,
    else 10 minutes. The check exists in the state alone. Let it wait for what it needs with
    `depends_on`.

    API: `getModel`, and the model's own route.
    """

    model: In[str] = updates(readable=False, problem=not_a_model)
    """The model's full name (`ModelName`), such as `direct.openai.gpt-4o-mini`."""
    api_key: In[str | None] = updates(
        secret=True, readable=False, min_length=1, problem=not_a_credential
    )
    """The key that asks, such as `key` of an `ApiKey`: a Pulumi secret. It must be there."""
    request: InMapOrNone[Any] = updates(default=None, readable=False, problem=_not_a_request)
    """What the body has besides the API's example, or instead of parts of it, such as `audio_url`
    for a transcription, or `max_tokens`. Default: nothing. It is not secret, and asks for no
    stream."""
    triggers: InListOrNone[Any] = updates(default=None, readable=False, problem=_not_json)
    """Any values: a change of one asks again, such as the id of what has to be proved."""

    answer: Out[str | None] = output(readable=False)
    """What the model said, its first 200 characters; None for what is no text."""
    mode: Out[str | None] = output(readable=False)
    """Who answered: `direct` or `opengpu`, as far as the API told."""
    latency_seconds: Out[float] = output(readable=False)
    """From the request to the answer; of an asynchronous route, to the task's end as it was seen,
    within a second or so. What was repeated counts from the last try."""
    cost_usd: Out[float | None] = output(readable=False)
    """What the request cost by the list price; None where price and answer do not tell."""
    checked_at: Out[str] = output(readable=False)
    """When it was answered: RFC 3339, UTC, by the API's clock."""


class InferenceCheckKind(Kind, resource=InferenceCheck):
    noun = "inference check"
    acts = True
    create_seconds = 600.0

    def remarks(self, inputs: Inputs) -> Iterator[str]:
        return remarks("model", [inputs.get("model")])

    @in_place("model", "api_key", "request", "triggers")
    def ask(self, check: Remote) -> None:
        name = ModelName.parse(check.new["model"])
        try:
            check.shown_once.update(_Question(name, check).asked())
        except Interrupted:
            raise
        except OpenRelayError as error:
            error.what = f"{name} does not answer: {error.what}"
            if isinstance(error, Unauthorized):
                error.advice = "give the check a key that is valid"
            if isinstance(error, Forbidden):
                error.advice = "allow the model to the key, or choose another"
            if isinstance(error, NoCapacity):
                error.advice = "try later, or choose another model"
            if isinstance(error, NotFound):
                error.advice = "choose another model"
            if isinstance(error, TimedOut) or error.out_of_time:
                error.advice = (
                    f"{RETRY}; CustomTimeouts(create=..., update=...) lets it wait longer"
                )
            raise


class _AsDeclared(Relay):
    """Relay's dialect with the check's own key."""

    def __init__(self, name: ModelName, key: str, url_source: str) -> None:
        key_source = "the input api_key"
        super().__init__(
            RelaySettings(key, key_source, None, "nowhere", "", 0, base_url_source=url_source)
        )
        self._sent = name.headers(key)

    def headers(self, path: str) -> Mapping[str, str]:
        return self._sent


class _Question:
    """One request to a model, on behalf of one check."""

    def __init__(self, name: ModelName, check: Remote) -> None:
        self._name = name
        self._check = check
        self._caller = check.caller
        self._began = 0.0
        """When the request was sent that was answered."""
        self._client: Client = check.session.client.speaking(
            _AsDeclared(name, check.new["api_key"].strip(), check.session.client.url_source)
        )

    def asked(self) -> dict[str, Any]:
        """The check's outputs. Raises OpenRelayError."""
        detail = self._detail()
        inference_request.fit(self._name, detail)
        body = inference_request.body(self._name, detail, self._check.new.get("request") or {})
        answer = self._answered(detail, body)
        seconds = self._caller.now() - self._began
        reply = inference_request.judged(answer, detail)
        told, asked = answer.get("mode"), body.get("mode")
        asked = asked if asked in ("direct", "opengpu") else self._name.mode
        mode = told if isinstance(told, str) else asked
        price = detail.price(str(mode))
        now = datetime.fromtimestamp(self._now(), UTC)
        return {
            "answer": self._shown(reply.text),
            "mode": None if mode == "auto" else mode,
            "latency_seconds": round(seconds, 3),
            "cost_usd": inference_request.cost(price, answer, body, reply.count),
            "checked_at": now.isoformat().replace("+00:00", "Z"),
        }

    def _detail(self) -> ModelDetail:
        missing: NotFound | None = None
        for path in model_paths(str(self._name)):
            try:
                answer = self._client.send(Request("GET", path, answers=dict), self._caller)
            except NotFound as error:
                missing = missing or error
                continue
            found: ModelDetail | None = read(ModelDetail, answer)
            if found is not None:
                return found
        what = "the API does not tell how to call it"
        raise missing or OpenRelayError(what, "choose another model")

    def _send(self, detail: ModelDetail, body: Any, key: str | None) -> dict[str, Any]:
        endpoint = detail.endpoint
        assert endpoint is not None  # noqa: S101 - fit() has seen to it
        path = endpoint.path.replace("{", "%7B").replace("}", "%7D")
        method = endpoint.method or "POST"
        request = Request(method, path, body=body, idempotency_key=key, answers=dict, slow=True)
        answer: dict[str, Any] = self._client.send(request, self._caller)
        self._began = self._client.tried
        return answer

    def _answered(self, detail: ModelDetail, body: Any) -> dict[str, Any]:
        """The answer, or the result of the task that was promised in place of one.

        Of a task that is asked for, a note on this machine keeps the key until it has ended: an
        attempt that was cut off is gone on with, and whoever asks again after that gets a new
        answer.
        """
        journal, owner, me = self._check.session.journal, self._owner, self._check.id
        asks_for_task = body.get("async") is True
        try:
            answer = self._send(detail, body, self._key(body) if asks_for_task else None)
        except Rejected as error:
            # Any other refusal, as of a key or for want of credits, says nothing of an attempt
            # before this one.
            if not error.outcome_unknown:
                journal.forget(owner, me)
            raise
        address = inference_request.promised(answer)
        if address is not None:
            answer = self._ended(address)
        journal.forget(owner, me)
        if answer.get("status") == "failed":
            why = answer.get("error") or answer.get("error_code") or "it does not say why"
            raise OpenRelayError(f"its task failed ({inference_request.words(why)})")
        if "result" not in answer:
            return answer
        result = answer["result"]
        return {"mode": answer.get("mode"), **(result if isinstance(result, dict) else {})}

    def _shown(self, text: str | None) -> str | None:
        """What a model said, as it is recorded: it may repeat the key."""
        return None if text is None else self._check.caller.without_secrets(text)[:LONGEST_TEXT]

    def _key(self, body: Any) -> str:
        """The idempotency key of this question, the same where an attempt was cut off just now."""
        new, note, now = self._check.new, self._noted(), self._now()
        question = json.dumps([str(self._name), body, new["api_key"], new.get("triggers")])
        asks = hashlib.sha256(question.encode()).hexdigest()
        if note is None or note.replacing != asks or now - note.last > SAME_ATTEMPT_SECONDS:
            token, made = self._check.kind.token, secrets.token_hex(8)
            note = Note(token, now, now, made=made, replacing=asks)
        self._note(note)
        return naming.idempotency_key(self._owner, self._check.id, question, note.made, 0)

    def _now(self) -> float:
        return self._client.time(self._caller)

    def _noted(self) -> Note | None:
        return self._check.session.journal.read(self._owner, self._check.id)

    def _note(self, note: Note) -> None:
        """Keep the note, of an attempt that goes on now."""
        note = replace(note, last=self._now())
        self._check.session.journal.write(self._owner, self._check.id, note)

    @property
    def _owner(self) -> str:
        return str(self._check.new.get(OWNER))

    def _ended(self, address: str) -> dict[str, Any]:
        """The task, once it has ended."""
        caller, began = self._caller, self._caller.now()
        missing: float | None = None
        look = Request("GET", f"/v2/tasks/{quote(address, safe=':')}", answers=dict)
        while True:
            task: dict[str, Any] = {}
            elapsed = caller.now() - began
            try:
                task = self._client.send(look, caller)
                missing = None
            except NotFound as error:
                missing = caller.now() if missing is None else missing
                if caller.now() - missing > UNSEEN_SECONDS:
                    # Under the same key, the API would promise the same task again.
                    self._check.session.journal.forget(self._owner, self._check.id)
                    raise OpenRelayError(f"its task is gone: {error.what}") from None
            status = task.get("status") or "not there yet"
            if status in inference_request.ENDED:
                return task
            note = self._noted()
            if note is not None and self._now() - note.last > NOTED_SECONDS:
                self._note(note)
            caller.report(f"{status} ({elapsed:.0f} s)")
            if caller.now() >= caller.deadline:
                raise TimedOut(f"its task is {status} after {elapsed:.0f} s")
            caller.wait(1.0 if elapsed < 60 else 5.0)
