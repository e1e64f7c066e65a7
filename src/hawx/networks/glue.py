"""Glue: the closed table of float operators between layers, keyed by the names of ATen overloads.

Two kinds, chosen so that results do not depend on batch size, thread count, memory format or vector width:

* `EXACT`: data movement and operators that IEEE 754 defines to the last bit (add, multiply, maximum, …), called as they are;
* `ROUNDED`: sums and transcendental functions, computed in float64 and rounded once to the type of their operands. Their float64 result
  may differ by a few units in its own last place from one vector width to another, some 2^-50 relative, which the rounding to float32 removes.

A program names operators; it never carries code. A name outside the table is refused when the program is built.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import torch
from torch import Tensor

from hawx.errors import InputError
from hawx.networks.steps import DType, Ref, operators

Value = Any
"""What a step produces: a tensor, a Python number (sizes), or a tuple of them."""

EXACT: frozenset[str] = operators(
    """
    add.Tensor add.Scalar sub.Tensor sub.Scalar rsub.Scalar mul.Tensor mul.Scalar div.Tensor div.Scalar neg.default abs.default sqrt.default
    div.Tensor_mode div.Scalar_mode remainder.Tensor remainder.Scalar fmod.Tensor fmod.Scalar
    reciprocal.default square.default relu.default relu6.default hardtanh.default clamp.default clamp.Tensor clamp_min.default clamp_max.default
    maximum.default minimum.default leaky_relu.default prelu.default sign.default floor.default ceil.default round.default
    max_pool1d.default max_pool2d.default avg_pool1d.default avg_pool2d.default amax.default amin.default
    argmax.default argmin.default sort.stable isnan.default
    view.default reshape.default _unsafe_view.default flatten.using_ints unflatten.int permute.default transpose.int t.default numpy_T.default
    unsqueeze.default squeeze.default squeeze.dim squeeze.dims expand.default expand_as.default repeat.default tile.default
    cat.default stack.default slice.Tensor select.int narrow.default split.Tensor split_with_sizes.default chunk.default unbind.int
    constant_pad_nd.default pad.default reflection_pad2d.default replication_pad2d.default
    clone.default contiguous.default detach.default alias.default to.dtype _to_copy.default lift_fresh_copy.default
    roll.default flip.default pixel_shuffle.default pixel_unshuffle.default channel_shuffle.default upsample_nearest2d.default upsample_nearest2d.vec
    index_select.default index.Tensor gather.default scatter.src embedding.default repeat_interleave.self_int where.self masked_fill.Scalar
    eq.Scalar ne.Scalar gt.Scalar ge.Scalar lt.Scalar le.Scalar eq.Tensor gt.Tensor ge.Tensor lt.Tensor le.Tensor
    logical_not.default logical_and.default logical_or.default logical_xor.default
    bitwise_not.default bitwise_and.Tensor bitwise_or.Tensor bitwise_xor.Tensor
    arange.default arange.start arange.start_step full.default full_like.default zeros.default zeros_like.default ones.default ones_like.default
    new_zeros.default new_full.default scalar_tensor.default sym_size.int
    """
)

ROUNDED: frozenset[str] = operators(
    """
    mean.dim mean.default sum.dim_IntList sum.default var.dim var.correction std.dim std.correction cumsum.default
    prod.dim_int cumprod.default logsumexp.default scatter_reduce.two
    adaptive_avg_pool1d.default adaptive_avg_pool2d.default softmax.int _softmax.default _safe_softmax.default log_softmax.int
    sigmoid.default tanh.default exp.default log.default erf.default pow.Tensor_Scalar pow.Tensor_Tensor pow.Scalar rsqrt.default sin.default
    cos.default tan.default asin.default acos.default atan.default sinh.default cosh.default asinh.default acosh.default atanh.default
    gelu.default silu.default mish.default elu.default selu.default celu.default softplus.default softsign.default log_sigmoid.default
    layer_norm.default group_norm.default instance_norm.default batch_norm.default rms_norm.default linalg_vector_norm.default norm.ScalarOpt_dim
    linear.default matmul.default mm.default bmm.default addmm.default baddbmm.default einsum.default
    conv1d.default conv2d.default conv3d.default conv2d.padding conv1d.padding conv_transpose1d.default conv_transpose2d.input conv_transpose3d.input
    convolution.default scaled_dot_product_attention.default
    upsample_bilinear2d.default upsample_bilinear2d.vec upsample_bicubic2d.default upsample_bicubic2d.vec
    grid_sampler.default
    """
)


def _identity(x: Value, *_: Any) -> Value:
    return x


def _hardsigmoid(x: Tensor) -> Tensor:
    return (x + 3.0).clamp(0.0, 6.0) / 6.0


def _hardswish(x: Tensor) -> Tensor:
    return x * (x + 3.0).clamp(0.0, 6.0) / 6.0


def _scaled_add(x: Value, y: Value, *, alpha: float = 1) -> Value:
    """`x + alpha·y` in two roundings: ATen may fuse them in some loops and not in others."""
    return x + (y if alpha == 1 else y * alpha)


def _scaled_sub(x: Value, y: Value, *, alpha: float = 1) -> Value:
    return x - (y if alpha == 1 else y * alpha)


def max_pool_codes(
    x: Tensor,
    kernel: tuple[int, ...],
    stride: tuple[int, ...] = (),
    padding: tuple[int, ...] = (0, 0),
    dilation: tuple[int, ...] = (1, 1),
    ceil_mode: bool = False,
) -> Tensor:
    """Max pooling of (N, C, H, W) codes as maxima of shifted slices, rows before columns; see `torch.nn.functional.max_pool2d`.

    PyTorch's own lacks 8-bit channels-last tensors and is ten times slower on contiguous ones.
    """
    for axis, k, s, p, d in zip((2, 3), pair(kernel), pair(stride or kernel), pair(padding), pair(dilation), strict=True):
        x = _max_along(x, axis, k, s, p, d, ceil_mode)
    return x


def _max_along(x: Tensor, axis: int, kernel: int, stride: int, padding: int, dilation: int, ceil_mode: bool) -> Tensor:
    size = x.shape[axis]
    count = pooled(size, kernel, stride, padding, dilation, ceil_mode)
    after = max(0, (count - 1) * stride + (kernel - 1) * dilation + 1 - size - padding)
    if padding or after:
        widths = (0, 0, padding, after) if axis == 2 else (padding, after, 0, 0)
        x = torch.nn.functional.pad(x, widths, value=torch.iinfo(x.dtype).min)
    reach = (count - 1) * stride + 1
    parts = [x.narrow(axis, i * dilation, reach)[(slice(None),) * axis + (slice(None, None, stride),)] for i in range(kernel)]
    result = parts[0]
    for part in parts[1:]:
        result = torch.maximum(result, part)
    return result


def pair(value: int | tuple[int, ...]) -> tuple[int, int]:
    """Return a size that holds for both axes, or for each."""
    if isinstance(value, int):
        return value, value
    return (value[0], value[0]) if len(value) == 1 else (value[0], value[1])


def pooled(size: int, kernel: int, stride: int, padding: int, dilation: int, ceil_mode: bool) -> int:
    """Return the windows along an axis of `size` positions, as PyTorch counts them."""
    span = size + 2 * padding - dilation * (kernel - 1) - 1
    count = (-(-span // stride) if ceil_mode else span // stride) + 1
    if ceil_mode and (count - 1) * stride >= size + padding:  # the last window must start inside the image or its left padding
        count -= 1
    return count


OWN: Mapping[str, Callable[..., Value]] = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "floordiv": operator.floordiv,
    "mod": operator.mod,
    "neg": operator.neg,
    "truediv": operator.truediv,
    "getitem": operator.getitem,
    "sym_size": lambda x, axis: x.shape[axis],
    "max_pool_codes": max_pool_codes,
    "add.Tensor": _scaled_add,
    "sub.Tensor": _scaled_sub,
    "hardsigmoid.default": _hardsigmoid,
    "hardswish.default": _hardswish,
    "dropout.default": _identity,
    "identity": _identity,
    "sym_size.int": lambda x, axis: x.shape[axis],
}
"""Operators of our own, and arithmetic on sizes."""

MULTIPLYING: frozenset[str] = operators(
    """
    linear.default matmul.default mm.default bmm.default addmm.default baddbmm.default einsum.default conv1d.default conv2d.default conv3d.default
    conv2d.padding conv1d.padding conv_transpose1d.default conv_transpose2d.input conv_transpose3d.input convolution.default
    scaled_dot_product_attention.default
    """
)
"""Operators that multiply and accumulate: where one remains as glue, the network's coverage list names it."""


