"""Exactly one: find what an earlier attempt made, or make it, whatever becomes of the answers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..errors import (
    RETRY,
    Ambiguous,
    AnswerLost,
    ApiError,
    Conflict,
    Interrupted,
    MachineGone,
    NoCapacity,
    OpenRelayError,
    RateLimited,
    Rejected,
    ServerError,
    Unreachable,
)
from . import naming
from .attempts import Attempts, not_ended
from .declare import facts, made_at
from .diff import diff
from .fields import OWNER
from .journal import Note
from .remote import (
    LOOKS_AFTER_A_LOST_ANSWER,
    SETTLE_SECONDS,
    Patience,
    Remote,
    condition,
    describe,
)
from .unrecorded import CLOCK_SECONDS, TELLING_SECONDS, cut_off, may_be_unrecorded

if TYPE_CHECKING:
    from .declare import Kind, Row
    from .discreet import DiscreetCall
    from .session import Rows, Session

MOST_SPENT_KEYS = 20
MOST_NAMES_FREED = 3
ABOUT_A_NAME = re.compile(r"name|exist|already|duplicate|taken|unique|in use", re.IGNORECASE)
"""What a refusal says that may be about a name."""


class Maker(Attempts):
    """Makes one resource, on behalf of one create."""

    def __init__(
        self, kind: Kind, session: Session, call: DiscreetCall, inputs: Mapping[str, Any]
    ) -> None:
        super().__init__(kind, session, call, inputs)
        self._name = str(inputs.get(kind.name_key))
        self._began = call.now()
        self._first = self._looked = 0.0
        self._before: Rows = {}
        self._note = Note(kind.token, 0.0, 0.0)
        self._twins: Sequence[Row] = []
        self.asked = False
        """True once a create was sent."""
        self._doubted = False
        """True once an answer was lost: there may be one more than this create knows of."""
        self._lost: float | None = None
        """When the latest of those was lost, by the API's clock."""
        self._starting: set[str] = set()
        """The ids of what a look of its own has shown as still starting."""
        self._told: set[str] = set()
        """The ids of what was said to be perhaps what an earlier create was cut off at."""

    def find_or_make(self) -> tuple[Row, str | None]:
        """A row of it, and how it was found: "own", "adopted", or None where it was made now."""
        kind, name = self._kind, self._name
        self._looked = self._api_time()
        self._before = self._rows(self._call.now())
        self._take_up_answered()
        row = self._left_by_name() or self._left_unseen()
        # By now the list shows what the note was about; of one of this name, more is told below.
        if self._earlier is not None:
            of_this_name = {one["id"] for one in self._living() if self._is_twin(one)}
            self._warn_of(self._earlier, self._before, of_this_name)
        if row is not None:
            self._tell_of_own(row)
            self._note_again(row)
            return row, "own"
        if self._earlier is not None:
            self._session.journal.forget(self._owner, self._call.urn)
        others = [row for row in self._living() if not self._has_my_name(row)]
        anothers = self._session.history.anothers(self._call.urn)
        twins = [row for row in others if row["id"] not in anothers and self._is_twin(row)]
        # A change that replaces a recorded machine asks for a new one.
        anew = kind.bills and self._replaced_id is not None
        if twins and self._inputs.get("adopt") and not anew:
            return self._adoptable(self._only(twins)), "adopted"
        if twins and not kind.create.idempotent:
            taken = self._taken(twins[0])
            if self._inputs.get("adopt") and twins[0]["id"] not in (self._was or ()):
                taken.advice = "choose another name: adopt=True replaces no recorded machine"
            raise taken
        claims = self._session.history.claims_name(self._call.urn, kind.token, name)
        if not claims and not kind.create.idempotent:
            raise OpenRelayError(
                f"another resource of this program makes one of the name {name!r}",
                "give them different names",
            )
        self._twins = twins
        made = self._make_noted()
        if not self._was_there(made):
            return made, None
        self._tell_of_own(made)
        return made, "own"

    def _take_up_answered(self) -> None:
        """What a create of this operation has answered with before is there to be gone on with,
        whether or not a list shows it; what is of no use is ended. Raises OpenRelayError where it
        may not show yet."""
        answer, kind = self._answer, self._kind
        if answer is None:
            return
        made = answer.id
        if (kind.token, made) not in self._session.history.ended:
            session, call, inputs, old = self._session, self._call, self._inputs, answer.outputs
            remote = Remote(session, kind, call, made, new=inputs, old=old, fresh=True)
            row = remote.find(self._call.now()) or remote.find_again()
            if row is None and remote.is_new():
                raise MachineGone("the API does not show it", RETRY)
            if row is not None and kind.lives(row):
                row = {**row, "id": made}
                if kind.is_of_use(row):
                    self._before = {**self._before, made: row}
                    return
                self._refuse_protected(row)
                try:
                    self._end(made)
                except OpenRelayError as error:
                    raise not_ended(made, error) from error
        self._spent.add(made)
        self._gone.add(made)

    def _was_there(self, made: Row) -> bool:
        """Whether what a create has answered with was made by an earlier one of the same key, and
        not now: a list that lags behind may not have shown it. One that is still starting
        counts as new even if its time says otherwise, since the API's clocks may differ."""
        if made["id"] in self._before or not self._kind.create.idempotent:
            return made["id"] in self._before
        states, when = self._kind.states, made_at(self._kind, made)
        stopped = states is not None and made.get("status") in states.stopped
        if stopped or when is None or made["id"] in self._starting:
            return stopped
        return when < self._first - CLOCK_SECONDS

    def _left_by_name(self) -> Row | None:
        """What an earlier attempt left of this very name; whatever else it left is ended once the
        new one stands."""
        kind = self._kind
        self._first = self._api_time()
        mine = [self._up_to_date(row) for row in self._living() if self._has_my_name(row)]
        mine = [row for row in mine if kind.lives(row)]
        # The engine may record what a create of this operation has answered with.
        mine.sort(key=lambda r: (r["id"] != self._answered, str(made_at(kind, r)), r["id"]))
        fit = (row for row in mine if self._is_twin(row) and kind.is_of_use(row))
        kept = next(fit, None)
        for row in mine:
            if row is not kept:
                self._end_later(row)
        return kept

    def _left_unseen(self) -> Row | None:
        """What the create made that the note is about, where a list that lags behind did not show
        it yet: without a key, another create would make a second one."""
        note, row = self._earlier, None
        if note is None or self._kind.create.idempotent:
            return None
        settled, looked = self._settled_at(note), self._looked
        while row is None and looked < settled and not self._shows(note):
            self._call.wait(2.0)
            looked = self._api_time()  # the answer may be long on its way
            self._before = self._rows(self._call.now())
            row = self._left_by_name()
        return row

    def _shows(self, note: Note) -> bool:
        """Whether the list shows what the note names, or one of a name that the program gave."""
        known = {*self._before, self._answered} - {None}
        return note.made in known or any(
            self._is_twin(row) and not self._has_my_name(row) and row["id"] not in note.before
            for row in self._living()
        )

    def _settled_at(self, note: Note) -> float:
        """When a list shows what the create made that the note is about. A clock may have been set
        back since."""
        return min(note.last, self._api_time()) + SETTLE_SECONDS

    def _living(self) -> list[Row]:
        rows = self._before.values()
        return [row for row in rows if self._kind.lives(row) and row["id"] not in self._gone]

    def end_twins(self, resource_id: str) -> None:
        """End what an earlier try has made after all; where the name does not tell that, warn."""
        for row in self._new_twins() if self._doubted else []:
            if row["id"] == resource_id:
                continue
            if self._has_my_name(row):
                self._end(row["id"])
            else:
                self._warn_of_second(resource_id, row)

    def _warn_of_second(self, resource_id: str, row: Row) -> None:
        self._call.warn(
            f"a second {self._kind.noun} just like {resource_id} came up, which a lost "
            f"answer may have made: {self._with_rate(row)}; end it if nobody needs it"
        )

    def end_strays(self, resource_id: str) -> None:
        """End what this resource has made beside the one that it is now; looks at the list as it
        was last read since the create began, or as soon as it shows what an earlier attempt of
        other inputs has made. What only its name, which the program gave, tells of is not ended:
        warns of that."""
        self._end_left()
        since, note = self._began, self._earlier
        if note is not None and note.made is None:
            self._call.wait(max(0.0, self._settled_at(note) - self._api_time()))
            since = self._call.now()
        rows = self._rows(since)
        for row in rows.values():
            known = {resource_id, self._replaced_id, *self._before, *(self._was or ())}
            if row["id"] not in known and self._kind.lives(row) and self._has_my_name(row):
                made = made_at(self._kind, self._up_to_date(row))
                if made is not None and made >= self._first - SETTLE_SECONDS:
                    self._end(row["id"])
                elif row["id"] not in self._spent:
                    self._warn_of_older(row)
        if note is not None:
            self._warn_of(note, rows, {resource_id, *self._before})

    def _warn_of(self, note: Note, rows: Rows, known: set[str]) -> None:
        """Warn of what the create may have made that the note is about, and that is not known."""
        not_it = {*known, *self._others(), *self._spent, *self._told}
        made = note.made
        if made is not None and made not in not_it | rows.keys() and not note.recorded:
            row = self._named(made)  # a list that lags behind does not show it
            rows = rows if row is None else {**rows, made: dict(row)}
        for row in rows.values():
            if row["id"] in not_it or not self._kind.lives(row):
                continue
            if self._may_be_unrecorded(row, note):
                self._told.add(row["id"])
                self._call.warn(cut_off(self._kind, row))

    def _may_be_unrecorded(self, row: Row, note: Note) -> bool:
        return may_be_unrecorded(self._remote(row["id"]), row, note)

    def _others(self) -> set[str | None]:
        """The ids of what is not to be taken for what this create makes."""
        noted = self._session.journal.named(self._kind.token)
        if self._earlier is not None:
            noted.discard(str(self._earlier.made))
        return {self._replaced_id, *self._session.history.anothers(self._call.urn), *noted}

    def _notes_of_others(self) -> list[Note]:
        """What was noted of this stack's other resources."""
        notes = self._session.journal.notes(self._owner, self._kind.token)
        return [note for note in notes if note != self._earlier]

    def _make(self) -> Row:
        """One of it. A refusal says what may be in the way; whatever fails once an answer was lost,
        the look for it too, leaves it unknown whether there is one."""
        try:
            return self._send_until_made()
        except (ApiError, AnswerLost, Unreachable, Interrupted) as error:
            error.outcome_unknown |= self._doubted
            there = [*self.left, *self._spared]
            if there and isinstance(error, ApiError) and not error.outcome_unknown:
                ids = ", ".join(row["id"] for row in there)
                error.advice = (
                    f"{error.advice or RETRY}; {ids} of this resource was left as it is: if no "
                    f"state records it and it is in the way, end it"
                )
            raise

    def _send_until_made(self) -> Row:
        """Send the create until it is certain that one was made, and one only."""
        patience = Patience(self._call, self._inputs)
        attempt = 0
        while True:
            try:
                row: Row = self._send(attempt)
            except NoCapacity as error:
                if not self._make_room(error):
                    self._wait_for_capacity(patience, error)
            except RateLimited as error:
                if not self._make_room(error):
                    raise
            except (AnswerLost, ServerError) as error:
                self._lose()
                found = self._look_for_lost()
                if found is not None and not self._kind.shown_once:
                    return found
                if found is not None:
                    if not self._is_surely_made(found):
                        taken = self._taken(found)
                        raise Ambiguous(taken.what, taken.advice) from None
                    # Nothing gives the secret of it again, so it is of no use.
                    self._end(found["id"])
                # With a key it was repeated often enough already.
                patience.count_or_raise(error, most=1 if self._kind.create.idempotent else 3)
            except Conflict as error:
                found = None if self._kind.create.idempotent else self._in_the_way(error)
                if found is not None:
                    return found
                if not self._make_room(error):
                    raise
            except Rejected as error:
                if self._kind.unique_names and self._make_room(error):
                    continue
                if error.status == 400 and self._kind.unique_names and attempt < MOST_NAMES_FREED:
                    self._free_the_name(error)
                    attempt += 1
                    continue
                # A key that an earlier attempt used with another body is refused as reused.
                reused = "idempoten" in f"{error.code} {error.message}".lower()
                tries = MOST_SPENT_KEYS if reused else 1
                if error.status != 422 or not self._kind.create.idempotent or attempt >= tries:
                    if self._make_room(error):
                        continue
                    raise
                if attempt == 0:
                    found = self._look_for_lost()
                    if found is not None:
                        # An earlier attempt has made it, by other inputs perhaps.
                        self._before = {**self._before, found["id"]: dict(found)}
                        return found
                if self._twins:
                    raise self._perhaps_ours(error) from None
                attempt += 1
            else:
                untold = made_at(self._kind, row) is None
                if self._kind.create.idempotent and (untold or self._was_there(row)):
                    # The API may answer a key with the very words of the first time. Where it
                    # cannot be asked, what it has named is recorded all the same.
                    with suppress(OpenRelayError):
                        row = self._asked_anew(row)
                lives = self._kind.lives(row)
                if lives and row["id"] in self._before and not self._kind.is_of_use(row):
                    self._end_later(row)
                # What no key gave is a new one each time.
                if not self._kind.create.idempotent or (lives and row["id"] not in self._spent):
                    self._warn_of_twins(row)
                    return row
                # The key was spent on one that has ended since.
                attempt += 1
                if attempt >= MOST_SPENT_KEYS:
                    raise OpenRelayError(
                        f"the API answers every create with one that {condition(row)}"
                    )

    def _wait_for_capacity(self, patience: Patience, error: NoCapacity) -> None:
        patience.wait_or_raise(error)

    def _asked_anew(self, row: Row) -> Row:
        """What the create was answered with, as it is now."""
        now, states = self._up_to_date(row), self._kind.states
        if now is not row and states is not None and now.get("status") in states.starting:
            self._starting.add(row["id"])
        return now

    def _make_noted(self) -> Row:
        """Make it, and note that on this machine before it is asked for: after a crash, of a run
        with other inputs too, nothing else may tell that it was."""
        journal, owner, urn = self._session.journal, self._owner, self._call.urn
        now, kind = self._api_time(), self._kind
        left = self._left_ids()
        # What it replaces may have ended by itself, and be listed no more.
        before = {*self._before, *([self._replaced_id] if self._replaced_id else [])}
        existed = tuple(sorted(before))
        self._note = Note(kind.token, now, now, existed, left=left, name=self._name)
        self._note = replace(
            self._note,
            organization=self._organization,
            look=kind.look(self._inputs),
            replacing=self._replacing,
        )
        try:
            row = self._make()
        except OpenRelayError as error:
            if not error.outcome_unknown and self._earlier is not None:
                journal.write(owner, urn, self._earlier)
            elif not error.outcome_unknown:
                journal.forget(owner, urn)
            raise
        journal.write(owner, urn, replace(self._note, made=str(row["id"])))
        return row

    def _note_again(self, row: Row) -> None:
        """What the note is about was found, and is recorded only when all is done."""
        note = self._earlier
        if note is not None:
            before = tuple(one for one in note.before if one != row["id"])
            found = replace(note, made=str(row["id"]), before=before, left=self._left_ids())
            self._session.journal.write(self._owner, self._call.urn, found)

    def _left_ids(self) -> tuple[str, ...]:
        """The ids of what earlier attempts made, as far as that is certain: the next run has no
        other note of them. With a key, a name that the program gave may be theirs too."""
        ours = [
            row
            for row in self._living()
            if self._has_my_name(row) or (self._kind.create.idempotent and self._is_twin(row))
        ]
        return tuple(
            dict.fromkeys(
                row["id"]
                for row in (*self.left, *ours)
                if row in self.left or self._was_never_recorded(row)
            )
        )

    def _send(self, attempt: int) -> Row:
        create, key = self._kind.create, None
        self._note = replace(self._note, last=self._api_time(), lost=None)
        self._session.journal.write(self._owner, self._call.urn, self._note)
        if create.idempotent:
            urn = self._call.urn
            key = naming.idempotency_key(self._owner, urn, self._name, self._replaced_id, attempt)
        self.asked = True
        row: dict[str, Any] = self._session.send(
            self._call,
            "POST",
            create.path,
            {},
            body=self._kind.body(self._inputs),
            idempotency_key=key,
            answers=dict,
        )
        made = row.get(self._kind.listed.key)
        if made in (None, ""):
            raise AnswerLost("the API answered the create without an id")
        return {**row, "id": str(made)}

    def _lose(self) -> None:
        """The answer to the create is lost."""
        self._doubted = True
        self._lost = self._api_time()
        self._note = replace(self._note, lost=self._lost)
        self._session.journal.write(self._owner, self._call.urn, self._note)

    def _look_for_lost(self) -> Row | None:
        """What a create whose answer was lost has made, if it did; lists may lag behind.

        A name that the program gave proves nothing where a key does: the key is asked again.
        """
        generated = naming.is_of_resource(self._prefix, self._name)
        if self._kind.create.idempotent and not generated:
            return None
        # Where no key tells the API that a second create is the first, it may still be on its way.
        keyless = () if self._kind.create.idempotent else (10.0,)
        for pause in (*LOOKS_AFTER_A_LOST_ANSWER, *keyless):
            self._call.wait(pause)
            rows = self._new_twins()
            if rows and not generated and not (len(rows) == 1 and self._is_what_was_asked(rows[0])):
                raise self._perhaps_anothers(rows)
            if rows:
                return rows[0]
        return None

    def _in_the_way(self, error: Conflict) -> Row | None:
        """What made the API refuse a create, where it is this resource's own; a list that lagged
        behind did not show it before. Raises OpenRelayError where it is another's."""
        for pause in LOOKS_AFTER_A_LOST_ANSWER:
            self._call.wait(pause)
            rows = self._rows(self._call.now())
            self._refuse_beside_replaced(rows, error)
            living = [r for r in rows.values() if self._kind.lives(r)]
            living = [r for r in living if r["id"] not in self._gone]
            for row in living:
                own = self._has_my_name(row) and self._is_twin(row)
                if own and self._kind.is_of_use(row):
                    return row
            for row in living:
                if self._is_twin(row) and row["id"] not in self._spent:
                    raise self._taken(row)
            if any(self._is_twin(row) for row in self.left):
                return None
        return None

    def _free_the_name(self, error: Rejected) -> None:
        """End what made the API refuse a create of a name that must be unique, where it is this
        resource's own: the secret of it is lost. Raises OpenRelayError where it is another's, or
        where nothing of the name shows. A list may lag behind.
        """
        of_the_name = self._doubted or ABOUT_A_NAME.search(error.message) or not error.message
        until = self._call.now() + (SETTLE_SECONDS if of_the_name else 0.0)
        while True:
            looked = self._call.now()
            rows = self._rows(looked)
            self._refuse_beside_replaced(rows, error)
            for row in rows.values():
                if self._kind.called(row) != self._name or row["id"] in self._spent:
                    continue
                new = self._doubted and row["id"] not in self._before
                mine = new and bool(self._is_what_was_asked(row)) and self._is_surely_made(row)
                mine = mine or (self._has_my_name(row) and self._is_young(row))
                if row["id"] in self._session.history.anothers(self._call.urn) or not mine:
                    raise self._taken(row)
                self._end(row["id"])
                return
            if looked >= until:
                error.outcome_unknown = bool(of_the_name)
                raise error
            self._call.wait(2.0)

    def _refuse_beside_replaced(self, rows: Rows, error: ApiError) -> None:
        """Raise OpenRelayError where what made the API refuse a create is the one to be replaced:
        the engine may ask for another though diff did not, as with `replace_on_changes`."""
        kind, row = self._kind, rows.get(self._replaced_id or "")
        if row is None or not kind.lives(row) or not self._is_twin(row):
            return
        if kind.unique_names or kind.deletes_first(facts(kind, row), self._inputs):
            raise OpenRelayError(
                f"{error.what}, and the one that it is to replace is in its way ({row['id']})",
                f"set delete_before_replace{', leave name out' if kind.unique_names else ''}, or "
                f"take back what asks for another, such as replace_on_changes",
            )

    def _taken(self, row: Row) -> OpenRelayError:
        """What to say of the one that made the API refuse a create."""
        if row["id"] in (self._was or ()):
            taken = self._kind.taken(row)
            taken.advice = (
                f"this resource was that one before: if it is still to be deleted, take the change "
                f"back, {RETRY}, which deletes it, and then make the change again; else end it "
                f"unless somebody needs it, or choose another name"
            )
            return taken
        if row["id"] not in self._session.history.anothers(self._call.urn):
            return self._kind.taken(row)
        return OpenRelayError(
            f"another resource of this program has it already ({row['id']})",
            "refer to that one's `.id` in place of this one, or make this one differ from it",
        )

    def _new_twins(self) -> list[Row]:
        return [
            row
            for row in self._rows(self._call.now()).values()
            if row["id"] not in self._before
            and row["id"] not in self._spent
            and row["id"] not in self._session.history.anothers(self._call.urn)
            and self._kind.lives(row)
            and self._is_twin(row)
            and (self._has_my_name(row) or self._is_what_was_asked(row) is not False)
        ]

    def _is_what_was_asked(self, row: Row) -> bool | None:
        """Whether one of a name that the program gave, and another's may too, is in everything as
        the create asked, and was made since that was sent; None where only the latter is not
        told."""
        told = facts(self._kind, row)
        as_asked = all(
            field.same(self._inputs[name], told[name])
            for name, field in self._kind.fields.items()
            if field.in_create and name in told and self._inputs.get(name) is not None
        )
        made = self._remote(row["id"]).made_at(row) if as_asked else None
        if made is None:
            return None if as_asked else False
        return made >= self._note.first - CLOCK_SECONDS

    def _is_surely_made(self, row: Row) -> bool:
        """Whether it is certain that a create whose answer was lost has made it: of a name that the
        program gave, which may be another's too, only the time proves that."""
        if self._has_my_name(row):
            return True
        made = self._remote(row["id"]).made_at(row)
        if made is None or self._lost is None:
            return False
        first = self._note.first - TELLING_SECONDS
        return first <= made <= self._lost + TELLING_SECONDS

    def _perhaps_anothers(self, rows: Sequence[Row]) -> OpenRelayError:
        ids = ", ".join(sorted(row["id"] for row in rows))
        if len(rows) == 1:
            return Ambiguous(
                f"one that this create may have made came up ({ids}), and nothing tells when it "
                f"was made; it was not touched",
                f"end it unless somebody else made it, and {RETRY}, or give another name",
            )
        return Ambiguous(
            f"{len(rows)} that this create may have made came up ({ids}), and nothing tells which "
            f"of them it made; none was touched",
            f"end what nobody else made and {RETRY}, or give another name",
        )

    def _perhaps_ours(self, error: Rejected) -> OpenRelayError:
        """An earlier attempt made one of this name with other inputs, and one of this name lives:
        nothing tells whether they are the same, nor, where `--target-replace` has not named the
        recorded one, whether it is that."""
        ids = ", ".join(row["id"] for row in self._twins)
        what = (
            f"an earlier attempt made a {self._kind.noun} of this name with other inputs, which "
            f"may be the one that lives ({ids}; {error.message or error.status})"
        )
        if self._replaced_id is not None:
            return OpenRelayError(what, "end that one if nobody needs it, or change name")
        return OpenRelayError(
            f"{what}, and that may be the recorded one",
            "change name, or take back what asks for another, such as --target-replace or "
            "replacement_trigger; if no state records it, end it or take it over with adopt=True",
        )

    def _warn_of_twins(self, made: Row) -> None:
        # With `--target-replace`, no call has named the recorded one, and it may be one of these.
        unless = "" if self._replaced_id else ", unless you replace it with `--target-replace`"
        for row in self._twins:
            if row["id"] != made["id"] and row["id"] not in self._spent:
                self._call.warn(
                    f"another {self._kind.noun} of the name {self._kind.called(row)!r} exists "
                    f"({row['id']}, {describe(row)}); it is not touched{unless}"
                )

    def _only(self, twins: Sequence[Row]) -> Row:
        if len(twins) > 1:
            ids = ", ".join(sorted(row["id"] for row in twins))
            raise OpenRelayError(
                f"adopt=True fits {len(twins)} existing ones ({ids})",
                "import the right one with `pulumi-openrelay import`, or give another name",
            )
        return twins[0]

    def _adoptable(self, row: Row) -> Row:
        """It. Raises OpenRelayError where only a new one could be as the program asks."""
        kind, now = self._kind, self._up_to_date(row)
        told = {**facts(kind, now), **kind.derived(now)}
        differs = [
            f"{name} is another than the program's"
            if kind.fields[name].secret
            else f"{name} is {told[name]!r} and not {self._inputs.get(name)!r}"
            for name in diff(kind, told, {**told, OWNER: ""}, self._inputs).replaces
            if name in told and kind.fields[name].is_input and name != kind.name_key
        ]
        if differs:
            raise OpenRelayError(
                f"adopt=True fits {row['id']}, whose {', whose '.join(differs)}",
                "ask for what it has, or give another name to have a new one",
            )
        return row

    def hand_over(self, resource_id: str) -> None:
        """The engine is told what was made, and records it."""
        journal, owner, urn = self._session.journal, self._owner, self._call.urn
        note = journal.read(owner, urn)
        # An interrupt may mean that there is no engine any more.
        if note is not None and not self._call.interrupted:
            left = tuple(one for one in note.left if one != resource_id)
            journal.write(owner, urn, replace(note, left=left, recorded=True))

    def _tell_of_own(self, row: Row) -> None:
        """Warn that it goes on with this one, where a state may have recorded it."""
        if not self._was_never_recorded(row):
            self._call.warn(
                f"it goes on with what is there of its name: {self._with_rate(row)}; that is as it "
                f"should be after a run that was cut off, and where Pulumi was asked for a new "
                f"one without a change, as by `--target-replace`, `--replace`, "
                f"`replacement_trigger` or `replace_with`; but if another stack records that one, "
                f"as after `pulumi state move`, take it out of this program, and out of this "
                f"stack's state with `pulumi state delete`"
            )
