"""Float ONNX against onnxruntime, QDQ ONNX against onnxruntime without graph optimizations, the same integers as through PyTorch, bad files."""

from __future__ import annotations

import logging
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from small_networks import MODULES, images, module
from torch import nn

from hawx.errors import InputError
from hawx.formats import IntFormat
from hawx.importers.networks import load_network, quantize, save_network
from hawx.networks import LayerKind, requantize
from hawx.networks.requantize import torch_dtype

onnx = pytest.importorskip("onnx")
ort = pytest.importorskip("onnxruntime")
helper, numpy_helper = onnx.helper, onnx.numpy_helper
TensorProto = onnx.TensorProto


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("onnx")
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in MODULES:
            shapes = ({0: torch.export.Dim.DYNAMIC},)
            example = (torch.from_numpy(images(2)),)
            torch.onnx.export(module(name), example, folder / f"{name}.onnx", dynamo=True, dynamic_shapes=shapes, verbose=False)
    return {name: folder / f"{name}.onnx" for name in MODULES}


def run_ort(path: Path | bytes, x: np.ndarray, *, optimize: bool = True) -> np.ndarray:
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    if not optimize:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(path if isinstance(path, bytes) else str(path), options)
    return session.run(None, {session.get_inputs()[0].name: x})[0]


@pytest.mark.parametrize("name", list(MODULES))
def test_float_files_agree_with_onnxruntime(exported, name) -> None:
    from hawx.importers.onnx.module import load_onnx

    expected = run_ort(exported[name], images(5))
    with torch.no_grad():
        found = load_onnx(exported[name])(torch.from_numpy(images(5))).numpy()
    assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()


@pytest.mark.parametrize("name", list(MODULES))
def test_the_same_network_gives_the_same_integers_through_onnx(exported, name) -> None:
    """Exactly, but for layers with a folded batch normalization: the exporter folds in float32, we fold in float64, which moves a few weights by
    one code and scales by a few units in the last place. Everything after such a layer sees slightly other calibration values."""
    direct = quantize(module(name), images(48), name=name)
    through = quantize(exported[name], images(48), name=name)
    unnamed = [[replace(layer, name="") if layer.kind is LayerKind.MATMUL else layer for layer in net.layers] for net in (through, direct)]
    assert unnamed[0] == unnamed[1], "an ONNX file does not name the module that a product of activations is in"
    assert len(through.unconverted) == len(direct.unconverted)
    for a, b in zip(direct.quantized.values(), through.quantized.values(), strict=True):
        if not a.is_product:
            difference = (a.weight.int() - b.weight.int()).abs()
            assert int(difference.max()) <= 1
            assert float(difference.float().mean()) <= 0.01
        torch.testing.assert_close(a.scale, b.scale, rtol=1e-5, atol=0)
        torch.testing.assert_close(a.bias * a.scale, b.bias * b.scale, rtol=1e-4, atol=1e-5)
        if name != "residual":
            assert torch.equal(a.weight, b.weight)
    assert torch.equal(direct(images(20)).argmax(1), through(images(20)).argmax(1))


