"""Liberty files on disk, plain or compressed: each is read once for as long as it does not change."""

from __future__ import annotations

import gzip
import io
import zlib
from functools import lru_cache
from os import PathLike
from pathlib import Path

from hawx.circuits.liberty import CellLibrary, parse_liberty
from hawx.errors import InputError

_MOST_BYTES = 1 << 28
"""A compressed file that holds more is refused."""


def read_liberty(path: str | PathLike[str]) -> CellLibrary:
    """Return the cells of a Liberty file, plain or compressed with gzip.

    Raises:
        InputError: the file cannot be read, is not Liberty, or lacks combinational cells, timing tables or power tables.
    """
    place = Path(path)
    try:
        status = place.stat()
        return _read(place, (status.st_mtime_ns, status.st_size))
    except OSError as error:
        raise InputError(f"Liberty file {str(place)!r} cannot be read: {error.strerror}; expected a cell library in Liberty format.") from error


@lru_cache(maxsize=8)
def _read(path: Path, _: tuple[int, int]) -> CellLibrary:
    data = path.read_bytes()
    if not data.startswith(b"\x1f\x8b"):
        return parse_liberty(data, path, path)
    plain = _unpacked(data, path)
    return parse_liberty(plain, path, plain)


def _unpacked(data: bytes, path: Path) -> bytes:
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
            plain = file.read(_MOST_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"Liberty file {str(path)!r} cannot be unpacked: {error}; expected plain text or gzip.") from error
    if len(plain) > _MOST_BYTES:
        raise InputError(f"Liberty file {str(path)!r} unpacks to more than {_MOST_BYTES >> 20} MB; expected a cell library.")
    return plain
