"""Characterization with real Yosys: figures, function, timing against OpenSTA, caching, and every kind of bad input."""

from __future__ import annotations

import gzip
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from hawx.blocks.families import builtin_library
from hawx.circuits.models import netlist_verilog
from hawx.circuits.timing import static_timing
from hawx.errors import HawxError, InputError, ToolMissingError
from hawx.synthesis import characterize, yosys
from hawx.synthesis.cells import NAMED, SKY130HD_PATH, cell_library

pytestmark = [pytest.mark.eda, pytest.mark.usefixtures("needs_yosys")]
BUILT_IN = builtin_library()

STAR = "module star (input signed [7:0] A, input signed [7:0] B, output signed [15:0] O);\n  assign O = A * B;\nendmodule\n"


@pytest.mark.parametrize("technology", NAMED)
def test_a_built_in_block_gives_the_shipped_figures(technology, request):
    if technology == "osu018":
        request.getfixturevalue("osu018")
    block = BUILT_IN["mul8s_ot2"]
    found = characterize("mul8s_ot2", technology)
    assert found.block.sha256 == block.sha256
    shipped = block.costs[technology]
    if found.costs.origin != shipped.origin:
        pytest.skip(f"another tool or cell library than the shipped figures': {found.costs.origin}")
    for name in ("area_um2", "delay_ns", "energy_fj", "leakage_nw", "luts", "constant_lsbs"):
        assert getattr(found.costs, name) == pytest.approx(getattr(shipped, name), rel=1e-4), name


def test_own_verilog_of_an_exact_multiplier(tmp_path):
    path = tmp_path / "star.v"
    path.write_text(STAR)
    found = characterize(path)
    assert found.block.is_exact
    assert [f.name for f in found.block.formats] == ["s8", "s8"]
    exact = BUILT_IN.exact.costs["sky130hd"]
    assert exact.area_um2 < found.costs.area_um2 < 2 * exact.area_um2  # Yosys's * is poor: the baseline must be the best exact circuit
    assert exact.energy_fj < found.costs.energy_fj
    assert found.costs.technology == "sky130hd"
    assert found.full_adders > 0
    assert re.match(r"^synthesized: \w+ [\d.]+.*, flow \d+, sky130hd [0-9a-f]{12}, pre-layout, zero-delay switching$", found.costs.origin)


def test_the_weight_is_the_second_operand(tmp_path):
    path = tmp_path / "lopsided.v"
    path.write_text("module lopsided (input [7:0] x, input [7:0] y, output [15:0] p); assign p = {8'd0, x} * {12'd0, y[7:4]} << 4; endmodule\n")
    found = characterize(path)
    a, w = np.meshgrid(np.arange(256), np.arange(256), indexing="ij")
    np.testing.assert_array_equal(found.block.table, a * (w & 0xF0))


def test_results_are_cached_by_content(tmp_path, monkeypatch):
    path = tmp_path / "star.v"
    path.write_text(STAR)
    first = characterize(path)
    monkeypatch.setattr("hawx.synthesis.flow.yosys.run", lambda *_, **__: pytest.fail("Yosys ran again on the same content"))
    again = characterize(path)
    assert again.to_dict() == first.to_dict()
    assert again.circuit.netlist.gates == first.circuit.netlist.gates


