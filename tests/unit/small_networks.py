"""Small float modules with awkward structure, quantized on random images: shared by the tests of networks."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hawx.networks import QuantizedNetwork
from hawx.networks.quantization import Activations, Method, quantize


class Residual(nn.Module):
    """Shortcuts with and without convolution, ReLU6, concatenation, a shared convolution, asymmetric padding, in-place operators."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding="same", bias=False)
        self.bn = nn.BatchNorm2d(8)
        self.shared = nn.Conv2d(8, 8, 3, padding=1)
        self.depthwise = nn.Conv2d(8, 8, 4, stride=2, groups=8, padding="valid")
        self.point = nn.Conv2d(8, 12, 1)
        self.skip = nn.Conv2d(8, 12, 1, stride=2)
        self.grouped = nn.Conv2d(24, 12, 3, dilation=2, padding=2, groups=3)
        self.head = nn.Linear(12, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu_(self.bn(self.stem(x)))
        x = F.relu(self.shared(self.shared(x)) + x)
        y = self.point(F.relu6(self.depthwise(F.pad(x, (1, 2, 1, 2)))))
        z = torch.cat([y, self.skip(x)], 1)
        z = F.max_pool2d(F.relu(z), 3, 2, 1)
        z = F.hardswish(self.grouped(z))
        return self.head(F.adaptive_avg_pool2d(z, 1).flatten(1))


class Squeeze(nn.Module):
    """Squeeze-and-excite, SiLU, average pooling, batch normalization that no layer can absorb, one-dimensional convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, stride=2)
        self.reduce = nn.Conv2d(8, 4, 1)
        self.expand = nn.Conv2d(4, 8, 1)
        self.bn = nn.BatchNorm2d(8, eps=0.1)
        self.signal = nn.Conv1d(8, 6, 5, stride=2, padding=1)
        self.head = nn.Linear(6, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = F.silu(self.conv(x))
        gate = torch.sigmoid(self.expand(F.relu(self.reduce(x.mean((2, 3), keepdim=True)))))
        x = self.bn(F.avg_pool2d(x * gate, 2, 1))
        return self.head(self.signal(x.flatten(2)).mean(2))


class Encoder(nn.Module):
    """Attention from the standard library (positions before batch inside), a product with a bare parameter, LayerNorm, GELU."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, 16, 4, 4)
        self.layer = nn.TransformerEncoderLayer(16, 2, 24, activation="gelu", batch_first=True)
        self.matrix = nn.Parameter(torch.randn(16, 10) * 0.3)
        self.head = nn.Linear(10, 3)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.layer(self.patch(x).flatten(2).transpose(1, 2)) @ self.matrix
        return self.head(tokens.mean(1))


MODULES = {"residual": Residual, "squeeze": Squeeze, "encoder": Encoder}
SIZE = (3, 16, 16)


def images(count: int, *, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, *SIZE)).astype(np.float32)


def module(name: str) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        built = MODULES[name]()
        for part in built.modules():
            if isinstance(part, nn.BatchNorm2d):
                part.running_mean.normal_(0, 0.3)
                part.running_var.uniform_(0.3, 2.0)
                nn.init.uniform_(part.weight, 0.5, 1.5)
                nn.init.normal_(part.bias, 0, 0.2)
    return built.eval()


@cache
def network(name: str, activations: Activations = Activations.SIGNED, method: Method = Method.MOVING_AVERAGE) -> QuantizedNetwork:
    return quantize(module(name), images(48), name=name, activations=activations, method=method, batch=16)
