"""RTL of every family, simulated over all 65,536 operand pairs by Icarus Verilog, equals the family's table."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from hawx.blocks.families import builtin_families, from_name
from hawx.rtl.multipliers import verilog

pytestmark = pytest.mark.eda

BENCH = """`timescale 1ns/1ps
module bench;
  reg [7:0] a, b; wire [15:0] o; integer i, f;
  {top} dut(.A(a), .B(b), .O(o));
  initial begin
    f = $fopen("products.hex", "w");
    for (i = 0; i < 65536; i = i + 1) begin a = i[15:8]; b = i[7:0]; #1; $fwrite(f, "%h\\n", o); end
    $fclose(f); $finish;
  end
endmodule
"""

QUICK = [
    "mul8s_exact",
    "mul8u_exact",
    "mul8s_tc6",
    "mul8s_tcc7",
    "mul8s_ot3",
    "mul8s_bam_v6h2",
    "mul8s_drum4",
    "mul8s_mitchell",
    "mul8s_roba",
    "mul8s_kulkarni",
    "mul8s_booth7",
    "mul8s_or6d8",
    "mul8s_ac7",
]
FAMILIES = [
    *(pytest.param(from_name(name), id=name) for name in QUICK),
    *(pytest.param(family, id=family.name, marks=pytest.mark.slow) for family in builtin_families() if family.name not in QUICK),
]


def simulated_table(text: str, top: str, signed: bool, folder: Path) -> np.ndarray:
    """All products, `[A, B]` in value order."""
    (folder / "dut.sv").write_text("`timescale 1ns/1ps\n" + text)
    (folder / "bench.sv").write_text(BENCH.format(top=top))
    built = subprocess.run(
        ["iverilog", "-g2012", "-Wall", "-o", "sim", "bench.sv", "dut.sv"], cwd=folder, capture_output=True, text=True, check=False
    )
    assert built.returncode == 0, built.stderr
    assert not built.stderr, f"Icarus warns: {built.stderr}"
    subprocess.run(["vvp", "-n", "sim"], cwd=folder, check=True, capture_output=True)
    words = (folder / "products.hex").read_text().split()
    assert len(words) == 65536
    table = np.array([int(word, 16) for word in words]).reshape(256, 256)
    if not signed:
        return table
    return np.roll((table + 0x8000) % 0x10000 - 0x8000, 128, axis=(0, 1))


@pytest.mark.skipif(shutil.which("iverilog") is None, reason="Icarus Verilog (iverilog) is not installed")
@pytest.mark.parametrize("family", FAMILIES)
def test_simulated_rtl_equals_the_table(family, tmp_path):
    found = simulated_table(verilog(family), family.name, family.formats[0].signed, tmp_path)
    np.testing.assert_array_equal(found, family.table())
