"""SystemVerilog of a stage's reader: a circular buffer of the last rows, and the counters that walk each window through it.

The buffer holds words of the input as they come, image after image. Windows are read at any place, one copy of the buffer for each kernel
position that is read at once; positions outside the image give the code of padding. A row is given up when the next one begins.
"""

from __future__ import annotations

from itertools import pairwise

from hawx.rtl.dataflow.schedule import Reader
from hawx.rtl.text import ONE, bus, counters, number, vector, width_of


def window_module(name: str, reader: Reader) -> str:
    """Return the module `name`.

    `in_*` is a stream of words. While `room` says so, bursts begin, each announced by `reserve`. One clock edge after a step, `codes` holds its
    operands, `first` and `last` say whether it begins or ends a turn, and in a pool `step` that there was one. In a layer `phase` counts the steps
    of a burst, one edge earlier.
    """
    w = reader.windows
    bits = width_of(reader.depth)
    rows, columns = w.output
    word_bits, codes = 8 * reader.width, 8 * reader.channels * reader.positions
    level_bits = (w.input[1] * reader.row_words + reader.depth).bit_length()
    reduced = [(loop, count) for loop, count in reader.loops if count > 1 and loop in reader.reduced]
    starts = [f"{loop} == {number(0, width_of(count))}" for loop, count in reduced] or [ONE]
    ends = [f"{loop}_last" for loop, _ in reduced]
    phase_bits = width_of(reader.burst)
    phased = reader.over_channels and reader.burst > 1
    lines = [
        f"// Windows of {w.kernel[0]}x{w.kernel[1]} positions in {w.input[0]} channels of {w.input[1]}x{w.input[2]}, "
        f"{reader.steps} steps of {reader.channels * reader.positions} codes, {reader.turns} turns.",
        f"module {name} (",
        "  input clk,\n  input rst,",
        f"  input in_valid,\n  output in_ready,\n  input {vector(word_bits)} in_data,",
        "  input room,\n  output reserve,",
        f"  output {vector(phase_bits)} phase," if phased else "",
        "" if reader.over_channels else "  output reg step,",
        "  output reg first," if reader.steps > 1 or reader.over_channels else "",
        f"  output reg last,\n  output {vector(codes)} codes",
        ");",
        f"  reg {vector(bits)} written;  // where the next word goes",
        f"  reg {vector(level_bits)} level;  // words of the image that windows are read from",
        f"  reg {vector(bits)} oldest;  // the first word that is still read",
        f"  reg {vector(bits)} row_origin;  // where the row's first window begins",
        f"  reg {vector(bits)} origin;  // where the window begins",
        f"  wire {vector(bits)} held = written - oldest;",
        f"  assign in_ready = held != {number(reader.depth - 1, bits)};",
        "  wire write = in_valid & in_ready;",
    ]
    lines += ["  wire ready, go;"]
    if reader.burst > 1:
        lines += [
            *counters([("count", reader.burst)], "go"),
            f"  wire begins = count == {number(0, phase_bits)};",
            "  assign go = ~begins | (ready & room);",
            "  assign reserve = begins & ready & room;",
            "  assign phase = count;" if phased else "",
            "  wire pixel_end = go & count_last;",
        ]
    else:
        lines += ["  assign go = ready & room;", "  assign reserve = go;", "  wire pixel_end = go;"]
    lines += counters(reader.loops, "go")
    lines += counters([("column", columns), ("row", rows)], "pixel_end")
    lines += _progress(reader, bits, level_bits)
    lines += _memory(reader, bits)
    lines += [
        "  assign ready = level >= need_rows + need_columns;",
        "  always @(posedge clk) begin",
        "" if reader.over_channels else "    step <= go & ~rst;",
        f"    first <= {' & '.join(starts)};" if reader.steps > 1 or reader.over_channels else "",
        f"    last <= {' & '.join(['go', '~rst', *ends])};",
        "  end",
        "endmodule",
    ]
    return "\n".join(line for line in lines if line) + "\n"


