"""Files, languages and widths of circuits through the real tools: Yosys, GHDL, and Icarus as the judge of what a circuit computes."""

from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from hawx.circuits.behavior import raw_products
from hawx.cli import main
from hawx.errors import InputError, ToolMissingError
from hawx.importers import load_library
from hawx.synthesis import characterize, ghdl, yosys

pytestmark = [pytest.mark.eda, pytest.mark.usefixtures("needs_yosys")]
needs_ghdl = pytest.mark.skipif(not ghdl.available(), reason="GHDL is not installed (apt install ghdl)")

HALF = "module half (input a, b, output s, c);\n  assign s = a ^ b;\n  assign c = a & b;\nendmodule\n"
TWO = """module two (input [1:0] a, b, output [3:0] o);
  wire t, u, v;
  half first (a[1] & b[0], a[0] & b[1], o[1], t);
  half second (a[1] & b[1], t, o[2], o[3]);
  assign o[0] = a[0] & b[0];
endmodule
"""
BENCH = 'module bench;\n  reg [1:0] a, b; wire [3:0] o;\n  two dut (a, b, o);\n  initial begin $dumpfile("x.vcd"); $random; end\nendmodule\n'


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def generic(name: str, a: int, b: int, product: str, bits: int, signed: str = "") -> str:
    ports = f"input {signed} [{a - 1}:0] a, input {signed} [{b - 1}:0] b, output {signed} [{bits - 1}:0] o"
    return f"module {name} ({ports});\n  {product}\nendmodule\n"


def test_the_files_of_a_circuit_come_listed_as_a_folder_or_included(tmp_path: Path) -> None:
    top, half = write(tmp_path / "own" / "two.v", TWO), write(tmp_path / "own" / "half.v", HALF)
    write(tmp_path / "own" / "bench.v", BENCH)
    including = write(tmp_path / "own" / "whole.v", '`include "half.v"\n' + TWO.replace("module two", "module whole"))
    found = [characterize(source, use_cache=False) for source in ([top, half], [half, top], including)]
    including.unlink()
    found.append(characterize(tmp_path / "own", use_cache=False))
    assert [one.name for one in found] == ["two", "two", "whole", "two"]
    assert all(one.to_dict()["is_exact"] and one.errors.pairs == 16 for one in found)
    assert len({one.costs.area_um2 for one in found}) == 1


def test_a_missing_module_is_named_with_its_place_and_its_file(tmp_path: Path) -> None:
    top = write(tmp_path / "two.v", TWO)
    with pytest.raises(
        InputError,
        match=rf"^'{top}' line 1: module 'two' instantiates 'half', which no file of the circuit defines\. Give the file that defines it, too: "
        rf"hawx blocks characterize {top} half\.v\. If it is a standard cell, name its library: --liberty FILE\.lib\.$",
    ):
        characterize(top)
    half = write(tmp_path / "adders.v", HALF)
    with pytest.raises(InputError, match=rf"It is in that file beside it: hawx blocks characterize {top} {half}\. If"):
        characterize(top)


def test_of_several_tops_the_multiplier_is_taken_or_one_line_asks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    adder = "module adder (input [1:0] a, b, output [2:0] o);\n  assign o = a + b;\nendmodule\n"
    path = write(tmp_path / "file.v", adder + TWO + HALF + BENCH)
    assert characterize(path).name == "two"
    assert characterize(path, top="adder").name == "adder"
    write(path, TWO + HALF + TWO.replace("module two", "module three"))
    assert main(["blocks", "characterize", str(path)]) == 2
    said = capsys.readouterr().err
    assert said == f"hawx: Verilog file '{path}' has top modules two, three; expected one, or one called 'file'. Name it with --top.\n"
    with pytest.raises(InputError, match=r"^Verilog file '.*file\.v' has no module 'thre'; did you mean 'three'\?$"):
        characterize(path, top="thre")


def test_an_error_in_one_of_several_files_names_its_line(tmp_path: Path) -> None:
    top, bad = write(tmp_path / "two.v", TWO), write(tmp_path / "half.v", "\n\n" + HALF.replace("a & b", "a &"))
    with pytest.raises(InputError, match=rf"^Verilog file '{bad}' line 5 cannot be synthesized: syntax error"):
        characterize([top, bad])


def test_packages_may_come_in_any_file(tmp_path: Path) -> None:
    write(tmp_path / "a.sv", "module a (input [sizes::N-1:0] x, y, output [2*sizes::N-1:0] o);\n  assign o = x * y;\nendmodule\n")
    write(tmp_path / "sizes.sv", "package sizes;\n  parameter int N = 3;\nendpackage\n")
    assert [f.name for f in characterize(tmp_path).reading.formats] == ["u3", "u3"]


