"""Rebuild what the package embeds: train LeNet-5 on MNIST, quantize it, and write the files of `hawx/networks/zoo/data`.

    python benchmarks/embed_lenet5.py mnist.npz [--weights FLOAT.safetensors]

`mnist.npz` holds `x_train`, `y_train`, `x_test`, `y_test` (uint8). Training takes about five minutes on one core; with `--weights` it is skipped.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from hawx.networks import Dataset
from hawx.networks.serialize import to_bytes
from hawx.networks.training import top1
from hawx.networks.zoo import describe, float_module, load, train

CALIBRATION_IMAGES = 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mnist", type=Path)
    parser.add_argument("--weights", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)  # to the last bit
    target = Path(__file__).parent.parent / "src/hawx/networks/zoo/data"
    with np.load(arguments.mnist, allow_pickle=False) as archive:
        arrays = {key: archive[key] for key in ("x_train", "y_train", "x_test", "y_test")}
    kept = {key: value if key.endswith("test") else value[:CALIBRATION_IMAGES] for key, value in arrays.items()}
    np.savez_compressed(target / "mnist.npz", **kept)
    data = {part: Dataset(f"mnist:{part}", arrays[f"x_{part}"][:, None], arrays[f"y_{part}"].astype(np.int64), 10) for part in ("train", "test")}
    weights = load_file(arguments.weights) if arguments.weights else train("lenet5", data["train"], seed=0, report=print)
    entry = describe("lenet5")
    accuracy = top1(float_module("lenet5", weights), data["test"], entry.preprocessing)
    provenance = {
        "top1": f"{accuracy:.2f}",
        "trained": "benchmarks/embed_lenet5.py, seed 0, the 60,000 MNIST training images",
        "recipe": str(entry.recipe),
    }
    save_file(weights, target / "lenet5_float.safetensors", provenance)
    network = load("lenet5", weights=weights, calibration=data["train"].first(CALIBRATION_IMAGES), float_top1=accuracy)
    (target / "lenet5.safetensors").write_bytes(to_bytes(network))
    correct = (network(data["test"].images).argmax(1).numpy() == data["test"].labels).mean()
    print(f"float {accuracy:.2f} %, int8 {100 * correct:.2f} % top-1 on {len(data['test'])} images")


if __name__ == "__main__":
    main()
