"""BlockExecutor: runs a network's layers with the blocks of an assignment."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from functools import cached_property
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor

from hawx.blocks import Block, Library
from hawx.designs.assignment import Assignment, BlockIndices
from hawx.emulate import layers
from hawx.emulate.engine import AUTO, check_engine
from hawx.emulate.geometry import Geometry
from hawx.emulate.groups import group_indices
from hawx.networks.quantized import CodesOutput, QuantizedLayer

_operands: WeakKeyDictionary[QuantizedLayer, layers.Operands] = WeakKeyDictionary()
_composed: WeakKeyDictionary[QuantizedLayer, OrderedDict[bytes, QuantizedLayer]] = WeakKeyDictionary()
COMPOSED = 32
"""Choices of blocks per layer whose constants are kept composed."""


@dataclass(frozen=True, eq=False)
class BlockExecutor:
    """Implements `Executor`: every filter multiplies with its block, bit-exactly whatever the engine.

    Construction is cheap; what engines prepare is kept per layer and shared between executors.
    """

    library: Library
    assignment: Assignment
    engine: str = AUTO
    threads: int | None = None

    def __post_init__(self) -> None:
        check_engine(self.engine)

    def run_layer(self, layer: QuantizedLayer, codes: Tensor, output: CodesOutput | None) -> Tensor:
        """Return the layer's output; see `Executor.run_layer`."""
        indices = self.assignment[layer.layer.name]
        groups = group_indices(indices, self._blocks)
        return layers.run(_operands_of(self._on_blocks(layer, indices)), codes, groups, output, self.engine, self.threads)

    def _on_blocks(self, layer: QuantizedLayer, indices: BlockIndices) -> QuantizedLayer:
        """Return the layer with the constants that its filters take on their blocks."""
        hashes = [block.sha256 for block in self._blocks]
        used = [hashes[i] for i in np.unique(indices)]
        if not any(block in layer.variants for block in used):
            return layer
        kept = _composed.setdefault(layer, OrderedDict())
        key = "".join(hashes).encode() + indices.tobytes()
        if key not in kept:
            kept[key] = layer.on([hashes[i] for i in indices])
            if len(kept) > COMPOSED:
                kept.popitem(last=False)
        kept.move_to_end(key)
        return kept[key]

    @cached_property
    def _blocks(self) -> tuple[Block, ...]:
        return tuple(self.library[name] for name in self.assignment.blocks)


def _operands_of(layer: QuantizedLayer) -> layers.Operands:
    found = _operands.get(layer)
    if found is None:
        sums = layer.weight.flatten(1).sum(1, dtype=torch.int64)
        found = layers.Operands(
            weight=layer.weight.detach(),
            geometry=Geometry.of(layer.layer, layer.input_zero_point),
            constant=np.asarray((layer.bias.to(torch.int64) - layer.input_zero_point * sums).numpy()),
            scale=np.ascontiguousarray(layer.scale.numpy(), np.float32),
        )
        _operands[layer] = found
    return found
