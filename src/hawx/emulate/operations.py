"""Public operations: bit-exact approximate matrix products and convolutions of integer codes, NumPy or PyTorch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hawx.blocks import Block
from hawx.emulate import reference
from hawx.emulate.engine import AUTO, REFERENCE, check_engine
from hawx.emulate.geometry import Geometry, Pair
from hawx.emulate.groups import group_filters, magnitude_bound
from hawx.emulate.layers import LayerConstants
from hawx.emulate.machine import default_machine
from hawx.errors import InputError

Array = Any
"""A NumPy array or a PyTorch tensor; results are of the same kind."""


def matmul(a: Array, w: Array, block: Block | Sequence[Block], *, engine: str = AUTO, threads: int | None = None) -> Array:
    """Return `out[m, n] = Σ_k T[a[m, k], w[n, k]]`, bit-exact.

    Args:
        a: (M, K) activation codes in the block's first format (int8 or uint8).
        w: (N, K) weight codes in its second format.
        block: one block, or N of them, one per row of `w`.
        engine: one of `hawx.emulate.ENGINES`.
        threads: CPU threads; PyTorch's number if None.

    Returns:
        (M, N) int32, or int64 where `K · max|T| >= 2^31`; NumPy in, NumPy out.

    Raises:
        InputError: shapes, dtypes, formats or the number of blocks do not fit.
    """
    x, weight = _tensor("a", a, 2), _tensor("w", w, 2)
    if x.shape[1] != weight.shape[1]:
        raise InputError(f"operands of shapes {tuple(a.shape)} and {tuple(w.shape)} do not fit; expected (M, K) and (N, K).")
    out = _convolve(x[:, :, None, None], weight[:, :, None, None], block, Geometry(), engine, threads)[:, :, 0, 0]
    return out.numpy() if isinstance(a, np.ndarray) else out


def conv2d(
    x: Array,
    w: Array,
    blocks: Block | Sequence[Block],
    *,
    stride: int | Pair = 1,
    padding: int | Pair | tuple[int, int, int, int] = 0,
    dilation: int | Pair = 1,
    groups: int = 1,
    engine: str = AUTO,
    threads: int | None = None,
) -> Array:
    """Return the convolution of `x` with `w`, bit-exact: every product is `T[x, w]` of its filter's block, padding (code 0) included.

    Args:
        x: (N, C, H, W) activation codes in the blocks' first format (int8 or uint8).
        w: (O, C / groups, kh, kw) weight codes in their second format.
        blocks: one block, or O of them, one per filter.
        stride: one integer or (height, width); likewise `dilation`.
        padding: one integer, (height, width) or (top, bottom, left, right).
        engine: one of `hawx.emulate.ENGINES`.
        threads: CPU threads; PyTorch's number if None.

    Returns:
        (N, O, H', W') int32, or int64 where `K · max|T| >= 2^31`; NumPy in, NumPy out.

    Raises:
        InputError: shapes, dtypes, formats or the number of blocks do not fit.
    """
    geometry = Geometry.parse(stride, padding, dilation, groups)
    out = _convolve(_tensor("x", x, 4), _tensor("w", w, 4), blocks, geometry, engine, threads)
    return out.numpy() if isinstance(x, np.ndarray) else out


def _tensor(name: str, values: Array, dimensions: int) -> Tensor:
    tensor = torch.from_numpy(np.ascontiguousarray(values)) if isinstance(values, np.ndarray) and values.dtype.kind in "iu" else values
    if not isinstance(tensor, Tensor) or tensor.dtype not in (torch.int8, torch.uint8):
        raise InputError(f"{name} of type {getattr(values, 'dtype', type(values).__name__)} is not an array of codes; expected int8 or uint8.")
    if tensor.ndim != dimensions or 0 in tensor.shape[1:]:
        raise InputError(f"{name} of shape {tuple(tensor.shape)} is not usable; expected {dimensions} non-empty dimensions.")
    return tensor


def _convolve(x: Tensor, w: Tensor, blocks: Block | Sequence[Block], geometry: Geometry, engine: str, threads: int | None) -> Tensor:
    each = list(blocks) if isinstance(blocks, Sequence) and not isinstance(blocks, str) else [blocks] * len(w)
    _check(x, w, each, geometry)
    if threads is not None and threads < 1:
        raise InputError(f"threads {threads!r} is not usable; expected a positive integer, or None for PyTorch's number.")
    if check_engine(engine) == REFERENCE:
        g = geometry
        exact = reference.conv2d(x.cpu().numpy(), w.cpu().numpy(), each, stride=g.stride, padding=g.padding, dilation=g.dilation, groups=g.groups)
        wide = magnitude_bound(w[0].numel(), group_filters(each)) >= 1 << 31
        return torch.from_numpy(exact if wide else exact.astype(np.int32)).to(x.device)
    return default_machine().run(LayerConstants.plain(w.detach(), geometry), x.detach(), group_filters(each), int, engine, threads)


def _check(x: Tensor, w: Tensor, blocks: Sequence[Block], geometry: Geometry) -> None:
    for item in list[object](blocks):
        if not isinstance(item, Block):
            raise InputError(f"block {item!r} is not a block; expected hawx.Block.from_table(...) or a member of a library.")
    filters, depth, kh, kw = w.shape
    if filters == 0 or len(blocks) != filters:
        raise InputError(f"{len(blocks)} blocks do not fit {filters} filters; expected one block, or one per filter.")
    formats = blocks[0].formats
    for block in blocks:
        if block.formats != formats:
            raise InputError(f"block {block!r} does not share the formats {formats[0]}×{formats[1]} of the first; expected one format pair.")
    for name, tensor, fmt in (("activations", x, formats[0]), ("weights", w, formats[1])):
        if tensor.dtype != (torch.int8 if fmt.signed else torch.uint8):
            raise InputError(f"{name} of dtype {tensor.dtype} do not fit format {fmt}; expected {fmt.dtype}.")
    if x.device != w.device:
        raise InputError(f"activations on {x.device} and weights on {w.device} are apart; expected one device.")
    if x.shape[1] != depth * geometry.groups or filters % geometry.groups:
        raise InputError(f"weights {tuple(w.shape)} do not fit input {tuple(x.shape)} in {geometry.groups} groups; expected (O, C / groups, kh, kw).")
    if min(geometry.out_size(x.shape[2], x.shape[3], (kh, kw))) < 1:
        raise InputError(f"kernel {(kh, kw)} does not fit input {tuple(x.shape)} with padding {geometry.padding}; expected a non-empty output.")
