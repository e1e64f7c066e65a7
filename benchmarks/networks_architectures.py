"""Try well-known architectures with random weights: which are traced, converted and run in integers, and why the others are not.

    python benchmarks/networks_architectures.py [NAME ...]

The definitions below are written from the papers, with the papers' operators; stages are cut to one or two blocks, which changes nothing about
what an importer meets. The last column is the deviation of the integer logits from the float ones, relative to their largest.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F  # noqa: N812 (PyTorch's own idiom)
from torch import Tensor, nn

from hawx.errors import InputError
from hawx.networks.quantization import quantize
from hawx.networks.zoo.architectures.efficientnet_lite import EfficientNetLite
from hawx.networks.zoo.architectures.mobilenet import MobileNetV2
from hawx.networks.zoo.architectures.resnet import CifarResNet, ResNet18
from hawx.networks.zoo.architectures.vit import VisionTransformer

SIZE = 64


class Lambda(nn.Module):
    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


class Residual(nn.Module):
    def __init__(self, *parts: nn.Module, after: nn.Module | None = None, skip: nn.Module | None = None) -> None:
        super().__init__()
        self.body, self.after, self.skip = nn.Sequential(*parts), after or nn.Identity(), skip or nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.after(self.body(x) + self.skip(x))


class Concat(nn.Module):
    def __init__(self, *branches: nn.Module) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self.branches], 1)


class SqueezeExcite(nn.Module):
    def __init__(self, width: int, inner: int, gate: type[nn.Module], act: type[nn.Module] = nn.ReLU) -> None:
        super().__init__()
        self.fc1, self.fc2, self.act, self.gate = nn.Conv2d(width, inner, 1), nn.Conv2d(inner, width, 1), act(), gate()

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gate(self.fc2(self.act(self.fc1(F.adaptive_avg_pool2d(x, 1)))))


class LayerNorm2d(nn.LayerNorm):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def unit(i: int, o: int, k: int = 3, s: int = 1, g: int = 1, act: type[nn.Module] = nn.ReLU) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(i, o, k, s, k // 2, groups=g, bias=False), nn.BatchNorm2d(o), act())


def head(width: int, classes: int = 10) -> nn.Sequential:
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, classes))


def alexnet() -> nn.Module:
    features = [nn.Conv2d(3, 64, 11, 4, 2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2), nn.Conv2d(64, 192, 5, padding=2), nn.ReLU(inplace=True)]
    return nn.Sequential(*features, nn.AdaptiveAvgPool2d(6), nn.Flatten(), nn.Dropout(), nn.Linear(192 * 36, 256), nn.ReLU(), nn.Linear(256, 10))


def vgg16() -> nn.Module:
    parts: list[nn.Module] = []
    channels = 3
    for filters in (64, 64, None, 128, 128, None, 256, 256, 256, None):
        parts += [nn.MaxPool2d(2, 2)] if filters is None else [nn.Conv2d(channels, filters, 3, padding=1), nn.ReLU(inplace=True)]
        channels = filters or channels
    return nn.Sequential(*parts, nn.Flatten(), nn.Linear(256 * 64, 64), nn.ReLU(), nn.Dropout(), nn.Linear(64, 10))


def bottleneck(groups: int, width: int) -> nn.Module:
    body = (unit(64, width, 1), unit(width, width, 3, 2, groups), nn.Conv2d(width, 256, 1), nn.BatchNorm2d(256))
    skip = nn.Sequential(nn.Conv2d(64, 256, 1, 2), nn.BatchNorm2d(256))
    return nn.Sequential(unit(3, 64, 7, 2), nn.MaxPool2d(3, 2, 1), Residual(*body, after=nn.ReLU(), skip=skip), head(256))


class DenseLayer(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.BatchNorm2d(width), nn.ReLU(), nn.Conv2d(width, 32, 1), nn.BatchNorm2d(32), nn.ReLU(), nn.Conv2d(32, 16, 3, padding=1)
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, self.body(x)], 1)


def densenet() -> nn.Module:
    transition = nn.Sequential(nn.BatchNorm2d(64), nn.ReLU(), nn.Conv2d(64, 32, 1), nn.AvgPool2d(2))
    return nn.Sequential(unit(3, 32, 7, 2), DenseLayer(32), DenseLayer(48), transition, DenseLayer(32), nn.BatchNorm2d(48), nn.ReLU(), head(48))


def googlenet() -> nn.Module:
    pool = nn.Sequential(nn.MaxPool2d(3, 1, 1, ceil_mode=True), unit(64, 32, 1))
    inception = Concat(unit(64, 64, 1), nn.Sequential(unit(64, 96, 1), unit(96, 128)), nn.Sequential(unit(64, 16, 1), unit(16, 32)), pool)
    return nn.Sequential(unit(3, 64, 7, 2), nn.MaxPool2d(3, 2, ceil_mode=True), inception, head(256))


def inception_v3() -> nn.Module:
    def factored(a: int, b: int) -> nn.Sequential:
        first = nn.Sequential(nn.Conv2d(a, b, (1, 7), padding=(0, 3), bias=False), nn.BatchNorm2d(b, eps=0.001), nn.ReLU())
        return nn.Sequential(first, nn.Conv2d(b, b, (7, 1), padding=(3, 0), bias=False), nn.BatchNorm2d(b, eps=0.001), nn.ReLU())

    branches = Concat(unit(32, 32, 1), factored(32, 48), nn.Sequential(nn.AvgPool2d(3, 1, 1), unit(32, 16, 1)))
    return nn.Sequential(unit(3, 32, 3, 2), branches, Concat(unit(96, 32, 3, 2), nn.MaxPool2d(3, 2, 1)), head(128))


def squeezenet() -> nn.Module:
    def fire(i: int, s: int, e: int) -> nn.Sequential:
        grown = Concat(nn.Sequential(nn.Conv2d(s, e, 1), nn.ReLU()), nn.Sequential(nn.Conv2d(s, e, 3, padding=1), nn.ReLU()))
        return nn.Sequential(nn.Conv2d(i, s, 1), nn.ReLU(), grown)

    classifier = (nn.Dropout(), nn.Conv2d(128, 10, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return nn.Sequential(nn.Conv2d(3, 64, 3, 2), nn.ReLU(), nn.MaxPool2d(3, 2, ceil_mode=True), fire(64, 16, 64), fire(128, 16, 64), *classifier)


def mobilenet_v1() -> nn.Module:
    return nn.Sequential(unit(3, 32, 3, 2), unit(32, 32, 3, 1, 32), unit(32, 64, 1), unit(64, 64, 3, 2, 64), unit(64, 128, 1), head(128))


def mobilenet_v3() -> nn.Module:
    act = nn.Hardswish
    inverted = (
        unit(16, 64, 1, act=act),
        unit(64, 64, 5, 1, 64, act=act),
        SqueezeExcite(64, 16, nn.Hardsigmoid),
        nn.Conv2d(64, 16, 1),
        nn.BatchNorm2d(16),
    )
    classifier = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(96, 128), nn.Hardswish(), nn.Linear(128, 10))
    return nn.Sequential(unit(3, 16, 3, 2, act=act), Residual(*inverted), unit(16, 96, 1, act=act), *classifier)


class Shuffle(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.branch = nn.Sequential(unit(24, 24, 1), nn.Conv2d(24, 24, 3, padding=1, groups=24), nn.BatchNorm2d(24), unit(24, 24, 1))

    def forward(self, x: Tensor) -> Tensor:
        left, right = x.chunk(2, 1)
        joined = torch.cat([left, self.branch(right)], 1)
        n, c, h, w = joined.shape
        return joined.view(n, 2, c // 2, h, w).transpose(1, 2).contiguous().view(n, c, h, w)


def shufflenet_v2() -> nn.Module:
    return nn.Sequential(unit(3, 48, 3, 2), nn.MaxPool2d(3, 2, 1), Shuffle(), Shuffle(), head(48))


def efficientnet_b0() -> nn.Module:
    act = nn.SiLU
    body = (
        unit(32, 96, 1, act=act),
        unit(96, 96, 5, 1, 96, act=act),
        SqueezeExcite(96, 8, nn.Sigmoid, nn.SiLU),
        nn.Conv2d(96, 32, 1),
        nn.BatchNorm2d(32),
    )
    return nn.Sequential(unit(3, 32, 3, 2, act=act), Residual(*body), unit(32, 64, 1, act=act), head(64))


def mnasnet() -> nn.Module:
    body = (unit(16, 48, 1), unit(48, 48, 5, 1, 48), SqueezeExcite(48, 12, nn.Sigmoid), nn.Conv2d(48, 16, 1), nn.BatchNorm2d(16))
    return nn.Sequential(unit(3, 32, 3, 2), unit(32, 32, 3, 1, 32), nn.Conv2d(32, 16, 1), nn.BatchNorm2d(16), Residual(*body), head(16))


def regnet_y() -> nn.Module:
    body = (unit(32, 64, 1), unit(64, 64, 3, 2, 8), SqueezeExcite(64, 8, nn.Sigmoid), nn.Conv2d(64, 64, 1), nn.BatchNorm2d(64))
    return nn.Sequential(unit(3, 32, 3, 2), Residual(*body, after=nn.ReLU(), skip=nn.Conv2d(32, 64, 1, 2)), head(64))


class LayerScale(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.full((width,), 0.5))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gamma


def convnext() -> nn.Module:
    def block(width: int) -> nn.Module:
        channels_last, back = Lambda(lambda x: x.permute(0, 2, 3, 1)), Lambda(lambda x: x.permute(0, 3, 1, 2))
        mlp = (nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width), LayerScale(width))
        return Residual(nn.Conv2d(width, width, 7, padding=3, groups=width), channels_last, *mlp, back)

    stem = (nn.Conv2d(3, 48, 4, 4), LayerNorm2d(48))
    return nn.Sequential(*stem, block(48), block(48), LayerNorm2d(48), nn.Conv2d(48, 96, 2, 2), block(96), head(96))


class WindowAttention(nn.Module):
    """Swin: attention inside 4×4 windows of a cyclically shifted map, with a relative position bias and a mask."""

    def __init__(self, width: int = 48, heads: int = 3, shift: int = 2) -> None:
        super().__init__()
        self.heads, self.shift = heads, shift
        self.norm, self.qkv, self.proj = nn.LayerNorm(width), nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.table = nn.Parameter(torch.randn(49, heads) * 0.1)
        grid = torch.stack(torch.meshgrid(torch.arange(4), torch.arange(4), indexing="ij")).flatten(1)
        relative = grid[:, :, None] - grid[:, None, :] + 3
        self.register_buffer("index", relative[0] * 7 + relative[1])

    def forward(self, x: Tensor) -> Tensor:
        n, h, w, c = x.shape
        y = torch.roll(self.norm(x), (-self.shift, -self.shift), (1, 2))
        y = y.view(n, h // 4, 4, w // 4, 4, c).permute(0, 1, 3, 2, 4, 5).reshape(-1, 16, c)
        q, k, v = self.qkv(y).view(-1, 16, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)
        bias = self.table[self.index.view(-1)].view(16, 16, self.heads).permute(2, 0, 1)
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=bias.unsqueeze(0))
        y = self.proj(y.transpose(1, 2).reshape(-1, 16, c)).view(n, h // 4, w // 4, 4, 4, c).permute(0, 1, 3, 2, 4, 5).reshape(n, h, w, c)
        return x + torch.roll(y, (self.shift, self.shift), (1, 2))


def swin() -> nn.Module:
    mlp = Residual(nn.LayerNorm(48), nn.Linear(48, 192), nn.GELU(), nn.Linear(192, 48))
    merge = Lambda(lambda x: torch.cat([x[:, 0::2, 0::2], x[:, 1::2, 0::2], x[:, 0::2, 1::2], x[:, 1::2, 1::2]], -1))
    tail = (nn.LayerNorm(96), Lambda(lambda x: x.mean((1, 2))), nn.Linear(96, 10))
    parts = (WindowAttention(shift=0), mlp, WindowAttention(), merge, nn.LayerNorm(192), nn.Linear(192, 96, bias=False))
    return nn.Sequential(nn.Conv2d(3, 48, 4, 4), Lambda(lambda x: x.permute(0, 2, 3, 1)), *parts, *tail)


def mlp_mixer() -> nn.Module:
    transpose = Lambda(lambda x: x.transpose(1, 2))
    tokens = Residual(nn.LayerNorm(64), transpose, nn.Linear(64, 32), nn.GELU(), nn.Linear(32, 64), transpose)
    channels = Residual(nn.LayerNorm(64), nn.Linear(64, 128), nn.GELU(), nn.Linear(128, 64))
    return nn.Sequential(nn.Conv2d(3, 64, 8, 8), nn.Flatten(2), transpose, tokens, channels, Lambda(lambda x: x.mean(1)), nn.Linear(64, 10))


def poolformer() -> nn.Module:
    mixer = Residual(nn.GroupNorm(1, 48), Lambda(lambda x: F.avg_pool2d(x, 3, 1, 1, count_include_pad=False) - x))
    mlp = Residual(nn.GroupNorm(1, 48), nn.Conv2d(48, 96, 1), nn.GELU(), nn.Conv2d(96, 48, 1))
    return nn.Sequential(nn.Conv2d(3, 48, 7, 4, 2), mixer, mlp, head(48))


class StandardizedConv(nn.Conv2d):
    def forward(self, x: Tensor) -> Tensor:
        weight = F.batch_norm(self.weight.reshape(1, self.out_channels, -1), None, None, training=True, eps=1e-6).reshape_as(self.weight)
        return F.conv2d(x, weight, self.bias, self.stride, self.padding, self.dilation, self.groups)


def big_transfer() -> nn.Module:
    body = (nn.GroupNorm(8, 64), nn.ReLU(), StandardizedConv(64, 16, 1), nn.GroupNorm(8, 16), nn.ReLU(), StandardizedConv(16, 64, 3, padding=1))
    return nn.Sequential(StandardizedConv(3, 64, 7, 2, 3), nn.MaxPool2d(3, 2, 1), Residual(*body), nn.GroupNorm(8, 64), nn.ReLU(), head(64))


class GhostModule(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.primary, self.cheap = unit(16, 16, 1), unit(16, 16, 3, 1, 16)

    def forward(self, x: Tensor) -> Tensor:
        primary = self.primary(x)
        return torch.cat([primary, self.cheap(primary)], 1)[:, :24]


def ghostnet() -> nn.Module:
    return nn.Sequential(unit(3, 16, 3, 2), GhostModule(), SqueezeExcite(24, 8, nn.Hardsigmoid), head(24))


class RepVgg(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.dense = nn.Sequential(nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width))
        self.point = nn.Sequential(nn.Conv2d(width, width, 1, bias=False), nn.BatchNorm2d(width))
        self.identity = nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.dense(x) + self.point(x) + self.identity(x))


def repvgg() -> nn.Module:
    return nn.Sequential(unit(3, 32, 3, 2), RepVgg(32), RepVgg(32), head(32))


class Conformer(nn.Module):
    """PyTorch's own encoder layer on patches: packed projections inside nn.MultiheadAttention."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 48, 8, 8)
        self.encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(48, 4, 96, batch_first=True), 2, enable_nested_tensor=False)
        self.fc = nn.Linear(48, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.encoder(self.stem(x).flatten(2).transpose(1, 2)).mean(1))


