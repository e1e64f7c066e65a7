"""Layer shapes that `hawx bench` times: every distinct convolution of three networks, as their papers define them.

ResNet-18 (He et al., CVPR 2016) and VGG-11 (Simonyan and Zisserman, ICLR 2015) on 32×32 images; EfficientNet-Lite0 (Tan and Le, ICML 2019,
without squeeze-and-excitation) on 224×224.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from hawx.emulate.geometry import Geometry


@dataclass(frozen=True, slots=True)
class Shape:
    """A square convolution: `size` is the input's height and width; `groups` equals `channels` in a depthwise layer."""

    channels: int
    filters: int
    size: int
    kernel: int = 3
    stride: int = 1
    groups: int = 1

    @property
    def out_size(self) -> int:
        return (self.size - 1) // self.stride + 1

    @property
    def macs(self) -> int:
        """Multiply-accumulates for one image."""
        return self.out_size**2 * self.kernel**2 * self.channels * self.filters // self.groups

    @property
    def geometry(self) -> Geometry:
        return Geometry(stride=(self.stride,) * 2, padding=(self.kernel // 2,) * 4, groups=self.groups)

    def draw_weight(self, rng: np.random.Generator) -> Tensor:
        """Return int8 codes, (filters, channels / groups, kernel, kernel), spread as weights are."""
        shape = (self.filters, self.channels // self.groups, self.kernel, self.kernel)
        return torch.from_numpy(rng.normal(0, 40, shape).clip(-127, 127).astype(np.int8))

    def __str__(self) -> str:
        kind = "dw " if self.groups > 1 else ""
        step = f" /{self.stride}" if self.stride > 1 else ""
        return f"{kind}{self.kernel}×{self.kernel} {self.channels}→{self.filters} @{self.size}{step}"


def _separable(channels: int, filters: int, size: int, kernel: int = 3, stride: int = 1) -> tuple[Shape, Shape]:
    """Return the depthwise layer of `channels` and the projection to `filters` after it."""
    depthwise = Shape(channels, channels, size, kernel, stride, groups=channels)
    return depthwise, Shape(channels, filters, depthwise.out_size, kernel=1)


WORKLOADS: dict[str, tuple[Shape, ...]] = {
    "resnet18": (
        Shape(3, 64, 32),
        Shape(64, 64, 32),
        Shape(64, 128, 32, stride=2),
        Shape(64, 128, 32, kernel=1, stride=2),
        Shape(128, 128, 16),
        Shape(128, 256, 16, stride=2),
        Shape(256, 256, 8),
        Shape(256, 512, 8, stride=2),
        Shape(512, 512, 4),
    ),
    "vgg11": (Shape(64, 128, 16), Shape(128, 256, 8), Shape(256, 256, 8), Shape(256, 512, 4), Shape(512, 512, 4), Shape(512, 512, 2)),
    "efficientnet_lite0": (
        Shape(3, 32, 224, stride=2),
        *_separable(32, 16, 112),
        Shape(16, 96, 112, kernel=1),
        *_separable(96, 24, 112, stride=2),
        Shape(24, 144, 56, kernel=1),
        *_separable(144, 40, 56, kernel=5, stride=2),
        Shape(40, 240, 28, kernel=1),
        *_separable(240, 80, 28, stride=2),
        Shape(80, 480, 14, kernel=1),
        *_separable(480, 112, 14, kernel=5),
        *_separable(672, 192, 14, kernel=5, stride=2),
        Shape(192, 1152, 7, kernel=1),
        *_separable(1152, 320, 7),
        Shape(320, 1280, 7, kernel=1),
    ),
}
