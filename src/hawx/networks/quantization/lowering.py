"""Lower a calibrated graph to the steps of a `QuantizedNetwork`."""

from __future__ import annotations

import operator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.fx import GraphModule, Node

from hawx.errors import InputError
from hawx.formats import S8, U8, IntFormat
from hawx.networks import glue
from hawx.networks.layer import Layer, LayerKind
from hawx.networks.quantization.graph import LAYER_NAME, MULTIPLYING_TARGETS, aten, constant
from hawx.networks.quantization.pt2e import LARGEST_BIAS, PRODUCTS
from hawx.networks.quantized import QuantizedLayer
from hawx.networks.steps import INPUT, Arrangement, Dequantize, DType, Glue, LayerStep, ProductStep, Quantize, Ref, Step, inputs, without_dead

_ARITHMETIC = {
    operator.add: "add",
    operator.sub: "sub",
    operator.mul: "mul",
    operator.floordiv: "floordiv",
    operator.mod: "mod",
    operator.neg: "neg",
    operator.truediv: "truediv",
    operator.getitem: "getitem",
}
_WEIGHT_LAYERS = {aten.conv1d.default, aten.conv2d.default, aten.linear.default}


@dataclass(slots=True)
class Lowered:
    """What a graph becomes; the facts of the layers still lack their sizes."""

    steps: tuple[Step, ...]
    output: str
    quantized: dict[str, QuantizedLayer]
    constants: dict[str, Tensor] = field(default_factory=dict)
    unconverted: tuple[str, ...] = ()


def lower(module: GraphModule, *, name: str) -> Lowered:
    """Return the steps of a graph that `pt2e.calibrated` returned.

    Args:
        module: the converted graph.
        name: how messages call the network.

    Raises:
        InputError: the graph holds an operator outside the table of glue operators, or several inputs or outputs.
    """
    return _Lowering(module, name).run()