@pytest.mark.parametrize("activation", ["QUInt8", "QInt8"])
@pytest.mark.parametrize("name", list(MODULES))
def test_qdq_files_are_read_as_the_integers_they_hold(exported, tmp_path, monkeypatch, name, activation) -> None:
    from onnxruntime import quantization as q

    class Reader(q.CalibrationDataReader):
        def __init__(self) -> None:
            self.batches = iter([{"x": images(48)[i : i + 16]} for i in range(0, 48, 16)])

        def get_next(self):
            return next(self.batches, None)

    path = tmp_path / "q.onnx"
    logging.getLogger().setLevel(logging.ERROR)
    kind = getattr(q.QuantType, activation)
    q.quantize_static(exported[name], path, Reader(), quant_format=q.QuantFormat.QDQ, per_channel=True, activation_type=kind)
    network = quantize(path)
    held = [numpy_helper.to_array(i) for i in onnx.load(path).graph.initializer]
    weights = [array for array in held if array.dtype == np.int8 and array.ndim > 1]
    integers = {array.tobytes() for array in weights} | {np.ascontiguousarray(array.T).tobytes() for array in weights}
    for layer in network.quantized.values():
        assert layer.is_product or layer.weight.numpy().tobytes() in integers
    expected = run_ort(path, images(20), optimize=False)
    found = network(images(20)).numpy()
    if name != "squeeze":
        np.testing.assert_array_equal(found, expected)
        return
    # It averages codes, and averages fall on ties: onnxruntime divides by a scale, HAWX multiplies by its inverse. That is the only difference:
    # dividing, the same program gives onnxruntime's outputs to the bit. And the two laws differ only within float32's rounding of a tie.
    apart = 0

    def divided(values: torch.Tensor, scale: float, zero_point: int, fmt: IntFormat) -> torch.Tensor:
        nonlocal apart
        codes = ((values / np.float32(scale)).round() + zero_point).clamp(fmt.min, fmt.max).to(torch_dtype(fmt))
        other = codes != requantize.quantize(values, scale, zero_point, fmt)
        real = values[other].double() / float(np.float32(scale))
        assert bool(((real - real.floor() - 0.5).abs() <= 2.0**-23 * real.abs()).all())
        apart += int(other.sum())
        return codes

    with monkeypatch.context() as patch:
        patch.setattr("hawx.networks.network.fuse", lambda steps, output: steps)
        patch.setattr("hawx.networks.network.quantize", divided)
        np.testing.assert_array_equal(replace(network)(images(20)).numpy(), expected)
    assert apart > 0


def small_onnx(nodes: list, constants: dict[str, np.ndarray], *, opset: int = 17, shape: tuple = ("N", 3, 8, 8)) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(v, k) for k, v in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


RNG = np.random.default_rng(0)
W = RNG.normal(size=(4, 3, 3, 3)).astype(np.float32)


