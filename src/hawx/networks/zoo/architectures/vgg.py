"""VGG-11 with batch normalization (Simonyan and Zisserman 2015, arXiv 1409.1556) for 32×32 images, torchvision's feature names."""

from __future__ import annotations

from torch import Tensor, nn

_CONFIGURATION_A = (64, None, 128, None, 256, 256, None, 512, 512, None, 512, 512, None)
"""Filters of each convolution; None is a max pooling."""


class Vgg11(nn.Module):
    """Eight 3×3 convolutions and one linear classifier."""

    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        parts: list[nn.Module] = []
        channels = 3
        for filters in _CONFIGURATION_A:
            if filters is None:
                parts.append(nn.MaxPool2d(2))
            else:
                parts += [nn.Conv2d(channels, filters, 3, padding=1), nn.BatchNorm2d(filters), nn.ReLU()]
                channels = filters
        self.features = nn.Sequential(*parts)
        self.classifier = nn.Linear(512, classes)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.features(x).flatten(1))
        return logits
