"""The examples do what they say."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from hawx.cli import main
from hawx.store import load_run

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_a_settings_file_with_an_accelerator_of_its_own(tmp_path: Path) -> None:
    out = tmp_path / "run"
    extra = ("--images", "200", "--budget", "3", "--blocks", "mul8s_tc5,mul8s_ot2", "--out", str(out))
    assert main(["explore", str(EXAMPLES / "lenet5_filters.toml"), *extra]) == 0
    result = load_run(out)
    assert (result.granularity, result.accelerator["kind"], result.accelerator["rows"]) == ("filter", "systolic", 16)
    exact = {"fc1", "fc2", "fc3"}
    assert all(set(design.assignment.names(layer)) == {"mul8s_exact"} for design in result.evaluated for layer in exact)


def test_a_module_of_ones_own(capsys: pytest.CaptureFixture[str]) -> None:
    result = runpy.run_path(str(EXAMPLES / "own_module.py"))["main"](images=200, budget=3)
    assert len(result.front) >= 1
    assert "conv" in capsys.readouterr().out