class Recurrent(nn.Module):
    """CRNN: an LSTM over columns."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.rnn, self.fc = unit(3, 32, 3, 2), nn.LSTM(32 * 32, 32, batch_first=True), nn.Linear(32, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.rnn(self.conv(x).flatten(1, 2).transpose(1, 2))[0][:, -1])


class Upsampling(nn.Module):
    """A segmentation-like decoder in front of a classifier: transposed convolution and bilinear resizing."""

    def __init__(self) -> None:
        super().__init__()
        self.down, self.up, self.last, self.out = unit(3, 16, 3, 4), nn.ConvTranspose2d(16, 16, 2, 2), unit(16, 16), head(16)

    def forward(self, x: Tensor) -> Tensor:
        y = self.up(self.down(x))
        return self.out(self.last(F.interpolate(y, scale_factor=2, mode="bilinear", align_corners=False)))


class EarlyExit(nn.Module):
    """BranchyNet: leaves early when confident, which is control flow on data."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.exit, self.second, self.out = unit(3, 16, 3, 2), head(16), unit(16, 32, 3, 2), head(32)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        early = self.exit(x)
        return early if early.softmax(1).max() > 0.9 else self.out(self.second(x))


ARCHITECTURES: dict[str, Callable[[], nn.Module]] = {
    "AlexNet": alexnet,
    "VGG-16": vgg16,
    "ResNet-18": lambda: ResNet18(stem="imagenet"),
    "ResNet-20 (CIFAR, option A)": lambda: CifarResNet(20),
    "ResNet-50": lambda: bottleneck(1, 64),
    "ResNeXt-50": lambda: bottleneck(32, 128),
    "DenseNet": densenet,
    "GoogLeNet": googlenet,
    "Inception-v3": inception_v3,
    "SqueezeNet": squeezenet,
    "MobileNetV1": mobilenet_v1,
    "MobileNetV2": lambda: MobileNetV2(10),
    "MobileNetV3": mobilenet_v3,
    "ShuffleNetV2": shufflenet_v2,
    "EfficientNet-B0": efficientnet_b0,
    "EfficientNet-Lite0": lambda: EfficientNetLite(0, 10),
    "MnasNet": mnasnet,
    "RegNetY": regnet_y,
    "GhostNet": ghostnet,
    "RepVGG (training form)": repvgg,
    "BiT (weight standardization)": big_transfer,
    "ConvNeXt": convnext,
    "ViT / DeiT": lambda: VisionTransformer(10, size=SIZE, depth=2),
    "nn.TransformerEncoder": Conformer,
    "Swin": swin,
    "MLP-Mixer": mlp_mixer,
    "PoolFormer": poolformer,
    "Decoder (ConvTranspose, resize)": Upsampling,
    "CRNN (LSTM)": Recurrent,
    "BranchyNet (early exit)": EarlyExit,
}


