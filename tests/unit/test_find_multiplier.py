"""The circuit of a block: its family's Verilog, the file it came from, or a memory of its table; never another circuit."""

from __future__ import annotations

import re

import numpy as np
import pytest

from hawx.blocks import Block
from hawx.blocks.families import builtin_library, from_name
from hawx.errors import InputError
from hawx.importers import Library
from hawx.importers.multiplier import find_multiplier, from_file
from hawx.rtl.multipliers import verilog

HELPED = """module half (input a, input b, output s); assign s = a ^ b; endmodule
module helped (input [7:0] A, input [7:0] B, output [15:0] O);
  wire t; half h (.a(A[0]), .b(B[1]), .s(t));
  assign O = {A, B[7:1], t};
endmodule
"""


def load(path):
    return next(block for block in Library.load(str(path)) if block.name == path.stem)


def test_built_in_blocks_come_with_their_family():
    block = builtin_library()["mul8s_drum4"]
    found = find_multiplier(block)
    assert found.verilog == verilog(from_name("mul8s_drum4"))
    assert not found.is_table


def test_a_built_in_name_on_another_table_is_not_the_family():
    fake = Block.from_table(builtin_library().exact.table + 1, name="mul8s_drum4")
    assert find_multiplier(fake).is_table


def test_a_product_port_of_other_than_sixteen_bits_becomes_a_memory(tmp_path):
    path = tmp_path / "mul8u_short.v"
    path.write_text("module mul8u_short (input [7:0] A, input [7:0] B, output [14:0] O);\n  assign O = {A & B, B[7:1]};\nendmodule\n")
    block = load(path)
    assert (block.table[6, 4], block.table[6, 5]) == (4 * 256 + 4, 4 * 256 + 4)  # the lowest bit is the one that is missing
    assert find_multiplier(block, [tmp_path]).is_table


def test_an_imported_block_is_found_by_file_and_content(tmp_path):
    path = tmp_path / "sub" / "mine.v"
    path.parent.mkdir()
    path.write_text(verilog(from_name("mul8s_ot2")).replace("mul8s_ot2", "mine"))
    block = load(path)
    found = find_multiplier(block, [tmp_path])
    assert (found.module, found.ports) == ("mine", ("A", "B", "O"))
    path.write_text(path.read_text() + "\n// edited\n")
    assert find_multiplier(block, [tmp_path]).is_table  # not the file it was imported from any more
    assert find_multiplier(block, []).is_table


def test_helper_modules_get_the_name_of_their_circuit(tmp_path):
    path = tmp_path / "helped.v"
    path.write_text(HELPED)
    found = from_file(load(path), path)
    assert re.findall(r"module (\w+)", found.verilog) == ["helped_half", "helped"]
    assert "helped_half h (" in found.verilog


def test_swapped_operands_swap_the_ports(tmp_path):
    path = tmp_path / "helped.v"
    path.write_text(HELPED)
    block = load(path)
    swapped = Block.from_table(block.table.T, name="helped", formats=block.formats)
    assert from_file(swapped, path).ports == ("B", "A", "O")


def test_magnitudes_get_sign_handling(tmp_path):
    path = tmp_path / "mul8u_mine.v"
    path.write_text(verilog(from_name("mul8u_exact")).replace("mul8u_exact", "mul8u_mine"))
    (block,) = (b for b in Library.load(f"{path}#magnitude") if b.name.startswith("mul8u_mine"))
    assert block.formats[0].signed
    found = find_multiplier(block, [f"{path}#magnitude"])
    assert found.module == "mul8u_mine_signed"
    assert found.is_signed


def test_another_circuit_is_refused(tmp_path):
    path = tmp_path / "helped.v"
    path.write_text(HELPED)
    other = Block.from_table(np.arange(65536).reshape(256, 256) % 1000, name="other", formats=("u8", "u8"))
    message = f"Verilog file {str(path)!r} does not compute the table of block 'other'; expected the file the block was imported from."
    with pytest.raises(InputError, match="^" + re.escape(message) + "$"):
        from_file(other, path)
