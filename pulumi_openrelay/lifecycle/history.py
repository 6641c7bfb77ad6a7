"""What one operation learns of each resource while it goes on."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..urn import type_of

if TYPE_CHECKING:
    from ..caller import Caller


@dataclass(frozen=True, slots=True)
class Answer:
    """What a create that failed has told the engine of what exists.

    own: whether it is certain that the resource's own creates have made it and that no state
    records it yet.
    """

    id: str
    inputs: dict[str, Any]
    outputs: dict[str, Any]
    own: bool


class History:
    """What this operation has learned of each resource, by URN: the id that is its own.

    No call names the old id to create; the diff before it does. No call tells delete that an id
    lives on under the same resource; but two records of one id were made by two creates, and each
    create leaves its own mark in the outputs. One plugin process serves one operation.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._own: dict[str, tuple[str, str | None]] = {}
        self._was: dict[str, Sequence[str] | None] = {}
        self._called: dict[str, str | None] = {}
        self._created: dict[str, str | None] = {}
        """What was recorded before this operation's first create of each, by its URN."""
        self._answers: dict[str, Answer] = {}
        self._referred: dict[str, str] = {}
        self._declared: set[str] = set()
        self.began: float | None = None
        """When the program declared its first, by this machine's clock; None before."""
        self._names: dict[tuple[str, str], str] = {}
        self._unprotected: set[str] = set()
        self.protected: set[str] = set()
        """The URNs that the program protects, by their records or as it is now."""
        self.ended: set[tuple[str, str]] = set()
        """What this operation has asked to end: kind and id, since two kinds may use one id."""
        self.recorded_beside: set[tuple[str, str]] = set()
        """What was made in place of what this operation has ended, by kind and id: its own delete
        is to come, and where none does, the end of the stack tells of it."""
        self.said_to_be_left: set[tuple[str, str]] = set()
        """What this operation has said to be perhaps left by creates of resources that the program
        does not declare any more, by kind and id."""
        self.made: set[str] = set()
        """The ids that the API has answered this operation's creates with."""
        self.unclear: dict[str, float] = {}
        """When, by likeness, a create last lost an answer: what that made, no list shows that was
        read before."""
        self._turns: dict[str, threading.Event] = {}

    def own(
        self,
        urn: str,
        resource_id: str,
        mark: str | None,
        was: Sequence[str] | None = None,
        name: str | None = None,
    ) -> None:
        """A call has named this record. was: the ids that the resource had before, name: the one
        that it has; None where its record does not tell."""
        with self._lock:
            self._own[urn] = (resource_id, mark)
            self._was[urn] = was
            self._called[urn] = name
            self._created.pop(urn, None)
            self._answers.pop(urn, None)

    def create(self, urn: str, resource_id: str, mark: str | None) -> None:
        """A create has made or found this one, and what it was asked to replace stays that."""
        with self._lock:
            self._created.setdefault(urn, self._own.get(urn, (None, None))[0])
            self._own[urn] = (resource_id, mark)

    def answer(self, urn: str, answer: Answer) -> None:
        """A create fails with this. The engine asks once more where an error hook of the program
        says so, and records the last answer alone."""
        with self._lock:
            self._answers[urn] = answer

    def answered(self, urn: str) -> Answer | None:
        """What a create of this operation has failed with, and no other call has named since."""
        return self._answers.get(urn)

    def declare(self, urn: str, now: float) -> None:
        """The program declares this one as its own."""
        with self._lock:
            self.began = now if self.began is None else min(self.began, now)
            self._declared.add(urn)

    def declared(self, urn: str) -> set[str]:
        """The URNs of this one's type that the program declares, as far as it has come."""
        with self._lock:
            return {one for one in self._declared if type_of(one) == type_of(urn)}

    def refer(self, urn: str, resource_id: str) -> None:
        """The program reads this one, and does not own it."""
        with self._lock:
            self._referred[urn] = resource_id

    def let_go(self, urn: str, resource_id: str) -> bool:
        """Whether another resource of the program has this id, so that this one's record of it goes
        and the thing itself stays: a renamed resource that `adopt` took over, or `.get` reads. Of
        what the program still declares itself, a reference keeps nothing: all of it is to go."""
        with self._lock:
            others = {other: own for other, (own, _) in self._own.items()}
            if urn not in self._declared:
                others |= self._referred
            others.pop(urn, None)
            if resource_id not in _of_the_same_type(urn, others):
                return False
            self._own.pop(urn, None)
            return True

    def claims_name(self, urn: str, kind: str, name: str) -> bool:
        """Whether no other resource of this operation makes one of this kind and name."""
        with self._lock:
            return self._names.setdefault((kind, name), urn) == urn

    def take_turn(
        self, likeness: str, caller: Caller, needed: Callable[[], bool]
    ) -> threading.Event | None:
        """One at a time makes a thing of this likeness, so that each knows its own: wait for that,
        as long as it is needed. Returns what ends the turn; None where none was needed."""
        while needed():
            with self._lock:
                ahead = self._turns.get(likeness)
                if ahead is None:
                    mine = self._turns[likeness] = threading.Event()
                    return mine
            caller.wait(60.0, ahead)
        return None

    def end_turn(self, likeness: str, turn: threading.Event | None) -> None:
        """It is another's turn; does nothing where there was none."""
        if turn is not None:
            with self._lock:
                del self._turns[likeness]
            turn.set()

    def protection(self, urn: str, *, lifted: bool) -> None:
        """Whether the program, as it is now, has lifted the protection of this resource."""
        with self._lock:
            (self._unprotected.add if lifted else self._unprotected.discard)(urn)

    def protection_is_lifted(self, urn: str) -> bool:
        """Whether diff has seen the program lift it; a resource that left the program lifts
        none."""
        return urn in self._unprotected

    def own_id(self, urn: str) -> str | None:
        """Its id, as a call has named it, or a create has made or found it."""
        return self._own.get(urn, (None, None))[0]

    def replaced_id(self, urn: str) -> str | None:
        """The recorded id that a create replaces, where a call has named it."""
        with self._lock:
            return self._created[urn] if urn in self._created else self.own_id(urn)

    def was(self, urn: str) -> Sequence[str] | None:
        """All other ids that a state has recorded of it, as far as that is of any concern; None
        where nothing tells them."""
        return self._was.get(urn)

    def own_name(self, urn: str) -> str | None:
        """The recorded name; None where none is known."""
        return self._called.get(urn)

    def anothers(self, urn: str) -> set[str]:
        """The ids that are known to be other resources' own."""
        with self._lock:
            others = {other: own for other, (own, _) in self._own.items() if other != urn}
            return _of_the_same_type(urn, others)

    def lives_on(self, urn: str, resource_id: str, mark: str | None) -> bool:
        """Whether a record to be deleted shares its id with the record that stays.

        A create may have adopted the very machine that it was to replace: `--target-replace` does
        not tell it which one that is.
        """
        own = self._own.get(urn)
        return own is not None and own[0] == resource_id and own[1] != mark


def _of_the_same_type(urn: str, ids: Mapping[str, str]) -> set[str]:
    """The ids of resources of this one's type: two types may use the same id."""
    return {one for other, one in ids.items() if type_of(other) == type_of(urn)}
