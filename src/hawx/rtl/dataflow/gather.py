"""SystemVerilog of what puts results back in order: those of a pixel come from lanes and turns, its channels go out one after the other."""

from __future__ import annotations

from hawx.rtl.dataflow.schedule import Gather
from hawx.rtl.text import bus, counters, number, vector, width_of


def gather_module(name: str, gather: Gather, width: int) -> str:
    """Return the module `name`: takes the results of a pixel as they come, gives its channels in order, `width` at once.

    Results come in `beats` words; a channel's own place is fixed. Words go out one after the other, at most one a clock cycle, at once.
    Where one word is all there is on either side, there is nothing to clock and no `clk` and `rst`.
    """
    bits, channels = gather.bits, len(gather.sources)
    words = channels // width
    lines = [
        f"// {channels} channels of {bits} bits from {gather.beats} words of {gather.places} results, {width} at once.",
        f"module {name} (",
        *([] if gather.beats == words == 1 else ["  input clk,\n  input rst,"]),
        f"  input in_valid,\n  input {vector(bits * gather.places)} in_data,",
        f"  output out_valid,\n  output {vector(bits * width)} out_data",
        ");",
        *counters([("beat", gather.beats)], "in_valid"),
        f"  wire complete = in_valid{' & beat_last' if gather.beats > 1 else ''};",
    ]
    values = []
    for channel, (beat, place) in enumerate(gather.sources):
        source = f"in_data[{bits * (place + 1) - 1}:{bits * place}]" if gather.places > 1 else "in_data"
        if beat == gather.beats - 1:
            values.append(source)
            continue
        lines += [
            f"  reg {vector(bits)} channel_{channel};",
            f"  always @(posedge clk) if (in_valid & (beat == {number(beat, width_of(gather.beats))})) channel_{channel} <= {source};",
        ]
        values.append(f"channel_{channel}")
    if words == 1:
        return "\n".join([*lines, "  assign out_valid = complete;", f"  assign out_data = {bus(values)};", "endmodule"]) + "\n"
    left, total, word = (words).bit_length(), bits * channels, bits * width
    lines += [
        f"  reg {vector(total)} pixel;",
        f"  reg {vector(left)} left;  // words still to go",
        f"  assign out_valid = left != {number(0, left)};",
        f"  assign out_data = pixel{vector(word)};",
        "  always @(posedge clk) begin",
        f"    if (complete) pixel <= {bus(values)};",
        f"    else pixel <= {{{word}'h0, pixel[{total - 1}:{word}]}};",
        f"    if (rst) left <= {number(0, left)};",
        f"    else if (complete) left <= {number(words, left)};",
        f"    else if (out_valid) left <= left - {number(1, left)};",
        "  end",
        "endmodule",
    ]
    return "\n".join(lines) + "\n"