def I64(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def F32(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


CASES = {
    "conv_same_upper": (11, [("Conv", ["x", "w"], {"auto_pad": "SAME_UPPER", "strides": [2, 2], "kernel_shape": [3, 3]})], {"w": W}),
    "conv_same_lower": (13, [("Conv", ["x", "w"], {"auto_pad": "SAME_LOWER", "strides": [2, 2]})], {"w": W}),
    "conv_asymmetric": (17, [("Conv", ["x", "w", "b"], {"pads": [0, 1, 2, 1], "dilations": [2, 1]})], {"w": W, "b": F32(1, 2, 3, 4)}),
    "clip_attributes": (11, [("Clip", ["x", "lo", "hi"], {})], {"lo": np.float32(-0.3), "hi": np.float32(0.5)}),
    "hard": (17, [("HardSigmoid", ["x"], {"alpha": 0.3, "beta": 0.4}), ("HardSwish", ["t0"], {})], {}),
    "leaky": (17, [("LeakyRelu", ["x"], {"alpha": 0.2}), ("Elu", ["t0"], {"alpha": 0.5})], {}),
    "prelu": (17, [("PRelu", ["x", "s"], {})], {"s": RNG.normal(size=(3, 1, 1)).astype(np.float32)}),
    "softmax_old": (11, [("Softmax", ["x"], {"axis": 1})], {}),
    "softmax_new": (13, [("Softmax", ["x"], {"axis": 1})], {}),
    "max_pool_ceil": (17, [("MaxPool", ["x"], {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1})], {}),
    "max_pool_asymmetric": (17, [("MaxPool", ["x"], {"kernel_shape": [2, 2], "strides": [2, 2], "pads": [0, 0, 1, 1]})], {}),
    "avg_pool_counts": (17, [("AveragePool", ["x"], {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "count_include_pad": 1})], {}),
    "avg_pool_plain": (17, [("AveragePool", ["x"], {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]})], {}),
    "global_pools": (17, [("GlobalAveragePool", ["x"], {}), ("GlobalMaxPool", ["x"], {}), ("Add", ["t0", "t1"], {})], {}),
    "batch_norm": (
        15,
        [("BatchNormalization", ["x", "a", "b", "a", "c"], {"epsilon": 0.01})],
        {"a": F32(1, 2, 3), "b": F32(0, 1, -1), "c": F32(1, 4, 2)},
    ),
    "layer_norm": (17, [("LayerNormalization", ["x", "a", "b"], {"axis": -1})], {"a": RNG.normal(size=8).astype(np.float32), "b": F32(*range(8))}),
    "instance_norm": (17, [("InstanceNormalization", ["x", "a", "b"], {})], {"a": F32(1, 2, 3), "b": F32(0, 1, -1)}),
    "reduce": (17, [("ReduceMean", ["x"], {"axes": [2, 3], "keepdims": 0})], {}),
    "reduce_new": (18, [("ReduceMean", ["x", "axes"], {"keepdims": 1})], {"axes": I64(1)}),
    "reduce_l2": (18, [("ReduceL2", ["x", "axes"], {"keepdims": 1})], {"axes": I64(1)}),
    "slice_concat": (
        13,
        [("Slice", ["x", "s", "e", "ax", "st"], {}), ("Concat", ["t0", "t0"], {"axis": 1})],
        {"s": I64(1, 0), "e": I64(8, 3), "ax": I64(2, 1), "st": I64(2, 1)},
    ),
    "split": (13, [("Split", ["x", "parts"], {"axis": 1}, 2), ("Sub", ["t0", "t0b"], {})], {"parts": I64(1, 2)}),
    "split_equal": (18, [("Split", ["x"], {"axis": 2, "num_outputs": 2}, 2), ("Mul", ["t0", "t0b"], {})], {}),
    "transpose_matmul": (
        13,
        [("Transpose", ["x"], {"perm": [0, 2, 3, 1]}), ("MatMul", ["t0", "m"], {}), ("Add", ["t1", "b"], {})],
        {"m": RNG.normal(size=(3, 5)).astype(np.float32), "b": F32(1, 2, 3, 4, 5)},
    ),
    "gemm": (
        13,
        [("Flatten", ["x"], {}), ("Gemm", ["t0", "m", "b"], {"alpha": 0.5, "beta": 2.0})],
        {"m": RNG.normal(size=(192, 5)).astype(np.float32), "b": F32(1, 2, 3, 4, 5)},
    ),
    "gemm_transposed": (13, [("Flatten", ["x"], {}), ("Gemm", ["t0", "m"], {"transB": 1})], {"m": RNG.normal(size=(5, 192)).astype(np.float32)}),
    "shape_arithmetic": (
        13,
        [
            ("Shape", ["x"], {}),
            ("Gather", ["t0", "zero"], {}),
            ("Unsqueeze", ["t1", "axis"], {}),
            ("Concat", ["t2", "rest"], {"axis": 0}),
            ("Reshape", ["x", "t3"], {}),
        ],
        {"zero": np.array(0, np.int64), "axis": I64(0), "rest": I64(-1)},
    ),
    "unsqueeze_squeeze": (13, [("Unsqueeze", ["x", "ax"], {}), ("Squeeze", ["t0", "ax"], {})], {"ax": I64(2)}),
    "pad": (13, [("Pad", ["x", "p", "v"], {})], {"p": I64(0, 0, 1, 2, 0, 0, 0, 1), "v": np.float32(0.5)}),
    "pad_reflect": (13, [("Pad", ["x", "p"], {"mode": "reflect"})], {"p": I64(0, 0, 1, 2, 0, 0, 0, 1)}),
    "resize_nearest": (
        13,
        [("Resize", ["x", "", "scales"], {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"})],
        {"scales": F32(1, 1, 2, 2)},
    ),
    "resize_linear": (13, [("Resize", ["x", "", "scales"], {"mode": "linear"})], {"scales": F32(1, 1, 2, 2)}),
    "erf_gelu": (13, [("Erf", ["x"], {}), ("Mul", ["t0", "h"], {}), ("Gelu", ["t1"], {"approximate": "tanh"})], {"h": np.float32(0.7)}),
    "pow_sqrt": (13, [("Pow", ["x", "two"], {}), ("Sqrt", ["t0"], {}), ("Div", ["x", "t1"], {})], {"two": np.float32(2)}),
    "where": (13, [("Greater", ["x", "z"], {}), ("Where", ["t0", "x", "z"], {})], {"z": np.float32(0.1)}),
    "min_max": (13, [("Min", ["x", "h"], {}), ("Max", ["t0", "l"], {})], {"h": np.float32(0.7), "l": np.float32(-0.2)}),
    "depth_to_space": (13, [("Concat", ["x", "x", "x", "x"], {"axis": 1}), ("DepthToSpace", ["t0"], {"blocksize": 2, "mode": "CRD"})], {}),
    "conv_transpose": (
        13,
        [("ConvTranspose", ["x", "w"], {"strides": [2, 2], "pads": [1, 1, 1, 1]})],
        {"w": np.ascontiguousarray(W.transpose(1, 0, 2, 3))},
    ),
    "expand_tile": (13, [("ReduceMean", ["x"], {"axes": [1], "keepdims": 1}), ("Tile", ["t0", "r"], {})], {"r": I64(1, 2, 1, 1)}),
    "avg_pool_same": (17, [("AveragePool", ["x"], {"kernel_shape": [3, 2], "strides": [2, 2], "auto_pad": "SAME_UPPER"})], {}),
    "avg_pool_same_counts": (
        17,
        [("AveragePool", ["x"], {"kernel_shape": [3, 3], "strides": [2, 1], "auto_pad": "SAME_LOWER", "count_include_pad": 1})],
        {},
    ),
    "avg_pool_dilated": (19, [("AveragePool", ["x"], {"kernel_shape": [2, 3], "dilations": [3, 2], "pads": [1, 0, 1, 1]})], {}),
    "avg_pool_ceil": (19, [("AveragePool", ["x"], {"kernel_shape": [3, 3], "strides": [3, 2], "ceil_mode": 1, "pads": [1, 0, 1, 1]})], {}),
    "max_pool_far": (17, [("MaxPool", ["x"], {"kernel_shape": [3, 3], "pads": [2, 2, 2, 2], "strides": [2, 3]})], {}),
    "max_pool_dilated": (17, [("MaxPool", ["x"], {"kernel_shape": [2, 2], "dilations": [3, 2], "pads": [1, 0, 0, 1], "ceil_mode": 1})], {}),
    "lp_pool": (18, [("LpPool", ["x"], {"kernel_shape": [2, 3], "p": 3, "pads": [1, 1, 0, 1]})], {}),
    "prelu_channels": (17, [("PRelu", ["x", "s"], {})], {"s": RNG.normal(size=(3, 1, 8)).astype(np.float32)}),
    "clip_open": (17, [("Clip", ["x"], {}), ("Clip", ["t0", "", "hi"], {})], {"hi": np.float32(0.5)}),
    "gather_negative": (17, [("Gather", ["x", "i"], {"axis": 1}), ("Gather", ["t0", "j"], {"axis": -1})], {"i": I64(-1, 0), "j": np.int64(-2)}),
    "gather_matrix": (17, [("Gather", ["x", "i"], {"axis": 2})], {"i": np.array([[0, -1], [3, 2]], np.int64)}),
    "slice_backward": (17, [("Slice", ["x", "s", "e", "ax", "st"], {})], {"s": I64(-1), "e": I64(-100), "ax": I64(-2), "st": I64(-3)}),
    "gemm_scalar": (
        17,
        [("Flatten", ["x"], {"axis": -3}), ("Gemm", ["t0", "m", "b"], {})],
        {"m": RNG.normal(size=(192, 5)).astype(np.float32), "b": np.float32(3)},
    ),
    "expand_fewer": (17, [("Expand", ["x", "s"], {})], {"s": I64(8, 1)}),
    "conv_transpose_sides": (
        17,
        [("ConvTranspose", ["x", "w", "b"], {"strides": [3, 2], "pads": [0, 1, 2, 1], "output_padding": [2, 1]})],
        {"w": np.ascontiguousarray(W.transpose(1, 0, 2, 3)), "b": F32(1, 2, 3, 4)},
    ),
    "conv_transpose_shape": (
        17,
        [("ConvTranspose", ["x", "w"], {"strides": [2, 2], "output_shape": [15, 18], "output_padding": [0, 1], "auto_pad": "SAME_UPPER"})],
        {"w": np.ascontiguousarray(W.transpose(1, 0, 2, 3))},
    ),
    "resize_align": (
        13,
        [("Resize", ["x", "", "s"], {"mode": "linear", "coordinate_transformation_mode": "align_corners"})],
        {"s": F32(1, 1, 1.25, 2)},
    ),
    "resize_cubic": (13, [("Resize", ["x", "", "s"], {"mode": "cubic", "cubic_coeff_a": -0.5, "exclude_outside": 1})], {"s": F32(1, 1, 1.7, 0.6)}),
    "resize_antialias": (18, [("Resize", ["x", "", "s"], {"mode": "linear", "antialias": 1})], {"s": F32(1, 1, 0.6, 0.5)}),
    "resize_ceil": (13, [("Resize", ["x", "", "s"], {"nearest_mode": "ceil"})], {"s": F32(1, 1, 1.7, 0.6)}),
    "resize_sizes": (18, [("Resize", ["x", "", "", "n"], {"axes": [3, 2], "mode": "linear"})], {"n": I64(5, 13)}),
    "resize_crop": (
        18,
        [
            (
                "Resize",
                ["x", "r", "", "n"],
                {"mode": "linear", "axes": [2, 3], "coordinate_transformation_mode": "tf_crop_and_resize", "extrapolation_value": 7.0},
            )
        ],
        {"r": F32(0.1, -0.25, 0.8, 0.7), "n": I64(9, 10)},
    ),
    "depth_to_space_old": (13, [("Concat", ["x", "x", "x", "x"], {"axis": 1}), ("DepthToSpace", ["t0"], {"blocksize": 2})], {}),
    "space_to_depth": (13, [("SpaceToDepth", ["x"], {"blocksize": 2})], {}),
    "pad_wide": (13, [("Pad", ["x", "p"], {"mode": "edge"})], {"p": I64(0, 2, 9, 0, 0, 0, 1, 3)}),
    "pad_cut": (13, [("Pad", ["x", "p"], {})], {"p": I64(0, 0, -1, 2, 0, 0, 0, -3)}),
    "lrn": (17, [("LRN", ["x"], {"size": 3, "alpha": 0.5, "beta": 0.7, "bias": 1.5})], {}),
    "top_k": (17, [("TopK", ["x", "k"], {"axis": 1, "largest": 0}, 2), ("Cast", ["t0b"], {"to": 1}), ("Add", ["t0", "t1"], {})], {"k": I64(2)}),
    "cumulative": (17, [("CumSum", ["x", "a"], {"reverse": 1, "exclusive": 1})], {"a": np.int64(-1)}),
    "trilu": (17, [("Trilu", ["x", "k"], {"upper": 0})], {"k": np.int64(-1)}),
    "norms": (17, [("LpNormalization", ["x"], {"axis": 1, "p": 1}), ("MeanVarianceNormalization", ["t0"], {})], {}),
    "layer_norm_outputs": (
        17,
        [("LayerNormalization", ["x", "a"], {"axis": 2}, 2), ("Add", ["t0", "t0b"], {})],
        {"a": RNG.normal(size=(8, 8)).astype(np.float32)},
    ),
    "dropout_mask": (17, [("Dropout", ["x"], {}, 2), ("Where", ["t0b", "t0", "z"], {})], {"z": np.float32(0)}),
    "integers": (
        17,
        [
            ("Mul", ["x", "h"], {}),
            ("Cast", ["t0"], {"to": 7}),
            ("Div", ["t1", "d"], {}),
            ("Mod", ["t1", "d"], {}),
            ("Pow", ["t2", "two"], {}),
            ("Add", ["t3", "t4"], {}),
            ("Cast", ["t5"], {"to": 1}),
        ],
        {"h": np.float32(9), "d": np.array(3, np.int64), "two": np.array(2, np.int64)},
    ),
    "arg_max": (17, [("ArgMax", ["x"], {"axis": 2, "select_last_index": 1}), ("Cast", ["t0"], {"to": 1})], {}),
    "sizes_of_halves": (
        17,
        [
            ("Shape", ["x"], {}),
            ("Slice", ["t0", "two", "four"], {}),
            ("Cast", ["t1"], {"to": 1}),
            ("Mul", ["t2", "factor"], {}),
            ("Floor", ["t3"], {}),
            ("Cast", ["t4"], {"to": 7}),
            ("Slice", ["t0", "zero", "two"], {}),
            ("Concat", ["t6", "t5"], {"axis": 0}),
            ("Resize", ["x", "", "", "t7"], {"mode": "linear"}),
        ],
        {"zero": I64(0), "two": I64(2), "four": I64(4), "factor": np.float32(1.3)},
    ),
    "folded": (
        13,
        [("Mul", ["c", "c"], {}), ("Sub", ["t0", "c"], {}), ("Add", ["x", "t1"], {})],
        {"c": RNG.normal(size=(3, 1, 1)).astype(np.float32)},
    ),
}
"""Opset, nodes as (type, inputs, attributes[, number of outputs]), constants. Outputs are t0, t1, …; the last is `y`."""


def build(case: str) -> onnx.ModelProto:
    opset, nodes, constants = CASES[case]
    opset = max(opset, 20) if case == "erf_gelu" else opset
    made = []
    for index, (kind, inputs, attributes, *count) in enumerate(nodes):
        outputs = [f"t{index}", f"t{index}b"][: count[0] if count else 1]
        if index == len(nodes) - 1:
            outputs[0] = "y"
        if kind == "HardSwish":
            opset = max(opset, 14)
        made.append(helper.make_node(kind, inputs, outputs, f"{kind}_{index}", **attributes))
    return small_onnx(made, constants, opset=opset)


@pytest.mark.parametrize("case", CASES)
def test_operators_agree_with_onnxruntime(tmp_path, case) -> None:
    from hawx.importers.onnx.module import load_onnx
    from hawx.networks.quantization.exporting import trace

    path = tmp_path / "case.onnx"
    onnx.save(build(case), path)
    x = np.random.default_rng(1).normal(size=(2, 3, 8, 8)).astype(np.float32)
    expected = run_ort(path, x, optimize=False)
    loaded = load_onnx(path)
    with torch.no_grad():
        found = loaded(torch.from_numpy(x)).numpy()
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=2e-5, atol=2e-6)
    graph = trace(loaded, torch.from_numpy(x), name=case)
    other = np.random.default_rng(2).normal(size=(3, 3, 8, 8)).astype(np.float32)
    with torch.no_grad():
        np.testing.assert_allclose(graph(torch.from_numpy(other)).numpy(), run_ort(path, other, optimize=False), rtol=2e-5, atol=2e-6)


def test_a_file_made_for_one_image_takes_any_number(tmp_path) -> None:
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], "conv"),
        helper.make_node("Reshape", ["c", "shape"], ["f"], "flat"),
        helper.make_node("Gemm", ["f", "m"], ["y"], "head"),
    ]
    constants = {"w": W, "shape": I64(1, -1), "m": RNG.normal(size=(4 * 36, 5)).astype(np.float32)}
    path = tmp_path / "one.onnx"
    onnx.save(small_onnx(nodes, constants, shape=(1, 3, 8, 8)), path)
    x = np.random.default_rng(1).normal(size=(6, 3, 8, 8)).astype(np.float32)
    network = quantize(path, x)
    expected = np.concatenate([run_ort(path, x[i : i + 1]) for i in range(6)])
    assert np.abs(network(x).numpy() - expected).max() < 0.05 * np.abs(expected).max()


