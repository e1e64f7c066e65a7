"""Circuits of several files: what is read, what is left out, and that nothing outside of the folder is ever opened."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hawx.circuits.pieces import tool_text
from hawx.circuits.units import needed, tops, units_of
from hawx.circuits.vhdl_requests import check_vhdl_requests
from hawx.errors import InputError
from hawx.synthesis import circuit_files
from hawx.synthesis.circuit_files import read_circuit

FULL_ADDER = "module fa (input a, b, c, output s, d);\n  assign {d, s} = a + b + c;\nendmodule\n"
TOP = "module top (input [3:0] a, b, output [7:0] o);\n  fa u (a[0], b[0], 1'b0, o[0], o[1]);\nendmodule\n"
BENCH = 'module bench;\n  reg [3:0] a, b;\n  top dut (a, b);\n  initial $dumpfile("out.vcd");\nendmodule\n'


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        path = folder / name.replace("__", ".").replace("--", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def test_units_of_verilog_and_what_they_mention() -> None:
    text = "package p;\nendpackage\n" + TOP + "// module ghost (input a); endmodule\n" + FULL_ADDER + BENCH
    units = units_of(text, "Verilog")
    assert [(unit.name, unit.kind, unit.has_ports) for unit in units] == [
        ("p", "package", False),
        ("top", "module", True),
        ("fa", "module", True),
        ("bench", "module", False),
    ]
    assert tops(units) == ["top"]
    assert needed(units, ["top"]) == {"top", "fa"}
    assert text[units[2].start : units[2].end] == FULL_ADDER.rstrip()


def test_ports_of_functions_are_no_ports_of_a_testbench() -> None:
    text = "module t;\n  function f; input x; f = x; endfunction\n  task s; output y; y = 1; endtask\nendmodule\n"
    assert not units_of(text, "Verilog")[0].has_ports


def test_units_of_vhdl_have_their_libraries_with_them() -> None:
    text = (
        "library ieee; use ieee.numeric_std.all;\nentity Half is port (a : in bit); end Half;\narchitecture x of half is begin end x;\n"
        "-- entity ghost is\nuse work.parts.all;\nlibrary ieee;\nentity Whole is port (a : in bit); end;\n"
        "architecture y of Whole is begin u : entity work.half port map (a); end y;\n"
        "entity bench is end;\narchitecture z of bench is begin u : entity work.whole port map (a); end z;\n"
    )
    units = units_of(text, "VHDL")
    assert [(unit.name, unit.kind) for unit in units] == [
        ("half", "module"),
        ("half", "part"),
        ("whole", "module"),
        ("whole", "part"),
        ("bench", "module"),
        ("bench", "part"),
    ]
    assert text[units[0].start :].startswith("library ieee; use")
    assert text[units[2].start :].startswith("use work.parts.all;\nlibrary ieee;\nentity Whole")
    assert tops(units) == ["whole"]
    assert needed(units, ["whole"]) == {"half", "whole"}


def test_files_become_one_text_that_knows_where_its_lines_stand(tmp_path: Path) -> None:
    write(tmp_path, top__v=TOP, fa__v=FULL_ADDER)
    circuit = read_circuit(tmp_path / "top.v", tmp_path / "fa.v")
    assert (circuit.stem, circuit.language, circuit.paths) == ("top", "Verilog", (str(tmp_path / "top.v"), str(tmp_path / "fa.v")))
    assert tool_text(circuit) == f'`line 1 "input1.v" 0\n{TOP}`line 1 "input2.v" 0\n{FULL_ADDER}'
    assert circuit.where("fa") == f"{str(tmp_path / 'fa.v')!r} line 1"
    assert tool_text(read_circuit(tmp_path / "top.v")) == TOP  # a single file is left as it is


def test_includes_stand_where_they_are_asked_for(tmp_path: Path) -> None:
    write(tmp_path, top__v='`include"parts/fa.v"\n// `include "ghost.v"\n' + TOP + '`include "w.vh" // x\n')
    (tmp_path / "parts").mkdir()
    write(tmp_path / "parts", fa__v='`include "deep.v"\n' + FULL_ADDER, deep__v="// deep\n")
    write(tmp_path, w__vh="`define W 8\n")
    circuit = read_circuit(tmp_path / "top.v")
    assert [(Path(piece.path).name, piece.line) for piece in circuit.pieces] == [
        ("top.v", 1),
        ("fa.v", 1),
        ("deep.v", 1),
        ("fa.v", 1),
        ("top.v", 1),
        ("w.vh", 1),
        ("top.v", 6),
    ]
    assert circuit.where("top").endswith("top.v' line 3")
    assert "`include" not in re.sub("//.*", "", circuit.text)


@pytest.mark.parametrize(
    "name",
    [
        "/etc/passwd",
        "../secret.v",
        "parts/../../secret.v",
        "secret.txt",
        "..",
        "",
        "a" * 300 + ".v",
        r"parts\\secret.v",
        "/secret.v",
        "//secret.v",
        "~/secret.v",
    ],
)
def test_an_include_leads_nowhere_else(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, secret__v="module secret (input a); endmodule\n", secret__txt="secret")
    folder = tmp_path / "own"
    folder.mkdir()
    (folder / "parts").mkdir()
    write(folder, secret__txt="secret")
    write(folder, top__v=f'\n`include "{name}"\n' + TOP)
    opened: list[str] = []
    real = circuit_files.read_bytes
    monkeypatch.setattr(circuit_files, "read_bytes", lambda path, *rest, **more: (opened.append(str(path)), real(path, *rest, **more))[1])
    with pytest.raises(InputError, match=r"^('.*top\.v' line 2: the include(d file)? |path .* cannot be used \(File name too long\))"):
        read_circuit(folder / "top.v")
    assert opened == [str(folder / "top.v")]


def test_links_and_macros_lead_nowhere_either(tmp_path: Path) -> None:
    write(tmp_path, secret__v="module secret (input a); endmodule\n")
    folder = tmp_path / "own"
    folder.mkdir()
    (folder / "link.v").symlink_to(tmp_path / "secret.v")
    (folder / "up").symlink_to(tmp_path, target_is_directory=True)
    for asked in ('"link.v"', '"up/secret.v"', "<link.v>", "`NAME"):
        write(folder, top__v=f"`include {asked}\n" + TOP)
        with pytest.raises(InputError, match=r"^'.*top\.v' line 1: the include"):
            read_circuit(folder / "top.v")
    (folder / "top.v").unlink()
    write(folder, fine__v=TOP)
    assert read_circuit(folder).paths == (str(folder / "fine.v"),)  # of the folder, the link out of it is no file


def test_includes_in_a_circle_and_without_bound_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, top__v='`include "top.v"\n' + TOP)
    with pytest.raises(InputError, match=r"^'.*top\.v' line 1: includes are nested more than 16 deep; "):
        read_circuit(tmp_path / "top.v")
    write(tmp_path, top__v='`include "a.v"\n' * 3 + TOP, a__v="//" + "a" * 400 + "\n")
    monkeypatch.setattr(circuit_files, "MAX_CIRCUIT_BYTES", 1000)
    with pytest.raises(InputError, match=r"^the files of the circuit hold more than 1000 characters; "):
        read_circuit(tmp_path / "top.v")


def test_of_a_folder_included_files_are_not_read_twice(tmp_path: Path) -> None:
    write(tmp_path, fa__v=FULL_ADDER, top__v='`include "fa.v"\n' + TOP, tb__v=BENCH)
    circuit = read_circuit(tmp_path)
    assert circuit.candidates() == ["top"]
    assert circuit.text.count("module fa") == 1
    reduced = circuit.reduced(["top"])
    assert "$dumpfile" in circuit.text
    assert "$dumpfile" not in reduced.text
    assert "module fa" in reduced.text
    assert len(reduced.text) == len(circuit.text)


def test_repeated_modules_count_once_and_different_ones_are_refused(tmp_path: Path) -> None:
    again = "// the same\n" + FULL_ADDER.replace("  assign", "\n   assign")
    write(tmp_path, top__v=TOP + FULL_ADDER, more__v=again)
    reduced = read_circuit(tmp_path / "top.v", tmp_path / "more.v").reduced(["top"])
    assert re.sub(r"//.*", "", reduced.text).count("module fa") == 1
    write(tmp_path, more__v=FULL_ADDER.replace("+ c", "- c"))
    with pytest.raises(InputError, match=r"^module 'fa' is one thing in '.*top\.v' and another in '.*more\.v'; expected one definition\. Leave out "):
        read_circuit(tmp_path / "top.v", tmp_path / "more.v").reduced(["top"])


def test_what_is_no_design_is_refused_by_name(tmp_path: Path) -> None:
    write(tmp_path, top__v=TOP, top__vhd="entity t is port (a : in bit); end;\n", note__txt="x")
    for paths, message in (
        (["top.v", "top.vhd"], r"'.*top\.v' is a circuit of VHDL and Verilog; expected files of one language; name those\."),
        (["note.txt"], r"circuit '.*note\.txt' has ending '\.txt'; expected Verilog \(\.v, \.sv\), VHDL \(\.vhd, \.vhdl\), or their folder\."),
        (["none.v"], r"circuit '.*none\.v' does not exist; did you mean '.*note\.txt'"),
    ):
        with pytest.raises(InputError, match="^" + message):
            read_circuit(*(tmp_path / path for path in paths))
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"^folder '.*empty' holds no circuit; expected Verilog"):
        read_circuit(tmp_path / "empty")
    write(tmp_path, bench__v=BENCH)
    with pytest.raises(InputError, match=r"^Verilog file '.*bench\.v' has no module with ports; expected a multiplier of two operands\.$"):
        read_circuit(tmp_path / "bench.v").candidates()


def test_a_file_in_another_encoding_is_read(tmp_path: Path) -> None:
    (tmp_path / "top.v").write_bytes(b"// Jos\xe9\n" + TOP.encode())
    assert read_circuit(tmp_path / "top.v").text == "// José\n" + TOP
    (tmp_path / "top.v").write_bytes(b"\xef\xbb\xbf" + TOP.encode())
    assert read_circuit(tmp_path / "top.v").text == TOP


def test_files_of_vhdl_come_after_what_they_mention(tmp_path: Path) -> None:
    write(
        tmp_path,
        a__vhd="use work.p.all;\nentity a is port (x : in bit); end;\narchitecture r of a is begin u : entity work.b port map (x); end;\n",
        b__vhd="entity b is port (x : in bit); end;\narchitecture r of b is begin end;\n",
        p__vhd="package p is end;\npackage body p is end;\n",
    )
    circuit = read_circuit(tmp_path)
    assert circuit.candidates() == ["a"]
    assert [Path(path).name for path in circuit.reduced(["a"]).ordered().paths][-1] == "a.vhd"


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ('file f : t open read_mode is "/etc/passwd";', "a file is declared"),
        ("FILE\nf : t;", "a file is declared"),
        ("use std.textio.all;", "a package of files is used"),
        ("use ieee.Std_Logic_TextIO.all;", "a package of files is used"),
        ('attribute foreign of f : function is "VHPIDIRECT";', "foreign code is named"),
        ("`protect begin", "a directive to the tool is given"),
        ("signal \\a\\ : bit;", "a name is written between backslashes"),
        ("x <= %--%; ", "a string is written between percent signs"),
        ("constant c : character := character'('\"'); file f : t; --'\"'", "a quote or backslash is written as a character"),
        ("library secrets; use secrets.all;", "the library 'secrets' is not known"),
        ("library ieee, unisim;", "the library 'unisim' is not known"),
        ('x <= "--"; file f : t;', "a file is declared"),
        ('x <= """--"; file f : t;', "a file is declared"),
        ("/* -- */ file f : t;", "a file is declared"),
        ("-- /*\nfile f : t;\n-- */", "a file is declared"),
    ],
)
def test_vhdl_that_could_open_a_file_reaches_no_tool(text: str, what: str) -> None:
    with pytest.raises(InputError, match=rf"^'m\.vhd' line \d: {re.escape(what)}"):
        check_vhdl_requests("m.vhd", "entity m is end;\n" + text)


def test_vhdl_may_speak_of_files() -> None:
    check_vhdl_requests(
        "m.vhd", "-- File : m.vhd, with textio and `macros`\nlibrary ieee; use ieee.numeric_std.all; use work.p.all;\nx <= \"file\" & '-' & '0';"
    )
