"""A LeNet-5 design as hardware: its operands, its blocks, its RTL and its gates compute what the emulator computes."""

from __future__ import annotations

import numpy as np
import pytest

from hawx.accelerators import Spatial, Systolic
from hawx.blocks.families import builtin_library
from hawx.designs import Assignment
from hawx.importers.multiplier import find_multiplier
from hawx.networks import zoo
from hawx.networks.exact import ExactExecutor, accumulate
from hawx.rtl import design_project, layer_vectors
from hawx.simulators import available, simulate
from hawx.synthesis.project import run_vectors, synthesize_project

pytestmark = [pytest.mark.eda, pytest.mark.skipif(not available(), reason="neither Icarus Verilog nor Verilator is installed")]
BLOCKS = ("mul8s_exact", "mul8s_tc6", "mul8s_mitchell", "mul8s_ot2")
ARRAY = Systolic(rows=8, columns=8, sharing="partitioned")


@pytest.fixture(scope="module")
def network():
    return zoo.load("lenet5")


@pytest.fixture(scope="module")
def images():
    return zoo.dataset("lenet5").images[:2]


@pytest.fixture(scope="module")
def library():
    return builtin_library().select(BLOCKS)


@pytest.fixture(scope="module")
def assignment(network, library):
    rng = np.random.default_rng(3)
    filters = network.filters
    return Assignment(tuple(filters), library.names, tuple(rng.integers(0, len(BLOCKS), n).astype(np.uint8) for n in filters.values()))


def test_vectors_are_the_networks_own(network, images):
    """With exact products the receptive fields give the very sums that the network computes."""
    import torch

    vectors = layer_vectors(network, "conv2", images, ExactExecutor())
    layer = network.quantized["conv2"]
    kept = []

    class Keep:
        def run_layer(self, quantized, codes, output):
            if quantized.layer.name == "conv2":
                kept.append(accumulate(quantized, codes).to(torch.int64))
            return ExactExecutor().run_layer(quantized, codes, output)

    network.run(torch.as_tensor(images), Keep())
    sums = vectors.codes.astype(np.int64) @ vectors.weights.astype(np.int64).T
    sums -= layer.input_zero_point * vectors.weights.astype(np.int64).sum(axis=1)
    sums += layer.bias.numpy()
    found = np.moveaxis(kept[0].numpy(), 1, -1).reshape(sums.shape)
    np.testing.assert_array_equal(sums, found)


@pytest.mark.parametrize(("accelerator", "layer"), [(Spatial(), "conv1"), (ARRAY, "conv2")], ids=["lanes of conv1", "8x8 array on conv2"])
def test_rtl_computes_the_layer(accelerator, layer, network, images, library, assignment):
    vectors = layer_vectors(network, layer, images, ExactExecutor(), pixels=4)
    project = design_project(network.layers, library, assignment, accelerator, layer, vectors, find_multiplier)
    assert project.checked == 4 * network.filters[layer]
    result = simulate(project)
    assert result.passed, result.log


@pytest.mark.slow
@pytest.mark.usefixtures("needs_yosys")
def test_gates_compute_the_layer(network, images, library, assignment, osu018):
    """The mapped 8x8 array, 22 000 gates: by a simulator and by the netlist evaluator."""
    vectors = layer_vectors(network, "conv1", images, ExactExecutor(), pixels=8)
    project = design_project(network.layers, library, assignment, ARRAY, "conv1", vectors, find_multiplier)
    mapped = synthesize_project(project, osu018, restructure=False)
    assert mapped.gates > 10_000
    assert run_vectors(mapped, project).passed
    result = simulate(project, sources=mapped.sources)
    assert result.passed, result.log
