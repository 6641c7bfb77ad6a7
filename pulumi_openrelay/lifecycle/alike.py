"""Exactly one of those that carry no name and whose create takes no key.

Only what existed before a create and what exists after it tell what it made: so those alike are
made one at a time, and each create is noted on this machine before it is sent. Nothing is ended but
what the API itself has named as this resource's own, and where two fit, neither is touched.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ..errors import OpenRelayError
from .journal import Note
from .make import Maker, made_at
from .remote import SETTLE_SECONDS, Remote, describe

if TYPE_CHECKING:
    from .declare import Kind, Row

LATEST_SECONDS = 600.0
"""How long after it was sent a create may still do its work."""
CLOCK_SECONDS = 5.0
"""How much earlier than it was sent a create may look to have done its work: an API's clocks
differ, and each tells whole seconds."""
RECENT_SECONDS = 3600.0
"""Whoever was made longer ago is no leftover worth a warning."""


class AlikeMaker(Maker):
    """Makes one resource whose like may exist many times."""

    _sent = 0

    def find_or_make(self) -> tuple[Row, str | None]:
        likeness = json.dumps(self._kind.body(self._inputs), sort_keys=True)
        with self._session.history.alone(likeness, self._call):
            self._before = self._rows(self._call.now())
            note = self._earlier = self._session.journal.read(self._owner, self._call.urn)
            row = self._left_by(note) if note is not None else None
            found = "own" if row is not None else None
            if row is None:
                if note is None:
                    self._warn_of_alikes()
                else:
                    self._let_go(note)
                row = self._make_noted()
            self._session.history.own(self._call.urn, str(row["id"]), None)
        return row, found

    def end_twins(self, resource_id: str) -> None:
        """Nothing is ended: `end_strays` warns of them."""

    def end_strays(self, resource_id: str) -> None:
        """By now a list that lagged behind shows what an earlier attempt made: warn of it."""
        if self._earlier is not None and self._earlier.made is None:
            self._warn_of(self._earlier, {resource_id, *self._before})
        for row in self._new_twins() if self._sent > 1 else []:
            if row["id"] != resource_id:
                self._call.warn(
                    f"a second {self._kind.noun} just like {resource_id} came up, which a lost "
                    f"answer may have made: {self._with_rate(row)}; end it if nobody needs it"
                )

    def _left_by(self, note: Note) -> Row | None:
        """What the create made that the note is about, if it did.

        Looks as long as a list may lag behind, since another create would make a second one.
        """
        if note.made is not None:
            row = self._named_by(note)
            return row if row is not None and self._fits(row) else None
        while True:
            looked = self._api_time()
            rows = self._rows(self._call.now()).values()
            row = self._one([r for r in rows if may_be_of(self._kind, r, note) and self._fits(r)])
            if row is not None or looked >= note.last + SETTLE_SECONDS:
                return row
            self._call.wait(2.0)

    def _let_go(self, note: Note) -> None:
        """What an earlier attempt made with other inputs, or what failed: end what is certainly
        this resource's own, and warn of what may be."""
        row = self._named_by(note)
        if row is not None and row["id"] not in self._others() and self._kind.lives(row):
            self._end_leftover(row)
        if note.made is None:
            self._warn_of(note, set())

    def _named_by(self, note: Note) -> Row | None:
        """What the API has named as made, as it is now."""
        if note.made is None:
            return None
        remote = Remote(self._session, self._kind, self._call, note.made, new=self._inputs)
        return remote.find(self._call.now())

    def _warn_of(self, note: Note, known: set[str]) -> None:
        for row in self._rows(self._call.now()).values():
            if row["id"] in known | self._others() or not self._kind.lives(row):
                continue
            if may_be_of(self._kind, row, note):
                self._call.warn(cut_off(self._kind, row))

    def _make_noted(self) -> Row:
        journal, owner, urn = self._session.journal, self._owner, self._call.urn
        now = self._api_time()
        self._note = Note(now, now, tuple(self._before))
        try:
            row = self._make()
        except OpenRelayError as error:
            if not error.outcome_unknown:
                journal.forget(owner, urn)
            raise
        journal.write(owner, urn, replace(self._note, made=str(row["id"])))
        return row

    def _send(self, attempt: int) -> Row:
        self._note = replace(self._note, last=self._api_time())
        self._session.journal.write(self._owner, self._call.urn, self._note)
        self._sent += 1
        return super()._send(attempt)

    def _look_for_lost(self) -> Row | None:
        """Looks as long as a list may lag behind, since a second create would be a second one."""
        until = self._call.now() + SETTLE_SECONDS
        while True:
            looked = self._call.now()  # the answer may be long on its way
            row = self._one(self._new_twins())
            if row is not None or looked >= until:
                return row
            self._call.wait(2.0)

    def _one(self, rows: Sequence[Row]) -> Row | None:
        if len(rows) > 1:
            ids = ", ".join(sorted(row["id"] for row in rows))
            raise OpenRelayError(
                f"{len(rows)} are just what an earlier attempt asked for ({ids}), and nothing "
                f"tells which of them it made; none was touched",
                "import the one that is this resource's, and end what nobody needs",
            )
        return rows[0] if rows else None

    def _alikes(self) -> list[Row]:
        return [row for row in self._rows(self._began).values() if self._fits(row)]

    def _new_twins(self) -> list[Row]:
        # A list that lagged behind before the create shows strangers' as new afterwards.
        twins = super()._new_twins()
        return [row for row in twins if may_be_of(self._kind, row, self._note)]

    def _fits(self, row: Row) -> bool:
        """Whether it is just what the program asks for, and not another's."""
        mine = row["id"] not in self._others() and self._kind.is_of_use(row)
        return mine and self._kind.twin(row, self._inputs)

    def _others(self) -> set[str | None]:
        """The ids of what is not to be taken for what this create makes."""
        return {self._replaced_id, *self._session.history.anothers(self._call.urn)}

    def _warn_of_alikes(self) -> None:
        for row in self._alikes():
            made = made_at(self._kind, row)
            if made is not None and self._api_time() - made < RECENT_SECONDS:
                self._call.warn(
                    f"another {self._kind.noun} just like this one exists ({self._with_rate(row)}, "
                    f"{describe(row)}); it is not touched: if it is what an earlier run on another "
                    f"machine was cut off at, end it"
                )


def may_be_of(kind: Kind, row: Row, note: Note) -> bool:
    """Whether the create that the note is about may have made it."""
    if note.made is not None or note.found is not None:
        return bool(row["id"] == note.made)
    made = made_at(kind, row)
    return (
        row["id"] not in note.before
        and made is not None
        and note.first - CLOCK_SECONDS <= made <= note.last + LATEST_SECONDS
    )


def cut_off(kind: Kind, row: Row) -> str:
    """A warning."""
    return (
        f"the {kind.noun} {row['id']} ({describe(row)}) may be what an earlier run of this stack "
        f"was cut off at; it is not touched: end it if nobody needs it"
    )