def attempt(build: Callable[[], nn.Module]) -> str:
    """Return the row of one architecture, without its name."""
    torch.manual_seed(0)
    module = build().eval()
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            nn.init.normal_(part.running_mean, 0, 0.1)
            nn.init.uniform_(part.running_var, 0.5, 1.5)
    images = torch.randn(16, 3, SIZE, SIZE)
    start = time.perf_counter()
    try:
        network = quantize(module, images, name="it", batch=8)
    except InputError as error:
        return f"no | | | | {str(error).split(' PyTorch says:')[0]}"
    seconds = time.perf_counter() - start
    with torch.inference_mode():
        expected = module(images)
    deviation = float((network(images) - expected).abs().max() / expected.abs().max())
    rest = _grouped(network.unconverted) or "none"
    facts = f"{len(network.layers)} | {len(network.steps)} → {len(network.program)} | {100 * deviation:.1f} %"
    return f"yes, {seconds:.1f} s | {facts} | {rest}"


def _grouped(unconverted: tuple[str, ...]) -> str:
    """Return how often each operator stays float."""
    kinds = [entry.split(" (")[1].rstrip(")").removesuffix(".default").removesuffix(".input") for entry in unconverted]
    return ", ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds))


HEADER = """\
| architecture | imports | layers | steps, fused | deviation | multiplications that stay float, or why not |
| --- | --- | --- | --- | --- | --- |"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=list(ARCHITECTURES))
    print(HEADER)
    for name in parser.parse_args().names:
        print(f"| {name} | {attempt(ARCHITECTURES[name])} |", flush=True)


if __name__ == "__main__":
    main()
