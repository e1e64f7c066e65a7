"""SqliteStore: measurements in one SQLite file that survives a kill at any moment, and damage as far as it is intact."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from shutil import disk_usage
from threading import Lock
from types import TracebackType

import numpy as np

from hawx.emulate.evaluator import Answers
from hawx.errors import InputError
from hawx.store.salvage import COLUMNS, VERSION, checksum, mend
from hawx.verify.store import MeasurementKey, require_same

_SCHEMA = """
CREATE TABLE IF NOT EXISTS measurements (
    network TEXT NOT NULL, blocks TEXT NOT NULL, assignment TEXT NOT NULL, images TEXT NOT NULL, correct INTEGER NOT NULL,
    total INTEGER NOT NULL DEFAULT 0, answers BLOB NOT NULL DEFAULT x'', checksum INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (network, blocks, assignment, images)
) WITHOUT ROWID
"""
_FROM_1 = (
    "ALTER TABLE measurements ADD COLUMN total INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE measurements ADD COLUMN answers BLOB NOT NULL DEFAULT x''",
)
"""Version 1 kept the count of right answers alone: such a row counts as not measured, and what is measured again must agree with it."""
_FROM_2 = (
    "ALTER TABLE measurements ADD COLUMN checksum INTEGER NOT NULL DEFAULT 0",
    f"UPDATE measurements SET checksum = checksum_of({COLUMNS})",  # noqa: S608 (constants)
)
_VERSION = VERSION
LEAST_ROOM = 1 << 17
"""Bytes on a disk that SQLite needs beside a store; where there are fewer, it says `disk I/O error`."""
_CHANGES = {0: (_SCHEMA,), 1: (*_FROM_1, *_FROM_2), 2: _FROM_2, _VERSION: ()}


class SqliteStore:
    """A `MeasurementStore` in a file: write-ahead log, one transaction per measurement, on disk when `put` returns."""

    def __init__(self, path: str | PathLike[str], note: Callable[[str], None] = lambda _: None) -> None:
        """Open or create the store at `path`.

        Args:
            note: told in one line what was lost where the file is damaged; what is intact is kept, and the damaged file beside it.

        Raises:
            InputError: the file is not a measurement store of this version, or cannot be read or written.
        """
        self.path = Path(path)
        self._lock = Lock()
        if (lost := mend(self.path, _make)) is not None:
            note(lost)
        with self._refusals("read"):
            self._connection = _connect(self.path)
        try:
            with self._refusals("read"):
                _make(self._connection, self.path)
        except InputError:
            self._connection.close()
            raise

    @contextmanager
    def _refusals(self, what: str) -> Iterator[None]:
        """Say in one line what SQLite refuses."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            kind = getattr(error, "sqlite_errorname", "")
            if kind.startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT")):
                way = "expected a SQLite file. Remove it or start in an empty folder."
            elif kind.startswith("SQLITE_FULL") or (kind.startswith("SQLITE_IOERR") and disk_usage(self.path.parent).free < LEAST_ROOM):
                what, way = "written", "expected room on its disk. Free some and continue with --resume."
            else:
                way = "expected a file that this process may write. Mend that and continue with --resume, or choose another --out."
            raise InputError(f"measurement store {str(self.path)!r} cannot be {what} ({error}); {way}") from error
        except (OverflowError, UnicodeDecodeError) as error:  # numbers and names of a damaged file are none
            raise self._damaged(error) from error

    def _damaged(self, reason: object) -> InputError:
        return InputError(
            f"measurement store {str(self.path)!r} cannot be read ({reason}); expected a SQLite file. Remove it or start in an empty folder."
        )

    def get(self, key: MeasurementKey) -> Answers | None:
        query = "SELECT total, answers FROM measurements WHERE network = ? AND blocks = ? AND assignment = ? AND images = ? AND total > 0"
        with self._lock, self._refusals("read"):
            row = self._connection.execute(query, (key.network, key.blocks, key.assignment, key.images)).fetchone()
        if row is None:
            return None
        total, packed = row
        if not isinstance(total, int) or not isinstance(packed, bytes) or (total + 7) // 8 != len(packed):
            raise self._damaged("a row has other answers than it counts")
        return np.unpackbits(np.frombuffer(packed, np.uint8), count=total).astype(np.bool_)

    def put(self, key: MeasurementKey, right: Answers) -> None:
        held = (key.network, key.blocks, key.assignment, key.images, int(right.sum()), len(right), np.packbits(right).tobytes())
        upsert = (
            "INSERT INTO measurements VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET total = excluded.total, answers = excluded.answers, "
            "checksum = excluded.checksum WHERE total = 0 AND correct = excluded.correct"
        )
        with self._lock, self._refusals("written"):
            self._connection.execute(upsert, (*held, checksum(*held)))
        stored = self.get(key)
        if stored is None:
            raise InputError(f"design {key.assignment!r} has another count of right answers in {str(self.path)!r}; start in an empty folder.")
        require_same(key, stored, right)

    def __len__(self) -> int:
        with self._lock, self._refusals("read"):
            (count,) = self._connection.execute("SELECT COUNT(*) FROM measurements").fetchone()
        return int(count)

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    def __enter__(self) -> SqliteStore:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=30.0)


def _make(connection: sqlite3.Connection, path: Path) -> None:
    """Make the table, or bring that of an older version up to this one: whole or not at all, and one process alone."""
    connection.execute("PRAGMA trusted_schema = OFF")  # the file may be anyone's: its schema calls no function
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version not in _CHANGES:
        raise InputError(f"measurement store {str(path)!r} has version {version}; expected {_VERSION}. Start in an empty folder.")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.create_function("checksum_of", -1, checksum, deterministic=True)
    connection.execute("BEGIN IMMEDIATE")
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    for statement in _CHANGES[version]:
        connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {_VERSION}")
    connection.execute("COMMIT")
