"""Residual networks (He et al. 2016, arXiv 1512.03385): ResNet-18 with a CIFAR or an ImageNet stem, and ResNet-20/32/56 for CIFAR.

ResNet-18 has torchvision's parameter names; ResNet-20/32/56 have parameter-free option-A shortcuts and the names of
Y. Idelbayev's weights (github.com/akamaster/pytorch_resnet_cifar10).
"""

from __future__ import annotations

import torch.nn.functional as F  # noqa: N812 (PyTorch's own idiom)
from torch import Tensor, nn


class BasicBlock(nn.Module):
    """Two 3×3 convolutions around a shortcut: identity, 1×1 convolution, or subsampling with zero channels (option A)."""

    def __init__(self, inputs: int, filters: int, stride: int, *, option_a: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, filters, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(filters)
        self.conv2 = nn.Conv2d(filters, filters, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(filters)
        self.relu = nn.ReLU()
        self.stride, self.extra = stride, filters - inputs
        self.downsample: nn.Module | None = None
        if not option_a and (stride != 1 or filters != inputs):
            self.downsample = nn.Sequential(nn.Conv2d(inputs, filters, 1, stride, bias=False), nn.BatchNorm2d(filters))

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        result: Tensor = self.relu(y + self._shortcut(x))
        return result

    def _shortcut(self, x: Tensor) -> Tensor:
        if self.downsample is not None:
            converted: Tensor = self.downsample(x)
            return converted
        if self.stride == 1 and not self.extra:
            return x
        half = self.extra // 2
        return F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, half, self.extra - half))


class ResNet18(nn.Module):
    """Stages of 64, 128, 256 and 512 filters, two blocks each. `stem` is `cifar` (3×3, stride 1) or `imagenet` (7×7, stride 2, max pool)."""

    def __init__(self, classes: int = 10, *, stem: str = "cifar") -> None:
        super().__init__()
        cifar = stem == "cifar"
        self.conv1 = nn.Conv2d(3, 64, 3 if cifar else 7, 1 if cifar else 2, 1 if cifar else 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU()
        self.maxpool = nn.Identity() if cifar else nn.MaxPool2d(3, 2, 1)
        self.layer1 = _stage(64, 64, 2, 1, option_a=False)
        self.layer2 = _stage(64, 128, 2, 2, option_a=False)
        self.layer3 = _stage(128, 256, 2, 2, option_a=False)
        self.layer4 = _stage(256, 512, 2, 2, option_a=False)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(512, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        logits: Tensor = self.fc(self.avgpool(x).flatten(1))
        return logits


class CifarResNet(nn.Module):
    """6n + 2 layers: three stages of n blocks with 16, 32 and 64 filters."""

    def __init__(self, depth: int, classes: int = 10) -> None:
        super().__init__()
        count = (depth - 2) // 6
        self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = _stage(16, 16, count, 1, option_a=True)
        self.layer2 = _stage(16, 32, count, 2, option_a=True)
        self.layer3 = _stage(32, 64, count, 2, option_a=True)
        self.linear = nn.Linear(64, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        logits: Tensor = self.linear(F.adaptive_avg_pool2d(x, 1).flatten(1))
        return logits


def _stage(inputs: int, filters: int, count: int, stride: int, *, option_a: bool) -> nn.Sequential:
    blocks = [BasicBlock(inputs, filters, stride, option_a=option_a)]
    blocks += [BasicBlock(filters, filters, 1, option_a=option_a) for _ in range(count - 1)]
    return nn.Sequential(*blocks)
