"""SqliteStore: measurements in one SQLite file that survives a kill at any moment."""

from __future__ import annotations

import sqlite3
from os import PathLike
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any

import numpy as np

from hawx.emulate.evaluator import Answers
from hawx.errors import InputError
from hawx.verify.store import MeasurementKey, require_same

_SCHEMA = """
CREATE TABLE IF NOT EXISTS measurements (
    network TEXT NOT NULL, blocks TEXT NOT NULL, assignment TEXT NOT NULL, images TEXT NOT NULL, correct INTEGER NOT NULL,
    total INTEGER NOT NULL DEFAULT 0, answers BLOB NOT NULL DEFAULT x'',
    PRIMARY KEY (network, blocks, assignment, images)
) WITHOUT ROWID
"""
_FROM_1 = (
    "ALTER TABLE measurements ADD COLUMN total INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE measurements ADD COLUMN answers BLOB NOT NULL DEFAULT x''",
)
"""Version 1 kept the count of right answers alone: such a row counts as not measured, and what is measured again must agree with it."""
_VERSION = 2


class SqliteStore:
    """A `MeasurementStore` in a file: write-ahead log, one transaction per measurement, on disk when `put` returns."""

    def __init__(self, path: str | PathLike[str]) -> None:
        """Open or create the store at `path`.

        Raises:
            InputError: the file is not a measurement store of this version.
        """
        self.path = Path(path)
        self._lock = Lock()
        self._connection = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False, timeout=30.0)
        try:
            self._connection.execute("PRAGMA trusted_schema = OFF")  # the file may be anyone's: its schema calls no function
            (version,) = self._connection.execute("PRAGMA user_version").fetchone()
            if version not in (0, 1, _VERSION):
                raise InputError(f"measurement store {str(self.path)!r} has version {version}; expected {_VERSION}. Start in an empty folder.")
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = FULL")
            self._connection.execute("BEGIN IMMEDIATE")  # whole or not at all, and one process alone
            (version,) = self._connection.execute("PRAGMA user_version").fetchone()
            for statement in _FROM_1 if version == 1 else (_SCHEMA,):
                self._connection.execute(statement)
            self._connection.execute(f"PRAGMA user_version = {_VERSION}")
            self._connection.execute("COMMIT")
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:  # names in a damaged schema are no text
            self._connection.close()
            raise self._unreadable(error) from error
        except InputError:
            self._connection.close()
            raise

    def get(self, key: MeasurementKey) -> Answers | None:
        query = "SELECT total, answers FROM measurements WHERE network = ? AND blocks = ? AND assignment = ? AND images = ? AND total > 0"
        row = self._execute(query, (key.network, key.blocks, key.assignment, key.images))
        if row is None:
            return None
        total, packed = row
        if not isinstance(total, int) or not isinstance(packed, bytes) or (total + 7) // 8 != len(packed):
            raise self._unreadable("a row has other answers than it counts")
        return np.unpackbits(np.frombuffer(packed, np.uint8), count=total).astype(np.bool_)

    def _execute(self, query: str, values: tuple[object, ...] = ()) -> tuple[Any, ...] | None:
        """Run one statement and return the first row of what it says.

        Raises:
            InputError: the file is damaged.
        """
        try:
            with self._lock:
                row: tuple[Any, ...] | None = self._connection.execute(query, values).fetchone()
        except (sqlite3.DatabaseError, OverflowError, UnicodeDecodeError) as error:
            raise self._unreadable(error) from error
        return row

    def _unreadable(self, reason: object) -> InputError:
        return InputError(
            f"measurement store {str(self.path)!r} cannot be read ({reason}); expected a SQLite file. Remove it or start in an empty folder."
        )

    def put(self, key: MeasurementKey, right: Answers) -> None:
        held = (key.network, key.blocks, key.assignment, key.images, int(right.sum()), len(right), np.packbits(right).tobytes())
        upsert = (
            "INSERT INTO measurements VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET total = excluded.total, answers = excluded.answers "
            "WHERE total = 0 AND correct = excluded.correct"
        )
        self._execute(upsert, held)
        stored = self.get(key)
        if stored is None:
            raise InputError(f"design {key.assignment!r} has another count of right answers in {str(self.path)!r}; start in an empty folder.")
        require_same(key, stored, right)

    def __len__(self) -> int:
        row = self._execute("SELECT COUNT(*) FROM measurements")
        return int(row[0]) if row else 0

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    def __enter__(self) -> SqliteStore:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
