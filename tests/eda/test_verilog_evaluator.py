"""Our Verilog evaluator against Icarus Verilog: random vector expressions, all operand pairs, standard widths and extension."""

from __future__ import annotations

import random
import shutil

import numpy as np
import pytest
from test_multiplier_rtl import simulated_table

from hawx.circuits.verilog import evaluate_verilog
from hawx.circuits.verilog_syntax import parse_verilog

pytestmark = pytest.mark.eda


def expression(rng: random.Random, depth: int) -> str:
    if depth == 0:
        low = rng.randrange(8)
        high = rng.randrange(low, 8)
        width = rng.randint(1, 9)
        leaves = ["A", "B", f"A[{high}:{low}]", f"B[{low}]", "w", "w[5:2]", f"{width}'d{rng.randrange(1 << width)}", "4'b1010", "8'hC3"]
        return rng.choice(leaves)
    one, two, three = (expression(rng, depth - 1) for _ in range(3))
    forms = [
        f"({one} & {two})",
        f"({one} | {two})",
        f"({one} ^ {two})",
        f"({one} ~^ {two})",
        f"({one} + {two})",
        f"~{one}" if one[0] not in "~&|^" else f"~({one})",
        f"({one} ? {two} : {three})",
        f"{{{one}, {two}}}",
        f"{{2{{{one}}}}}",
        f"(^{one})" if one[0] not in "~&|^" else f"(|({one}))",
        f"{one} & {two} | {three}",
        f"(!{one})" if one[0] not in "~&|^!" else f"(!({one}))",
    ]
    return rng.choice(forms)


@pytest.mark.skipif(shutil.which("iverilog") is None, reason="Icarus Verilog (iverilog) is not installed")
@pytest.mark.parametrize("seed", range(12))
def test_random_expressions(seed, tmp_path):
    rng = random.Random(seed)
    lines = [
        "module dut (input [7:0] A, input [7:0] B, output [15:0] O);",
        f"wire [9:0] w; assign w = {expression(rng, 2).replace('w', 'A')};",
        f"assign O[15:4] = {expression(rng, 3)};",
        f"assign O[3:0] = {expression(rng, 3)};",
        "endmodule",
    ]
    text = "\n".join(lines) + "\n"
    _, raw = evaluate_verilog("dut.v", parse_verilog("dut.v", text), "dut")
    found = simulated_table(text, "dut", False, tmp_path)
    np.testing.assert_array_equal(raw, found, err_msg=text)
