"""Facts that only running shows: where the batch lies in a value, and the sizes that a layer sees."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from hawx.errors import InputError
from hawx.networks.exact import ExactExecutor
from hawx.networks.network import QuantizedNetwork
from hawx.networks.quantized import CodesOutput, QuantizedLayer
from hawx.networks.steps import INPUT, Arrangement, LayerStep, Step


def place_batch(network: QuantizedNetwork, pair: Tensor) -> tuple[Step, ...]:
    """Return the network's steps with `batch_axis` and `batch_inner` of every features layer set.

    The layer's input for a pair of images is compared with its input for the first image alone: the axis that doubled holds the batch.

    Args:
        network: integer rows are independent, so its values are right whatever the arrangement says.
        pair: two different preprocessed images.
    """
    both, single = _run(network, pair), _run(network, pair[:1])
    steps: list[Step] = []
    for step in network.steps:
        if isinstance(step, LayerStep) and step.arrangement is Arrangement.FEATURES:
            axis, inner = _batch_place(both[step.input], single[step.input], network.name, step.layer)
            steps.append(replace(step, batch_axis=axis, batch_inner=inner))
        else:
            steps.append(step)
    return tuple(steps)


def with_sizes(network: QuantizedNetwork, pair: Tensor) -> dict[str, tuple[tuple[int, int], tuple[int, int]]]:
    """Return (height, width) of input and output per layer."""
    recorder = _Recorder()
    network.run(pair, recorder)
    return recorder.sizes


class _Recorder:
    def __init__(self) -> None:
        self.sizes: dict[str, tuple[tuple[int, int], tuple[int, int]]] = {}

    def run_layer(self, layer: QuantizedLayer, codes: Tensor, output: CodesOutput | None) -> Tensor:
        result = ExactExecutor().run_layer(layer, codes, output)
        self.sizes[layer.layer.name] = ((codes.shape[2], codes.shape[3]), (result.shape[2], result.shape[3]))
        return result


def _run(network: QuantizedNetwork, images: Tensor) -> dict[str, Any]:
    values: dict[str, Any] = {INPUT: images}
    with torch.inference_mode():
        for step in network.steps:
            values[step.output] = network.run_step(step, values, len(images), ExactExecutor())
    return values


def _batch_place(both: Tensor, single: Tensor, network: str, layer: str) -> tuple[int, bool]:
    for axis in range(both.ndim - 1):
        if both.shape[axis] == 2 * single.shape[axis]:
            if torch.equal(both.narrow(axis, 0, single.shape[axis]), single):
                return axis, False
            if torch.equal(both.index_select(axis, torch.arange(0, both.shape[axis], 2)), single):
                return axis, True
    raise InputError(
        f"layer {layer!r} of network {network!r} mixes the images of a batch; expected each image's logits to depend on it alone. "
        "Take batch statistics out of the forward."
    )
