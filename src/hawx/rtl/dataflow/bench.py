"""The testbench of a whole network: images in, class scores compared with the emulator's to the last bit, clock cycles counted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hawx.rtl.dataflow.network import TOP, NetworkRtl
from hawx.rtl.dataflow.project import NetworkProject
from hawx.rtl.stream_bench import Stream, stream_testbench

if TYPE_CHECKING:
    from hawx.networks import QuantizedNetwork

PATIENCE = 4
"""Intervals that an image may take before the testbench gives up."""


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
    stream = Stream(
        top=TOP,
        in_bits=8 * reader.width,
        words=[int.from_bytes(row.tobytes(), "little") for row in pixels],
        out_bits=32 * last.out_width,
        results=[int.from_bytes(row.tobytes(), "little") for row in wanted.astype("<u4")],
        group=last.out_words,
        has_last=True,
        limit=rtl.schedule.interval * PATIENCE * (len(images) + len(rtl.schedule.stages)),
    )
    return NetworkProject(rtl=rtl, bench={**stream_testbench(stream), **rtl.memories}, images=len(images))


def _input_codes(network: QuantizedNetwork, images: NDArray[np.generic]) -> NDArray[np.generic]:
    from hawx.networks.preprocessing import network_input
    from hawx.networks.requantize import quantize

    first: Any = network.program[0]
    values = network_input(images, network.input_shape, network.preprocessing)  # type: ignore[arg-type]
    return np.asarray(quantize(values, first.scale, first.zero_point, first.format).numpy())
