"""What is outside an operator's contract is refused when the file is read: one line with node, value, what is supported, and a way out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hawx.errors import InputError
from hawx.importers.networks import quantize
from hawx.networks import glue

onnx = pytest.importorskip("onnx", reason="the package onnx is not installed")

from hawx.importers.onnx.module import OnnxModule, load_onnx  # noqa: E402 (needs onnx)
from hawx.importers.onnx.reader import graph_of  # noqa: E402
from hawx.importers.onnx.table import OPERATORS  # noqa: E402

helper, numpy_helper = onnx.helper, onnx.numpy_helper
FLOAT = onnx.TensorProto.FLOAT
WAY_OUT = r"\. Export the network without that, or replace the node\.$"


def model(nodes: Sequence[Any], *, shape: Sequence[Any] | None = (2, 3, 8, 8), kind: int = FLOAT, opset: int = 18, **constants: np.ndarray) -> Any:
    graph = helper.make_graph(
        list(nodes),
        "g",
        [helper.make_tensor_value_info("x", kind, shape)],
        [helper.make_tensor_value_info("y", FLOAT, None)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])


def node(kind: str, *inputs: str, outputs: Sequence[str] = ("y",), **attributes: Any) -> Any:
    return helper.make_node(kind, list(inputs) or ["x"], list(outputs), "it", **attributes)


def read(proto: Any) -> OnnxModule:
    return OnnxModule(graph_of(proto, "net.onnx"))


W = np.ones((4, 3, 3, 3), np.float32)

REFUSED: dict[str, tuple[Any, str]] = {
    "attribute": (model([node("Relu", color=1)]), r"attribute color=1; expected no attribute but none"),
    "value": (
        model([node("AveragePool", kernel_shape=[2, 2], auto_pad="SAME")]),
        r"auto_pad='SAME'; expected auto_pad NOTSET, SAME_UPPER, SAME_LOWER or VALID",
    ),
    "kind of value": (model([node("Softmax", axis="last")]), r"axis='last'; expected axis as int"),
    "missing attribute": (model([node("MaxPool")]), r"no attribute kernel_shape; expected one"),
    "rank": (model([node("MaxPool", kernel_shape=[2])], shape=(2, 3)), r"input x of rank 2; expected rank 3 to 5"),
    "type": (model([node("Conv", "x", "w")], w=W.astype(np.float16)), r"float16 input weight; expected float32"),
    "two types": (model([node("Add", "x", "c")], c=np.ones((3, 1, 1), np.float64)), r"float64 input y beside float32; expected one type"),
    "too many inputs": (model([node("Relu", "x", "x")]), r"2 inputs; expected 1"),
    "too few inputs": (model([node("Add", "x")]), r"1 inputs; expected 2"),
    "no inputs": (model([helper.make_node("DequantizeLinear", [], ["y"], "it")]), r"0 inputs; expected 2 to 3"),
    "nothing to copy": (model([helper.make_node("Identity", [], ["y"], "it")]), r"0 inputs; expected 1"),
    "left out input": (model([node("Conv", "x", "", "b")], b=np.ones(4, np.float32)), r"no input weight; expected one"),
    "used output": (
        model([node("MaxPool", outputs=["p", "places"], kernel_shape=[2, 2]), helper.make_node("Cast", ["places"], ["y"], "cast", to=FLOAT)]),
        r"its output 'places' in use; expected the first only",
    ),
    "outputs": (model([node("Split", outputs=["y", "z"], axis=1, num_outputs=3)]), r"num_outputs=3 and 2 outputs; expected the same number"),
    "computed": (
        model([helper.make_node("Cast", ["x"], ["sizes"], "cast", to=7), node("Reshape", "x", "sizes")], shape=(4,)),
        r"input shape computed from the image; expected a constant, or numbers computed from shapes",
    ),
    "computed scale": (
        model([helper.make_node("ReduceMax", ["x"], ["s"], "max", keepdims=0), node("QuantizeLinear", "x", "s")]),
        r"input scale computed from the image; expected a constant",
    ),
    "shapes": (
        model([node("Add", "x", "c")], c=np.ones((5, 1, 1), np.float32)),
        r"inputs that it cannot be computed on \(\w+: [^\n]+\); expected inputs that fit each other",
    ),
    "indices": (model([node("Gather", "x", "i", axis=1)], i=np.array([0, 3])), r"indices 0 to 3; expected -3 to 2"),
    "training": (
        model([node("Dropout", "x", "r", "t")], r=np.float32(0.5), t=np.bool_(True)),
        r"training_mode true; expected a network that is run, not trained",
    ),
    "window": (model([node("AveragePool", kernel_shape=[9, 9])]), r"a window of 9 on 8 positions; expected a window that fits"),
    "stride": (
        model([node("MaxPool", kernel_shape=[2, 2], strides=[1, 0])]),
        r"kernel \[2, 2\], strides \[1, 0\], dilations \[1, 1\], pads \[0, 0, 0, 0\]; expected numbers from 1 \(pads 0\) to 65536",
    ),
    "cast": (model([node("Cast", to=17)]), r"type FLOAT8E4M3FN; expected float32, uint8, .+"),
    "squeeze": (model([node("Squeeze", "x", "a")], a=np.array([1])), r"axis 1 of 3 positions; expected axes of one position"),
    "padding": (
        model([node("ConvTranspose", "x", "w", output_padding=[2, 0])], w=W.transpose(1, 0, 2, 3)),
        r"output_padding \[2, 0\]; expected less than the stride or the dilation",
    ),
    "sizes": (
        model([helper.make_node("Shape", ["x"], ["n"], "shape"), node("Div", "n", "z")], z=np.array([0])),
        r"inputs that it cannot be computed on \(FloatingPointError: [^\n]+\); expected inputs that fit each other",
    ),
    "memory": (
        model([node("Tile", "x", "r")], r=np.array([1, 1 << 10, 1 << 10, 1 << 10])),
        r"a result of [\d,]+ numbers; expected at most 268,435,456",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_outside_the_contract_is_refused_by_node(case: str) -> None:
    proto, expected = REFUSED[case]
    with pytest.raises(InputError, match=r"^network 'net\.onnx' has ONNX node 'it' \(\w+\) with " + expected + WAY_OUT):
        read(proto)


def named(**names: bytes) -> Any:
    """Return a model with names replaced, byte by byte: protobuf's Python interface takes none that are not UTF-8."""
    data = model(
        [node("Conv", "x", "weight", outputs=["feature"]), helper.make_node("Relu", ["feature"], ["y"], "after")], weight=W
    ).SerializeToString()
    for old, new in names.items():
        assert len(old) == len(new)
        data = data.replace(old.encode(), new)
    return onnx.ModelProto.FromString(data)


