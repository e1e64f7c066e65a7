"""Parts: filters of one layer prepared for one native kernel. Every kind computes the same integers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from hawx.blocks import Block
from hawx.blocks.factorize import ByteFactors, Factors, byte_factors, factorize
from hawx.blocks.residual import Residual, residual
from hawx.emulate.cost import CLASS_COLUMNS
from hawx.emulate.engine import Engine
from hawx.emulate.geometry import Geometry
from hawx.emulate.native import kernels

WeightCodes = NDArray[np.uint8]
"""Shape (filters, kh, kw, depth), indices in value order."""

Call = Callable[[Tensor, Any, int], None]
"""`(codes, finish, threads)`: runs the kernel."""

_ALIGN = 32
"""Operand columns of depthwise weights come in multiples of this (one AVX-512 register of int16)."""

_LINE = 64
"""Bytes of a line of the cache, and of an AVX-512 register."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Part:
    """What one native call needs, apart from codes and epilogue."""

    filters: NDArray[np.int32]
    """Output channels that the part computes."""
    channels: slice
    """Input channels that it reads."""
    offset: NDArray[np.int64]
    """Added to the accumulators of each filter: what the kernel leaves out because its entries start at zero."""
    nbytes: int
    call: Call


def prepare(
    blocks: Sequence[Block],
    of: NDArray[np.int32],
    weight: WeightCodes,
    filters: NDArray[np.int32],
    channels: slice,
    geometry: Geometry,
    engine: Engine,
    multiplier: int | None,
) -> Part:
    """Return the part that computes `filters` through a native `engine`.

    Args:
        blocks: what the filters multiply with; just one for the factored engine.
        of: position in `blocks` of every filter's block.
        weight: codes of these filters.
        channels: input channels that these filters read.
        multiplier: filters per input channel of a depthwise layer; None for any other layer.
    """
    native = kernels()
    window = native.Window(
        kernel=weight.shape[1:3],
        stride=geometry.stride,
        origin=(geometry.padding[0], geometry.padding[2]),
        dilation=geometry.dilation,
        pad=geometry.pad - blocks[0].formats[0].min,
    )
    if engine is Engine.FACTORED:
        factors = factorize(blocks[0], 16)
        assert factors is not None, "the factored engine is offered only where factors exist"
        offset = np.zeros(len(filters), np.int64)
        if multiplier is None:
            call, nbytes = _conv_factored(native, window, factors, weight)
        else:
            call, nbytes = _depthwise_factored(native, window, factors, weight, filters // multiplier)
    elif engine is Engine.BYTES:
        products = byte_factors(blocks[0])
        assert products is not None, "the bytes engine is offered only where factors fit bytes"
        maps = _byte_maps(products)
        call, nbytes = _conv(native, window, maps[0], maps[1][weight])
        offset = -_sums(products.zero @ products.v.astype(np.int64), weight)
    elif engine is Engine.RESIDUAL:
        split = residual(blocks[0])
        assert split is not None, "the residual engine is offered only where a split exists"
        call, nbytes = _conv_residual(native, window, split, weight)
        offset = _sums(split.low - split.factors.zero @ split.factors.v.astype(np.int64), weight)
    else:
        tables = [packed_table(block) for block in blocks]
        offset = np.array([table.low for table in tables], np.int64)[of] * weight[0].size
        flat = np.ascontiguousarray(weight.reshape(len(weight), -1))
        arguments = (window, [table.rows for table in tables], [table.planes for table in tables], of, flat)
        nbytes = flat.nbytes
        if multiplier is None:
            call = _table_call(native, arguments, stationary=engine is Engine.LOOKUP)
        else:
            call = _depthwise_call(native.depthwise_lookup, arguments, filters // multiplier)
    return Part(filters=filters, channels=channels, offset=offset, nbytes=nbytes, call=call)


@dataclass(frozen=True, slots=True, eq=False)
class PackedTable:
    """A table as the kernels read it: weight-major, shifted by its minimum `low` to unsigned 16 bits, and split into byte planes."""

    low: int
    rows: NDArray[np.uint16]
    planes: NDArray[np.uint8]


@lru_cache(maxsize=256)
def packed_table(block: Block) -> PackedTable:
    """Return the table of a block whose entries span at most 16 bits."""
    low = int(block.table.min())
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


def _conv_factored(native: ModuleType, window: Any, factors: Factors, weight: WeightCodes) -> tuple[Call, int]:
    rows, columns = _maps(factors, max(factors.products, 1))
    return _conv(native, window, rows, columns[weight])


def _byte_maps(factors: ByteFactors) -> tuple[NDArray[np.uint8], NDArray[np.int8]]:
    """Return the operand maps (256, products) of activations and of weights."""
    if factors.products == 0:
        return np.zeros((256, 1), np.uint8), np.zeros((256, 1), np.int8)
    return np.ascontiguousarray(factors.u.T), np.ascontiguousarray(factors.v.T)


def _sums(constant: NDArray[np.int64], weight: WeightCodes) -> NDArray[np.int64]:
    """Return what every filter's weights add up to, each code worth its entry of `constant`."""
    return np.asarray(constant[weight].reshape(len(weight), -1).sum(axis=1))


def _conv_residual(native: ModuleType, window: Any, split: Residual, weight: WeightCodes) -> tuple[Call, int]:
    rows, columns = _byte_maps(split.factors)
    panels = _panels(native, window, columns[weight])
    flat = weight.reshape(len(weight), -1)
    padded = np.zeros((-(-len(flat) // CLASS_COLUMNS) * CLASS_COLUMNS, flat.shape[1]), np.uint8)
    padded[: len(flat)] = flat
    blocks = np.ascontiguousarray(padded.reshape(-1, CLASS_COLUMNS, flat.shape[1]).transpose(0, 2, 1))
    planes = (split.rows & 255, split.rows >> 8)[: 1 if split.group else 2]
    tables = np.ascontiguousarray(np.stack(planes, axis=1).astype(np.uint8))
    group = split.group or 4
    longest = (1 << 15) // (split.span + 1) // group * group
    classes = split.classes * np.uint8(16)

    def call(codes: Tensor, finish: Any, threads: int) -> None:
        native.conv_residual(codes, window, rows, panels, classes, tables, blocks, group, split.unit, longest, finish, threads)

    return call, panels.nbytes + blocks.nbytes


def _conv(native: ModuleType, window: Any, rows: NDArray[Any], columns: NDArray[Any]) -> tuple[Call, int]:
    """Return the call for activation factors `rows`, (256, products), and weight factors `columns`, (filters, kh, kw, depth, products)."""
    panels = _panels(native, window, columns)

    def call(codes: Tensor, finish: Any, threads: int) -> None:
        native.conv_factored(codes, window, rows, panels, finish, threads)

    return call, panels.nbytes


def _panels(native: ModuleType, window: Any, columns: NDArray[Any]) -> NDArray[Any]:
    filters, _, _, depth, products = columns.shape
    panels = _aligned((native.panel_size(window, depth, products, filters, columns.dtype == np.int8),), columns.dtype)
    native.pack(window, depth, products, columns.reshape(filters, -1), panels)
    return panels


def _depthwise_factored(native: ModuleType, window: Any, factors: Factors, weight: WeightCodes, channels: NDArray[np.int32]) -> tuple[Call, int]:
    products = max(factors.products + factors.products % 2, 2)
    rows, columns = _maps(factors, products)
    taps, width = weight.shape[1] * weight.shape[2], len(weight) * products
    operands = np.zeros((taps, -(-width // _ALIGN) * _ALIGN), np.int16)
    operands[:, :width] = columns[weight.reshape(len(weight), taps).T].reshape(taps, width)
    return _depthwise_call(native.depthwise_factored, (window, rows, operands), channels), operands.nbytes


def _depthwise_call(kernel: Callable[..., None], arguments: tuple[Any, ...], channels: NDArray[np.int32]) -> Call:
    def call(codes: Tensor, finish: Any, threads: int) -> None:
        kernel(codes, *arguments, channels, finish, threads)

    return call


def _table_call(native: ModuleType, arguments: tuple[Any, ...], *, stationary: bool) -> Call:
    def call(codes: Tensor, finish: Any, threads: int) -> None:
        native.conv_table(codes, *arguments, finish, threads, stationary)

    return call
