"""ONNX files hold the network's own integers: our importer reads them back to the bit, and another runtime computes the same answers."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from small_networks import images, network

import hawx
from hawx.blocks.families import builtin_library
from hawx.cli import main
from hawx.designs import Assignment
from hawx.errors import InputError
from hawx.networks import zoo
from hawx.networks.quantization import Activations
from hawx.recover import recover_units
from hawx.wiring import PLAIN, Wiring

onnx = pytest.importorskip("onnx", reason="the package onnx is not installed")
pytest.importorskip("onnxscript", reason="the package onnxscript is not installed")
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning", "ignore::UserWarning")  # PyTorch's exporter's own


def runtime(path: Path, values: np.ndarray) -> np.ndarray:
    onnxruntime = pytest.importorskip("onnxruntime")
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL  # its AVX2 kernels saturate sums of two products
    session = onnxruntime.InferenceSession(str(path), options)
    (logits,) = session.run(None, {session.get_inputs()[0].name: values})
    return logits


@pytest.mark.parametrize(
    ("name", "activations"), [("residual", Activations.SIGNED), ("squeeze", Activations.UNSIGNED), ("encoder", Activations.SIGNED_AFFINE)]
)
def test_the_integers_come_back_to_the_bit(name: str, activations: Activations, tmp_path: Path) -> None:
    net, seen = network(name, activations), images(8, seed=9)
    hawx.export_onnx(net, tmp_path / "n.onnx")
    exact = net(seen).numpy()
    assert np.array_equal(hawx.quantize(tmp_path / "n.onnx")(seen).numpy(), exact)
    assert runtime(tmp_path / "n.onnx", seen) == pytest.approx(exact, abs=1e-5)


def test_a_recovered_design_is_exported_with_the_codes_that_it_multiplies(tmp_path: Path) -> None:
    net, library = zoo.load("lenet5"), builtin_library().select(["mul8s_ot3"])
    recovered = recover_units(net, library, zoo.calibration("lenet5").images[:32])
    with pytest.raises(InputError, match=r"^network 'lenet5' holds constants for several blocks; expected those of one design\. "):
        hawx.export_onnx(recovered, tmp_path / "all.onnx")
    design = recovered.on(Assignment.uniform(net.filters, library.names, "mul8s_ot3").labels(library.hashes))
    hawx.export_onnx(design, tmp_path / "d.onnx")
    model = onnx.load(tmp_path / "d.onnx")
    stored = [onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer if tensor.data_type == onnx.TensorProto.INT8 and tensor.dims]
    weights = {array.tobytes() for array in stored if array.ndim == 4}
    assert {layer.weight.numpy().tobytes() for layer in design.quantized.values()} <= weights
    facts = json.loads(next(prop.value for prop in model.metadata_props if prop.key == "hawx"))
    assert facts["preprocessing"]["mean"] == [0.0]
    seen = zoo.dataset("lenet5").images[:50]
    values = net.preprocessing(torch.from_numpy(seen)).numpy()
    assert np.array_equal(runtime(tmp_path / "d.onnx", values).argmax(1), design(seen).numpy().argmax(1))


def test_shifted_activations_are_clipped_and_the_weights_scaled(tmp_path: Path) -> None:
    net, seen = network("residual"), images(8, seed=9)
    halves = {
        name: replace(layer, wirings=(PLAIN,) * (len(layer.bias) // 2) + (Wiring(shift=1),) * (len(layer.bias) - len(layer.bias) // 2))
        for name, layer in net.quantized.items()
    }
    wired = replace(net, quantized=halves)
    hawx.export_onnx(wired, tmp_path / "n.onnx")
    ours = wired(seen).numpy()
    seldom = 0.01 * np.abs(ours).max()  # biases are rounded to the scale of shifted products: half a unit of an accumulator
    assert np.abs(runtime(tmp_path / "n.onnx", seen) - ours).max() < seldom
    assert np.abs(hawx.quantize(tmp_path / "n.onnx")(seen).numpy() - ours).max() < seldom
    assert np.abs(net(seen).numpy() - ours).max() > 5 * seldom


def test_the_command_writes_both_forms(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    design = tmp_path / "d.json"
    design.write_text(json.dumps(dict.fromkeys(zoo.load("lenet5").filters, "mul8s_ot3")))
    asked = ["export", str(design), "--blocks", "mul8s_ot3", "--json"]
    for name in ("d.onnx", "d.safetensors"):
        assert main([*asked, "--out", str(tmp_path / name)]) == 0
        assert json.loads(capsys.readouterr().out)["bytes"] == (tmp_path / name).stat().st_size
    seen = zoo.dataset("lenet5").images[:20]
    kept = hawx.importers.networks.load_network(tmp_path / "d.safetensors")
    again = hawx.quantize(tmp_path / "d.onnx", preprocessing=kept.preprocessing)
    assert np.array_equal(again(seen).numpy(), kept(seen).numpy())
    assert main([*asked, "--out", str(tmp_path / "d.txt")]) == 2
    assert "has an unknown ending; expected .onnx or .safetensors." in capsys.readouterr().err
