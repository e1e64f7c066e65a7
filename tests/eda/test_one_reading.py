"""One file gives one table, whoever reads it: our evaluators of Verilog and C, and Yosys with a mapped netlist."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hawx.circuits.liberty import CellLibrary
from hawx.circuits.models import netlist_verilog
from hawx.cli import main
from hawx.errors import InputError
from hawx.formats import S8, U8
from hawx.importers import load_library
from hawx.importers.circuit import load_circuit
from hawx.synthesis import characterize, yosys
from hawx.synthesis.cells import NAMED, cell_library

pytestmark = [pytest.mark.eda, pytest.mark.skipif(not yosys.available(), reason="Yosys is not installed")]

# a·w, except that the activation's lowest bit is dropped: operands are told apart by what is lost
EXPECTED = np.multiply.outer(np.arange(256) & ~1, np.arange(256))

NAMINGS = [("a", "b"), ("A", "B"), ("x", "y"), ("X", "w"), ("act", "weight"), ("in1", "in2")]


def gates(module: str, act: str, weight: str, order: tuple[str, str]) -> str:
    """Return shift-and-add Verilog that both readers take."""
    first, second = order
    rows = [f"  wire [15:0] p{i} = {{16{{{weight}[{i}]}}}} & {{{8 - i}'b0, {act}[7:1], {i + 1}'b0}};" for i in range(8)]
    total = " + ".join(f"p{i}" for i in range(8))
    head = f"module {module} (input [7:0] {first}, input [7:0] {second}, output [15:0] o);"
    return "\n".join([head, *rows, f"  assign o = {total};", "endmodule\n"])


@pytest.mark.parametrize(("act", "weight"), NAMINGS)
@pytest.mark.parametrize("swapped", [False, True])
def test_every_reader_gives_one_table(act: str, weight: str, swapped: bool, osu018: CellLibrary, tmp_path: Path) -> None:
    order = (weight, act) if swapped else (act, weight)
    named = (act, weight) != ("in1", "in2")
    verilog, c = tmp_path / "mul8u_own.v", tmp_path / "mul8u_own.c"
    verilog.write_text(gates("mul8u_own", act, weight, order))
    c.write_text(
        f"#include <stdint.h>\nuint16_t mul8u_own(uint8_t {order[0]}, uint8_t {order[1]}) {{\n"
        f"  uint16_t dropped = ({act} >> 1) << 1;\n  return dropped * {weight};\n}}\n"
    )
    found = characterize(verilog, "osu018", use_cache=False)
    mapped, behavioral = tmp_path / "mapped" / "mul8u_own.v", tmp_path / "behavioral" / "mul8u_own.v"
    for path, text in (
        (mapped, netlist_verilog(found.circuit.netlist, osu018)),
        (
            behavioral,
            f"module mul8u_own (input [7:0] {order[0]}, input [7:0] {order[1]}, output [15:0] o);\n"
            f"  assign o = ({act} - {act}[0]) * {weight};\nendmodule\n",
        ),
    ):
        path.parent.mkdir()
        path.write_text(text)
    blocks = [found.block, *(load_circuit(path) for path in (verilog, c, mapped, behavioral))]
    assert len({block.sha256 for block in blocks}) == 1
    assert blocks[0].formats == (U8, U8)
    assert np.array_equal(blocks[0].table, EXPECTED if named or not swapped else EXPECTED.T)


def test_names_and_declarations_decide_before_the_fit(tmp_path: Path) -> None:
    constant = tmp_path / "mul8u_zero.v"
    constant.write_text("module mul8u_zero (input [7:0] A, input [7:0] B, output [15:0] O);\n  assign O = 16'd0;\nendmodule\n")
    assert load_circuit(constant).formats == (U8, U8)
    signed = tmp_path / "odd.v"
    signed.write_text("module odd (input signed [7:0] B, input signed [7:0] A, output signed [15:0] O);\n  assign O = 300;\nendmodule\n")
    assert characterize(signed, use_cache=False).block.formats == (S8, S8)


def test_behavioral_verilog_is_a_library_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "mine.v"
    ports = "input signed [7:0] A, input signed [7:0] B, output signed [15:0] O"
    path.write_text(f"module mine ({ports});\n  assign O = A * B - $signed({{1'b0, A[0] & B[0]}});\nendmodule\n")
    library = load_library(path)
    codes = np.arange(-128, 128)
    assert library.names == ("mul8s_exact", "mine")
    assert np.array_equal(library[1].table, np.multiply.outer(codes, codes) - np.multiply.outer(codes & 1, codes & 1))
    assert all(costs.area_um2 > 0 for costs in library.costs())


def test_gate_level_verilog_without_published_figures_is_characterized(tmp_path: Path) -> None:
    path = tmp_path / "mul8u_own.v"
    path.write_text(gates("mul8u_own", "a", "b", ("a", "b")))
    block = load_library(path)["mul8u_own"]
    assert "synthesized" in next(iter(block.costs.values())).origin


def test_without_yosys_a_line_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "mine.v"
    path.write_text("module mine (input signed [7:0] A, input [7:0] B, output [15:0] O);\n  assign O = A * B;\nendmodule\n")
    monkeypatch.setattr(yosys, "available", lambda: False)
    with pytest.raises(InputError, match=r"^'.*mine\.v' line 1: .* is read through Yosys, which is not installed: pip install "):
        load_library(path)


def test_one_signed_operand_is_refused_and_comments_say_nothing(tmp_path: Path) -> None:
    mixed = tmp_path / "mixed.v"
    ports = "input [7:0] A, input signed [7:0] B, output signed [15:0] O"
    mixed.write_text(f"module mixed ({ports});\n  assign O = $signed({{1'b0, A}}) * B;\nendmodule\n")
    for read in (load_circuit, lambda path: characterize(path, use_cache=False)):
        with pytest.raises(
            InputError, match=r"^module 'mixed' declares one operand signed and the other not; expected both signed or both unsigned\.$"
        ):
            read(mixed)
    plain = tmp_path / "plain.v"
    plain.write_text(
        "// takes input signed data? no\nmodule plain (input [7:0] A, input [7:0] B, output [15:0] O);\n  assign O = A * B;\nendmodule : plain\n"
    )
    block = characterize(plain, use_cache=False).block
    assert block.formats == (U8, U8)
    assert block.is_exact


def test_a_circuit_without_gates_is_no_free_multiplier(tmp_path: Path) -> None:
    path = tmp_path / "wires.v"
    path.write_text("module wires (input [7:0] A, input [7:0] B, output [15:0] O);\n  assign O = {A, B};\nendmodule\n")
    with pytest.raises(InputError, match=r"^circuit '.*wires\.v' needs no gate at all: its product is a constant or wires; "):
        load_library(path)


def test_the_module_with_multiplier_ports_is_the_top(tmp_path: Path) -> None:
    path = tmp_path / "file.v"
    path.write_text("module helper (input x, output y);\n  assign y = ~x;\nendmodule\n" + gates("mul8u_own", "a", "b", ("a", "b")))
    assert load_circuit(path).name == characterize(path, use_cache=False).block.name == "mul8u_own"


@pytest.mark.parametrize("technology", NAMED)
def test_a_mapped_netlist_is_characterized(technology: str, tmp_path: Path) -> None:
    if not NAMED[technology].exists():
        pytest.skip(f"{technology} is not installed")
    first = characterize("mul8s_ot2", technology)
    path = tmp_path / "own.v"
    path.write_text(netlist_verilog(first.circuit.netlist, cell_library(technology)).replace("mul8s_ot2", "own"))
    again = characterize(path, technology, use_cache=False)
    assert again.block.sha256 == first.block.sha256
    assert again.full_adders > 0
    assert again.costs.area_um2 == pytest.approx(first.costs.area_um2, rel=0.1)


def test_inputs_of_functions_are_no_operands(tmp_path: Path) -> None:
    path = tmp_path / "even.v"
    path.write_text(
        "module even (input signed [7:0] A, input signed [7:0] B, output signed [15:0] O);\n"
        "  function [7:0] low; input [7:0] x; low = x & 8'hFE; endfunction\n  assign O = $signed(low(A)) * B;\nendmodule\n"
    )
    codes = np.arange(-128, 128)
    assert np.array_equal(load_circuit(path).table, np.multiply.outer(codes & ~1, codes))


def test_a_folder_of_circuits_of_ones_own_gets_figures(tmp_path: Path) -> None:
    (tmp_path / "mul8u_own.v").write_text(gates("mul8u_own", "a", "b", ("a", "b")))
    library = load_library(tmp_path)
    assert library.technology == "sky130hd"
    assert library["mul8u_own"].costs["sky130hd"].area_um2 > 0


def test_characterize_saves_unsigned_blocks_but_no_free_ones(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own, wires, saved = tmp_path / "mul8u_own.v", tmp_path / "wires.v", tmp_path / "own.npz"
    own.write_text(gates("mul8u_own", "a", "b", ("a", "b")))
    wires.write_text("module wires (input [7:0] A, input [7:0] B, output [15:0] O);\n  assign O = {A, B};\nendmodule\n")
    assert main(["blocks", "characterize", str(own), "--out", str(saved)]) == 0
    assert load_library(saved).names == ("mul8u_exact", "mul8u_own")
    assert main(["blocks", "characterize", str(wires), "--out", str(tmp_path / "wires.npz")]) == 2
    assert "needs no gate at all" in capsys.readouterr().err
    assert not (tmp_path / "wires.npz").exists()
