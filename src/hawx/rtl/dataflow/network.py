"""A whole network in SystemVerilog: its stages one behind the other, between two AXI-Streams."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hawx.accelerators import Accelerator, Spatial
from hawx.accelerators.figures import BlockFigures
from hawx.blocks import Block, Library
from hawx.designs.assignment import Assignment
from hawx.errors import InputError
from hawx.rtl.dataflow.chain import Chain, Convolution, chain_of
from hawx.rtl.dataflow.scaling import ROUND_MODULE
from hawx.rtl.dataflow.schedule import Schedule, schedule
from hawx.rtl.dataflow.stage import stage_files
from hawx.rtl.lanes import LayerSpec
from hawx.rtl.project import Multiplier, memory_files, module_files
from hawx.rtl.text import bus, constants, counters, vector, width_of
from hawx.wiring import PLAIN

if TYPE_CHECKING:
    from hawx.networks import QuantizedNetwork

TOP = "network"


@dataclass(frozen=True, kw_only=True, eq=False)
class NetworkRtl:
    """A network as hardware."""

    schedule: Schedule
    sources: Mapping[str, str]
    """File name -> synthesizable text; the top module is `network`."""
    memories: Mapping[str, str]
    """File name -> content of blocks that are known only by a table: they simulate and are not for synthesis."""

    @property
    def is_synthesizable(self) -> bool:
        return not self.memories


def network_rtl(
    network: QuantizedNetwork, library: Library, assignment: Assignment, accelerator: Accelerator, multiplier: Callable[[Block], Multiplier]
) -> NetworkRtl:
    """Return the hardware of a design of a spatial accelerator: all layers, from pixels to class scores.

    Args:
        network: what the design runs on (`QuantizedNetwork.on`): its weights, scales and biases go into memories.
        library: the blocks the assignment refers to.
        assignment: a block for every filter.
        accelerator: spatial: gives the folding of every layer.
        multiplier: Verilog of a block, for example `hawx.importers.multiplier.find_multiplier`.

    Raises:
        InputError: the accelerator is not spatial, the network is no chain of operators that hardware has (names the node), or a block has no
            usable circuit.
    """
    if not isinstance(accelerator, Spatial):
        raise InputError(
            f"accelerator {accelerator.name!r} has no RTL of a whole network; expected a spatial one. Use --accelerator spatial, or write the array "
            "without --all-layers."
        )
    chain = chain_of(network)
    figures = None if library.technology is None else BlockFigures.of(library.costs(), library.index(library.exact.name))
    names = [layer.name for layer in network.layers]
    foldings = dict(zip(names, accelerator.foldings(network.layers, figures), strict=True))
    lanes: dict[str, LayerSpec] = {}
    for place, operator in enumerate(chain.operators):
        if isinstance(operator, Convolution):
            name, folding = operator.layer, foldings[operator.layer]
            wirings = network.quantized[name].wirings or (PLAIN,) * len(operator.bias)
            pairs = list(zip((int(index) for index in assignment[name]), wirings, strict=True))
            used = list(dict.fromkeys(pairs))
            lanes[name] = LayerSpec(
                name=f"stage{place}_layer",
                pe=folding.pe,
                simd=folding.simd,
                reduction=operator.weights[0].size,
                blocks=tuple(used.index(pair) for pair in pairs),
                multipliers=tuple(multiplier(library.blocks[index]).wired(wiring) for index, wiring in used),
            )
    planned = schedule(chain, foldings, lanes)
    multipliers = [m for spec in lanes.values() for m in spec.multipliers]
    sources = {"network.sv": _top(planned), "round_product.sv": ROUND_MODULE, **_pixel_files(chain, planned.stages[0].reader.width)}
    for stage in planned.stages:
        sources |= stage_files(stage)
    circuits = module_files(multipliers)
    if taken := sorted(sources.keys() & circuits.keys()):
        raise InputError(
            f"a block has the Verilog module name {taken[0].removesuffix('.sv')!r}, which the network's own modules use; rename the block's."
        )
    return NetworkRtl(schedule=planned, sources=sources | circuits, memories=memory_files(multipliers))


def _top(planned: Schedule) -> str:
    first, last = planned.stages[0], planned.stages[-1]
    lines = [
        f"// {len(planned.stages)} stages, {planned.interval} clock cycles from image to image.",
        f"// s_axis: pixels, row by row, channels of a pixel beside or after one another, {first.reader.width} of 8 bits at once.",
        f"// m_axis: class scores in the order of the classes, {last.out_width} of float32 at once; tlast with the last one of an image.",
        f"module {TOP} (",
        "  input aclk,\n  input aresetn,",
        f"  input s_axis_tvalid,\n  output s_axis_tready,\n  input {vector(8 * first.reader.width)} s_axis_tdata,",
        f"  output m_axis_tvalid,\n  input m_axis_tready,\n  output {vector(32 * last.out_width)} m_axis_tdata,\n  output m_axis_tlast",
        ");",
        "  wire clk = aclk;\n  reg rst;",
        "  always @(posedge aclk) rst <= ~aresetn;",
    ]
    lines += [f"  wire valid_{i}, ready_{i};\n  wire {vector(8 * stage.reader.width)} data_{i};" for i, stage in enumerate(planned.stages)]
    lines += [
        "  assign valid_0 = s_axis_tvalid & ~rst;",
        "  assign s_axis_tready = ready_0 & ~rst;",
    ]
    if planned.chain.pixels is None:
        lines.append("  assign data_0 = s_axis_tdata;")
    else:
        words = "" if first.reader.words == 1 else ".clk(clk), .rst(rst), .take(valid_0 & ready_0), "
        lines.append(f"  pixel_codes pixel_codes_0 ({words}.pixels(s_axis_tdata), .codes(data_0));")
    for i, stage in enumerate(planned.stages):
        out = "m_axis_tvalid", "m_axis_tready", "m_axis_tdata"
        if stage is not last:
            out = f"valid_{i + 1}", f"ready_{i + 1}", f"data_{i + 1}"
        lines.append(f"  {stage.name} {stage.name}_0 (.clk(clk), .rst(rst), .in_valid(valid_{i}), .in_ready(ready_{i}), .in_data(data_{i}),")
        lines.append(f"    .out_valid({out[0]}), .out_ready({out[1]}), .out_data({out[2]}));")
    lines += counters([("score", last.out_words)], "m_axis_tvalid & m_axis_tready")
    lines.append(f"  assign m_axis_tlast = {'score_last' if last.out_words > 1 else chr(49) + chr(39) + 'b1'};")
    return "\n".join([*lines, "endmodule"]) + "\n"


def _pixel_files(chain: Chain, width: int) -> dict[str, str]:
    """Return the module that gives the code of each 8-bit pixel, by channel."""
    if chain.pixels is None:
        return {}
    tables: list[tuple[int, ...]] = [tuple(int(code) for code in row) for row in chain.pixels]
    distinct = list(dict.fromkeys(tables))
    words = len(tables) // width
    files = {f"pixel_table_{i}.sv": constants(f"pixel_table_{i}", table, 8, registered=False) for i, table in enumerate(distinct)}
    ports = [] if words == 1 else ["  input clk,\n  input rst,\n  input take,"]
    lines = ["module pixel_codes (", *ports, f"  input {vector(8 * width)} pixels,\n  output {vector(8 * width)} codes", ");"]
    lines += counters([("word", words)], "take")
    codes = []
    for place in range(width):
        used = [distinct.index(table) for table in tables[place::width]]
        pixel = f"pixels[{8 * place + 7}:{8 * place}]"
        for table in sorted(set(used)):
            lines += [
                f"  wire [7:0] code_{place}_{table};",
                f"  pixel_table_{table} table_{place}_{table} (.address({pixel}), .data(code_{place}_{table}));",
            ]
        chosen = f"code_{place}_{used[-1]}"
        for word, table in enumerate(used[:-1]):
            chosen = f"word == {width_of(words)}'d{word} ? code_{place}_{table} : {chosen}" if table != used[-1] else chosen
        lines.append(f"  wire [7:0] chosen_{place} = {chosen};")
        codes.append(f"chosen_{place}")
    files["pixel_codes.sv"] = "\n".join([*lines, f"  assign codes = {bus(codes)};", "endmodule"]) + "\n"
    return files
