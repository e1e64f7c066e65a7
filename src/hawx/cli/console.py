"""What commands print: tables that fit the terminal, JSON, and hints that stay off a pipe."""

from __future__ import annotations

import json
import os
import shutil
import sys
import textwrap
from collections.abc import Iterable, Sequence
from typing import Any, TextIO

from hawx.errors import printable

NARROWEST = 32
"""Characters that the last column of a table gets, however narrow the terminal."""


BOLD, PLAIN = "\033[1m", "\033[0m"


def out(*lines: str) -> None:
    """Print lines on standard output. What is in them from outside drives no terminal: only a whole line may be bold."""
    for line in lines:
        bold = line.startswith(BOLD) and line.endswith(PLAIN)
        print(f"{BOLD}{printable(line[len(BOLD) : -len(PLAIN)])}{PLAIN}" if bold else printable(line))


def say(line: str) -> None:
    """Print a line for people on standard error, so that pipes and --json stay clean."""
    print(printable(line), file=sys.stderr)


def print_json(values: Any) -> None:
    """Print `values` as JSON; characters that are not shown as they are stand as JSON's escapes."""
    from hawx.store.text import json_text

    for line in json_text(values).split("\n"):
        print(line if line.isprintable() else "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in line))


def width() -> int:
    """Return the columns of the terminal, 100 where there is none."""
    return shutil.get_terminal_size((100, 40)).columns


def colored(stream: TextIO) -> bool:
    """Return whether escape codes are welcome: a terminal that is not dumb, and no NO_COLOR (https://no-color.org)."""
    return stream.isatty() and os.environ.get("TERM") != "dumb" and not os.environ.get("NO_COLOR")


def table(head: Sequence[str], rows: Iterable[Sequence[str]], *, left: int = 1, marked: int | None = None) -> list[str]:
    """Return aligned lines: header, rule, rows. The first `left` columns are left-aligned; row `marked` is set in bold on a terminal.

    A header may have several lines, separated by newlines. Where all columns are left-aligned, the last is wrapped to the terminal.
    """
    body = [[printable(cell) for cell in row] for row in rows]
    depth = max(h.count("\n") for h in head) + 1
    heads = [[""] * (depth - 1 - h.count("\n")) + h.split("\n") for h in head]
    widths = _widths(heads, body)
    if left == len(head):
        body = _wrapped(body, width() - sum(w + 2 for w in widths[:-1]))
        widths = _widths(heads, body)

    def fit(cells: Sequence[str]) -> str:
        placed = [c.ljust(w) if i < left else c.rjust(w) for i, (c, w) in enumerate(zip(cells, widths, strict=True))]
        return "  ".join(placed).rstrip()

    lines = [fit([h[d] for h in heads]) for d in range(depth)]
    lines.append("  ".join("─" * w for w in widths))
    for i, row in enumerate(body):
        line = fit(row)
        lines.append(f"{BOLD}{line}{PLAIN}" if i == marked and colored(sys.stdout) else line)
    return lines


def _widths(heads: Sequence[Sequence[str]], body: Sequence[Sequence[str]]) -> list[int]:
    """Return the characters of the longest line of every column."""
    return [max(len(line) for line in [*head, *(row[i] for row in body)]) for i, head in enumerate(heads)]


def _wrapped(body: Sequence[Sequence[str]], room: int) -> list[list[str]]:
    """Return rows whose last column fits `room` characters, as far as it can: what is too long goes on in rows of its own."""
    result = []
    for *cells, last in body:
        first, *others = textwrap.wrap(last, max(room, NARROWEST), break_on_hyphens=False, break_long_words=False) or [""]
        result += [[*cells, first], *([*[""] * len(cells), other] for other in others)]
    return result
