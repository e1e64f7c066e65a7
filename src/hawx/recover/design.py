"""Recovery of a whole design: layer after layer on its own codes, each output brought back to that of the exact network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hawx.blocks import Library
from hawx.designs import Assignment
from hawx.emulate import BlockExecutor
from hawx.networks import CodesOutput, QuantizedLayer, QuantizedNetwork
from hawx.networks.quantized import Executor, Variant
from hawx.recover.moments import Moments, gain_and_shift
from hawx.recover.units import BATCH, IDENTITY, folded
from hawx.runner import Runner, run_here

Fit = Mapping[str, tuple[NDArray[np.float32], NDArray[np.int32]]]
"""What suits one design: scale and bias of every filter, (filters,) each, by layer."""


@dataclass(eq=False)
class DesignRecovery:
    """Recovers designs of one network, each once. What the exact network gives on the calibration images is run once."""

    network: QuantizedNetwork
    """With the variants of its units (see `recover_units`), whose mapped codes and wirings are kept."""
    library: Library
    images: NDArray[np.uint8] | NDArray[np.float32]
    """(N, C, H, W), to calibrate on, no labels."""
    batch: int = BATCH
    _known: dict[str, Fit] = field(default_factory=dict)

    def __call__(self, assignment: Assignment) -> QuantizedNetwork:
        """Return the network with variants for the blocks of `assignment`, exact ones included, that suit this design alone."""
        return fitted(self.network, self.library, assignment, self.fits([assignment])[0])

    def fits(self, assignments: Sequence[Assignment], runner: Runner = run_here) -> list[Fit]:
        """Return what suits each design, found by `runner` where it is not known yet.

        Gain and shift of every filter are fitted again on the design's own codes, in execution order; the target is the exact network's output of
        the layer. An exact layer behind exact layers keeps its constants to the bit.
        """
        unknown = {assignment.id: assignment for assignment in assignments if assignment.id not in self._known}
        self._known.update(zip(unknown, runner.map(self.fit, list(unknown.values())), strict=True))
        return [self._known[assignment.id] for assignment in assignments]

    def fit(self, assignment: Assignment) -> Fit:
        """Return what suits a design, found here."""
        executor = BlockExecutor(self.library, assignment)
        quantized = dict(self.network.on(assignment.labels(self.library.hashes)).quantized)
        network = replace(self.network, quantized=quantized)  # its layers are refitted in place below, each before anything behind it runs
        states = [network.begin(batch) for batch in self._batches]
        for index, layer in enumerate(network.layers):
            states = [network.advance(state, executor, index) for state in states]
            watch = Watch(executor, ends=True)
            for state in states:
                network.run_step(network.program[state.position], state.values, state.images, watch)
            held = quantized[layer.name]
            gain, shift = gain_and_shift(self._exact[layer.name], watch.seen[layer.name])
            scale, bias = folded(held.weight_scale, held.bias, held.input_scale, gain, shift)
            quantized[layer.name] = replace(held, weight_scale=scale, bias=bias)
        return {name: (held.weight_scale.numpy(), held.bias.numpy()) for name, held in quantized.items()}

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel to another process without what is known: whoever sends designs sends what suits them."""
        return DesignRecovery, (self.network, self.library, self.images, self.batch)

    @cached_property
    def _batches(self) -> list[Tensor]:
        return [torch.as_tensor(self.images[start : start + self.batch]) for start in range(0, len(self.images), self.batch)]

    @cached_property
    def _exact(self) -> dict[str, Moments]:
        """Moments of the exact network's real outputs, by layer."""
        watch = Watch(BlockExecutor(self.library, Assignment.uniform(self.network.filters, self.library.names, self.library.exact.name)))
        for batch in self._batches:
            self.network.run(batch, watch)
        return watch.seen


def fitted(network: QuantizedNetwork, library: Library, assignment: Assignment, fit: Fit) -> QuantizedNetwork:
    """Return `network` with variants for the blocks of a design: the mapped codes and wirings of its units, and the scales and biases of `fit`."""
    hashes = assignment.labels(library.hashes)
    constants = {name: tuple(map(torch.from_numpy, fit[name])) for name in network.quantized}
    return replace(network, quantized={name: _with_variants(layer, set(hashes[name]), *constants[name]) for name, layer in network.quantized.items()})


@dataclass(eq=False)
class Watch:
    """An executor that passes on what another does, and gathers the moments of every layer's real output."""

    inner: Executor
    ends: bool = False
    """Whether nothing reads what a layer gives: it is real values then, whatever is asked for."""
    seen: dict[str, Moments] = field(default_factory=dict)

    def run_layer(self, layer: QuantizedLayer, codes: Tensor, output: CodesOutput | None) -> Tensor:
        real = self.inner.run_layer(layer, codes, None)
        self.seen.setdefault(layer.layer.name, Moments()).add(real)
        return real if output is None or self.ends else self.inner.run_layer(layer, codes, output)


def _with_variants(layer: QuantizedLayer, blocks: set[str], scale: Tensor, bias: Tensor) -> QuantizedLayer:
    plain = Variant(codes=IDENTITY, weight_scale=scale, bias=bias)
    return replace(layer, variants={block: replace(layer.variants.get(block, plain), weight_scale=scale, bias=bias) for block in blocks})
