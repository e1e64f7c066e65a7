"""Cycle laws of arrays that all layers share, in closed form.

Systolic: identical to SCALE-Sim 3 compute cycles without stalls (A. Samajdar et al., ISPASS 2020, section III).
SIMT: after FGPU (M. Al Kadi, B. Janssen, M. Huebner, FGPU, FPGA 2016): wavefronts of 64 work items on 8 lanes per compute unit.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Cycles = NDArray[np.int64]

WAVEFRONT = 64
"""Work items that share one instruction."""
UNIT_LANES = 8
"""Lanes of a compute unit."""


class Dataflow(StrEnum):
    """Which operand a systolic array holds still."""

    WEIGHT = "weight"
    OUTPUT = "output"
    INPUT = "input"


def systolic_cycles(
    dataflow: Dataflow, *, pixels: ArrayLike, reduction: ArrayLike, filters: ArrayLike, rows: ArrayLike, columns: ArrayLike
) -> Cycles:
    """Return cycles of one (pixels × reduction) · (reduction × filters) product on a rows × columns array; 0 where `filters` is 0.

    With (Sr, Sc, T) = weight: (K, M, N), output: (N, M, K), input: (K, N, M):
    cycles = ceil(Sr/R) · ceil(Sc/C) · (R + C + T - 2 + (R unless output-stationary)) - 1.
    Arguments broadcast; each is a positive integer, `filters` may be 0.
    """
    N, K, M, R, C = (np.asarray(value, np.int64) for value in (pixels, reduction, filters, rows, columns))
    spatial_rows, spatial_columns, steps = {
        Dataflow.WEIGHT: (K, M, N),
        Dataflow.OUTPUT: (N, M, K),
        Dataflow.INPUT: (K, N, M),
    }[dataflow]
    folds = _ceil_div(spatial_rows, R) * _ceil_div(spatial_columns, C)
    preload: Any = 0 if dataflow is Dataflow.OUTPUT else R
    return np.where(M > 0, folds * (R + C + steps - 2 + preload) - 1, 0)


def simt_cycles(*, pixels: ArrayLike, reduction: ArrayLike, filters: ArrayLike, units: ArrayLike, instructions_per_mac: float) -> NDArray[np.float64]:
    """Return cycles on `units` compute units: one work item per output value, whole wavefronts, eight lanes per unit.

    cycles = ceil(wavefronts / units) · (64 / 8) · K · instructions per MAC: a unit issues one instruction of a wavefront over 8 cycles.
    A lower bound: memory stalls are not modeled.
    """
    outputs = np.asarray(pixels, np.int64) * np.asarray(filters, np.int64)
    rounds = _ceil_div(_ceil_div(outputs, np.int64(WAVEFRONT)), np.asarray(units, np.int64))
    return np.asarray(rounds * (WAVEFRONT // UNIT_LANES) * np.asarray(reduction) * instructions_per_mac, np.float64)


def _ceil_div(value: Cycles | np.int64, divisor: Cycles | np.int64) -> Cycles:
    return np.asarray(-(-value // np.maximum(divisor, 1)), np.int64)
