"""Layer: the facts of one multiply-carrying operation. NumPy only; no tensors here."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class LayerKind(StrEnum):
    CONV = "conv"
    DEPTHWISE = "depthwise"
    LINEAR = "linear"
    MATMUL = "matmul"
    """A product of two activations, as in attention: a grouped 1×1 convolution whose weights, the second operand, come with every image."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """Shapes of one layer, for one image. A linear layer is a 1×1 convolution over `out_size` positions (usually 1×1)."""

    name: str
    kind: LayerKind
    in_channels: int
    filters: int
    """Output channels; each is one filter and can have its own block. Those of a product are the columns of its second operand, head by head."""
    kernel: tuple[int, int] = (1, 1)
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    """Top, bottom, left, right. A padded position multiplies code 0 (or the zero point)."""
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1
    in_size: tuple[int, int] = (1, 1)
    out_size: tuple[int, int] = (1, 1)

    @property
    def reduction(self) -> int:
        """Products summed for one output value: K = kh·kw·Cin/groups."""
        return self.kernel[0] * self.kernel[1] * self.in_channels // self.groups

    @property
    def pixels(self) -> int:
        """Output positions of one filter."""
        return self.out_size[0] * self.out_size[1]

    @property
    def macs_per_filter(self) -> int:
        return self.pixels * self.reduction

    @property
    def macs(self) -> int:
        """Multiply-accumulates for one image."""
        return self.filters * self.macs_per_filter
