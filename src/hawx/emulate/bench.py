"""Benchmark: throughput of exact emulation against float32 convolution and against the peers' gather loop, measured alternately in one run."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from time import perf_counter, thread_time
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 (PyTorch's own idiom)
from torch import Tensor

from hawx.blocks import Block
from hawx.emulate.engine import AUTO, Engine
from hawx.emulate.groups import group_filters
from hawx.emulate.layers import LayerConstants
from hawx.emulate.machine import Machine, default_machine
from hawx.emulate.native import extension
from hawx.emulate.plan import make_plan
from hawx.emulate.workloads import WORKLOADS, Shape
from hawx.errors import InputError, UnknownNameError
from hawx.formats import S8
from hawx.networks.quantized import CodesOutput

MACS = 150_000_000
PIXELS = 2048
"""Multiply-accumulates and output positions of one timed call, at least: the batch is as large as that takes (at most 256 images)."""

GATHER_MACS = 4_000_000
"""The gather loop is timed on this many; its throughput does not depend on more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchRow:
    """One layer under one block. Throughputs in billions of multiply-accumulates of the layer per second."""

    network: str
    layer: str
    images: int
    block: str
    kind: str
    products: int | None
    """int16 products that the block factors into; None at full rank."""
    engine: str
    gmacs: float
    float32_gmacs: float
    gather_gmacs: float | None
    to_float32: float
    """Our throughput over that of `torch.nn.functional.conv2d` in float32."""
    to_gather: float | None
    """Our throughput over that of the gather loop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchReport:
    """Rows, and what they were measured on."""

    machine: str
    target: str
    threads: int
    torch: str
    rows: tuple[BenchRow, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)


def default_blocks() -> tuple[tuple[str, Block], ...]:
    """Return (kind, block): the exact product, two of low rank, and a seeded random table of full rank."""
    codes = S8.values()
    exact = np.multiply.outer(codes, codes)
    dropped = sum(np.multiply.outer(codes & (1 << i), codes & ((1 << (4 - i)) - 1)) for i in range(3))
    low = sum(np.multiply.outer(codes & (1 << i), codes & ((1 << (6 - i)) - 1)) for i in range(4))
    full = exact + np.random.default_rng(0).integers(-128, 128, exact.shape)
    return (
        ("exact", Block.from_table(exact, name="exact")),
        ("low-rank", Block.from_table(exact - dropped, name="truncated_3_rows")),
        ("low-rank", Block.from_table(exact - low, name="truncated_4_rows")),
        ("full-rank", Block.from_table(full, name="random")),
    )


def bench(
    networks: Sequence[str] = tuple(WORKLOADS),
    *,
    blocks: Sequence[tuple[str, Block]] | None = None,
    engine: str = AUTO,
    threads: int = 1,
    repeats: int = 5,
    advance: Callable[[int], None] = lambda _: None,
    machine: Machine | None = None,
) -> BenchReport:
    """Time every distinct layer of `networks` under every block.

    Ours includes layout, epilogue and requantization to int8; float32 is the convolution alone, in the faster of two memory formats. All are
    run in turn `repeats` times; the fastest run of each counts.

    Args:
        networks: names in `WORKLOADS`.
        blocks: (kind, block on signed weights); default `default_blocks()`.
        threads: for ours, for PyTorch; the gather loop is timed on one and multiplied (it shares nothing).
        advance: called with 1 after every layer.
        machine: what runs ours; the default machine if None.

    Raises:
        UnknownNameError: no such network.
        InputError: no repeats or threads.
    """
    if threads < 1 or repeats < 1:
        raise InputError(f"{repeats} repeats on {threads} threads cannot be timed; expected at least one of each.")
    for name in networks:
        if name not in WORKLOADS:
            raise UnknownNameError("network", name, WORKLOADS)
    ours = machine or default_machine()
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        rows = [
            row
            for name in networks
            for shape in WORKLOADS[name]
            for row in _rows(ours, name, shape, blocks or default_blocks(), engine, threads, repeats, advance)
        ]
    finally:
        torch.set_num_threads(before)
    return BenchReport(machine=_machine(), target=ours.target, threads=threads, torch=torch.__version__, rows=tuple(rows))


def _rows(
    machine: Machine,
    network: str,
    shape: Shape,
    blocks: Sequence[tuple[str, Block]],
    engine: str,
    threads: int,
    repeats: int,
    advance: Callable[[int], None],
) -> Iterator[BenchRow]:
    images = min(256, max(1, MACS // shape.macs, PIXELS // shape.out_size**2))
    macs = shape.macs * images
    rng = np.random.default_rng(0)
    drawn = rng.normal(0, 40, (images, shape.size, shape.size, shape.channels)).clip(0, 127).astype(np.int8)  # as after a ReLU
    codes, unsigned = (torch.from_numpy(c).permute(0, 3, 1, 2) for c in (drawn, 2 * drawn.astype(np.uint8)))
    weight = shape.draw_weight(rng)
    ours = [_ours(machine, shape, codes if block.formats[0].signed else unsigned, weight, block, engine, threads) for _, block in blocks]
    gathers = [_gather(shape, codes, weight, block) for _, block in blocks[-1:]]
    calls = [*(call for call, _ in ours), *_float32(shape, codes, weight), *(call for call, _ in gathers)]
    with torch.inference_mode():
        best = _alternate(calls, repeats, threads)
    float32 = macs / min(best[len(ours) : len(ours) + 2]) / 1e9
    gather = gathers[0][1] / best[-1] / 1e9 * threads if gathers[0][1] else None
    for (kind, block), (_, chosen), seconds in zip(blocks, ours, best, strict=False):
        gmacs, words = macs / seconds / 1e9, machine.knowledge.of(block).words
        yield BenchRow(
            network=network,
            layer=str(shape),
            images=images,
            block=block.name,
            kind=kind,
            products=None if words is None else max(1, words.products),
            engine=chosen,
            gmacs=gmacs,
            float32_gmacs=float32,
            gather_gmacs=gather,
            to_float32=gmacs / float32,
            to_gather=gmacs / gather if gather else None,
        )
    advance(1)


Timed = Callable[[], object]


def _alternate(calls: Sequence[Timed], repeats: int, threads: int) -> list[float]:
    """Return the seconds of the fastest of `repeats` runs of each call, one run of all after the other.

    One thread is timed by its own clock, which stands still while other processes have the processor; several threads by the wall's.
    """
    clock = thread_time if threads == 1 else perf_counter
    best = [float("inf")] * len(calls)
    for round_ in range(repeats + 1):
        for i, call in enumerate(calls):
            start = clock()
            call()
            if round_:  # the first round prepares constants and warms caches
                best[i] = min(best[i], clock() - start)
    return best


def _ours(machine: Machine, shape: Shape, codes: Tensor, weight: Tensor, block: Block, engine: str, threads: int) -> tuple[Timed, str]:
    constants, groups = LayerConstants.plain(weight, shape.geometry, scale=1e-4), group_filters([block] * shape.filters)
    machine.knowledge.of(block)  # as if it had run for long
    plan = make_plan(machine.model, machine.knowledge, constants, codes, groups, engine)
    chosen = Engine.TORCH if plan is None else plan[0][1]
    output = CodesOutput(scale=0.05, relu=True)
    return (lambda: machine.run(constants, codes, groups, output, engine, threads)), chosen.value


def _float32(shape: Shape, codes: Tensor, weight: Tensor) -> list[Timed]:
    def in_format(memory: torch.memory_format) -> Timed:
        x, w = (t.to(torch.float32).to(memory_format=memory) for t in (codes, weight))
        return lambda: F.conv2d(x, w, None, shape.stride, shape.kernel // 2, 1, shape.groups)

    return [in_format(memory) for memory in (torch.contiguous_format, torch.channels_last)]


def _gather(shape: Shape, codes: Tensor, weight: Tensor, block: Block) -> tuple[Timed, int]:
    """Return the gather loop on part of the layer's im2col matrix, and its multiply-accumulates (0 where the processor cannot gather)."""
    native = extension()
    if not native.gather_available():
        return (lambda: None), 0
    depth = shape.kernel**2 * shape.channels // shape.groups
    filters = 1 if shape.groups > 1 else shape.filters
    rows = max(1, GATHER_MACS // (depth * filters))
    values = codes.permute(0, 2, 3, 1).contiguous().numpy().ravel().view(np.uint8) ^ 128
    a = np.resize(values, (rows, depth))
    w = np.ascontiguousarray(weight.numpy().reshape(shape.filters, -1)[:filters].view(np.uint8) ^ 128)
    table, out = np.ascontiguousarray(block.table), np.empty((rows, filters), np.int32)
    return (lambda: native.gather_gemm(a, w, table, out)), rows * depth * filters


def _machine() -> str:
    return f"{platform.processor() or platform.machine()}, {torch.backends.cpu.get_cpu_capability()}"
