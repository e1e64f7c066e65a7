"""Float against int8 top-1 of the zoo's networks, the same images for both.

    python -m benchmarks.networks_accuracy DATA [--images N] [NETWORK ...]

DATA is the folder that `benchmarks.data` describes. The goal: int8 within 0.5 points of float. The interval of the difference is that of
discordant pairs (McNemar), since both see the same images.
Written: `benchmarks/results/networks_accuracy.json`, where networks that are not measured now keep their last figures.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from benchmarks.common import RESULTS, machine, save
from benchmarks.data import sources
from hawx.networks import Dataset, Preprocessing, zoo

NETWORKS = ("lenet5", "resnet20", "vgg11", "efficientnet_lite0")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("networks", nargs="*", default=NETWORKS)
    parser.add_argument("--images", type=int)
    arguments = parser.parse_args()
    path = RESULTS / "networks_accuracy.json"
    rows = json.loads(path.read_text())["networks"] if path.exists() else {}
    print(f"{'network':<20}{'images':>7}{'float':>8}{'int8':>8}{'change':>8}{'± 95 %':>8}{'agree':>8}{'quantize s':>11}{'float s':>9}{'int8 s':>8}")
    for name in arguments.networks:
        row = measure(name, arguments.data, arguments.images)
        print(
            f"{name:<20}{row['images']:>7}{row['float_top1']:>8.2f}{row['int8_top1']:>8.2f}{row['change']:>+8.2f}{row['change_95']:>8.2f}"
            f"{row['agree']:>8.2f}{row['quantize_s']:>11.1f}{row['float_s']:>9.1f}{row['int8_s']:>8.1f}",
            flush=True,
        )
        rows[name] = {**row, "machine": machine()}
    if arguments.images is None:
        print(save("networks_accuracy", {"networks": rows}))


def measure(name: str, folder: Path, images: int | None) -> dict[str, Any]:
    """Return the figures of one network; accuracies in percent, times in seconds."""
    evaluation, calibration, weights = sources(name, folder)
    evaluation = evaluation.first(images) if images else evaluation
    start = time.perf_counter()
    network = zoo.load(name, weights=weights, calibration=calibration)
    quantized_s = time.perf_counter() - start
    module, preprocessing = zoo.float_module(name, weights), zoo.describe(name).preprocessing
    with torch.inference_mode():
        float_right, float_answers, float_s = top1(FloatNetwork(module, preprocessing), evaluation)
    int8_right, int8_answers, int8_s = top1(network, evaluation)
    count = len(evaluation)
    gained, lost = int((int8_right & ~float_right).sum()), int((float_right & ~int8_right).sum())
    return {
        "images": count,
        "float_top1": 100.0 * float_right.mean(),
        "int8_top1": 100.0 * int8_right.mean(),
        "change": 100.0 * (gained - lost) / count,
        "change_95": 196.0 * sqrt(gained + lost - (gained - lost) ** 2 / count) / count,
        "agree": 100.0 * (float_answers == int8_answers).mean(),
        "calibration_images": len(calibration),
        "quantize_s": round(quantized_s, 1),
        "float_s": round(float_s, 1),
        "int8_s": round(int8_s, 1),
    }


@dataclass(frozen=True)
class FloatNetwork:
    module: nn.Module
    preprocessing: Preprocessing

    def __call__(self, images: NDArray[np.uint8]) -> torch.Tensor:
        logits: torch.Tensor = self.module(self.preprocessing(torch.from_numpy(images)))
        return logits


def top1(network: Callable[[NDArray[np.uint8]], torch.Tensor], data: Dataset, batch: int = 100) -> tuple[NDArray[np.bool_], NDArray[np.int64], float]:
    start = time.perf_counter()
    answers = np.concatenate([network(data.images[i : i + batch]).argmax(1).numpy() for i in range(0, len(data), batch)])
    return answers == data.labels, answers, time.perf_counter() - start


if __name__ == "__main__":
    main()
