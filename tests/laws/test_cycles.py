"""Cycle laws: identical to SCALE-Sim on every stored layer, and to FGPU's wavefront count by hand.

Golden file: written by benchmarks/arrays_scalesim.py with SCALE-Sim 3.0.0; integers, no tolerance, any platform.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from hawx.accelerators import Dataflow, Systolic, simt_cycles, systolic_cycles
from hawx.networks.layer import Layer, LayerKind

GOLDEN = Path(__file__).parent.parent / "golden" / "scalesim_cycles.csv"
DATAFLOWS = {"ws": Dataflow.WEIGHT, "os": Dataflow.OUTPUT, "is": Dataflow.INPUT}


def golden() -> list[dict[str, str]]:
    with GOLDEN.open() as file:
        return list(csv.DictReader(line for line in file if not line.startswith("#")))


def scalesim_size(size: int, kernel: int, stride: int) -> int:
    """SCALE-Sim rounds the output size up; convolution rounds it down."""
    return -(-(size - kernel + stride) // stride)


@pytest.mark.parametrize("dataflow", sorted(DATAFLOWS))
def test_cycles_are_those_of_scalesim(dataflow):
    rows = [row for row in golden() if row["dataflow"] == dataflow]
    assert len({row["layer"] for row in rows}) >= 16
    for row in rows:
        g = {key: int(value) for key, value in row.items() if key not in {"layer", "dataflow"}}
        height = scalesim_size(g["in_height"], g["kernel_height"], g["stride"])
        width = scalesim_size(g["in_width"], g["kernel_width"], g["stride"])
        found = systolic_cycles(
            DATAFLOWS[dataflow],
            pixels=height * width,
            reduction=g["kernel_height"] * g["kernel_width"] * g["channels"],
            filters=g["filters"],
            rows=g["rows"],
            columns=g["columns"],
        )
        assert int(found) == g["cycles"], row


def test_grouped_layers_run_group_by_group():
    grouped = Layer(name="d", kind=LayerKind.DEPTHWISE, in_channels=6, filters=12, kernel=(3, 3), groups=3, in_size=(5, 5), out_size=(3, 3))
    single = Layer(name="s", kind=LayerKind.CONV, in_channels=2, filters=4, kernel=(3, 3), in_size=(5, 5), out_size=(3, 3))
    array = Systolic(rows=4, columns=3, dataflow=Dataflow.WEIGHT)
    assert array.layer_cycles([grouped])[0] == 3 * array.layer_cycles([single])[0]


def test_no_filters_no_cycles():
    assert systolic_cycles(Dataflow.OUTPUT, pixels=5, reduction=7, filters=[0, 1], rows=2, columns=[0, 2]).tolist()[0] == 0


def test_simt_cycles_by_hand():
    # 130 outputs are 3 wavefronts; 2 units need 2 rounds of 8 cycles per instruction; 9 products of 7 instructions
    assert simt_cycles(pixels=13, reduction=9, filters=10, units=2, instructions_per_mac=7) == 2 * 8 * 9 * 7
    np.testing.assert_array_equal(simt_cycles(pixels=64, reduction=1, filters=[1, 2], units=1, instructions_per_mac=1.5), [12.0, 24.0])
