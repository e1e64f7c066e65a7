"""Liberty files on disk, plain or compressed: each is read once for as long as it does not change."""

from __future__ import annotations

import gzip
import hashlib
import io
import zlib
from functools import lru_cache
from os import PathLike
from pathlib import Path

from hawx.circuits.liberty import CellLibrary, parse_liberty
from hawx.errors import InputError

_GZIP = b"\x1f\x8b"
_MOST_BYTES = 1 << 26
"""A file that holds more, plain or unpacked, is refused: the largest public libraries have half of that."""


def read_liberty(path: str | PathLike[str]) -> CellLibrary:
    """Return the cells of a Liberty file, plain or compressed with gzip.

    Raises:
        InputError: the file cannot be read, is not Liberty, or lacks combinational cells, timing tables or power tables.
    """
    return _read(*_now(path))


def liberty_sha256(path: str | PathLike[str]) -> str:
    """Return `CellLibrary.sha256` of a Liberty file without reading its cells, which takes thirty times as long.

    Raises:
        InputError: the file cannot be read.
    """
    return hashlib.sha256(_plain(*_now(path))).hexdigest()


_Stamp = tuple[int, int]
"""When a file was changed, and its size."""


def _now(path: str | PathLike[str]) -> tuple[Path, _Stamp]:
    place = Path(path)
    try:
        status = place.stat()
    except OSError as error:
        raise _unreadable(place, error) from error
    return place, (status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=8)
def _read(path: Path, stamp: _Stamp) -> CellLibrary:
    return parse_liberty(_plain(path, stamp), path)


@lru_cache(maxsize=8)
def _plain(path: Path, _: _Stamp) -> bytes:
    """Return the Liberty text of a file."""
    try:
        size = path.stat().st_size
        if size > _MOST_BYTES:
            raise InputError(f"Liberty file {str(path)!r} has {size} bytes; expected a cell library of at most {_MOST_BYTES >> 20} MB.")
        data = path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error) from error
    return _unpacked(data, path) if data.startswith(_GZIP) else data


def _unreadable(path: Path, error: OSError) -> InputError:
    return InputError(f"Liberty file {str(path)!r} cannot be read: {error.strerror}; expected a cell library in Liberty format.")


def _unpacked(data: bytes, path: Path) -> bytes:
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
            plain = file.read(_MOST_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"Liberty file {str(path)!r} cannot be unpacked: {error}; expected plain text or gzip.") from error
    if len(plain) > _MOST_BYTES:
        raise InputError(f"Liberty file {str(path)!r} unpacks to more than {_MOST_BYTES >> 20} MB; expected a cell library.")
    return plain
