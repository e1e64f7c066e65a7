"""quantize: a float module and calibration images in, a `QuantizedNetwork` out."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn
from torch.export import ExportedProgram
from torch.fx import GraphModule

from hawx.errors import InputError
from hawx.networks.datasets import Dataset
from hawx.networks.network import QuantizedNetwork
from hawx.networks.preprocessing import Images, Preprocessing, network_input
from hawx.networks.quantization.canonical import canonicalize
from hawx.networks.quantization.exporting import graph_of, trace
from hawx.networks.quantization.graph import LAYER_NAME
from hawx.networks.quantization.lowering import Lowered, lower
from hawx.networks.quantization.methods import Activations, Method
from hawx.networks.quantization.pt2e import calibrated
from hawx.networks.quantization.shapes import place_batch, with_sizes

__all__ = ["Activations", "Method", "quantize", "read_quantized"]


def quantize(
    module: nn.Module | ExportedProgram,
    calibration: Dataset | Images,
    *,
    name: str | None = None,
    preprocessing: Preprocessing | None = None,
    activations: Activations | str = Activations.SIGNED,
    method: Method | str = Method.MOVING_AVERAGE,
    keep_float: Collection[str] = (),
    batch: int = 32,
    float_top1: float | None = None,
) -> QuantizedNetwork:
    """Return `module` as an integer network.

    Batch normalization is folded; weights become per-channel symmetric int8 in -127..127, biases int32. Every convolution and linear
    operator with a constant weight becomes a layer, and so does every product of two activations; `unconverted` of the result names every other
    operator that multiplies.

    Args:
        module: takes float32 (N, C, H, W), returns logits (N, classes); or the same as an exported program. It is not changed.
        calibration: a few hundred typical images: uint8 pixels (they get `preprocessing`) or preprocessed float32.
        name: the network's name; default the module's class.
        preprocessing: how pixels become input; recorded with the network. Required for uint8 images.
        activations: format of the activations; see `Activations`.
        method: how ranges are found; see `Method`.
        keep_float: names of layers to leave in float (they are listed in `unconverted`).
        batch: calibration images per pass.
        float_top1: the float network's accuracy in percent, if known; recorded.

    Raises:
        InputError: the module cannot be traced or lowered, or the calibration images do not fit.
    """
    name = name or type(module).__name__.lower()
    images = calibration.images if isinstance(calibration, Dataset) else calibration
    if len(images) < 2:
        raise InputError(f"calibration of network {name!r} has {len(images)} images; expected at least 2, better 100 or more.")
    shape = (int(images.shape[1]), int(images.shape[2]), int(images.shape[3])) if images.ndim == 4 else (0, 0, 0)
    first = network_input(images[: min(len(images), 4)], shape, preprocessing)
    graph = graph_of(module) if isinstance(module, ExportedProgram) else trace(module, first, name=name)
    classes = _classes(graph, first, name)
    canonicalize(graph)
    unknown = set(keep_float) - set(_names(graph))
    if unknown:
        raise InputError(f"layers {sorted(unknown)} to keep in float are not in network {name!r}; expected some of: {', '.join(_names(graph))}.")
    batches = _batches(images, shape, preprocessing, batch)
    converted = calibrated(graph, batches, activations=Activations(activations), method=Method(method), keep_float=frozenset(keep_float))
    settings = {"activations": str(activations), "method": str(method), "calibration_images": len(images), "torch": torch.__version__}
    return assemble(
        lower(converted, name=name), first, name=name, classes=classes, preprocessing=preprocessing, float_top1=float_top1, provenance=settings
    )


def read_quantized(
    module: nn.Module | ExportedProgram,
    example: Images,
    *,
    name: str,
    preprocessing: Preprocessing | None = None,
    float_top1: float | None = None,
) -> QuantizedNetwork:
    """Return a module that quantizes and dequantizes explicitly (`quantized_decomposed` operators) as the integers that it holds.

    Args:
        module: traces to a graph in the form that PT2E's `convert_pt2e` gives: symmetric int8 weights, 8-bit activations.
        example: at least two images, to measure sizes with; nothing is calibrated.
        name: the network's name.
        preprocessing: how pixels become input; recorded with the network.
        float_top1: the float network's accuracy in percent, if known; recorded.
    """
    shape = (int(example.shape[1]), int(example.shape[2]), int(example.shape[3])) if example.ndim == 4 else (0, 0, 0)
    first = network_input(example, shape, preprocessing)
    graph = graph_of(module) if isinstance(module, ExportedProgram) else trace(module, first, name=name)
    classes = _classes(graph, first, name)
    canonicalize(graph)
    return assemble(
        lower(graph, name=name),
        first,
        name=name,
        classes=classes,
        preprocessing=preprocessing,
        float_top1=float_top1,
        provenance={"source": "integers of the file"},
    )


def assemble(
    lowered: Lowered,
    example: Tensor,
    *,
    name: str,
    classes: int,
    preprocessing: Preprocessing | None,
    float_top1: float | None,
    provenance: dict[str, object],
) -> QuantizedNetwork:
    """Return the network of lowered steps, its layers' sizes measured by running `example` (at least two preprocessed images)."""
    if not lowered.quantized:
        raise InputError(f"network {name!r} has no convolution or linear operator with a constant weight; nothing could be approximated.")
    channels, height, width = (int(size) for size in example.shape[1:])
    network = QuantizedNetwork(
        name=name,
        layers=tuple(held.layer for held in lowered.quantized.values()),
        quantized=lowered.quantized,
        classes=classes,
        input_shape=(channels, height, width),
        steps=lowered.steps,
        output=lowered.output,
        constants=lowered.constants,
        preprocessing=preprocessing,
        float_top1=float_top1,
        unconverted=lowered.unconverted,
        provenance=provenance,
    )
    placed = replace(network, steps=place_batch(network, example[:2]))
    quantized = with_sizes(placed, example[:2])
    in_float = tuple(f"{name} (matmul.default)" for name in network.quantized if name not in quantized)
    layers = tuple(held.layer for held in quantized.values())
    return replace(placed, layers=layers, quantized=quantized, unconverted=(*network.unconverted, *in_float))


def _names(graph: GraphModule) -> list[str]:
    return [str(node.meta[LAYER_NAME]) for node in graph.graph.nodes if LAYER_NAME in node.meta]


def _classes(graph: GraphModule, example: Tensor, name: str) -> int:
    with torch.no_grad():
        logits = graph(example)
    if not isinstance(logits, Tensor) or logits.ndim != 2 or logits.shape[0] != len(example):
        found = f"shape {tuple(logits.shape)}" if isinstance(logits, Tensor) else f"a {type(logits).__name__}"
        raise InputError(f"network {name!r} returns {found} for {len(example)} images; expected logits of shape ({len(example)}, classes).")
    return int(logits.shape[1])


def _batches(images: Images, shape: tuple[int, int, int], preprocessing: Preprocessing | None, batch: int) -> Iterator[Tensor]:
    for start in range(0, len(images), batch):
        part = images[start : start + batch]
        if len(part) == 1:  # a graph with a free batch size may be specialized for a batch of one
            part = images[start - 1 : start + 1] if start else np.concatenate([np.asarray(part)] * 2)
        yield network_input(part, shape, preprocessing)
