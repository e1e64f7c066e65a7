"""Canonical graph: one spelling per operation, so that the quantizer and the lowering each know one.

Each pass rewrites a traced graph in place and keeps its meaning: no in-place operators, no dead asserts, attention as two matrix products and
a softmax, convolutions with explicit integer padding, products with a constant matrix as `linear`, constants computed once.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.fx import GraphModule, Node

from hawx.networks.quantization.attention import spell_attention, spell_baddbmm, spell_einsum
from hawx.networks.quantization.batchnorm import fold_batch_norms
from hawx.networks.quantization.graph import (
    LAYER_NAME,
    MULTIPLYING_TARGETS,
    aten,
    constant,
    insert,
    insert_constant,
    replace_node,
    schema_arguments,
    source_of,
)

_CALLABLE = Callable[..., Any]
_IDENTITIES = {
    aten.dropout.default,
    aten.dropout_.default,
    aten.feature_dropout.default,
    aten.alpha_dropout.default,
    aten.clone.default,
    aten.contiguous.default,
    aten.detach.default,
    aten.detach_.default,
    aten.alias.default,
    aten.lift_fresh_copy.default,
    aten.lift_fresh.default,
}
_ASSERTS = ("_assert", "sym_constrain", "_guards_fn")


def canonicalize(module: GraphModule) -> None:
    """Rewrite the graph of `module` in place into canonical form."""
    _drop_asserts(module)
    _functionalize(module)
    for node in list(module.graph.nodes):
        if node.op == "call_function":
            rewrite = _REWRITES.get(node.target)
            if rewrite is not None:
                rewrite(module, node)
    _remove_identities(module)
    _fold_constants(module)
    for node in list(module.graph.nodes):
        if node.op == "call_function" and node.target in _PRODUCTS:
            _product_to_linear(module, node)
    for node in list(module.graph.nodes):
        if node.op == "call_function" and node.target is aten.linear.default:
            _absorb_bias(module, node)
        elif node.op == "call_function" and node.target is aten.constant_pad_nd.default:
            _pad_codes(module, node)
    _fold_constants(module)
    fold_batch_norms(module)
    _name_layers(module)
    module.graph.eliminate_dead_code()
    module.recompile()


def _drop_asserts(module: GraphModule) -> None:
    for node in reversed(list(module.graph.nodes)):
        if node.op in ("call_function", "call_module") and not node.users and any(mark in str(node.target) for mark in _ASSERTS):
            module.graph.erase_node(node)


def _functionalize(module: GraphModule) -> None:
    """`relu_(x)` becomes `relu(x)`, and everything after it that read `x` reads the result."""
    order = {node: i for i, node in enumerate(module.graph.nodes)}
    for node in module.graph.nodes:
        if node.op != "call_function" or not isinstance(node.target, torch._ops.OpOverload):
            continue
        packet, overload = node.target._schema.name.split("::")[1], node.target._overloadname or "default"
        if not packet.endswith("_") or packet.endswith("__") or not hasattr(aten, packet[:-1]):
            continue
        changed = node.args[0]
        node.target = getattr(getattr(aten, packet[:-1]), overload)
        for user in list(changed.users):
            if user is not node and order[user] > order[node]:
                user.replace_input_with(changed, node)


def _remove_identities(module: GraphModule) -> None:
    for node in list(module.graph.nodes):
        if node.op == "call_function" and node.target in _IDENTITIES:
            node.replace_all_uses_with(node.args[0])
            module.graph.erase_node(node)


def _fold_constants(module: GraphModule) -> None:
    """Compute what depends on constants alone (weight standardization, resized position embeddings, …) once."""
    known: dict[Node, Any] = {}
    for node in module.graph.nodes:
        if node.op == "get_attr":
            value = constant(module, node)
            if value is not None:
                known[node] = value
        elif node.op == "call_function" and all(source in known for source in node.all_input_nodes) and not _is_kept(node):
            arguments = torch.fx.map_arg((node.args, node.kwargs), lambda source: known[source])
            with torch.no_grad():
                known[node] = node.target(*arguments[0], **arguments[1])
    for node, value in known.items():
        if node.op == "call_function" and isinstance(value, Tensor) and any(user not in known for user in node.users):
            _replace_by_constant(module, node, value)
    module.graph.eliminate_dead_code()


def _is_kept(node: Node) -> bool:
    """Whether a node is not folded: random numbers, and integers that are read as they are."""
    if "dequantize_per" in str(node.target):
        return any(user.target in MULTIPLYING_TARGETS for user in node.users)
    return torch.Tag.nondeterministic_seeded in getattr(node.target, "tags", ())


def _replace_by_constant(module: GraphModule, node: Node, value: Tensor) -> None:
    sources = [source for source in _ancestors(node) if source.op == "get_attr"]
    largest = max(sources, key=lambda s: t.numel() if (t := constant(module, s)) is not None else 0) if sources else None
    new = insert_constant(module, node, value, f"_folded_{node.name}", source_of(largest))
    new.meta.update(node.meta)
    node.replace_all_uses_with(new)


def _ancestors(node: Node) -> list[Node]:
    seen: dict[Node, None] = {}
    waiting = list(node.all_input_nodes)
    while waiting:
        current = waiting.pop()
        if current not in seen:
            seen[current] = None
            waiting.extend(current.all_input_nodes)
    return list(seen)


def _view(module: GraphModule, node: Node) -> None:
    """A layer may return any strides, so every view becomes a reshape."""
    node.target = aten.reshape.default


def _constant_pad(module: GraphModule, node: Node) -> None:
    x, widths, mode, value = schema_arguments(node, (None, None, "constant", None))
    if mode == "constant":
        replace_node(node, insert(module, node, aten.constant_pad_nd.default, x, widths, value or 0.0))


def _same_padding(module: GraphModule, node: Node) -> None:
    """`padding='same'` or `'valid'` as numbers; an odd total puts the extra position after (PyTorch's rule)."""
    x, weight, bias, stride, padding, dilation, groups = schema_arguments(node, (None, None, None, [1], "valid", [1], 1))
    tensor = constant(module, weight)
    kernel = list(tensor.shape[2:]) if tensor is not None else list(weight.meta["val"].shape[2:])
    dims = len(kernel)
    dilation = list(dilation) * (dims if len(dilation) == 1 else 1)
    totals = [d * (k - 1) if padding == "same" else 0 for d, k in zip(dilation, kernel, strict=True)]
    if any(total % 2 for total in totals):
        widths = [side for total in reversed(totals) for side in (0, total % 2)]
        x = insert(module, node, aten.constant_pad_nd.default, x, widths)
    target = {1: aten.conv1d.default, 2: aten.conv2d.default, 3: aten.conv3d.default}[dims]
    replace_node(node, insert(module, node, target, x, weight, bias, list(stride), [total // 2 for total in totals], dilation, groups))


def _convolution(module: GraphModule, node: Node) -> None:
    x, weight, bias, stride, padding, dilation, transposed, _, groups = node.args
    if transposed:
        return
    target = {1: aten.conv1d.default, 2: aten.conv2d.default}.get(len(stride))  # type: ignore[arg-type]
    if target is not None:
        replace_node(node, insert(module, node, target, x, weight, bias, stride, padding, dilation, groups))


def _addmm(module: GraphModule, node: Node) -> None:
    if node.kwargs:
        return
    bias, x, weight = node.args
    product = insert(module, node, aten.mm.default, x, weight)
    replace_node(node, insert(module, node, aten.add.Tensor, product, bias))


def _first_of(target: _CALLABLE, build: Callable[[tuple[Any, ...]], tuple[Any, ...]]) -> Callable[[GraphModule, Node], None]:
    """A rewrite for operators that return several results of which only the first is read."""

    def rewrite(module: GraphModule, node: Node) -> None:
        if all(user.target is operator.getitem and user.args[1] == 0 for user in node.users):
            new = insert(module, node, target, *build(tuple(node.args)))
            for user in list(node.users):
                replace_node(user, new)
            module.graph.erase_node(node)

    return rewrite


_PRODUCTS = {aten.matmul.default, aten.mm.default, aten.bmm.default}


def _product_to_linear(module: GraphModule, node: Node) -> None:
    """`x @ W` with a constant matrix is `linear(x, Wᵀ)`."""
    matrix = constant(module, node.args[1])
    if matrix is not None and matrix.ndim == 2:
        weight = insert(module, node, aten.t.default, node.args[1])
        replace_node(node, insert(module, node, aten.linear.default, node.args[0], weight))


def _absorb_bias(module: GraphModule, node: Node) -> None:
    """A constant row added by the only reader of a linear operator without bias is its bias."""
    if len(node.users) != 1 or (len(node.args) > 2 and node.args[2] is not None):
        return
    user = next(iter(node.users))
    if user.target is not aten.add.Tensor or user.kwargs:
        return
    other = user.args[1] if user.args[0] is node else user.args[0]
    row = constant(module, other)
    filters = node.meta["val"].shape[-1] if "val" in node.meta else None
    if row is not None and row.ndim and row.numel() == row.shape[-1] == filters:
        bias = insert_constant(module, user, row.reshape(-1), f"_bias_{node.name}", source_of(other))
        replace_node(user, insert(module, user, aten.linear.default, node.args[0], node.args[1], bias))
        module.graph.erase_node(node)


def _pad_codes(module: GraphModule, node: Node) -> None:
    """Padding of dequantized codes with zeros is padding of the codes with their zero point."""
    codes = node.args[0]
    fill = node.args[2] if len(node.args) > 2 else 0
    if not isinstance(codes, Node) or "dequantize_per_tensor" not in str(codes.target) or fill:
        return
    inner = insert(module, node, aten.constant_pad_nd.default, codes.args[0], node.args[1], codes.args[2])
    replace_node(node, insert(module, node, codes.target, inner, *codes.args[1:]))


def _parameter_path(node: Node) -> str:
    """Return the path of the module whose weight (else whose bias) a multiplying node reads; empty where it has none."""
    sources = []
    for argument in node.args[1:3]:
        if isinstance(argument, Node) and "dequantize_per" in str(argument.target):
            argument = argument.args[0]
        sources.append(source_of(argument) or "")
    for source, suffix in zip(sources, ("weight", "bias"), strict=False):
        if source.endswith((f".{suffix}", f"_{suffix}")):
            return source.removesuffix(suffix)[:-1]
    return sources[0] if sources else ""


def _name_layers(module: GraphModule) -> None:
    """Name every multiplying node after its weight's parameter, `name#1`, `name#2`, … where one is used again."""
    used: dict[str, int] = {}
    for node in module.graph.nodes:
        if node.op != "call_function" or node.target not in MULTIPLYING_TARGETS:
            continue
        path = _parameter_path(node)
        if not path:
            stack = list((node.meta.get("nn_module_stack") or {}).values())
            path = str(stack[-1][0]) if stack and stack[-1][0] else node.name
            if node.target in _PRODUCTS and path != node.name:
                path = f"{path}.matmul"
        count = used.get(path, 0)
        used[path] = count + 1
        node.meta[LAYER_NAME] = f"{path}#{count}" if count else path


_REWRITES: dict[Any, Callable[[GraphModule, Node], None]] = {
    aten.view.default: _view,
    aten.pad.default: _constant_pad,
    aten._unsafe_view.default: _view,
    aten.conv1d.padding: _same_padding,
    aten.conv2d.padding: _same_padding,
    aten.conv3d.padding: _same_padding,
    aten.convolution.default: _convolution,
    aten.addmm.default: _addmm,
    aten.scaled_dot_product_attention.default: spell_attention,
    aten.einsum.default: spell_einsum,
    aten.baddbmm.default: spell_baddbmm,
    aten.native_layer_norm.default: _first_of(aten.layer_norm.default, lambda a: a),
    aten._native_batch_norm_legit_no_training.default: _first_of(
        aten.batch_norm.default, lambda a: (a[0], a[1], a[2], a[3], a[4], False, a[5], a[6], False)
    ),
    aten.max_pool2d_with_indices.default: _first_of(aten.max_pool2d.default, lambda a: a),
}