def _progress(reader: Reader, bits: int, level_bits: int) -> list[str]:
    """Return the lines that move on from window to window, row to row and image to image."""
    w = reader.windows
    (rows, columns), row_words, words = w.output, reader.row_words, reader.words
    size = w.input[1] * row_words
    row_end = "pixel_end" if columns == 1 else "pixel_end & column_last"
    first_origin = -(w.origin[0] * row_words + w.origin[1] * words)
    row_step = w.stride[0] * row_words
    image_step = size - (rows - 1) * row_step
    oldest = [reader.oldest_row(row) * row_words for row in range(rows)]
    given_up = [number(after - before, bits) for before, after in pairwise([*oldest, size])]
    needs = [(reader.needed_rows(row) - 1) * row_words for row in range(rows)]
    across = [_needed_columns(reader, column) * words for column in range(columns)]
    return [
        f"  wire row_end = {row_end};",
        f"  wire image_end = {'row_end' if rows == 1 else 'row_end & row_last'};",
        *_choice("given_up", given_up, ("row", width_of(rows)), bits),
        *_choice("row_step", [number(row_step, bits)] * (rows - 1) + [number(image_step, bits)], ("row", width_of(rows)), bits),
        f"  wire {vector(bits)} next_row = row_origin + row_step;",
        "  always @(posedge clk) begin",
        "    if (rst) begin",
        f"      written <= {number(0, bits)};",
        f"      level <= {number(0, level_bits)};",
        f"      oldest <= {number(0, bits)};",
        f"      row_origin <= {number(first_origin, bits)};",
        f"      origin <= {number(first_origin, bits)};",
        "    end else begin",
        f"      if (write) written <= written + {number(1, bits)};",
        f"      level <= level + (write ? {number(1, level_bits)} : {number(0, level_bits)})"
        f" - (image_end ? {number(size, level_bits)} : {number(0, level_bits)});",
        "      if (row_end) begin",
        "        oldest <= oldest + given_up;",
        "        row_origin <= next_row;",
        "        origin <= next_row;",
        "      end" + (f" else if (pixel_end) origin <= origin + {number(w.stride[1] * words, bits)};" if columns > 1 else ""),
        "    end",
        "  end",
        *_need("need_rows", needs, w.stride[0] * row_words, "row", "row_end", level_bits),
        *_need("need_columns", across, w.stride[1] * words, "column", "pixel_end", level_bits),
    ]


def _needed_columns(reader: Reader, column: int) -> int:
    """Return how many columns of its last row a window waits for; the last one waits for all of them."""
    w = reader.windows
    return w.input[2] if column == w.output[1] - 1 else min(max(column * w.stride[1] + w.reach[1] - w.origin[1], 1), w.input[2])


def _need(name: str, values: list[int], step: int, counter: str, enable: str, bits: int) -> list[str]:
    """Return the lines of a register that runs through `values`, which rise by `step` until they saturate, but for the first and last ones."""
    if len(values) == 1:
        return [f"  wire {vector(bits)} {name} = {number(values[0], bits)};"]
    count = width_of(len(values))
    odd = {place: value for place, value in enumerate(values) if place == 0 or value != values[place - 1] + step}
    lines = [
        f"  reg {vector(bits)} {name};",
        "  always @(posedge clk)",
        f"    if (rst) {name} <= {number(values[0], bits)};",
        f"    else if ({enable}) case ({counter})",
    ]
    for place, value in odd.items():
        lines.append(f"      {number((place - 1) % len(values), count)}: {name} <= {number(value, bits)};")
    return [*lines, f"      default: {name} <= {name} + {number(step, bits)};", "    endcase"]


