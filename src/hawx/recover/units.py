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
from hawx.profile.operands import Distribution
from hawx.recover.mapping import Mapped, mapped_codes
from hawx.recover.methods import Method
from hawx.recover.moments import Moments, Vector, gain_and_shift
from hawx.recover.wires import clamp_errors, wirings_of
from hawx.runner import Runner, run_here
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
    runner: Runner = run_here,
    advance: Callable[[int], None] = lambda _: None,
) -> QuantizedNetwork:
    """Return `network` with a variant of every layer for every approximate block of `library`; exact blocks keep the layer's own constants.

    Args:
        images: (N, C, H, W), to calibrate on: some hundreds, no labels; never those that search or report.
        method: what is recovered, see `Method`.
        batch: images per pass.
        runner: who does it, block by block and batch by batch.
        advance: called with the number of images done.
    """
    method = Method(method)
    if method is Method.NONE:
        return network
    exact = BlockExecutor(library, Assignment.uniform(network.filters, library.names, library.exact.name))
    blocks = [block for block in library if not block.is_exact]
    variants = _mapped(network, library, blocks, images, exact, method, runner) if method.maps else _unmapped(network, blocks)
    varied = _varied(network, blocks, variants)
    if not method.shifts:
        return varied
    watch = _Watching(varied, library, images, batch)
    seen: _Seen = {}
    for done, found in zip(watch.starts, runner.map(watch, watch.starts), strict=True):
        for name, (target, given) in found.items():
            exactly, each = seen.setdefault(name, (Moments(), tuple(Moments() for _ in blocks)))
            exactly.join(target)
            for so_far, more in zip(each, given, strict=True):
                so_far.join(more)
        advance(min(batch, len(images) - done))
    refitted = {
        name: tuple(
            _refitted(network.quantized[name], variant, *gain_and_shift(seen[name][0], given, gain=method.gains))
            for variant, given in zip(variants[name], seen[name][1], strict=True)
        )
        for name in variants
    }
    return _varied(network, blocks, refitted)


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
    network: QuantizedNetwork, library: Library, blocks: Sequence[Block], images: Images, exact: BlockExecutor, method: Method, runner: Runner
) -> dict[str, tuple[Variant, ...]]:
    """Return, per layer, the variants of `blocks` with mapped codes, wired as suits them where `method` allows it."""
    layers = [network.quantized[layer.name] for layer in network.layers]
    profile = profile_operands(network, images, exact, runner=runner)
    shifting = [layer.input_zero_point == 0 for layer in layers]
    clamps = clamp_errors(library.exact, profile.activations, profile.weights, shifting) if method.wires else None
    found = list(runner.map(_Mapping(profile.activations, profile.weights, clamps), blocks))
    return {layer.layer.name: tuple(_variant(layer, *of_block[i]) for of_block in found) for i, layer in enumerate(layers)}


@dataclass(frozen=True, eq=False)
class _Mapping:
    """Finds the codes and the wiring of a block in every layer."""

    activations: Sequence[Distribution]
    weights: Sequence[Distribution]
    clamps: Sequence[Sequence[float]] | None
    """What shifts cost (see `clamp_errors`); None: operands reach every block as they are."""

    def __call__(self, block: Block) -> list[tuple[Mapped, Wiring]]:
        plain = [PLAIN] * len(self.weights)
        wirings = plain if self.clamps is None else wirings_of(block, self.activations, self.weights, self.clamps)
        operands = zip(self.activations, self.weights, wirings, strict=True)
        return [(mapped_codes(block, p, q, wiring), wiring) for p, q, wiring in operands]


def _variant(layer: QuantizedLayer, mapped: Mapped, wiring: Wiring) -> Variant:
    """Return the variant with mapped codes, the scale of their products folded in, and the zero point's correction for the weights as they were.

    The weights of a product are activations, which no constant can hold mapped: it takes the wires alone.
    """
    if layer.is_product:
        times = 1 << wiring.shift
        return Variant(codes=IDENTITY, weight_scale=layer.weight_scale / times, bias=layer.bias * times, wiring=wiring)
    codes = torch.from_numpy(mapped.codes)
    before, after = (weight.flatten(1).sum(1, dtype=torch.float64) for weight in (layer.weight, codes[layer.weight.to(torch.int32) + 128]))
    bias = mapped.scale * (layer.bias - layer.input_zero_point * before) + layer.input_zero_point * after
    scale = (layer.weight_scale.double() / mapped.scale).float()
    return Variant(codes=codes, weight_scale=scale, bias=bias.round().to(torch.int32), wiring=wiring)


_Seen = dict[str, tuple[Moments, tuple[Moments, ...]]]
"""By layer: moments of the exact output, and of that on each approximate block."""


@dataclass(frozen=True, eq=False)
class _Watching:
    """Runs the exact network and sees what each layer would give on each block, with that block's variant, one batch at a time."""

    varied: QuantizedNetwork
    library: Library
    images: Images
    batch: int

    @property
    def starts(self) -> range:
        """First images of the batches."""
        return range(0, len(self.images), self.batch)

    def __call__(self, start: int) -> _Seen:
        watch = _Watch(self._everywhere)
        self.varied.run(torch.as_tensor(self.images[start : start + self.batch]), watch)
        return watch.seen

    @cached_property
    def _everywhere(self) -> list[BlockExecutor]:
        """An executor for the exact block, which takes no variant, and for each approximate one."""
        names = [self.library.exact.name, *(block.name for block in self.library if not block.is_exact)]
        return [BlockExecutor(self.library, Assignment.uniform(self.varied.filters, self.library.names, name)) for name in names]


@dataclass(frozen=True, eq=False)
class _Watch:
    """An executor that runs the first of its executors, and sees the real outputs of all on the same codes."""

    inner: Sequence[BlockExecutor]
    seen: _Seen = field(default_factory=dict)

    def run_layer(self, layer: QuantizedLayer, codes: Tensor, output: CodesOutput | None) -> Tensor:
        target, *given = (_moments(executor.run_layer(layer, codes, None)) for executor in self.inner)
        self.seen[layer.layer.name] = target, tuple(given)
        return self.inner[0].run_layer(layer, codes, output)


def _moments(output: Tensor) -> Moments:
    found = Moments()
    found.add(output)
    return found
