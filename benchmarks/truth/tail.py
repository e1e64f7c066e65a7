"""DenseTail: the dense layers at the end of a network, as integers, for sets of designs that differ only in what comes before.

Per image, interval arithmetic tells which channels no design of the set can move. Those are folded into the constants of the next
layer, so that the rest of the work is done on the channels that matter. Folding is exact: requantization is monotone, and a code
whose lower and upper bounds agree is that code for every design.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from benchmarks.truth.native import Layer, count_correct
from hawx.errors import InputError
from hawx.networks import QuantizedNetwork
from hawx.networks.exact import FLOAT32_EXACT
from hawx.networks.quantized import CodesOutput
from hawx.networks.requantize import inverse
from hawx.networks.steps import LayerStep

Integers = NDArray[np.int32]
Reals = NDArray[np.float32]


@dataclass(frozen=True, eq=False, kw_only=True)
class Requantization:
    """The law towards codes (hawx.networks.requantize), one scale per channel."""

    scale: Reals
    output: CodesOutput

    @property
    def law(self) -> tuple[float, float, float, float]:
        """Inverse of the codes' scale, zero point, least and greatest code."""
        return inverse(self.output.scale), self.output.zero_point, self.output.low, self.output.format.max

    def __call__(self, sums: NDArray[np.integer]) -> Integers:
        """Return the codes of accumulators (..., channels), element by element in float32."""
        real = sums.astype(np.float32) * self.scale * np.float32(inverse(self.output.scale))
        codes: Integers = np.clip(np.rint(real) + np.float32(self.output.zero_point), self.output.low, self.output.format.max).astype(np.int32)
        return codes

    def of(self, channels: NDArray[np.intp]) -> Requantization:
        return Requantization(scale=np.ascontiguousarray(self.scale[channels]), output=self.output)


@dataclass(frozen=True, eq=False, kw_only=True)
class Dense:
    """`acc = constant + weight · codes`, with (outputs, inputs) weights."""

    weight: NDArray[np.int16]
    constant: Integers

    @property
    def bound(self) -> int:
        """No accumulator exceeds this in magnitude, whatever the codes."""
        return int((np.abs(self.weight.astype(np.int64)).sum(axis=1) * 255 + np.abs(self.constant.astype(np.int64))).max())


@dataclass(frozen=True, eq=False, kw_only=True)
class Folded:
    """The tail of one image for one set of designs: only channels that some design moves."""

    channels: NDArray[np.intp]
    """Those of the first accumulators, ascending."""
    codes: tuple[Requantization, ...]
    dense: tuple[Dense, ...]
    logit_scale: Reals

    def logits(self, sums: Integers) -> Reals:
        """Return float32 logits (designs, classes) for the first accumulators (designs, channels) of `channels`."""
        for requantize, layer in zip(self.codes, self.dense, strict=True):
            # float64: every product and sum is an integer far below 2^53, so the order of summation cannot matter
            sums = (requantize(sums).astype(np.float64) @ layer.weight.T.astype(np.float64)).astype(np.int32) + layer.constant
        return np.asarray(sums.astype(np.float32) * self.logit_scale)

    def count_correct(self, high: Integers, low: Integers, label: int, counts: NDArray[np.uint16]) -> None:
        """Add 1 to `counts[i, j]` where the design of sums `high[i] + low[j]` answers `label`, natively; releases the GIL.

        Args:
            high, low: (rows, channels), contiguous; counts: (high rows, low rows), contiguous.
        """
        layers = [Layer.of(q.scale, q.law, dense.weight, dense.constant) for q, dense in zip(self.codes, self.dense, strict=True)]
        count_correct(high, low, layers, self.logit_scale, label, counts)


@dataclass(frozen=True, eq=False, kw_only=True)
class DenseTail:
    """Linear layers that follow each other to the logits."""

    first: Dense
    """Its inputs are the codes that designs change."""
    codes: tuple[Requantization, ...]
    rest: tuple[Dense, ...]
    logit_scale: Reals

    @classmethod
    def of(cls, network: QuantizedNetwork, first: int) -> DenseTail:
        """Return the layers from layer number `first` on.

        Raises:
            InputError: they are not plain linear layers, one after the other, at least two; or their sums could leave float32's integers.
        """
        position = [i for i, step in enumerate(network.program) if isinstance(step, LayerStep)][first]
        steps = [step for step in network.program[position:] if isinstance(step, LayerStep)]
        chained = len(steps) == len(network.program) - position and all(b.input == a.output for a, b in pairwise(steps))
        plain = all(network.layers[first + i].pixels == 1 and network.layers[first + i].groups == 1 for i in range(len(steps)))
        if not (chained and plain and len(steps) > 1 and network.output == steps[-1].output and all(s.codes is not None for s in steps[:-1])):
            raise InputError(
                f"network {network.name!r} does not end in plain linear layers from {network.layers[first].name!r} on; "
                "expected at least two, with nothing but ReLU between them."
            )
        layers, codes = [], []
        for step in steps:
            quantized = network.quantized[step.layer]
            weight = quantized.weight.flatten(1).numpy().astype(np.int16)
            constant = quantized.bias.numpy() - quantized.input_zero_point * weight.sum(axis=1, dtype=np.int32)
            layer = Dense(weight=weight, constant=constant.astype(np.int32))
            if layer.bound >= FLOAT32_EXACT:
                raise InputError(f"sums of layer {step.layer!r} may reach {layer.bound}; expected less than 2^24, to stay exact.")
            layers.append(layer)
            if step.codes is not None:
                codes.append(Requantization(scale=quantized.scale.numpy(), output=step.codes))
        scale = network.quantized[steps[-1].layer].scale.numpy()
        return cls(first=layers[0], codes=tuple(codes), rest=tuple(layers[1:]), logit_scale=scale)

    def fold(self, low: Integers, high: Integers) -> Folded:
        """Return the tail for designs whose first accumulators lie between `low` and `high`, both (channels,)."""
        channels: list[NDArray[np.intp]] = []
        codes, dense = [], []
        for requantize, layer in zip(self.codes, self.rest, strict=True):
            least, most = requantize(low), requantize(high)
            live = np.flatnonzero(least != most)
            if not len(live):
                live = np.zeros(1, np.intp)  # one channel always stays, so that no array is empty
            fixed = least.copy()
            fixed[live] = 0
            weight = layer.weight.astype(np.float32)
            positive, negative = np.maximum(weight, 0), np.minimum(weight, 0)
            low = (positive @ least.astype(np.float32) + negative @ most.astype(np.float32)).astype(np.int32) + layer.constant
            high = (positive @ most.astype(np.float32) + negative @ least.astype(np.float32)).astype(np.int32) + layer.constant
            constant = layer.constant + (weight @ fixed.astype(np.float32)).astype(np.int32)
            codes.append(requantize.of(live))
            dense.append(Dense(weight=layer.weight[:, live], constant=constant))
            channels.append(live)
        kept = [*channels[1:], np.arange(len(dense[-1].constant))]
        rows = [
            Dense(weight=np.ascontiguousarray(layer.weight[outputs]), constant=np.ascontiguousarray(layer.constant[outputs]))
            for layer, outputs in zip(dense, kept, strict=True)
        ]
        return Folded(channels=channels[0], codes=tuple(codes), dense=tuple(rows), logit_scale=self.logit_scale)
