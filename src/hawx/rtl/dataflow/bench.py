"""The testbench of a whole network: images in, class scores compared with the emulator's to the last bit, clock cycles counted.

`+stall_in=P` and `+stall_out=P` have the source of images and the sink of scores wait in P of 100 cycles, at random; `+seed=N` draws other cycles.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hawx.rtl.dataflow.network import NetworkRtl
from hawx.rtl.dataflow.project import NetworkProject

if TYPE_CHECKING:
    from hawx.networks import QuantizedNetwork

PATIENCE = 20
"""Intervals that an image may take before the testbench gives up: waiting sides included."""


def network_project(rtl: NetworkRtl, network: QuantizedNetwork, images: NDArray[np.generic], executor: Any) -> NetworkProject:
    """Return the hardware with a testbench that runs images through it.

    Args:
        rtl: the hardware.
        network: what it was made of.
        images: (N, C, H, W), as the network takes them.
        executor: gives the scores that are expected: the design's own.
    """
    import torch

    codes = np.asarray(images) if rtl.schedule.chain.pixels is not None else _input_codes(network, images)
    scores = network.run(torch.as_tensor(images), executor).numpy().astype(np.float32)
    reader, last = rtl.schedule.stages[0].reader, rtl.schedule.stages[-1]
    pixels = np.moveaxis(codes, 1, -1).reshape(-1, reader.width).astype(np.int64).astype(np.uint8)
    wanted = np.ascontiguousarray(scores).view(np.uint32).reshape(-1, last.out_width)
    bench = {
        "testbench.sv": _testbench(len(images), len(pixels), 8 * reader.width, len(wanted), 32 * last.out_width, rtl.schedule.interval),
        "pixels.hex": "".join(f"{row[::-1].tobytes().hex()}\n" for row in pixels),
        "scores.hex": "".join("".join(f"{score:08x}" for score in row[::-1]) + "\n" for row in wanted),
    }
    return NetworkProject(rtl=rtl, bench={**bench, **rtl.memories}, images=len(images))


def images_equal(log: str) -> int:
    """Return for how many images a testbench's log says that all class scores are the emulator's."""
    found = re.search(r"^IMAGES (\d+) equal$", log, re.MULTILINE)
    return int(found[1]) if found else 0


def cycles_seen(log: str) -> dict[str, int]:
    """Return the clock cycles that a testbench's log speaks of.

    `first_image_cycles`: from the first pixel to the last score of the first image. `least_interval_cycles`, `most_interval_cycles`: from the last
    score of an image to that of the next, among the second half of the images; 0 where there are fewer than four.
    """
    found = re.search(r"^CYCLES (\d+) first, (\d+) to (\d+) later$", log, re.MULTILINE)
    values = found.groups() if found else ("0", "0", "0")
    return dict(zip(("first_image_cycles", "least_interval_cycles", "most_interval_cycles"), map(int, values), strict=True))


def _input_codes(network: QuantizedNetwork, images: NDArray[np.generic]) -> NDArray[np.generic]:
    from hawx.networks.preprocessing import network_input
    from hawx.networks.requantize import quantize

    first: Any = network.program[0]
    values = network_input(images, network.input_shape, network.preprocessing)  # type: ignore[arg-type]
    return np.asarray(quantize(values, first.scale, first.zero_point, first.format).numpy())


def _testbench(images: int, words: int, in_bits: int, scores: int, out_bits: int, interval: int) -> str:
    return f"""// Self-checking testbench of a network: {images} images.
// +stall_in=P, +stall_out=P: source or sink waits in P of 100 cycles. +seed=N: in others.
`timescale 1ns/1ps
module testbench;
  localparam IMAGES = {images}, WORDS = {words}, SCORES = {scores}, LIMIT = {interval * PATIENCE * (images + 4)};
  reg [{in_bits - 1}:0] pixels [0:WORDS-1];
  reg [{out_bits - 1}:0] expected [0:SCORES-1];
  reg aclk, aresetn, s_valid, m_ready, s_taken;
  wire s_ready, m_valid, m_last;
  wire [{out_bits - 1}:0] m_data;
  reg [31:0] random;
  integer stall_in, stall_out, seed, cycle, sent, received, wrong, image, begun, finished, latency, shortest, longest, right, differs;

  network dut (.aclk(aclk), .aresetn(aresetn), .s_axis_tvalid(s_valid), .s_axis_tready(s_ready), .s_axis_tdata(pixels[sent < WORDS ? sent : 0]),
    .m_axis_tvalid(m_valid), .m_axis_tready(m_ready), .m_axis_tdata(m_data), .m_axis_tlast(m_last));

  initial begin
    $readmemh("pixels.hex", pixels);
    $readmemh("scores.hex", expected);
    if (!$value$plusargs("stall_in=%d", stall_in)) stall_in = 0;
    if (!$value$plusargs("stall_out=%d", stall_out)) stall_out = 0;
    if (!$value$plusargs("seed=%d", seed)) seed = 1;
    random = seed ^ 32'h9e3779b9;
    aclk = 0; aresetn = 0; s_valid = 0; m_ready = 0; s_taken = 0;
    cycle = 0; sent = 0; received = 0; wrong = 0; right = 0; differs = 0; image = 0;
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
      if (m_data !== expected[received] || m_last !== ((received + 1) % (SCORES / IMAGES) == 0)) begin
        wrong <= wrong + 1;
        differs <= 1;
        if (wrong < 10) $display("MISMATCH image %0d, score word %0d: %h, expected %h",
          image, received % (SCORES / IMAGES), m_data, expected[received]);
      end
      if ((received + 1) % (SCORES / IMAGES) == 0) begin
        image <= image + 1;
        if (!differs && m_data === expected[received] && m_last) right <= right + 1;
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
    if (received == SCORES || cycle > LIMIT) begin
      $display("IMAGES %0d equal", right);
      $display("CYCLES %0d first, %0d to %0d later", latency, shortest, longest);
      if (wrong == 0 && received == SCORES) $display("PASS %0d comparisons", received);
      else $display("FAIL %0d of %0d comparisons", wrong + SCORES - received, SCORES);
      $finish;
    end
  end
endmodule
"""
