"""Filter scores: what each block does to each filter's output, and to the margins, in O(blocks) passes (ARCHITECTURE, Scores: filter).

With the layer's exact inputs, one run of the layer per block gives the error `Δy` of all its filters together, bit-exactly. With
`g = ∂margin/∂y` from a backward pass per competitor, `Δmargin(f, b) = Σ_positions g·Δy` for every image, filter and block.

Taken at the exact output, g is first order: filters of a layer then seem to do more together than they do. Taken half way, at `y + Δy/2` with
the whole layer on the block, it follows the margin from the exact layer to the approximate one by the midpoint rule, second order in Δy: on
LeNet-5, layers of random filter assignments are then off by 18 % of their effect instead of 32 %. That takes the backward passes anew for
every block, from the layer on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hawx.networks import QuantizedNetwork
from hawx.networks.gradients import Objective, output_gradients, walk_layers
from hawx.networks.quantized import Executor
from hawx.score.competitors import Competitors

GRAPH_BYTES, VALUE_BYTES = 1 << 30, 26
"""What the values of one batch that gradients need may take, and what they take for every output of a layer (measured on EfficientNet-Lite0)."""


@dataclass(frozen=True, kw_only=True, eq=False)
class FilterEffects:
    """Per layer: effects of every filter under every block."""

    margin: tuple[NDArray[np.float32], ...]
    """(filters, blocks, competitors, images): change of each margin."""
    bias: tuple[NDArray[np.float64], ...]
    """(filters, blocks): mean of Δy over images and positions, in real units of the output."""
    std: tuple[NDArray[np.float64], ...]
    """(filters, blocks): standard deviation of Δy."""


def filter_effects(
    network: QuantizedNetwork,
    images: NDArray[np.uint8] | NDArray[np.float32],
    competitors: Competitors,
    executors: Sequence[Executor | None],
    layers: Sequence[int],
    *,
    midpoint: bool = True,
    batch: int | None = None,
    advance: Callable[[int], None] = lambda _: None,
) -> FilterEffects:
    """Return the effects of every filter of `layers` (others get empty arrays) under every block.

    Args:
        images: (images, C, H, W), in the order of `competitors`.
        executors: one per block, running that block everywhere; None for the exact block, whose effects are zero.
        midpoint: take gradients half way to each block; else at the exact output, one for all blocks (see `midpoint_macs`).
        batch: images per pass; by default as many as keep the values that gradients need within `GRAPH_BYTES`, at most 256.
        advance: called with the number of images done.
    """
    blocks, rivals, total = len(executors), competitors.classes.shape[1], len(images)
    index_of = {network.layers[i].name: i for i in layers}
    margin = [np.zeros((q.filters if q.name in index_of else 0, blocks, rivals, total), np.float32) for q in network.layers]
    first = [np.zeros(m.shape[:2]) for m in margin]
    second = [np.zeros(m.shape[:2]) for m in margin]
    values = [0] * len(network.layers)
    size = batch or gradient_batch(network)
    for start in range(0, total, size):
        index = slice(start, min(start + size, total))
        chunk = torch.as_tensor(images[index])
        objectives = [_margin_sum(competitors, index, rival) for rival in range(rivals)]
        at_exact = [] if midpoint else output_gradients(network, chunk, objectives)
        for here in walk_layers(network, chunk):
            name = here.layer.layer.name
            if name not in index_of:
                continue
            i = index_of[name]
            values[i] += here.output.shape[0] * here.output.shape[2] * here.output.shape[3]
            for b, executor in enumerate(executors):
                if executor is None:
                    continue
                error = executor.run_layer(here.layer, here.codes, None) - here.output
                first[i][:, b] += error.sum(dim=(0, 2, 3), dtype=torch.float64).numpy()
                second[i][:, b] += error.square().sum(dim=(0, 2, 3), dtype=torch.float64).numpy()
                slopes = here.gradients(0.5 * error, objectives) if midpoint else [gradients[name] for gradients in at_exact]
                for rival, slope in enumerate(slopes):
                    margin[i][:, b, rival, index] = (slope * error).sum(dim=(2, 3)).T.numpy()
        advance(len(chunk))
    bias = [f / max(n, 1) for f, n in zip(first, values, strict=True)]
    return FilterEffects(
        margin=tuple(margin),
        bias=tuple(bias),
        std=tuple(np.sqrt(np.maximum(s / max(n, 1) - b**2, 0.0)) for s, n, b in zip(second, values, bias, strict=True)),
    )


def gradient_batch(network: QuantizedNetwork) -> int:
    """Return how many images keep the values that gradients need within `GRAPH_BYTES`, at most 256."""
    held = sum(layer.pixels * layer.filters for layer in network.layers) * VALUE_BYTES
    return min(max(1, GRAPH_BYTES // held), 256)


def midpoint_macs(network: QuantizedNetwork, layers: Sequence[int], blocks: int, competitors: int) -> int:
    """Return the multiply-accumulates per image of midpoint gradients for `blocks` approximate blocks in `layers`.

    Every (layer, block) runs what follows the layer once forwards and once backwards per competitor.
    """
    macs = [layer.macs for layer in network.layers]
    return sum(sum(macs[i + 1 :]) for i in layers) * blocks * (1 + competitors)


def _margin_sum(competitors: Competitors, index: slice, rival: int) -> Objective:
    """Return the objective whose gradient holds every image's margin gradient at once (images do not interact)."""
    labels = torch.as_tensor(competitors.labels[index])
    classes = torch.as_tensor(competitors.classes[index, rival])

    def objective(logits: Tensor) -> Tensor:
        rows = torch.arange(len(labels))
        return (logits[rows, labels] - logits[rows, classes]).sum()

    return objective
