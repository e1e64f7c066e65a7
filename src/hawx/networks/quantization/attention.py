"""Attention and its products in one spelling: two-operand sums and fused attention become `matmul`, which the quantizer turns into layers."""

from __future__ import annotations

import torch
from torch.fx import GraphModule, Node

from hawx.networks.quantization.graph import aten, constant, insert, insert_constant, replace_node, schema_arguments


def spell_attention(module: GraphModule, node: Node) -> None:
    """`softmax(q·kᵀ·scale + mask)·v` (Vaswani et al. 2017, eq. 1), as two products and a softmax.

    Causal attention gets its mask as a constant, so its lengths must be fixed; keys and values that groups of heads share are repeated
    (Ainslie et al. 2023, arXiv 2305.13245). What cannot be spelled stays one float operator, and is listed.
    """
    q, k, v, mask, _, causal, scale, shared = schema_arguments(node, (None, None, None, None, 0.0, False, None, False))
    (rows, depth), columns = q.meta["val"].shape[-2:], k.meta["val"].shape[-2]
    if causal and not (isinstance(rows, int) and isinstance(columns, int)):
        return
    if shared:
        heads = [operand.meta["val"].shape[-3] for operand in (q, k)]
        k, v = (insert(module, node, aten.repeat_interleave.self_int, operand, heads[0] // heads[1], -3) for operand in (k, v))
    scaled = insert(module, node, aten.mul.Scalar, q, float(depth) ** -0.5 if scale is None else float(scale))
    logits = insert(module, node, aten.matmul.default, scaled, insert(module, node, aten.transpose.int, k, -2, -1))
    if causal:
        mask = insert_constant(module, node, torch.ones(rows, columns).tril().log(), f"{node.name}_mask", None)
        logits = insert(module, node, aten.add.Tensor, logits, mask)
    elif mask is not None and _dtype(module, mask) == torch.bool:
        hidden = insert(module, node, aten.logical_not.default, mask)
        logits = insert(module, node, aten.masked_fill.Scalar, logits, hidden, float("-inf"))
    elif mask is not None:
        logits = insert(module, node, aten.add.Tensor, logits, mask)
    replace_node(node, insert(module, node, aten.matmul.default, insert(module, node, aten.softmax.int, logits, -1), v))


def _dtype(module: GraphModule, node: Node) -> torch.dtype:
    known = constant(module, node)
    found: torch.dtype = (node.meta["val"] if known is None else known).dtype
    return found


def spell_einsum(module: GraphModule, node: Node) -> None:
    """`einsum("…ik,…jk->…ij", a, b)` in any order of its letters is a product of permuted operands; anything else stays as it is, and is listed.

    Each operand has one letter of its own, one that is summed over, and any number that all three share.
    """
    equation, operands = node.args[0], node.args[1]
    if not isinstance(equation, str) or not isinstance(operands, (list, tuple)) or len(operands) != 2 or "->" not in equation:
        return
    given, result = equation.replace(" ", "").split("->")
    left, right = given.split(",")
    batch = [letter for letter in result if letter in left and letter in right]
    summed = [letter for letter in left if letter in right and letter not in result]
    own = [[letter for letter in side if letter not in batch and letter not in summed] for side in (left, right)]
    spelled = [*batch, *own[0], *own[1]]
    if "." in equation or [len(part) for part in (summed, *own)] != [1, 1, 1] or sorted(spelled) != sorted(result) or len({*result}) != len(result):
        return
    if sorted([*batch, *own[0], *summed]) != sorted(left) or sorted([*batch, *summed, *own[1]]) != sorted(right):
        return
    first = insert(module, node, aten.permute.default, operands[0], [left.index(letter) for letter in (*batch, *own[0], *summed)])
    second = insert(module, node, aten.permute.default, operands[1], [right.index(letter) for letter in (*batch, *summed, *own[1])])
    product = insert(module, node, aten.matmul.default, first, second)
    replace_node(node, insert(module, node, aten.permute.default, product, [spelled.index(letter) for letter in result]))


def spell_baddbmm(module: GraphModule, node: Node) -> None:
    """`baddbmm(c, a, b)` is a product and a sum."""
    if not node.kwargs:
        offset, left, right = node.args
        product = insert(module, node, aten.matmul.default, left, right)
        replace_node(node, insert(module, node, aten.add.Tensor, product, offset))
