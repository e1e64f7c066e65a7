"""SystemVerilog of the requantization law (`hawx.networks.requantize`): float32 products, rounded to nearest even, in integer logic.

    y    = float32(acc) · scale[o]
    code = clip(rint(y · float32(1 / s)) + zero_point)

No integer multiplier with a shift gives these codes for every accumulator (for one filter in twenty of LeNet-5 there is none of any
width), so the two float32 products are made as they are defined: 24-bit significands are multiplied, shifted and rounded.
"""

from __future__ import annotations

import numpy as np

from hawx.errors import InputError
from hawx.rtl.dataflow.chain import Requantization
from hawx.rtl.text import number, vector, width_of

SCALE_CYCLES = 5
"""Clock edges from an accumulator to its real value."""
QUANTIZE_CYCLES = 4
"""Clock edges from a real value to its code."""
SIGNIFICAND, EXPONENT = 24, 8

ROUND_MODULE = """// A product of significands rounded to 24 bits, nearest even, without the leading 1; `up` counts the powers of two above 2^46.
module round_product (
  input [47:0] product,
  output [22:0] fraction,
  output [1:0] up
);
  wire [46:0] high = product[47] ? product[46:0] : {product[45:0], 1'b0};
  wire round = high[23] & (high[24] | (high[22:0] != 23'h0));
  wire [23:0] rounded = {1'b0, high[46:24]} + {23'h0, round};
  assign fraction = rounded[22:0];  // 0 where it rounds up to the next power of two
  assign up = {1'b0, product[47]} + {1'b0, rounded[23]};
endmodule
"""


def float_parts(value: float, what: str) -> tuple[int, int]:
    """Return (24-bit significand, 8-bit exponent) of a positive float32.

    Raises:
        InputError: it is not a positive normal number; `what` names it.
    """
    bits = int(np.float32(value).view(np.uint32))
    exponent = bits >> 23
    if not 0 < exponent < 255:
        raise InputError(f"{what} is {value!r}; expected a positive normal float32 number. Calibrate the network on images of its kind.")
    return (bits & 0x7FFFFF) | 0x800000, exponent


def scale_module(name: str, acc_bits: int, bias_bits: int) -> str:
    """Return the module `name`: `value` = float32(acc + bias) · scale, five clock edges later."""
    n = max(acc_bits, bias_bits) + 1
    top = width_of(n)
    total = f"{{{{{n - acc_bits}{{acc[{acc_bits - 1}]}}}}, acc}} + {{{{{n - bias_bits}{{bias[{bias_bits - 1}]}}}}, bias}}"
    if n > SIGNIFICAND:
        low = n - SIGNIFICAND
        sticky = f"normal[{low}] | (normal[{low - 2}:0] != {number(0, low - 1)})" if low > 1 else "normal[1]"
        rounding = f"""  wire round = normal[{low - 1}] & ({sticky});
  wire [24:0] rounded = {{1'b0, normal[{n - 1}:{low}]}} + {{24'h0, round}};
  wire carry = rounded[24];
  wire [23:0] exact = carry ? 24'h800000 : rounded[23:0];"""
    else:
        padded = f"{{normal, {SIGNIFICAND - n}'h0}}" if n < SIGNIFICAND else "normal"
        rounding = f"  wire carry = 1'b0;\n  wire [23:0] exact = {padded};"
    return f"""// float32(acc + bias) times a float32 scale, rounded as IEEE 754 says; an accumulator has {acc_bits} bits.
module {name} (
  input clk,
  input {vector(acc_bits)} acc,
  input {vector(bias_bits)} bias,
  input [23:0] significand,
  input [7:0] exponent,
  output reg [31:0] value
);
  reg {vector(n)} total, size;
  reg sign_2, sign_3, sign_4;
  reg [23:0] factor_1, factor_2, factor_3, mantissa;
  reg [7:0] exponent_1, exponent_2, exponent_3, exponent_4;
  reg [47:0] product;
  reg zero_3, zero_4;
  reg {vector(top)} leading;
  integer i;
  always @* begin
    leading = {number(0, top)};
    for (i = 0; i < {n}; i = i + 1) if (size[i]) leading = i[{top - 1}:0];
  end
  wire {vector(n)} normal = size << ({number(n - 1, top)} - leading);
{rounding}
  wire [22:0] fraction;
  wire [1:0] up;
  round_product round_product_0 (.product(product), .fraction(fraction), .up(up));
  always @(posedge clk) begin
    total <= {total};
    factor_1 <= significand;
    exponent_1 <= exponent;
    size <= total[{n - 1}] ? -total : total;
    sign_2 <= total[{n - 1}];
    factor_2 <= factor_1;
    exponent_2 <= exponent_1;
    mantissa <= exact;
    zero_3 <= size == {number(0, n)};
    sign_3 <= sign_2;
    factor_3 <= factor_2;
    exponent_3 <= exponent_2 + {{{8 - top}'h0, leading}} + {{7'h0, carry}};
    product <= {{24'h0, mantissa}} * {{24'h0, factor_3}};
    zero_4 <= zero_3;
    sign_4 <= sign_3;
    exponent_4 <= exponent_3;
    value <= zero_4 ? 32'h0 : {{sign_4, exponent_4 + {{6'h0, up}}, fraction}};
  end
endmodule
"""


