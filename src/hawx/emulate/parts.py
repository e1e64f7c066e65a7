"""Parts: filters of one layer prepared for one native kernel. Every kind computes the same integers."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hawx.blocks import Block
from hawx.blocks.decompositions import Decompositions
from hawx.blocks.factorize import ByteFactors, Factors
from hawx.blocks.knowledge import Knowledge
from hawx.emulate.cache import ByteCache
from hawx.emulate.engine import Engine
from hawx.emulate.geometry import Geometry
from hawx.emulate.native import extension

if TYPE_CHECKING:
    from hawx._native import Finish, Kernels, Window

WeightCodes = NDArray[np.uint8]
"""Shape (filters, kh, kw, depth), indices in value order."""

Codes = NDArray[np.int8] | NDArray[np.uint8]
"""Shape (N, C, H, W), any strides."""

Call = Callable[[Codes, "Finish", int], None]
"""`(codes, finish, threads)`: runs the kernel."""

_LINE = 64
"""Bytes of a line of the cache, and of an AVX-512 register."""


@dataclass(frozen=True, slots=True, eq=False)
class Share:
    """Filters of one layer that one native call computes."""

    blocks: tuple[Block, ...]
    """What they multiply with; just one for engines that factor it."""
    of: NDArray[np.int32]
    """Position in `blocks` of every filter's block."""
    filters: NDArray[np.int32]
    """Output channels, ascending."""
    channels: slice
    """Input channels that they read."""

    def key(self, engine: Engine) -> Hashable:
        """Return what tells the part of this share from all others of its layer."""
        return tuple(block.sha256 for block in self.blocks), self.of.tobytes(), self.filters.tobytes(), self.channels.start, engine.value


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """A share prepared for its kernel: all that a call needs, apart from codes and epilogue."""

    call: Call
    offset: NDArray[np.int64]
    """(filters,): added to the accumulators, which kernels leave out because their entries start at zero."""
    nbytes: int


def prepare(
    kernels: Kernels,
    cache: ByteCache,
    knowledge: Knowledge,
    share: Share,
    weight: WeightCodes,
    geometry: Geometry,
    engine: Engine,
    multiplier: int | None,
) -> Part:
    """Return the part that computes a share through a native `engine`.

    Args:
        cache: keeps what tables are turned into.
        weight: codes of the share's filters.
        multiplier: filters per input channel of a depthwise layer; None for any other layer.
    """
    window = extension().Window(
        kernel=weight.shape[1:3],
        stride=geometry.stride,
        origin=(geometry.padding[0], geometry.padding[2]),
        dilation=geometry.dilation,
        pad=geometry.pad - share.blocks[0].formats[0].min,
    )
    reads = None if multiplier is None else share.filters // multiplier
    if engine is Engine.FACTORED:
        return _factored(kernels, window, knowledge.of(share.blocks[0]), weight, reads)
    if engine is Engine.BYTES:
        return _bytes(kernels, window, knowledge.of(share.blocks[0]), weight)
    if engine is Engine.RESIDUAL:
        return _residual(kernels, window, knowledge.of(share.blocks[0]), weight)
    tables = [cache.get(block, "packed", partial(pack_table, block)) for block in share.blocks]
    return _table(kernels, window, tables, share.of, weight, reads, stationary=engine is Engine.LOOKUP)


def _call(kernel: Callable[..., None], *arguments: object) -> Call:
    """Return the call of a kernel, which takes codes before `arguments`, epilogue and threads after them."""

    def call(codes: Codes, finish: Finish, threads: int) -> None:
        kernel(codes, *arguments, finish, threads)

    return call


