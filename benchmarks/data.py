"""Images and weights that benchmarks run on: the embedded ones, those of a data folder, and weights that the zoo downloads."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from hawx.importers.datasets import load_dataset
from hawx.networks import Dataset, zoo

DATA = Path(os.environ.get("HAWX_DATA", Path(__file__).parents[2] / "shared"))
"""Weights and images that are not part of the package: `data/cifar10_test.npz`, `data/cifar10_train8k.npz`, `data/imagenet_sample_even.tar` and
`models/*.safetensors`."""


def sources(name: str, folder: Path = DATA, *, calibration_images: int = 256) -> tuple[Dataset, Dataset, Path | None]:
    """Return evaluation images, calibration images (disjoint; 100 of ImageNet) and weights of a network, None for its own."""
    if name == "lenet5":
        return zoo.dataset(name), zoo.calibration(name), None
    entry = zoo.describe(name)
    if entry.data == "cifar10":
        calibration = load_dataset(folder / "data/cifar10_train8k.npz", limit=calibration_images)
        return load_dataset(folder / "data/cifar10_test.npz"), calibration, folder / f"models/{name}_cifar10.safetensors"
    everything = load_dataset(folder / "data/imagenet_sample_even.tar", preprocessing=entry.preprocessing, classes=entry.classes)
    order = np.random.default_rng(0).permutation(len(everything)).astype(np.int64)
    return everything.take(np.sort(order[100:])), everything.take(order[:100]), None
