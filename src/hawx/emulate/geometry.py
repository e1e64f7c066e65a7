"""Geometry: how a convolution walks over its input. A matrix product is a 1×1 convolution over rows."""

from __future__ import annotations

from dataclasses import dataclass

from hawx.errors import InputError
from hawx.networks.layer import Layer

Pair = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Geometry:
    """Stride, padding (top, bottom, left, right), dilation, groups, and the code `pad` of padded positions."""

    stride: Pair = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilation: Pair = (1, 1)
    groups: int = 1
    pad: int = 0

    @classmethod
    def of(cls, layer: Layer, pad: int) -> Geometry:
        return cls(stride=layer.stride, padding=layer.padding, dilation=layer.dilation, groups=layer.groups, pad=pad)

    @classmethod
    def parse(cls, stride: int | Pair, padding: int | Pair | tuple[int, int, int, int], dilation: int | Pair, groups: int) -> Geometry:
        """Return the geometry of PyTorch-like arguments; `padding` may also be (top, bottom, left, right).

        Raises:
            InputError: an argument is not one or two (padding: four) integers in range.
        """
        pads: tuple[object, ...] = (padding,) * 4 if isinstance(padding, int) else tuple(padding)
        if len(pads) == 2:
            pads = (pads[0], pads[0], pads[1], pads[1])
        sides = [p for p in pads if isinstance(p, int) and p >= 0]
        if len(pads) != 4 or len(sides) != 4:
            raise InputError(f"padding {padding!r} is not usable; expected a non-negative integer, (height, width) or (top, bottom, left, right).")
        count: object = groups
        if not isinstance(count, int) or count < 1:
            raise InputError(f"groups {groups!r} is not usable; expected a positive integer.")
        return cls(
            stride=_pair("stride", stride), padding=(sides[0], sides[1], sides[2], sides[3]), dilation=_pair("dilation", dilation), groups=groups
        )

    def out_size(self, height: int, width: int, kernel: Pair) -> Pair:
        """Return (H', W') for an input of `height` × `width`; not positive where the kernel does not fit."""
        top, bottom, left, right = self.padding
        rows = height + top + bottom - self.dilation[0] * (kernel[0] - 1) - 1
        columns = width + left + right - self.dilation[1] * (kernel[1] - 1) - 1
        return rows // self.stride[0] + 1, columns // self.stride[1] + 1


def _pair(name: str, value: int | Pair) -> Pair:
    given: tuple[object, ...] = (value, value) if isinstance(value, int) else tuple(value)
    pair = [v for v in given if isinstance(v, int) and v >= 1]
    if len(given) != 2 or len(pair) != 2:
        raise InputError(f"{name} {value!r} is not usable; expected a positive integer or a pair of them.")
    return pair[0], pair[1]
