"""ONNX's own operator tests: right, or refused when the file is read. Which are refused, and why, is a golden file."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.fx import GraphModule, Interpreter

from hawx.importers.onnx.contracts import Input
from hawx.importers.onnx.table import OPERATORS
from hawx.networks import glue
from hawx.networks.quantization.canonical import canonicalize

onnx = pytest.importorskip("onnx", reason="the package onnx is not installed")
ort = pytest.importorskip("onnxruntime", reason="the package onnxruntime is not installed")

from onnx_cases import FORMS, GOLDEN, NEITHER, agree, cases, model_of, outcome, outcomes, refusals, tensors  # noqa: E402 (needs onnx)

from hawx.importers.onnx.module import OnnxModule  # noqa: E402
from hawx.importers.onnx.reader import graph_of  # noqa: E402

DATA = Path(onnx.__file__).parent / "backend" / "test" / "data"
GROUPS = [*sorted(OPERATORS), NEITHER]


@pytest.mark.parametrize("group", GROUPS)
def test_every_test_of_an_operator_is_right_or_refused_when_read(group: str) -> None:
    found = list(outcomes(group)) if group in cases() else []
    assert [one for one in found if one.kind not in ("right", "refused")] == []
    assert found, "ONNX tests every operator of the table"
    golden = json.loads(GOLDEN.read_text(encoding="utf-8"))
    if golden["onnx"] == onnx.__version__:  # another version has other tests
        assert refusals(found) == golden["refused"].get(group, {}), "if this is meant: python tests/unit/onnx_cases.py"


def test_most_tests_are_right() -> None:
    counts = json.loads(GOLDEN.read_text(encoding="utf-8"))["tests"]
    assert set(counts) == {"right", "refused"}
    assert counts["right"] >= 1177


class _Glue(Interpreter):
    """Runs a traced graph as a quantized network runs it: by the table of glue operators."""

    def call_function(self, target, args, kwargs):  # type: ignore[no-untyped-def]
        name = str(target).removeprefix("aten.")
        if "quantized_decomposed" in name:
            return target(*args, **kwargs)
        own = {"getitem", "add", "sub", "mul", "floordiv"}
        operator = target.__name__ if getattr(target, "__name__", "") in own else name
        kept = {key: value for key, value in kwargs.items() if key not in ("device", "layout", "pin_memory", "memory_format", "copy", "non_blocking")}
        return glue.operator_of(operator)(*args, **kept)


class _AllOutputs(nn.Module):
    def __init__(self, module: OnnxModule) -> None:
        super().__init__()
        self.module = module

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return self.module.outputs(*inputs)


@pytest.mark.parametrize("kind", sorted(OPERATORS))
def test_operators_trace_to_glue_and_keep_their_results(kind: str) -> None:
    """One right test of each operator, in the form with most of it: what torch.export makes of it is known, and right too."""
    for form in reversed(FORMS):
        for case in cases().get(kind, []):
            model = model_of(case, form)
            if model is None or outcome(case, model)[0] != "right":
                continue
            module = OnnxModule(graph_of(model, "it"))
            inputs = tuple(tensors(case, module))
            with torch.no_grad():
                graph = torch.export.export(_AllOutputs(module.eval()), inputs).module(check_guards=False)
                assert isinstance(graph, GraphModule)
                canonicalize(graph)
                agree(tuple(_Glue(graph).run(*inputs)), case.data_sets[0][1], case.rtol, case.atol)
            return
    assert kind in ("ConstantOfShape", "Range"), "only shapes go in"


def _small_models() -> list[Path]:
    return sorted([*DATA.glob("pytorch-*/*/model.onnx"), *DATA.glob("simple/*/model.onnx")])


REFUSED_MODELS = re.compile(r"sequence|strnorm|gradient|expand_shape_model|operator_add_(size1_|size1_right_|size1_singleton_)?broadcast")


@pytest.mark.parametrize("source", sorted({path.parts[-3] for path in _small_models()}))
def test_small_models_of_the_package_are_right_or_refused(source: str) -> None:
    from onnx import TensorProto, numpy_helper

    for path in (path for path in _small_models() if path.parts[-3] == source):
        model = onnx.load(path)
        data = path.parent / "test_data_set_0"
        if REFUSED_MODELS.search(path.parts[-2]):
            from hawx.errors import InputError

            with pytest.raises(InputError):
                OnnxModule(graph_of(model, "it"))
            continue

        def read(name: str, data: Path = data) -> np.ndarray:
            return np.array(numpy_helper.to_array(TensorProto.FromString((data / name).read_bytes())))

        module = OnnxModule(graph_of(model, "it"))
        given = {value.name: read(f"input_{i}.pb") for i, value in enumerate(model.graph.input) if (data / f"input_{i}.pb").exists()}
        with torch.no_grad():
            found = module.outputs(*(torch.from_numpy(given[value.name]) for value in module.graph.inputs))
        agree(found, [read(f"output_{i}.pb") for i in range(len(found))], 1e-3, 1e-5)


@pytest.mark.parametrize("name", ["squeezenet", "shufflenet", "inception_v1"])
def test_whole_networks_of_the_package_agree_with_onnxruntime(name: str) -> None:
    path = DATA / "light" / f"light_{name}.onnx"
    module = OnnxModule(graph_of(onnx.load(path), "it")).eval()
    (given,) = module.graph.inputs
    x = np.random.default_rng(0).normal(size=[size or 1 for size in given.shape or ()]).astype(np.float32)
    options = ort.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 4, 1
    expected = ort.InferenceSession(str(path), options).run(None, {given.name: x})[0]
    with torch.no_grad():
        np.testing.assert_allclose(module(torch.from_numpy(x)).numpy(), expected, rtol=1e-3, atol=1e-5)


def test_page_is_current() -> None:
    from hawx.importers.onnx.reference import page

    written = (Path(__file__).parents[2] / "docs" / "operators.md").read_text(encoding="utf-8")
    assert written == page(), "run: python -m hawx.importers.onnx.reference docs/operators.md"
    assert "| Clip | x number; low?! number; high?! number | min; max | 1 |" in page()


@pytest.mark.parametrize("text", ["x", "x nothing", "x float 3-", "x float 12", "x$ float"])
def test_a_malformed_contract_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(repr(text))):
        Input.parse(text)