def test_two_drivers_are_told_from_a_loop(tmp_path: Path) -> None:
    twice = TWO.replace("assign o[0] = a[0] & b[0];", "half third (o[1], b[0], o[0], v);\n  half fourth (o[0], a[0], o[1], u);")
    with pytest.raises(
        InputError, match=r"^Verilog file '.*two\.v' cannot be synthesized: multiple conflicting drivers for two\..*; expected a comb"
    ):
        characterize(write(tmp_path / "two.v", twice + HALF))


CELLS = {
    "OSU": "  AND2X1 g{i} (.A(a[{i}]), .B(b[0]), .Y(o[{i}]));\n",
    "NanGate 45 nm": "  AND2_X2 g{i} (.A1(a[{i}]), .A2(b[0]), .ZN(o[{i}]));\n",
    "NanGate 15 nm": "  AND2_X2 g{i} (.A1(a[{i}]), .A2(b[0]), .Z(o[{i}]));\n",
}


@pytest.mark.parametrize("cells", CELLS)
def test_cells_of_other_libraries_are_known_by_name_to_every_command(cells: str, tmp_path: Path) -> None:
    body = "".join(CELLS[cells].format(i=i) for i in range(8)) + "  assign o[15:8] = 8'd0;\n"
    path = write(tmp_path / "mul8u_row.v", generic("mul8u_row", 8, 8, body, 16))
    found = characterize(path)
    assert found.block.table[200, 1] == 200
    assert found.block.table[200, 2] == 0
    assert load_library(path)["mul8u_row"].sha256 == found.block.sha256


def test_a_cell_that_nobody_knows_is_told_from_a_missing_file(tmp_path: Path) -> None:
    path = write(tmp_path / "m.v", generic("m", 4, 4, "MYAND g (.A(a[0]), .B(b[0]), .Z(o[0]));\n  assign o[7:1] = 0;", 8))
    with pytest.raises(InputError, match=r"^'.*m\.v' line 1: module 'm' instantiates 'MYAND', .* --liberty FILE\.lib\.$"):
        characterize(path)


WIDTHS = [
    ("u4xu4", 4, 4, "assign o = a * b;", 8, "", 0.0),
    ("s8xs4", 8, 4, "assign o = a * b;", 12, "signed", 0.0),
    ("s8xs8", 8, 8, "assign o = a * b;", 17, "signed", 0.0),  # a sign bit more
    ("u8xu8", 8, 8, "wire [15:0] p = a * b;\n  assign o = p[15:1];", 15, "", 0.25),  # without the lowest bit, which a quarter has
    ("u6xu5", 6, 5, "assign o = a * b;", 10, "", (1 << 10) * 59 / 2048),  # of 11 bits: 59 products of 1024 and more lose 1024
]


@pytest.mark.parametrize(("formats", "a", "b", "body", "bits", "signed", "mae"), WIDTHS)
def test_every_width_has_exact_errors(formats: str, a: int, b: int, body: str, bits: int, signed: str, mae: float, tmp_path: Path) -> None:
    if formats == "u6xu5":
        products = np.multiply.outer(np.arange(64), np.arange(32))
        mae = float((products - (products & 1023)).mean())
    found = characterize(write(tmp_path / "m.v", generic("m", a, b, body, bits, signed)))
    values = found.to_dict()
    assert "x".join(values["formats"]) == formats
    assert (values["errors"]["mae"], values["errors"]["pairs"], values["product_bits"]) == (mae, 1 << (a + b), bits)
    assert any("Networks run 8×8" in note for note in found.notes) == ((a, b) != (8, 8))


def test_blocks_may_have_odd_products_but_not_other_operands(tmp_path: Path) -> None:
    wide = write(tmp_path / "wide.v", generic("wide", 8, 8, "assign o = a * b;", 17, "signed"))
    short = write(tmp_path / "short.v", generic("short", 8, 8, "wire [15:0] p = a * b;\n  assign o = p[15:4];", 12))
    assert load_library(wide)["wide"].is_exact
    values = np.arange(256)
    assert np.array_equal(load_library(short)["short"].table, np.multiply.outer(values, values) >> 4 << 4)
    small = write(tmp_path / "small.v", generic("small", 4, 4, "assign o = a * b;", 8))
    with pytest.raises(InputError, match=r"multiplies 4×4 bits; expected 8×8, the blocks that networks run\. "):
        load_library(small)


