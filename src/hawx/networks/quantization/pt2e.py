"""Calibration through torchao's PT2E flow. The only file that imports torchao, and only when something is quantized.

torchao places observers and turns weights into integers. What is quantized is decided here, on ATen
operators: the library's own quantizers match module classes and silently skip subclassed convolutions and functional linears.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.fx import GraphModule, Node

from hawx.errors import ToolMissingError
from hawx.networks.quantization.exporting import quiet
from hawx.networks.quantization.graph import LAYER_NAME, aten, constant
from hawx.networks.quantization.methods import Activations, Method

GEMMS = (aten.conv1d.default, aten.conv2d.default, aten.linear.default)
"""Operators that become layers when their weight is constant."""

PRODUCTS = (aten.matmul.default, aten.bmm.default)
"""Operators that become layers when both operands are activations."""

SMALLEST_SCALE = 2.0**-20

LARGEST_BIAS = 1 << 30
"""Integer biases stay below this magnitude, so that accumulators fit int32."""


def calibrated(
    module: GraphModule, batches: Iterable[Tensor], *, activations: Activations, method: Method, keep_float: frozenset[str]
) -> GraphModule:
    """Return the graph with integer weights and with explicit quantize and dequantize operators around every layer.

    Args:
        module: canonical graph; it is changed.
        batches: preprocessed float32 images (N, C, H, W).
        activations: format of the layers' inputs.
        method: how their range is found.
        keep_float: names of layers that are not converted.
    """
    with quiet():
        api = _torchao()
        quantizer = _quantizer(api, activations, method, keep_float)
        prepared = api.prepare_pt2e(module, quantizer)
        with torch.no_grad():
            for batch in batches:
                prepared(batch)
        converted = api.convert_pt2e(prepared)
    assert isinstance(converted, GraphModule)
    return converted


class _Api:
    """The names of torchao that are used, in one place."""

    def __init__(self) -> None:
        from torchao.quantization.pt2e import HistogramObserver, MinMaxObserver, MovingAverageMinMaxObserver, PerChannelMinMaxObserver
        from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e
        from torchao.quantization.pt2e.quantizer import DerivedQuantizationSpec, QuantizationAnnotation, QuantizationSpec, Quantizer

        self.prepare_pt2e, self.convert_pt2e = prepare_pt2e, convert_pt2e
        self.Quantizer, self.Spec, self.DerivedSpec, self.Annotation = Quantizer, QuantizationSpec, DerivedQuantizationSpec, QuantizationAnnotation
        self.MinMax, self.MovingAverage, self.PerChannel = MinMaxObserver, MovingAverageMinMaxObserver, PerChannelMinMaxObserver
        self.Histogram = HistogramObserver


def _torchao() -> _Api:
    os.environ.setdefault("TORCHAO_FORCE_SKIP_LOADING_SO_FILES", "1")  # its GPU kernels do not load on a CPU, and say so
    import logging

    for chatty in ("torchao", "torch.utils._pytree"):
        logging.getLogger(chatty).setLevel(logging.ERROR)
    try:
        return _Api()
    except ImportError as error:
        raise ToolMissingError("torchao is needed to quantize a network and is not installed; run `pip install torchao`.") from error


def _quantizer(api: _Api, activations: Activations, method: Method, keep_float: frozenset[str]) -> Any:
    fmt = activations.operand
    input_spec = api.Spec(
        dtype=torch.int8 if fmt.signed else torch.uint8,
        quant_min=fmt.min,
        quant_max=fmt.max,
        qscheme=torch.per_tensor_symmetric if activations.symmetric else torch.per_tensor_affine,
        observer_or_fake_quant_ctr=_observer(api, method).with_args(eps=SMALLEST_SCALE),
    )
    second_spec = api.Spec(
        dtype=torch.int8,
        quant_min=-128,
        quant_max=127,
        qscheme=torch.per_tensor_symmetric,
        observer_or_fake_quant_ctr=_observer(api, method).with_args(eps=SMALLEST_SCALE),
    )
    weight_spec = api.Spec(
        dtype=torch.int8,
        quant_min=-127,
        quant_max=127,
        qscheme=torch.per_channel_symmetric,
        ch_axis=0,
        observer_or_fake_quant_ctr=api.PerChannel.with_args(eps=SMALLEST_SCALE),
    )

    class LayerQuantizer(api.Quantizer):  # type: ignore[misc, name-defined]
        """Quantizes input, weight and bias of every convolution and linear operator with a constant weight, and both operands of products."""

        def annotate(self, model: GraphModule) -> GraphModule:
            for node in model.graph.nodes:
                if node.op == "call_function" and node.meta.get(LAYER_NAME) not in keep_float:
                    if node.target in GEMMS:
                        self._annotate(model, node)
                    elif node.target in PRODUCTS and not any(constant(model, operand) is not None for operand in node.args):
                        specs = {node.args[0]: input_spec, node.args[1]: second_spec}
                        node.meta["quantization_annotation"] = api.Annotation(input_qspec_map=specs, _annotated=True)
            return model

        def _annotate(self, model: GraphModule, node: Node) -> None:
            x, weight, *rest = node.args
            if constant(model, weight) is None:
                return
            specs = {x: input_spec, weight: weight_spec}
            if rest and rest[0] is not None:
                specs[rest[0]] = api.DerivedSpec(
                    derived_from=[(x, node), (weight, node)],
                    derive_qparams_fn=_bias_parameters(constant(model, rest[0])),
                    dtype=torch.int32,
                    quant_min=-(2**31),
                    quant_max=2**31 - 1,
                    qscheme=torch.per_channel_symmetric,
                    ch_axis=0,
                )
            node.meta["quantization_annotation"] = api.Annotation(input_qspec_map=specs, _annotated=True)

        def validate(self, model: GraphModule) -> None:
            pass

    return LayerQuantizer()


def _bias_parameters(bias: Tensor | None) -> Callable[[list[Any]], tuple[Tensor, Tensor]]:
    """Return the rule for a bias's scale: that of the accumulator, coarser where the bias would leave int32 (lowering undoes it)."""

    def parameters(observers: list[Any]) -> tuple[Tensor, Tensor]:
        (input_scale, _), (weight_scale, _) = (observer.calculate_qparams() for observer in observers)
        scale = (input_scale * weight_scale).to(torch.float32)
        if bias is not None:
            scale = torch.maximum(scale, bias.abs() / LARGEST_BIAS)
        return scale, torch.zeros_like(scale, dtype=torch.int64)

    return parameters


def _observer(api: _Api, method: Method) -> Any:
    match method:
        case Method.MINMAX:
            return api.MinMax
        case Method.MOVING_AVERAGE:
            return api.MovingAverage
        case Method.HISTOGRAM:
            return api.Histogram

    class PercentileObserver(api.MinMax):  # type: ignore[misc, name-defined]
        """Mean over batches of the 0.01 and 99.99 percentiles."""

        min_val: Tensor
        max_val: Tensor

        def forward(self, values: Tensor) -> Tensor:
            flat = values.detach().to(self.min_val.dtype).flatten()
            rank = max(1, round(flat.numel() * 1e-4))
            low, high = flat.kthvalue(rank).values, flat.kthvalue(flat.numel() + 1 - rank).values
            seen = getattr(self, "_batches", 0)
            old_low, old_high = (self.min_val, self.max_val) if seen else (low, high)
            self._batches = seen + 1
            self.min_val = old_low + (low - old_low) / self._batches
            self.max_val = old_high + (high - old_high) / self._batches
            return values

    return PercentileObserver
