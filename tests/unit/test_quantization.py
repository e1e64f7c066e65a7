"""Quantization: agreement with the library's own execution, formats, coverage, names, bad input."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from small_networks import MODULES, images, module, network
from torch import Tensor, nn

from hawx.errors import InputError
from hawx.formats import S8, U8
from hawx.networks import ExactExecutor, LayerKind, Preprocessing, QuantizedNetwork, zoo
from hawx.networks.arrange import run_product_step
from hawx.networks.quantization import Activations, Method, quantize
from hawx.networks.quantization.canonical import canonicalize
from hawx.networks.quantization.exporting import quiet, trace
from hawx.networks.quantization.graph import LAYER_NAME
from hawx.networks.quantization.pt2e import PRODUCTS, calibrated


def library_graph(name: str, activations: Activations) -> torch.fx.GraphModule:
    """What torchao itself runs: dequantized float convolutions around quantize and dequantize operators."""
    graph = trace(module(name), torch.from_numpy(images(4)), name=name)
    canonicalize(graph)
    batches = [torch.from_numpy(images(48)[i : i + 16]) for i in range(0, 48, 16)]
    return calibrated(graph, batches, activations=activations, method=Method.MOVING_AVERAGE, keep_float=frozenset())


class Spy(torch.fx.Interpreter):
    """Runs the library's graph and keeps, per layer, its integer input and its real output."""

    def __init__(self, graph: torch.fx.GraphModule) -> None:
        super().__init__(graph)
        self.codes: dict[str, Tensor] = {}
        self.others: dict[str, Tensor] = {}
        self.outputs: dict[str, Tensor] = {}

    def run_node(self, n: torch.fx.Node) -> object:
        result = super().run_node(n)
        if LAYER_NAME in n.meta and "dequantize_per" in str(n.args[0].target):
            self.codes[n.meta[LAYER_NAME]] = self.env[n.args[0].args[0]]
            if n.target in PRODUCTS:
                self.others[n.meta[LAYER_NAME]] = self.env[n.args[1].args[0]]
            self.outputs[n.meta[LAYER_NAME]] = result
        return result


@pytest.mark.parametrize("activations", list(Activations))
@pytest.mark.parametrize("name", list(MODULES))
def test_every_layer_matches_the_library_on_the_librarys_own_integers(name, activations) -> None:
    """Teacher-forced: rounding flips of the library's float sums cannot propagate, so the bound is tight."""
    net = network(name, activations)
    spy = Spy(library_graph(name, activations))
    spy.garbage_collect_values = False
    batch = torch.from_numpy(images(6, seed=9))
    with quiet(), torch.no_grad():
        logits = spy.run(batch)
    assert set(spy.codes) == set(net.layer_names)
    for layer in net.layers:
        codes, expected, held = spy.codes[layer.name], spy.outputs[layer.name], net.quantized[layer.name]
        if layer.kind is LayerKind.MATMUL:
            other = spy.others[layer.name]
            found = run_product_step(codes, other, len(batch), lambda x, w, held=held: ExactExecutor().run_layer(held.times(w), x, None))
            assert float((found - expected).abs().max() / expected.abs().max()) <= 1e-5, layer.name
            continue
        channels_last = layer.kind is LayerKind.LINEAR
        if channels_last:
            codes, expected = (v.reshape(1, -1, v.shape[-1]).transpose(1, 2).unsqueeze(3) for v in (codes, expected))
        elif codes.ndim == 3:
            codes, expected = codes.unsqueeze(2), expected.unsqueeze(2)
        found = ExactExecutor().run_layer(held, codes, None)
        assert float((found - expected).abs().max() / expected.abs().max()) <= 1e-5, layer.name
    ours = net(batch)
    assert float((ours - logits).abs().max() / logits.abs().max()) < 0.1
    assert torch.equal(ours.argmax(1), logits.argmax(1))


@pytest.mark.parametrize("name", list(MODULES))
@pytest.mark.parametrize("method", list(Method))
def test_every_calibration_method_keeps_the_logits_close(name, method) -> None:
    net = network(name, Activations.SIGNED, method)
    batch = torch.from_numpy(images(32, seed=3))
    with torch.no_grad():
        expected = module(name)(batch)
    error = (net(batch) - expected).norm() / (expected - expected.mean(0)).norm()
    assert float(error) < 0.25


