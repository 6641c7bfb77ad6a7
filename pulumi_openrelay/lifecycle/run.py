"""The engine's calls, carried out: what happens to a resource between the program and the API.

    check   inputs made whole: every problem named, a name chosen
    diff    the same, in place by which calls, or a replacement
    create  look for what an earlier attempt made; make it; wait
    update  the calls of the change; wait
    read    the list, and the detail where the list shows a change
    delete  end it; wait until it is gone

Everything that can be recorded is recorded: a failure after something exists carries its id, and
the next `pulumi up` goes on from there.
"""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..config import REVIEW_KEY
from ..errors import (
    RETRY,
    Conflict,
    Interrupted,
    MachineFailed,
    MachineGone,
    OpenRelayError,
    TimedOut,
    cut,
)
from . import naming, sentences
from .alike import AlikeMaker
from .attempts import end_left
from .check import Problem, check
from .declare import Inputs, Kind, Row
from .diff import STATUS, Changes, diff
from .discreet import DiscreetCall
from .fields import (
    LEFT,
    MADE,
    NAME,
    ORGANIZATION,
    OWNER,
    READY,
    SERVED,
    TIMEOUT,
    UNANSWERED,
    WAS,
    Role,
)
from .guard import Guard
from .history import Answer
from .make import Maker
from .noted import Noted
from .record import Bag, Record, without_none
from .remote import Remote, condition, describe, gone
from .sentences import Failed, FailedRecorded
from .session import OPTIONAL_SECONDS
from .unknown import has_unknown

if TYPE_CHECKING:
    from ..caller import Call
    from .session import Session


@dataclass(frozen=True, slots=True)
class Reading:
    """What a resource is now. inputs: the recorded ones, corrected by what somebody changed.

    unwell: the sentence that says why the next update has something to do although nothing changed,
    or None.
    """

    outputs: Bag
    inputs: Bag
    unwell: str | None


