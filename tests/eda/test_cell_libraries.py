"""Cell libraries: the shipped one takes a user from Verilog to a front without any other package, and its figures are those of the foundry."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from hawx.circuits.logic import parse_function
from hawx.cli import main
from hawx.errors import InputError
from hawx.synthesis import read_liberty, yosys
from hawx.synthesis.cells import SKY130HD_PATH, cell_library, present

OWN = """// the low half of the activation is dropped
module own (input signed [7:0] A, input signed [7:0] B, output signed [15:0] O);
  assign O = $signed({A[7:4], 4'b0}) * B;
endmodule
"""


def test_shipped_cells_have_the_published_figures() -> None:
    """Areas are those of the SkyWater PDK's cell pages: sites of 0.46 um by rows of 2.72 um."""
    library = cell_library()
    assert (library.name, library.voltage, len(library.cells)) == ("sky130hd", 1.8, 92)
    site = 0.46 * 2.72
    widths = {"inv_1": 3, "nand2_1": 3, "xor2_1": 7, "mux2_1": 9, "dfxtp_1": 16, "ha_1": 10, "fa_1": 16}
    for name, sites in widths.items():
        assert library.cells[f"sky130_fd_sc_hd__{name}"].area_um2 == pytest.approx(sites * site, rel=1e-4), name
    assert library.full_adder is not None
    assert library.full_adder[0].name == "sky130_fd_sc_hd__fa_1"
    function = library.cells["sky130_fd_sc_hd__maj3_1"].pins["X"].function
    assert function is not None
    assert function.truth(("A", "B", "C")) == parse_function("A*B + C*(A+B)").truth(("A", "B", "C"))


def test_names_and_files_are_one(tmp_path: Path) -> None:
    plain = tmp_path / "cells.lib"
    plain.write_bytes(gzip.decompress(SKY130HD_PATH.read_bytes()))
    unpacked, shipped = read_liberty(plain), cell_library("sky130hd")
    assert unpacked.cells == shipped.cells
    assert unpacked.sha256 == shipped.sha256
    assert cell_library(plain) is unpacked
    assert present("sky130hd") == "sky130hd"
    assert present("PDK45") is None
    assert present(None) is None


def test_broken_or_bursting_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packed = SKY130HD_PATH.read_bytes()
    cut = tmp_path / "cut.lib.gz"
    cut.write_bytes(packed[:5000])
    with pytest.raises(InputError, match=r"^Liberty file '.*cut\.lib\.gz' cannot be unpacked: .+; expected plain text or gzip\.$"):
        read_liberty(cut)
    flipped = tmp_path / "flipped.lib.gz"
    flipped.write_bytes(packed[:3000] + bytes(1000) + packed[4000:])
    with pytest.raises(InputError, match=r"^Liberty file '.*flipped\.lib\.gz' cannot be unpacked: "):
        read_liberty(flipped)
    monkeypatch.setattr("hawx.synthesis.liberty._MOST_BYTES", 1 << 20)
    bomb = tmp_path / "bomb.lib.gz"
    bomb.write_bytes(gzip.compress(bytes(1 << 21)))
    with pytest.raises(InputError, match=r"^Liberty file '.*bomb\.lib\.gz' unpacks to more than 1 MB; expected a cell library\.$"):
        read_liberty(bomb)


@pytest.mark.eda
@pytest.mark.skipif(not yosys.available(), reason="Yosys is not installed (pip install pyosys)")
def test_from_behavioral_verilog_to_a_front(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("hawx.synthesis.cells.NAMED", {"sky130hd": SKY130HD_PATH})
    source, folder = tmp_path / "own.v", tmp_path / "run"
    source.write_text(OWN)
    status = main(["explore", "--library", str(source), "--search-images", "64", "--report-images", "64", "--budget", "6", "--out", str(folder)])
    assert status == 0, capsys.readouterr()
    run = json.loads((folder / "result.json").read_text())
    assert run["library"]["technology"] == "sky130hd"
    costs = {block["name"]: block["costs"] for block in run["library"]["blocks"]}
    assert costs.keys() == {"mul8s_exact", "own"}
    assert all("sky130hd" in figures["origin"] and figures["area_um2"] > 0 for figures in costs.values())
    assert costs["own"]["energy_fj"] < costs["mul8s_exact"]["energy_fj"]
