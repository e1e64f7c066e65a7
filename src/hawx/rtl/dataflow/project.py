"""A network as a folder: sources, a testbench on images of the user's own, how to run it, and what its ports and stages are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hawx.rtl.dataflow.chain import Convolution
from hawx.rtl.dataflow.network import TOP, NetworkRtl
from hawx.rtl.dataflow.schedule import Schedule


@dataclass(frozen=True, kw_only=True, eq=False)
class NetworkProject:
    """Hardware of a network with its testbench; `hawx.simulators.simulate` runs it."""

    rtl: NetworkRtl
    bench: Mapping[str, str]
    """File name -> testbench and its vectors."""
    images: int

    @property
    def top(self) -> str:
        return TOP

    @property
    def sources(self) -> Mapping[str, str]:
        return self.rtl.sources

    @property
    def files(self) -> dict[str, str]:
        """File name -> text of all that goes into the folder."""
        return {**self.sources, **self.bench, "README.md": _readme(self.rtl, self.images), "Makefile": MAKEFILE}


MAKEFILE = """# make icarus | verilator | lint | synthesize [FAMILY=xilinx|ecp5|ice40]
# STALL_IN=30 STALL_OUT=99: source or sink waits in so many of 100 cycles
SOURCES := $(filter-out testbench.sv,$(wildcard *.sv))
STALL_IN := 0
STALL_OUT := 0
SEED := 1
FAMILY := xilinx

verilator:
\tverilator --binary --timing -Wno-lint -CFLAGS -O0 --top-module testbench -Mdir build -o simulation testbench.sv $(SOURCES)
\t./build/simulation +stall_in=$(STALL_IN) +stall_out=$(STALL_OUT) +seed=$(SEED)

icarus:
\tiverilog -g2012 -s testbench -o simulation testbench.sv $(SOURCES)
\tvvp -n simulation +stall_in=$(STALL_IN) +stall_out=$(STALL_OUT) +seed=$(SEED)

lint:
\tverilator --lint-only -Wall --top-module network $(SOURCES)

synthesize:
\tyosys -p "read_verilog -sv $(SOURCES); hierarchy -check -top network; synth_$(FAMILY) -top network; stat"

.PHONY: verilator icarus lint synthesize
"""


def _readme(rtl: NetworkRtl, images: int) -> str:
    planned = rtl.schedule
    channels, height, width = planned.chain.input
    first, last = planned.stages[0].reader, planned.stages[-1]
    what = "8-bit codes, as the network's first quantization gives them" if planned.chain.pixels is None else "8-bit unsigned pixels, 0 to 255"
    return f"""# A network in hardware

Top module `{TOP}` (`network.sv`), SystemVerilog for Icarus Verilog, Verilator and Yosys. Every layer has its own multipliers, all layers work at
once; a new image is taken every {planned.interval} clock cycles.

| port | bits | what |
| --- | --- | --- |
| `aclk`, `aresetn` | 1 | clock, rising edge; reset, low, for at least 16 cycles |
| `s_axis_tvalid`, `s_axis_tready` | 1 | AXI-Stream handshake: a word is taken in a cycle where both are 1 |
| `s_axis_tdata` | {8 * first.width} | {first.width} of {channels} channels of a pixel, the first one lowest: {what} |
| `m_axis_tvalid`, `m_axis_tready` | 1 | AXI-Stream handshake |
| `m_axis_tdata` | {32 * last.out_width} | {last.out_width} of {planned.chain.classes} class scores, IEEE 754 float32, the first class first |
| `m_axis_tlast` | 1 | with the last scores of an image |

An image is {planned.input_words} words: {height} rows of {width} pixels of {first.words} words, without gaps between images. Either side may wait at
any time; nothing is lost.

{_stages(planned)}

Weights, biases and scales are in `*_weights.sv` and `*_scales.sv`, buffers in `*_window.sv` and `*_fifo.sv` (memories with synchronous reading),
multipliers in the modules of the blocks' own names. Real values are float32 products of 24-bit significands (`*_scale.sv`, `*_quantize.sv`), so that
codes and scores are those of the emulator to the bit.

`testbench.sv` feeds {images} images (`words.hex`) and compares the scores with the emulator's (`expected.hex`):
`make icarus`, `make verilator` (minutes to build, quicker where there are many images), `make verilator STALL_IN=30 STALL_OUT=99` with source and
sink waiting in so many of 100 cycles. `make lint`, `make synthesize FAMILY=ecp5`.
"""


def _stages(planned: Schedule) -> str:
    lines = [
        "| module | what | multipliers | clock cycles for an image | buffer, words of codes | FIFO, words |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for stage in planned.stages:
        operator, reader = stage.operator, stage.reader
        if isinstance(operator, Convolution):
            assert stage.lanes is not None
            lanes = stage.lanes
            what = f"layer `{operator.layer}`, {len(lanes.lanes)} lanes of {lanes.simd}"
            multipliers = len(lanes.lanes) * lanes.simd
        else:
            what, multipliers = f"max pooling `{operator.value}`", 0
        buffer = f"{f'{reader.positions} × ' if reader.positions > 1 else ''}{reader.depth} × {reader.width}"
        fifo = f"{stage.fifo_depth} × {stage.out_width}"
        lines.append(f"| `{stage.name}` | {what} | {multipliers} | {stage.cycles} | {buffer} | {fifo} |")
    return "\n".join(lines)
