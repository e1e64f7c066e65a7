"""Designs per second that the cost laws evaluate, LeNet-5 with the built-in library: wall and processor time.

python benchmarks/arrays_throughput.py
"""

from __future__ import annotations

import time

import numpy as np

from hawx.accelerators import Simt, Spatial, Systolic
from hawx.blocks.families import builtin_library
from hawx.networks.layer import Layer, LayerKind

LENET5 = (
    Layer(name="conv1", kind=LayerKind.CONV, in_channels=1, filters=6, kernel=(5, 5), padding=(2, 2, 2, 2), in_size=(28, 28), out_size=(28, 28)),
    Layer(name="conv2", kind=LayerKind.CONV, in_channels=6, filters=16, kernel=(5, 5), in_size=(14, 14), out_size=(10, 10)),
    Layer(name="fc1", kind=LayerKind.LINEAR, in_channels=400, filters=120),
    Layer(name="fc2", kind=LayerKind.LINEAR, in_channels=120, filters=84),
    Layer(name="fc3", kind=LayerKind.LINEAR, in_channels=84, filters=10),
)
DESIGNS = 50_000


def main() -> None:
    library = builtin_library()
    costs, exact = library.costs(), library.index(library.exact.name)
    rng = np.random.default_rng(0)
    counts = np.zeros((DESIGNS, len(LENET5), len(library)), np.int32)
    rows = np.arange(DESIGNS)
    for index, layer in enumerate(LENET5):
        some = rng.integers(0, layer.filters + 1, DESIGNS)
        np.add.at(counts, (rows, index, rng.integers(0, len(library), DESIGNS)), some)
        np.add.at(counts, (rows, index, rng.integers(0, len(library), DESIGNS)), layer.filters - some)
    accelerators = {
        "spatial": Spatial(),
        "systolic, multi-mode": Systolic(),
        "systolic, partitioned": Systolic(sharing="partitioned"),
        "SIMT, multi-mode": Simt(),
    }
    for name, accelerator in accelerators.items():
        accelerator.evaluate(LENET5, counts[:10], costs, exact=exact)
        wall, cpu = time.perf_counter(), time.process_time()
        accelerator.evaluate(LENET5, counts, costs, exact=exact)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        print(f"{name:22s} {len(library)} blocks: {DESIGNS / wall:9.0f} designs/s wall, {DESIGNS / cpu:9.0f} per processor second")


if __name__ == "__main__":
    main()