@pytest.mark.skipif(shutil.which("sta") is None, reason="OpenSTA (sta) is not installed")
@pytest.mark.parametrize("name", ["mul8s_exact", "mul8s_ot3", "mul8s_mitchell"])
@pytest.mark.parametrize("technology", NAMED)
def test_delay_is_that_of_opensta(name, technology, tmp_path):
    if not NAMED[technology].exists():
        pytest.skip(f"{technology} is not installed")
    library = cell_library(technology)
    netlist = characterize(name, technology).circuit.netlist
    (tmp_path / "netlist.v").write_text(netlist_verilog(netlist, library))
    (tmp_path / "cells.lib").write_bytes(re.sub(rb"default_wire_load.*", b"", library.content))  # figures are without wires
    (tmp_path / "run.tcl").write_text(
        f"read_liberty cells.lib\nread_verilog netlist.v\nlink_design {netlist.name}\n"
        "set_max_delay 0 -from [all_inputs] -to [all_outputs]\n"
        "set_input_transition 0 [all_inputs]\nreport_checks -path_delay max -digits 6\nexit\n"
    )
    said = subprocess.run(["sta", "-exit", "run.tcl"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True).stdout
    arrival = float(re.search(r"([\d.]+)\s+data arrival time", said)[1])
    assert static_timing(netlist, library).delay_ns == pytest.approx(arrival, rel=0.01)


MULTIPLIER = "expected a combinational multiplier in synthesizable Verilog."
PORTS = "expected two inputs of 2 to 16 bits and one output, their product."
BAD = {
    "syntax": ("module m (input [7:0] A, input [7:0] B, output [15:0] O);\n  assign O = A * ;\nendmodule\n",
               "FILE line 2 cannot be synthesized: syntax error, unexpected ';'; " + MULTIPLIER),
    "latch": ("module m (input [7:0] A, input [7:0] B, output reg [15:0] O);\n  always @*\n    if (A[0]) O = A * B;\nendmodule\n",
              "FILE line 2 holds a latch; expected a purely combinational multiplier. Remove the clock, or assign in every branch."),
    "clock": ("module m (input clk, input [7:0] A, input [7:0] B, output reg [15:0] O);\n  always @(posedge clk)\n    O <= A * B;\nendmodule\n",
              "FILE line 2 holds a clocked register; expected a purely combinational multiplier. Remove the clock, or assign in every branch."),
    "unused clock": ("module m (input clk, input [7:0] A, input [7:0] B, output [15:0] O);\n  assign O = A * B;\nendmodule\n",
                     "FILE module 'm' has ports input [1] clk, input [8] A, input [8] B, output [16] O; " + PORTS),
    "wide": ("module m (input [16:0] A, input [7:0] B, output [15:0] O);\n  assign O = A * B;\nendmodule\n",
             "FILE module 'm' has ports input [17] A, input [8] B, output [16] O; " + PORTS),
    "loop": ("module m (input [7:0] A, input [7:0] B, output [15:0] O);\n  wire [15:0] x = (x & {A, A}) ^ {B, B};\n  assign O = x;\nendmodule\n",
             "FILE cannot be synthesized: it has a combinational loop; " + MULTIPLIER),
    "undriven": ("module m (input [7:0] A, input [7:0] B, output [15:0] O);\n  wire t;\n  assign O = {A, B} ^ {16{t}};\nendmodule\n",
                 "FILE cannot be synthesized: Wire m.t is used but has no driver; " + MULTIPLIER),
    "two": ("module m (input [7:0] A, input [7:0] B, output [15:0] O); assign O = A * B; endmodule\n"
            "module n (input [7:0] A, input [7:0] B, output [15:0] O); assign O = A + B; endmodule\n",
            "FILE has top modules m, n; expected one, or one called 'bad'. Name it with --top."),
    "nothing": ("// module\n", "FILE has no module with ports; expected a multiplier of two operands."),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_verilog_is_one_line_that_names_file_line_and_way_out(case, tmp_path):
    text, message = BAD[case]
    path = tmp_path / "bad.v"
    path.write_text(text)
    with pytest.raises(InputError, match="^" + re.escape("Verilog file " + message.replace("FILE", repr(str(path)))) + "$"):
        characterize(path)


def test_no_name_reaches_a_shell(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    hostile = Path("$(touch pwned); touch pwned; `touch pwned`.v")
    hostile.write_text(STAR)
    assert characterize(hostile).block.is_exact
    library = Path("cells;touch pwned;$(touch pwned).lib")
    library.write_bytes(gzip.decompress(SKY130HD_PATH.read_bytes()))
    assert characterize(hostile, library, use_cache=False).costs.technology == "sky130hd"
    with pytest.raises(
        InputError, match=r"^module name 'star; touch pwned' is not a plain Verilog identifier; expected letters, digits, '_' and '\$'\.$"
    ):
        characterize(hostile, top="star; touch pwned")
    escaped = Path("escaped.v")
    escaped.write_text(STAR.replace("module star", "module \\star;touch${IFS}pwned; "))
    assert characterize(escaped).block.is_exact
    escaped.write_text(STAR.replace("module star", 'module \\star;touch${IFS}pwned;" '))
    with pytest.raises(
        InputError, match=r"^'escaped\.v' line \d+: the name '.*' holds a quote or a comment, which no multiplier needs; expected .*\.$"
    ):
        characterize(escaped)
    assert not list(tmp_path.rglob("pwned*"))


def test_yosys_absent(monkeypatch, tmp_path):
    path = tmp_path / "star.v"
    path.write_text(STAR)
    monkeypatch.setattr(yosys.util, "find_spec", lambda _: None)
    monkeypatch.setattr(yosys.shutil, "which", lambda _: None)
    yosys.tool.cache_clear()
    try:
        with pytest.raises(
            ToolMissingError, match=r"^Yosys is not installed; run `pip install pyosys` \(or install yosys, or set HAWX_YOSYS to its path\)\.$"
        ):
            characterize(path)
    finally:
        yosys.tool.cache_clear()


def test_cell_library_absent(monkeypatch):
    monkeypatch.setattr("hawx.synthesis.cells.NAMED", {"osu018": Path("/nowhere/osu018.lib")})
    with pytest.raises(
        ToolMissingError,
        match=r"^cell library 'osu018' is not installed \('/nowhere/osu018\.lib' is absent\); "
        r"run `apt install qflow-tech-osu018`, or take 'sky130hd', which the package ships, or a Liberty file\.$",
    ):
        characterize("mul8s_exact", "osu018")


def test_a_synthesis_that_does_not_end_is_ended():
    with pytest.raises(HawxError, match=r"^.+ did not finish on 'slow\.v' within 0\.01 s; give it more time or a smaller circuit\.$"):
        yosys.run("help", {}, [], source="slow.v", timeout_s=0.01)