def test_formats_and_zero_points() -> None:
    signed = network("residual").quantized.values()
    assert {(layer.input_format, layer.input_zero_point) for layer in signed} == {(S8, 0)}
    unsigned = network("residual", Activations.UNSIGNED).quantized
    assert {layer.input_format for layer in unsigned.values()} == {U8}
    assert unsigned["shared"].input_zero_point == 0, "its input comes from a ReLU"
    assert unsigned["stem"].input_zero_point > 0, "its input is signed"
    for layer in (*signed, *unsigned.values()):
        assert layer.weight.dtype == torch.int8
        assert int(layer.weight.min()) >= -127
        assert bool((layer.weight.flatten(1).to(torch.int32).abs().amax(1) == 127).all()), "every filter uses its whole range"


def test_layer_facts() -> None:
    facts = {layer.name: layer for layer in network("residual").layers}
    assert list(facts) == ["stem", "shared", "shared#1", "depthwise", "point", "skip", "grouped", "head"]
    assert facts["stem"].padding == (1, 1, 1, 1)
    depthwise = facts["depthwise"]
    assert (depthwise.kind, depthwise.groups, depthwise.kernel, depthwise.stride) == (LayerKind.DEPTHWISE, 8, (4, 4), (2, 2))
    assert (depthwise.in_size, depthwise.out_size, depthwise.macs) == ((19, 19), (8, 8), 8 * 64 * 16)
    assert (facts["grouped"].kind, facts["grouped"].dilation, facts["grouped"].reduction) == (LayerKind.CONV, (2, 2), 72)
    encoder = {layer.name: layer for layer in network("encoder").layers}
    assert encoder["layer.self_attn.in_proj"].filters == 48
    assert encoder["layer.self_attn.in_proj"].out_size == (16, 1)
    assert encoder["matrix"].macs == 16 * 16 * 10


def test_what_is_not_converted_is_named() -> None:
    assert network("residual").unconverted == ()
    assert network("encoder").unconverted == ()
    kept = quantize(module("residual"), images(16), name="residual", keep_float=["point"])
    assert kept.unconverted == ("point (conv2d.default)",)
    assert "point" not in kept.quantized

    class Awkward(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.up = nn.ConvTranspose2d(3, 4, 2, 2)
            self.conv = nn.Conv2d(4, 4, 3)
            self.mix = nn.Parameter(torch.randn(4, 4))

        def forward(self, x: Tensor) -> Tensor:
            return torch.einsum("nchw,cd->nd", self.conv(self.up(x)), self.mix)

    awkward = quantize(Awkward(), images(8), name="awkward")
    assert awkward.unconverted == ("up (conv_transpose2d.input)", "einsum (einsum.default)")


class SamePadConv(nn.Conv2d):
    """A subclass, as EfficientNet's: what matches module classes silently skips it."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(F.pad(x, (0, 1, 0, 1)))


class Standardized(nn.Module):
    """Weights computed from parameters in the forward pass."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = SamePadConv(3, 4, 3)
        self.raw = nn.Parameter(torch.randn(5, 4, 3, 3))
        self.head = nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        weight = (self.raw - self.raw.mean((1, 2, 3), keepdim=True)) / self.raw.std((1, 2, 3), keepdim=True)
        return self.head(F.conv2d(F.gelu(self.conv(x)), weight, padding="same").mean((2, 3)))


def test_subclassed_functional_and_computed_weights_become_layers() -> None:
    net = quantize(Standardized(), images(8), name="standardized")
    assert net.layer_names == ("conv", "raw", "head")
    assert net.unconverted == ()


def test_a_dead_filter_with_a_large_bias_stays_within_int32() -> None:
    conv = nn.Conv2d(3, 4, 3)
    with torch.no_grad():
        conv.weight[2] *= 1e-9
        conv.bias.copy_(torch.tensor([0.1, -0.2, 4000.0, 0.3]))
    net = quantize(nn.Sequential(conv, nn.Flatten(), nn.Linear(4 * 14 * 14, 3)), images(8) * 0.01, name="dead")
    layer = net.quantized["0"]
    assert int(layer.bias.abs().max()) <= 1 << 30
    assert float(layer.bias[2] * layer.scale[2]) == pytest.approx(4000.0, rel=1e-6)


def test_the_module_is_left_as_it_was() -> None:
    built = module("residual").train()
    before = {key: value.clone() for key, value in built.state_dict().items()}
    quantize(built, images(8), name="residual")
    assert built.training
    assert all(torch.equal(value, before[key]) for key, value in built.state_dict().items())


class Branches(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x).mean((2, 3))
        return y if y.sum() > 0 else -y


class FixedBatch(Branches):
    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x).reshape(4, 4, -1).mean(2)


