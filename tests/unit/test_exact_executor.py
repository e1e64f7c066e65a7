"""ExactExecutor against a NumPy int64 convolution written from the definition."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hawx.formats import S8, U8, IntFormat
from hawx.networks import CodesOutput, ExactExecutor, Layer, LayerKind, QuantizedLayer


def reference_accumulators(layer: QuantizedLayer, codes: np.ndarray) -> np.ndarray:
    """Σ a·w over padded windows, one output at a time, int64; padded positions hold the zero point."""
    f = layer.layer
    top, bottom, left, right = f.padding
    x = np.pad(codes.astype(np.int64), ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=layer.input_zero_point)
    w = layer.weight.numpy().astype(np.int64)
    (sh, sw), (dh, dw), (kh, kw) = f.stride, f.dilation, f.kernel
    height = (x.shape[2] - dh * (kh - 1) - 1) // sh + 1
    width = (x.shape[3] - dw * (kw - 1) - 1) // sw + 1
    per_group, inputs = f.filters // f.groups, f.in_channels // f.groups
    out = np.zeros((len(x), f.filters, height, width), np.int64)
    for o in range(f.filters):
        channels = slice(o // per_group * inputs, (o // per_group + 1) * inputs)
        for i in range(height):
            for j in range(width):
                window = x[:, channels, i * sh : i * sh + dh * (kh - 1) + 1 : dh, j * sw : j * sw + dw * (kw - 1) + 1 : dw]
                out[:, o, i, j] = (window * w[o]).sum((1, 2, 3)) - layer.input_zero_point * w[o].sum() + int(layer.bias[o])
    return out


def reference_output(layer: QuantizedLayer, acc: np.ndarray, output: CodesOutput | None) -> np.ndarray:
    y = acc.astype(np.float32) * (layer.weight_scale.numpy() * np.float32(layer.input_scale))[None, :, None, None]
    if output is None:
        return y
    if output.relu:
        y = np.maximum(y, np.float32(0))
    codes = np.rint(y * (np.float32(1) / np.float32(output.scale))) + output.zero_point
    return np.clip(codes, output.format.min, output.format.max).astype(output.format.dtype)


def random_layer(rng: np.random.Generator, facts: Layer, fmt: IntFormat, zero_point: int, *, largest: int = 127, bias: int = 1000) -> QuantizedLayer:
    shape = (facts.filters, facts.in_channels // facts.groups, *facts.kernel)
    return QuantizedLayer(
        layer=facts,
        weight=torch.from_numpy(rng.integers(-largest, largest + 1, shape).astype(np.int8)),
        weight_scale=torch.from_numpy(rng.uniform(1e-3, 1e-2, facts.filters).astype(np.float32)),
        bias=torch.from_numpy(rng.integers(-bias, bias + 1, facts.filters).astype(np.int32)),
        input_scale=float(np.float32(0.0173)),
        input_zero_point=zero_point,
        input_format=fmt,
    )


def random_codes(rng: np.random.Generator, fmt: IntFormat, shape: tuple[int, ...]) -> np.ndarray:
    return rng.integers(fmt.min, fmt.max + 1, shape).astype(fmt.dtype)


def check(layer: QuantizedLayer, codes: np.ndarray, outputs: tuple[CodesOutput | None, ...]) -> None:
    acc = reference_accumulators(layer, codes)
    for output in outputs:
        expected = reference_output(layer, acc, output)
        for memory_format in (torch.contiguous_format, torch.channels_last):
            result = ExactExecutor().run_layer(layer, torch.from_numpy(codes).contiguous(memory_format=memory_format), output)
            assert result.numpy().dtype == expected.dtype
            np.testing.assert_array_equal(result.numpy(), expected)


OUTPUTS = (None, CodesOutput(scale=0.031), CodesOutput(scale=0.043, relu=True), CodesOutput(scale=0.02, zero_point=97, format=U8, relu=True))


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    kernel=st.tuples(st.integers(1, 4), st.integers(1, 3)),
    stride=st.tuples(st.integers(1, 3), st.integers(1, 2)),
    dilation=st.tuples(st.integers(1, 2), st.integers(1, 3)),
    padding=st.tuples(*[st.integers(0, 3)] * 4),
    groups=st.sampled_from([1, 2, 4]),
    fmt=st.sampled_from([(S8, 0), (S8, -7), (U8, 0), (U8, 131)]),
)
def test_any_geometry_equals_the_definition(seed, kernel, stride, dilation, padding, groups, fmt) -> None:
    rng = np.random.default_rng(seed)
    facts = Layer(
        name="c",
        kind=LayerKind.CONV,
        in_channels=4,
        filters=4,
        kernel=kernel,
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=groups,
    )
    check(random_layer(rng, facts, *fmt), random_codes(rng, fmt[0], (2, 4, 9, 8)), OUTPUTS)


@pytest.mark.parametrize("fmt", [(S8, 0), (U8, 3)])
@pytest.mark.parametrize(("channels", "groups"), [(700, 1), (1400, 2), (2300, 1)])
def test_long_reductions_at_full_magnitude_stay_exact(fmt, channels, groups) -> None:
    """All operands at their extremes: sums far beyond 2**24, where one float32 convolution would round."""
    rng = np.random.default_rng(channels)
    facts = Layer(name="c", kind=LayerKind.CONV, in_channels=channels, filters=6, kernel=(3, 3), padding=(1, 1, 1, 1), groups=groups)
    layer = random_layer(rng, facts, *fmt)
    layer.weight.copy_(torch.where(layer.weight > -120, 127, -127))
    codes = np.full((1, channels, 4, 3), fmt[0].max, fmt[0].dtype)
    codes[:, ::97] = rng.integers(fmt[0].min, fmt[0].max + 1, codes[:, ::97].shape)
    check(layer, codes, OUTPUTS)
    assert np.abs(reference_accumulators(layer, codes)).max() > 1 << 24


def test_a_bias_beyond_the_exact_range_of_float32() -> None:
    rng = np.random.default_rng(5)
    facts = Layer(name="c", kind=LayerKind.LINEAR, in_channels=11, filters=9)
    layer = random_layer(rng, facts, S8, 0, bias=(1 << 30) - 1)
    check(layer, random_codes(rng, S8, (3, 11, 1, 1)), OUTPUTS)
