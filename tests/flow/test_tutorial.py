"""The tutorial does what it says: every command and every line of Python on its page is run, in order."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from hawx.cli import main

PAGE = Path(__file__).parents[2] / "docs" / "tutorial.md"
BLOCKS = re.findall(r"^```(console|python)\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.M | re.S)


def test_the_tutorial_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    ran = 0
    for kind, text in BLOCKS:
        if kind == "python":
            exec(compile(text, str(PAGE), "exec"), names)
            continue
        for line in text.splitlines():
            assert line.startswith("$ hawx "), line
            status = main(shlex.split(line)[2:])
            said = capsys.readouterr()
            assert status == 0, f"{line}\n{said.err}"
            assert said.out
            ran += 1
    assert ran >= 18
    made = {p.name for p in tmp_path.iterdir()}
    assert {"first", "again", "random", "from_python", "figures", "tables", "on_array", "compared.html", "scores.csv"} <= made
    assert (tmp_path / "first" / "front.csv").read_text() == (tmp_path / "again" / "front.csv").read_text()
