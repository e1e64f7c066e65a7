"""Self-checking testbench of a module between two AXI-Streams: words in, results compared, clock cycles counted.

`+stall_in=P` and `+stall_out=P` have source and sink wait in P of 100 cycles, at random; `+seed=N` draws other cycles.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """What a module is fed and what it must answer."""

    top: str
    in_bits: int
    words: Sequence[int]
    ends: Sequence[bool] | None = None
    """Which words carry `s_axis_tlast`; None where the module has no such port."""
    out_bits: int
    results: Sequence[int]
    matters: Sequence[int] | None = None
    """Bits of each result that are compared; None: all."""
    group: int = 1
    """Results of one image: the last one carries `m_axis_tlast` where `has_last`."""
    has_last: bool = False
    limit: int
    """Clock cycles after which the testbench gives up, where nobody waits."""


def stream_testbench(stream: Stream) -> dict[str, str]:
    """Return file name -> text of the testbench and its vectors."""
    width = stream.in_bits + (stream.ends is not None)
    words = [word | (int(end) << stream.in_bits) for word, end in zip(stream.words, stream.ends or [False] * len(stream.words), strict=True)]
    matters = stream.matters or [(1 << stream.out_bits) - 1] * len(stream.results)
    return {
        "testbench.sv": _text(stream, width),
        "words.hex": "".join(f"{word:x}\n" for word in words),
        "expected.hex": "".join(f"{result:x}\n" for result in stream.results),
        "matters.hex": "".join(f"{mask:x}\n" for mask in matters),
    }


def images_equal(log: str) -> int:
    """Return for how many images a testbench's log says that all results are as expected."""
    found = re.search(r"^IMAGES (\d+) equal$", log, re.MULTILINE)
    return int(found[1]) if found else 0


def cycles_seen(log: str) -> dict[str, int]:
    """Return the clock cycles that a testbench's log speaks of.

    `first_image_cycles`: from the first word to the last result of the first image. `least_interval_cycles`, `most_interval_cycles`: from the last
    result of an image to that of the next, among the second half of the images; 0 where there are fewer than four.
    """
    found = re.search(r"^CYCLES (\d+) first, (\d+) to (\d+) later$", log, re.MULTILINE)
    values = found.groups() if found else ("0", "0", "0")
    return dict(zip(("first_image_cycles", "least_interval_cycles", "most_interval_cycles"), map(int, values), strict=True))


def _text(stream: Stream, width: int) -> str:
    group = stream.group
    ports = "" if stream.ends is None else f", .s_axis_tlast(word[{width - 1}])"
    ports += ", .m_axis_tlast(m_last)" if stream.has_last else ""
    last = f" && m_last === ((received + 1) % {group} == 0)" if stream.has_last else ""
    return f"""// Self-checking testbench of {stream.top}: {len(stream.results)} results of {len(stream.words)} words.
// +stall_in=P, +stall_out=P: source or sink waits in P of 100 cycles. +seed=N: in others.
`timescale 1ns/1ps
module testbench;
  localparam WORDS = {len(stream.words)}, RESULTS = {len(stream.results)}, IMAGES = {len(stream.results) // group}, LIMIT = {stream.limit};
  reg [{width - 1}:0] words [0:WORDS-1];
  reg [{stream.out_bits - 1}:0] expected [0:RESULTS-1];
  reg [{stream.out_bits - 1}:0] matters [0:RESULTS-1];
  reg aclk, aresetn, s_valid, m_ready, s_taken, differs;
  wire s_ready, m_valid{", m_last" if stream.has_last else ""};
  wire [{stream.out_bits - 1}:0] m_data;
  wire [{width - 1}:0] word = words[sent < WORDS ? sent : 0];
  reg [31:0] random;
  integer stall_in, stall_out, seed, cycle, sent, received, wrong, image, begun, finished, latency, shortest, longest, equal;
  wire right = ((m_data ^ expected[received]) & matters[received]) === 0{last};

  {stream.top} dut (.aclk(aclk), .aresetn(aresetn), .s_axis_tvalid(s_valid), .s_axis_tready(s_ready), .s_axis_tdata(word[{stream.in_bits - 1}:0]),
    .m_axis_tvalid(m_valid), .m_axis_tready(m_ready), .m_axis_tdata(m_data){ports});

  initial begin
    $readmemh("words.hex", words);
    $readmemh("expected.hex", expected);
    $readmemh("matters.hex", matters);
    if (!$value$plusargs("stall_in=%d", stall_in)) stall_in = 0;
    if (!$value$plusargs("stall_out=%d", stall_out)) stall_out = 0;
    if (!$value$plusargs("seed=%d", seed)) seed = 1;
    random = seed ^ 32'h9e3779b9;
    aclk = 0; aresetn = 0; s_valid = 0; m_ready = 0; s_taken = 0; differs = 0;
    cycle = 0; sent = 0; received = 0; wrong = 0; equal = 0; image = 0;
    begun = -1; finished = -1; latency = 0; shortest = 0; longest = 0;
  end

  always #5 aclk = ~aclk;

  always @(posedge aclk) begin
    cycle <= cycle + 1;
    s_taken <= s_valid && s_ready;
    if (s_valid && s_ready) begin
      if (begun < 0) begun <= cycle;
      sent <= sent + 1;
    end
    if (m_valid && m_ready) begin
      received <= received + 1;
      differs <= !right || differs;
      if (!right) begin
        wrong <= wrong + 1;
        if (wrong < 10) $display("MISMATCH image %0d, result %0d: %h, expected %h", image, received % {group}, m_data, expected[received]);
      end
      if ((received + 1) % {group} == 0) begin
        image <= image + 1;
        equal <= equal + (right && !differs);
        differs <= 0;
        finished <= cycle;
        if (image == 0) latency <= cycle - begun + 1;
        if (image > IMAGES / 2) begin
          if (shortest == 0 || cycle - finished < shortest) shortest <= cycle - finished;
          if (cycle - finished > longest) longest <= cycle - finished;
        end
      end
    end
  end

  always @(negedge aclk) begin
    aresetn <= cycle >= 4;
    random = random ^ (random << 13);
    random = random ^ (random >> 17);
    random = random ^ (random << 5);
    if (cycle >= 8 && !(s_valid && !s_taken)) s_valid <= sent < WORDS && (random[15:0] % 100) >= stall_in;
    m_ready <= cycle >= 8 && (random[31:16] % 100) >= stall_out;
    if (received == RESULTS || cycle > LIMIT * 100 / (100 - (stall_in > stall_out ? stall_in : stall_out))) begin
      $display("IMAGES %0d equal", equal);
      $display("CYCLES %0d first, %0d to %0d later", latency, shortest, longest);
      if (wrong == 0 && received == RESULTS) $display("PASS %0d comparisons", received);
      else $display("FAIL %0d of %0d comparisons", wrong + RESULTS - received, RESULTS);
      $finish;
    end
  end
endmodule
"""
