"""A trial on tensors without numbers: what a program that came from a file cannot compute is told when it is read, in one line."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from hawx.errors import InputError
from hawx.networks.network import QuantizedNetwork, State
from hawx.networks.quantized import CodesOutput, QuantizedLayer
from hawx.networks.steps import INPUT


@contextmanager
def without_numbers() -> Iterator[None]:
    """Give tensors that are made in the block sizes and types alone; PyTorch's log of what fails on them is silent."""
    from torch._subclasses.fake_tensor import FakeTensorMode

    logger = logging.getLogger("torch._subclasses.fake_tensor")
    before, logger.disabled = logger.disabled, True
    try:
        with FakeTensorMode(allow_non_fake_inputs=True), torch.no_grad():
            yield
    finally:
        logger.disabled = before


LARGEST = 1 << 28
"""Numbers of the largest value that a program computes for one image."""


class _Sizes:
    """An executor that gives the sizes of a layer's output and no numbers."""

    def run_layer(self, layer: QuantizedLayer, codes: Tensor, output: CodesOutput | None) -> Tensor:
        facts = layer.layer
        if codes.ndim != 4 or codes.shape[1] != facts.in_channels or codes.dtype not in (torch.int8, torch.uint8):
            raise ValueError(f"layer {facts.name!r} is given {codes.dtype} {tuple(codes.shape)}")
        if layer.is_product and (layer.weight.shape != (len(codes), facts.filters, facts.reduction, 1, 1) or layer.weight.dtype != torch.int8):
            raise ValueError(f"product {facts.name!r} is given {layer.weight.dtype} {tuple(layer.weight.shape)}")
        top, bottom, left, right = facts.padding
        places = zip(codes.shape[2:], (top + bottom, left + right), facts.kernel, facts.stride, facts.dilation, strict=True)
        sizes = [(size + pad - dilation * (kernel - 1) - 1) // stride + 1 for size, pad, kernel, stride, dilation in places]
        dtype = torch.float32 if output is None else torch.uint8 if not output.format.signed else torch.int8
        return codes.new_empty((len(codes), facts.filters, *sizes), dtype=dtype)


def check_program(network: QuantizedNetwork, source: str) -> None:
    """Run a program that came from a file on tensors without numbers.

    Raises:
        InputError: it cannot be computed, makes more than `LARGEST` numbers, or gives no logits; the message names `source`.
    """
    place = "program"
    try:
        program = network.program
        with without_numbers():
            values: dict[str, Any] = {INPUT: torch.empty((1, *network.input_shape))}
            for number, step in enumerate(program):
                place = f"step {number} of its program"
                values[step.output] = network.run_step(step, values, 1, _Sizes())
                if isinstance(values[step.output], Tensor) and values[step.output].numel() > LARGEST:
                    raise InputError(f"network {source!r} makes {values[step.output].numel():,} numbers at {place}; expected at most {LARGEST:,}.")
            logits: Any = network.logits(State(len(program), 1, values))
    except InputError:
        raise
    except Exception as error:  # PyTorch raises what its operators do
        reason = f"{type(error).__name__}: {error}".splitlines()[0][:200]
        raise InputError(f"network {source!r} cannot be computed at {place} ({reason}); expected a network saved by HAWX. Save it again.") from error
    if not isinstance(logits, Tensor) or tuple(logits.shape) != (1, network.classes) or logits.dtype != torch.float32:
        found = f"{logits.dtype} {tuple(logits.shape)}" if isinstance(logits, Tensor) else type(logits).__name__
        raise InputError(f"network {source!r} gives {found} for one image; expected float32 logits of {network.classes} classes. Save it again.")
