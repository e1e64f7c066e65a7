"""How one begins: `hawx init`, `hawx accelerators`, and tables for a paper at the end."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from tests.unit.toy_result import toy_result

from hawx.cli import main
from hawx.importers.accelerator import BUILT_IN, load_accelerator
from hawx.settings import ExploreSettings, read_toml


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_four_questions_write_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stdin", Terminal("\nimages.npz\nbuiltin my mul.v\n0.5\n"))
    assert main(["init", "--out", str(tmp_path / "s.toml"), "--seed", "7"]) == 0
    asked = capsys.readouterr()
    assert asked.err.count(": ") >= 4
    assert "[lenet5]" in asked.err
    found = read_toml(tmp_path / "s.toml", ExploreSettings)
    assert found == ExploreSettings(data="images.npz", library=("builtin", "my", "mul.v"), max_drop=0.5, seed=7)


def test_what_flags_say_is_not_asked_and_nobody_is_asked_without_a_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", Terminal("\n\n"))
    assert main(["init", "--out", str(tmp_path / "s.toml"), "--network", "a.onnx", "--max-drop", "1"]) == 0
    assert read_toml(tmp_path / "s.toml", ExploreSettings) == ExploreSettings(network="a.onnx", max_drop=1.0)
    monkeypatch.setattr("sys.stdin", io.StringIO("never read"))
    assert main(["init", "--out", str(tmp_path / "t.toml")]) == 0
    assert read_toml(tmp_path / "t.toml", ExploreSettings) == ExploreSettings()


def test_bad_answers_and_existing_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stdin", Terminal("\n\n\nhalf\n"))
    assert main(["init", "--out", str(tmp_path / "s.toml")]) == 2
    assert capsys.readouterr().err.endswith("hawx: max_drop 'half' cannot be used; expected a number of points, such as 0.5.\n")
    assert not (tmp_path / "s.toml").exists()
    (tmp_path / "s.toml").write_text("mine")
    assert main(["init", "--out", str(tmp_path / "s.toml")]) == 2
    assert (tmp_path / "s.toml").read_text() == "mine"


@pytest.mark.parametrize("name", BUILT_IN)
def test_an_accelerator_to_begin_with_is_the_built_in_one(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "mine.toml"
    assert main(["accelerators", "init", name, "--out", str(path)]) == 0
    assert dict(load_accelerator(path).params) == dict(load_accelerator(name).params)
    table = ("# [memory]", "# area_um2_per_bit", "# energy_fj")
    path.write_text("\n".join(line.removeprefix("# ") if line.startswith(table) else line for line in path.read_text().splitlines()))
    assert load_accelerator(path).params["memory"]["energy_fj_per_bit"] == 20.0
    assert main(["accelerators", "init", name, "--out", str(path)]) == 2
    assert "exists; expected a new one" in capsys.readouterr().err


def test_accelerators_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["accelerators", "list", "--json"]) == 0
    assert [entry["name"] for entry in json.loads(capsys.readouterr().out)] == list(BUILT_IN)
    assert main(["accelerators", "list"]) == 0
    assert "rows 16" in capsys.readouterr().out
    assert main(["accelerators", "init", "spatail"]) == 2
    assert "did you mean 'spatial'" in capsys.readouterr().err


def test_tables_for_a_paper(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    toy_result().save(tmp_path / "run")
    assert main(["report", str(tmp_path / "run"), "--latex", str(tmp_path / "tex")]) == 0
    assert {p.name for p in (tmp_path / "tex").iterdir()} == {"front.tex", "front.dat", "front-plot.tex", "design.tex"}
