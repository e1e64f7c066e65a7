"""Batch normalization at inference is an affine map: fold it into the layer before it, or keep it as one product and one sum."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.fx import GraphModule, Node

from hawx.networks.quantization.graph import aten, constant, insert, insert_constant, replace_node, source_of

_FOLDS_INTO = {aten.conv1d.default, aten.conv2d.default, aten.linear.default}


def fold_batch_norms(module: GraphModule) -> None:
    """Rewrite every batch normalization with constant statistics, in place.

    After a convolution or linear operator that nothing else reads, `gain·(W·x + b) + offset` becomes new weights and bias (computed in
    float64); elsewhere it becomes `x·gain + offset`.
    """
    for node in list(module.graph.nodes):
        if node.op == "call_function" and node.target is aten.batch_norm.default:
            affine = _affine(module, node)
            if affine is not None:
                _fold(module, node, *affine) or _spell_out(module, node, *affine)
    module.graph.eliminate_dead_code()


def _affine(module: GraphModule, node: Node) -> tuple[Tensor, Tensor] | None:
    arguments: tuple[Any, ...] = tuple(node.args)
    scale, shift, mean, variance = (constant(module, a) for a in arguments[1:5])
    unknown = any(value is None and argument is not None for value, argument in zip((scale, shift), arguments[1:3], strict=True))
    if mean is None or variance is None or unknown or arguments[5]:
        return None
    gain = (variance.double() + float(arguments[7])).rsqrt() * (1.0 if scale is None else scale.double())
    return gain, (0.0 if shift is None else shift.double()) - mean.double() * gain


def _fold(module: GraphModule, node: Node, gain: Tensor, offset: Tensor) -> bool:
    layer = node.args[0]
    if not isinstance(layer, Node) or layer.target not in _FOLDS_INTO or len(layer.users) != 1:
        return False
    x, weight_node, *rest = layer.args
    weight = constant(module, weight_node)
    given_bias = constant(module, rest[0]) if rest else None
    if weight is None or (rest and rest[0] is not None and given_bias is None):
        return False
    if layer.target is aten.linear.default and layer.meta["val"].ndim != 2:
        return False  # BatchNorm1d over (N, C, L) normalizes axis 1, a linear operator's filters are its last
    folded = weight.double() * gain.view(-1, *[1] * (weight.ndim - 1))
    bias = (0.0 if given_bias is None else given_bias.double() * gain) + offset
    source = source_of(weight_node)
    new_weight = insert_constant(module, layer, folded.to(torch.float32), f"{layer.name}_folded_weight", source)
    new_bias = insert_constant(module, layer, bias.to(torch.float32), f"{layer.name}_folded_bias", source)
    new = insert(module, layer, layer.target, x, new_weight, new_bias, *rest[1:])
    replace_node(node, new)
    module.graph.erase_node(layer)
    return True


def _spell_out(module: GraphModule, node: Node, gain: Tensor, offset: Tensor) -> bool:
    shape = (1, -1, *[1] * (node.meta["val"].ndim - 2))
    factors = [
        insert_constant(module, node, value.to(torch.float32).reshape(shape), f"{node.name}_{suffix}", None)
        for suffix, value in (("gain", gain), ("offset", offset))
    ]
    scaled = insert(module, node, aten.mul.Tensor, node.args[0], factors[0])
    replace_node(node, insert(module, node, aten.add.Tensor, scaled, factors[1]))
    return True