def icarus(tmp_path: Path, text: str, module: str, operands: np.ndarray, widths: tuple[int, int], bits: int) -> np.ndarray:
    """Return the products that Icarus computes, as unsigned bit patterns."""
    if shutil.which("iverilog") is None:
        pytest.skip("Icarus Verilog is not installed (apt install iverilog)")
    write(tmp_path / "pairs.hex", "".join(f"{int(a) << widths[1] | int(w):x}\n" for a, w in operands.T))
    bench = f"""module bench;
  reg [{sum(widths) - 1}:0] pairs [0:{operands.shape[1] - 1}]; reg [{sum(widths) - 1}:0] pair; wire [{bits - 1}:0] o; integer i;
  {module} dut (pair[{sum(widths) - 1}:{widths[1]}], pair[{widths[1] - 1}:0], o);
  initial begin
    $readmemh("pairs.hex", pairs);
    for (i = 0; i < {operands.shape[1]}; i = i + 1) begin pair = pairs[i]; #1 $display("%0d", o); end
  end
endmodule
"""
    write(tmp_path / "bench.v", text + bench)
    subprocess.run(["iverilog", "-g2012", "-s", "bench", "-o", "sim", "bench.v"], cwd=tmp_path, check=True, timeout=60)
    said = subprocess.run(["vvp", "sim"], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60).stdout
    return np.array([int(line) for line in said.split()], np.int64)


def test_a_sampled_circuit_computes_what_icarus_computes(tmp_path: Path) -> None:
    text = generic("mul16u_t", 16, 16, "wire [31:0] p = (a & 16'hFFF0) * b;\n  assign o = {p[31:8], 8'd0} ^ {31'd0, a[3] & b[7]};", 32)
    found = characterize(write(tmp_path / "mul16u_t.v", text))
    assert found.errors.is_sampled
    assert [f.name for f in found.reading.formats] == ["u16", "u16"]
    operands = np.random.default_rng(3).integers(0, 1 << 16, (2, 2048))
    ours = raw_products(found.circuit.netlist, ("a", "b", "o"), operands)
    assert np.array_equal(ours, icarus(tmp_path, text, "mul16u_t", operands, (16, 16), 32))
    x = np.arange(16)  # the four low bits of a are lost: a mean of 7.5 · 32767.5; and eight of the product, of which four are 0
    exact = 7.5 * 32767.5 + 16 * (np.multiply.outer(x, x) % 16).mean() - 0.25
    low, high = found.errors.intervals["mae"]
    assert abs(found.errors.mae - exact) < high - low  # twice the half width: four sigmas
    assert high - low < 0.005 * exact
    assert 15 * 60000 < found.errors.wce <= 15 * 65535 + 255


def test_area_is_that_of_yosys_own_stat(tmp_path: Path) -> None:
    found = characterize(write(tmp_path / "two.v", TWO + HALF))
    from hawx.circuits.models import netlist_verilog
    from hawx.synthesis.cells import cell_library

    library = cell_library()
    files = {"mapped.v": netlist_verilog(found.circuit.netlist, library), "cells.lib": library.content}
    script = "read_liberty -lib cells.lib\nread_verilog mapped.v\ntee -o stat.txt stat -liberty cells.lib -top two\n"
    said = yosys.run(script, files, ["stat.txt"], source="two.v")["stat.txt"]
    area = float(re.search(r"Chip area for (?:top )?module '\\two': ([\d.]+)", said)[1])
    assert found.costs.area_um2 == pytest.approx(area, rel=1e-9)


def test_a_circuit_without_gates_is_characterized_with_a_word(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path / "mul8u_none.v", generic("mul8u_none", 8, 8, "assign o = 0;", 16))
    assert main(["blocks", "characterize", str(path), "--json"]) == 0
    printed = capsys.readouterr()
    values = json.loads(printed.out)
    assert (values["formats"], values["area_um2"], values["errors"]["wce"]) == (["u8", "u8"], 0, 65025)
    assert printed.err.startswith("It needs no gate: its product is a constant or wires.")


def test_figures_are_saved_as_csv_and_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path / "m.v", generic("m", 4, 3, "assign o = a * b;", 7))
    for ending in ("csv", "json"):
        assert main(["blocks", "characterize", str(path), "--out", str(tmp_path / f"m.{ending}")]) == 0
    shown = capsys.readouterr().out
    assert "read as        u4×u3 with a product of 7 bits\n" in shown
    (row,) = csv.DictReader((tmp_path / "m.csv").read_text().splitlines())
    values = json.loads((tmp_path / "m.json").read_text())
    assert (row["formats"], float(row["area_um2"]), row["pairs"]) == ("u4×u3", values["area_um2"], "128")
    assert main(["blocks", "characterize", str(path), "--out", str(tmp_path / "m.npz")]) == 2
    assert "circuit 'm' multiplies 4×3 bits; expected 8×8" in capsys.readouterr().err
    assert main(["blocks", "characterize", str(path), "--out", "m.txt"]) == 2


