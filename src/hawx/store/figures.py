"""Figures of a result as SVG files."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

from hawx.files import make_folder, write_text
from hawx.report.gallery import gallery
from hawx.report.style import standalone
from hawx.results.result import Result


def save_figures(result: Result, folder: str | PathLike[str]) -> list[Path]:
    """Write every figure of the report into `folder` and return the files.

    Raises:
        InputError: the folder cannot be made or written.
    """
    target = make_folder(folder)
    paths = []
    for name, svg in gallery(result).items():
        paths.append(target / f"{name}.svg")
        write_text(paths[-1], standalone(svg))
    return paths
