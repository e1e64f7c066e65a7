"""The program of a quantized network: fusion, liveness, invariance, saving, gradients."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from small_networks import MODULES, images, module, network
from torch import nn

from hawx.errors import InputError
from hawx.networks import ExactExecutor, QuantizedNetwork, zoo
from hawx.networks.gradients import output_gradients, walk_layers
from hawx.networks.quantization import Activations
from hawx.networks.serialize import from_bytes, to_bytes
from hawx.networks.steps import Glue, LayerStep

NAMES = tuple(MODULES)


def plain(net: QuantizedNetwork) -> QuantizedNetwork:
    """The same network with fusion switched off."""
    copy = from_bytes(to_bytes(net))
    copy.__dict__["program"] = copy.steps
    return copy


@pytest.mark.parametrize("activations", list(Activations))
@pytest.mark.parametrize("name", NAMES)
def test_the_fused_program_gives_the_bits_of_the_plain_one(name, activations) -> None:
    net = network(name, activations)
    assert torch.equal(net(images(9, seed=1)), plain(net)(images(9, seed=1)))


def test_fusion_leaves_no_quantization_between_layers_that_only_move_or_clamp() -> None:
    net = zoo.load("lenet5")
    kinds = [type(step).__name__ for step in net.program]
    assert kinds.count("Quantize") == 1
    assert [step.op for step in net.program if isinstance(step, Glue)] == ["max_pool_codes", "max_pool_codes", "flatten.using_ints"]
    assert all(step.codes is not None and step.codes.relu for step in net.program if isinstance(step, LayerStep) and step.layer != "fc3")


@pytest.mark.parametrize("name", NAMES)
def test_results_do_not_depend_on_batch_size_threads_or_memory_format(name) -> None:
    net = network(name)
    batch = torch.from_numpy(images(13, seed=2))
    expected = net(batch)
    assert torch.equal(torch.cat([net(batch[i : i + 1]) for i in range(13)]), expected)
    assert torch.equal(torch.cat([net(batch[:6]), net(batch[6:])]), expected)
    assert torch.equal(net(batch.contiguous(memory_format=torch.channels_last)), expected)
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        assert torch.equal(net(batch), expected)
    finally:
        torch.set_num_threads(threads)


@pytest.mark.parametrize("name", NAMES)
def test_a_state_stops_before_any_layer_and_resumes(name) -> None:
    net = network(name)
    batch = images(4, seed=3)
    expected = net(batch)
    state = net.begin(batch)
    for index in range(len(net.layers)):
        state = net.advance(state, ExactExecutor(), index)
        held = dict(state.values)
        assert torch.equal(net.logits(net.advance(state, ExactExecutor())), expected)
        assert held == state.values, "a state is left as it was"
        assert state.nbytes == sum(v.numel() * v.element_size() for v in state.values.values() if isinstance(v, torch.Tensor))
    with pytest.raises(InputError, match=r"^the state is already past layer number 0; advance from an earlier state\.$"):
        net.advance(state, ExactExecutor(), 0)
    with pytest.raises(InputError, match=r"^layer number 99 does not exist; expected 0\.\.\d+, or None for the end\.$"):
        net.advance(state, ExactExecutor(), 99)


def test_a_state_holds_codes_and_nothing_dead() -> None:
    net = zoo.load("lenet5")
    state = net.advance(net.begin(zoo.dataset("lenet5").images[:10]), ExactExecutor(), 1)
    assert state.nbytes == 10 * 6 * 14 * 14


@pytest.mark.parametrize("name", NAMES)
def test_saving_and_pickling_keep_every_bit(name) -> None:
    net = network(name, Activations.UNSIGNED)
    expected = net(images(3, seed=4))
    for copy in (from_bytes(to_bytes(net)), pickle.loads(pickle.dumps(net))):
        assert torch.equal(copy(images(3, seed=4)), expected)
        assert copy.layers == net.layers
        assert copy.steps == net.steps
        assert copy.unconverted == net.unconverted


def test_a_damaged_file_is_refused() -> None:
    data = to_bytes(network("residual"))
    for damaged in (b"", data[:100], data[:-10], b"\x00" * 64):
        with pytest.raises(InputError, match=r"^network 'here' cannot be read; expected a network saved by HAWX \(safetensors\)\. Save it again\.$"):
            from_bytes(damaged, source="here")


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        (np.zeros((2, 3, 16), np.float32), r"^images have shape \(2, 3, 16\); expected \(N, 3, 16, 16\) with N > 0\.$"),
        (np.zeros((0, 3, 16, 16), np.float32), r"^images have shape \(0, 3, 16, 16\); expected \(N, 3, 16, 16\) with N > 0\.$"),
        (
            np.full((2, 3, 16, 16), np.nan, np.float32),
            r"^images contain NaN or infinite values; expected finite numbers\. Clean the data set first\.$",
        ),
        (np.zeros((2, 3, 16, 16)), r"^images have dtype 'float64'; expected uint8 pixels or preprocessed float32 values\.$"),
        (
            np.zeros((2, 3, 16, 16), np.uint8),
            r"^images are uint8 and the network declares no preprocessing; pass float32 input, or quantize with a Preprocessing\.$",
        ),
    ],
)
def test_bad_images(batch, message) -> None:
    with pytest.raises(InputError, match=message):
        network("residual")(batch)


def test_gradients_of_the_last_layer_are_those_of_the_objective() -> None:
    net = zoo.load("lenet5")
    batch = zoo.dataset("lenet5").images[:5]
    gradients = output_gradients(net, batch, [lambda logits: (logits[:, 3] - 2 * logits[:, 7]).sum()])[0]
    expected = torch.zeros(5, 10)
    expected[:, 3], expected[:, 7] = 1, -2
    assert torch.equal(gradients["fc3"].flatten(1), expected)
    assert {name: tuple(g.shape[1:]) for name, g in gradients.items()} == {f.name: (f.filters, *f.out_size) for f in net.layers}


@pytest.mark.parametrize("name", ["lenet5", "residual", "encoder"])
def test_every_layer_is_passed_with_its_codes_and_output_and_the_same_gradients(name) -> None:
    """The oracle of codes and outputs is an executor that listens; that of gradients the pass through the whole network."""
    net = zoo.load(name) if name == "lenet5" else network(name)
    batch = zoo.dataset(name).images[:4] if name == "lenet5" else torch.from_numpy(images(4, seed=5))
    weights = torch.from_numpy(np.random.default_rng(0).normal(size=(net.classes, 2)).astype(np.float32))
    objectives = [lambda logits, k=k: (logits @ weights[:, k]).sum() for k in range(2)]
    whole = output_gradients(net, batch, objectives)

    class Listening:
        def __init__(self) -> None:
            self.seen: dict[str, tuple[torch.Tensor, torch.Tensor]] = {}

        def run_layer(self, layer, codes, output) -> torch.Tensor:
            self.seen[layer.layer.name] = codes, ExactExecutor().run_layer(layer, codes, None)
            return ExactExecutor().run_layer(layer, codes, output)

    listening = Listening()
    net.run(batch, listening)
    passed = list(walk_layers(net, batch))
    assert [here.layer.layer.name for here in passed] == list(net.layer_names)
    for here in passed:
        codes, output = listening.seen[here.layer.layer.name]
        assert torch.equal(here.codes, codes)
        assert torch.equal(here.output, output)
        for found, expected in zip(here.gradients(torch.zeros_like(output), objectives), whole, strict=True):
            torch.testing.assert_close(found, expected[here.layer.layer.name])


def test_a_moved_output_has_the_gradient_of_where_it_is() -> None:
    """Moved far below zero, no ReLU passes anything on."""
    net = zoo.load("lenet5")
    first = next(iter(walk_layers(net, zoo.dataset("lenet5").images[:4])))
    objective = [lambda logits: logits.sum()]
    assert first.gradients(torch.zeros_like(first.output), objective)[0].any()
    assert not first.gradients(-first.output.abs() - 1, objective)[0].any()


def test_an_objective_that_is_no_scalar_is_refused() -> None:
    net = zoo.load("lenet5")
    with pytest.raises(InputError, match=r"^the objective returned a value of shape \(2, 10\); expected a scalar computed from the logits\.$"):
        output_gradients(net, zoo.dataset("lenet5").images[:2], [lambda logits: logits])


def float_gradients(float_module: nn.Module, batch: torch.Tensor, weights: torch.Tensor) -> dict[str, torch.Tensor]:
    """∂ logits·weights / ∂ output of every convolution and linear module, by plain autograd of the float network."""
    outputs: dict[str, torch.Tensor] = {}
    for name, part in float_module.named_modules():
        if isinstance(part, (nn.Conv1d, nn.Conv2d, nn.Linear)):
            part.register_forward_hook(lambda _, __, result, name=name: outputs.__setitem__(name, result))
    score = (float_module(batch) @ weights).sum()
    gradients = torch.autograd.grad(score, list(outputs.values()))
    return dict(zip(outputs, gradients, strict=True))


@pytest.mark.parametrize("name", ["lenet5", "squeeze", "encoder"])
def test_gradients_follow_those_of_the_float_network(name) -> None:
    """The oracle is autograd on the float module: rounding moves a slope a little, a wrong shape, sign or scale would move it a lot."""
    if name == "lenet5":
        net, float_net = zoo.load(name), zoo.float_module(name)
        batch = net.preprocessing(torch.from_numpy(zoo.dataset(name).images[:20]))
    else:
        net, float_net, batch = network(name), module(name), torch.from_numpy(images(20, seed=5))
    weights = torch.from_numpy(np.random.default_rng(0).normal(size=net.classes).astype(np.float32))
    expected = float_gradients(float_net, batch, weights)
    found = output_gradients(net, batch, [lambda logits: (logits @ weights).sum()])[0]
    assert set(found) == set(net.layer_names)
    shared = [layer for layer in net.layer_names if layer in expected]
    assert len(shared) >= 4
    for layer in shared:
        oracle = expected[layer]
        if oracle.ndim == 3 and found[layer].shape[3] == 1:  # (N, tokens, filters)
            oracle = oracle.transpose(1, 2)
        a, b = found[layer].flatten().double(), oracle.flatten().double()
        assert float(torch.corrcoef(torch.stack([a, b]))[0, 1]) > 0.95, layer
        assert 0.9 < float(a.norm() / b.norm()) < 1.1, layer


def test_quantize_and_dequantize_agree_on_codes() -> None:
    """A dequantization followed by the same quantization is dropped by fusion; that is exact for every code."""
    from hawx.formats import S8, U8
    from hawx.networks.requantize import dequantize, quantize, torch_dtype

    for fmt in (S8, U8):
        codes = torch.arange(fmt.min, fmt.max + 1).to(torch_dtype(fmt))
        for scale in np.random.default_rng(3).lognormal(-3, 2, 200).astype(np.float32):
            for zero_point in (0, -5, 11):
                assert torch.equal(quantize(dequantize(codes, float(scale), zero_point), float(scale), zero_point, fmt), codes)
