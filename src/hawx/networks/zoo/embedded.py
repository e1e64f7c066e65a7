"""What ships inside the package: the quantized LeNet-5 and its MNIST images."""

from __future__ import annotations

import io
from functools import cache
from importlib.resources import files

import numpy as np
from safetensors.torch import load as load_tensors
from torch import Tensor

from hawx.networks.datasets import Dataset
from hawx.networks.network import QuantizedNetwork
from hawx.networks.serialize import from_bytes

EMBEDDED = ("lenet5",)
"""Networks that need no file and no calibration."""


def load(name: str) -> QuantizedNetwork:
    """Return an embedded network."""
    return from_bytes(_resource(f"{name}.safetensors"), source=name)


def float_weights(name: str) -> dict[str, Tensor]:
    """Return the trained float weights of an embedded network, by name."""
    weights: dict[str, Tensor] = load_tensors(_resource(f"{name}_float.safetensors"))
    return weights


@cache
def evaluation(name: str) -> Dataset:
    """Return the evaluation images of an embedded network: for `lenet5` the 10,000 MNIST test images, in order."""
    return _mnist("test")


@cache
def calibration(name: str) -> Dataset:
    """Return the calibration images of an embedded network: for `lenet5` the first 1,000 MNIST training images."""
    return _mnist("train")


def _mnist(part: str) -> Dataset:
    with np.load(io.BytesIO(_resource("mnist.npz")), allow_pickle=False) as archive:
        return Dataset(f"mnist:{part}", archive[f"x_{part}"][:, None], archive[f"y_{part}"].astype(np.int64), 10)


def _resource(name: str) -> bytes:
    return (files("hawx.networks.zoo") / "data" / name).read_bytes()