class MixesImages(Branches):
    def forward(self, x: Tensor) -> Tensor:
        return F.linear(self.conv(x - x.mean(0)).mean((2, 3)), torch.ones(3, 4))


class NoLogits(Branches):
    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


class NothingToDo(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.mean((2, 3))


class Unknown(Branches):
    def forward(self, x: Tensor) -> Tensor:
        return torch.linalg.det(self.conv(x)[:, :, :4, :4])


@pytest.mark.parametrize(
    ("built", "message"),
    [
        (Branches(), r"^network 'x' takes a branch that depends on its input; expected a forward without data-dependent control flow\. Replace .+$"),
        (FixedBatch(), r"^network 'x' fixes its batch size; expected a forward that takes any number of images\. Use x\.shape\[0\] .+$"),
        (
            MixesImages(),
            r"^layer 'linear' of network 'x' mixes the images of a batch; expected each image's logits to depend on it alone\. "
            r"Take batch statistics out of the forward\.$",
        ),
        (NoLogits(), r"^network 'x' returns shape \(4, 4, 14, 14\) for 4 images; expected logits of shape \(4, classes\)\.$"),
        (NothingToDo(), r"^network 'x' has no convolution or linear operator with a constant weight; nothing could be approximated\.$"),
        (
            Unknown(),
            r"^network 'x' uses operator '.*det.*' at node '.*det.*', which HAWX does not know; expected one of hawx\.networks\.glue\. "
            r"Replace it by known operators, or ask for it\.$",
        ),
    ],
)
def test_modules_that_cannot_be_quantized(built, message) -> None:
    with pytest.raises(InputError, match=message):
        quantize(built, images(8), name="x")


def test_bad_calibration() -> None:
    with pytest.raises(InputError, match=r"^calibration of network 'x' has 1 images; expected at least 2, better 100 or more\.$"):
        quantize(module("residual"), images(1), name="x")
    with pytest.raises(InputError, match=r"^images are uint8 and the network declares no preprocessing; .+$"):
        quantize(module("residual"), np.zeros((4, *images(1).shape[1:]), np.uint8), name="x")
    with pytest.raises(InputError, match=r"^layers \['nowhere'\] to keep in float are not in network 'x'; expected some of: stem, .+\.$"):
        quantize(module("residual"), images(4), name="x", keep_float=["nowhere"])


def test_preprocessing_is_declared_and_applied() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (16, 3, 16, 16), dtype=np.uint8)
    preprocessing = Preprocessing(mean=(0.4, 0.5, 0.6), std=(0.2, 0.25, 0.3))
    net = quantize(module("residual"), pixels, name="x", preprocessing=preprocessing)
    mean, std = (np.array(v, np.float64)[None, :, None, None] for v in (preprocessing.mean, preprocessing.std))
    expected = (pixels / 255 - mean) / std
    assert np.abs(preprocessing(torch.from_numpy(pixels)).numpy() - expected).max() < 1e-6
    assert torch.equal(net(pixels), net(preprocessing(torch.from_numpy(pixels))))


def test_lenet5_embedded() -> None:
    net = zoo.load("lenet5")
    assert isinstance(net, QuantizedNetwork)
    data = zoo.dataset("lenet5")
    correct = int((net(data.images).argmax(1).numpy() == data.labels).sum())
    assert net.float_top1 is not None
    assert abs(100 * correct / len(data) - net.float_top1) <= 0.5
    assert correct >= 9900
    assert sum(layer.filters for layer in net.layers if layer.kind is LayerKind.CONV) == 22


def test_the_embedded_integers_are_those_of_the_embedded_float_weights() -> None:
    """What ships is what the pipeline makes of the float weights, to the last code."""
    rebuilt = zoo.load("lenet5", calibration=zoo.calibration("lenet5"))
    shipped = zoo.load("lenet5")
    assert rebuilt.layers == shipped.layers
    for name in shipped.layer_names:
        a, b = rebuilt.quantized[name], shipped.quantized[name]
        assert torch.equal(a.weight, b.weight)
        assert torch.equal(a.weight_scale, b.weight_scale)
        assert int((a.bias - b.bias).abs().max()) <= 1
        assert a.input_scale == pytest.approx(b.input_scale, rel=1e-6)  # a float mean over batches: another CPU may round it otherwise
