"""BlockExecutor: runs a network's layers with the blocks of an assignment."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, partial

import numpy as np
import torch
from torch import Tensor

from hawx.blocks import Block, Library
from hawx.designs.assignment import Assignment, BlockIndices
from hawx.emulate import products
from hawx.emulate.engine import AUTO, check_engine
from hawx.emulate.geometry import Geometry
from hawx.emulate.groups import group_indices
from hawx.emulate.layers import LayerConstants
from hawx.emulate.machine import Machine, default_machine
from hawx.networks.quantized import CodesOutput, QuantizedLayer
from hawx.networks.requantize import finish


@dataclass(frozen=True, eq=False)
class BlockExecutor:
    """Implements `Executor`: every filter multiplies with its block, bit-exactly whatever the engine.

    Construction is cheap; what engines prepare is kept per layer by the machine and shared between executors.

    Args:
        library: names the blocks that the assignment uses.
        engine: one of `hawx.emulate.ENGINES` except the reference.
        threads: CPU threads; PyTorch's number if None.
        machine: where layers run; the default machine if None.
    """

    library: Library
    assignment: Assignment
    engine: str = AUTO
    threads: int | None = None
    machine: Machine | None = None

    def __post_init__(self) -> None:
        check_engine(self.engine)

    def run_layer(self, layer: QuantizedLayer, codes: Tensor, output: CodesOutput | None) -> Tensor:
        """Return the layer's output; see `Executor.run_layer`."""
        machine = self.machine or default_machine()
        indices = self.assignment[layer.layer.name]
        if layer.is_product:
            return self._run_product(machine, layer, indices, codes, output)
        chosen = self._on_blocks(machine, layer, indices)
        constants = machine.cache.get(chosen, "constants", partial(_constants_of, chosen))
        return machine.run(constants, codes, group_indices(indices, self._blocks, chosen.wirings), output, self.engine, self.threads)

    def _run_product(self, machine: Machine, layer: QuantizedLayer, indices: BlockIndices, codes: Tensor, output: CodesOutput | None) -> Tensor:
        """Run a product whole where its tables have few factors, else the products of all images as the groups of one convolution."""
        chosen = layer.on([self._hashes[i] for i in indices])
        groups = group_indices(indices, self._blocks, chosen.wirings)
        maps = products.factored(machine, groups) if self.engine == AUTO else None
        if maps is not None:
            return finish(chosen, products.accumulate(chosen, codes, groups, maps), output)
        images, filters = chosen.weight.shape[:2]
        groups = group_indices(np.tile(indices, images), self._blocks, chosen.wirings * images)
        stacked = codes.reshape(1, -1, *codes.shape[2:])
        result = machine.run(_constants_of(chosen), stacked, groups, output, self.engine, self.threads)
        return result.reshape(images, filters, *result.shape[2:])

    def _on_blocks(self, machine: Machine, layer: QuantizedLayer, indices: BlockIndices) -> QuantizedLayer:
        """Return the layer with what its filters take on their blocks."""
        hashes = self._hashes
        if not any(hashes[i] in layer.variants for i in np.unique(indices)):
            return layer
        key = "".join(hashes).encode() + indices.tobytes()
        return machine.cache.get(layer, key, lambda: layer.on([hashes[i] for i in indices]), size=_bytes_of)

    @cached_property
    def _hashes(self) -> list[str]:
        return [block.sha256 for block in self._blocks]

    @cached_property
    def _blocks(self) -> tuple[Block, ...]:
        return tuple(self.library[name] for name in self.assignment.blocks)


def _bytes_of(layer: QuantizedLayer) -> int:
    return layer.weight.nbytes + layer.weight_scale.nbytes + layer.bias.nbytes


def _constants_of(layer: QuantizedLayer) -> LayerConstants:
    """Return what a layer runs with; the filters of a product are those of one image after another."""
    images = len(layer.weight) if layer.is_product else 1
    weight = layer.weight.flatten(0, 1) if layer.is_product else layer.weight
    geometry = Geometry.of(layer.layer, layer.input_zero_point)
    sums = weight.flatten(1).sum(1, dtype=torch.int64)
    return LayerConstants(
        weight=weight.detach(),
        geometry=replace(geometry, groups=geometry.groups * images),
        bias=np.asarray((layer.bias.to(torch.int64).repeat(images) - layer.input_zero_point * sums).numpy()),
        scale=np.ascontiguousarray(layer.scale.repeat(images).numpy(), np.float32),
    )
