"""The table: every ONNX operator that is read, with all that it takes. What is not in it is refused, by node name, when a file is read.

`contracts` says how a row is written; docs/operators.md is made from this table. Semantics: onnx.ai/onnx/operators, opsets 1 to 28; the
operator tests of the package `onnx` and onnxruntime are the oracles.
"""

from __future__ import annotations

import operator as op
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 (PyTorch's own idiom)

from hawx.importers.onnx import elementwise, layout, pooling, products, quantization, resize, sizes
from hawx.importers.onnx.contracts import Contract, Input, Required, Value
from hawx.importers.onnx.elementwise import plain


def _row(
    function: Callable[..., Value], *inputs: str, outputs: int | None = 1, on_sizes: Callable[..., Value] | None = None, **attributes: Any
) -> Contract:
    parsed = tuple(Input.parse(text) for text in inputs)
    return Contract(function=function, inputs=parsed, attributes=attributes, outputs=outputs, sizes=on_sizes)


def _unary(kinds: str, types: str, **attributes: Any) -> dict[str, Contract]:
    """Return rows for operators that PyTorch has by the same name, of one tensor."""
    return {kind: _row(plain(getattr(torch, kind.lower())), f"x {types}", **attributes) for kind in kinds.split()}


_FLAG, _SET, _UNSET = (0, 1), (1, 0), (0,)
_INTS = list
_AUTO_PAD = ("NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID")
_BROADCAST: Mapping[str, Any] = {"broadcast": _FLAG}
"""Before opset 7, whether shapes are matched from the end (the only way that is read)."""
_WINDOW: Mapping[str, Any] = {"auto_pad": _AUTO_PAD, "strides": _INTS, "pads": _INTS}
_REDUCE: Mapping[str, Any] = {"axes": _INTS, "keepdims": _SET, "noop_with_empty_axes": _FLAG}
_ROUND: Mapping[str, Any] = {"round_mode": ("up",), "saturate": (1,)}
_OLD_TRAINING: Mapping[str, Any] = {"is_test": _FLAG}


def _pair(function: Callable[[Any, Any], Any], types: str, on_sizes: Callable[..., Any] | None = None, **attributes: Any) -> Contract:
    arithmetic = None if on_sizes is None else sizes.plain(on_sizes)
    return _row(plain(function), f"x! {types}", f"y! {types}", on_sizes=arithmetic, **attributes)


def _reduction(function: elementwise.Reduction, types: str = "number", on_sizes: Callable[..., Value] | None = None) -> Contract:
    return _row(elementwise.reduce(function), f"x {types}", "axes? sizes", on_sizes=on_sizes, **_REDUCE)


OPERATORS: Mapping[str, Contract] = {
    # Every number alone
    **_unary("Exp Log Erf Reciprocal Sigmoid Tanh Sin Cos Tan Asin Acos Atan Sinh Cosh Asinh Acosh Atanh", "float"),
    **_unary("Round IsNaN", "float"),
    **_unary("Abs Sign Relu", "number"),
    "Floor": _row(plain(torch.floor), "x float", on_sizes=sizes.plain(np.floor)),
    "Ceil": _row(plain(torch.ceil), "x float", on_sizes=sizes.plain(np.ceil)),
    "Sqrt": _row(plain(torch.sqrt), "x float", on_sizes=sizes.plain(np.sqrt)),
    "Neg": _row(plain(torch.neg), "x number", on_sizes=sizes.plain(np.negative)),
    "Not": _row(plain(torch.logical_not), "x bool", on_sizes=sizes.plain(np.logical_not)),
    "BitwiseNot": _row(plain(torch.bitwise_not), "x integer"),
    "IsInf": _row(elementwise.is_infinite, "x float", detect_positive=_SET, detect_negative=_SET),
    "Softplus": _row(plain(F.softplus), "x float"),
    "Softsign": _row(plain(F.softsign), "x float"),
    "Mish": _row(plain(F.mish), "x float"),
    "HardSwish": _row(plain(F.hardswish), "x float"),
    "HardSigmoid": _row(elementwise.hard_sigmoid, "x float", alpha=0.2, beta=0.5),
    "LeakyRelu": _row(elementwise.leaky_relu, "x float", alpha=0.01),
    "ThresholdedRelu": _row(elementwise.thresholded_relu, "x float", alpha=1.0),
    "PRelu": _row(elementwise.prelu, "x number", "slope number"),
    "Elu": _row(elementwise.elu, "x float", alpha=1.0),
    "Celu": _row(elementwise.celu, "x float", alpha=1.0),
    "Selu": _row(elementwise.selu, "x float", alpha=1.67326319217681884765625, gamma=1.05070102214813232421875),
    "Gelu": _row(elementwise.gelu, "x float", approximate=("none", "tanh")),
    "Swish": _row(elementwise.swish, "x float", alpha=1.0),
    "Shrink": _row(elementwise.shrink, "x number", bias=0.0, lambd=0.5),
    "Clip": _row(elementwise.clip, "x number", "low?! number", "high?! number", min=float, max=float),
    "Cast": _row(elementwise.cast, "x any", on_sizes=sizes.cast, to=Required(int), **_ROUND),
    "CastLike": _row(elementwise.cast_like, "x any", "like pattern", **_ROUND),
    "Identity": _row(plain(lambda x: x), "x any", on_sizes=plain(lambda x: x)),
    "Dropout": _row(products.dropout, "x float", "ratio? constant", "training? constant", outputs=2, ratio=0.5, seed=int, **_OLD_TRAINING),
    # Pairs of numbers
    "Add": _pair(op.add, "number", np.add, **_BROADCAST),
    "Sub": _pair(op.sub, "number", np.subtract, **_BROADCAST),
    "Mul": _pair(op.mul, "number", np.multiply, **_BROADCAST),
    "Div": _row(elementwise.divide, "x! number", "y! number", on_sizes=sizes.divide, **_BROADCAST),
    "Mod": _row(elementwise.modulo, "x! number", "y! number", on_sizes=sizes.plain(np.mod), fmod=_FLAG),
    "Pow": _row(elementwise.power, "x! number", "y! exponent", **_BROADCAST),
    "Equal": _pair(op.eq, "any", np.equal),
    "Less": _pair(op.lt, "number", np.less),
    "Greater": _pair(op.gt, "number", np.greater),
    "LessOrEqual": _pair(op.le, "number", np.less_equal),
    "GreaterOrEqual": _pair(op.ge, "number", np.greater_equal),
    "And": _row(plain(torch.logical_and), "x bool", "y bool", on_sizes=sizes.plain(np.logical_and)),
    "Or": _row(plain(torch.logical_or), "x bool", "y bool", on_sizes=sizes.plain(np.logical_or)),
    "Xor": _row(plain(torch.logical_xor), "x bool", "y bool"),
    "BitwiseAnd": _row(plain(torch.bitwise_and), "x integer", "y integer"),
    "BitwiseOr": _row(plain(torch.bitwise_or), "x integer", "y integer"),
    "BitwiseXor": _row(plain(torch.bitwise_xor), "x integer", "y integer"),
    "Where": _row(plain(torch.where), "condition bool", "x! any", "y! any", on_sizes=sizes.plain(np.where)),
    "Min": _row(elementwise.folded(elementwise.smaller), "values*! number", on_sizes=elementwise.folded(np.minimum)),
    "Max": _row(elementwise.folded(elementwise.larger), "values*! number", on_sizes=elementwise.folded(np.maximum)),
    "Sum": _row(elementwise.folded(op.add), "values* float"),
    "Mean": _row(elementwise.mean, "values* float"),
    # Along axes
    "ReduceMean": _reduction(elementwise.reduce_mean, "float"),
    "ReduceSum": _reduction(elementwise.reduce_sum, on_sizes=sizes.reduce(np.add)),
    "ReduceMax": _reduction(elementwise.reduce_max, "any", on_sizes=sizes.reduce(np.maximum)),
    "ReduceMin": _reduction(elementwise.reduce_min, "any", on_sizes=sizes.reduce(np.minimum)),
    "ReduceProd": _reduction(elementwise.reduce_product, on_sizes=sizes.reduce(np.multiply)),
    "ReduceL1": _reduction(elementwise.reduce_l1),
    "ReduceL2": _reduction(elementwise.reduce_l2, "float"),
    "ReduceSumSquare": _reduction(elementwise.reduce_squares),
    "ReduceLogSum": _reduction(elementwise.reduce_log_sum, "float"),
    "ReduceLogSumExp": _reduction(elementwise.reduce_log_sum_exp, "float"),
    "ArgMax": _row(elementwise.arg_extreme(torch.argmax), "x number", axis=0, keepdims=_SET, select_last_index=_FLAG),
    "ArgMin": _row(elementwise.arg_extreme(torch.argmin), "x number", axis=0, keepdims=_SET, select_last_index=_FLAG),
    "CumSum": _row(elementwise.cumulative(torch.cumsum, 0), "x number", "axis constant", exclusive=_FLAG, reverse=_FLAG),
    "CumProd": _row(elementwise.cumulative(torch.cumprod, 1), "x number", "axis constant", exclusive=_FLAG, reverse=_FLAG),
    "TopK": _row(elementwise.top_k, "x number", "k constant", outputs=2, axis=-1, largest=_SET, sorted=_SET),
    "Softmax": _row(elementwise.softmax(F.softmax), "x float", axis=int),
    "LogSoftmax": _row(elementwise.softmax(F.log_softmax), "x float", axis=int),
    "Hardmax": _row(elementwise.softmax(elementwise.hardmax), "x float", axis=int),
    # Products
    "Conv": _row(
        products.conv, "x float32 3-5", "weight float32 3-5", "bias? float32 1", **_WINDOW, dilations=_INTS, group=1, kernel_shape=_INTS
    ),
    "ConvTranspose": _row(
        products.conv_transpose, "x float32 3-5", "weight float32 3-5", "bias? float32 1",
        **_WINDOW, dilations=_INTS, group=1, kernel_shape=_INTS, output_padding=_INTS, output_shape=_INTS,
    ),
    "MatMul": _row(products.matmul, "x single 1-8", "y single 1-8"),
    "Gemm": _row(
        products.gemm, "x float32 2", "weight float32 2", "bias?! float32 0-2", alpha=1.0, beta=1.0, transA=_FLAG, transB=_FLAG, **_BROADCAST
    ),
    "Einsum": _row(products.einsum, "operands* single", equation=Required(str)),
    "Attention": _row(
        products.attention, "query float32 3-4", "key float32 3-4", "value float32 3-4", "mask? pattern",
        is_causal=_FLAG, kv_num_heads=int, q_num_heads=int, scale=float, softcap=0.0, softmax_precision=(1,), qk_matmul_output_mode=(0, 1, 2, 3),
        left_window_size=(-1,), right_window_size=(-1,),
    ),
    "RotaryEmbedding": _row(
        products.rotary_embedding, "x float 3-4", "cosine float 2-3", "sine float 2-3", "positions? index 2",
        interleaved=_FLAG, num_heads=int, rotary_embedding_dim=0,
    ),
    # Normalization
    "BatchNormalization": _row(
        products.batch_norm, "x single 2-5", "scale single 1", "bias single 1", "mean single 1", "variance single 1",
        epsilon=1e-5, momentum=0.9, training_mode=_UNSET, spatial=(1,), **_OLD_TRAINING,
    ),
    "LayerNormalization": _row(
        products.layer_norm, "x single 1-8", "scale single", "bias? single", outputs=3, axis=-1, epsilon=1e-5, stash_type=(1,)
    ),
    "RMSNormalization": _row(products.rms_norm, "x single 1-8", "scale single", axis=-1, epsilon=1e-5, stash_type=(1,)),
    "InstanceNormalization": _row(products.instance_norm, "x single 3-8", "scale single 1", "bias single 1", epsilon=1e-5),
    "GroupNormalization": _row(
        products.group_norm, "x single 3-8", "scale single 1", "bias single 1", epsilon=1e-5, num_groups=Required(int), stash_type=(1,)
    ),
    "MeanVarianceNormalization": _row(products.mean_variance_normalization, "x single", axes=_INTS),
    "LpNormalization": _row(products.lp_normalization, "x single", axis=-1, p=(2, 1)),
    "LRN": _row(pooling.local_response_normalization, "x single 3-8", alpha=0.0001, beta=0.75, bias=1.0, size=Required(int)),
    # Windows
    "MaxPool": _row(
        pooling.max_pool, "x number 3-5", **_WINDOW, ceil_mode=_FLAG, dilations=_INTS, kernel_shape=Required(list), storage_order=_FLAG
    ),
    "AveragePool": _row(
        pooling.average_pool, "x single 3-5", **_WINDOW, ceil_mode=_FLAG, count_include_pad=_FLAG, dilations=_INTS, kernel_shape=Required(list)
    ),
    "LpPool": _row(pooling.lp_pool, "x single 3-5", **_WINDOW, ceil_mode=_FLAG, dilations=_INTS, kernel_shape=Required(list), p=2),
    "GlobalAveragePool": _row(pooling.global_average_pool, "x single 3-8"),
    "GlobalMaxPool": _row(pooling.global_max_pool, "x single 3-8"),
    "DepthToSpace": _row(pooling.depth_to_space, "x any 4", blocksize=Required(int), mode=("DCR", "CRD")),
    "SpaceToDepth": _row(pooling.space_to_depth, "x any 4", blocksize=Required(int), mode=("DCR", "CRD")),
    "Resize": _row(
        resize.resize, "x single 1-8", "roi? constant", "scales? constant", "sizes? sizes",
        mode=("nearest", "linear", "cubic"), antialias=_FLAG, axes=_INTS, cubic_coeff_a=-0.75, exclude_outside=_FLAG, extrapolation_value=0.0,
        coordinate_transformation_mode=(
            "half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric", "tf_half_pixel_for_nn", "tf_crop_and_resize"
        ),
        keep_aspect_ratio_policy=("stretch", "not_larger", "not_smaller"),
        nearest_mode=("round_prefer_floor", "round_prefer_ceil", "floor", "ceil"),
    ),
    "Upsample": _row(resize.upsample, "x single 1-8", "scales? constant", mode=("nearest", "linear"), scales=_INTS),
    "GridSample": _row(
        products.grid_sample, "x single 4-5", "grid single 4-5", align_corners=_FLAG,
        mode=("bilinear", "linear", "nearest", "bicubic", "cubic"), padding_mode=("zeros", "border", "reflection"),
    ),
    # Shapes and places
    "Shape": _row(layout.shape_of, "x any", on_sizes=sizes.shape_of, start=0, end=int),
    "Size": _row(layout.size_of, "x any", on_sizes=sizes.size_of),
    "Reshape": _row(layout.reshape, "x any", "shape sizes", on_sizes=sizes.reshape, allowzero=_FLAG),
    "Flatten": _row(layout.flatten, "x any", axis=1),
    "Transpose": _row(layout.transpose, "x any", perm=_INTS),
    "Squeeze": _row(layout.squeeze, "x any", "axes? sizes", on_sizes=sizes.squeeze, axes=_INTS),
    "Unsqueeze": _row(layout.unsqueeze, "x any", "axes? sizes", on_sizes=sizes.unsqueeze, axes=_INTS),
    "Expand": _row(layout.expand, "x any", "shape sizes", on_sizes=sizes.expand),
    "Tile": _row(layout.tile, "x any", "repeats sizes"),
    "Concat": _row(layout.concat, "values* any", on_sizes=sizes.concat, axis=Required(int)),
    "Split": _row(layout.split, "x any", "sizes? sizes", outputs=None, axis=0, num_outputs=int, split=_INTS),
    "Slice": _row(
        layout.cut, "x any", "starts? sizes", "ends? sizes", "axes? sizes", "steps? sizes", on_sizes=sizes.cut, starts=_INTS, ends=_INTS, axes=_INTS
    ),
    "Gather": _row(layout.gather, "x any 1-8", "index! index", on_sizes=sizes.gather, axis=0),
    "GatherElements": _row(layout.gather_elements, "x any 1-8", "index index 1-8", axis=0),
    "GatherND": _row(layout.gather_nd, "x any 1-8", "index index 1-8", batch_dims=0),
    "ScatterElements": _row(
        layout.scatter_elements, "x any 1-8", "index index 1-8", "updates any 1-8", axis=0, reduction=("none", "add", "mul", "max", "min")
    ),
    "ScatterND": _row(layout.scatter_nd, "x any 1-8", "index index 1-8", "updates any", reduction=("none", "add", "mul", "max", "min")),
    "Pad": _row(
        layout.pad, "x any 1-8", "pads? sizes", "value? constant", "axes? sizes", mode=("constant", "reflect", "edge", "wrap"), pads=_INTS, value=0.0
    ),
    "CenterCropPad": _row(layout.center_crop_pad, "x any 1-8", "shape sizes", axes=_INTS),
    "ReverseSequence": _row(layout.reverse_sequence, "x any 2-8", "lengths constant", batch_axis=_SET, time_axis=_FLAG),
    "Trilu": _row(layout.trilu, "x any 2-8", "k? constant", upper=_SET),
    "OneHot": _row(layout.one_hot, "index number", "depth constant", "values any 1", axis=-1),
    "EyeLike": _row(layout.eye_like, "x any 2", dtype=int, k=0),
    "ConstantOfShape": _row(layout.constant_of_shape, "shape sizes", on_sizes=sizes.constant_of_shape, value=np.ndarray),
    "Range": _row(sizes.span, "start sizes", "limit sizes", "delta sizes", on_sizes=sizes.span),
    # Codes
    "QuantizeLinear": _row(
        quantization.quantize, "x float32", "scale constant", "zero_point? constant",
        axis=int, block_size=_UNSET, output_dtype=int, precision=(0, 1), saturate=(1, 0),
    ),
    "DequantizeLinear": _row(
        quantization.dequantize, "codes codes", "scale constant", "zero_point? constant", axis=1, block_size=_UNSET, output_dtype=(0, 1)
    ),
}  # fmt: skip
"""Operator -> contract."""