def test_bad_files(tmp_path, exported) -> None:
    damaged = tmp_path / "damaged.onnx"
    damaged.write_bytes(exported["squeeze"].read_bytes()[:900])
    with pytest.raises(
        InputError, match=r"^network '.*damaged\.onnx' (is not a readable ONNX file|holds no ONNX graph).+ Export it again\.$|^.*export it again\.$"
    ):
        quantize(damaged, images(4))
    with pytest.raises(
        InputError, match=r"^network '.*missing\.onnx' does not exist; did you mean '.*damaged\.onnx'\?$|^.*expected a file or folder\.$"
    ):
        quantize(tmp_path / "missing.onnx", images(4))
    unknown = tmp_path / "unknown.onnx"
    onnx.save(small_onnx([helper.make_node("Det", ["x"], ["y"], "the_node")], {}), unknown)
    with pytest.raises(
        InputError,
        match=r"^network '.*unknown\.onnx' uses ONNX node 'the_node' \(Det\), which is not known; expected one of the \d+ operators "
        r"that docs/operators\.md lists\. Export it with those, or ask for it\.$",
    ):
        quantize(unknown, images(4))
    custom = tmp_path / "custom.onnx"
    onnx.save(small_onnx([helper.make_node("Thing", ["x"], ["y"], "n", domain="my.ops")], {}), custom)
    with pytest.raises(InputError, match=r"^network '.*custom\.onnx' uses my\.ops::Thing at node 'n'; expected standard ONNX operators\.$"):
        quantize(custom, images(4))
    old = tmp_path / "old.onnx"
    onnx.save(small_onnx([helper.make_node("Relu", ["x"], ["y"], "n")], {}, opset=99), old)
    with pytest.raises(InputError, match=r"^network '.*old\.onnx' uses ONNX opset 99; expected 1 to 28\. Use onnx\.version_converter\.$"):
        quantize(old, images(4))