@pytest.mark.parametrize("names", [{"after": b"aft\xff\xfe"}, {"weight": b"weigh\xff"}, {"feature": b"\xffeature"}, {"Relu": b"Rel\xff"}])
def test_a_name_that_is_not_text_is_refused(names: dict[str, bytes]) -> None:
    with pytest.raises(InputError, match=r"^network 'net\.onnx' has the name b'.*\\xff.*', which is not UTF-8; expected text\. Export it again\.$"):
        read(named(**names))


ADD = helper.make_node("Add", ["x", "r"], ["y"], "sum")

DAMAGED: dict[str, tuple[Any, str]] = {
    "order": (
        model([node("Relu", "late"), helper.make_node("Abs", ["x"], ["late"], "then")]),
        r"reads 'late' at node 'it' \(Relu\), which nothing before it computes; expected nodes in order\.",
    ),
    "twice": (model([node("Relu"), node("Abs")]), r"computes 'y' a second time at node 'it' \(Abs\); expected every value once\."),
    "never": (model([node("Relu", outputs=["z"])]), r"returns 'y', which nothing computes; expected the output of a node\."),
    "nothing": (
        model([node("Relu"), node("Abs", outputs=[""])]),
        r"has ONNX node 'it' \(Abs\) without an output; expected one\. Remove the node\.",
    ),
    "text": (
        model([node("Relu")], kind=8),
        r"takes STRING as input 'x'; expected one of float32, .+, bfloat16\. Export it with an input of float32\.",
    ),
    "huge": (model([node("Relu")], shape=(1 << 20, 1 << 20)), r"takes input 'x' of \[1048576, 1048576\]; expected at most 268,435,456 numbers\."),
    "constants": (
        model(
            [node("Reshape", "c", "s", outputs=["r"]), helper.make_node("Add", ["x", "r"], ["y"], "sum")], c=np.ones(4, np.float32), s=np.array([3])
        ),
        r"has ONNX node 'it' \(Reshape\) on constants that it cannot be computed on \(\w+\); expected constants that ONNX's reference "
        r"implementation takes\. Fold them before the export, or replace the node\.",
    ),
    "bomb": (
        model([node("ConstantOfShape", "s", outputs=["r"]), ADD], s=np.array([1 << 20, 1 << 20])),
        r"has ONNX node 'it' \(ConstantOfShape\) with a result of 1,099,511,627,776 numbers; expected at most 268,435,456\.",
    ),
    "attribute": (model([node("MaxPool", kernel_shape=[2, 2], auto_pad=b"\xff")]), r"has a damaged attribute 'auto_pad' at node 'it' \(MaxPool\).+"),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_a_damaged_graph_is_refused_in_one_line(case: str) -> None:
    proto, expected = DAMAGED[case]
    with pytest.raises(InputError, match=r"^network 'net\.onnx' " + expected + "$"):
        read(proto)


def test_a_refusal_is_silent(capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> None:
    """PyTorch logs a traceback where a tensor without numbers cannot be computed; the one line says it all."""
    with pytest.raises(InputError):
        read(REFUSED["shapes"][0])
    assert capfd.readouterr() == ("", "")
    assert caplog.records == []


def test_sizes_left_to_the_images_are_checked_when_they_are_known(tmp_path: Path) -> None:
    proto = model([node("MaxPool", kernel_shape=[9, 9])], shape=("N", 3, "H", "W"))
    onnx.save(proto, tmp_path / "open.onnx")
    assert load_onnx(tmp_path / "open.onnx")(torch.zeros(1, 3, 9, 9)).shape == (1, 3, 1, 1)
    with pytest.raises(InputError, match=r"^network '[^']*open\.onnx' has ONNX node 'it' \(MaxPool\) with a window of 9 on 8 positions"):
        quantize(tmp_path / "open.onnx", np.zeros((4, 3, 8, 8), np.float32))


def test_a_network_takes_float32(tmp_path: Path) -> None:
    onnx.save(model([node("Cast", to=FLOAT)], kind=onnx.TensorProto.UINT8, shape=("N", 3, "H", "W")), tmp_path / "pixels.onnx")
    with pytest.raises(
        InputError,
        match=r"^network '[^']*pixels\.onnx' takes UINT8 as input 'x'; expected FLOAT \(float32\), pixels after preprocessing\. Export it with an "
        r"input of float32\.$",
    ):
        load_onnx(tmp_path / "pixels.onnx")


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_glue_rounds_to_the_type_of_its_operands(dtype: torch.dtype) -> None:
    x = torch.linspace(-2, 2, 9, dtype=torch.float64).to(dtype)
    found = glue.operator_of("tanh.default")(x)
    assert found.dtype == dtype
    assert torch.equal(found, torch.tanh(x.double()).to(dtype))


SMALL = [
    model([node("AveragePool", kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[2, 2])]),
    model([node("Conv", "x", "w", pads=[1, 0, 1, 0], dilations=[2, 1])], w=W),
    model([node("Resize", "x", "", "s", mode="linear")], s=np.array([1, 1, 2, 1.5], np.float32)),
    model([node("Slice", "x", "s", "e", "a", "t")], s=np.array([1]), e=np.array([7]), a=np.array([2]), t=np.array([2])),
    model([node("Pad", "x", "p", mode="reflect")], p=np.array([0, 0, 1, 1, 0, 0, 1, 1])),
    model([node("Gather", "x", "i", axis=1)], i=np.array([0, -1, 2])),
    model([node("Reshape", "x", "s")], s=np.array([0, 3, -1])),
    model([node("LayerNormalization", "x", "c", axis=-1)], c=np.ones(8, np.float32)),
]


@settings(max_examples=150, deadline=None)
@given(
    st.integers(0, len(SMALL) - 1),
    st.lists(st.tuples(st.integers(0, 1 << 16), st.integers(0, 255)), min_size=1, max_size=4),
)
def test_damaged_bytes_are_read_or_refused(which: int, changes: list[tuple[int, int]]) -> None:
    data = bytearray(SMALL[which].SerializeToString())
    for place, value in changes:
        data[place % len(data)] = value
    _read_or_refused(bytes(data))


ATTRIBUTES = st.sampled_from(["axis", "auto_pad", "kernel_shape", "strides", "pads", "mode", "group", "to", "alpha"])
NUMBERS = st.sampled_from([-(1 << 40), -9, -1, 0, 1, 2, 5, 1 << 31, 1 << 62])


@settings(max_examples=150, deadline=None)
@given(
    st.integers(0, len(SMALL) - 1),
    st.sampled_from(sorted(OPERATORS)),
    st.booleans(),
    st.dictionaries(
        st.sampled_from(["axis", "auto_pad", "kernel_shape", "strides", "pads", "mode", "group", "to"]),
        NUMBERS | st.lists(NUMBERS, max_size=4) | st.text(max_size=6),
        max_size=3,
    ),
    st.lists(st.sampled_from(["", "x", "w", "s", "nothing"]), max_size=4),
    st.lists(st.none() | st.integers(0, 9), max_size=5),
)
def test_changed_nodes_are_read_or_refused(
    which: int, kind: str, change: bool, attributes: dict[str, Any], inputs: list[str], shape: list[int | None]
) -> None:
    proto = onnx.ModelProto()
    proto.CopyFrom(SMALL[which])
    (only,) = proto.graph.node
    only.op_type = kind if change else only.op_type
    for name, value in attributes.items():
        if value != []:
            only.attribute.append(helper.make_attribute(name, value))
    if inputs:
        del only.input[:]
        only.input.extend(inputs)
    if shape:
        proto.graph.input[0].CopyFrom(helper.make_tensor_value_info("x", FLOAT, shape))
    _read_or_refused(proto.SerializeToString())


def _read_or_refused(data: bytes) -> None:
    """Read a model; raise `AssertionError` where that ends in anything but a module or one line."""
    from google.protobuf.message import DecodeError

    message = ""
    try:
        read(onnx.ModelProto.FromString(data))
    except DecodeError:
        return
    except InputError as error:
        message = str(error)
    assert re.fullmatch(r"(network 'net\.onnx' [^\n]{1,900})?", message)