class _Lowering:
    def __init__(self, module: GraphModule, name: str) -> None:
        self.module, self.name = module, name
        self.steps: list[Step] = []
        self.quantized: dict[str, QuantizedLayer] = {}
        self.constants: dict[str, Tensor] = {}
        self.unconverted: list[str] = []
        self.values: dict[Node, str] = {}

    def run(self) -> Lowered:
        output = ""
        for node in self.module.graph.nodes:
            match node.op:
                case "placeholder":
                    self._placeholder(node)
                case "output":
                    output = self._output(node)
                case "call_function":
                    self._call(node)
                case "get_attr":
                    pass  # becomes a constant where a step reads it
                case _:
                    raise InputError(f"network {self.name!r} calls {str(node.target)!r}, which cannot be lowered; expected ATen operators only.")
        steps = without_dead(tuple(self.steps), output)
        read = {name for step in steps for name in inputs(step)}
        return Lowered(
            steps=steps,
            output=output,
            quantized={step.layer: self.quantized[step.layer] for step in steps if isinstance(step, LayerStep | ProductStep)},
            constants={name: value for name, value in self.constants.items() if name in read},
            unconverted=tuple(self.unconverted),
        )

    def _placeholder(self, node: Node) -> None:
        if INPUT in self.values.values():
            raise InputError(f"network {self.name!r} takes several inputs; expected one image tensor. Wrap it in a module that fixes the others.")
        self.values[node] = INPUT

    def _output(self, node: Node) -> str:
        results = node.args[0]
        flat = [results] if isinstance(results, Node) else list(results)  # type: ignore[arg-type]
        if len(flat) != 1 or not isinstance(flat[0], Node) or flat[0] not in self.values:
            raise InputError(f"network {self.name!r} returns {len(flat)} values; expected one tensor of logits. Wrap it in a module that picks it.")
        return self.values[flat[0]]

    def _call(self, node: Node) -> None:
        target = str(node.target)
        if "quantize_per_tensor" in target:
            self._convert_tensor(node, dequantize="dequantize" in target)
        elif "quantize_per_channel" in target:
            pass  # an integer weight or bias: read by the layer that uses it
        elif node.target in _WEIGHT_LAYERS and self._is_converted(node):
            self._layer(node)
        elif node.target in PRODUCTS and self._is_product(node):
            self._product(node)
        else:
            if node.target in MULTIPLYING_TARGETS:
                self.unconverted.append(f"{node.meta.get(LAYER_NAME, node.name)} ({_operator_name(node.target)})")
            self._emit(node, Glue(output=node.name, op=self._operator(node), args=self._argument(tuple(node.args)), kwargs=self._keywords(node)))

    def _emit(self, node: Node, step: Step) -> None:
        self.steps.append(step)
        self.values[node] = step.output

    def _operator(self, node: Node) -> str:
        op = _ARITHMETIC.get(node.target) or _operator_name(node.target)  # type: ignore[arg-type]
        if not glue.supported(op):
            where = list((node.meta.get("nn_module_stack") or {}).values())
            place = f" in {where[-1][0]!r}" if where and where[-1][0] else ""
            raise InputError(
                f"network {self.name!r} uses operator {op!r} at node {node.name!r}{place}, which HAWX does not know; "
                "expected one of hawx.networks.glue. Replace it by known operators, or ask for it."
            )
        return op

    def _keywords(self, node: Node) -> tuple[tuple[str, Any], ...]:
        dropped = {"memory_format", "layout", "device", "pin_memory", "non_blocking", "copy"}
        return tuple((key, self._argument(value)) for key, value in node.kwargs.items() if key not in dropped)

    def _argument(self, value: Any) -> Any:
        if isinstance(value, Node):
            return Ref(self._value(value))
        if isinstance(value, (list, tuple)):
            return tuple(self._argument(item) for item in value)
        if isinstance(value, torch.dtype):
            return DType(str(value).removeprefix("torch."))
        if value is None or isinstance(value, (bool, int, float, str)):
            return value
        if isinstance(value, (torch.device, torch.layout, torch.memory_format)):
            return None
        raise InputError(f"network {self.name!r} passes {value!r} to an operator; expected tensors, numbers or strings.")

    def _value(self, node: Node) -> str:
        if node in self.values:
            return self.values[node]
        tensor = constant(self.module, node)
        if tensor is None:
            raise InputError(f"network {self.name!r} reads {node.name!r}, which no step computes; expected a traced value or a constant.")
        self.values[node] = f"constant.{node.target}"
        self.constants[self.values[node]] = tensor.clone()
        return self.values[node]

    def _convert_tensor(self, node: Node, *, dequantize: bool) -> None:
        source, scale, zero_point, low, high, dtype = _untyped(node.args[:6])
        fmt = S8 if dtype == torch.int8 else U8
        if dequantize and constant(self.module, source) is not None:
            return  # a weight or bias, read by its layer
        if dtype not in (torch.int8, torch.uint8) or (low, high) != (fmt.min, fmt.max):
            raise InputError(f"network {self.name!r} quantizes to {dtype} in {low}..{high} at {node.name!r}; expected 8 bits, full range.")
        make = Dequantize if dequantize else Quantize
        name = self._value(source)
        self._emit(node, make(output=node.name, input=name, scale=float(scale), zero_point=int(zero_point), format=fmt))

    def _is_converted(self, node: Node) -> bool:
        return all(isinstance(a, Node) and "dequantize_per" in str(a.target) for a in node.args[:2])

    def _layer(self, node: Node) -> None:
        x, weight_node = node.args[:2]
        assert isinstance(x, Node)
        assert isinstance(weight_node, Node)
        codes_node, scale, zero_point, _, _, dtype = _untyped(x.args[:6])
        weight, weight_scale = self._weight(weight_node)
        weight, weight_scale = weight.clone(), weight_scale.to(torch.float32).clone()
        bias = self._bias(node, len(weight), float(scale) * weight_scale.double())
        weight, weight_scale, bias = _within_bias_range(weight, weight_scale, bias)
        facts, arrangement = _facts(node, str(node.meta[LAYER_NAME]), weight)
        self.quantized[facts.name] = QuantizedLayer(
            layer=facts,
            weight=weight.reshape(facts.filters, -1, *facts.kernel).contiguous(),
            weight_scale=weight_scale.contiguous(),
            bias=bias.to(torch.int32),
            input_scale=float(scale),
            input_zero_point=int(zero_point),
            input_format=IntFormat(8, dtype == torch.int8),
        )
        self._emit(node, LayerStep(output=node.name, input=self._value(codes_node), layer=facts.name, arrangement=arrangement))

    def _is_product(self, node: Node) -> bool:
        """Whether both operands are codes, those of the second symmetric int8 as weights are."""
        coded = [a for a in node.args if isinstance(a, Node) and "dequantize_per_tensor" in str(a.target)]
        operands = [a for a in coded if constant(self.module, a.args[0]) is None]
        return len(operands) == 2 and _untyped(operands[1].args[2:6:3]) == (0, torch.int8)

    def _product(self, node: Node) -> None:
        left, right = (_untyped(operand.args[:6]) for operand in node.args[:2] if isinstance(operand, Node))
        name = str(node.meta[LAYER_NAME])
        self.quantized[name] = QuantizedLayer(
            layer=Layer(name=name, kind=LayerKind.MATMUL, in_channels=1, filters=1),
            weight=torch.empty((0, 1, 1, 1, 1), dtype=torch.int8),
            weight_scale=torch.tensor([float(right[1])]),
            bias=torch.zeros(1, dtype=torch.int32),
            input_scale=float(left[1]),
            input_zero_point=int(left[2]),
            input_format=IntFormat(8, left[5] == torch.int8),
        )
        self._emit(node, ProductStep(output=node.name, left=self._value(left[0]), right=self._value(right[0]), layer=name))

    def _weight(self, node: Node) -> tuple[Tensor, Tensor]:
        """Return the int8 codes and one float32 scale per filter of a dequantized weight."""
        codes_node, scale, zero_point = _untyped(node.args[:3])
        codes = constant(self.module, codes_node)
        scales, offsets = (constant(self.module, a) if isinstance(a, Node) else torch.tensor(a) for a in (scale, zero_point))
        if codes is None or scales is None or offsets is None or codes.dtype != torch.int8 or bool((offsets != 0).any()):
            raise InputError(f"network {self.name!r} has a weight at {node.name!r} that is not symmetric int8; expected zero point 0.")
        return codes.clone(), scales.to(torch.float32).expand(len(codes)).clone()

    def _bias(self, node: Node, filters: int, unit: Tensor) -> Tensor:
        """Return the bias in units of the accumulator, float64 holding integers (before any clipping to int32)."""
        argument = node.args[2] if len(node.args) > 2 else node.kwargs.get("bias")
        if argument is None:
            return torch.zeros(filters, dtype=torch.float64)
        assert isinstance(argument, Node)
        if "dequantize" in str(argument.target):
            codes, own = constant(self.module, argument.args[0]), argument.args[1]
            given = constant(self.module, own) if isinstance(own, Node) else torch.tensor(own)
            assert codes is not None
            assert given is not None
            factor = given.double() / unit  # 1 up to rounding, where the bias is in units of the accumulator
            return torch.where((factor - 1).abs() < 1e-5, codes.double(), torch.round(codes.double() * factor))
        real = constant(self.module, argument)
        assert real is not None
        return torch.round(real.double() / unit)