def test_external_data(tmp_path) -> None:
    path = tmp_path / "outside.onnx"
    nodes = [helper.make_node("Conv", ["x", "w"], ["c"], "conv"), helper.make_node("ReduceMean", ["c"], ["y"], "mean", axes=[2, 3], keepdims=0)]
    proto = small_onnx(nodes, {"w": W}, shape=("N", 3, 8, 8))
    onnx.save(proto, path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    x = np.random.default_rng(1).normal(size=(4, 3, 8, 8)).astype(np.float32)
    assert quantize(path, x).layer_names
    (tmp_path / "weights.bin").unlink()
    with pytest.raises(
        InputError,
        match=r"^network '.*outside\.onnx' keeps tensor 'w' in 'weights\.bin', which does not exist beside it; expected that file\. "
        r"Copy it there, or export the network as one file\.$",
    ):
        quantize(path, x)


def test_pt2_files_and_saved_networks(tmp_path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.export.export(module("squeeze"), (torch.from_numpy(images(4)),), dynamic_shapes=({0: torch.export.Dim.DYNAMIC},))
        torch.export.save(program, tmp_path / "squeeze.pt2")
    direct = quantize(module("squeeze"), images(48), name="squeeze")
    through = quantize(tmp_path / "squeeze.pt2", images(48))
    assert torch.equal(direct(images(9)), through(images(9)))
    save_network(direct, tmp_path / "squeeze.safetensors")
    assert torch.equal(load_network(tmp_path / "squeeze.safetensors")(images(9)), direct(images(9)))
    (tmp_path / "cut.pt2").write_bytes((tmp_path / "squeeze.pt2").read_bytes()[:1000])
    with pytest.raises(
        InputError, match=r"^network '.*cut\.pt2' is not a readable \.pt2 file \(.+\); expected one written by torch\.export\.save\. .+$"
    ):
        quantize(tmp_path / "cut.pt2", images(4))
    torch.save(nn.Linear(2, 2), tmp_path / "pickled.pt")
    with pytest.raises(
        InputError, match=r"^network '.*pickled\.pt' has an unknown ending; expected \.pt2 \(torch\.export\.save\) or \.onnx\. A pickled .+$"
    ):
        quantize(tmp_path / "pickled.pt", images(4))
    with pytest.raises(InputError, match=r"^network 'Squeeze' needs calibration images and has none; expected some hundreds of typical images\.$"):
        quantize(module("squeeze"))
