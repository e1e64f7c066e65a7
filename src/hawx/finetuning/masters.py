"""Masters: what a fine-tuning really moves. Real-valued copies of a layer's integers, rounded anew at every step.

All are in units of one weight code, so that one learning rate fits every layer: weights are codes; a scale moves by an eighth of itself per unit
(a 127th, as a code of a full-range weight would, was too slow: on LeNet-5 under a strong block it left four times the loss; a third was restless);
a bias by what one code in every weight would add with random signs at full activations, `max|a|·sqrt(K)` accumulator units.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import sqrt

import torch
from torch import Tensor

from hawx.networks.quantized import QuantizedLayer

LARGEST_CODE = 127
"""Weight codes stay within ±127: −128 has no opposite."""
SCALE_STEP = 1 / 8
"""What the logarithm of a scale moves by per unit."""
_LARGEST_BIAS = float(1 << 30)


@dataclass(frozen=True, slots=True, eq=False)
class Master:
    """The masters of one layer. At zero scale and bias they are those of `start`."""

    start: QuantizedLayer
    weight: Tensor
    """float32, shape of the layer's weights, in codes."""
    scale: Tensor
    """float32, (filters,)."""
    bias: Tensor
    """float32, (filters,)."""

    @classmethod
    def of(cls, layer: QuantizedLayer) -> Master:
        """Return the masters that stand where `layer` stands."""
        zeros = torch.zeros(layer.layer.filters)
        return cls(layer, layer.weight.to(torch.float32).requires_grad_(), zeros.clone().requires_grad_(), zeros.clone().requires_grad_())

    @property
    def parameters(self) -> tuple[Tensor, Tensor, Tensor]:
        return self.weight, self.scale, self.bias

    @property
    def log_scale(self) -> Tensor:
        """What the logarithm of the scale has moved by."""
        return self.scale * SCALE_STEP

    @property
    def real_bias(self) -> Tensor:
        """What the bias has moved by, in real units."""
        layer = self.start
        largest = max(-layer.input_format.min, layer.input_format.max)
        return self.bias * (layer.scale * (largest * sqrt(layer.weight[0].numel())))

    def quantized(self) -> QuantizedLayer:
        """Return the layer in integers: int8 codes, float32 scales, int32 biases."""
        with torch.no_grad():
            layer = self.start
            gain = self.log_scale.double().exp()
            bias = (layer.bias.double() + self.real_bias.double() / layer.scale.double()) / gain
            return replace(
                layer,
                weight=self.weight.round().to(torch.int8),
                weight_scale=(layer.weight_scale.double() * gain).to(torch.float32),
                bias=bias.round().clamp(-_LARGEST_BIAS, _LARGEST_BIAS).to(torch.int32),
            )

    def keep_in_range(self) -> None:
        """Bring codes back that a step moved out of range."""
        with torch.no_grad():
            self.weight.clamp_(-LARGEST_CODE, LARGEST_CODE)
