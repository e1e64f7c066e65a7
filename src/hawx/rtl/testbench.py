"""Self-checking testbench: drives one stimulus word per cycle, compares accumulators after chosen clock edges, says PASS or FAIL."""

from __future__ import annotations

from hawx.rtl.project import Stimulus


def testbench(top: str, stimulus: Stimulus, accumulators: int, bits: int) -> dict[str, str]:
    """Return file name -> text of the testbench and its vectors.

    Args:
        top: module under test, with ports `clk`, those of `stimulus.widths` and `acc`.
        stimulus: inputs per cycle and expected accumulators.
        accumulators: how many accumulators `acc` holds, the first one lowest.
        bits: width of each.
    """
    width = 1 + sum(stimulus.widths.values())  # the lowest bit says: compare after this edge
    connections = [f".{port}(word[{low + size}:{low + 1}])" for port, low, size in stimulus.places]
    checks = len(stimulus.checks)
    text = f"""// Self-checking testbench of {top}: {checks} comparisons of {accumulators} accumulators in {stimulus.cycles} cycles.
`timescale 1ns/1ps
module testbench;
  localparam CYCLES = {stimulus.cycles}, CHECKS = {checks}, BITS = {accumulators * bits};
  reg [{width - 1}:0] stimulus [0:CYCLES-1];
  reg [BITS-1:0] matters [0:CHECKS-1];
  reg [BITS-1:0] expected [0:CHECKS-1];
  reg clk;
  reg [{width - 1}:0] word;
  reg [BITS-1:0] want;
  reg [BITS-1:0] mask;
  wire [BITS-1:0] acc;
  integer cycle, check, failures;

  {top} dut (.clk(clk), {", ".join(connections)}, .acc(acc));

  initial begin
    $readmemh("stimulus.hex", stimulus);
    $readmemh("matters.hex", matters);
    $readmemh("expected.hex", expected);
    clk = 0; word = 0; cycle = 0; check = 0; failures = 0;
  end

  always #5 clk = ~clk;

  always @(negedge clk) begin
    if (word[0]) begin
      want = expected[check];
      mask = matters[check];
      if (((acc ^ want) & mask) !== 0) begin
        failures = failures + 1;
        if (failures <= 10) $display("MISMATCH cycle %0d: %h, expected %h where %h", cycle - 1, acc, want, mask);
      end
      check = check + 1;
    end
    if (cycle < CYCLES) begin
      word <= stimulus[cycle];
      cycle = cycle + 1;
    end else begin
      if (failures == 0 && check == CHECKS) $display("PASS %0d comparisons", check);
      else $display("FAIL %0d of %0d comparisons", failures, check);
      $finish;
    end
  end
endmodule
"""
    compared = {cycle for cycle, _ in stimulus.checks}
    words = [f"{int(cycle in compared) | stimulus.word(cycle) << 1:0{(width + 3) // 4}x}" for cycle in range(stimulus.cycles)]
    return {
        "testbench.sv": text,
        "stimulus.hex": "\n".join(words) + "\n",
        "matters.hex": "".join(f"{mask:x}\n" for mask in stimulus.masks(bits)),
        "expected.hex": "".join(f"{sums:x}\n" for sums in stimulus.sums(bits)),
    }
