"""Timing: measures the coefficients of the cost model on this machine, in about a second."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from time import thread_time

import numpy as np
import torch
from numpy.typing import NDArray

from hawx.blocks import Block
from hawx.emulate.cost import TERMS, CostModel, built_in
from hawx.emulate.engine import Engine
from hawx.emulate.groups import group_filters
from hawx.emulate.layers import LayerConstants
from hawx.emulate.machine import Machine
from hawx.emulate.plan import native_engines
from hawx.emulate.workloads import Shape
from hawx.networks.quantized import CodesOutput

SHAPES = (
    (Shape(64, 64, 16), 16),
    (Shape(32, 96, 16), 32),
    (Shape(16, 32, 24), 4),
    (Shape(128, 32, 8), 32),
    (Shape(256, 64, 4), 8),
    (Shape(64, 16, 32, kernel=1), 4),
    (Shape(96, 96, 24, groups=96), 16),
    (Shape(64, 64, 28, kernel=5, groups=64), 8),
    (Shape(128, 128, 28, stride=2, groups=128), 12),
)
"""Shapes and batch sizes: wide and narrow, few pixels and many, depthwise."""

LOOKUP_PRODUCTS = 20_000_000
"""Lookups are timed on shapes of so many products at most: they are slow."""


def time_kernels(machine: Machine, *, repeats: int = 8, clock: Callable[[], float] = thread_time) -> CostModel:
    """Return the cost model of the kernels of `machine`, measured on one thread.

    Every engine runs a few shapes; the coefficients are the non-negative least-squares fit of relative times (Lawson and Hanson, 1974).
    A term that no measurement determines keeps its built-in figure.
    """
    tier = machine.model.tier
    model = built_in(tier)
    rng = np.random.default_rng(0)
    output = CodesOutput(scale=0.05, relu=True)  # as inside a network
    rows = []
    for block, engines in timed_blocks():
        for shape, images in SHAPES:
            codes = torch.from_numpy(rng.integers(0, 128, (images, shape.size, shape.size, shape.channels)).astype(np.int8)).permute(0, 3, 1, 2)
            constants, groups = LayerConstants.plain(shape.draw_weight(rng), shape.geometry), group_filters([block] * shape.filters)
            work = constants.work(codes, shape.filters)
            offered = native_engines(block, machine.knowledge.of(block), work, tier)
            for engine in engines:
                if engine not in offered or (engine is Engine.LOOKUP and shape.macs * images > LOOKUP_PRODUCTS):
                    continue
                best = _fastest(partial(machine.run, constants, codes, groups, output, engine, 1), repeats, clock)
                amounts = model.amounts(engine, work, offered[engine])
                rows.append([amounts.get(name, 0.0) / best for name in TERMS])
    fitted = zip(TERMS, _fit(np.array(rows)), strict=True)
    return CostModel(tier, {name: seconds or model.coefficients[name] for name, seconds in fitted}, "timed on this machine")


def _fastest(call: Callable[[], object], repeats: int, clock: Callable[[], float]) -> float:
    """Return the seconds of the fastest of `repeats` calls, after one that warms caches."""
    call()
    times = [clock()]
    for _ in range(repeats):
        call()
        times.append(clock())
    return float(np.diff(times).min())


def _fit(amounts: NDArray[np.float64]) -> list[float]:
    """Return the seconds of each term, zero where nothing tells, from (measurements, terms) over the seconds that each measurement took."""
    from scipy.optimize import nnls  # here, because it is needed once on a machine and slow to import

    scale = np.linalg.norm(amounts, axis=0)
    scale[scale == 0] = 1.0
    return [float(value) for value in nnls(amounts / scale, np.ones(len(amounts)))[0] / scale]


def timed_blocks() -> list[tuple[Block, tuple[Engine, ...]]]:
    """Return blocks with the engines to time: tables once, whatever the rank; remainders of two lengths."""
    rng = np.random.default_rng(0)
    code = np.arange(-128, 128)
    exact, low = np.multiply.outer(code, code), np.multiply.outer(code & 7, code & 7)
    (u,), (v,) = rng.integers(-60, 60, (2, 1, 256))
    us, vs = rng.integers(-60, 60, (2, 3, 256))
    return [
        (Block.from_table(np.multiply.outer(u, v), name="rank1"), (Engine.FACTORED, Engine.BYTES, Engine.TABLE, Engine.LOOKUP)),
        (Block.from_table(us.T @ vs, name="rank3"), (Engine.FACTORED, Engine.BYTES)),
        (Block.from_table(exact - low, name="short_remainder"), (Engine.RESIDUAL,)),
        (Block.from_table(exact - 8 * low, name="long_remainder"), (Engine.RESIDUAL,)),
    ]
