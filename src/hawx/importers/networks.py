"""Networks from what users have: a module, a `.pt2` or `.onnx` file, a saved quantized network, or a name of the zoo."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from os import PathLike, fspath
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.export import ExportedProgram

from hawx.errors import InputError
from hawx.files import read_bytes
from hawx.importers.arrays import zip_names
from hawx.importers.datasets import has_two_parts, load_dataset
from hawx.networks import quantization, zoo
from hawx.networks.datasets import Dataset
from hawx.networks.given import Given, given_images
from hawx.networks.network import QuantizedNetwork
from hawx.networks.preprocessing import Images, Preprocessing
from hawx.networks.quantization import Activations, Method
from hawx.networks.serialize import from_bytes, to_bytes
from hawx.networks.trial import check_program

LARGEST_NETWORK = 1 << 31
"""Bytes of the largest saved network that is read."""

FILES = (".pt2", ".onnx", ".safetensors")
CHECKPOINTS = (".pt", ".pth", ".ckpt", ".bin")


def quantize(
    source: nn.Module | ExportedProgram | str | PathLike[str],
    calibration: Given | None = None,
    *,
    name: str | None = None,
    preprocessing: Preprocessing | None = None,
    activations: Activations | str = Activations.SIGNED,
    method: Method | str = Method.MOVING_AVERAGE,
    keep_float: Collection[str] = (),
    batch: int = 32,
    float_top1: float | None = None,
) -> QuantizedNetwork:
    """Return a module, exported program, `.pt2` or `.onnx` file as an integer network.

    An ONNX file in QDQ form is read as the integers that it holds: it needs no calibration images, and `activations`, `method` and `keep_float`
    do not apply. Everything else is quantized here; see `hawx.networks.quantization.quantize` for the arguments.

    `calibration` is whatever holds images, see `hawx.networks.given`.

    Raises:
        InputError: the source cannot be read, traced or lowered, or calibration images are missing or do not fit.
        ToolMissingError: an ONNX file is given and the package `onnx` is not installed.
    """
    module: nn.Module | ExportedProgram
    if isinstance(source, (str, PathLike)):
        path = Path(fspath(source))
        name = name or path.stem
        if path.suffix == ".pt2":
            from hawx.importers.torch_export import load_pt2

            module = load_pt2(path)
        elif path.suffix == ".onnx":
            from hawx.importers.onnx.module import load_onnx

            module = load_onnx(path)
            if module.graph.quantized:
                return quantization.read_quantized(
                    module,
                    _example(module.graph.input_shape, None if calibration is None else given_images(calibration, "calibration images"), str(path)),
                    name=name,
                    preprocessing=preprocessing,
                    float_top1=float_top1,
                )
        else:
            raise InputError(
                f"network {str(path)!r} has an unknown ending; expected .pt2 (torch.export.save) or .onnx. "
                "A pickled module is never loaded: import it in Python and pass the module."
            )
    elif isinstance(source, nn.Module | ExportedProgram):
        module = source
    else:
        raise InputError(
            f"network is a {type(source).__name__}; expected a torch.nn.Module, an exported program, or a .pt2 or .onnx file. "
            "Weights alone have no operators: load them into their module."
        )
    if calibration is None:
        raise InputError(
            f"network {name or type(module).__name__!r} needs calibration images and has none; expected some hundreds of typical images."
        )
    return quantization.quantize(
        module,
        given_images(calibration, "calibration images"),
        name=name,
        preprocessing=preprocessing,
        activations=activations,
        method=method,
        keep_float=keep_float,
        batch=batch,
        float_top1=float_top1,
    )


def load_network(
    source: str | PathLike[str],
    *,
    weights: str | PathLike[str] | None = None,
    calibration: Dataset | Images | None = None,
    preprocessing: Preprocessing | None = None,
    activations: Activations | str = Activations.SIGNED,
) -> QuantizedNetwork:
    """Return the network that `source` names: one of the zoo, a `.pt2` or `.onnx` file, or a network saved by `save_network`.

    Args:
        source: a name of `hawx networks list`, or a file.
        weights: file with the weights of a zoo network.
        calibration: images that fix the activations' ranges, where the network brings none.
        preprocessing: how pixels become input, for files (zoo networks and saved networks declare theirs).
        activations: format of the activations, where the network is quantized here.

    Raises:
        InputError: nothing of that name, or something is missing or does not fit.
    """
    text = fspath(source)
    _not_weights(text)
    suffix = Path(text).suffix
    if suffix not in FILES:
        return zoo.load(text, weights=weights, calibration=calibration, activations=activations)
    if weights is not None:
        raise InputError(f"weights {fspath(weights)!r} are given for {text!r}, which holds its own; expected weights for a network of the zoo only.")
    if suffix == ".safetensors":
        network = from_bytes(read_bytes(Path(text), "network", most=LARGEST_NETWORK), source=text)
        check_program(network, text)
        return network
    return quantize(text, calibration, preprocessing=preprocessing, activations=activations)


def _not_weights(text: str) -> None:
    """Raise `InputError` where a checkpoint is given for a network."""
    if Path(text).suffix in CHECKPOINTS:
        raise InputError(
            f"network {text!r} is a file of weights, which does not say what computes with them; expected a .pt2 or .onnx file. "
            "For a network of `hawx networks list` name that and give the file with --weights; save any other with torch.export.save(…, 'net.pt2'), "
            "because a pickled module is never loaded."
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Loaded:
    """A network with images: those to evaluate it on, and those that calibrate it, which are not among them."""

    network: QuantizedNetwork
    data: Dataset
    calibration: Dataset


def load_with_data(
    source: str | PathLike[str],
    *,
    weights: str | PathLike[str] | None = None,
    data: str | PathLike[str] | None = None,
    preprocessing: Preprocessing | None = None,
    activations: Activations | str = Activations.SIGNED,
    calibration_images: int = 256,
    limit: int | None = None,
    seed: int = 0,
) -> Loaded:
    """Return a network and its images.

    Args:
        source: as in `load_network`.
        weights: as in `load_network`.
        data: as in `importers.datasets.load_dataset`; default the images that the package embeds with the network.
        activations: format of the activations: that of the library's first operand.
        preprocessing: for files, see `load_network`; zoo networks declare theirs.
        calibration_images: how many images fix the ranges. They are taken from the training part of `data` where it has one.
        limit: read at most so many images, evenly spread over `data`.
        seed: of the choice of calibration images.

    Raises:
        InputError: something is missing or does not fit, or the data has more classes than the network.
    """
    text = fspath(source)
    _not_weights(text)
    in_zoo = Path(text).suffix not in FILES
    if data is None:
        if not in_zoo or text not in zoo.embedded.EMBEDDED:
            if in_zoo:
                zoo.describe(text)  # an unknown name is told before its missing images
            raise InputError(f"network {text!r} brings no images; expected a data set: an .npz, an image folder or tar, or a standard archive.")
        network = zoo.load(text, weights=weights, activations=activations)
        return Loaded(network=network, data=zoo.dataset(text), calibration=zoo.calibration(text))
    if in_zoo:
        preprocessing = zoo.describe(text).preprocessing
    evaluation = load_dataset(data, preprocessing=preprocessing, limit=limit)
    if in_zoo and evaluation.images.shape[1:] != zoo.describe(text).input_shape:
        raise InputError(
            f"images of data set {fspath(data)!r} have shape {evaluation.images.shape[1:]}; "
            f"network {text!r} expects {zoo.describe(text).input_shape}. Is it the data set of another network?"
        )
    calibration = training_part(data, preprocessing, calibration_images)
    if calibration is None:
        order = np.random.default_rng(seed).permutation(len(evaluation)).astype(np.int64)
        count = min(calibration_images, max(2, len(evaluation) // 4))
        calibration, evaluation = evaluation.take(order[:count]), evaluation.take(np.sort(order[count:]))
    network = load_network(text, weights=weights, calibration=calibration, preprocessing=preprocessing, activations=activations)
    if evaluation.classes > network.classes:
        raise InputError(
            f"data set {fspath(data)!r} has labels up to {evaluation.classes - 1} and network {network.name!r} has {network.classes} classes; "
            "expected labels below that. Is it the data set of another network?"
        )
    data_set = Dataset(evaluation.name, evaluation.images, evaluation.labels, network.classes)
    return Loaded(network=network, data=data_set, calibration=calibration)


def training_part(data: str | PathLike[str], preprocessing: Preprocessing | None, count: int | None) -> Dataset | None:
    """Return images, at most `count`, from the training part of a data set that has two parts; None where it has not."""
    path = Path(fspath(data))
    if path.suffix == ".npz":
        held = [name.removesuffix(".npy") for name in zip_names(path, f"data set {str(path)!r}", "an .npz of arrays")]
        two_parts = any(key.endswith("_train") for key in held) and any(key.endswith("_test") for key in held)
    else:
        two_parts = has_two_parts(path)
    return load_dataset(data, part="train", preprocessing=preprocessing, limit=count) if two_parts else None


def save_network(network: QuantizedNetwork, path: str | PathLike[str]) -> None:
    """Write a quantized network to a `.safetensors` file; `load_network` reads it."""
    Path(path).write_bytes(to_bytes(network))


def _example(shape: tuple[int | None, ...], calibration: Dataset | Images | None, source: str) -> Tensor | Images:
    """Return a few images to run a file's integers on: calibration images if there are any, else noise of the declared shape."""
    if calibration is not None:
        images = calibration.images if isinstance(calibration, Dataset) else calibration
        return images[:4]
    if len(shape) != 4 or any(size is None for size in shape[1:]):
        raise InputError(f"network {source!r} leaves its input shape open ({shape}); expected (N, C, H, W) with numbers, or calibration images.")
    sizes = [int(size) for size in shape[1:] if size is not None]
    return torch.from_numpy(np.random.default_rng(0).normal(size=(4, *sizes)).astype(np.float32))
