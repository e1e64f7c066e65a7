"""The factored engine in plain PyTorch: exact on every device, the fallback where no native kernel runs.

`T = Σ_i u_i[a] · v_i[w]`, so the layer is a sum of ordinary convolutions of mapped operands. They run in float64, which is exact
here: every partial sum is an integer below 2^53, and no library replaces a float64 convolution by a Winograd or TF32 one.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 (PyTorch's own idiom)
from numpy.typing import NDArray
from torch import Tensor

from hawx.blocks import Block
from hawx.blocks.factorize import factorize
from hawx.blocks.knowledge import Knowledge
from hawx.emulate.cache import ByteCache
from hawx.emulate.geometry import Geometry


def accumulate(codes: Tensor, weight: Tensor, block: Block, geometry: Geometry, cache: ByteCache, knowledge: Knowledge) -> Tensor:
    """Return `Σ_k T[x_k, w_{o,k}]`, shape (N, O, H', W'), int64, on the device of `codes`.

    Args:
        codes: (N, C, H, W), dtype of the block's first format.
        weight: (O, C / groups, kh, kw), dtype of the block's second format.
        cache: keeps what the block's table is turned into.
        knowledge: has its factors.
    """
    a_min, w_min = (f.min for f in block.formats)
    top, bottom, left, right = geometry.padding
    # An index_select of a table of 256 entries maps codes; padded positions are codes like any other.
    inputs = F.pad(codes, (left, right, top, bottom), value=geometry.pad).to(torch.int64).sub_(a_min)
    kernel = weight.to(torch.int64).sub_(w_min)
    total: Tensor | None = None
    for u, v in maps(block, cache, knowledge):
        columns = torch.from_numpy(v).to(codes.device)[kernel]
        if not columns.any():
            continue
        rows = torch.from_numpy(u).to(codes.device)[inputs]
        part = F.conv2d(rows, columns, None, geometry.stride, 0, geometry.dilation, geometry.groups).to(torch.int64)
        total = part if total is None else total.add_(part)
    if total is None:
        size = geometry.out_size(codes.shape[2], codes.shape[3], (weight.shape[2], weight.shape[3]))
        return torch.zeros((len(codes), len(weight), *size), dtype=torch.int64, device=codes.device)
    return total


def maps(block: Block, cache: ByteCache, knowledge: Knowledge) -> NDArray[np.float64]:
    """Return pairs of operand maps, (products, 2, 256): the factors, or for a full-rank table its columns against one-hot weights."""
    return cache.get(block, "maps", partial(_maps, block, knowledge))


def _maps(block: Block, knowledge: Knowledge) -> NDArray[np.float64]:
    factors = knowledge.of(block).words or factorize(block, 8)
    if factors is not None:
        return np.stack([factors.u * factors.scale[:, None].astype(np.float64), factors.v], axis=1)
    used = block.table.any(axis=0)
    return np.stack([block.table.T[used], np.identity(len(block.table))[used]], axis=1)
