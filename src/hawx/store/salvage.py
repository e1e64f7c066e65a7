"""A damaged measurement store: every row that is intact is kept, the file is put aside, and one line says so."""

from __future__ import annotations

import shutil
import sqlite3
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

from hawx.files import replacing, writable
from hawx.store.pages import pages_of, records

COLUMNS = "network, blocks, assignment, images, correct, total, answers"
VERSION = 3
"""The first with checksums."""
Row = tuple[str, str, str, str, int, int, bytes]


def checksum(*held: str | int | bytes | None) -> int:
    """Return a checksum of one row, columns as in `COLUMNS`: SQLite notices damage to the structure of its file, never to a value."""
    return zlib.crc32(b"\0".join(part if isinstance(part, bytes) else str(part).encode() for part in held))


def mend(path: Path, make: Callable[[sqlite3.Connection, Path], None]) -> str | None:
    """Put a new store with all intact rows in the place of a damaged one, which is kept as `NAME.damaged`.

    Args:
        path: the store; nothing is done where there is none, or none with rows of this version.
        make: makes the table in a new store.

    Returns:
        One line for the user, or None where there is no damage.

    Raises:
        InputError: the place cannot be written.
    """
    if not path.is_file() or not path.stat().st_size:
        return None
    log = path.with_name(f"{path.name}-wal")
    content, logged = path.read_bytes(), log.read_bytes() if log.exists() else b""
    whole, rows = _read(path)
    if whole:
        return None
    rows |= {row[:4]: row for row in _found(content, logged)}
    if not rows and not content.startswith(b"SQLite format 3\0"):
        return None  # whatever it is, it is not ours: who opens it is told
    damaged = path.with_name(f"{path.name}.damaged")
    with writable(path), replacing(path) as draft:
        with closing(sqlite3.connect(draft, isolation_level=None)) as new:
            make(new, draft)
            new.execute("BEGIN")
            new.executemany("INSERT INTO measurements VALUES (?, ?, ?, ?, ?, ?, ?, ?)", [(*row, checksum(*row)) for row in rows.values()])
            new.execute("COMMIT")
        shutil.copy2(path, damaged)
        for suffix in ("-wal", "-shm"):  # its last pages: read above, and of no other file
            path.with_name(path.name + suffix).unlink(missing_ok=True)
    return f"measurement store {str(path)!r} is damaged: {len(rows)} measurements are intact and kept, others are taken again (see {damaged.name})"


def _read(path: Path) -> tuple[bool, dict[tuple[str, ...], Row]]:
    """Return whether a store is whole, sound in its structure and in every row, and its intact rows as far as SQLite reads them."""
    rows: dict[tuple[str, ...], Row] = {}
    with closing(sqlite3.connect(path)) as connection:
        connection.text_factory = bytes  # a damaged text may be none
        connection.execute("PRAGMA trusted_schema = OFF")
        try:
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            whole = connection.execute("PRAGMA quick_check(1)").fetchone() == (b"ok",)
            if version != VERSION:
                return whole or version > VERSION, rows  # nothing tells what is intact
            for *held, kept in connection.execute(f"SELECT {COLUMNS}, checksum FROM measurements"):  # noqa: S608 (constants)
                row = _row(held)
                if kept == checksum(*row) or (kept == 0 and _is_plausible(row)):  # 0: of a program that knows of none
                    rows[row[:4]] = row
                else:
                    whole = False
        except sqlite3.DatabaseError as error:  # any other is for who opens it
            whole = not getattr(error, "sqlite_errorname", "").startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_ERROR"))
        except (UnicodeDecodeError, OverflowError):  # names in a damaged schema are no text, its numbers none
            whole = False
    return whole, rows


def _found(content: bytes, log: bytes) -> Iterator[Row]:
    """Yield the intact rows in the pages of a file."""
    for values in records(pages_of(content, log)):
        if len(values) == len(COLUMNS.split()) + 1 and values[-1] == checksum(*values[:-1]):
            yield _row(values[:-1])


def _row(values: list[int | bytes | None]) -> Row:
    network, blocks, assignment, images, correct, total, answers = values
    texts = (part.decode(errors="replace") if isinstance(part, bytes) else str(part) for part in (network, blocks, assignment, images))
    return (*texts, correct, total, answers)  # type: ignore[return-value]  # what they should be; a checksum says whether they are


def _is_plausible(row: Row) -> bool:
    *texts, correct, total, answers = row
    if not all(texts) or [type(value) for value in (correct, total, answers)] != [int, int, bytes]:
        return False
    return len(answers) == -(-total // 8) and (not total or int.from_bytes(answers).bit_count() == correct)
