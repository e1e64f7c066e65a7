"""Small tools on traced graphs, shared by the passes: constants, insertion, replacement."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.fx import GraphModule, Node

aten = torch.ops.aten

LAYER_NAME = "hawx_layer"
"""Key of `Node.meta` under which a multiplying node carries its layer's name."""

_SOURCE = "hawx_source"


MULTIPLYING_TARGETS = {
    aten.conv1d.default,
    aten.conv2d.default,
    aten.conv3d.default,
    aten.conv_transpose1d.default,
    aten.conv_transpose2d.input,
    aten.conv_transpose3d.input,
    aten.convolution.default,
    aten.linear.default,
    aten.bilinear.default,
    aten.matmul.default,
    aten.mm.default,
    aten.bmm.default,
    aten.baddbmm.default,
    aten.addmm.default,
    aten.einsum.default,
    aten.scaled_dot_product_attention.default,
    aten.lstm.input,
    aten.gru.input,
    aten.rnn_tanh.input,
}
"""Every operator that multiplies and accumulates: each is either converted to a layer or named in the coverage list."""


def constant(module: GraphModule, node: Any) -> Tensor | None:
    """Return the tensor behind a `get_attr` node, or None for any other argument."""
    if not isinstance(node, Node) or node.op != "get_attr":
        return None
    value: Any = module
    for part in str(node.target).split("."):
        value = getattr(value, part)
    return value.detach() if isinstance(value, Tensor) else None


def insert_constant(module: GraphModule, before: Node, value: Tensor, name: str, source: str | None) -> Node:
    """Return a new constant of the graph; `source` is the parameter that it was computed from, which names the layer that uses it."""
    module.register_buffer(name, value.detach().clone().contiguous())
    with module.graph.inserting_before(before):
        new = module.graph.get_attr(name)
    new.meta[_SOURCE] = source or ""
    return new


def source_of(node: Any) -> str | None:
    """Return the name of the parameter behind a constant, as the user's module calls it."""
    if not isinstance(node, Node) or node.op != "get_attr":
        return None
    return str(node.meta.get(_SOURCE, node.target)) or None


def insert(module: GraphModule, before: Node, target: Any, *args: Any) -> Node:
    """Return a new operator just before `before`, in the same module of the user's."""
    with module.graph.inserting_before(before):
        new = module.graph.call_function(target, args)
    if "nn_module_stack" in before.meta:
        new.meta["nn_module_stack"] = before.meta["nn_module_stack"]
    return new


def replace_node(node: Node, new: Node) -> None:
    """Put `new` in the place of `node`."""
    if "val" in node.meta:
        new.meta.setdefault("val", node.meta["val"])
    node.replace_all_uses_with(new)
    node.graph.erase_node(node)


def schema_arguments(node: Node, defaults: tuple[Any, ...]) -> list[Any]:
    """Return an operator's arguments in the order of its schema, missing ones from `defaults`."""
    names = [argument.name for argument in node.target._schema.arguments]  # type: ignore[union-attr]
    given = {**dict(zip(names, node.args, strict=False)), **node.kwargs}
    return [given.get(name, default) for name, default in zip(names, defaults, strict=False)]
