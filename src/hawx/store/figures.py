"""Figures of a result as SVG files."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

from hawx.errors import InputError
from hawx.report.gallery import gallery
from hawx.report.style import standalone
from hawx.results.result import Result
from hawx.store.files import write_text


def save_figures(result: Result, folder: str | PathLike[str]) -> list[Path]:
    """Write every figure of the report into `folder` and return the files.

    Raises:
        InputError: the folder cannot be made or written.
    """
    target = Path(folder)
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"folder {str(folder)!r} cannot be made ({error.strerror}); expected a writable place.") from error
    paths = []
    for name, svg in gallery(result).items():
        paths.append(target / f"{name}.svg")
        write_text(paths[-1], standalone(svg))
    return paths
