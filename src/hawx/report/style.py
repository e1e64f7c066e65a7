"""Style: one palette, light and dark, for figures and pages; the style sheets are the package's own data."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from hawx.report.markup import Markup


@cache
def _sheet(name: str) -> str:
    return (files("hawx.report") / "data" / f"{name}.css").read_text(encoding="utf-8")


def _themes(selector: str) -> str:
    """Return the palette as custom properties of `selector`: light, dark where the reader asks for it, light on paper."""
    light, dark = (f"{selector} {{ {_sheet(name)} }}" for name in ("light", "dark"))
    return f"{light}\n@media (prefers-color-scheme: dark) {{ {dark} }}\n@media print {{ {light} }}\n"


def figure_css() -> str:
    """Return the style sheet of a stand-alone figure."""
    return _themes(".figure") + _sheet("figure")


def page_css() -> str:
    """Return the style sheet of a page with figures inside."""
    return _themes(":root") + _sheet("figure") + _sheet("page")


def standalone(svg: Markup) -> Markup:
    """Return `svg` with its style sheet and its background inside, as a file of its own."""
    start = svg.index(">") + 1
    inside = f'<style>{figure_css()}</style><rect width="100%" height="100%" style="fill:var(--card)"/>'
    return Markup('<?xml version="1.0" encoding="UTF-8"?>\n' + svg[:start] + inside + svg[start:] + "\n")
