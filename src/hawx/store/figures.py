"""Figures of a result: as SVG files, and as values that notebooks show."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from os import PathLike
from pathlib import Path

from hawx.files import make_folder, write_text
from hawx.report.gallery import gallery
from hawx.report.markup import Markup
from hawx.report.style import standalone
from hawx.results.result import Result


@dataclass(frozen=True, eq=False)
class Figure:
    """A figure of the report: notebooks show it, `save` writes it, `str` gives its SVG."""

    svg: Markup

    def save(self, path: str | PathLike[str]) -> None:
        """Write the figure as an SVG file of its own.

        Raises:
            InputError: the file cannot be written.
        """
        write_text(Path(path), str(self))

    def __str__(self) -> str:
        return str(standalone(self.svg))

    def _repr_html_(self) -> str:
        """Return the figure within a frame of its own: style sheets of figures in one page would mix."""
        return f'<iframe srcdoc="{escape(str(self))}" width="620" height="420" style="border:0" sandbox></iframe>'


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