def _memory(reader: Reader, bits: int) -> list[str]:
    """Return the lines of the buffer's copies and of what is picked from the words that they give."""
    w, width = reader.windows, 8 * reader.width
    lines: list[str] = []
    place = ("place", width_of(reader.places)) if reader.places > 1 else None
    word = f" + {{{bits - width_of(reader.words)}'b0, word}}" if reader.words > 1 and bits > width_of(reader.words) else ""
    word = word or (" + word" if reader.words > 1 else "")
    picked = []
    if reader.groups > 1:
        lines += [f"  reg {vector(width_of(reader.groups))} group_held;", "  always @(posedge clk) group_held <= group;"]
    if w.leaves_image:
        lines += _bounds(reader)
    for copy in range(reader.positions):
        at = [divmod(p * reader.positions + copy, w.kernel[1]) for p in range(reader.places)]
        offsets = [(y * w.dilation[0] * w.input[2] + x * w.dilation[1]) * reader.words for y, x in at]
        lines += [f"  reg {vector(width)} buffer_{copy} [0:{reader.depth - 1}];", f"  reg {vector(width)} read_{copy};"]
        lines += _choice(f"address_{copy}", [f"origin{f' + {number(offset, bits)}' if offset else ''}{word}" for offset in offsets], place, bits)
        lines += [
            "  always @(posedge clk) begin",
            f"    if (write) buffer_{copy}[written] <= in_data;",
            f"    read_{copy} <= buffer_{copy}[address_{copy}];",
            "  end",
        ]
        size = 8 * reader.channels
        value = f"read_{copy}"
        if reader.groups > 1:
            lines += _choice(f"picked_{copy}", [f"read_{copy}[{size * (g + 1) - 1}:{size * g}]" for g in range(reader.groups)],
                             ("group_held", width_of(reader.groups)), size)  # fmt: skip
            value = f"picked_{copy}"
        if w.leaves_image:
            lines += _choice(f"inside_{copy}", [f"row_inside_{y} & column_inside_{x}" for y, x in at], place, 1)
            lines += [f"  reg inside_held_{copy};", f"  always @(posedge clk) inside_held_{copy} <= inside_{copy};"]
            value = f"(inside_held_{copy} ? {value} : {{{reader.channels}{{{number(w.pad, 8)}}}}})"
        picked.append(value)
    return [*lines, f"  assign codes = {bus(picked)};"]


def _bounds(reader: Reader) -> list[str]:
    """Return the lines of `row_inside_y` and `column_inside_x`: whether a row or column of the window lies in the image."""
    w = reader.windows
    lines = []
    for axis, counter in ((0, "row"), (1, "column")):
        size, count = w.input[1 + axis], w.output[axis]
        for k in range(w.kernel[axis]):
            shift = k * w.dilation[axis] - w.origin[axis]
            inside = [i for i in range(count) if 0 <= i * w.stride[axis] + shift < size]
            tests = [] if inside else ["1'b0"]
            if inside and inside[0] > 0:
                tests.append(f"({counter} >= {number(inside[0], width_of(count))})")
            if inside and inside[-1] < count - 1:
                tests.append(f"({counter} <= {number(inside[-1], width_of(count))})")
            lines.append(f"  wire {counter}_inside_{k} = {' & '.join(tests) or ONE};")
    return lines


def _choice(name: str, values: list[str], select: tuple[str, int] | None, bits: int) -> list[str]:
    """Return the lines of a signal that is one of `values`, as the signal `select` (name, width) says."""
    usual = max(values, key=values.count)
    if select is None or len(set(values)) == 1:
        return [f"  wire {vector(bits) + ' ' if bits > 1 else ''}{name} = {usual};"]
    lines = [f"  reg {vector(bits) + ' ' if bits > 1 else ''}{name};", "  always @*", f"    case ({select[0]})"]
    lines += [f"      {number(place, select[1])}: {name} = {value};" for place, value in enumerate(values) if value != usual]
    return [*lines, f"      default: {name} = {usual};", "    endcase"]
