"""Recovery of every (layer, block) on its own, so that it composes and is scored like any block."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hawx.blocks import Block, Library
from hawx.designs import Assignment
from hawx.emulate import BlockExecutor
from hawx.networks import CodesOutput, QuantizedLayer, QuantizedNetwork
from hawx.networks.quantized import Variant
from hawx.profile import profile_operands
from hawx.profile.operands import weight_distributions
from hawx.recover.mapping import Mapped, mapped_codes
from hawx.recover.methods import Method
from hawx.recover.moments import Moments, Vector, gain_and_shift
from hawx.recover.wires import clamp_errors, wirings_of
from hawx.wiring import PLAIN, Wiring

Images = NDArray[np.uint8] | NDArray[np.float32]

BATCH = 64
INT32 = np.iinfo(np.int32)
IDENTITY = torch.arange(-128, 128, dtype=torch.int8)
"""Codes that keep every weight as it is."""


def recover_units(
    network: QuantizedNetwork,
    library: Library,
    images: Images,
    method: Method | str = Method.FULL,
    *,
    batch: int = BATCH,
    advance: Callable[[int], None] = lambda _: None,
) -> QuantizedNetwork:
    """Return `network` with a variant of every layer for every approximate block of `library`; exact blocks keep the layer's own constants.

    Args:
        images: (N, C, H, W), to calibrate on: some hundreds, no labels; never those that search or report.
        method: what is recovered, see `Method`.
        batch: images per pass.
        advance: called with the number of images done.
    """
    method = Method(method)
    if method is Method.NONE:
        return network
    exact = BlockExecutor(library, Assignment.uniform(network.filters, library.names, library.exact.name))
    blocks = [block for block in library if not block.is_exact]
    mapped = _mapped(network, library, blocks, images, exact, method) if method.maps else _unmapped(network, blocks)
    if method.shifts:
        watch = _Watch(_varied(network, blocks, mapped), library, exact, blocks)
        for start in range(0, len(images), batch):
            some = torch.as_tensor(images[start : start + batch])
            network.run(some, watch)
            advance(len(some))
        mapped = {
            name: tuple(
                _refitted(network.quantized[name], variant, *gain_and_shift(watch.exact[name], seen, gain=method.gains))
                for variant, seen in zip(variants, watch.approximate[name], strict=True)
            )
            for name, variants in mapped.items()
        }
    return _varied(network, blocks, mapped)


def _varied(network: QuantizedNetwork, blocks: Sequence[Block], variants: Mapping[str, Sequence[Variant]]) -> QuantizedNetwork:
    """Return `network` with, per layer, the variants for `blocks`."""
    hashes = [block.sha256 for block in blocks]
    quantized = {name: replace(layer, variants=dict(zip(hashes, variants[name], strict=True))) for name, layer in network.quantized.items()}
    return replace(network, quantized=quantized)


def folded(weight_scale: Tensor, bias: Tensor, input_scale: float, gain: Vector, shift: Vector) -> tuple[Tensor, Tensor]:
    """Return weight scales and biases, (filters,), that hold a gain and then a shift (real units): `g·scale` and `bias + round(c / (g·scale))`."""
    scale = weight_scale.numpy().astype(np.float64) * gain
    moved = bias.numpy() + np.rint(shift / (scale * input_scale))
    return torch.from_numpy(scale.astype(np.float32)), torch.from_numpy(np.clip(moved, INT32.min, INT32.max).astype(np.int32))


def _refitted(layer: QuantizedLayer, variant: Variant, gain: Vector, shift: Vector) -> Variant:
    scale, bias = folded(variant.weight_scale, variant.bias, layer.input_scale, gain, shift)
    return replace(variant, weight_scale=scale, bias=bias)


def _unmapped(network: QuantizedNetwork, blocks: Sequence[Block]) -> dict[str, tuple[Variant, ...]]:
    return {
        name: tuple(Variant(codes=IDENTITY, weight_scale=layer.weight_scale, bias=layer.bias) for _ in blocks)
        for name, layer in network.quantized.items()
    }


def _mapped(
    network: QuantizedNetwork, library: Library, blocks: Sequence[Block], images: Images, exact: BlockExecutor, method: Method
) -> dict[str, tuple[Variant, ...]]:
    """Return, per layer, the variants of `blocks` with mapped codes, wired as suits them where `method` allows it."""
    layers = [network.quantized[layer.name] for layer in network.layers]
    activations = profile_operands(network, images, exact).activations
    weights = [weight_distributions(layer.weight).mean(axis=0) for layer in layers]
    clamps = clamp_errors(library.exact, activations, weights, [layer.input_zero_point == 0 for layer in layers]) if method.wires else []
    found: list[list[Variant]] = [[] for _ in layers]
    for block in blocks:
        wirings: Sequence[Wiring] = [PLAIN] * len(layers)
        if method.wires:
            wirings = wirings_of(block, activations, weights, clamps)
        for i, (layer, wiring) in enumerate(zip(layers, wirings, strict=True)):
            found[i].append(_variant(layer, mapped_codes(block, activations[i], weights[i], wiring), wiring))
    return {layer.layer.name: tuple(variants) for layer, variants in zip(layers, found, strict=True)}


def _variant(layer: QuantizedLayer, mapped: Mapped, wiring: Wiring) -> Variant:
    """Return the variant with mapped codes, the scale of their products folded in, and the zero point's correction for the weights as they were."""
    codes = torch.from_numpy(mapped.codes)
    before, after = (weight.flatten(1).sum(1, dtype=torch.float64) for weight in (layer.weight, codes[layer.weight.to(torch.int32) + 128]))
    bias = mapped.scale * (layer.bias - layer.input_zero_point * before) + layer.input_zero_point * after
    scale = (layer.weight_scale.double() / mapped.scale).float()
    return Variant(codes=codes, weight_scale=scale, bias=bias.round().to(torch.int32), wiring=wiring)


@dataclass(eq=False)
class _Watch:
    """An executor that runs the exact network and sees what each layer would give on each block, with that block's variant."""

    varied: QuantizedNetwork
    library: Library
    inner: BlockExecutor
    blocks: Sequence[Block]
    exact: dict[str, Moments] = field(default_factory=dict)
    approximate: dict[str, tuple[Moments, ...]] = field(default_factory=dict)

    def run_layer(self, layer: QuantizedLayer, codes: Tensor, output: CodesOutput | None) -> Tensor:
        name = layer.layer.name
        if name not in self.exact:
            self.exact[name], self.approximate[name] = Moments(), tuple(Moments() for _ in self.blocks)
        self.exact[name].add(self.inner.run_layer(layer, codes, None))
        for executor, seen in zip(self._everywhere, self.approximate[name], strict=True):
            seen.add(executor.run_layer(self.varied.quantized[name], codes, None))
        return self.inner.run_layer(layer, codes, output)

    @cached_property
    def _everywhere(self) -> list[BlockExecutor]:
        filters, names = self.varied.filters, self.library.names
        return [BlockExecutor(self.library, Assignment.uniform(filters, names, block.name)) for block in self.blocks]
