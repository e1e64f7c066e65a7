"""Multipliers that are not a circuit of their own: an unsigned circuit on signed operands, and a block known only by its table."""

from __future__ import annotations

import numpy as np

from hawx.blocks import Block
from hawx.formats import CODES
from hawx.rtl.project import Multiplier


def on_magnitudes(core: Multiplier, block: Block) -> Multiplier:
    """Return an unsigned circuit with sign handling around it: the hardware of `hawx.blocks.sign_magnitude`.

    Args:
        core: the unsigned circuit.
        block: the block it becomes, with signed weights and signed or unsigned activations.
    """
    name = f"{core.module}_signed"
    a_signed = block.formats[0].signed
    negative = "a[7] ^ w[7]" if a_signed else "w[7]"
    text = f"""module {name} (
  input [7:0] A,
  input [7:0] B,
  output [15:0] O
);
  wire [7:0] a = A, w = B;
  wire [7:0] a_size = {"a[7] ? -a : a" if a_signed else "a"};
  wire [7:0] w_size = w[7] ? -w : w;
  wire [15:0] size;
  {core.instance("core", "a_size", "w_size", "size")}
  wire negative = {negative};
  assign O = negative ? -size : size;
endmodule
"""
    return Multiplier(block=block, module=name, verilog=core.verilog + text)


def table_memory(block: Block, module: str) -> Multiplier:
    """Return a memory of all products: it simulates like the block, and is no circuit to synthesize."""
    a, w = block.formats
    by_code = np.roll(block.table, (-(CODES // 2) * a.signed, -(CODES // 2) * w.signed), axis=(0, 1)) & 0xFFFF
    text = f"""// Simulation only: block {block.name} is known by its table, not by a circuit.
module {module} (
  input [7:0] A,
  input [7:0] B,
  output [15:0] O
);
  reg [15:0] products [0:65535];
  initial $readmemh("{module}.hex", products);
  assign O = products[{{A, B}}];
endmodule
"""
    data = "\n".join(f"{value:04x}" for value in by_code.ravel()) + "\n"
    return Multiplier(block=block, module=module, verilog=text, data=data)
