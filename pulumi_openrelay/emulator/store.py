"""Where the world keeps its records: in memory, and in a SQLite file where one is given.

A record is a flat dataclass of JSON values. Setting a field marks it as changed;
`commit` writes what changed in one transaction before the request is answered, so
a killed process loses nothing that it has answered. Fields that hold lists or
dicts are replaced, never changed in place: only that is seen.
"""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

SCHEMA_VERSION = 2


class StateError(Exception):
    """The state file cannot be used; the message is one sentence for the user."""


@dataclass(kw_only=True)
class Record:
    """Something the world keeps. `plan` holds what it will do by itself, in order of time:

    `[due, step, argument]`, due in seconds since the epoch. An operation that
    changes the course of things replaces it.
    """

    id: str
    plan: list[list[Any]] = field(default_factory=list)

    def __setattr__(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)
        store: Store | None = self.__dict__.get("_store")
        if store is not None:
            store.changed[type(self), self.id] = self


@dataclass(kw_only=True)
class Owned(Record):
    """A record of an organization, or of a customer.

    `sequence` grows with each record that the world creates.
    """

    owner_id: str
    sequence: int
    created_time: float


R = TypeVar("R", bound=Record)


class Store:
    """All records of a world, by kind and id, in order of creation.

    `path` None keeps them in memory only. Raises StateError where the file is no
    state, was written by another version, or is in use by another emulator.
    """

    def __init__(self, kinds: Iterable[type[Record]], path: Path | None = None) -> None:
        self._tables: dict[type[Record], dict[str, Any]] = {kind: {} for kind in kinds}
        self.changed: dict[tuple[type[Record], str], Record | None] = {}
        self._connection: sqlite3.Connection | None = None
        if path is not None:
            try:
                self._connection = _open(path)
                self._load(self._connection)
            except (sqlite3.Error, OSError, TypeError, ValueError, KeyError) as error:
                self.close()
                why = "another emulator uses it" if "locked" in str(error) else error
                raise StateError(f"The state file {path} cannot be used: {why}.") from error

    def table(self, kind: type[R]) -> dict[str, R]:
        """The records of a kind by id; only `add` and `remove` may change it."""
        return cast("dict[str, R]", self._tables[kind])

    def add(self, record: Record) -> None:
        self._tables[type(record)][record.id] = record
        if self._connection is not None:
            record.__dict__["_store"] = self
            self.changed[type(record), record.id] = record

    def remove(self, record: Record) -> None:
        del self._tables[type(record)][record.id]
        if self._connection is not None:
            record.__dict__["_store"] = None
            self.changed[type(record), record.id] = None

    def records(self) -> Iterable[Record]:
        for table in self._tables.values():
            yield from table.values()

    def commit(self) -> None:
        """Write what changed since the last commit, in one transaction."""
        if self._connection is None or not self.changed:
            return
        with self._connection:
            for (kind, record_id), record in self.changed.items():
                if record is None:
                    self._connection.execute(
                        "DELETE FROM record WHERE kind = ? AND id = ?", (kind.__name__, record_id)
                    )
                else:
                    self._connection.execute(
                        "INSERT INTO record VALUES (?, ?, ?)"
                        " ON CONFLICT DO UPDATE SET data = excluded.data",
                        (kind.__name__, record_id, json.dumps(contents(record))),
                    )
        self.changed.clear()

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _load(self, connection: sqlite3.Connection) -> None:
        kinds = {kind.__name__: kind for kind in self._tables}
        # An update keeps a row's rowid, so this is the order of creation.
        for kind, data in connection.execute("SELECT kind, data FROM record ORDER BY rowid"):
            self.add(kinds[kind](**json.loads(data)))
        self.changed.clear()


def contents(record: Record) -> dict[str, Any]:
    """The fields of a record, as they are stored."""
    return {f.name: getattr(record, f.name) for f in fields(record)}


def _open(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)  # it holds secrets: webhooks', and those in environment variables
    connection = sqlite3.connect(path, timeout=0.2, check_same_thread=False)
    try:
        # One emulator per file: two would each answer from their own memory.
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        _check_version(connection, path)
        with connection:
            connection.execute(
                "CREATE TABLE IF NOT EXISTS record"
                " (kind TEXT, id TEXT, data TEXT NOT NULL, PRIMARY KEY (kind, id))"
            )
            connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    except BaseException:
        connection.close()
        raise
    return connection


def _check_version(connection: sqlite3.Connection, path: Path) -> None:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version not in (0, SCHEMA_VERSION):
        raise StateError(
            f"The state file {path} was written by another version of the emulator "
            f"(format {version}, this one reads {SCHEMA_VERSION}): remove it or choose another."
        )
