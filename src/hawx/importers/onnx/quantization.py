"""QuantizeLinear and DequantizeLinear, as the operators that the lowering of calibrated graphs reads.

A file in QDQ form holds a network's integers: int8 weights with one scale per filter, int32 biases, codes of activations. They are read as
they are; nothing is calibrated again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.ao.quantization.fx._decomposed
from numpy.typing import NDArray
from torch import Tensor

from hawx.importers.onnx.contracts import Call, Value, type_name
from hawx.importers.onnx.elementwise import element_type
from hawx.importers.onnx.reader import OnnxNode

_RANGES = {"int8": (-128, 127, torch.int8), "uint8": (0, 255, torch.uint8), "int32": (-(2**31), 2**31 - 1, torch.int32)}


def is_dequantized_constant(node: OnnxNode, constants: Mapping[str, NDArray[Any]]) -> bool:
    return node.kind == "DequantizeLinear" and bool(node.inputs) and node.inputs[0] in constants


@dataclass(frozen=True, slots=True)
class Parameters:
    """Scale and zero point of a constant: per tensor (numbers) or per filter (arrays, filters on axis 0). Calling it dequantizes."""

    scale: Any
    zero_point: Any

    def __call__(self, codes: Tensor) -> Tensor:
        low, high, dtype = _RANGES[type_name(codes.dtype)]
        operators = torch.ops.quantized_decomposed
        if isinstance(self.scale, float):
            result: Tensor = operators.dequantize_per_tensor(codes, self.scale, self.zero_point, low, high, dtype)
        else:
            result = operators.dequantize_per_channel(codes, torch.tensor(self.scale), torch.tensor(self.zero_point), 0, low, high, dtype)
        return result


@dataclass(frozen=True, slots=True)
class QuantizedConstant:
    """Integers and how to read them."""

    codes: Tensor
    parameters: Parameters


def dequantized_weight(call: Call, constants: Mapping[str, NDArray[Any]], *, transpose: bool) -> QuantizedConstant:
    """Return the integers that a DequantizeLinear node reads, filters on axis 0 (after `transpose`, where asked).

    Raises:
        InputError: codes, scales or zero points are of a kind that cannot be read.
    """
    node = call.node
    codes = np.array(constants[node.inputs[0]])
    if codes.dtype.name not in _RANGES:
        raise call.refuse(f"{codes.dtype} codes", "int8, uint8 or int32")
    scale = _constant(call, constants, 1)
    zero_point = _constant(call, constants, 2) if len(node.inputs) > 2 and node.inputs[2] else np.zeros(scale.shape, codes.dtype)
    if scale.dtype != np.float32 or zero_point.size != scale.size:
        raise call.refuse(f"scales {scale.dtype} {scale.shape} and {zero_point.size} zero points", "float32 scales and as many zero points")
    if codes.dtype == np.uint8 and np.all(zero_point == 128):  # int8 codes, shifted
        codes, zero_point = (codes.astype(np.int16) - 128).astype(np.int8), np.zeros_like(zero_point, np.int8)
    if transpose:
        codes = np.ascontiguousarray(codes.T)
    if scale.size == 1:
        return QuantizedConstant(torch.from_numpy(codes), Parameters(float(scale.reshape(())), int(zero_point.reshape(()))))
    axis = call["axis"] % max(codes.ndim, 1)
    if transpose:
        axis = codes.ndim - 1 - axis
    if axis != 0 or scale.shape != codes.shape[:1]:
        raise call.refuse(f"scales of shape {scale.shape} along axis {call['axis']} of codes {codes.shape}", "one scale per filter")
    return QuantizedConstant(torch.from_numpy(codes), Parameters(scale.tolist(), zero_point.astype(np.int64).tolist()))


def _constant(call: Call, constants: Mapping[str, NDArray[Any]], position: int) -> NDArray[Any]:
    name = call.node.inputs[position]
    if name not in constants:
        raise call.refuse(f"input {name!r} computed by the network", "a constant")
    return np.asarray(constants[name])


def quantize(call: Call, x: Tensor, scale: Value, zero_point: Value = None) -> Value:
    kind = call["output_dtype"] or None
    named = None if kind is None else type_name(element_type(call, kind))
    code_type = zero_point.dtype.name if zero_point is not None else named or "uint8"
    if code_type not in ("int8", "uint8"):
        raise call.refuse(f"{code_type} codes", "int8 or uint8")
    low, high, dtype = _RANGES[code_type]
    result: Tensor = torch.ops.quantized_decomposed.quantize_per_tensor(x, *_scalars(call, scale, zero_point), low, high, dtype)
    return result


def dequantize(call: Call, codes: Tensor, scale: Value, zero_point: Value = None) -> Value:
    low, high, dtype = _RANGES[type_name(codes.dtype)]
    result: Tensor = torch.ops.quantized_decomposed.dequantize_per_tensor(codes, *_scalars(call, scale, zero_point), low, high, dtype)
    return result


def _scalars(call: Call, scale: Value, zero_point: Value) -> tuple[float, int]:
    if scale.dtype != np.float32 or scale.size != 1 or (zero_point is not None and zero_point.size != 1):
        raise call.refuse(f"scales of {scale.dtype} and shape {scale.shape} for an activation", "one float32 scale and one zero point")
    return float(scale.reshape(())), 0 if zero_point is None else int(zero_point.reshape(()))
