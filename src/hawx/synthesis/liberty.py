"""Cell libraries on disk: the default one, and reading a Liberty file once for as long as it does not change."""

from __future__ import annotations

from functools import lru_cache
from os import PathLike
from pathlib import Path

from hawx.circuits.liberty import CellLibrary, parse_liberty
from hawx.errors import InputError, ToolMissingError

OSU018_PATH = Path("/usr/share/qflow/tech/osu018/osu018_stdcells.lib")
"""Where Debian's `qflow-tech-osu018` installs the default library."""


def default_liberty() -> Path:
    """Return the path of the default library, OSU018.

    Raises:
        ToolMissingError: it is not installed.
    """
    if not OSU018_PATH.exists():
        raise ToolMissingError(
            f"the default cell library {str(OSU018_PATH)!r} is not installed; "
            "run `apt install qflow-tech-osu018` or give a Liberty file with `hawx blocks characterize --liberty`."
        )
    return OSU018_PATH


def read_liberty(path: str | PathLike[str]) -> CellLibrary:
    """Return the cells of a Liberty file.

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
    return parse_liberty(path.read_bytes(), path)
