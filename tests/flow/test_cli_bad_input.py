"""Bad input through the real command line: one line that names it, exit status 2, no traceback."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from hawx.cli import main

CODES = np.arange(-128, 128)


def hawx(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "hawx", *arguments], cwd=cwd, capture_output=True, text=True, check=False, timeout=120)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with everything that users get wrong."""
    folder = tmp_path_factory.mktemp("bad")
    product = np.multiply.outer(CODES, CODES)
    np.save(folder / "shape.npy", product[:255])
    np.save(folder / "range.npy", product * 4096)
    np.save(folder / "half.npy", product + 0.5)
    (folder / "text.npy").write_text("not an array")
    (folder / "cut.v").write_text("module mul(input [7:0] A, input [7:0] B, output [15:0] O);\n  assign O = {8'd0, A & B")
    for name in ("large.npy", "large.bin", "large.csv", "large.v"):
        with (folder / name).open("wb") as file:
            file.truncate(2 << 30)  # sparse: 2 GB to read, nothing on disk
    (folder / "typo.toml").write_text("max_dorp = 0.5\n")
    (folder / "type.toml").write_text('budget = "many"\n')
    (folder / "broken.toml").write_text("network = \n")
    (folder / "array.toml").write_text('kind = "spatail"\n')
    (folder / "full").mkdir()
    (folder / "full" / "thesis.tex").write_text("do not touch")
    (folder / "design.json").write_text('{"conv1": "mul8s_exact"}')
    return folder


CASES = [
    (["explore", "none.toml"], r"settings file 'none\.toml' does not exist; .*"),
    (["explore", "typo.toml"], r"unknown setting 'max_dorp'; did you mean 'max_drop' or 'memory'\? \(typo\.toml\)"),
    (["explore", "type.toml"], r"type\.toml: budget = 'many' cannot be used; expected a whole number of at least 1\."),
    (["explore", "broken.toml"], r"settings file 'broken\.toml' is not TOML: .*\."),
    (["explore", "lenet6", "--out", "r1"], r"unknown network 'lenet6'; did you mean 'lenet5'.*"),
    (["explore", "--network", "lenet5", "vgg11"], r"--network 'lenet5' contradicts the network 'vgg11'; give one of them\."),
    (["explore", "--blocks", "mul8s_tc99", "--out", "r2"], r"unknown block 'mul8s_tc99'; did you mean .*\? `hawx blocks list` shows .*"),
    (
        ["explore", "--library", "nowhere", "--out", "r3"],
        r"unknown library or block 'nowhere'; expected 'builtin', .*, or the path of a file or folder\.",
    ),
    (
        ["explore", "--accelerator", "spatail", "--out", "r4"],
        r"unknown accelerator 'spatail'; did you mean 'spatial' or 'temporal'\? Or give a TOML file\.",
    ),
    (
        ["explore", "--accelerator", "array.toml", "--out", "r5"],
        r"unknown accelerator kind 'spatail'; did you mean 'spatial' or 'systolic'\? \(accelerator file '.*'\)",
    ),
    (["explore", "--layers", "conv9", "--out", "r6", "--images", "100"], r"unknown layer 'conv9'; did you mean 'conv[12]' or 'conv[12]'\?"),
    (["explore", "--budget", "0"], r"--budget 0 cannot be used; expected a whole number of at least 1\."),
    (["explore", "--budget", "ten"], r"--budget 'ten' cannot be used; expected a whole number of at least 1\."),
    (["explore", "--max-drop", "nan"], r"--max-drop nan cannot be used; expected a number\."),
    (["explore", "--searcher", "nsga3"], r"unknown searcher 'nsga3'; did you mean 'nsga2'\? \(--searcher\)"),
    (["explore", "--objectives", "area"], r"unknown objectives 'area'; did you mean 'area_um2'\? \(--objectives\)"),
    (["explore", "--images", "10", "--search-images", "10"], r"--images 10 does not hold 10 search and 0 report images; .*"),
    (["explore", "--out", "full"], r"run folder 'full' is not empty; expected a new or empty folder\. Choose another --out\."),
    (["explore", "--out", "cut.v"], r"run folder 'cut\.v' is not empty; expected a new or empty folder\. Choose another --out\."),
    (["explore", "--out", "/proc/hawx"], r"run folder '/proc/hawx' cannot be made \(No such file or directory\); expected a writable place\. .*"),
    (["explore", "--bugdet", "3"], r"unknown option '--bugdet'; did you mean '--budget' .*\? `hawx explore --help` shows them\."),
    (["blocks", "list", "builtin"], r"argument 'builtin' is one too many \(`hawx blocks list --help` shows the usage\)"),
    (["explroe"], r"unknown command 'explroe'; did you mean 'explore'.*\? \(`hawx --help` shows the usage\)"),
    (["blocks", "import", "shape.npy"], r"table 'shape\.npy' has shape \(255, 256\); expected \(256, 256\), .*"),
    (["blocks", "import", "range.npy"], r"table 'range\.npy' spans .*; expected products of 8-bit operands, .*"),
    (["blocks", "import", "half.npy"], r"table 'half\.npy' has .*; expected integers\."),
    (["blocks", "import", "text.npy"], r"table 'text\.npy' .*expected .*"),
    (["blocks", "import", "cut.v"], r"(Verilog file )?'cut\.v' line \d.*"),
    (["blocks", "import", "large.npy"], r"table 'large\.npy' has 2147483648 bytes; expected .*"),
    (["blocks", "import", "large.bin"], r"table 'large\.bin' has 2147483648 bytes; expected .*"),
    (["blocks", "import", "large.csv"], r"table 'large\.csv' has 2147483648 bytes; expected .*"),
    (["blocks", "import", "large.v"], r"circuit 'large\.v' has 2147483648 bytes; expected .*"),
    (["blocks", "import", "none.npy"], r"library 'none\.npy' does not exist.*"),
    (["blocks", "show", "mul8s_drum44"], r"unknown block 'mul8s_drum44'; did you mean 'mul8s_drum4' .*"),
    (["blocks", "characterize", "none.v"], r"circuit 'none\.v' does not exist; did you mean .*"),
    (
        ["blocks", "characterize", "none"],
        r"unknown block 'none'; .* Or give circuit files: Verilog \(\.v, \.sv\) or VHDL \(\.vhd, \.vhdl\), or a folder of them\.",
    ),
    (["blocks", "characterize", "mul8s_exact", "--out", "x.txt"], r"--out 'x\.txt' has another ending; expected FILE\.npz, a library, or .*"),
    (["report", "full"], r"folder 'full' holds no result\.json; expected a finished run\. `hawx explore --out DIR` writes one\."),
    (["compare", "full", "full"], r"folder 'full' holds no result\.json; expected a finished run\. .*"),
    (["evaluate", "none.json"], r"design 'none\.json' does not exist; .*"),
    (["evaluate", "design.json"], r"the design has no block for layer 'conv2'; expected all of: conv1, conv2, fc1, fc2, fc3\."),
]


