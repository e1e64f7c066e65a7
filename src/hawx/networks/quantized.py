"""QuantizedLayer and Executor: the contract between a network's graph and whatever multiplies its integers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import torch
from torch import Tensor

from hawx.formats import S8, IntFormat
from hawx.networks.layer import Layer, LayerKind
from hawx.wiring import PLAIN, Wiring, clamp


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Variant:
    """What a layer takes on one block, where its own does not suit that block (see hawx.recover): constants and wires."""

    codes: Tensor
    """int8, (256,): what takes the place of each weight code, in value order (-128..127)."""
    weight_scale: Tensor
    """float32, (filters,)."""
    bias: Tensor
    """int32, (filters,), in units of `input_scale · weight_scale[o]` of this variant."""
    wiring: Wiring = PLAIN
    """How operands reach the block."""


@dataclass(frozen=True, eq=False, kw_only=True)
class QuantizedLayer:
    """One multiply-carrying layer in integers.

    `acc[n, o, p] = Σ_k T[x_code, weight[o, k]]` (padded positions multiply the code of zero, which is `input_zero_point`),
    then the exact correction `- input_zero_point · Σ_k weight[o, k]`, then `+ bias[o]`, then `y = float32(acc) · scale[o]`.
    """

    layer: Layer
    weight: Tensor
    """int8, shape (filters, in_channels / groups, kh, kw); a linear layer has kh = kw = 1.

    Of a product it is (images, filters, depth, 1, 1): the second operand of the images that run, of none at rest (see `times`).
    """
    weight_scale: Tensor
    """float32, shape (filters,)."""
    bias: Tensor
    """int32, shape (filters,), in units of `input_scale · weight_scale[o]`."""
    input_scale: float
    input_zero_point: int = 0
    input_format: IntFormat = S8
    wirings: tuple[Wiring, ...] = ()
    """How operands reach the block of each filter; empty: plainly."""
    variants: Mapping[str, Variant] = field(default_factory=dict)
    """What its filters take on a block, by the block's SHA-256; on all others it is the layer's own."""

    @property
    def is_product(self) -> bool:
        """Whether both operands are activations."""
        return self.layer.kind is LayerKind.MATMUL

    def times(self, codes: Tensor) -> QuantizedLayer:
        """Return a product with the second operand of the images that it is to run: int8, (images, filters, depth, 1, 1)."""
        return replace(self, weight=codes)

    def on(self, blocks: Sequence[str]) -> QuantizedLayer:
        """Return the layer with what its filters take on `blocks`, the SHA-256 of each filter's block; it has no variants."""
        weight, scale, bias = self.weight, self.weight_scale, self.bias
        wirings = list(self.wirings or (PLAIN,) * len(blocks))
        for block in set(blocks) & self.variants.keys():
            variant = self.variants[block]
            chosen = torch.tensor([other == block for other in blocks])
            mapped = variant.codes[self.weight.to(torch.int32) + 128]
            weight = torch.where(chosen.view(-1, 1, 1, 1), mapped, weight)
            scale = torch.where(chosen, variant.weight_scale, scale)
            bias = torch.where(chosen, variant.bias, bias)
            wirings = [variant.wiring if other == block else wiring for other, wiring in zip(blocks, wirings, strict=True)]
        kept = () if all(wiring.is_plain for wiring in wirings) else tuple(wirings)
        return replace(self, weight=weight, weight_scale=scale, bias=bias, wirings=kept, variants={})

    @property
    def shifts(self) -> dict[int, Tensor | None]:
        """Shift of the activations (see `Wiring`) -> which filters take it, bool (filters,), or None for all of them."""
        each = [wiring.shift for wiring in self.wirings] or [0]
        if len(set(each)) == 1:
            return {each[0]: None}
        return {shift: torch.tensor([other == shift for other in each]) for shift in sorted(set(each))}

    @property
    def scale(self) -> Tensor:
        """float32, shape (filters,): real value of one accumulator unit."""
        return self.weight_scale * self.input_scale


def shift_up(codes: Tensor, fmt: IntFormat, shift: int) -> Tensor:
    """Return what activation codes of format `fmt` arrive as at a multiplier, same dtype: `hawx.wiring.Wiring.shifted` on tensors."""
    return codes.clamp(*clamp(fmt, shift)) * (1 << shift) if shift else codes


@dataclass(frozen=True, slots=True, kw_only=True)
class CodesOutput:
    """Ask for codes instead of real values: `clip(round_half_even(y · (1/scale)) + zero_point)`, after ReLU if `relu`."""

    scale: float
    zero_point: int = 0
    format: IntFormat = S8
    relu: bool = False

    @property
    def low(self) -> int:
        """The least code."""
        return max(self.format.min, self.zero_point) if self.relu else self.format.min


class Executor(Protocol):
    """What multiplies. Bit-exact: the result never depends on engine, batch size, tile or thread count."""

    def run_layer(self, layer: QuantizedLayer, codes: Tensor, output: CodesOutput | None) -> Tensor:
        """Return the layer's output for input codes.

        Args:
            layer: a product holds the second operand of these images.
            codes: (N, in_channels, H, W), int8 or uint8 as `layer.input_format` says, any memory format.
            output: None for real values, float32 (N, filters, H', W'); else codes of `output.format`, same shape.
        """
        ...
