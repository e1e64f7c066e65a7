"""BlockExecutor: runs a network's layers with the blocks of an assignment."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from hawx.blocks import Library
from hawx.designs.assignment import Assignment
from hawx.emulate.geometry import Geometry
from hawx.emulate.operations import _by_group
from hawx.networks.quantized import CodesOutput, QuantizedLayer
from hawx.networks.requantize import finish


@dataclass(frozen=True, eq=False)
class BlockExecutor:
    """Implements `Executor`: every filter multiplies with its block, bit-exactly whatever the engine.

    Construction is cheap; what engines prepare is shared between executors.
    """

    library: Library
    assignment: Assignment
    engine: str = "auto"
    threads: int | None = None

    def run_layer(self, layer: QuantizedLayer, codes: Tensor, output: CodesOutput | None) -> Tensor:
        """Return the layer's output; see `Executor.run_layer`."""
        blocks = [self.library[name] for name in self.assignment.names(layer.layer.name)]
        acc = _by_group(codes, layer.weight, blocks, Geometry.of(layer.layer, layer.input_zero_point))
        constant = layer.bias.to(torch.int64) - layer.input_zero_point * layer.weight.flatten(1).sum(1, dtype=torch.int64)
        return finish(layer, acc + constant.view(1, -1, 1, 1), output)