class Lifecycle:
    """The life of one resource of one kind, for one call of the engine."""

    def __init__(self, kind: Kind, session: Session, call: Call) -> None:
        self.kind = kind
        self.session = session
        self.call = DiscreetCall(call, kind, session.client.secrets)
        self.guard = Guard(kind, session, self.call)
        self.record = Record(kind, self.call)
        self.noted = Noted(kind, session, self.call)

    # Check reads the catalog, where the kind has one, once in an operation; diff makes no request.

    def check(self, olds: Bag, news: Bag) -> tuple[Bag, list[Problem]]:
        """The inputs as they are recorded, and what is wrong with them.

        olds: the recorded inputs, empty for one that is new or about to be replaced. Raises Failed
        where the key is refused.
        """
        self.call.hide(olds, news)
        self.session.history.declare(self.call.urn, self.call.now())
        hidden = {OWNER: news[OWNER]} if news.get(OWNER) is not None else {}
        # With `ignore_changes=["*"]` the engine gives all that is recorded, what this adds too.
        not_given = olds.keys() & news.keys() - self.kind.inputs
        added = {name for name in not_given if olds[name] == news[name]} | {OWNER}
        inputs, problems = check(self.kind, {k: v for k, v in news.items() if k not in added})
        if not problems:
            try:
                problems, foreseen = self._foresee(olds, inputs)
            except OpenRelayError as error:
                raise Failed(
                    sentences.unchanged(self.kind.noun, self.call.name, self._reason(error))
                ) from error
            hidden |= foreseen
            for remark in self.kind.remarks(inputs):
                self.call.warn(remark)
        key = self.kind.name_key
        if not self.kind.singleton and inputs.get(key) is None:
            # An existing one keeps its name, whatever a release would call it today, or another
            # hand has called it since.
            chosen = olds.get(NAME)
            name = chosen or olds.get(key) or self._generated_name(inputs, hidden.get(OWNER))
            if name is not None:
                inputs[key] = name
            if chosen is not None:
                inputs[NAME] = chosen
        elif NAME in added:
            inputs[NAME] = news[NAME]
        return {**inputs, **hidden}, problems

    def diff(
        self, resource_id: str, old_inputs: Bag, old_outputs: Bag, news: Bag
    ) -> tuple[Changes, bool]:
        """The changes, and whether the old one must be deleted before its replacement is made.

        Raises Failed for a change that the API would refuse as things stand.
        """
        self.call.hide(old_inputs, old_outputs, news)
        self._own(resource_id, old_outputs)
        changes = diff(self.kind, old_inputs, old_outputs, news)
        lifted = news.get("deletion_protection") is not True
        self.session.history.protection(self.call.urn, lifted=lifted)
        on = old_outputs.get("deletion_protection") is True
        # What the program sets by now holds already, but of what has nothing to protect yet.
        protects = not lifted and (on or STATUS not in changes.replaces)
        if protects:
            self.session.history.protected.add(self.call.urn)
            self.guard.leave_unknown(changes, news)
        if changes.replaces:
            self.guard.refuse_to_replace_foreign(resource_id, old_outputs)
            # A review says itself that this is refused, and goes on to everything else.
            if protects and not os.environ.get(REVIEW_KEY):
                known = [name for name in changes.replaces if not has_unknown(news.get(name))]
                self.guard.refuse_to_replace_protected(resource_id, old_outputs, known)
            refusals = self._blocked(resource_id, old_inputs, news, changes)
        else:
            refusals = list(self.kind.impossible(old_outputs, news, changes.updates))
        if refusals:
            what = "; ".join(f"{name} {reason}" for name, reason in refusals)
            # Otherwise the reasons tell.
            advice = None if self.kind.kept(old_outputs) is None else self._by_hand
            raise Failed(
                sentences.sentence(
                    self.kind.noun, self.call.name, what, "nothing was changed", advice
                )
            )
        for remark in changes.remarks:
            self.call.warn(remark)
        if not changes.replaces:
            self.noted.warn(resource_id, old_outputs)
        deletes_first = bool(changes.replaces) and self.kind.deletes_first(old_inputs, news)
        if deletes_first:
            self.call.warn(
                f"the API cannot change {', '.join(changes.replaces)}, so that it is deleted and "
                f"made anew; where a machine reads an output of it for what only a new machine can "
                f"have, Pulumi replaces that machine too: take the change back, or give the "
                f"machine the value itself"
            )
        return changes, deletes_first

    def create(self, inputs: Bag) -> tuple[str, Bag]:
        """Make it, or take over what is its own or what `adopt` names; then wait.

        Raises Failed, or FailedRecorded from the moment on that it exists.
        """
        kind, call = self.kind, self.call
        call.hide(inputs)
        self.guard.refuse_in_a_review()
        self._set_deadline()
        # After `--target-replace` no diff has told what the program says now.
        lifted = inputs.get("deletion_protection") is not True
        self.session.history.protection(call.urn, lifted=lifted)
        self.guard.refuse_beside_protected()
        make = AlikeMaker if kind.alike else Maker
        maker = make(kind, self.session, call, inputs)
        try:
            maker.recall()
            row, found = maker.find_or_make()
        except Exception as error:
            reason = self._reason(error)
            self._answer_again(reason)
            raise Failed(
                sentences.not_created(kind.noun, call.name, reason, asked=maker.asked)
            ) from error
        remote = Remote(self.session, kind, call, str(row["id"]), new=inputs, fresh=found is None)
        mark = secrets.token_hex(4)
        own = found is None
        self.session.history.create(call.urn, remote.id, mark)
        # After `--target-replace` what it finds may be the recorded one.
        served = found == "adopted" or (found is not None and kind.may_have_served(row))
        outputs = {**inputs, MADE: mark, READY: False, SERVED: served}
        outputs[WAS] = maker.ids_before(remote.id)
        told: Bag = {}
        changing: set[str] = set()
        try:
            told = self.record.facts(row)
            changing = self._unlike(told, inputs) if found else self._not_in_create(inputs)
            own = own or (found == "own" and maker.is_own(row))
            outputs |= {**told, **self._whose()}
            if "adopted" in kind.fields:
                outputs["adopted"] = found == "adopted"
            if remote.fresh:
                remote.shown_once.update(kind.shown(row))
                call.hide(remote.shown_once)
                for surprise in kind.surprises(row):
                    call.warn(surprise)
            maker.end_twins(remote.id)
            self._set_deadline()
            if found:
                changing = self._differs(remote)
                self._refuse_impossible(remote, changing)
            if found == "adopted":
                for remark in kind.taken_away(remote.old, inputs):
                    call.warn(f"adopt=True takes over {remote.id}: {remark}")
            starts = remote.fresh or not kind.may_have_served(remote.seen)
            if changing and starts and kind.states is not None:
                remote.wait(kind.states.running)
            self._change(remote, changing)
            settled = self._settled(remote, outputs, row)
            # By now a list that lagged behind shows what an earlier attempt made.
            maker.end_strays(remote.id)
        except Exception as error:
            reason = self._reason(error)
            # What the API does not tell counts as done: its first value asks for nothing.
            undone = {n for n in changing - remote.changed if kind.fields[n].readable}
            as_it_is = {name: {**told, **remote.old}.get(name) for name in undone}
            inputs = without_none({**inputs, **as_it_is})
            outputs = without_none(self._last_seen(remote, {**outputs, **as_it_is}))
            if maker.left:
                outputs[LEFT] = [row["id"] for row in maker.left]
            if call.timeout:
                outputs[TIMEOUT] = call.timeout
            if remote.unanswered is not None:
                outputs[UNANSWERED] = remote.unanswered
            outputs[SERVED] = served or remote.served
            failed = kind.states is not None and outputs.get("status") in kind.states.failed
            if isinstance(reason, MachineFailed) and failed and not outputs[SERVED]:
                reason.advice = f"{RETRY}, which replaces it"
                if inputs.get("deletion_protection") is True:
                    reason.advice = f"set deletion_protection=False, and {reason.advice}"
            self.session.history.answer(call.urn, Answer(remote.id, inputs, outputs, own))
            if self._gives_up(reason, outputs):
                raise Failed(self._ended(remote, reason, outputs, inputs)) from error
            maker.hand_over(remote.id)
            raise FailedRecorded(
                sentences.created(kind.noun, call.name, remote.id, reason),
                remote.id,
                outputs,
                inputs,
            ) from error
        maker.hand_over(remote.id)
        return remote.id, settled

    def update(self, resource_id: str, old_inputs: Bag, old_outputs: Bag, inputs: Bag) -> Bag:
        """Make the calls of the change, then wait; nothing to change means to go on waiting.

        Raises FailedRecorded with what was done so far, or Failed where nothing was.
        """
        kind, call = self.kind, self.call
        call.hide(old_inputs, old_outputs, inputs)
        ready = old_outputs.get(READY) is not False
        goes_on = not (ready or call.timeout)
        if goes_on:
            call.timeout = old_outputs.get(TIMEOUT) or 0.0
        self._set_deadline()
        changes = diff(kind, old_inputs, old_outputs, inputs)
        before = {**old_outputs, **old_inputs}
        remote = Remote(self.session, kind, call, resource_id, new=inputs, old=before)
        outputs = self.record.echo(old_outputs, inputs)
        changing = set(changes.updates)
        try:
            if changes.updates or not ready:
                self.guard.refuse_foreign(old_outputs)
                changing = self._still_to_change(remote, changes, ready=ready)
                self._refuse_kept(remote, changing)
                self._change(remote, changing)
            if ready and not remote.sent and not changing:
                return outputs
            settled = self._settled(remote, outputs)
            self._warn_of_what_others_did(old_outputs, settled)
            self._end_left(remote, outputs)
            over = (LEFT, TIMEOUT, UNANSWERED)
            return {name: value for name, value in settled.items() if name not in over}
        except Exception as error:
            reason = self._reason(error)
            self._advise_refresh(reason, self.record.drift(old_inputs, {**remote.old}), changing)
            if ready and not remote.sent:
                raise Failed(
                    sentences.not_changed(kind.noun, call.name, resource_id, reason)
                ) from error
            undone = changing - remote.changed
            inputs = without_none({**inputs, **{name: old_inputs.get(name) for name in undone}})
            outputs |= {name: old_outputs.get(name) for name in undone}
            outputs = {**self._last_seen(remote, outputs), READY: False}
            outputs[UNANSWERED] = remote.unanswered
            if remote.served and SERVED in outputs:
                outputs[SERVED] = True
            if goes_on and isinstance(reason, TimedOut):
                reason.advice = f"{RETRY} to go on; CustomTimeouts(update=...) lets it wait longer"
            said = sentences.created(kind.noun, call.name, resource_id, reason)
            if self._gives_up(reason, outputs):
                said = self._ended(remote, reason, outputs, inputs)
                outputs["status"] = min(kind.states.ended) if kind.states else None
            raise FailedRecorded(said, resource_id, without_none(outputs), inputs) from error

    def read(self, resource_id: str, inputs: Bag, outputs: Bag) -> Reading | None:
        """What it is now; None where it is gone.

        outputs: empty for one that no state records; that one must exist.
        """
        kind = self.kind
        self.call.hide(inputs, outputs)
        self._set_deadline()
        if not outputs:
            self.session.history.refer(self.call.urn, resource_id)
        elif READY in outputs:  # not in what a `.get` has read before
            self._own(resource_id, outputs)
        remote = Remote(self.session, kind, self.call, resource_id, new=inputs, old=outputs)
        try:
            self.guard.refuse_foreign(outputs)
            actual = self._asked_ahead(remote) if outputs else None
            now = self._read(remote, outputs)
            if now is None:
                self.session.history.protected.discard(self.call.urn)
                return None
            now = self.record.clean(now)  # an earlier release may have recorded what it should not
            actual = self._apart(remote) if actual is None else actual
            now |= {**self.record.news(now, actual), **self._whose()}
            now |= kind.priced(remote, now)
            if (
                kind.states is not None
                and SERVED in now
                and now.get("status") in kind.states.serving
            ):
                now[SERVED] = True
            now = without_none(now)
            self._warn_of_what_others_did(outputs, now)
        except Exception as error:
            reason, recorded = self._reason(error), bool(outputs)
            said = sentences.not_read(kind.noun, self.call.name, reason, recorded=recorded)
            raise Failed(said) from error
        unwell = None
        if kind.states is not None and outputs.get(READY) is False:
            state = condition({"status": now.get("status")})
            unwell = f"it was not ready when it was made or changed, and {state}"
        elif outputs.get(LEFT):
            unwell = f"{', '.join(outputs[LEFT])} of this resource is still to be ended"
        if unwell is not None:
            reason = OpenRelayError(unwell)
            unwell = sentences.created(kind.noun, self.call.name, resource_id, reason)
        return Reading(now, {**inputs, **self.record.drift(inputs, now)}, unwell)

    def delete(self, resource_id: str, outputs: Bag) -> None:
        """End it and wait until it is gone. What is gone already is no error."""
        kind, call = self.kind, self.call
        call.hide(outputs)
        if self.session.history.lives_on(call.urn, resource_id, outputs.get(MADE)):
            how = f"change an input, such as {kind.anew}"
            if kind.anew is None:
                how = "take it out of the program, run `pulumi up`, and put it back"
            call.warn(
                f"{resource_id} is not ended, because it is this resource itself: what was to "
                f"replace it took it over; to have a new one, {how}"
            )
            return
        if self.session.history.let_go(call.urn, resource_id):
            call.warn(
                f"{resource_id} is not ended, because another resource of this program has it now"
            )
            return
        self.guard.refuse_protected(resource_id, outputs)
        self.guard.refuse_kept(resource_id, outputs)
        if outputs.get("adopted"):
            call.warn(f"{resource_id} is left as it is, because adopt=True took it over")
            return
        call.deadline = call.now() + (call.timeout or kind.delete_seconds)
        remote = Remote(self.session, kind, call, resource_id, new={}, old=outputs)
        try:
            self.guard.refuse_foreign(outputs)
            remote.end()
        except Exception as error:
            raise Failed(
                sentences.not_deleted(
                    kind.noun,
                    call.name,
                    resource_id,
                    self._reason(error),
                    by_now=remote.half_ended,
                    replaced=self.session.history.own_id(call.urn) not in (None, resource_id),
                )
            ) from error
        if remote.unknown and kind.lives(outputs):
            self._warn_of_elsewhere(resource_id, "nothing was ended")
        for left in outputs.get(LEFT, ()):
            if (kind.token, left) not in self.session.history.ended:
                self._warn_of_left(left)
        if self.session.history.own_id(call.urn) in (None, resource_id):
            self.noted.is_ended(resource_id, outputs)

    # Steps of the above

    def _foresee(self, olds: Bag, inputs: Bag) -> tuple[list[Problem], Bag]:
        """What is not on offer, and what can be told of the outputs before anything is made.

        What exists needs no offer, which may have left the catalog: one that takes its place is
        checked without olds. It keeps what was told of it too, such as a rate that is locked, until
        a change prices it anew.
        """
        kind = self.kind
        told = {name: olds[name] for name in olds.keys() & kind.fields.keys() - kind.inputs}
        changes = diff(kind, olds, olds, inputs)
        anew = kind.priced_by & {*changes.replaces, *changes.updates}
        # No check is told what the API chose where the program did not: to name it may change
        # nothing. What has another value than before does.
        other = {name for name in {*changes.replaces, *anew} if olds.get(name) is not None}
        if olds and not anew and not other:
            return [], told
        self.call.deadline = self.call.now() + OPTIONAL_SECONDS
        catalog = self.session.offers(self.call, kind.catalog)
        known = {name: value for name, value in inputs.items() if not has_unknown(value)}

        def all_known(*names: str) -> bool:
            return all(name in known or name not in inputs for name in names)

        problems = [] if olds else list(kind.not_offered(inputs, all_known, catalog))
        # One that is not known yet is not one that is left out, and has another price.
        if not all_known(*kind.priced_by):
            return problems, {}
        foreseen = kind.foreseen(known, catalog)
        if olds and foreseen and not other and foreseen == kind.foreseen(olds, catalog):
            return problems, told  # of the same price, it is taken for what the API chose
        return problems, foreseen

    def _blocked(
        self, resource_id: str, olds: Bag, news: Bag, changes: Changes
    ) -> list[tuple[str, str]]:
        """Why one that must be gone before its replacement is made cannot go."""
        if not self.kind.deletes_first(olds, news):
            return []
        self.call.deadline = self.call.now() + OPTIONAL_SECONDS
        remote = Remote(self.session, self.kind, self.call, resource_id, new=news)
        try:
            names = self.kind.blockers(remote.listed(self.call.now()) or {})
        except OpenRelayError:
            return []  # the delete will tell
        what = ", ".join(changes.replaces)
        return [(what, f"cannot change while it is held by {', '.join(names)}")] if names else []

    def _own(self, resource_id: str, outputs: Bag) -> None:
        """This is the resource's recorded id, so that a create of another knows it."""
        history = self.session.history
        name = outputs.get(self.kind.name_key)
        history.own(self.call.urn, resource_id, outputs.get(MADE), outputs.get(WAS), name)
        if outputs.get("deletion_protection") is True:
            history.protected.add(self.call.urn)
        self.noted.is_recorded(resource_id, outputs)

    def _end_left(self, remote: Remote, outputs: Bag) -> None:
        """End what the create that this update goes on with has left to be ended, unless the
        program protects it by now."""
        for left in outputs.get(LEFT, ()):
            if remote.new.get("deletion_protection") is True:
                self._warn_of_left(left)
                continue
            self.call.deadline = self.call.now() + self.kind.delete_seconds
            end_left(Remote(self.session, self.kind, self.call, left, new=remote.new))

    def _warn_of_what_others_did(self, old: Bag, now: Bag) -> None:
        for remark in self.kind.noticed(old, now):
            self.call.warn(remark)

    def _warn_of_left(self, resource_id: str) -> None:
        self.call.warn(
            f"an earlier {self.kind.noun} of this resource is left as it is: {resource_id}; if no "
            f"state records it, end it unless somebody needs it"
        )

    def _warn_of_elsewhere(self, resource_id: str, holds: str) -> None:
        """Warn of what may be another account's, where the API does not tell and it matters."""
        does, service = self.kind.elsewhere, self.kind.service.title
        if does is not None:
            self.call.warn(
                f"the API does not know {resource_id}, so that {holds}: if it is another {service} "
                f"account's, it {does} there; end it there unless somebody needs it"
            )

    def _whose(self) -> Bag:
        """The organization whose key this run has."""
        if not self.kind.of_an_organization:
            return {}
        return {ORGANIZATION: self.session.organization(self.call)}

    def _reason(self, error: Exception) -> OpenRelayError:
        """What the failure was, without secrets that the API has repeated to us."""
        reason = sentences.known(error)
        reason.what = cut(self.call.without_secrets(reason.what))
        return reason

    def _advise_refresh(self, reason: OpenRelayError, drifted: Bag, changing: set[str]) -> None:
        """Of what the state of things is against, say what another hand has changed of it: no
        further `pulumi up` would learn of that. drifted: what it is now. changing: the properties
        that this call changes."""
        names = sorted(self.kind.fields.keys() & drifted.keys() - changing)
        if names and isinstance(reason, Conflict) and reason.advice is None:
            reason.advice = (
                f"{', '.join(names)} is another than recorded: run `pulumi refresh`, then {RETRY}"
            )

    def _gives_up(self, reason: OpenRelayError, outputs: Bag) -> bool:
        """Whether the program wants a machine ended that has failed, or is not up in time, before
        it ever served. What no create of this stack has made is never ended: what `adopt` took
        over, or an import."""
        if outputs.get(SERVED) or MADE not in outputs:
            return False
        if isinstance(reason, MachineFailed):
            return outputs.get("on_failure") == "delete"
        return isinstance(reason, TimedOut) and outputs.get("on_timeout") == "delete"

    def _ended(self, remote: Remote, reason: OpenRelayError, outputs: Bag, inputs: Bag) -> str:
        """End it, and say so. Raises FailedRecorded where that fails too."""
        kind, call = self.kind, self.call
        call.deadline = call.now() + kind.delete_seconds
        try:
            remote.ask_to_end()
        except Exception as error:
            both = f"{reason.what}, and ending it failed: {self._reason(error).what}"
            said = sentences.created(kind.noun, call.name, remote.id, OpenRelayError(both))
            raise FailedRecorded(said, remote.id, outputs, inputs) from error
        holds = f"it was ended and bills nothing ({remote.id})"
        return sentences.sentence(
            kind.noun, call.name, reason.what, holds, f"{RETRY} to make another"
        )

    def _answer_again(self, reason: OpenRelayError) -> None:
        """Raise FailedRecorded with what a create of this operation has answered with before, if
        that is not ended: the engine asks again, and records the last answer alone."""
        history, urn = self.session.history, self.call.urn
        answer = history.answered(urn)
        if answer is None or (self.kind.token, answer.id) in history.ended:
            return
        said = sentences.created(self.kind.noun, self.call.name, answer.id, reason)
        raise FailedRecorded(said, answer.id, answer.outputs, answer.inputs)

    def _set_deadline(self) -> None:
        self.call.deadline = self.call.now() + (self.call.timeout or self.kind.create_seconds)

    def _not_in_create(self, inputs: Bag) -> set[str]:
        """The properties that the create does not take, where they are not as it leaves them."""
        return {
            field.name
            for field in self.kind.fields.values()
            if field.role is Role.UPDATES
            and not field.in_create
            and inputs.get(field.name) not in (None, field.absent)
        }

    def _differs(self, remote: Remote) -> set[str]:
        """The properties in which what there is differs from what the program asks for."""
        row = remote.look()
        if not self.kind.lives(row):
            raise gone(f"it has ended ({describe(row)})")
        now = {**self.record.facts(row), **self.kind.actual(remote)}
        remote.old = {**remote.old, **now}
        return self._unlike(now, remote.new)

    def _unlike(self, now: Bag, inputs: Inputs) -> set[str]:
        """The properties in which what is told of it is not as the inputs ask, and can be made
        so."""
        return set(diff(self.kind, now, {**now, OWNER: ""}, inputs).updates)

    def _still_to_change(self, remote: Remote, changes: Changes, *, ready: bool) -> set[str]:
        """Of the changes those that no earlier attempt has made: one that was killed, or whose
        answer was lost, recorded nothing. ready: False where an earlier attempt is known to have
        been cut off, so that more may be missing than what is recorded tells. What the API does not
        tell, or tells only once it has carried it out, as what changes in one direction only, is
        missing only where it is recorded as not done."""
        fields, asked = self.kind.fields, set(changes.updates)
        unreadable = {name for name in asked if not fields[name].readable}
        differs = {name for name in self._differs(remote) if fields[name].readable}
        differs -= {name for name in differs - asked if fields[name].replaces_when is not None}
        return unreadable | (differs & asked if ready else differs)

    def _refuse_impossible(self, remote: Remote, changing: set[str]) -> None:
        """Raise OpenRelayError for a change that the API refuses of what was just looked at."""
        refusals = list(self.kind.impossible(remote.old, remote.new, changing))
        if refusals:
            what = "; ".join(f"{name} {reason}" for name, reason in refusals)
            raise OpenRelayError(what, f"change the program so, and {RETRY}")

    def _refuse_kept(self, remote: Remote, changing: set[str]) -> None:
        """Raise OpenRelayError for a change of what must stay as it is by now: what is recorded, by
        which a preview goes, may be older."""
        why = self.kind.kept(remote.old)
        if changing and why is not None:
            what = f"{', '.join(sorted(changing))} cannot change: {why}"
            raise OpenRelayError(what, self._by_hand)

    @property
    def _by_hand(self) -> str:
        return f"take the change back, or make it in {self.kind.service.title}'s dashboard"

    def _change(self, remote: Remote, changed: set[str]) -> None:
        """Run the kind's steps for these properties, in the order in which it declares them."""
        remote.changing = frozenset(changed)
        steps = [(names & changed, step) for names, step in self.kind.steps if names & changed]
        for position, (names, step) in enumerate(steps):
            step(self.kind, remote)
            later = frozenset[str]().union(*(others for others, _ in steps[position + 1 :]))
            remote.changed |= names - later

    def _settled(self, remote: Remote, outputs: Bag, made: Row | None = None) -> Bag:
        """Wait as the program wants, and read what it is now.

        made: the answer to the create, which tells what a list that lags behind does not yet.
        """
        row = made
        if self.kind.waits(remote.new):
            # What is waited for shows by now, and is more than the answer to the create told.
            row, made = remote.wait(self.kind.goal(remote.new)), None
        now = remote.find(self.call.now()) or made or remote.look()
        settled = self.record.merged(outputs, row, now)
        return {
            **settled,
            **self.kind.priced(remote, settled),
            **remote.shown_once,
            READY: True,
            SERVED: True,
        }

    def _last_seen(self, remote: Remote, outputs: Bag) -> Bag:
        """The outputs as it was last seen, and what it bills as it is then, after a failure."""
        outputs = {**outputs, **self.record.facts(remote.seen), **remote.shown_once}
        with suppress(OpenRelayError):
            outputs |= self.kind.priced(remote, outputs)
        return outputs

    def _asked_ahead(self, remote: Remote) -> Bag | None:
        """What its own list does not tell of what is probably there.

        Asked now, while another call reads the list, so that both take one round trip. None: ask
        `_apart` once the list is there, because another list may save the request, or because
        asking failed and the list may say why (it is gone).
        """
        kind, since = self.kind, self.session.read_since(self.call)
        try:
            if kind.is_told(remote.old):
                self.session.begin_told(self.call, kind, since)
            elif kind.told_by is not None:
                self.session.begin_rows(self.call, kind.listed, since)
                return kind.actual(remote)
        except Interrupted:
            raise
        except OpenRelayError:
            pass
        return None

    def _apart(self, remote: Remote) -> Bag:
        """What its own list does not tell. Another list's word is taken where it says what is
        recorded; of anything else the thing itself is asked."""
        kind, call, recorded = self.kind, self.call, remote.old
        if kind.is_told(recorded):
            told = self.session.told(call, kind, self.session.read_since(call)).get(remote.id)
            if told is not None and self.record.says_the_same(told, recorded):
                return dict(told)
        return kind.actual(remote)

    def _read(self, remote: Remote, outputs: Bag) -> Bag | None:
        """The outputs as they are now, None where it is gone. The detail is asked for only where
        the list shows something new."""
        since = self.session.read_since(self.call)
        row = None if self.kind.singleton else remote.listed(since)
        if row is not None and self.record.nothing_new(row, outputs):
            return dict(outputs)
        if row is None and self.kind.detail is None:
            row = remote.find_again()
        full = row if self.kind.detail is None else remote.find(self.call.now())
        if full is None and self.kind.detail is not None and (outputs or row is not None):
            full = remote.find_again()
        if full is not None and self.kind.lives(full):
            return self.record.merged(outputs, row, full)
        if not outputs:
            whose = "organization" if self.kind.of_an_organization else "account"
            advice = f"check the id, and that the key is of its {whose}"
            raise MachineGone(f"there is none with the id {remote.id}", advice)
        ended = f"has ended ({describe(full)})" if full is not None else "does not exist any more"
        self.call.warn(f"{remote.id} {ended}")
        if full is None:
            self._warn_of_elsewhere(remote.id, "the state forgets it")
        return None

    def _generated_name(self, inputs: Bag, owner: Any) -> str | None:
        """The name of one that the program does not name; None while an input of it is unknown."""
        fields = self.kind.fields.values()
        replacing = {
            f.name: inputs[f.name] for f in fields if f.role is Role.REPLACES and f.name in inputs
        }
        if not isinstance(owner, str) or has_unknown(replacing):
            return None
        urn, replaced = self.call.urn, self.session.history.own_id(self.call.urn)
        suffix = naming.suffix(owner, urn, replacing, replaced)
        return naming.prefix(owner, urn, self.call.name) + suffix