def test_a_folder_of_circuits_and_their_parts_is_a_library(tmp_path: Path) -> None:
    row = "module row (input [7:0] a, input b, output [7:0] o);\n  assign o = a & {8{b}};\nendmodule\n"
    for name, bit in (("mul8u_low", 0), ("mul8u_high", 7)):
        body = f"wire [7:0] p;\n  row r (a, b[{bit}], p);\n  assign o = p << {bit};"
        write(tmp_path / f"{name}.v", generic(name, 8, 8, body, 16))
    write(tmp_path / "parts" / "row.v", row)
    write(tmp_path / "bench.v", "module bench;\n  mul8u_low dut ();\n  initial $dumpvars;\nendmodule\n")
    write(tmp_path / "mul8u_plain.v", generic("mul8u_plain", 8, 8, "assign o = {8'd0, a & b};", 16))
    library = load_library(tmp_path)
    assert library.names == ("mul8u_exact", "mul8u_high", "mul8u_low", "mul8u_plain")
    assert library["mul8u_high"].table[3, 128] == 3 << 7
    assert library["mul8u_high"].table[3, 127] == 0
    assert all(costs.area_um2 > 0 for costs in library.costs())


STYLES = {
    "functions": (
        ".v",
        "module m (a, b, o);\n  parameter N = 4;\n  input [N-1:0] a, b;\n  output reg [2*N-1:0] o;\n  integer i;\n"
        "  function [2*N-1:0] shifted; input [N-1:0] x; input integer by; shifted = x << by; endfunction\n"
        "  always @(*) begin o = 0; for (i = 0; i < N; i = i + 1) if (b[i]) o = o + shifted(a, i); end\nendmodule\n",
    ),
    "generate": (
        ".v",
        "module m #(parameter N = 4) (input [N-1:0] a, b, output [2*N-1:0] o);\n  wire [2*N-1:0] s [0:N];\n  assign s[0] = 0;\n  genvar i;\n"
        "  generate for (i = 0; i < N; i = i + 1) begin : row\n    assign s[i+1] = s[i] + ({{N{1'b0}}, a & {N{b[i]}}} << i);\n  end endgenerate\n"
        "  assign o = s[N];\nendmodule\n",
    ),
    "package": (
        ".sv",
        "package widths;\n  parameter int N = 4;\n  typedef logic [N-1:0] operand_t;\nendpackage\n"
        "module m (input widths::operand_t a, b, output logic [2*widths::N-1:0] o);\n  always_comb o = a * b;\nendmodule\n",
    ),
    "words": (".v", "module m (input [3:0] a, b, output [7:0] o);\n  wire [7:0] bit;\n  assign bit = a * b;\n  assign o = bit;\nendmodule\n"),
    "macros": (".v", "`define W 4\n`ifndef SKIP\nmodule m (input [`W-1:0] a, b, output [2*`W-1:0] o);\n  assign o = a * b;\nendmodule\n`endif\n"),
}


@pytest.mark.parametrize("style", STYLES)
def test_styles_of_verilog(style: str, tmp_path: Path) -> None:
    ending, text = STYLES[style]
    found = characterize(write(tmp_path / f"m{ending}", text))
    assert ([f.name for f in found.reading.formats], found.to_dict()["is_exact"]) == (["u4", "u4"], True)


VHDL_TWO = """library ieee; use ieee.std_logic_1164.all;
entity Two is port (A, B : in std_logic_vector(1 downto 0); O : out std_logic_vector(2 downto 0)); end Two;
architecture kulkarni of Two is begin
  O(0) <= A(0) and B(0);
  O(1) <= (A(1) and B(0)) or (A(0) and B(1));
  O(2) <= A(1) and B(1);
end kulkarni;
"""
VHDL_FOUR = """library ieee; use ieee.std_logic_1164.all; use ieee.numeric_std.all; use work.sizes.all;
-- File : four.vhd
entity Four is generic (N : positive := WIDTH); port (A, B : in unsigned(N-1 downto 0); O : out unsigned(2*N-1 downto 0)); end Four;
architecture recursive of Four is
  component Two is port (A, B : in std_logic_vector(1 downto 0); O : out std_logic_vector(2 downto 0)); end component;
  type parts is array (0 to 3) of std_logic_vector(2 downto 0);
  signal p : parts;
begin
  rows : for i in 0 to 3 generate
    u : Two port map (std_logic_vector(A(2*(i mod 2)+1 downto 2*(i mod 2))), std_logic_vector(B(2*(i/2)+1 downto 2*(i/2))), p(i));
  end generate;
  O <= resize(unsigned(p(0)), 8) + shift_left(resize(unsigned(p(1)), 8) + resize(unsigned(p(2)), 8), 2) + shift_left(resize(unsigned(p(3)), 8), 4);
end recursive;
"""
VHDL_SIZES = "package sizes is constant WIDTH : positive := 4; end package;\n"


