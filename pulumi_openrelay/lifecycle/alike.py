"""Exactly one of those that need not carry a name and whose create takes no key.

Where no name is told, only what existed before a create and what exists after it tell what it made:
so those alike are made one at a time, and each create is noted on this machine before it is sent.
Nobody waits for one that waits for capacity, nor where the list shows the mark that tells each
apart.
Nothing is ended but what the API itself has named as this resource's own. Where two fit, or where
one fits that another API key may have made, none is touched.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from ..errors import Ambiguous, Conflict, NoCapacity
from .declare import made_at
from .make import Maker
from .remote import SETTLE_SECONDS, describe
from .unrecorded import TELLING_SECONDS, called, carries_anothers, cut_off

if TYPE_CHECKING:
    from threading import Event

    from .declare import AlikeKind, Row
    from .journal import Note
    from .remote import Patience

RECENT_SECONDS = 3600.0
"""Whoever was made longer ago is no leftover worth a warning."""


class AlikeMaker(Maker):
    """Makes one resource whose like may exist many times."""

    _sent = 0
    _turn: Event | None = None
    _kind: AlikeKind

    def find_or_make(self) -> tuple[Row, str | None]:
        history, likeness = self._session.history, self._kind.likeness(self._inputs)
        self._rows(self._began)  # together with others, not one after the other
        self._take_turn()
        try:
            self._before = self._rows(max(self._began, history.unclear.get(likeness, 0.0)))
            self._take_up_answered()
            note = self._earlier
            row = self._left_by_name()
            if row is None and note is not None:
                row = self._left_by(note)
                if row is not None and note.made is None:
                    self._tell_of_likeness(row, "an earlier run was cut off at")
            found = "own" if row is not None else None
            if note is not None:
                self._let_go(note, row)
            if row is None:
                if note is None:
                    self._warn_of_alikes()
                row = self._make_noted()
            history.create(self._call.urn, str(row["id"]), None)
        finally:
            self._end_turn()
        return row, found

    def _take_turn(self) -> None:
        """Wait until nobody else makes one that could be taken for this one, unless marks tell."""
        likeness = self._kind.likeness(self._inputs)
        self._turn = self._session.history.take_turn(
            likeness, self._call, lambda: not self._is_told_by_mark()
        )

    def _end_turn(self) -> None:
        turn, self._turn = self._turn, None
        history, likeness = self._session.history, self._kind.likeness(self._inputs)
        if self._doubted:
            history.unclear[likeness] = self._call.now()
        history.end_turn(likeness, turn)

    def _is_told_by_mark(self) -> bool:
        """Whether this one has a mark, and the list has shown that it tells such."""
        kind, rows = self._kind, self._rows(self._began).values()
        return not kind.nameless(self._inputs) and any(kind.called(row) for row in rows)

    def _wait_for_capacity(self, patience: Patience, error: NoCapacity) -> None:
        """Others alike have their turn meanwhile: nothing was made."""
        self._end_turn()
        super()._wait_for_capacity(patience, error)
        self._take_turn()

    def end_twins(self, resource_id: str) -> None:
        """Nothing is ended: `end_strays` warns of them."""

    def end_strays(self, resource_id: str) -> None:
        """By now a list that lagged behind shows what an earlier attempt made: end what has this
        resource's name, and warn of the rest."""
        super().end_strays(resource_id)
        self._tell_of_undeclared(resource_id)
        doubted = self._doubted and self._sent > 1
        came = [*self._new_twins(), *self._new_unmarked(resource_id)] if doubted else []
        for row in came:
            if row["id"] != resource_id and not self._is_another_keys(row):
                self._warn_of_second(resource_id, row)

    def _left_by(self, note: Note) -> Row | None:
        """What the create made that the note is about, if it did.

        Looks as long as a list may lag behind, since another create would make a second one. What
        it made with other inputs is not what is asked for now.
        """
        if note.replacing not in (None, self._replacing):
            return None
        if note.made is not None:
            row = self._named(note.made)
            return next(iter(self._fitting([row] if row is not None else [])), None)
        settled = self._settled_at(note)
        while True:
            looked = self._api_time()
            rows = self._rows(self._call.now()).values()
            row = self._one([row for row in rows if self._may_be_taken_for(note, row)])
            if row is not None or looked >= settled:
                return row
            self._call.wait(2.0)

    def _let_go(self, note: Note, kept: Row | None) -> None:
        """What earlier attempts made with other inputs, or what failed: end what is certainly this
        resource's own once the new one stands, and warn of what may be."""
        known = {*self._others(), *([kept["id"]] if kept else [])}
        for made in (*note.left, note.made):
            row = self._named(made) if made is not None and made not in known else None
            if row is not None and self._kind.lives(row):
                self._end_later(row)
        if note.made is None and kept is None:
            self._warn_of(note, self._rows(self._call.now()), set())

    def _may_be_unrecorded(self, row: Row, note: Note) -> bool:
        anothers = self._is_another_keys(row) or carries_anothers(self._kind, row, note)
        return self._may_be_of(note, row) and not anothers

    def _may_be_taken_for(self, note: Note, row: Row) -> bool:
        """Whether it may be gone on with as what the create made that the note is about."""
        if not self._may_be_of(note, row):
            return False
        made = self._remote(row["id"]).made_at(row)
        return note.lost is None or made is None or made <= note.lost + SETTLE_SECONDS

    def _tell_of_likeness(self, row: Row, which: str) -> None:
        """Warn that it goes on with this one, where no name and no answer of the API has told that
        it is its own. which: it is taken for what that is."""
        kind = self._kind
        if kind.called(row) == self._name:
            return
        self._call.warn(
            f"the {kind.noun} {called(kind, row)} is taken for what {which}, since it is just like "
            f"that and came up then; if it is another stack's, take this resource out of this "
            f"one's state with `pulumi state delete`, and change an input, such as "
            f"{kind.anew}, which tells the two apart"
        )

    def _tell_of_undeclared(self, resource_id: str) -> None:
        """Warn of what may be left of creates that were cut off, and whose resources the program
        does not declare any more: nobody else looks after it. It may still come to declare them,
        and what this very operation has made is its own."""
        kind, history, journal = self._kind, self._session.history, self._session.journal
        notes = journal.notes(self._owner, kind.token, besides=history.declared(self._call.urn))
        notes = [note for note in notes if not note.recorded]
        if not notes:
            return
        known = {resource_id, *history.anothers(self._call.urn), *self._gone, *self._spent}
        known |= journal.named(kind.token) - {str(note.made) for note in notes}
        for row in self._rows(self._began).values():
            one = (kind.token, str(row["id"]))
            if row["id"] in known or one in history.said_to_be_left or not kind.lives(row):
                continue
            possible = any(self._may_be_unrecorded(row, note) for note in notes)
            if possible and not self._is_of_now(row):
                history.said_to_be_left.add(one)
                self._call.warn(cut_off(kind, row, declared=False))

    def _is_of_now(self, row: Row) -> bool:
        """Whether it was made since this operation began."""
        made, began = self._remote(row["id"]).made_at(row), self._session.history.began
        if made is None or began is None:
            return False
        return made >= self._api_time() - (self._call.now() - began) - TELLING_SECONDS

    def _send(self, attempt: int) -> Row:
        self._sent += 1
        # What others of this program have made since the list was read is none of it, nor what is
        # older than the first create that was not refused.
        before = {*self._note.before, *self._session.history.anothers(self._call.urn)}
        first = self._note.first if self._doubted else self._api_time()
        self._note = replace(self._note, first=first, before=tuple(sorted(before)))
        row = super()._send(attempt)
        self._session.history.made.add(str(row["id"]))
        return row

    def _in_the_way(self, error: Conflict) -> Row | None:
        """Nothing: one that is just like it is in nobody's way."""
        del error
        return None

    def _look_for_lost(self) -> Row | None:
        """Looks as long as a list may lag behind, since a second create would be a second one."""
        until = self._call.now() + SETTLE_SECONDS
        while True:
            looked = self._call.now()  # the answer may be long on its way
            row = self._one(self._new_twins())
            if row is not None:
                self._tell_of_likeness(row, "a create has made whose answer was lost")
            if row is not None or looked >= until:
                return row
            self._call.wait(2.0)

    def _one(self, rows: Iterable[Row]) -> Row | None:
        """The one of them that an earlier try or attempt made. Raises Ambiguous where nothing
        tells which it is, or whether it is."""
        fitting = self._fitting(rows)
        named = [row for row in fitting if self._kind.called(row) == self._name]
        rows = named or self._of_my_key(fitting)
        if len(rows) > 1:
            raise Ambiguous(
                f"{len(rows)} are just what an earlier attempt asked for ({_ids(rows)}), and "
                f"nothing tells which of them it made; none was touched",
                "import the one that is this resource's, and end what nobody needs",
            )
        return rows[0] if rows else None

    def _new_twins(self) -> list[Row]:
        # A list that lagged behind before the create shows strangers' as new afterwards.
        rows = self._rows(self._call.now()).values()
        return self._fitting([row for row in rows if self._may_be_of(self._note, row)])

    def _new_unmarked(self, resource_id: str) -> list[Row]:
        """What came up that fits but for its name, where the API tells the name of none: it may
        tell what carries it, and mask or cut off the name."""
        kind, others = self._kind, self._others() | self._spent
        made = self._named(resource_id)
        if kind.nameless(self._inputs) or made is None or kind.called(made) == self._name:
            return []
        return [
            row
            for row in self._rows(self._call.now()).values()
            if row["id"] not in others
            and kind.tells_name(row)
            and kind.called(row) is None
            and kind.is_of_use(row)
            and kind.fits(row, self._inputs)
            and self._may_be_of(self._note, row)
        ]

    def _fitting(self, rows: Iterable[Row]) -> list[Row]:
        """Those that are just what the program asks for, and not another's."""
        kind, others = self._kind, self._others() | self._spent
        # Where the list tells names, one without a name has none.
        likeness = kind.nameless(self._inputs) or not any(
            kind.tells_name(row) for row in self._rows(self._began).values()
        )
        return [
            row
            for row in rows
            if row["id"] not in others
            and kind.is_of_use(row)
            and kind.twin(row, self._inputs)
            and (likeness or kind.tells_name(row))
        ]

    # The API key that made it

    def _of_my_key(self, rows: list[Row]) -> list[Row]:
        """Those that this run's API key has made, as far as the list tells keys. Raises Ambiguous
        where it tells them, and nothing tells whether one of them is this run's."""
        kind, listed = self._kind, self._rows(self._began)
        if not rows or all(kind.key_of(row) is None for row in listed.values()):
            return rows
        mine = self._sure_key
        recorded = self._session.history.anothers(self._call.urn) | {str(self._replaced_id)}
        # The stack's own may have been made before it was given another key.
        likely = {kind.key_of(row) for row in listed.values() if row["id"] in recorded} - {None}
        tied = {mine} if mine is not None else likely if len(likely) == 1 else set()
        doubtful = [
            row
            for row in rows
            if kind.key_of(row) not in tied and (mine is None or kind.key_of(row) is None)
        ]
        if doubtful:
            keys = ", ".join(sorted({key for row in doubtful if (key := kind.key_of(row))}))
            by = f", made by the API key {keys}" if keys else ""
            raise Ambiguous(
                f"just what was asked for is there ({_ids(doubtful)}{by}), and nothing tells "
                f"whether this resource's own request made it; it was not touched",
                kind.key_advice,
            )
        return [row for row in rows if kind.key_of(row) in tied]

    def _is_another_keys(self, row: Row) -> bool:
        """Whether it is certain that another API key has made it."""
        key = self._kind.key_of(row)
        return key is not None and self._sure_key not in (None, key)

    @property
    def _sure_key(self) -> str | None:
        """The id of this run's API key, as an answered create or the account tells it."""
        made = self._session.history.made
        rows = self._rows(self._began).values()
        told = (self._kind.key_of(row) for row in rows if row["id"] in made)
        return next((key for key in told if key is not None), None) or self._told_key

    @cached_property
    def _told_key(self) -> str | None:
        return self._kind.my_key(self._session, self._call)

    def _warn_of_alikes(self) -> None:
        notes = self._notes_of_others()
        for row in self._fitting(self._rows(self._began).values()):
            if row["id"] in (self._was or ()) or any(self._may_be_of(note, row) for note in notes):
                # It is still to be deleted, or another resource of this stack looks after it; what
                # none does is told in the end.
                continue
            made = made_at(self._kind, row)
            if made is not None and self._api_time() - made < RECENT_SECONDS:
                self._call.warn(
                    f"another {self._kind.noun} just like this one exists ({self._with_rate(row)}, "
                    f"{describe(row)}); it is not touched: if it is what an earlier run on another "
                    f"machine was cut off at, end it"
                )


def _ids(rows: Iterable[Row]) -> str:
    return ", ".join(sorted(row["id"] for row in rows))
