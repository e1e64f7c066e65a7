"""SystemVerilog of one stage: a reader, what computes with its operands, and the FIFO that its results wait in."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from hawx.rtl.dataflow.chain import Convolution
from hawx.rtl.dataflow.gather import gather_module
from hawx.rtl.dataflow.scaling import QUANTIZE_CYCLES, SCALE_CYCLES, float_parts, quantize_module, scale_module
from hawx.rtl.dataflow.schedule import Stage
from hawx.rtl.dataflow.window import window_module
from hawx.rtl.lanes import LayerSpec, lane_module, lane_name, layer_module
from hawx.rtl.project import codes_text
from hawx.rtl.streams import fifo_module
from hawx.rtl.text import bus, constants, counters, delayed, number, vector, width_of


def stage_files(stage: Stage) -> dict[str, str]:
    """Return file name -> text of the stage's modules; multipliers and `round_product` are shared by all stages and not among them."""
    name, reader = stage.name, stage.reader
    texts = {
        f"{name}_window": window_module(f"{name}_window", reader),
        f"{name}_gather": gather_module(f"{name}_gather", stage.gather, stage.out_width),
        f"{name}_fifo": fifo_module(f"{name}_fifo", stage.out_bits * stage.out_width, stage.fifo_depth, stage.out_words),
    }
    if isinstance(stage.operator, Convolution):
        assert stage.lanes is not None
        core, more = _convolution(stage, stage.operator, stage.lanes)
        texts |= more
    else:
        core = _pool(stage, stage.operator.signed)
    texts[name] = "\n".join([*_head(stage), *core, *_tail(stage), "endmodule"]) + "\n"
    return {f"{module}.sv": text for module, text in texts.items()}


def _head(stage: Stage) -> list[str]:
    reader, operator = stage.reader, stage.operator
    what = f"layer {operator.layer}" if isinstance(operator, Convolution) else f"max pooling {operator.value}"
    signals = ["last", "codes"]
    if isinstance(operator, Convolution):
        signals = ["phase", "first", *signals] if reader.burst > 1 else ["first", *signals]
    else:
        signals = ["step", "first", *signals] if reader.steps > 1 else ["step", *signals]
    flags = [signal for signal in signals if signal not in ("phase", "codes")]
    return [
        f"// {what}: {stage.cycles} clock cycles for an image.",
        f"module {stage.name} (",
        "  input clk,\n  input rst,",
        f"  input in_valid,\n  output in_ready,\n  input {vector(8 * reader.width)} in_data,",
        f"  output out_valid,\n  input out_ready,\n  output {vector(stage.out_bits * stage.out_width)} out_data",
        ");",
        f"  wire room, reserve, {', '.join(flags)};",
        *([f"  wire {vector(width_of(reader.burst))} phase;"] if "phase" in signals else []),
        f"  wire {vector(8 * reader.channels * reader.positions)} codes;",
        f"  {stage.name}_window window (.clk(clk), .rst(rst), .in_valid(in_valid), .in_ready(in_ready), .in_data(in_data), .room(room),",
        f"    .reserve(reserve), {', '.join(f'.{signal}({signal})' for signal in signals)});",
    ]


def _tail(stage: Stage) -> list[str]:
    """Return the lines from `result` and `result_valid` to the stage's output."""
    clocked = "" if stage.gather.beats == stage.out_words == 1 else ".clk(clk), .rst(rst), "
    return [
        "  wire word_valid;",
        f"  wire {vector(stage.out_bits * stage.out_width)} word_data;",
        f"  {stage.name}_gather gather ({clocked}.in_valid(result_valid), .in_data(result), .out_valid(word_valid), .out_data(word_data));",
        f"  {stage.name}_fifo fifo (.clk(clk), .rst(rst), .room(room), .reserve(reserve), .in_valid(word_valid), .in_data(word_data),",
        "    .out_valid(out_valid), .out_ready(out_ready), .out_data(out_data));",
    ]


def _pool(stage: Stage, signed: bool) -> list[str]:
    reader = stage.reader
    size = 8 * reader.channels
    greater = "$signed(a) > $signed(b)" if signed else "a > b"
    lines = [
        "  function [7:0] larger;\n    input [7:0] a, b;",
        f"    larger = ({greater}) ? a : b;",
        "  endfunction",
        f"  reg {vector(size)} result;",
        *delayed("result_valid", "last", 1),
        "  always @(posedge clk) if (step) begin",
    ]
    for channel in range(reader.channels):
        low, high = 8 * channel, 8 * channel + 7
        best = f"codes[{high}:{low}]"
        for position in range(1, reader.positions):
            best = f"larger({best}, codes[{high + size * position}:{low + size * position}])"
        kept = f"result[{high}:{low}]"
        lines.append(f"    {kept} <= " + (best if reader.steps == 1 else f"first ? {best} : larger({kept}, {best})") + ";")
    return [*lines, "  end"]


