"""BlockExecutor: runs a network's layers with the blocks of an assignment."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor

from hawx.blocks import Block, Library
from hawx.designs.assignment import Assignment
from hawx.emulate import layers
from hawx.emulate.engine import AUTO, check_engine
from hawx.emulate.geometry import Geometry
from hawx.emulate.groups import group_indices
from hawx.networks.quantized import CodesOutput, QuantizedLayer

_operands: WeakKeyDictionary[QuantizedLayer, layers.Operands] = WeakKeyDictionary()


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
        groups = group_indices(self.assignment[layer.layer.name], self._blocks)
        return layers.run(_operands_of(layer), codes, groups, output, self.engine, self.threads)

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
