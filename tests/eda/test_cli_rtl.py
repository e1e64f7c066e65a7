"""`hawx rtl` on the command line: a design of LeNet-5 becomes SystemVerilog that a real simulator finds equal to the emulator."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from hawx.cli import main

DESIGN = {"conv1": ["mul8s_exact", "mul8s_tc5"] * 3, "conv2": "mul8s_ot2", "fc1": "mul8s_exact", "fc2": "mul8s_exact", "fc3": "mul8s_tc5"}
BLOCKS = ("--blocks", "mul8s_tc5,mul8s_ot2")


@pytest.fixture
def design(tmp_path: Path) -> Path:
    path = tmp_path / "design.json"
    path.write_text(json.dumps(DESIGN))
    return path


def test_the_sources_are_written(design: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rtl", str(design), *BLOCKS, "--out", str(tmp_path / "rtl"), "--pixels", "2", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["layer"] == "conv1"
    assert facts["top"] == "layer"
    texts = {path.name: path.read_text() for path in (tmp_path / "rtl").iterdir()}
    assert {Path(f).name for f in facts["files"]} == set(texts)
    assert {"layer.sv", "testbench.sv", "mul8s_exact.sv", "mul8s_tc5.sv"} <= set(texts)
    assert "mul8s_ot2.sv" not in texts


@pytest.mark.eda
@pytest.mark.skipif(shutil.which("iverilog") is None, reason="Icarus Verilog is not installed")
def test_the_layer_simulates_as_the_emulator_computes(design: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rtl", str(design), *BLOCKS, "--out", str(tmp_path / "rtl"), "--pixels", "3", "--simulate"]) == 0
    assert re.search(r"^simulation  passed: [1-9]\d* comparisons, Icarus Verilog", capsys.readouterr().out, re.M)


@pytest.mark.eda
@pytest.mark.skipif(shutil.which("iverilog") is None, reason="Icarus Verilog is not installed")
def test_streams_around_a_layer_simulate(design: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--pixels", "3", "--layer", "fc3", "--streams", "--simulate", "--stall", "40", "40"]
    assert main(["rtl", str(design), *BLOCKS, "--out", str(tmp_path / "rtl"), *options]) == 0
    said = capsys.readouterr().out
    assert "top module layer_stream" in said
    assert re.search(r"^simulation  passed: [1-9]\d* comparisons, Icarus Verilog", said, re.M)


def test_a_whole_network_is_a_folder(design: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rtl", str(design), *BLOCKS, "--out", str(tmp_path / "rtl"), "--all-layers", "--images", "1"]) == 0
    assert "\ncycles      784 from image to image, by the accelerator's law\n" in capsys.readouterr().out  # 28 x 28 pixels, one a cycle
    texts = {path.name: path.read_text() for path in (tmp_path / "rtl").iterdir()}
    assert {"network.sv", "testbench.sv", "words.hex", "expected.hex", "README.md", "Makefile", "stage6_weights.sv"} <= set(texts)
    assert len(texts["words.hex"].split()) == 28 * 28
    assert len(texts["expected.hex"].split()) == 10
    assert "| `stage2` | layer `conv2`, 16 lanes of 25 | 400 | 600 |" in texts["README.md"]


def test_bad_requests_write_nothing(design: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "rtl"
    for extra, message in (
        (["--layer", "conv9"], r"unknown layer 'conv9'; did you mean 'conv[12]' or 'conv[12]'\?"),
        (["--pixels", "0"], r"--pixels 0 cannot be used; expected a whole number of at least 1\."),
        (["--all-layers", "--layer", "conv1"], r"--layer does not go with --all-layers; leave one of them out\."),
        (
            ["--all-layers", "--synthesize"],
            r"--synthesize does not go with --all-layers, whose folder has `make synthesize`; leave one of them out\.",
        ),
        (["--all-layers", "--streams"], r"--streams does not go with --all-layers, which has streams; leave one of them out\."),
        (["--images", "0"], r"--images 0 cannot be used; expected a whole number of at least 1\."),
        (["--stall", "0", "100"], r"--stall 0 100 cannot be used; expected two whole numbers from 0 to 99\."),
        (["--simulator", "icarsu"], r"unknown simulator 'icarsu'; did you mean 'icarus'\?"),
        (
            ["--all-layers", "--accelerator", "temporal"],
            r"accelerator 'temporal' has no RTL of a whole network; expected a spatial one\. Use --accelerator spatial, or write the array without "
            r"--all-layers\.",
        ),
        (["--accelerator", "simt"], r"accelerator 'simt' has no RTL; expected a spatial or a systolic one\."),
    ):
        assert main(["rtl", str(design), *BLOCKS, "--out", str(out), *extra]) == 2
        assert re.fullmatch("hawx: " + message, capsys.readouterr().err.splitlines()[-1])
        assert not out.exists()
    assert main(["rtl", str(design), *BLOCKS, "--out", str(tmp_path)]) == 2
    assert "is not empty; expected a new or empty folder." in capsys.readouterr().err
