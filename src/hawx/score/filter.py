"""Filter scores: what each block does to each filter's output, and to the margins, in O(blocks) passes (DESIGN 3.3).

With the layer's exact inputs, one run of the layer per block gives the error `Δy` of all its filters together, bit-exactly. One
backward pass per competitor gives `g = ∂margin/∂y`. Then `Δmargin(f, b) = Σ_positions g·Δy` for every image, filter and block: first
order in Δy, exact in the block.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hawx.networks import QuantizedNetwork
from hawx.networks.quantized import CodesOutput, Executor, QuantizedLayer
from hawx.score.competitors import Competitors


@dataclass(frozen=True, kw_only=True, eq=False)
class FilterEffects:
    """Per layer: effects of every filter under every block."""

    margin: tuple[NDArray[np.float32], ...]
    """(filters, blocks, competitors, images): first-order change of each margin."""
    bias: tuple[NDArray[np.float64], ...]
    """(filters, blocks): mean of Δy over images and positions, in real units of the output."""
    std: tuple[NDArray[np.float64], ...]
    """(filters, blocks): standard deviation of Δy."""


def filter_effects(
    network: QuantizedNetwork,
    images: NDArray[np.uint8] | NDArray[np.float32],
    competitors: Competitors,
    executors: Sequence[Executor | None],
    exact: Executor,
    layers: Sequence[int],
    *,
    batch: int = 64,
    advance: Callable[[int], None] = lambda _: None,
) -> FilterEffects:
    """Return the first-order effects of every filter of `layers` (others get empty arrays) under every block.

    Args:
        images: (images, C, H, W), in the order of `competitors`.
        executors: one per block, running that block everywhere; None for the exact block, whose effects are zero.
        advance: called with the number of images done.
    """
    blocks, rivals, total = len(executors), competitors.classes.shape[1], len(images)
    margin = [np.zeros((q.filters if i in set(layers) else 0, blocks, rivals, total), np.float32) for i, q in enumerate(network.layers)]
    first = [np.zeros(m.shape[:2]) for m in margin]
    second = [np.zeros(m.shape[:2]) for m in margin]
    values = [0] * len(network.layers)
    for start in range(0, total, batch):
        index = slice(start, min(start + batch, total))
        chunk = torch.as_tensor(images[index])
        inputs = _Inputs(exact)
        network.run(chunk, inputs)
        gradients = [network.output_gradients(chunk, _margin_sum(competitors, index, rival)) for rival in range(rivals)]
        for i in layers:
            quantized, codes = inputs.seen[network.layers[i].name]
            reference = exact.run_layer(quantized, codes, None)
            slopes = [g[quantized.layer.name] for g in gradients]
            values[i] += reference.shape[0] * reference.shape[2] * reference.shape[3]
            for b, executor in enumerate(executors):
                if executor is None:
                    continue
                error = executor.run_layer(quantized, codes, None) - reference
                first[i][:, b] += error.sum(dim=(0, 2, 3), dtype=torch.float64).numpy()
                second[i][:, b] += error.square().sum(dim=(0, 2, 3), dtype=torch.float64).numpy()
                for rival, slope in enumerate(slopes):
                    margin[i][:, b, rival, index] = (slope * error).sum(dim=(2, 3)).T.numpy()
        advance(len(chunk))
    bias = [f / max(n, 1) for f, n in zip(first, values, strict=True)]
    return FilterEffects(
        margin=tuple(margin),
        bias=tuple(bias),
        std=tuple(np.sqrt(np.maximum(s / max(n, 1) - b**2, 0.0)) for s, n, b in zip(second, values, bias, strict=True)),
    )


def _margin_sum(competitors: Competitors, index: slice, rival: int) -> Callable[[Tensor], Tensor]:
    """Return the objective whose gradient holds every image's margin gradient at once (images do not interact)."""
    labels = torch.as_tensor(competitors.labels[index])
    classes = torch.as_tensor(competitors.classes[index, rival])

    def objective(logits: Tensor) -> Tensor:
        rows = torch.arange(len(labels))
        return (logits[rows, labels] - logits[rows, classes]).sum()

    return objective


@dataclass(eq=False)
class _Inputs:
    """An executor that keeps the input codes of every layer on their way to another executor."""

    inner: Executor
    seen: dict[str, tuple[QuantizedLayer, Tensor]] = field(default_factory=dict)

    def run_layer(self, layer: QuantizedLayer, codes: Tensor, output: CodesOutput | None) -> Tensor:
        self.seen[layer.layer.name] = (layer, codes)
        return self.inner.run_layer(layer, codes, output)