@pytest.mark.parametrize(("arguments", "message"), CASES, ids=lambda v: " ".join(v) if isinstance(v, list) else "")
def test_bad_input_gets_one_line(
    arguments: list[str], message: str, place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(place)
    assert main(arguments) == 2
    said = capsys.readouterr()
    assert said.out == ""
    lines = [line for line in said.err.splitlines() if not re.match(r"^hawx +\d+\.\d s  ", line)]  # progress lines may come first
    assert len(lines) == 1
    assert re.fullmatch("hawx: " + message, lines[0]), lines[0]
    assert (place / "full" / "thesis.tex").read_text() == "do not touch"


@pytest.mark.parametrize("case", [0, 1, 4, 23])
def test_the_same_through_the_real_command(case: int, place: Path) -> None:
    arguments, message = CASES[case]
    done = hawx(*arguments, cwd=place)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert re.fullmatch("hawx: " + message, done.stderr.splitlines()[-1])


def test_nothing_is_left_behind_by_a_refused_run(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    assert main(["explore", "--granularity", "filtre", "--out", "fresh"]) == 2
    assert not (place / "fresh").exists()


def test_a_closed_pipe_is_no_error(place: Path) -> None:
    command = f"{sys.executable} -m hawx blocks list --json | head -c 1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], cwd=place, capture_output=True, text=True, check=True, env={**os.environ, "COLUMNS": "80"})
    assert done.stdout.split("\n")[0].endswith("0")
    assert done.stderr == ""


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["--version"], ["explore", "--help"], ["blocks", "list"], ["blocks", "show", "mul8s_drum4"], ["blocks", "pareto", "--json"]],
    ids=" ".join,
)
def test_light_commands_load_no_torch(arguments: list[str]) -> None:
    code = f"import sys; from hawx.cli import main; status = main({arguments!r}); print(status, 'torch' in sys.modules, 'rich' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "0 False False"
