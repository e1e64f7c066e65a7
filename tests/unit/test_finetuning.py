"""Fine-tuning: gradients against PyTorch's own, exact resume, integers in range, and refusals."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from small_networks import images, network

from hawx.blocks import Block, Library
from hawx.designs import Assignment
from hawx.emulate import BlockExecutor, Evaluator
from hawx.errors import InputError
from hawx.finetuning import FineTuned, TuningRecipe, finetune
from hawx.finetuning.layer import ApproximateLayer
from hawx.finetuning.masters import Master
from hawx.networks import QuantizedNetwork, zoo
from hawx.networks.quantization import Activations
from hawx.recover import recover_units
from hawx.verify.identity import network_identity

CODES = np.arange(-128, 128)
EXACT = np.multiply.outer(CODES, CODES)
LIBRARY = Library(
    [
        Block.from_table(EXACT, name="exact"),
        Block.from_table(2 * EXACT, name="double"),
        Block.from_table(np.multiply.outer(CODES & -8, CODES & -16), name="rough"),
    ]
)


def everywhere(net: QuantizedNetwork, block: str) -> Assignment:
    return Assignment.uniform(net.filters, LIBRARY.names, block)


def integers(net: QuantizedNetwork) -> dict[str, np.ndarray]:
    parts = ("weight", "weight_scale", "bias")
    return {f"{name}.{part}": getattr(layer, part).numpy() for name, layer in net.quantized.items() for part in parts}


def same(a: QuantizedNetwork, b: QuantizedNetwork) -> bool:
    ours, theirs = integers(a), integers(b)
    return all(np.array_equal(ours[key], theirs[key]) for key in ours)


@pytest.mark.parametrize("activations", [Activations.SIGNED, Activations.SIGNED_AFFINE])
@pytest.mark.parametrize("name", ["residual", "squeeze"])
def test_gradients_of_an_exact_layer_are_those_of_its_convolution(name: str, activations: Activations) -> None:
    """Padding on one side, zero points, strides, dilation, groups, depthwise: against autograd through a float convolution."""
    net = network(name, activations)
    rng = np.random.default_rng(0)
    for layer in net.quantized.values():
        facts = layer.layer
        top, bottom, left, right = facts.padding
        codes = torch.from_numpy(rng.integers(-128, 128, (2, facts.in_channels, *facts.in_size))).float().requires_grad_()
        weight = layer.weight.float().requires_grad_()
        log_scale, bias = torch.zeros(facts.filters, requires_grad=True), torch.zeros(facts.filters, requires_grad=True)
        padded = F.pad(codes - layer.input_zero_point, (left, right, top, bottom))
        products = F.conv2d(padded, weight, None, facts.stride, 0, facts.dilation, facts.groups)
        scale = (layer.scale * log_scale.exp()).view(1, -1, 1, 1)
        expected = products * scale + (layer.scale * layer.bias + bias).view(1, -1, 1, 1)
        executor = BlockExecutor(LIBRARY, everywhere(net, "exact"))
        output = ApproximateLayer.apply(codes, weight, log_scale, bias, layer, executor)
        torch.testing.assert_close(output, expected, rtol=1e-5, atol=1e-4)
        arriving = torch.from_numpy(rng.normal(size=expected.shape).astype(np.float32))
        wanted = (codes, weight, log_scale, bias)
        for found, truth in zip(torch.autograd.grad(output, wanted, arriving), torch.autograd.grad(expected, wanted, arriving), strict=True):
            off = float((found - truth).abs().max() / truth.abs().max())
            assert off < 0.01, name  # bfloat16 has three digits


def test_masters_that_did_not_move_are_the_layer() -> None:
    for activations in Activations:
        net = network("residual", activations)
        masters = {name: Master.of(layer) for name, layer in net.quantized.items()}
        assert same(replace(net, quantized={name: master.quantized() for name, master in masters.items()}), net)


def test_a_scale_moves_without_the_real_bias() -> None:
    layer = network("residual").quantized["shared"]
    master = Master.of(layer)
    with torch.no_grad():
        master.scale.fill_(8 * float(np.log(2)))
    doubled = master.quantized()
    assert torch.allclose(doubled.weight_scale, 2 * layer.weight_scale)
    assert (doubled.bias - layer.bias / 2).abs().max() <= 0.5
    assert torch.equal(doubled.weight, layer.weight)


RECIPE = TuningRecipe(epochs=4, batch=16, rate=0.5, held_out=30, shift=1, mirror=True)


@cache
def tuned() -> FineTuned:
    net = network("residual")
    return finetune(net, everywhere(net, "rough"), LIBRARY, images(200), recipe=RECIPE)


def agreement(net: QuantizedNetwork, assignment: Assignment) -> float:
    """Share of unseen images that a design classifies as the exact network does."""
    exact, seen = network("residual"), images(400, seed=9)
    answers = exact(seen).argmax(1).numpy()
    return Evaluator(net, LIBRARY, seen, answers).correct(assignment) / len(seen)


def test_training_improves_a_rough_design_on_unseen_images() -> None:
    net = network("residual")
    assignment = everywhere(net, "rough")
    found = tuned()
    assert found.best > 0
    assert [round(e.epoch) for e in found.epochs] == [1, 2, 3, 4]
    assert min(e.held_out for e in found.epochs) < found.start_loss
    assert agreement(found.network, assignment) > agreement(net, assignment) + 0.05


def test_what_comes_out_is_in_range_and_keeps_the_rest() -> None:
    net, found = network("residual"), tuned().network
    assert network_identity(found) != network_identity(net)
    assert (found.steps, found.layers) == (net.steps, net.layers)
    for name, layer in found.quantized.items():
        before = net.quantized[name]
        assert (layer.weight.dtype, layer.weight_scale.dtype, layer.bias.dtype) == (torch.int8, torch.float32, torch.int32)
        assert layer.weight.abs().max() <= 127
        assert (layer.weight_scale > 0).all()
        assert (layer.input_scale, layer.input_zero_point) == (before.input_scale, before.input_zero_point)


def test_codes_stay_in_range_however_far_they_are_driven() -> None:
    net = network("squeeze")
    recipe = replace(RECIPE, rate=40.0, epochs=1)
    snapshots: list = []
    with suppress(InputError):  # it may diverge, after some snapshots
        finetune(net, everywhere(net, "rough"), LIBRARY, images(200), recipe=recipe, keep=snapshots.append)
    weights = [value for name, value in snapshots[-1].items() if name.startswith("master.") and value.ndim == 4]
    assert max(float(w.abs().max()) for w in weights) == 127


@pytest.mark.parametrize("epochs", [0, 0.01])
def test_no_step_changes_nothing(epochs: float) -> None:
    net = network("residual")
    found = finetune(net, everywhere(net, "exact"), LIBRARY, images(40), recipe=replace(RECIPE, epochs=epochs))
    assert same(found.network, net)
    assert (found.best, found.start_loss) == (0, 0)


def test_the_start_is_kept_where_training_finds_nothing_better() -> None:
    net = network("residual")
    found = finetune(net, everywhere(net, "exact"), LIBRARY, images(60), recipe=replace(RECIPE, epochs=1))
    assert same(found.network, net)
    assert (found.best, [e.epoch for e in found.epochs]) == (0, [1])


@pytest.mark.parametrize("which", [0, 5, -1])
def test_a_resumed_run_equals_an_uninterrupted_one(which: int) -> None:
    net = network("residual")
    recipe = replace(RECIPE, epochs=3, progressive=0.5)

    def run(**more: object) -> FineTuned:
        return finetune(net, everywhere(net, "rough"), LIBRARY, images(120), np.zeros(120, np.int64), recipe=replace(recipe, label_share=0.1), **more)

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        snapshots: list = []
        whole = run(keep=snapshots.append)
        resumed = run(resume=snapshots[which])
    finally:
        torch.set_num_threads(threads)
    assert same(whole.network, resumed.network)
    assert whole.epochs == resumed.epochs
    assert whole.best == resumed.best


def right(net: QuantizedNetwork, block: str) -> int:
    """Correct answers of LeNet-5 on 1,000 unseen images with one block everywhere."""
    unseen = zoo.dataset("lenet5").first(1000)
    return Evaluator(net, LIBRARY, unseen.images, unseen.labels).correct(everywhere(net, block))


def test_a_block_that_only_scales_is_recovered_by_training_alone() -> None:
    """Every product doubled: 1,000 training images without labels bring LeNet-5 from 2.8 points lost to within one."""
    net = zoo.load("lenet5")
    assert right(net, "double") < right(net, "exact") - 20
    recipe = TuningRecipe(epochs=16, batch=50, rate=0.5)
    found = finetune(net, everywhere(net, "double"), LIBRARY, zoo.calibration("lenet5").images, recipe=recipe)
    assert right(found.network, "double") >= right(net, "exact") - 10


def test_a_recovered_start_is_taken_with_what_its_layers_have_on_their_blocks() -> None:
    """Gains of one half are the exact network again, so that nothing is left to train."""
    net, images = zoo.load("lenet5"), zoo.calibration("lenet5").images[:256]
    recovered = recover_units(net, LIBRARY, images, "gain")
    found = finetune(net, everywhere(net, "double"), LIBRARY, images, start=recovered, recipe=TuningRecipe(epochs=1, batch=32))
    assert found.start_loss < 1e-3
    assert not any(layer.variants for layer in found.network.quantized.values())
    assert right(found.network, "double") >= right(net, "exact") - 1


def test_layers_switch_one_after_another() -> None:
    """Until it is switched, a layer is exact and does not learn: the last one's masters are where they were half way."""
    net = network("residual")
    snapshots: list = []
    finetune(net, everywhere(net, "rough"), LIBRARY, images(120), recipe=replace(RECIPE, epochs=2, progressive=0.7), keep=snapshots.append)
    last = 3 * (len(net.layers) - 1)
    halfway = snapshots[len(snapshots) // 2 - 1]  # after one of two epochs
    assert torch.equal(halfway[f"master.{last}"], net.quantized[net.layer_names[-1]].weight.float())
    assert not torch.equal(halfway["master.0"], net.quantized[net.layer_names[0]].weight.float())
    assert not torch.equal(snapshots[-1][f"master.{last}"], halfway[f"master.{last}"])


def test_a_diverging_run_stops_with_advice() -> None:
    net = zoo.load("lenet5")
    with pytest.raises(
        InputError,
        match=r"^fine-tuning diverges at step 20 of \d+ \(loss \S+; it was \S+ at its best\); expected a falling loss\. "
        r"Lower the rate 1000 to a third, or choose a design that loses less to begin with\.$",
    ):
        finetune(net, everywhere(net, "rough"), LIBRARY, zoo.calibration("lenet5").images, recipe=replace(RECIPE, rate=1000.0))


def test_a_run_without_progress_ends_early() -> None:
    net = network("residual")
    found = finetune(net, everywhere(net, "exact"), LIBRARY, images(60), recipe=replace(RECIPE, epochs=9, patience=2))
    assert len(found.epochs) == 2


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (
            {"start": network("squeeze")},
            r"^network 'squeeze' to start from has other layers than 'residual'; expected the same with .*",
        ),
        ({"labels": np.zeros(3, np.int64)}, r"^40 training images have 3 labels; expected one each\.$"),
        ({"images": images(10)}, r"^10 training images are too few to fine-tune on; expected at least 20, better thousands\.$"),
        ({"recipe": TuningRecipe(epochs=1, label_share=0.5)}, r"^label_share 0\.5 needs labels; give some, or 0 .*"),
        ({"assignment": everywhere(network("squeeze"), "rough")}, r"^the assignment is for layers \('conv', .*\); expected \('stem', .*\)\.$"),
    ],
)
def test_what_does_not_fit_is_refused(changed: dict, said: str) -> None:
    net = network("residual")
    given = {"network": net, "assignment": everywhere(net, "rough"), "library": LIBRARY, "images": images(40), **changed}
    with pytest.raises(InputError, match=said):
        finetune(**given)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [("rate", 0.0, "more than 0"), ("rate", float("nan"), "at least 0"), ("batch", 0, "at least 1"), ("label_share", 1.5, "at least 0, at most 1")],
)
def test_recipes_are_checked(name: str, value: float, expected: str) -> None:
    with pytest.raises(InputError, match=re.escape(f"{name} {value!r} cannot be used; expected {expected}")):
        TuningRecipe(**{"epochs": 1, name: value})