def _factored(kernels: Kernels, window: Window, known: Decompositions, weight: WeightCodes, reads: NDArray[np.int32] | None) -> Part:
    factors = known.words
    assert factors is not None, "the factored engine is offered only where factors exist"
    nothing = np.zeros(len(weight), np.int64)
    if reads is None:
        rows, columns = _maps(factors, max(factors.products, 1))
        panels = _panels(kernels, window, columns[weight])
        return Part(_call(kernels.conv_factored, window, rows, panels), nothing, panels.nbytes)
    products = max(factors.products + factors.products % 2, 2)
    rows, columns = _maps(factors, products)
    taps, width, multiple = weight.shape[1] * weight.shape[2], len(weight) * products, extension().DEPTHWISE_COLUMNS
    operands = np.zeros((taps, -(-width // multiple) * multiple), np.int16)
    operands[:, :width] = columns[weight.reshape(len(weight), taps).T].reshape(taps, width)
    return Part(_call(kernels.depthwise_factored, window, rows, operands, reads), nothing, operands.nbytes)


def _bytes(kernels: Kernels, window: Window, known: Decompositions, weight: WeightCodes) -> Part:
    factors = known.bytes
    assert factors is not None, "the bytes engine is offered only where factors fit bytes"
    rows, columns = _byte_maps(factors)
    panels = _panels(kernels, window, columns[weight])
    offset = -_sums(factors.zero @ factors.v.astype(np.int64), weight)
    return Part(_call(kernels.conv_factored, window, rows, panels), offset, panels.nbytes)


def _residual(kernels: Kernels, window: Window, known: Decompositions, weight: WeightCodes) -> Part:
    split = known.residual
    assert split is not None, "the residual engine is offered only where a split exists"
    rows, columns = _byte_maps(split.factors)
    panels = _panels(kernels, window, columns[weight])
    flat, together = weight.reshape(len(weight), -1), extension().CLASS_COLUMNS
    padded = np.zeros((-(-len(flat) // together) * together, flat.shape[1]), np.uint8)
    padded[: len(flat)] = flat
    stacks = np.ascontiguousarray(padded.reshape(-1, together, flat.shape[1]).transpose(0, 2, 1))
    planes = (split.rows & 255, split.rows >> 8)[: 1 if split.group else 2]
    tables = np.ascontiguousarray(np.stack(planes, axis=1).astype(np.uint8))
    group = split.group or 4
    longest = (1 << 15) // (split.span + 1) // group * group
    classes = split.classes * np.uint8(min(16, 256 // len(split.rows)))  # as kernels want them: nearly offsets
    call = _call(kernels.conv_residual, window, rows, panels, classes, tables, stacks, group, split.unit, longest)
    offset = _sums(split.low - split.factors.zero @ split.factors.v.astype(np.int64), weight)
    return Part(call, offset, panels.nbytes + stacks.nbytes)


def _table(
    kernels: Kernels,
    window: Window,
    tables: Sequence[PackedTable],
    of: NDArray[np.int32],
    weight: WeightCodes,
    reads: NDArray[np.int32] | None,
    *,
    stationary: bool,
) -> Part:
    offset = np.array([table.low for table in tables], np.int64)[of] * weight[0].size
    flat = np.ascontiguousarray(weight.reshape(len(weight), -1))
    arguments = (window, [table.rows for table in tables], [table.planes for table in tables], of, flat)
    call = _call(kernels.conv_table, *arguments, stationary) if reads is None else _call(kernels.depthwise_lookup, *arguments, reads)
    return Part(call, offset, flat.nbytes)


@dataclass(frozen=True, slots=True, eq=False)
class PackedTable:
    """A table as the kernels read it: weight-major, shifted by its minimum `low` to unsigned 16 bits, and split into byte planes."""

    low: int
    rows: NDArray[np.uint16]
    planes: NDArray[np.uint8]

    @property
    def nbytes(self) -> int:
        return self.rows.nbytes + self.planes.nbytes


def pack_table(block: Block) -> PackedTable:
    """Return the table of a block whose entries span at most 16 bits."""
    low = block.extremes[0]
    rows = np.ascontiguousarray((block.table.T - low).astype(np.uint16))
    planes = _aligned((256, 512), np.uint8)
    planes[:, :256], planes[:, 256:] = rows & 255, rows >> 8
    return PackedTable(low, rows, planes)


def _aligned(shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
    """Return an uninitialized array that starts at a line of the cache: half of a kernel's loads would touch two of them otherwise."""
    nbytes = int(np.prod(shape)) * np.dtype(dtype).itemsize
    raw = np.empty(nbytes + _LINE - 1, np.uint8)
    start = -raw.ctypes.data % _LINE
    return np.asarray(raw[start : start + nbytes].view(dtype).reshape(shape))


def _maps(factors: Factors, products: int) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
    """Return the operand maps (256, products) of activations and of weights, padded with zero factors."""
    maps = np.zeros((2, 256, products), np.int16)
    maps[0, :, : factors.products] = factors.u.T
    maps[1, :, : factors.products] = factors.v.T
    return maps[0], maps[1]


def _byte_maps(factors: ByteFactors) -> tuple[NDArray[np.uint8], NDArray[np.int8]]:
    """Return the operand maps (256, products) of activations and of weights."""
    if factors.products == 0:
        return np.zeros((256, 1), np.uint8), np.zeros((256, 1), np.int8)
    return np.ascontiguousarray(factors.u.T), np.ascontiguousarray(factors.v.T)


def _sums(constant: NDArray[np.int64], weight: WeightCodes) -> NDArray[np.int64]:
    """Return what every filter's weights add up to, each code worth its entry of `constant`."""
    return np.asarray(constant[weight].reshape(len(weight), -1).sum(axis=1))


def _panels(kernels: Kernels, window: Window, columns: NDArray[Any]) -> NDArray[Any]:
    """Return weight factors, (filters, kh, kw, depth, products) int16 or int8, as the matrix products read them."""
    filters, _, _, depth, products = columns.shape
    panels = _aligned((kernels.panel_size(window, depth, products, filters, columns.dtype == np.int8),), columns.dtype)
    kernels.pack(window, depth, products, columns.reshape(filters, -1), panels)
    return panels