def _convolution(stage: Stage, operator: Convolution, lanes: LayerSpec) -> tuple[list[str], Mapping[str, str]]:
    """Return the lines of the lanes and the scaling of their sums, and the modules they are made of."""
    name, reader = stage.name, stage.reader
    weight_bits, acc_bits, scalers = 8 * lanes.simd * len(lanes.lanes), lanes.bits, stage.scalers
    bias_bits = int(np.abs(operator.bias).max()).bit_length() + 1
    part_bits = bias_bits + 32
    texts = {lane_name(lanes, index): lane_module(lanes, index) for index, _ in lanes.lanes}
    texts[lanes.name] = layer_module(lanes)
    texts[f"{name}_weights"] = constants(f"{name}_weights", _weight_words(stage, operator, lanes), weight_bits)
    texts[f"{name}_scales"] = constants(f"{name}_scales", _scale_words(stage, operator, bias_bits), part_bits * scalers)
    texts[f"{name}_scale"] = scale_module(f"{name}_scale", acc_bits, bias_bits)
    lines = [
        f"  wire {vector(weight_bits)} weights;",
        f"  {name}_weights weights_0 ({'.clk(clk), .address(phase), ' if reader.burst > 1 else ''}.data(weights));",
        f"  wire {vector(acc_bits * len(lanes.lanes))} sums;",
        f"  {lanes.name} lanes (.clk(clk), .first(first), .a(codes), .w(weights), .acc(sums));",
        *delayed("sums_valid", "last", 2),
        *_beats(stage, acc_bits, len(lanes.lanes)),
        f"  reg {vector(acc_bits * scalers)} scaled;  // beside the scales that the memory gives",
        "  always @(posedge clk) scaled <= beat_sums;",
        f"  wire {vector(part_bits * scalers)} scales;",
    ]
    if stage.gather.beats > 1:
        lines += [*counters([("beat", stage.gather.beats)], "beat_valid"), f"  {name}_scales scales_0 (.clk(clk), .address(beat), .data(scales));"]
    else:
        lines.append(f"  {name}_scales scales_0 (.data(scales));")
    results = []
    for place in range(scalers):
        at = part_bits * place
        lines += [
            f"  wire [31:0] value_{place};",
            f"  {name}_scale scale_{place} (.clk(clk), .acc(scaled[{acc_bits * (place + 1) - 1}:{acc_bits * place}]),",
            f"    .bias(scales[{at + bias_bits - 1}:{at}]), .significand(scales[{at + bias_bits + 23}:{at + bias_bits}]),"
            f" .exponent(scales[{at + bias_bits + 31}:{at + bias_bits + 24}]), .value(value_{place}));",
        ]
        if operator.output is not None:
            lines += [f"  wire [7:0] code_{place};", f"  {name}_quantize quantize_{place} (.clk(clk), .value(value_{place}), .code(code_{place}));"]
        results.append(f"{'value' if operator.output is None else 'code'}_{place}")
    if operator.output is not None:
        texts[f"{name}_quantize"] = quantize_module(f"{name}_quantize", operator.output)
    lines += [f"  wire {vector(stage.out_bits * scalers)} result = {bus(results)};"]
    lines += delayed("result_valid", "beat_valid", 1 + SCALE_CYCLES + (0 if operator.output is None else QUANTIZE_CYCLES))
    return lines, texts


def _beats(stage: Stage, acc_bits: int, lanes: int) -> list[str]:
    """Return the lines of `beat_sums`: the sums of all lanes, as many at once as are scaled at once."""
    beats, part = stage.beats, acc_bits * stage.scalers
    if beats == 1:
        return [f"  wire beat_valid = sums_valid;\n  wire {vector(part)} beat_sums = sums;"]
    total, left = part * beats, beats.bit_length()
    padded = f"{{{total - acc_bits * lanes}'h0, sums}}" if total > acc_bits * lanes else "sums"
    return [
        f"  reg {vector(total)} waiting;",
        f"  reg {vector(left)} left;",
        f"  wire beat_valid = left != {number(0, left)};",
        f"  wire {vector(part)} beat_sums = waiting{vector(part)};",
        "  always @(posedge clk) begin",
        f"    waiting <= sums_valid ? {padded} : {{{part}'h0, waiting[{total - 1}:{part}]}};",
        f"    if (rst) left <= {number(0, left)};",
        f"    else if (sums_valid) left <= {number(beats, left)};",
        f"    else if (beat_valid) left <= left - {number(1, left)};",
        "  end",
    ]


def _weight_words(stage: Stage, operator: Convolution, lanes: LayerSpec) -> list[int]:
    """Return one word per step of a burst: lane i's codes at bits i · 8 · SIMD."""
    ordered = [stage.reader.order(filters) for filters in operator.weights]
    word = 8 * lanes.simd
    return [
        sum(codes_text(ordered[filters[turn]][step]) << (word * lane) for lane, (_, filters) in enumerate(lanes.lanes) if turn < len(filters))
        for turn in range(stage.reader.turns)
        for step in range(stage.reader.steps)
    ]


def _scale_words(stage: Stage, operator: Convolution, bias_bits: int) -> list[int]:
    """Return one word per beat of a pixel's results: bias, significand and exponent of each filter's scale, the first place lowest."""
    gather = stage.gather
    words = [0] * gather.beats
    for index, (beat, place) in enumerate(gather.sources):
        significand, exponent = float_parts(float(operator.scale[index]), f"the scale of filter {index} of layer {operator.layer!r}")
        bias = int(operator.bias[index]) & ((1 << bias_bits) - 1)
        part = bias | significand << bias_bits | exponent << (bias_bits + 24)
        words[beat] |= part << ((bias_bits + 32) * place)
    return words
