"""Chain: the operators of a quantized network that hardware executes one after the other, as plain values; anything else is refused by name."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hawx.errors import InputError

if TYPE_CHECKING:  # hawx.networks loads torch
    from hawx.networks import QuantizedNetwork
    from hawx.networks.steps import Glue, LayerStep

Shape = tuple[int, int, int]
"""Channels, height, width."""
Pair = tuple[int, int]

MOVED = frozenset({"identity", "dropout.default", "contiguous.default", "clone.default", "alias.default", "detach.default"})
"""Operators that change nothing."""
FLATTENED = frozenset({"flatten.using_ints", "view.default", "reshape.default", "_unsafe_view.default"})
"""Operators that may make one vector of an image's values, in the order channel, row, column."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Windows:
    """Where an operator reads its input: windows of `kernel` positions, in all channels."""

    input: Shape
    kernel: Pair
    stride: Pair = (1, 1)
    origin: Pair = (0, 0)
    """Rows above and columns left of the image at which the first window begins."""
    dilation: Pair = (1, 1)
    output: Pair
    """Windows down and across."""
    pad: int
    """Code of every position outside the image."""

    @property
    def positions(self) -> int:
        return self.kernel[0] * self.kernel[1]

    @property
    def pixels(self) -> int:
        return self.output[0] * self.output[1]

    @property
    def reach(self) -> Pair:
        """Rows and columns that a window spans."""
        return (self.kernel[0] - 1) * self.dilation[0] + 1, (self.kernel[1] - 1) * self.dilation[1] + 1

    @property
    def leaves_image(self) -> bool:
        """Whether some window reaches outside the image."""
        return any(self.origin[i] > 0 or (self.output[i] - 1) * self.stride[i] - self.origin[i] + self.reach[i] > self.input[1 + i] for i in (0, 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Requantization:
    """`code = clip(rint(y · inverse) + zero_point, low, high)` of real values y, in float32 (`hawx.networks.requantize`)."""

    inverse: float
    zero_point: int
    low: int
    high: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Convolution:
    """`acc = Σ_k T[a_k, w_k] + bias`, `y = float32(acc) · scale`; a linear layer after an image has the image for its kernel."""

    layer: str
    windows: Windows
    weights: NDArray[np.int8]
    """(filters, channels, rows, columns)."""
    bias: NDArray[np.int64]
    """(filters,): with the correction of the zero point."""
    scale: NDArray[np.float32]
    """(filters,)."""
    output: Requantization | None
    """None: real values go out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MaxPool:
    """The largest code of each window, channel by channel."""

    value: str
    """Name of what it computes, in the network's program."""
    windows: Windows
    signed: bool


Operator = Convolution | MaxPool


@dataclass(frozen=True, kw_only=True, eq=False)
class Chain:
    """What becomes of an image."""

    input: Shape
    pixels: NDArray[np.int64] | None
    """(channels, 256): the code of each 8-bit pixel; None where codes come in."""
    operators: tuple[Operator, ...]
    classes: int


def chain_of(network: QuantizedNetwork) -> Chain:
    """Return the network as a chain.

    Raises:
        InputError: an operator has no hardware here, or a value has several readers; the line names the node.
    """
    from hawx.networks.steps import INPUT, Glue, LayerStep, Quantize

    first, *rest = network.program
    if not isinstance(first, Quantize) or first.input != INPUT:
        raise _refused(first.output, "the first thing done to an image is not to quantize it")
    value, shape, flat = first.output, network.input_shape, False
    signed = first.format.signed
    operators: list[Operator] = []
    ended = False
    for step in rest:
        read = [ref for ref in _reads(step) if ref not in network.constants]
        if read != [value]:
            raise _refused(step.output, f"it reads {', '.join(map(repr, read)) or 'nothing'} where a chain has {value!r}")
        if ended and not (isinstance(step, Glue) and step.op in MOVED):
            raise _refused(step.output, "something follows on a layer that gives real values")
        if isinstance(step, LayerStep):
            operator = _convolution(network, step, shape, flat)
            operators.append(operator)
            shape, flat, ended = (len(operator.bias), *operator.windows.output), flat and operator.windows.pixels == 1, operator.output is None
            signed = step.codes is not None and step.codes.format.signed
        elif isinstance(step, Glue) and step.op == "max_pool_codes" and not flat:
            operators.append(_pool(step, shape, signed))
            shape = (shape[0], *operators[-1].windows.output)
        elif isinstance(step, Glue) and _is_flatten(step, shape):
            flat = True
        elif not (isinstance(step, Glue) and step.op in MOVED):
            raise _refused(step.output, f"operator {getattr(step, 'op', type(step).__name__.lower())!r} has none")
        value = step.output
    if not ended or value != network.output or shape[1:] != (1, 1):
        raise _refused(network.output, "the scores do not come from a layer")
    return Chain(input=network.input_shape, pixels=_pixel_codes(network, first), operators=tuple(operators), classes=shape[0])


def _refused(node: str, why: str) -> InputError:
    return InputError(
        f"node {node!r} cannot be made hardware: {why}; expected a chain of convolutions, linear layers, ReLU, max pooling and flatten. "
        "Write single layers with --layer."
    )


def _reads(step: Any) -> tuple[str, ...]:
    from hawx.networks.steps import inputs

    return inputs(step)


def _convolution(network: QuantizedNetwork, step: LayerStep, shape: Shape, flat: bool) -> Convolution:
    from hawx.networks.requantize import inverse
    from hawx.networks.steps import Arrangement

    quantized = network.quantized[step.layer]
    facts = quantized.layer
    if facts.groups != 1:
        raise _refused(step.output, f"layer {facts.name!r} has {facts.groups} groups")
    weights = np.asarray(quantized.weight.numpy())
    pad = quantized.input_zero_point
    if step.arrangement is Arrangement.IMAGE and not flat:
        windows = Windows(
            input=shape,
            kernel=facts.kernel,
            stride=facts.stride,
            origin=(facts.padding[0], facts.padding[2]),
            dilation=facts.dilation,
            output=facts.out_size,
            pad=pad,
        )
    elif step.arrangement is Arrangement.FEATURES and (flat or shape[1:] == (1, 1)) and facts.pixels == 1:
        windows = Windows(input=shape, kernel=shape[1:], output=(1, 1), pad=pad)
        weights = weights.reshape(len(weights), *shape)
    else:
        raise _refused(step.output, f"layer {facts.name!r} takes its input as {step.arrangement.value}")
    bias = quantized.bias.numpy().astype(np.int64) - pad * weights.reshape(len(weights), -1).astype(np.int64).sum(axis=1)
    codes = step.codes
    output = None
    if codes is not None:
        output = Requantization(inverse=inverse(codes.scale), zero_point=codes.zero_point, low=codes.low, high=codes.format.max)
    return Convolution(layer=facts.name, windows=windows, weights=weights, bias=bias, scale=quantized.scale.numpy(), output=output)


def _pool(step: Glue, shape: Shape, signed: bool) -> MaxPool:
    from hawx.networks.glue import pair, pooled

    defaults: dict[str, Any] = {"stride": (), "padding": (0, 0), "dilation": (1, 1), "ceil_mode": False}
    given = dict(zip(("kernel", *defaults), step.args[1:], strict=False)) | dict(step.kwargs)
    values = {**defaults, **given}
    kernel = pair(values["kernel"])
    windows = Windows(
        input=shape, kernel=kernel, stride=pair(values["stride"] or kernel), origin=pair(values["padding"]),
        dilation=pair(values["dilation"]), output=(1, 1), pad=-128 if signed else 0,
    )  # fmt: skip
    down, across = (pooled(shape[1 + i], kernel[i], windows.stride[i], windows.origin[i], windows.dilation[i], values["ceil_mode"]) for i in (0, 1))
    return MaxPool(value=step.output, windows=replace(windows, output=(down, across)), signed=signed)


def _is_flatten(step: Glue, shape: Shape) -> bool:
    """Whether (N, C, H, W), or what is one vector already, becomes (N, C·H·W)."""
    if step.op == "flatten.using_ints":
        return tuple(step.args[1:2]) == (1,) and tuple(step.args[2:3]) in ((), (-1,), (3,))
    if step.op not in FLATTENED or len(step.args) < 2 or not isinstance(step.args[1], tuple) or len(step.args[1]) != 2:
        return False
    return step.args[1][1] in (-1, int(np.prod(shape)))


def _pixel_codes(network: QuantizedNetwork, first: Any) -> NDArray[np.int64] | None:
    """Return the code of every 8-bit pixel in every channel, by the network's own preprocessing."""
    from hawx.networks.requantize import quantize

    if network.preprocessing is None:
        return None
    import torch

    levels = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16).expand(1, network.input_shape[0], 16, 16)
    values = network.preprocessing(levels)
    codes = quantize(values.contiguous(), first.scale, first.zero_point, first.format)
    return np.asarray(codes.numpy(), np.int64).reshape(network.input_shape[0], 256)