def quantize_module(name: str, law: Requantization) -> str:
    """Return the module `name`: the code of a float32 value by `law`, four clock edges later."""
    significand, exponent = float_parts(law.inverse, f"the inverse scale of {name!r}")
    # value · inverse = ±significand · 2^(power - 23) with power = exponent - offset + up; 10 bits hold it in two's complement
    offset = 254 - exponent
    return f"""// clip(rint(value * {law.inverse!r}) + {law.zero_point}, {law.low}, {law.high}), value and product in float32.
module {name} (
  input clk,
  input [31:0] value,
  output reg [7:0] code
);
  reg [47:0] product;
  reg sign_1, sign_2, sign_3;
  reg zero_1, zero_2;
  reg [7:0] exponent_1;
  reg [23:0] mantissa;
  reg signed [10:0] power;
  reg [33:0] fixed;  // 10 bits before the point, 24 after it
  reg beyond;
  wire [22:0] fraction;
  wire [1:0] up;
  round_product round_product_0 (.product(product), .fraction(fraction), .up(up));
  wire signed [10:0] shift = power + 11'sd1;
  wire round = fixed[23] & (fixed[24] | (fixed[22:0] != 23'h0));
  wire [11:0] whole = {{2'h0, fixed[33:24]}} + {{11'h0, round}};
  wire signed [11:0] moved = (sign_3 ? -whole : whole) + {number(law.zero_point, 12)};
  always @(posedge clk) begin
    product <= {{25'h1, value[22:0]}} * {number(significand, 48)};
    sign_1 <= value[31];
    zero_1 <= value[30:23] == 8'h0;
    exponent_1 <= value[30:23];
    mantissa <= {{1'b1, fraction}};
    power <= {{3'h0, exponent_1}} + {{9'h0, up}} - {number(offset, 11)};
    sign_2 <= sign_1;
    zero_2 <= zero_1;
    beyond <= ~zero_2 & (shift > 11'sd9);
    fixed <= (zero_2 | (shift < 11'sd0)) ? 34'h0 : {{10'h0, mantissa}} << shift[3:0];
    sign_3 <= sign_2;
    if (beyond) code <= sign_3 ? {number(law.low, 8)} : {number(law.high, 8)};
    else if (moved < {_signed(law.low)}) code <= {number(law.low, 8)};
    else if (moved > {_signed(law.high)}) code <= {number(law.high, 8)};
    else code <= moved[7:0];
  end
endmodule
"""


def _signed(value: int) -> str:
    return f"12'sh{value & 0xFFF:x}"
