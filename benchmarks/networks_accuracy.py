"""Float against int8 top-1 of the zoo's networks, the same images for both.

    python benchmarks/networks_accuracy.py DATA [--images N] [NETWORK ...]

DATA is a folder with `data/cifar10_test.npz`, `data/cifar10_train8k.npz`, `data/imagenet_sample_even.tar` and `models/*.safetensors`. The goal:
int8 within 0.5 points of float. The interval of the difference is that of discordant pairs (McNemar), since both see the same images.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from hawx.importers.datasets import load_dataset
from hawx.networks import Dataset, Preprocessing, zoo

NETWORKS = ("lenet5", "resnet20", "vgg11", "efficientnet_lite0")
CALIBRATION_IMAGES = 256


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("networks", nargs="*", default=NETWORKS)
    parser.add_argument("--images", type=int)
    arguments = parser.parse_args()
    print(f"{'network':<20}{'images':>7}{'float':>8}{'int8':>8}{'change':>8}{'± 95 %':>8}{'agree':>8}{'quantize s':>11}{'float s':>9}{'int8 s':>8}")
    for name in arguments.networks:
        evaluation, calibration, weights = sources(name, arguments.data)
        evaluation = evaluation.first(arguments.images) if arguments.images else evaluation
        start = time.perf_counter()
        network = zoo.load(name, weights=weights, calibration=calibration)
        quantized_s = time.perf_counter() - start
        module, preprocessing = zoo.float_module(name, weights), zoo.describe(name).preprocessing
        with torch.inference_mode():
            float_right, float_answers, float_s = top1(FloatNetwork(module, preprocessing), evaluation)
        int8_right, int8_answers, int8_s = top1(network, evaluation)
        count = len(evaluation)
        gained, lost = int((int8_right & ~float_right).sum()), int((float_right & ~int8_right).sum())
        spread = 1.96 * sqrt(gained + lost - (gained - lost) ** 2 / count) / count
        print(
            f"{name:<20}{count:>7}{100 * float_right.mean():>8.2f}{100 * int8_right.mean():>8.2f}"
            f"{100 * (gained - lost) / count:>+8.2f}{100 * spread:>8.2f}"
            f"{100 * (float_answers == int8_answers).mean():>8.2f}{quantized_s:>11.1f}{float_s:>9.1f}{int8_s:>8.1f}",
            flush=True,
        )


@dataclass(frozen=True)
class FloatNetwork:
    module: nn.Module
    preprocessing: Preprocessing

    def __call__(self, images: NDArray[np.uint8]) -> torch.Tensor:
        logits: torch.Tensor = self.module(self.preprocessing(torch.from_numpy(images)))
        return logits


def sources(name: str, folder: Path) -> tuple[Dataset, Dataset, Path | None]:
    """Return evaluation images, calibration images (disjoint) and weights of a network."""
    if name == "lenet5":
        return zoo.dataset(name), zoo.calibration(name), None
    entry = zoo.describe(name)
    if entry.data == "cifar10":
        calibration = load_dataset(folder / "data/cifar10_train8k.npz", limit=CALIBRATION_IMAGES)
        return load_dataset(folder / "data/cifar10_test.npz"), calibration, folder / f"models/{name}_cifar10.safetensors"
    everything = load_dataset(folder / "data/imagenet_sample_even.tar", preprocessing=entry.preprocessing, classes=entry.classes)
    order = np.random.default_rng(0).permutation(len(everything)).astype(np.int64)
    return everything.take(np.sort(order[100:])), everything.take(order[:100]), None


def top1(network: Callable[[NDArray[np.uint8]], torch.Tensor], data: Dataset, batch: int = 100) -> tuple[NDArray[np.bool_], NDArray[np.int64], float]:
    start = time.perf_counter()
    answers = np.concatenate([network(data.images[i : i + batch]).argmax(1).numpy() for i in range(0, len(data), batch)])
    return answers == data.labels, answers, time.perf_counter() - start


if __name__ == "__main__":
    main()
