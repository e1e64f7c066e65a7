"""MobileNetV2 (Sandler et al. 2018, arXiv 1801.04381), torchvision's parameter names."""

from __future__ import annotations

import torch.nn.functional as F  # noqa: N812 (PyTorch's own idiom)
from torch import Tensor, nn

_STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
"""Expansion, filters, repeats, stride of the first block."""


class InvertedResidual(nn.Module):
    """Expand 1×1, depthwise 3×3, project 1×1, with a shortcut where shapes agree."""

    def __init__(self, inputs: int, filters: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = inputs * expansion
        parts: list[nn.Module] = [] if expansion == 1 else [_unit(inputs, inner, 1)]
        parts += [_unit(inner, inner, 3, stride, inner), nn.Conv2d(inner, filters, 1, bias=False), nn.BatchNorm2d(filters)]
        self.conv = nn.Sequential(*parts)
        self.residual = stride == 1 and inputs == filters

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv(x)
        return x + y if self.residual else y


class MobileNetV2(nn.Module):
    """Width 1.0."""

    def __init__(self, classes: int = 1000) -> None:
        super().__init__()
        parts: list[nn.Module] = [_unit(3, 32, 3, 2)]
        channels = 32
        for expansion, filters, repeats, stride in _STAGES:
            for i in range(repeats):
                parts.append(InvertedResidual(channels, filters, stride if i == 0 else 1, expansion))
                channels = filters
        self.features = nn.Sequential(*parts, _unit(channels, 1280, 1))
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(1280, classes))

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.classifier(F.adaptive_avg_pool2d(self.features(x), 1).flatten(1))
        return logits


def _unit(inputs: int, filters: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, filters, kernel, stride, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(filters), nn.ReLU6())
