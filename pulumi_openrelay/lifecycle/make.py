"""Exactly one: find what an earlier attempt made, or make it, whatever becomes of the answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ..errors import AnswerLost, NoCapacity, OpenRelayError, Rejected
from . import naming
from .diff import OWNER
from .remote import LOOKS_AFTER_A_LOST_ANSWER, Patience, Remote, describe, list_rows

if TYPE_CHECKING:
    from ..caller import Call
    from .declare import Kind, Row
    from .session import Rows, Session

YOUNG_SECONDS = 24 * 3600.0
MOST_SPENT_KEYS = 20


class Maker:
    """Makes one resource, on behalf of one create."""

    def __init__(self, kind: Kind, session: Session, call: Call, inputs: Mapping[str, Any]) -> None:
        self._kind = kind
        self._session = session
        self._call = call
        self._inputs = inputs
        self._owner = str(inputs.get(OWNER))
        self._before: Rows = {}

    def find_or_make(self) -> tuple[Row, str | None]:
        """A row of it, and how it was found: "own", "adopted", or None where it was made now."""
        kind, name = self._kind, self._inputs.get("name")
        self._before = self._rows()
        own_id = self._session.history.own_id(self._call.urn)
        living = [r for r in self._before.values() if kind.lives(r) and r["id"] != own_id]
        prefix = naming.prefix(self._owner, self._call.urn, self._call.name)
        mine = [row for row in living if str(row.get("name")).startswith(prefix)]
        mine.sort(key=lambda r: (r.get("name") != name, str(r.get("createdAt")), r["id"]))
        found = None
        # A leftover whose secret is lost is of no use.
        if mine and mine[0].get("name") == name and not kind.shown_once:
            found = mine.pop(0)
        for row in mine:
            self._end_leftover(row)
        if found is not None:
            return found, "own"
        twins = [row for row in living if row not in mine and kind.twin(row, self._inputs)]
        if twins and self._inputs.get("adopt"):
            return self._only(twins), "adopted"
        if twins and not kind.create.idempotent:
            raise kind.taken(twins[0])
        if twins:
            self._call.warn(
                f"another {kind.noun} of the name {name!r} exists ({twins[0]['id']}, "
                f"{describe(twins[0])}); it is not touched"
            )
        return self._make(), None

    def _make(self) -> Row:
        """Send the create until it is certain that one was made, and one only."""
        patience = Patience(self._call, self._inputs)
        attempt, doubted = 0, False
        while True:
            try:
                row = self._send(attempt)
            except NoCapacity as error:
                patience.wait_or_raise(error)
            except AnswerLost as error:
                found = self._look_for_lost()
                if found is not None:
                    return found
                doubted = True
                patience.count_or_raise(error)
            except Rejected as error:
                # A key that an earlier attempt used with another body is refused as reused.
                if error.status != 422 or not self._kind.create.idempotent or attempt:
                    raise
                found = self._look_for_lost()
                if found is not None:
                    return found
                attempt += 1
            else:
                if self._kind.lives(row):
                    if doubted:
                        self._end_twins_of(row)
                    return row
                # The key was spent on one that has ended since.
                attempt += 1
                if attempt >= MOST_SPENT_KEYS:
                    raise OpenRelayError(
                        f"the API answers every create with one that is {describe(row)}"
                    )

    def _send(self, attempt: int) -> Row:
        create, key = self._kind.create, None
        if create.idempotent:
            name = str(self._inputs.get("name"))
            key = naming.idempotency_key(self._owner, self._call.urn, name, attempt)
        row: dict[str, Any] = self._session.send(
            self._call,
            "POST",
            create.path,
            {},
            body=self._kind.body(self._inputs),
            idempotency_key=key,
            answers=dict,
        )
        if row.get("id") in (None, ""):
            raise AnswerLost("the API answered the create without an id")
        return {**row, "id": str(row["id"])}

    def _look_for_lost(self) -> Row | None:
        """What a create whose answer was lost has made, if it did; lists may lag behind."""
        for pause in LOOKS_AFTER_A_LOST_ANSWER:
            self._call.wait(pause)
            for row in self._new_twins():
                return row
        return None

    def _end_twins_of(self, made: Row) -> None:
        """End what an earlier try made after all, once a later one has succeeded."""
        for row in self._new_twins():
            if row["id"] != made["id"]:
                self._end(row["id"])

    def _new_twins(self) -> list[Row]:
        return [
            row
            for row in self._rows().values()
            if row["id"] not in self._before
            and self._kind.lives(row)
            and self._kind.twin(row, self._inputs)
        ]

    def _only(self, twins: Sequence[Row]) -> Row:
        if len(twins) > 1:
            ids = ", ".join(sorted(row["id"] for row in twins))
            raise OpenRelayError(
                f"adopt=True fits {len(twins)} existing ones ({ids})",
                "import the right one by its id, or give another name",
            )
        return twins[0]

    def _end_leftover(self, row: Row) -> None:
        """End what an attempt of this very resource left unrecorded, unless it has grown old.

        A state restored from a backup makes a recorded machine look like a leftover, and one that
        has lived for a day may hold data.
        """
        age = _age_seconds(row, self._session.client.server_time() or self._call.time())
        if age is not None and age < YOUNG_SECONDS:
            self._end(row["id"])
            return
        rate = row.get("pricePerHourCents")
        costs = f", {rate} cents an hour" if rate is not None else ""
        self._call.warn(
            f"an older {self._kind.noun} of this resource that no state records is left as it is: "
            f"{row.get('name')} ({row['id']}{costs}); end it if nobody needs it"
        )

    def _end(self, resource_id: str) -> None:
        Remote(self._session, self._kind, self._call, resource_id, new={}).ask_to_end()

    def _rows(self) -> Rows:
        return list_rows(self._session, self._kind, self._call, self._call.now())


def _age_seconds(row: Row, now: float) -> float | None:
    """Seconds since it was made, None where the API does not say."""
    try:
        made = datetime.fromisoformat(str(row["createdAt"]))
    except (KeyError, ValueError):
        return None
    if made.tzinfo is None:
        made = made.replace(tzinfo=UTC)
    return now - made.timestamp()