def supported(op: str) -> bool:
    return op in OWN or op in EXACT or op in ROUNDED


@cache
def operator_of(op: str) -> Callable[..., Value]:
    """Return the function behind an operator's name.

    Raises:
        InputError: the name is not in the table.
    """
    if op in OWN:
        return OWN[op]
    if op not in EXACT and op not in ROUNDED:
        raise InputError(f"operator {op!r} is not in the table of network operators; expected one of hawx.networks.glue.")
    packet, overload = op.split(".")
    function: Callable[..., Value] = getattr(getattr(torch.ops.aten, packet), overload)
    return _rounded(function) if op in ROUNDED else function


def _rounded(function: Callable[..., Value]) -> Callable[..., Value]:
    def wide(value: Value, found: set[torch.dtype]) -> Value:
        if isinstance(value, Tensor) and value.is_floating_point():
            found.add(value.dtype)
            return value.to(torch.float64)
        if isinstance(value, (list, tuple)):
            return type(value)(wide(item, found) for item in value)
        return torch.float64 if value is torch.float32 else value

    def narrow(value: Value, dtype: torch.dtype) -> Value:
        if isinstance(value, Tensor):
            return value.to(dtype) if value.dtype == torch.float64 else value
        return tuple(narrow(item, dtype) for item in value) if isinstance(value, (list, tuple)) else value

    def rounded(*args: Value, **kwargs: Value) -> Value:
        found: set[torch.dtype] = set()
        result = function(*(wide(a, found) for a in args), **{k: wide(v, found) for k, v in kwargs.items()})
        return narrow(result, next((dtype for dtype in _WIDEST_FIRST if dtype in found), torch.float32))

    return rounded


_WIDEST_FIRST = (torch.float64, torch.float32, torch.bfloat16, torch.float16)


def resolve(value: Any, values: Mapping[str, Value]) -> Any:
    """Return an argument of a step with references replaced by values and dtypes by PyTorch's."""
    if isinstance(value, Ref):
        return values[value.name]
    if isinstance(value, DType):
        return getattr(torch, value.name)
    if isinstance(value, tuple):
        return [resolve(item, values) for item in value]
    return value
