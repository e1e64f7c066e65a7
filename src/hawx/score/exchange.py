"""Exact effects of few filters: a layer is run under two blocks, and units exchange their channels one by one.

A filter's output depends on the layer's input and on its own block alone. So one run of the layer under each block gives the outputs of all its
filters, and a unit that takes another block is the layer's output with its channels put in the place of the old ones: only what follows the layer
is run for every unit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from hawx.blocks import Library
from hawx.designs import SearchSpace
from hawx.designs.space import Choices
from hawx.emulate import BlockExecutor, Evaluator
from hawx.emulate.evaluator import default_batch
from hawx.networks import CodesOutput, QuantizedLayer, QuantizedNetwork
from hawx.score.competitors import Competitors

Images = NDArray[np.uint8] | NDArray[np.float32]
Units = NDArray[np.int64]

DESTROYED = 0.2
"""Share of the scoring images that a block everywhere may lose and still serve as a second point of view."""


def two_ended_effects(
    network: QuantizedNetwork, library: Library, space: SearchSpace, images: Images, competitors: Competitors
) -> NDArray[np.float32]:
    """Return what every (unit, block) changes in the margins, (units, blocks, competitors, images), averaged over two surroundings.

    The surroundings are all others exact, and all others on the same block. The sum over all units then follows the whole way from the exact
    network to the block everywhere like the trapezoidal rule, which catches the interactions that effects around the exact network miss. A block
    that destroys the network is seen from the exact end only.

    Args:
        space: every unit lies in one layer.
        images: (images, C, H, W), in the order of `competitors`.
    """
    exact = space.exact_choices()
    whole = Evaluator(network, library, images, competitors.labels)
    base = competitors.margins(whole.logits(space.assignment(exact)))
    lost = (base <= 0).any(axis=0).mean() + DESTROYED
    delta = np.zeros((len(space.units), len(space.blocks), *base.shape), np.float32)
    for block in range(len(space.blocks)):
        everywhere = np.where([block in candidates for candidates in space.candidates], block, exact).astype(np.uint8)
        units = np.flatnonzero(everywhere != exact)
        if not len(units):
            continue
        for row, logits in zip(units, exchanged_logits(network, library, space, images, exact, everywhere, units), strict=True):
            delta[row, block] = competitors.margins(logits) - base
        far = competitors.margins(whole.logits(space.assignment(everywhere)))
        if (far <= 0).any(axis=0).mean() <= lost:
            for row, logits in zip(units, exchanged_logits(network, library, space, images, everywhere, exact, units), strict=True):
                delta[row, block] = 0.5 * (delta[row, block] + far - competitors.margins(logits))
    return delta


def exchanged_logits(
    network: QuantizedNetwork, library: Library, space: SearchSpace, images: Images, around: Choices, other: Choices, units: Units
) -> NDArray[np.float32]:
    """Return the logits (units, images, classes) of designs `around` in which one of `units` has its block of `other`, both choices (all units,)."""
    result = np.zeros((len(units), len(images), network.classes), np.float32)
    inner, outer = (BlockExecutor(library, space.assignment(choices)) for choices in (around, other))
    size = default_batch(network)
    for start in range(0, len(images), size):
        some = slice(start, start + size)
        state = network.begin(images[some])
        for layer in sorted({layer for u in units for layer in space.units[u].layers}):
            state = network.advance(state, inner, layer)
            exchange = _Exchange(network.layers[layer].name, inner, outer)
            for row, unit in enumerate(space.units[u] for u in units):
                if layer in unit.layers:
                    exchange.channels = slice(unit.start, unit.stop)
                    result[row, some] = network.logits(network.advance(state, exchange, None)).numpy()
    return result


@dataclass(eq=False)
class _Exchange:
    """An executor that runs `inner`, but `channels` of one layer as `outer` does. That layer must always be given the same codes."""

    layer: str
    inner: BlockExecutor
    outer: BlockExecutor
    channels: slice | None = None
    _outputs: tuple[Tensor, Tensor] | None = None

    def run_layer(self, layer: QuantizedLayer, codes: Tensor, output: CodesOutput | None) -> Tensor:
        if layer.layer.name != self.layer:
            return self.inner.run_layer(layer, codes, output)
        if self._outputs is None:
            self._outputs = self.inner.run_layer(layer, codes, output), self.outer.run_layer(layer, codes, output)
        own, other = self._outputs
        result = own.clone()
        if self.channels is not None:
            result[:, self.channels] = other[:, self.channels]
        return result
