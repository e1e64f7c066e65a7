"""LeNet-5 as hardware, end to end: `python -m benchmarks.network_rtl [--images N] [--stall IN OUT] [--multipliers N] [--simulator NAME]`.

A design of four blocks, filter by filter at random, goes through a simulator image by image. Prints how many images have the emulator's class
scores to the last bit, the clock cycles from image to image, and those of the accelerator's law.
"""

from __future__ import annotations

import argparse

import numpy as np

from hawx.accelerators import Spatial
from hawx.accelerators.folding import cycles
from hawx.blocks.families import builtin_library
from hawx.designs import Assignment
from hawx.emulate import BlockExecutor
from hawx.importers.multiplier import find_multiplier
from hawx.networks import zoo
from hawx.rtl import network_project, network_rtl
from hawx.rtl.stream_bench import cycles_seen, images_equal
from hawx.simulators import Simulator, simulate

BLOCKS = ("mul8s_exact", "mul8s_tc6", "mul8s_mitchell", "mul8s_ot2")


def main() -> None:
    """Build, simulate, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=100)
    parser.add_argument("--stall", type=int, nargs=2, default=(0, 0))
    parser.add_argument("--multipliers", type=int, default=1024)
    parser.add_argument("--simulator", default="verilator")
    arguments = parser.parse_args()
    network, library = zoo.load("lenet5"), builtin_library().select(BLOCKS)
    rng = np.random.default_rng(3)
    blocks = tuple(rng.integers(0, len(BLOCKS), count).astype(np.uint8) for count in network.filters.values())
    assignment = Assignment(tuple(network.filters), library.names, blocks)
    accelerator = Spatial(multipliers=arguments.multipliers)
    rtl = network_rtl(network, library, assignment, accelerator, find_multiplier)
    project = network_project(rtl, network, zoo.dataset("lenet5").images[: arguments.images], BlockExecutor(library, assignment))
    waits = [f"+stall_in={arguments.stall[0]}", f"+stall_out={arguments.stall[1]}"]
    result = simulate(project, Simulator(arguments.simulator), arguments=waits, timeout_s=7200)
    law = max(cycles(layer, folding) for layer, folding in zip(network.layers, accelerator.foldings(network.layers), strict=True))
    seen = cycles_seen(result.log)
    print(f"{images_equal(result.log)} of {arguments.images} images equal ({result.tool}, {result.seconds:.0f} s with building)")
    print(f"cycles from image to image: {seen['least_interval_cycles']} to {seen['most_interval_cycles']}, by the law {law}")
    print(f"cycles of the first image: {seen['first_image_cycles']}")


if __name__ == "__main__":
    main()
