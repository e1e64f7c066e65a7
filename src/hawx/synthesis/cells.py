"""Cell libraries by name: the one that the package ships, the one that Debian installs, or a Liberty file of one's own."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from os import PathLike
from pathlib import Path

from hawx.circuits.liberty import CellLibrary
from hawx.errors import ToolMissingError
from hawx.synthesis.liberty import read_liberty

DEFAULT = "sky130hd"
SKY130HD_PATH = Path(str(files("hawx.synthesis"))) / "data" / "sky130hd.lib.gz"
"""Cells of SkyWater's open 130 nm process, typical corner, 1.8 V: part of the package (Apache-2.0, see sky130hd.LICENSE beside it)."""
OSU018_PATH = Path("/usr/share/qflow/tech/osu018/osu018_stdcells.lib")
"""Where Debian's `qflow-tech-osu018` installs its library, 180 nm, 1.8 V."""
NAMED: Mapping[str, Path] = {DEFAULT: SKY130HD_PATH, "osu018": OSU018_PATH}


def cell_library(choice: str | PathLike[str] | None = None) -> CellLibrary:
    """Return a cell library; `choice` as of `liberty_path`.

    Raises:
        InputError: the file cannot be read or used.
        ToolMissingError: a named library is not installed.
    """
    return read_liberty(liberty_path(choice))


def liberty_path(choice: str | PathLike[str] | None = None) -> Path:
    """Return the path of a cell library.

    Args:
        choice: a name of `NAMED`, or the path of a Liberty file; None for the library that the package ships.

    Raises:
        ToolMissingError: a named library is not installed.
    """
    path = NAMED.get(str(choice or DEFAULT))
    if path is None:
        return Path(str(choice))
    if not path.exists():
        raise ToolMissingError(
            f"cell library {str(choice)!r} is not installed ({str(path)!r} is absent); "
            f"run `apt install qflow-tech-osu018`, or take {DEFAULT!r}, which the package ships, or a Liberty file."
        )
    return path


def present(technology: str | None) -> str | None:
    """Return the name of the cell library that figures of `technology` come from, or None where it has no name or is not installed."""
    path = NAMED.get(technology or "")
    return technology if path is not None and path.exists() else None
