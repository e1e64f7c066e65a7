"""Whole networks as hardware: class scores to the last bit, through real simulators, while both sides wait at random."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hawx.accelerators import Folding, Spatial
from hawx.blocks import Library
from hawx.blocks.families import builtin_library
from hawx.designs import Assignment
from hawx.emulate import BlockExecutor
from hawx.importers.multiplier import find_multiplier
from hawx.rtl import NetworkProject, network_project, network_rtl
from hawx.simulators import Simulator, available, simulate

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

from hawx.networks.quantization import quantize  # noqa: E402

pytestmark = [pytest.mark.eda, pytest.mark.skipif(not available(), reason="neither Icarus Verilog nor Verilator is installed")]
BLOCKS = ("mul8s_exact", "mul8s_bam_v7h3", "mul8s_mitchell", "mul8s_ot2")

NETWORKS = {
    "padding and a pool": (
        (2, 6, 7),
        lambda: nn.Sequential(nn.Conv2d(2, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 5)),
        {"0": Folding(2, 6), "4": Folding(1, 6)},
    ),
    "strides, uneven padding, dilation": (
        (3, 9, 8),
        lambda: nn.Sequential(nn.Conv2d(3, 6, (3, 2), stride=(2, 1), padding=(2, 0), dilation=(2, 3)), nn.ReLU(), nn.Conv2d(6, 4, 1), nn.Flatten(), nn.Linear(100, 3)),
        {"0": Folding(3, 9), "2": Folding(4, 3), "4": Folding(3, 20)},
    ),
    "overlapping, padded pools with a ragged end": (
        (1, 10, 9),
        lambda: nn.Sequential(
            nn.Conv2d(1, 4, 3), nn.MaxPool2d(3, stride=2, padding=1), nn.Conv2d(4, 4, 2, stride=2), nn.ReLU(), nn.MaxPool2d(2, ceil_mode=True),
            nn.Flatten(), nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 4),
        ),
        {"0": Folding(4, 9), "2": Folding(2, 16), "6": Folding(6, 4), "8": Folding(2, 1)},
    ),
    "every product at once": (
        (2, 4, 4),
        lambda: nn.Sequential(nn.Conv2d(2, 3, 2), nn.ReLU(), nn.Flatten(), nn.Linear(27, 2)),
        {"0": Folding(3, 8), "3": Folding(2, 27)},
    ),
}  # fmt: skip


def project_of(name: str, images: int = 3, seed: int = 0) -> NetworkProject:
    shape, module, folding = NETWORKS[name]
    torch.manual_seed(seed)
    inputs = torch.randn(32, *shape)
    network = quantize(module().eval(), inputs)
    library = Library([builtin_library()[block] for block in BLOCKS])
    rng = np.random.default_rng(seed)
    assignment = Assignment(
        tuple(network.filters), library.names, tuple(rng.integers(0, len(BLOCKS), count).astype(np.uint8) for count in network.filters.values())
    )
    rtl = network_rtl(network, library, assignment, Spatial(folding=folding), find_multiplier)
    return network_project(rtl, network, inputs[:images].numpy(), BlockExecutor(library, assignment))


@pytest.mark.parametrize("name", NETWORKS)
def test_class_scores_are_those_of_the_emulator(name):
    project = project_of(name)
    for arguments in ((), ("+stall=60", "+seed=7")):
        result = simulate(project, arguments=arguments)
        assert result.passed, result.log