@needs_ghdl
def test_vhdl_of_several_files(tmp_path: Path) -> None:
    """3·3 = 7 in every 2×2 part (Kulkarni et al. 2011): 49 of 256 pairs err, and the mean error is that of four parts, 2/16 · (1 + 2·4 + 16)."""
    for name, text in (("four", VHDL_FOUR), ("two", VHDL_TWO), ("sizes", VHDL_SIZES)):
        write(tmp_path / f"{name}.vhd", text)
    write(tmp_path / "bench.vhd", "use std.textio.all;\nentity bench is end;\narchitecture t of bench is begin u : entity work.four; end;\n")
    found = characterize(tmp_path)
    assert ([f.name for f in found.reading.formats], found.name) == (["u4", "u4"], "Four")
    assert (found.errors.mae, found.errors.ep, found.errors.wce) == (2 / 16 * 25, 49 / 256, 50)
    assert characterize(tmp_path / "two.vhd").to_dict()["missing_msbs"] == 1
    with pytest.raises(InputError, match=r"^'.*four\.vhd' line 10: instance 'u' needs the entity 'two', which no file defines; "):
        characterize([tmp_path / "four.vhd", tmp_path / "sizes.vhd"])


@needs_ghdl
def test_vhdl_is_a_block_and_says_its_signs(tmp_path: Path) -> None:
    head = "library ieee; use ieee.std_logic_1164.all; use ieee.numeric_std.all;\n"
    body = "entity m is port (a, b : in signed(7 downto 0); o : out signed(15 downto 0)); end;\narchitecture r of m is begin o <= a * b; end;\n"
    path = write(tmp_path / "m.vhdl", head + body)
    assert load_library(path)[0].is_exact
    assert load_library(path)[0].provenance["language"] == "VHDL"
    write(path, head + body.replace("o <= a * b", "o <= (others => '0')").replace("signed", "unsigned"))
    assert [f.name for f in characterize(path).reading.formats] == ["u8", "u8"]
    write(path, head + body.replace("a * b", "a * c"))
    with pytest.raises(InputError, match=r"^VHDL file '.*m\.vhdl' cannot be synthesized: '.*m\.vhdl' line 3: no declaration for \"c\"; expected "):
        characterize(path)


@needs_ghdl
def test_ghdl_would_open_a_file_and_is_not_given_the_text(tmp_path: Path) -> None:
    write(tmp_path / "secret", "10100101\n")
    text = f"""use std.textio.all;
entity m is port (a, b : in bit_vector(7 downto 0); o : out bit_vector(15 downto 0)); end m;
architecture r of m is
  impure function taken return bit_vector is
    file f : text open read_mode is "{tmp_path}/secret"; variable l : line; variable v : bit_vector(7 downto 0);
  begin readline(f, l); read(l, v); return v; end;
  constant c : bit_vector(7 downto 0) := taken;
begin
  o <= c & a;
end r;
"""
    path = write(tmp_path / "m.vhd", text)
    command = ["ghdl", "--synth", "--std=08", "--out=verilog", "m.vhd", "-e", "m"]
    said = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60).stdout
    assert "8'b10100101" in said  # what stood in the file is in the circuit
    with pytest.raises(InputError, match=r"^'.*m\.vhd' line 5: a file is declared, which no multiplier needs; "):
        characterize(path)
    write(path, text.replace("file f", "--").replace("l : line", "l : integer"))
    with pytest.raises(InputError, match=r"^'.*m\.vhd' line 1: a package of files is used, which no multiplier needs; "):
        characterize(path)


def test_without_ghdl_one_line_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "two.vhd", VHDL_TWO)
    monkeypatch.setattr(ghdl.shutil, "which", lambda _: None)
    with pytest.raises(
        ToolMissingError,
        match=r"^circuit '.*two\.vhd' is VHDL, which is read through GHDL, and GHDL is not installed: `apt install ghdl`, "
        r"or give the circuit in Verilog\.$",
    ):
        characterize(path)
