"""Products of two activations: one batched matrix product of mapped codes for all images and heads.

A table of few factors is an exact sum of products of mapped codes (hawx.blocks.factorize), so a matrix product under it is a matrix product again,
deeper by the number of factors. It runs in float32 where no partial sum can leave what float32 holds exactly, else in float64.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hawx.emulate import torch_engine
from hawx.emulate.groups import FilterGroup
from hawx.emulate.machine import Machine
from hawx.networks.exact import FLOAT32_EXACT
from hawx.networks.quantized import QuantizedLayer

MOST_FACTORS = 8
"""Tables of more factors run faster on kernels that look up their entries, matrix by matrix."""

Maps = NDArray[np.float64]
"""(factors, 2, 256): what each code of either operand is worth."""


def factored(machine: Machine, groups: Sequence[FilterGroup]) -> list[Maps] | None:
    """Return the maps of every group's block, or None where one has more than `MOST_FACTORS`."""
    found = [torch_engine.maps(group.block, machine.cache, machine.knowledge) for group in groups]
    return None if any(len(maps) > MOST_FACTORS for maps in found) else found


def accumulate(layer: QuantizedLayer, codes: Tensor, groups: Sequence[FilterGroup], maps: Sequence[Maps]) -> Tensor:
    """Return the accumulators of a product, zero point and bias included: exact integers, (images, filters, rows, 1).

    Args:
        layer: with the second operand of the images.
        codes: (images, in_channels, rows, 1).
        groups: the filters of each block.
        maps: what `factored` gave for them.
    """
    images, filters, depth = layer.weight.shape[:3]
    heads, rows = codes.shape[1] // depth, codes.shape[2]
    left = _from_zero(codes.reshape(images, heads, depth, rows).mT)
    right = _from_zero(layer.weight.reshape(images, heads, -1, depth))
    bound = max(depth * float(np.abs(each).max(axis=2).prod(axis=1).sum()) for each in maps)
    dtype = torch.float32 if bound < FLOAT32_EXACT else torch.float64
    total = torch.empty((images, heads, right.shape[2], rows), dtype=dtype)
    for group, each in zip(groups, maps, strict=True):
        first, second = (torch.from_numpy(np.ascontiguousarray(each[:, side].T)).to(dtype) for side in range(2))
        for some, columns in _alike(group.filters, right.shape[2]):
            every = len(some) == heads and len(columns) == right.shape[2]
            deep, wide = (left, right) if every else (left[:, some], right[:, some][:, :, columns])
            product = second[wide].flatten(3) @ first[deep].flatten(3).mT
            if every:
                total = product
            else:
                total[:, some.view(-1, 1), columns] = product
    constant = layer.bias.to(torch.int64).view(1, -1, 1, 1) - layer.input_zero_point * layer.weight.sum(2, dtype=torch.int64)
    return total.reshape(images, filters, rows, 1).to(torch.int64) + constant


def _from_zero(codes: Tensor) -> Tensor:
    """Return codes as indices in value order."""
    indices = codes.to(torch.int64, memory_format=torch.contiguous_format)
    return indices.add_(128) if codes.dtype == torch.int8 else indices


def _alike(filters: NDArray[np.int64], columns: int) -> list[tuple[Tensor, Tensor]]:
    """Return which columns of which heads `filters` are, heads with the same columns together."""
    of: dict[bytes, list[int]] = {}
    for head in np.unique(filters // columns).tolist():
        of.setdefault((filters[filters // columns == head] % columns).tobytes(), []).append(head)
    return [(torch.tensor(heads), torch.from_numpy(np.frombuffer(own, np.int64).copy())) for own, heads in of.items()]
