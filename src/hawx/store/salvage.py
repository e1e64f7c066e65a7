"""A damaged measurement store: every row that is intact is kept, the file is put aside, and one line says so."""

from __future__ import annotations

import shutil
import sqlite3
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

from hawx.files import replacing, writable

COLUMNS = "network, blocks, assignment, images, correct, total, answers"
_KEYS = COLUMNS.split(", ")[:4]
_MAGIC = b"SQLite format 3\0"
Row = tuple[str, str, str, str, int, int, bytes]


def checksum(*held: str | int | bytes) -> int:
    """Return a checksum of one row, columns as in `COLUMNS`: SQLite notices damage to the structure of its file, never to a value."""
    return zlib.crc32(b"\0".join(part if isinstance(part, bytes) else str(part).encode() for part in held))


def mend(path: Path, make: Callable[[sqlite3.Connection, Path], None]) -> str | None:
    """Put a new store with all intact rows in the place of a damaged one, which is kept as `NAME.damaged`.

    Args:
        path: the store; where there is none, or none that this version wrote, nothing is done.
        make: makes the table in a new store.

    Returns:
        One line for the user, or None where there is no damage.

    Raises:
        InputError: the place cannot be written.
    """
    if not path.is_file() or not path.stat().st_size:
        return None
    with path.open("rb") as file:
        if file.read(len(_MAGIC)) != _MAGIC:
            return None  # whatever it is, it is not ours: who opens it is told
    rows, whole = _read(path)
    if whole:
        return None
    damaged = path.with_name(f"{path.name}.damaged")
    with writable(path), replacing(path) as draft:
        new = sqlite3.connect(draft, isolation_level=None)
        try:
            make(new, draft)
            new.execute("BEGIN")
            new.executemany("INSERT INTO measurements VALUES (?, ?, ?, ?, ?, ?, ?, ?)", [(*row, checksum(*row)) for row in rows])
            new.execute("COMMIT")
        finally:
            new.close()
        shutil.copy2(path, damaged)
        for suffix in ("-wal", "-shm"):  # its last pages: read above, and of no other file
            path.with_name(path.name + suffix).unlink(missing_ok=True)
    return f"measurement store {str(path)!r} is damaged: {len(rows)} measurements are intact and kept, others are taken again (see {damaged.name})"


def _read(path: Path) -> tuple[list[Row], bool]:
    """Return the intact rows of a store, and whether it is whole: sound in its structure and in every row."""
    with closing(sqlite3.connect(path)) as connection:
        connection.text_factory = bytes  # a damaged text may be none
        return _intact(connection)


def _intact(connection: sqlite3.Connection) -> tuple[list[Row], bool]:
    intact: dict[tuple[str, ...], Row] = {}
    damaged = 0
    try:
        version, sound = connection.execute("PRAGMA user_version").fetchone(), connection.execute("PRAGMA quick_check(1)").fetchone()
        if version in ((0,), (1,), (2,)):
            return [], sound == (b"ok",)  # nothing tells what is intact
        columns = {name for _, name, *_ in connection.execute("PRAGMA table_info(measurements)")}
        if not columns:
            return [], sound == (b"ok",)
    except sqlite3.DatabaseError as error:
        if not _is_damage(error):
            return [], True  # who opens it is told
        sound = None
    for order in ("ASC", "DESC"):  # from both ends to the damage
        for row, whole in _rows(connection, order):
            if whole:
                intact[row[:4]] = row
            else:
                damaged += 1
    return list(intact.values()), sound == (b"ok",) and not damaged


def _rows(connection: sqlite3.Connection, order: str) -> Iterator[tuple[Row, bool]]:
    query = f"SELECT {COLUMNS}, checksum FROM measurements ORDER BY {', '.join(f'{key} {order}' for key in _KEYS)}"  # noqa: S608 (constants)
    try:
        for *texts, correct, total, answers, kept in connection.execute(query):
            network, blocks, assignment, images = (text.decode(errors="replace") if isinstance(text, bytes) else str(text) for text in texts)
            row = (network, blocks, assignment, images, correct, total, answers)
            yield row, kept in (0, checksum(*row))  # 0: of a program that knows of none
    except sqlite3.DatabaseError:
        return


def _is_damage(error: sqlite3.DatabaseError) -> bool:
    return getattr(error, "sqlite_errorname", "").startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB"))
