"""Operand profile: which codes each layer's multipliers really see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hawx.formats import CODES
from hawx.networks import QuantizedNetwork
from hawx.networks.quantized import CodesOutput, Executor, QuantizedLayer
from hawx.runner import Runner, run_here

Distribution = NDArray[np.float64]
"""Shape (256,), value order, sums to 1."""


@dataclass(frozen=True, kw_only=True, eq=False)
class OperandProfile:
    """Operand distributions of every layer: probabilities of each code at the multiplier's two inputs."""

    activations: tuple[Distribution, ...]
    """Per layer (256,): every code weighted by the number of products it enters, padding included."""
    weights: tuple[Distribution, ...]
    """Per layer (256,): over all filters."""
    filter_weights: tuple[NDArray[np.float64], ...]
    """Per layer (filters, 256)."""


def profile_operands(
    network: QuantizedNetwork, images: NDArray[np.uint8] | NDArray[np.float32], executor: Executor, *, batch: int = 64, runner: Runner = run_here
) -> OperandProfile:
    """Return the operand distributions of `network` on `images` (N, C, H, W), by running it exactly once, batch by batch."""
    counting = _Counting(network, images, executor, batch)
    found = list(runner.map(counting, range(0, len(images), batch)))
    totals = {key: np.sum([counts[key] for counts in found], axis=0) for key in found[0]}
    per_filter = [_weights_of(network.quantized[layer.name], totals) for layer in network.layers]
    return OperandProfile(
        activations=tuple(_normalized(totals[layer.name, ACTIVATIONS]) for layer in network.layers),
        weights=tuple(q.mean(axis=0) for q in per_filter),
        filter_weights=tuple(per_filter),
    )


ACTIVATIONS, WEIGHTS = range(2)
Counts = dict[tuple[str, int], NDArray[np.float64]]
"""By layer and operand: of activations (256,), of the weights of products (filters, 256)."""


def _weights_of(layer: QuantizedLayer, counts: Counts) -> NDArray[np.float64]:
    return _normalized(counts[layer.layer.name, WEIGHTS]) if layer.is_product else weight_distributions(layer.weight)


@dataclass(frozen=True, eq=False)
class _Counting:
    """Counts the codes that come with the images, of every layer, one batch at a time."""

    network: QuantizedNetwork
    images: NDArray[np.uint8] | NDArray[np.float32]
    executor: Executor
    batch: int

    def __call__(self, start: int) -> Counts:
        recorder = _Recorder(self.executor)
        self.network.run(torch.as_tensor(self.images[start : start + self.batch]), recorder)
        return recorder.counts


@dataclass(frozen=True, kw_only=True, eq=False)
class ArrivingOperands:
    """Operand distributions as blocks get them: mapped weight codes, activations shifted up, by what each layer takes on each block."""

    activations: NDArray[np.float64]
    """(layers, blocks, 256)."""
    weights: NDArray[np.float64]
    """(layers, blocks, 256)."""
    swapped: NDArray[np.bool_]
    """(layers, blocks): whether the circuit's first input takes the weight."""


def arriving_operands(network: QuantizedNetwork, profile: OperandProfile, hashes: Sequence[str]) -> ArrivingOperands:
    """Return the operands that arrive at the blocks with these SHA-256 where `network`, perhaps recovered, has `profile`."""
    shape = len(network.layers), len(hashes)
    activations, weights, swapped = np.empty((*shape, CODES)), np.empty((*shape, CODES)), np.zeros(shape, bool)
    for i, layer in enumerate(network.layers):
        held, p, q = network.quantized[layer.name], profile.activations[i], profile.weights[i]
        for b, sha256 in enumerate(hashes):
            activations[i, b], weights[i, b] = p, q
            variant = held.variants.get(sha256)
            if variant is not None:
                arrive = variant.wiring.shifted(held.input_format.values(), held.input_format) - held.input_format.min
                activations[i, b] = np.bincount(arrive, weights=p, minlength=CODES)
                weights[i, b] = np.bincount(variant.codes.to(torch.int64).numpy() + CODES // 2, weights=q, minlength=CODES)
                swapped[i, b] = variant.wiring.swapped
    return ArrivingOperands(activations=activations, weights=weights, swapped=swapped)


def weight_distributions(weight: Tensor) -> NDArray[np.float64]:
    """Return the distribution of each filter's int8 weights, shape (filters, 256), value order, for weights (filters, …)."""
    return _normalized(_weight_counts(weight))


def _weight_counts(weight: Tensor) -> NDArray[np.float64]:
    codes = weight.flatten(1).to(torch.int64).numpy() + CODES // 2
    rows = np.arange(len(codes))[:, None] * CODES
    return np.bincount((codes + rows).ravel(), minlength=len(codes) * CODES).reshape(len(codes), CODES).astype(np.float64)


def activation_counts(layer: QuantizedLayer, codes: Tensor) -> NDArray[np.float64]:
    """Return how often each activation code enters a product of one filter, shape (256,), padding included.

    A code at one input position enters one product per kernel window that covers it.
    """
    facts = layer.layer
    top, bottom, left, right = facts.padding
    height, width = codes.shape[-2] + top + bottom, codes.shape[-1] + left + right
    ones = torch.ones(1, 1, *facts.out_size)
    kernel = torch.ones(1, 1, *facts.kernel)
    covered = torch.nn.functional.conv_transpose2d(ones, kernel, stride=facts.stride, dilation=facts.dilation)
    coverage = torch.zeros(height, width)
    h, w = min(height, covered.shape[-2]), min(width, covered.shape[-1])
    coverage[:h, :w] = covered[0, 0, :h, :w]
    inside = coverage[top : height - bottom, left : width - right]
    pixels = codes.permute(0, 2, 3, 1).reshape(len(codes), inside.numel(), codes.shape[1]).view(torch.uint8)
    counts = torch.zeros(CODES, dtype=torch.float64)
    for times in np.unique(inside.numpy()).tolist():  # few: an image's borders and, where strides jump, its grid
        where = (inside.flatten() == times).nonzero().flatten()
        chosen = pixels if len(where) == inside.numel() else pixels[:, where]
        if times:
            counts += times * torch.bincount(chosen.flatten(), minlength=CODES)
    counts = counts.roll(CODES // 2 if layer.input_format.signed else 0)  # from bytes to value order
    padding = float(coverage.sum() - inside.sum()) * codes.shape[0] * codes.shape[1]
    counts[layer.input_zero_point - layer.input_format.min] += padding
    return counts.numpy()


def _normalized(counts: NDArray[np.float64]) -> Distribution:
    """Return counts (…, 256) as probabilities."""
    return np.asarray(counts / counts.sum(axis=-1, keepdims=True), np.float64)


@dataclass(eq=False)
class _Recorder:
    """An executor that counts the codes on their way to another executor."""

    inner: Executor
    counts: Counts = field(default_factory=dict)

    def run_layer(self, layer: QuantizedLayer, codes: Tensor, output: CodesOutput | None) -> Tensor:
        name = layer.layer.name
        self.counts[name, ACTIVATIONS] = activation_counts(layer, codes)
        if layer.is_product:
            self.counts[name, WEIGHTS] = _weight_counts(layer.weight.transpose(0, 1))
        return self.inner.run_layer(layer, codes, output)
