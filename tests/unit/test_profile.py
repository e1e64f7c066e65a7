"""Operand counts against an explicit unfold."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hawx.networks import ExactExecutor, Layer, LayerKind, zoo
from hawx.networks.quantized import QuantizedLayer
from hawx.profile import activation_counts, profile_operands, weight_distributions


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
