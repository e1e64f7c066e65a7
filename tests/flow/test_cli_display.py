"""Progress: bars on a terminal, plain lines in a pipe, no color where none is wanted."""

from __future__ import annotations

import io
import os
import pty
import re
import subprocess
import sys

import pytest

from hawx.cli.console import colored, table
from hawx.display import LineProgress

SCRIPT = """
import time
from hawx.display import display
with display() as progress:
    progress.stage("score", 3)
    for _ in range(3):
        progress.advance()
    progress.note("stopped early: [bold]nothing[/bold] gained")
    progress.stage("verify")
"""


def on_a_terminal(**environment: str) -> str:
    """Return what SCRIPT writes to a terminal of 80 columns."""
    parent, child = pty.openpty()
    settings = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "TERM", "COLUMNS")}
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT], stdout=child, stderr=child, stdin=child, env={**settings, "TERM": "xterm", "COLUMNS": "80", **environment}
    )
    os.close(child)
    said = b""
    while True:
        try:
            part = os.read(parent, 4096)
        except OSError:  # the other end is closed: how Linux says end of file
            break
        if not part:
            break
        said += part
    os.close(parent)
    assert process.wait() == 0
    return said.decode()


def test_bars_on_a_terminal() -> None:
    said = on_a_terminal()
    assert "score" in said
    assert "3/3" in said
    assert "verify" in said
    assert "stopped early: [bold]nothing[/bold] gained" in said
    assert re.search(r"\x1b\[[0-9;]*3[0-9]", said)


def test_no_color_is_respected() -> None:
    said = on_a_terminal(NO_COLOR="1")
    assert "3/3" in said
    assert not re.search(r"\x1b\[(?:[0-9]+;)*(?:3[0-8]|4[0-8]|9[0-7])(?:;[0-9]+)*m", said)


def test_a_dumb_terminal_gets_lines() -> None:
    said = on_a_terminal(TERM="dumb")
    assert "\x1b" not in said
    assert re.search(r"hawx +\d+\.\d s  score \(up to 3 steps\)", said)


def test_lines_in_a_pipe() -> None:
    stream = io.StringIO()
    progress = LineProgress(stream)
    progress.stage("score", 3)
    progress.advance()
    progress.note("two\nlines")
    progress.stage("verify")
    lines = [re.sub(r"^hawx +\d+\.\d s  ", "", line) for line in stream.getvalue().splitlines()]
    assert lines == ["score (up to 3 steps)", "two lines", "verify"]


def test_tables_line_up() -> None:
    lines = table(["name", "value\nµm²", "x"], [["a", "1.0", ""], ["longer", "123", "y"]], left=1)
    assert lines == ["        value", "name      µm²  x", "──────  ─────  ─", "a         1.0", "longer    123  y"]


def test_the_last_of_left_aligned_columns_wraps_to_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "42")
    text = "a file with the names of some-package, or a command"
    lines = table(["name", "weights"], [["a", text], ["b", "embedded"]], left=2)
    assert max(map(len, lines)) <= 42
    assert [line.split("  ")[0].strip() for line in lines] == ["name", "────", "a", "", "b"]
    assert " ".join(line[6:] for line in lines[2:4]) == text


def test_color_only_where_welcome(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert colored(Terminal())
    assert not colored(io.StringIO())
    monkeypatch.setenv("NO_COLOR", "1")
    assert not colored(Terminal())
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    assert not colored(Terminal())
