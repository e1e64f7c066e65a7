"""Operand counts against an explicit unfold."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hawx.networks import ExactExecutor, Layer, LayerKind, zoo
from hawx.networks.quantized import QuantizedLayer, Variant
from hawx.profile import OperandProfile, activation_counts, arriving_operands, profile_operands, weight_distributions
from hawx.wiring import Wiring


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 3), st.integers(1, 3), st.integers(1, 2), st.integers(0, 2), st.integers(1, 2), st.integers(0, 99))
def test_activation_counts_equal_those_of_the_unfolded_input(channels: int, kernel: int, stride: int, padding: int, dilation: int, seed: int) -> None:
    size = 7
    out = (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1
    facts = Layer(
        name="c",
        kind=LayerKind.CONV,
        in_channels=channels,
        filters=1,
        kernel=(kernel, kernel),
        stride=(stride, stride),
        padding=(padding,) * 4,
        dilation=(dilation, dilation),
        in_size=(size, size),
        out_size=(out, out),
    )
    layer = QuantizedLayer(
        layer=facts,
        weight=torch.zeros(1, channels, kernel, kernel, dtype=torch.int8),
        weight_scale=torch.ones(1),
        bias=torch.zeros(1, dtype=torch.int32),
        input_scale=1.0,
    )
    codes = torch.from_numpy(np.random.default_rng(seed).integers(-128, 128, (2, channels, size, size)).astype(np.int8))
    columns = torch.nn.functional.unfold(codes.float(), kernel, dilation=dilation, padding=padding, stride=stride)
    expected = np.bincount(columns.flatten().numpy().astype(int) + 128, minlength=256)
    np.testing.assert_array_equal(activation_counts(layer, codes), expected)


def test_weight_distributions_count_each_filter() -> None:
    weight = torch.tensor([[-128, 0, 0, 127], [1, 1, 1, 1]], dtype=torch.int8).reshape(2, 1, 2, 2)
    q = weight_distributions(weight)
    assert q[0, 0] == 0.25
    assert q[0, 128] == 0.5
    assert q[0, 255] == 0.25
    assert q[1, 129] == 1.0
    np.testing.assert_allclose(q.sum(axis=1), 1.0)


@pytest.mark.parametrize("batch", [3, 64])
def test_the_profile_does_not_depend_on_the_batch_size(batch: int) -> None:
    network, images = zoo.load("lenet5"), zoo.dataset("lenet5").images[:10]
    profile = profile_operands(network, images, ExactExecutor(), batch=batch)
    once = profile_operands(network, images, ExactExecutor(), batch=10)
    for found, expected in zip(profile.activations, once.activations, strict=True):
        np.testing.assert_allclose(found, expected)
        assert found.sum() == pytest.approx(1.0)


def test_operands_arrive_as_a_block_is_wired_and_its_weights_are_mapped() -> None:
    network = zoo.load("lenet5")
    layer = network.layers[1]
    held = network.quantized[layer.name]
    halves = torch.arange(-128, 128, dtype=torch.int8) // 2
    variant = Variant(codes=halves, weight_scale=held.weight_scale, bias=held.bias, wiring=Wiring(swapped=True, shift=1))
    varied = replace(network, quantized={**network.quantized, layer.name: replace(held, variants={"b": variant})})
    p, q = np.zeros(256), np.zeros(256)
    p[[128 - 100, 128, 128 + 7]] = 0.5, 0.25, 0.25
    q[[128 - 3, 128 + 8, 128 + 9]] = 0.5, 0.25, 0.25
    count = len(network.layers)
    found = arriving_operands(varied, OperandProfile(activations=(p,) * count, weights=(q,) * count, filter_weights=()), ["a", "b"])
    assert found.swapped.tolist() == [[False, i == 1] for i in range(count)]
    assert {int(i) - 128: float(found.activations[1, 1, i]) for i in np.flatnonzero(found.activations[1, 1])} == {-128: 0.5, 0: 0.25, 14: 0.25}
    assert {int(i) - 128: float(found.weights[1, 1, i]) for i in np.flatnonzero(found.weights[1, 1])} == {-2: 0.5, 4: 0.5}
    for i, b in ((0, 0), (0, 1), (1, 0)):
        assert np.array_equal(found.activations[i, b], p)
        assert np.array_equal(found.weights[i, b], q)
