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

from hawx.importers.onnx_operators import Call, Value, _operator
from hawx.importers.onnx_reader import OnnxNode

_RANGES = {"int8": (-128, 127, torch.int8), "uint8": (0, 255, torch.uint8), "int32": (-(2**31), 2**31 - 1, torch.int32)}


def is_dequantized_constant(node: OnnxNode, constants: Mapping[str, NDArray[Any]]) -> bool:
    return node.kind == "DequantizeLinear" and node.inputs[0] in constants


@dataclass(frozen=True, slots=True)
class Parameters:
    """Scale and zero point of a constant: per tensor (numbers) or per filter (arrays, filters on axis 0). Calling it dequantizes."""

    scale: Any
    zero_point: Any

    def __call__(self, codes: Tensor) -> Tensor:
        low, high, dtype = _RANGES[str(codes.dtype).removeprefix("torch.")]
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


def dequantized_weight(node: OnnxNode, constants: Mapping[str, NDArray[Any]], *, transpose: bool) -> QuantizedConstant:
    """Return the integers that a DequantizeLinear node reads, filters on axis 0 (after `transpose`, where asked)."""
    codes = np.array(constants[node.inputs[0]])
    scale = np.asarray(constants[node.inputs[1]], np.float32)
    zero_point = np.asarray(constants[node.inputs[2]]) if len(node.inputs) > 2 and node.inputs[2] else np.zeros(scale.shape, codes.dtype)
    call = Call(node, 0)
    if codes.dtype.name not in _RANGES:
        raise call.refuse(f"holds {codes.dtype} codes", "int8, uint8 or int32")
    if codes.dtype == np.uint8 and np.all(zero_point == 128):  # int8 codes, shifted
        codes, zero_point = (codes.astype(np.int16) - 128).astype(np.int8), np.zeros_like(zero_point, np.int8)
    if transpose:
        codes = np.ascontiguousarray(codes.T)
    if scale.ndim == 0 or scale.size == 1:
        return QuantizedConstant(torch.from_numpy(codes), Parameters(float(scale.reshape(())), int(zero_point.reshape(()))))
    axis = node.attributes.get("axis", 1) % codes.ndim
    if transpose:
        axis = codes.ndim - 1 - axis
    if axis != 0:
        raise call.refuse(f"has one scale per index of axis {node.attributes.get('axis', 1)}", "one scale per filter")
    return QuantizedConstant(torch.from_numpy(codes), Parameters(scale.tolist(), zero_point.astype(np.int64).tolist()))


@_operator("QuantizeLinear")
def _quantize(call: Call, x: Tensor, scale: Value, zero_point: Value = 0) -> Value:
    low, high, dtype = _activation_range(call)
    result: Tensor = torch.ops.quantized_decomposed.quantize_per_tensor(x, *_scalars(call, scale, zero_point), low, high, dtype)
    return result


@_operator("DequantizeLinear")
def _dequantize(call: Call, codes: Tensor, scale: Value = None, zero_point: Value = 0) -> Value:
    if scale is None:
        return codes  # a constant, dequantized where it is stored
    low, high, dtype = _RANGES[str(codes.dtype).removeprefix("torch.")]
    result: Tensor = torch.ops.quantized_decomposed.dequantize_per_tensor(codes, *_scalars(call, scale, zero_point), low, high, dtype)
    return result


def _scalars(call: Call, scale: Value, zero_point: Value) -> tuple[float, int]:
    flat = [value[0] if isinstance(value, list) and len(value) == 1 else value for value in (scale, zero_point)]
    if not isinstance(flat[0], float) or not isinstance(flat[1], int):
        raise call.refuse("quantizes an activation per channel", "one scale and one zero point")
    return flat[0], flat[1]


def _activation_range(call: Call) -> tuple[int, int, torch.dtype]:
    kind = call.get("hawx_code_type", "uint8")
    if kind not in ("int8", "uint8"):
        raise call.refuse(f"quantizes to {kind}", "int8 or uint8")
    low, high, dtype = _RANGES[kind]
    return low, high, dtype
