"""SqliteStore: measurements in one SQLite file that survives a kill at any moment."""

from __future__ import annotations

import sqlite3
from os import PathLike
from pathlib import Path
from threading import Lock
from types import TracebackType

from hawx.errors import InputError
from hawx.verify.store import MeasurementKey, require_same

_SCHEMA = """
CREATE TABLE IF NOT EXISTS measurements (
    network TEXT NOT NULL, blocks TEXT NOT NULL, assignment TEXT NOT NULL, images TEXT NOT NULL, correct INTEGER NOT NULL,
    PRIMARY KEY (network, blocks, assignment, images)
) WITHOUT ROWID
"""
_VERSION = 1


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
            (version,) = self._connection.execute("PRAGMA user_version").fetchone()
            if version not in (0, _VERSION):
                raise InputError(f"measurement store {str(self.path)!r} has version {version}; expected {_VERSION}. Start in an empty folder.")
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = FULL")
            self._connection.execute(_SCHEMA)
            self._connection.execute(f"PRAGMA user_version = {_VERSION}")
        except sqlite3.DatabaseError as error:
            self._connection.close()
            raise InputError(
                f"measurement store {str(self.path)!r} cannot be read ({error}); expected a SQLite file. Remove it or start in an empty folder."
            ) from error
        except InputError:
            self._connection.close()
            raise

    def get(self, key: MeasurementKey) -> int | None:
        query = "SELECT correct FROM measurements WHERE network = ? AND blocks = ? AND assignment = ? AND images = ?"
        with self._lock:
            row = self._connection.execute(query, (key.network, key.blocks, key.assignment, key.images)).fetchone()
        return None if row is None else int(row[0])

    def put(self, key: MeasurementKey, correct: int) -> None:
        with self._lock:
            self._connection.execute(
                "INSERT OR IGNORE INTO measurements VALUES (?, ?, ?, ?, ?)", (key.network, key.blocks, key.assignment, key.images, correct)
            )
        stored = self.get(key)
        require_same(key, correct if stored is None else stored, correct)

    def __len__(self) -> int:
        with self._lock:
            (count,) = self._connection.execute("SELECT COUNT(*) FROM measurements").fetchone()
        return int(count)

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    def __enter__(self) -> SqliteStore:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
