"""Archives and arrays in them, bounded before anything is unpacked: zip, gzip, npy. Nothing is unpickled, nothing is written.

How much an archive may unpack to is said in `hawx.bounds`. Of an array the header is read by a grammar of its own, which knows numbers alone,
and its size is held against what follows it.
"""

from __future__ import annotations

import io
import math
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hawx.bounds import check_expansion, check_members, expansion
from hawx.errors import InputError

_DAMAGED_ZIP = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, NotImplementedError, RuntimeError, ValueError, LookupError)
"""What zipfile raises on damaged bytes, unknown methods and encryption."""
_MAGIC = b"\x93NUMPY"
_DTYPE = re.compile(r"'descr' ?: ?'([<>|=]?[biuf][1248])' ?,")
_DESCRIBED = re.compile(r"'descr' ?: ?('[^']{1,20}')")
_ORDER = re.compile(r"'fortran_order' ?: ?(True|False) ?,")
_SHAPE = re.compile(r"'shape' ?: ?\(([\d, ]*)\)", re.ASCII)
_MOST_AXES = 32


@contextmanager
def opened_zip(
    source: Path | bytes, where: str, expected: str, *, kind: str = "archive", way: str = "Is the file truncated?"
) -> Iterator[zipfile.ZipFile]:
    """Give a zip file, the number and sizes of its members checked in its directory first.

    Args:
        source: the file, or its bytes.
        where: how messages call it.
        expected: what it should have been, for the message.
        kind: what cannot be read, for the message.
        way: out, for the message.

    Raises:
        InputError: it is damaged, here or where the block reads of it, or unpacks to too much.
    """
    try:
        with zipfile.ZipFile(source if isinstance(source, Path) else io.BytesIO(source)) as archive:
            check_members(archive, source.stat().st_size if isinstance(source, Path) else len(source), where)
            yield archive
    except InputError:
        raise
    except _DAMAGED_ZIP as error:
        raise InputError(f"{where} is not a readable {kind} ({type(error).__name__}: {error}); expected {expected}. {way}") from error


def zip_members(source: Path | bytes, where: str, expected: str, *, most: int | None = None) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of every member of a zip file; arguments and errors as of `opened_zip`.

    Args:
        most: bytes of the largest member, where less than all of them may take.
    """
    with opened_zip(source, where, expected) as archive:
        for member in archive.infolist():
            if most is not None and member.file_size > most:
                raise InputError(f"{where} member {member.filename!r} has {member.file_size} bytes; expected at most {most} in {expected}.")
            yield member.filename, archive.read(member)


def zip_names(path: Path, where: str, expected: str) -> list[str]:
    """Return the names of the members of a zip file; arguments and errors as of `opened_zip`."""
    with opened_zip(path, where, expected) as archive:
        return archive.namelist()


def gunzipped(data: bytes, where: str) -> bytes:
    """Return the content of gzip bytes.

    Raises:
        InputError: they are damaged, or unpack to too much.
    """
    most, parts, held = expansion(len(data)), [], 0
    try:
        while data:
            unpacker = zlib.decompressobj(wbits=31)
            parts.append(unpacker.decompress(data, most + 1 - held))
            held += len(parts[-1])
            if held > most:
                check_expansion(held, len(data), where)
            if not unpacker.eof:
                raise InputError(f"{where} cannot be unpacked: it is cut off; expected whole gzip data.")
            data = unpacker.unused_data.lstrip(b"\0")
    except zlib.error as error:
        raise InputError(f"{where} cannot be unpacked ({error}); expected gzip data.") from error
    return b"".join(parts)


def read_array(data: bytes, where: str, expected: str) -> NDArray[Any]:
    """Return the array of an npy file's bytes: whole numbers, real numbers or truth values, of the size that its header says.

    Args:
        data: the file.
        where: how messages call it.
        expected: what it should have been, for the message.

    Raises:
        InputError: it is no npy file, holds something else (objects are never unpickled), or more or fewer bytes than its shape says.
    """

    def refused(reason: str) -> InputError:
        return InputError(f"{where} is not a readable npy file ({reason}); expected {expected}.")

    if not data.startswith(_MAGIC) or len(data) < 12 or data[6] not in (1, 2, 3):
        raise refused("it does not start like one")
    start = 10 if data[6] == 1 else 12
    end = start + int.from_bytes(data[8:start], "little")
    header = data[start:end].decode("latin-1")
    kind, order, shape = (pattern.search(header) for pattern in (_DTYPE, _ORDER, _SHAPE))
    if end > len(data) or kind is None or order is None or shape is None:
        said = _DESCRIBED.search(header) if kind is None else None
        held = f"it holds {said[1]}, not numbers" if said is not None else "its header describes no array of numbers"
        raise refused("it holds Python objects, which are never unpickled" if said is not None and said[1].endswith("O'") else held)
    sizes = tuple(int(size[:18]) for size in shape[1].replace(",", " ").split())
    try:
        dtype = np.dtype(kind[1])
    except TypeError:
        raise refused(f"it has the unknown type {kind[1]}") from None
    if len(sizes) > _MOST_AXES or math.prod(sizes) * dtype.itemsize != len(data) - end:
        raise refused(f"its header says {sizes[:8]} of {dtype}, and {len(data) - end} bytes follow")
    array: NDArray[Any] = np.frombuffer(data, dtype, offset=end).reshape(sizes, order="F" if order[1] == "True" else "C")
    return array


def npz_arrays(path: Path, where: str, expected: str) -> dict[str, NDArray[Any]]:
    """Return the arrays of an npz file by name; arguments and errors as of `zip_members` and `read_array`."""
    return {name.removesuffix(".npy"): read_array(data, f"{where} member {name!r}", expected) for name, data in zip_members(path, where, expected)}
