"""A quantized network as ONNX in QDQ form: the codes that the hardware multiplies, for every tool that reads ONNX.

The network's steps are traced by PyTorch's own exporter: activations as QuantizeLinear and DequantizeLinear, weights as int8 with one scale per
filter, biases as int32. What a runtime computes from them is the same integers up to its order of summation in float32. Where activations are shifted
up on their way to a block (`hawx.wiring`), the shift is part of the weights' scale, the clamp is a Clip between two quantizations, and biases are
rounded to that scale. What the columns of a product of two activations have of their own, scale or bias, comes after it in real numbers.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from os import PathLike, fspath
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
import torch.ao.quantization.fx._decomposed  # registers the operators of quantized_decomposed
import torch.nn.functional as F  # noqa: N812 (PyTorch's own idiom)
from torch import Tensor, nn

from hawx.errors import InputError, ToolMissingError
from hawx.files import write_bytes
from hawx.formats import S8, IntFormat
from hawx.networks import QuantizedLayer, QuantizedNetwork
from hawx.networks.arrange import run_layer_step
from hawx.networks.glue import OWN, resolve
from hawx.networks.requantize import torch_dtype
from hawx.networks.steps import INPUT, Dequantize, LayerStep, ProductStep, Quantize, Step
from hawx.wiring import clamp

OPSET = 18

_DECOMPOSED = torch.ops.quantized_decomposed


def export_onnx(network: QuantizedNetwork, path: str | PathLike[str]) -> None:
    """Write `network` as an ONNX file in QDQ form, with a free batch size; it takes float32 images as the network does, preprocessed.

    How pixels become that input stands in the metadata `hawx` of the file.

    Raises:
        InputError: the network holds constants for several blocks, or an operator that ONNX has not; or `path` cannot be written.
        ToolMissingError: the packages onnx and onnxscript are not installed.
    """
    if network.varies:
        raise InputError(
            f"network {network.name!r} holds constants for several blocks; expected those of one design. Export a design: its file, RUN or RUN#ID."
        )
    try:
        import onnx
        import onnxscript  # noqa: F401  PyTorch's exporter needs it
    except ImportError as error:
        raise ToolMissingError("exporting ONNX needs the packages onnx and onnxscript; run `pip install 'hawx[onnx]'`.") from error
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    example = torch.zeros(2, *network.input_shape)
    with TemporaryDirectory() as folder:
        file = str(Path(folder) / "network.onnx")
        try:
            torch.onnx.export(
                _Module(network).eval(),
                (example,),
                file,
                input_names=["input"],
                output_names=["logits"],
                opset_version=OPSET,
                dynamo=True,
                dynamic_shapes=({0: torch.export.Dim("batch", min=1)},),
                external_data=False,
                verbose=False,
            )
        except torch.onnx.errors.OnnxExporterError as error:
            raise InputError(f"network {network.name!r} cannot be written as ONNX: {str(error).splitlines()[0]}") from error
        model = onnx.load(file)
    facts = {"name": network.name, "preprocessing": network.preprocessing.to_dict() if network.preprocessing else None, "layers": network.layer_names}
    onnx.helper.set_model_props(model, {"hawx": json.dumps(facts)})
    write_bytes(fspath(path), model.SerializeToString())


class _Module(nn.Module):
    """The plain steps of a network in PyTorch's operators, quantization said explicitly."""

    def __init__(self, network: QuantizedNetwork) -> None:
        super().__init__()
        self._network = network
        self._names = {name: f"constant_{i}" for i, name in enumerate(network.constants)}
        for name, buffer in self._names.items():
            self.register_buffer(buffer, network.constants[name])
        self._layers = {name: i for i, name in enumerate(network.quantized)}
        self._units = {name: float(layer.weight_scale[0]) for name, layer in network.quantized.items()}
        self._plain = {name for name, layer in network.quantized.items() if _is_plain(layer)}
        for name, i in self._layers.items():
            layer = network.quantized[name]
            of_filters = (1, layer.layer.groups, 1, -1) if layer.is_product else (1, -1, 1, 1)
            for kind, tensor in _constants_of(layer).items():
                self.register_buffer(f"{kind}_{i}", tensor.view(of_filters) if layer.is_product else tensor)
            for shift, filters in layer.shifts.items():
                self.register_buffer(f"filters_{i}_{shift}", torch.ones(1) if filters is None else filters.view(of_filters))

    def forward(self, images: Tensor) -> Tensor:
        values: dict[str, Any] = {INPUT: images}
        scope = {name: getattr(self, buffer) for name, buffer in self._names.items()}
        for step in self._network.steps:
            values[step.output] = self._run(step, {**scope, **values}, images.shape[0])
        result: Tensor = values[self._network.output]
        return result

    def _run(self, step: Step, values: Mapping[str, Any], images: int) -> Any:
        match step:
            case Quantize():
                low, high, dtype = _range(step.format)
                return _DECOMPOSED.quantize_per_tensor(values[step.input], step.scale, step.zero_point, low, high, dtype)
            case Dequantize():
                low, high, dtype = _range(step.format)
                return _DECOMPOSED.dequantize_per_tensor(values[step.input], step.scale, step.zero_point, low, high, dtype)
            case LayerStep():
                return run_layer_step(step, values[step.input], images, lambda codes: self._layer(self._network.quantized[step.layer], codes))
            case ProductStep():
                return self._product(self._network.quantized[step.layer], values[step.left], values[step.right], images)
        arguments = [resolve(value, values) for value in step.args]
        options = {name: resolve(value, values) for name, value in step.kwargs}
        if step.op in OWN:
            return OWN[step.op](*arguments, **options)
        packet, overload = step.op.split(".")
        return getattr(getattr(torch.ops.aten, packet), overload)(*arguments, **options)

    def _layer(self, layer: QuantizedLayer, codes: Tensor) -> Tensor:
        i, facts = self._layers[layer.layer.name], layer.layer
        weight = self._constant("weight", "scale", i, -128, 127, torch.int8)
        bias = self._constant("bias", "bias_scale", i, -(2**31), 2**31 - 1, torch.int32)
        top, bottom, left, right = facts.padding
        uneven = top != bottom or left != right
        output: Tensor | None = None
        for shift in layer.shifts:
            x = self._arriving(layer, codes, shift) if shift else self._real(layer, codes)
            x = F.pad(x, (left, right, top, bottom)) if uneven else x
            part = F.conv2d(x, weight, bias, facts.stride, (0, 0) if uneven else (top, left), facts.dilation, facts.groups)
            output = part if output is None else torch.where(getattr(self, f"filters_{i}_{shift}"), part, output)
        assert output is not None
        return output

    def _product(self, layer: QuantizedLayer, left: Tensor, right: Tensor, images: int) -> Tensor:
        name = layer.layer.name
        second: Tensor = _DECOMPOSED.dequantize_per_tensor(right, self._units[name], 0, *_range(S8))
        if name in self._plain:
            plain: Tensor = self._real(layer, left) @ second
            return plain
        output: Tensor | None = None
        for shift in layer.shifts:
            product = (self._arriving(layer, left, shift) if shift else self._real(layer, left)) @ second
            part = product.reshape(images, layer.layer.groups, *product.shape[-2:])
            output = part if output is None else torch.where(getattr(self, f"filters_{self._layers[name]}_{shift}"), part, output)
        assert output is not None
        own: Tensor = output * getattr(self, f"ratio_{self._layers[name]}") + getattr(self, f"offset_{self._layers[name]}")
        return own.reshape(product.shape)

    def _real(self, layer: QuantizedLayer, codes: Tensor) -> Tensor:
        result: Tensor = _DECOMPOSED.dequantize_per_tensor(codes, layer.input_scale, layer.input_zero_point, *_range(layer.input_format))
        return result

    def _arriving(self, layer: QuantizedLayer, codes: Tensor, shift: int) -> Tensor:
        """Return what activations are worth that a clamp cuts on their way to shifted blocks: clipped, and quantized as before."""
        scale, zero, (low, high) = layer.input_scale, layer.input_zero_point, clamp(layer.input_format, shift)
        clipped = self._real(layer, codes).clamp((low - zero) * scale, (high - zero) * scale)
        return self._real(layer, _DECOMPOSED.quantize_per_tensor(clipped, scale, zero, *_range(layer.input_format)))

    def _constant(self, kind: str, scale: str, i: int, low: int, high: int, dtype: torch.dtype) -> Tensor:
        codes, scales, zeros = (getattr(self, f"{name}_{i}") for name in (kind, scale, "zero"))
        result: Tensor = _DECOMPOSED.dequantize_per_channel(codes, scales, zeros, 0, low, high, dtype)
        return result


def _constants_of(layer: QuantizedLayer) -> dict[str, Tensor]:
    """Return what a layer's integers are multiplied with and added to; shifts of activations go into scales."""
    gain = torch.tensor([2.0**wiring.shift for wiring in layer.wirings] or [1.0] * len(layer.bias))
    scale = layer.weight_scale * gain
    if layer.is_product:
        return {"ratio": scale / layer.weight_scale[0], "offset": layer.bias * layer.scale}
    return {
        "weight": layer.weight.clone(),
        "scale": scale,
        "bias": torch.round(layer.bias / gain.double()).to(torch.int32),
        "bias_scale": layer.scale * gain,
        "zero": torch.zeros(len(layer.bias), dtype=torch.int64),
    }


def _is_plain(layer: QuantizedLayer) -> bool:
    """Whether no filter has anything of its own beside its weights."""
    return not layer.wirings and not bool(layer.bias.any()) and bool((layer.weight_scale == layer.weight_scale[0]).all())


def _range(fmt: IntFormat) -> tuple[int, int, torch.dtype]:
    return fmt.min, fmt.max, torch_dtype(fmt)
