"""What values look like in a notebook, and as tables of pandas: plain HTML and plain rows, no framework."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from importlib import import_module
from typing import Any

from hawx.errors import ToolMissingError

MOST_ROWS = 40
"""Rows that a notebook shows of a table; it says how many there are."""


def facts_html(title: str, facts: Mapping[str, object]) -> str:
    """Return a title above a table of facts."""
    return _table(title, "".join(f"<tr><th>{_text(name)}</th><td>{_text(value)}</td></tr>" for name, value in facts.items()))


def rows_html(title: str, head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a title above a table with a row of names, cut to `MOST_ROWS`."""
    cells = [list(row) for row in rows]
    body = "".join("<tr>" + "".join(f"<td>{_text(cell)}</td>" for cell in row) + "</tr>" for row in cells[:MOST_ROWS])
    more = f'<tr><td colspan="{len(head)}">… {len(cells)} in all</td></tr>' if len(cells) > MOST_ROWS else ""
    return _table(title, "<tr>" + "".join(f"<th>{_text(name)}</th>" for name in head) + "</tr>" + body + more)


def data_frame(rows: Iterable[Mapping[str, Any]]) -> Any:
    """Return rows as a `pandas.DataFrame`.

    Raises:
        ToolMissingError: pandas is not installed.
    """
    try:
        DataFrame = import_module("pandas").DataFrame
    except ImportError:
        raise ToolMissingError("tables of pandas need the package 'pandas'; install it with: pip install pandas") from None
    return DataFrame([dict(row) for row in rows])


def _table(title: str, rows: str) -> str:
    return f"<div><strong>{_text(title)}</strong><table>{rows}</table></div>"


def _text(value: object) -> str:
    return escape("" if value is None else f"{value:,.4g}" if isinstance(value, float) else str(value))
