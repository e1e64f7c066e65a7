"""AXI-Streams around lanes and arrays, and the FIFO behind everything that cannot wait: room in it is reserved before work begins."""

from __future__ import annotations

from dataclasses import replace

from hawx.rtl.project import RtlProject
from hawx.rtl.stream_bench import Stream, stream_testbench
from hawx.rtl.text import delayed, number, vector, width_of

RESULTS = 8
"""Places for results behind lanes or an array."""


def fifo_module(name: str, bits: int, depth: int, words: int) -> str:
    """Return the module `name`: a FIFO of `depth` words (a power of two) without a full signal.

    `room` says that `words` of its places are neither taken nor promised; `reserve` promises them, and words that are put later find them free.
    """
    at, count = width_of(depth), depth.bit_length()
    return f"""// {depth} words of {bits} bits; room is given away {words} words at a time.
module {name} (
  input clk,
  input rst,
  output room,
  input reserve,
  input in_valid,
  input {vector(bits)} in_data,
  output reg out_valid,
  input out_ready,
  output reg {vector(bits)} out_data
);
  reg {vector(bits)} words [0:{depth - 1}];
  reg {vector(at)} put, taken;
  reg {vector(count)} free;
  wire waiting = put != taken;
  wire take = waiting & (~out_valid | out_ready);
  assign room = free >= {number(words, count)};
  always @(posedge clk) begin
    if (in_valid) words[put] <= in_data;
    if (take) out_data <= words[taken];
    if (rst) begin
      put <= {number(0, at)};
      taken <= {number(0, at)};
      free <= {number(depth - 1, count)};
      out_valid <= 1'b0;
    end else begin
      if (in_valid) put <= put + {number(1, at)};
      if (take) taken <= taken + {number(1, at)};
      out_valid <= take | (out_valid & ~out_ready);
      free <= free - (reserve ? {number(words, count)} : {number(0, count)}) + (take ? {number(1, count)} : {number(0, count)});
    end
  end
endmodule
"""


def stream_project(project: RtlProject) -> RtlProject:
    """Return lanes or an array between two AXI-Streams, with a testbench that feeds the same operands and compares the same sums.

    Operands come as bursts: the words of one cycle each that make one set of sums, `tlast` with the last one. A burst is held until it is whole
    and there is room for its sums, then played without a gap, since sums take in whatever stands before them.
    """
    stimulus = project.stimulus
    ends = {cycle - project.latency + 1 for cycle, _ in stimulus.checks}
    last = max(ends)
    width = sum(stimulus.widths.values())
    lengths, length = [], 0
    for cycle in range(last + 1):
        length += 1
        if cycle in ends:
            lengths.append(length)
            length = 0
    depth = 1 << (2 * max(lengths)).bit_length()
    bits = project.accumulator_bits
    accumulators = len(stimulus.checks[0][1])
    name = f"{project.top}_stream"
    stream = Stream(
        top=name,
        in_bits=width,
        words=[stimulus.word(cycle) for cycle in range(last + 1)],
        ends=[cycle in ends for cycle in range(last + 1)],
        out_bits=bits * accumulators,
        results=stimulus.sums(bits),
        matters=stimulus.masks(bits),
        limit=8 * (last + 1) + 1000,
    )
    memories = {file: text for file, text in project.bench.items() if file not in ("testbench.sv", "stimulus.hex", "matters.hex", "expected.hex")}
    sources = {
        **project.sources,
        f"{name}.sv": _wrapper(project, name, width, depth, bits * accumulators),
        f"{name}_fifo.sv": fifo_module(f"{name}_fifo", bits * accumulators, RESULTS, 1),
    }
    return replace(project, top=name, sources=sources, bench=stream_testbench(stream) | memories)


def _wrapper(project: RtlProject, name: str, width: int, depth: int, out_bits: int) -> str:
    at, places = width_of(depth), project.stimulus.places
    pins = ", ".join(f".{port}(now[{low + size - 1}:{low}])" if size > 1 else f".{port}(now[{low}])" for port, low, size in places)
    layout = ", ".join(f"{port} at [{low + size - 1}:{low}]" for port, low, size in places)
    return f"""// {project.top} between two AXI-Streams.
// s_axis_tdata: {layout}. s_axis_tlast ends a burst, of at most {depth - 1} words; bursts are played whole, without a gap.
// m_axis_tdata: {out_bits // project.accumulator_bits} sums of {project.accumulator_bits} bits, one word a burst, the first sum lowest.
module {name} (
  input aclk,
  input aresetn,
  input s_axis_tvalid,
  output s_axis_tready,
  input {vector(width)} s_axis_tdata,
  input s_axis_tlast,
  output m_axis_tvalid,
  input m_axis_tready,
  output {vector(out_bits)} m_axis_tdata
);
  wire clk = aclk;
  reg rst;
  always @(posedge aclk) rst <= ~aresetn;
  reg {vector(width)} words [0:{depth - 1}];
  reg {vector(depth)} ends;
  reg {vector(at)} put, taken, bursts;
  reg {vector(width)} word;
  reg playing, word_valid, word_last;
  wire room;
  wire {vector(at)} held = put - taken;
  assign s_axis_tready = ~rst & (held != {number(depth - 1, at)});
  wire write = s_axis_tvalid & s_axis_tready;
  wire go = playing | ((bursts != {number(0, at)}) & room);
  wire ending = go & ends[taken];
  always @(posedge clk) begin
    if (write) words[put] <= s_axis_tdata;
    if (write) ends[put] <= s_axis_tlast;
    word <= words[taken];
    if (rst) begin
      put <= {number(0, at)};
      taken <= {number(0, at)};
      bursts <= {number(0, at)};
      playing <= 1'b0;
      word_valid <= 1'b0;
      word_last <= 1'b0;
    end else begin
      if (write) put <= put + {number(1, at)};
      if (go) taken <= taken + {number(1, at)};
      bursts <= bursts + {{{at - 1}'h0, write & s_axis_tlast}} - {{{at - 1}'h0, ending}};
      playing <= go & ~ending;
      word_valid <= go;
      word_last <= ending;
    end
  end
  wire {vector(width)} now = word_valid ? word : {number(0, width)};
  wire {vector(out_bits)} sums;
  {project.top} {project.top}_0 (.clk(clk), {pins}, .acc(sums));
{chr(10).join(delayed("sums_valid", "word_last", project.latency))}
  {name}_fifo fifo (.clk(clk), .rst(rst), .room(room), .reserve(go & ~playing), .in_valid(sums_valid), .in_data(sums),
    .out_valid(m_axis_tvalid), .out_ready(m_axis_tready), .out_data(m_axis_tdata));
endmodule
"""