def _untyped(arguments: Any) -> tuple[Any, ...]:
    """FX types an argument as a union of everything; what these hold is fixed by their operators."""
    return tuple(arguments)


def _operator_name(target: Any) -> str:
    """`aten.relu.default` -> `relu.default`."""
    return str(target).removeprefix("aten.")


def _facts(node: Node, name: str, weight: Tensor) -> tuple[Layer, Arrangement]:
    if node.target is aten.linear.default:
        return Layer(name=name, kind=LayerKind.LINEAR, in_channels=weight.shape[1], filters=weight.shape[0]), Arrangement.FEATURES
    dims = weight.ndim - 2
    given: list[Any] = [(1,) * dims, (0,) * dims, (1,) * dims, 1]
    rest = node.args[3:]
    given[: len(rest)] = rest
    stride, padding, dilation = (_pair(value, dims, neutral) for value, neutral in zip(given[:3], (1, 0, 1), strict=True))
    groups = int(given[3])
    in_channels = weight.shape[1] * groups
    depthwise = groups > 1 and groups == in_channels
    facts = Layer(
        name=name,
        kind=LayerKind.DEPTHWISE if depthwise else LayerKind.CONV,
        in_channels=in_channels,
        filters=weight.shape[0],
        kernel=_pair(tuple(weight.shape[2:]), dims, 1),
        stride=stride,
        padding=(padding[0], padding[0], padding[1], padding[1]),
        dilation=dilation,
        groups=groups,
    )
    return facts, Arrangement.SIGNAL if dims == 1 else Arrangement.IMAGE


def _pair(value: Any, dims: int, neutral: int) -> tuple[int, int]:
    """Return (vertical, horizontal) of a convolution argument; a one-dimensional convolution runs along the width."""
    items = [int(v) for v in value] * (dims if len(value) == 1 else 1)
    return (neutral, items[0]) if dims == 1 else (items[0], items[1])


def _within_bias_range(weight: Tensor, weight_scale: Tensor, bias: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Coarsen the weights of filters whose bias, in units of the accumulator, would leave int32.

    This happens to dead filters: weights near zero give a tiny scale. Their codes are divided by the same factor as their bias.
    """
    factor = (bias.abs() / LARGEST_BIAS).clamp(min=1.0)
    if bool((factor == 1.0).all()):
        return weight, weight_scale, bias
    shape = (-1, *[1] * (weight.ndim - 1))
    coarse = torch.round(weight.double() / factor.view(shape)).to(torch.int8)
    return coarse, (weight_scale.double() * factor).to(torch.float32), torch.round(bias / factor)
