"""Recovery: what mapped weights, gains and shifts win back, and what they must leave alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from small_networks import images, network

from hawx.blocks import Block, Library
from hawx.blocks.families import builtin_library
from hawx.designs import Assignment
from hawx.emulate import BlockExecutor, Evaluator
from hawx.errors import InputError
from hawx.networks import QuantizedNetwork, zoo
from hawx.networks.quantization import Activations
from hawx.networks.quantized import Variant
from hawx.networks.serialize import from_bytes, to_bytes, variants_to_bytes, with_variants
from hawx.recover import DesignRecovery, Method, recover_units
from hawx.recover.mapping import mapped_codes
from hawx.recover.moments import Moments, gain_and_shift
from hawx.verify import network_identity

LENET = zoo.load("lenet5")
DATA = zoo.dataset("lenet5").first(400)
CALIBRATION = zoo.calibration("lenet5").images[:64]
EXACT = np.multiply.outer(np.arange(-128, 128), np.arange(-128, 128))


def library_of(**tables: np.ndarray) -> Library:
    return Library([Block.from_table(EXACT, name="exact"), *(Block.from_table(table, name=name) for name, table in tables.items())])


def everywhere(net: QuantizedNetwork, library: Library, block: str) -> Assignment:
    return Assignment.uniform(net.filters, library.names, block)


def logits(net: QuantizedNetwork, library: Library, block: str) -> np.ndarray:
    return Evaluator(net, library, DATA.images, DATA.labels).logits(everywhere(net, library, block))


@pytest.mark.parametrize("method", list(Method))
def test_the_exact_network_keeps_every_bit(method: Method) -> None:
    library = builtin_library().select(["mul8s_ot3"])
    recovered = recover_units(LENET, library, CALIBRATION, method)
    assert np.array_equal(logits(recovered, library, library.exact.name), logits(LENET, library, library.exact.name))
    assert all(library.exact.sha256 not in layer.variants for layer in recovered.quantized.values())
    if method is Method.NONE:
        assert recovered is LENET


def test_a_product_of_two_bits_too_many_is_recovered_to_the_bit() -> None:
    library = library_of(shifted=EXACT << 2)
    recovered = recover_units(LENET, library, CALIBRATION)
    variant = recovered.quantized["conv2"].variants[library["shifted"].sha256]
    assert variant.codes[1:].tolist() == list(range(-127, 128))  # -128 is no weight
    assert torch.equal(variant.weight_scale, LENET.quantized["conv2"].weight_scale / 4)
    assert torch.equal(variant.bias, LENET.quantized["conv2"].bias * 4)
    assert np.array_equal(logits(recovered, library, "shifted"), logits(LENET, library, "exact"))


def test_a_gain_alone_recovers_a_doubled_product_to_the_bit() -> None:
    library = library_of(doubled=EXACT << 1)
    recovered = recover_units(LENET, library, CALIBRATION, "gain")
    assert np.array_equal(logits(recovered, library, "doubled"), logits(LENET, library, "exact"))


def test_a_product_that_lost_two_bits_is_recovered_nearly() -> None:
    library = library_of(coarse=EXACT >> 2)
    answers = {
        name: logits(net, library, "coarse").argmax(1) for name, net in (("as it is", LENET), ("full", recover_units(LENET, library, CALIBRATION)))
    }
    right = {name: 100 * (found == DATA.labels).mean() for name, found in answers.items()}
    assert right["full"] > 98.0
    assert right["as it is"] < 10.0


def test_mapped_codes_are_the_best_of_all_by_looking_at_each() -> None:
    rng = np.random.default_rng(0)
    table = EXACT + rng.integers(-900, 900, (1, 256)) + rng.integers(-50, 50, EXACT.shape)
    block = Block.from_table(table, name="noisy")
    p = rng.dirichlet(np.ones(256))
    q = rng.dirichlet(np.ones(256))
    mapped = mapped_codes(block, p, q)
    codes, scale = mapped.codes, mapped.scale
    off = table[:, codes.astype(int) + 128] / scale - EXACT
    assert mapped.error == pytest.approx(float(p @ off**2 @ q))
    a = np.arange(-128, 128)
    for w in (-128, -77, -3, 0, 1, 64, 127):
        errors = {v: float((p * (table[:, v + 128] - scale * a * w) ** 2).sum()) for v in range(-127, 128)}
        assert errors[int(codes[w + 128])] == pytest.approx(min(errors.values()), rel=1e-9)
    assert codes.min() >= -127


def test_ties_go_to_the_nearest_code_and_an_exact_block_maps_nothing() -> None:
    coarse = Block.from_table(np.multiply.outer(np.arange(-128, 128), np.arange(-128, 128) // 4 * 4), name="coarse")  # four columns each alike
    p = np.full(256, 1 / 256)
    mapped = mapped_codes(coarse, p, np.eye(256)[128 + 8])
    assert mapped.scale == 1.0
    assert [int(mapped.codes[w + 128]) for w in (8, 9, 10, 11, 12)] == [8, 9, 10, 12, 12]
    exact = mapped_codes(Block.from_table(EXACT, name="exact"), p, p)
    assert (exact.codes.tolist(), exact.scale, exact.error) == (list(range(-128, 128)), 1.0, 0.0)


def test_gain_and_shift_in_numbers() -> None:
    exact, seen = Moments(), Moments()
    for value, approximate in ((0.0, 1.0), (2.0, 2.0), (4.0, 3.0)):  # deviation twice as large, means 2 and 2
        exact.add(torch.tensor([[[[value]], [[value]], [[value]]]]))
        seen.add(torch.tensor([[[[approximate]], [[7.0]], [[100 * value]]]]))
    gain, shift = gain_and_shift(exact, seen)
    assert gain.tolist() == pytest.approx([2.0, 1.0, 0.5])  # 2·1-2 = 0 …; a constant has no gain; a hundredth is out of range
    assert shift.tolist() == pytest.approx([-2.0, -5.0, 2.0 - 0.5 * 200.0])
    assert gain_and_shift(exact, seen, gain=False)[0].tolist() == [1.0, 1.0, 1.0]
    assert gain_and_shift(exact, seen, gain=False)[1].tolist() == pytest.approx([0.0, -5.0, -198.0])


@pytest.mark.parametrize(
    ("name", "activations"), [("residual", Activations.SIGNED), ("squeeze", Activations.SIGNED_AFFINE), ("encoder", Activations.SIGNED)]
)
def test_residual_depthwise_affine_and_attention_layers_come_closer(name: str, activations: Activations) -> None:
    net = network(name, activations)
    library = builtin_library().select(["mul8s_tc8"])
    block = everywhere(net, library, "mul8s_tc8")
    seen = images(64, seed=3)
    exact = net(torch.from_numpy(seen))

    def error(of: QuantizedNetwork) -> float:
        return float((of.run(torch.from_numpy(seen), BlockExecutor(library, block)) - exact).square().mean())

    units = recover_units(net, library, images(64, seed=4))
    whole = DesignRecovery(units, library, images(64, seed=4))(block)
    assert error(units) < 0.5 * error(net)
    assert error(whole) < 0.5 * error(net)
    used = {held.item() for layer in units.quantized.values() for variant in layer.variants.values() for held in variant.codes[1:].unique()}
    assert used <= set(range(-127, 128))


def test_a_whole_design_of_exact_blocks_is_left_as_it_is() -> None:
    library = builtin_library().select(["mul8s_ot3"])
    units = recover_units(LENET, library, CALIBRATION)
    whole = DesignRecovery(units, library, CALIBRATION)(everywhere(LENET, library, library.exact.name))
    assert np.array_equal(logits(whole, library, library.exact.name), logits(LENET, library, library.exact.name))


def test_filters_of_several_blocks_take_their_own_constants() -> None:
    library = builtin_library().select(["mul8s_ot3", "mul8s_tc8"])
    layer = recover_units(LENET, library, CALIBRATION).quantized["conv1"]
    names = ["mul8s_exact", "mul8s_ot3", "mul8s_tc8", "mul8s_ot3", "mul8s_exact", "mul8s_tc8"]
    own = layer.on([library[name].sha256 for name in names])
    assert not own.variants
    for f, name in enumerate(names):
        alone = layer.on([library[name].sha256] * 6)
        assert torch.equal(own.weight[f], alone.weight[f])
        assert (own.weight_scale[f], own.bias[f]) == (alone.weight_scale[f], alone.bias[f])
    assert torch.equal(own.weight[0], LENET.quantized["conv1"].weight[0])


def test_constants_survive_a_file_and_belong_to_their_network() -> None:
    library = builtin_library().select(["mul8s_ot3"])
    recovered = recover_units(LENET, library, CALIBRATION)
    assert network_identity(recovered) != network_identity(LENET)
    again = from_bytes(to_bytes(recovered))
    assert network_identity(again) == network_identity(recovered)
    assert network_identity(with_variants(LENET, variants_to_bytes(recovered))) == network_identity(recovered)
    assert network_identity(from_bytes(to_bytes(LENET))) == network_identity(LENET)
    with pytest.raises(InputError, match=r"^constants 'theirs' hold layer '\w+', which network 'residual' has not in that size; "):
        with_variants(network("residual"), variants_to_bytes(recovered), source="theirs")
    with pytest.raises(InputError, match=r"^constants 'junk' cannot be read; "):
        with_variants(LENET, b"not safetensors at all", source="junk")


def test_a_variant_of_one_filter_changes_no_other() -> None:
    layer = LENET.quantized["conv1"]
    strange = Variant(codes=torch.full((256,), 5, dtype=torch.int8), weight_scale=layer.weight_scale * 2, bias=layer.bias + 1)
    own = replace(layer, variants={"b": strange}).on(["b", *["c"] * 5])
    assert set(own.weight[0].flatten().tolist()) == {5}
    assert torch.equal(own.weight[1:], layer.weight[1:])
    assert own.weight_scale.tolist() == [2 * layer.weight_scale[0].item(), *layer.weight_scale[1:].tolist()]
