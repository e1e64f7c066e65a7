"""From a design to its hardware: the array or the lanes of one layer, with vectors taken from the user's own network and images."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hawx.accelerators import Accelerator, Sharing, Spatial, Systolic
from hawx.accelerators.cycles import Dataflow
from hawx.accelerators.figures import BlockFigures
from hawx.accelerators.temporal import partition
from hawx.blocks import Block, Library
from hawx.designs.assignment import Assignment
from hawx.errors import InputError, UnknownNameError
from hawx.rtl.lanes import LayerSpec, layer_project
from hawx.rtl.project import Multiplier, RtlProject
from hawx.rtl.systolic import ArraySpec, array_project
from hawx.wiring import PLAIN, Wiring

if TYPE_CHECKING:  # hawx.networks loads torch, which synthesis and rtl text do without
    from hawx.networks.layer import Layer

Codes = NDArray[np.int8] | NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True, eq=False)
class LayerVectors:
    """Operands of one layer as the network really feeds them."""

    codes: Codes
    """(pixels, K) activation codes, one receptive field per row, padding included; K in the order of the weights."""
    weights: Codes
    """(filters, K) weight codes."""
    wirings: tuple[Wiring, ...] = ()
    """How operands reach the block of each filter; empty: plainly."""


def design_project(
    layers: Sequence[Layer],
    library: Library,
    assignment: Assignment,
    accelerator: Accelerator,
    layer: str,
    vectors: LayerVectors,
    multiplier: Callable[[Block], Multiplier],
) -> RtlProject:
    """Return the RTL of a design on its accelerator with a testbench that computes one layer.

    A systolic accelerator gives its whole array (columns partitioned or lanes multi-mode, as the accelerator says); a spatial one gives
    the lanes of the layer.

    Args:
        layers: the network's layers.
        library: the blocks the assignment refers to.
        assignment: a block for every filter.
        accelerator: spatial or systolic (output-stationary).
        layer: name of the layer whose operands the testbench drives.
        vectors: that layer's operands.
        multiplier: Verilog of a block, for example `hawx.importers.multiplier.find_multiplier`.

    Raises:
        UnknownNameError: no such layer.
        InputError: a grouped layer, an accelerator without RTL, or a block without a usable circuit.
    """
    names = [item.name for item in layers]
    if layer not in names:
        raise UnknownNameError("layer", layer, names)
    facts = layers[names.index(layer)]
    if facts.groups != 1:
        raise InputError(
            f"layer {layer!r} has {facts.groups} groups; RTL is written for layers whose filters share their inputs. Choose another layer."
        )
    wirings = _wirings(assignment, layer, vectors)
    if isinstance(accelerator, Spatial):
        indices = assignment[layer]
        figures = None if library.technology is None else BlockFigures.of(library.costs(), library.index(library.exact.name))
        folding = accelerator.foldings(layers, figures)[names.index(layer)]
        used = sorted({int(i) for i in indices})
        spec = LayerSpec(
            pe=folding.pe,
            simd=folding.simd,
            reduction=facts.reduction,
            blocks=tuple(used.index(int(i)) for i in indices),
            multipliers=tuple(multiplier(library.blocks[i]).wired(wirings[i]) for i in used),
        )
        return layer_project(spec, vectors.codes, vectors.weights)
    if isinstance(accelerator, Systolic):
        return _array(layers, library, assignment, accelerator, layer, vectors, wirings, multiplier)
    raise InputError(f"accelerator {accelerator.name!r} has no RTL; expected a spatial or a systolic one.")


def _wirings(assignment: Assignment, layer: str, vectors: LayerVectors) -> dict[int, Wiring]:
    """Return index of each block that the layer uses -> its wiring there."""
    indices = [int(index) for index in assignment[layer]]
    found: dict[int, Wiring] = {}
    for index, wiring in zip(indices, vectors.wirings or (PLAIN,) * len(indices), strict=True):
        if found.setdefault(index, wiring) != wiring:
            block = assignment.blocks[index]
            raise InputError(f"layer {layer!r} wires filters on block {block!r} in several ways; RTL is written for one way per block and layer.")
    return found


def _array(
    layers: Sequence[Layer],
    library: Library,
    assignment: Assignment,
    accelerator: Systolic,
    layer: str,
    vectors: LayerVectors,
    wirings: Mapping[int, Wiring],
    multiplier: Callable[[Block], Multiplier],
) -> RtlProject:
    if accelerator.dataflow is not Dataflow.OUTPUT:
        raise InputError(f"accelerator {accelerator.name!r} is {accelerator.dataflow}-stationary; RTL is written for the output-stationary dataflow.")
    counts = assignment.counts
    used = [int(i) for i in np.flatnonzero(counts.any(axis=0))]
    if accelerator.sharing is Sharing.MULTI_MODE:
        columns = (tuple(range(len(used))),) * accelerator.columns
    else:
        macs = np.array([item.macs_per_filter for item in layers], np.float64)
        shares = partition(counts[None], macs, accelerator.columns)[0, used]
        if shares.sum() > accelerator.columns:
            raise InputError(f"the design uses {len(used)} blocks and the array has {accelerator.columns} columns; expected a column for each block.")
        columns = tuple((place,) for place, share in enumerate(shares) for _ in range(int(share)))
    spec = ArraySpec(
        rows=accelerator.rows,
        columns=columns,
        multipliers=tuple(multiplier(library.blocks[i]).wired(wirings.get(i, PLAIN)) for i in used),
        accumulator_bits=accelerator.accumulator_bits,
    )
    return array_project(spec, vectors.codes, vectors.weights, [used.index(int(i)) for i in assignment[layer]])


def layer_vectors(network: Any, layer: str, images: NDArray[np.generic], executor: Any, *, pixels: int | None = None) -> LayerVectors:
    """Return what reaches the multipliers of one layer when `network` runs on `images`.

    Args:
        network: a `QuantizedNetwork`.
        layer: its name in the network.
        images: (N, C, H, W).
        executor: what computes the layers before it: the design's own executor gives the codes that the design sees.
        pixels: how many output positions to keep, spread over the whole output; None for all.

    Raises:
        UnknownNameError: no such layer.
        InputError: it is a product of two activations.
    """
    import torch

    if layer not in network.quantized:
        raise UnknownNameError("layer", layer, network.quantized)
    if network.quantized[layer].is_product:
        raise InputError(f"layer {layer!r} multiplies two activations; RTL is written for layers that have weights. Choose another layer.")
    recorder = _Recorder(layer, executor)
    network.run(torch.as_tensor(images), recorder)
    quantized = network.quantized[layer]
    rows = receptive_fields(np.concatenate(recorder.codes), quantized.layer, quantized.input_zero_point)  # type: ignore[arg-type]
    if pixels is not None and pixels < len(rows):
        rows = rows[np.linspace(0, len(rows) - 1, pixels).astype(np.int64)]
    weights = quantized.weight.numpy()
    return LayerVectors(codes=rows, weights=weights.reshape(len(weights), -1), wirings=quantized.wirings)


def receptive_fields(codes: Codes, layer: Layer, pad: int) -> Codes:
    """Return the receptive fields of an ungrouped layer, shape (N·H'·W', K), K ordered channel, kernel row, kernel column.

    Args:
        codes: (N, C, H, W).
        layer: kernel, stride, padding, dilation and output size.
        pad: code of a padded position.
    """
    top, bottom, left, right = layer.padding
    padded = np.pad(codes, ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=pad)
    height, width = layer.out_size
    fields = np.empty((len(codes), height, width, codes.shape[1], *layer.kernel), codes.dtype)
    for y in range(layer.kernel[0]):
        for x in range(layer.kernel[1]):
            rows = slice(y * layer.dilation[0], y * layer.dilation[0] + (height - 1) * layer.stride[0] + 1, layer.stride[0])
            columns = slice(x * layer.dilation[1], x * layer.dilation[1] + (width - 1) * layer.stride[1] + 1, layer.stride[1])
            fields[..., y, x] = np.moveaxis(padded[:, :, rows, columns], 1, -1)
    return fields.reshape(len(codes) * height * width, -1)  # type: ignore[return-value]


@dataclass(eq=False)
class _Recorder:
    """An executor that keeps the codes of one layer on their way to another executor."""

    layer: str
    inner: Any
    codes: list[Codes] = field(default_factory=list)

    def run_layer(self, layer: Any, codes: Any, output: Any) -> Any:
        if layer.layer.name == self.layer:
            self.codes.append(codes.numpy().copy())
        return self.inner.run_layer(layer, codes, output)
