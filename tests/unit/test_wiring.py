"""Wirings: what arrives at a block, what layers, files, exports and gradients make of it, and that recovery chooses the better one."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load, save
from small_networks import images, network

from hawx.blocks import Block, Library
from hawx.designs import Assignment
from hawx.emulate import BlockExecutor
from hawx.errors import InputError
from hawx.finetuning.layer import ApproximateLayer
from hawx.formats import S8, U8
from hawx.networks import QuantizedNetwork
from hawx.networks.exact import ExactExecutor
from hawx.networks.serialize import from_bytes, to_bytes
from hawx.recover import DesignRecovery, Method, recover_units
from hawx.recover.wires import clamp_errors, wirings_of
from hawx.verify import network_identity
from hawx.wiring import PLAIN, Wiring

VALUES = np.arange(-128, 128)
EXACT = np.multiply.outer(VALUES, VALUES)
UP = Wiring(shift=1)
SWAPPED = Wiring(swapped=True)
ROUGH_A = Block.from_table(np.multiply.outer(VALUES // 16 * 16, VALUES), name="rough_a")
"""Leaves out four low bits of its first operand: of the weight's, once they have changed places, and those are mapped away."""
ROUGH = Block.from_table(EXACT // 256 * 256, name="rough")
"""Leaves out eight low bits of every product: it errs by as much on small operands as on large ones."""
LIBRARY = Library([Block.from_table(EXACT, name="exact"), ROUGH_A, ROUGH])


def test_codes_arrive_clamped_and_shifted() -> None:
    some = np.array([-128, -65, -64, -1, 0, 63, 64, 127])
    assert UP.shifted(some, S8).tolist() == [-128, -128, -128, -2, 0, 126, 126, 126]
    assert Wiring(shift=2).shifted(np.array([0, 1, 63, 64, 255]), U8).tolist() == [0, 4, 252, 252, 252]
    assert PLAIN.shifted(some, S8).tolist() == some.tolist()


def test_a_wired_block_multiplies_what_arrives() -> None:
    table = np.random.default_rng(0).integers(-9000, 9000, (256, 256))
    block = Block.from_table(table, name="any")
    both = block.wired(Wiring(swapped=True, shift=1)).table
    for a, arrives in ((-128, -128), (-3, -6), (0, 0), (40, 80), (100, 126)):
        for w in (-127, 5):
            assert both[a + 128, w + 128] == table[w + 128, arrives + 128]
    assert block.wired(PLAIN) is block
    assert block.wired(SWAPPED) is block.wired(SWAPPED)  # engines know a block by its table: made once
    mixed = Block.from_table(np.zeros((256, 256), int), name="mixed", formats=("u8", "s8"))
    with pytest.raises(InputError, match=r"^block 'mixed' has formats u8×s8; expected equal ones to swap its operands\.$"):
        mixed.wired(SWAPPED)


def wired_network(wirings: dict[str, Wiring]) -> QuantizedNetwork:
    """Return a small network whose layers wire their first half of filters plainly and the others as `wirings` says of the layer."""
    net = network("residual")
    quantized = {}
    for name, layer in net.quantized.items():
        wiring, filters = wirings.get(name, PLAIN), len(layer.bias)
        quantized[name] = replace(layer, wirings=(PLAIN,) * (filters // 2) + (wiring,) * (filters - filters // 2))
    return replace(net, quantized=quantized)


@pytest.mark.parametrize("wiring", [UP, SWAPPED, Wiring(swapped=True, shift=2)])
def test_a_layer_sums_the_products_of_its_wired_blocks(wiring: Wiring) -> None:
    table = np.random.default_rng(1).integers(-2000, 2000, (256, 256)) + EXACT
    library = Library([Block.from_table(EXACT, name="exact"), Block.from_table(table, name="any")])
    net = wired_network({"conv1": wiring} | dict.fromkeys(network("residual").filters, wiring))
    name = net.layer_names[0]
    layer = net.quantized[name]
    codes = torch.from_numpy(np.random.default_rng(2).integers(-128, 128, (2, *_input(layer)), dtype=np.int8))
    executor = BlockExecutor(library, Assignment.uniform(net.filters, library.names, "any"))
    found = executor.run_layer(layer, codes, None).numpy()
    top, bottom, left, right = layer.layer.padding
    padded = np.pad(codes.numpy(), ((0, 0), (0, 0), (top, bottom), (left, right))).astype(int)
    for o in (0, len(layer.bias) - 1):
        own = layer.wirings[o]
        for y, x in ((0, 0), (1, 2)):
            field = padded[0, :, y * layer.layer.stride[0] :, x * layer.layer.stride[1] :][:, : layer.layer.kernel[0], : layer.layer.kernel[1]]
            total = int(layer.bias[o])
            for a, w in zip(field.ravel().tolist(), layer.weight[o].ravel().tolist(), strict=True):
                low, high = -128 >> own.shift, 127 >> own.shift
                arrives = max(low, min(high, a)) << own.shift
                total += int(table[w + 128, arrives + 128] if own.swapped else table[arrives + 128, w + 128])
            assert found[0, o, y, x] == np.float32(total) * np.float32(layer.scale[o])


def _input(layer) -> tuple[int, int, int]:  # type: ignore[no-untyped-def]
    return layer.layer.in_channels, *layer.layer.in_size


def test_exact_executors_agree_on_a_wired_network() -> None:
    net, seen = wired_network(dict.fromkeys(network("residual").filters, UP)), images(6, seed=3)
    exact = BlockExecutor(LIBRARY, Assignment.uniform(net.filters, LIBRARY.names, "exact"))
    assert torch.equal(net.run(seen, ExactExecutor()), net.run(seen, exact))
    assert not torch.equal(net.run(seen, exact), network("residual").run(seen, exact))


def test_what_an_operand_alone_decides_is_mapped_away_once_it_is_the_weight() -> None:
    p = np.exp(-0.5 * (VALUES / 12.0) ** 2)
    p, q = p / p.sum(), np.full(256, 1 / 256)
    assert wirings_of(ROUGH_A, [p], [q], clamp_errors(LIBRARY.exact, [p], [q], [True])) == (SWAPPED,)
    turned = Block.from_table(ROUGH_A.table.T, name="rough_w")
    assert wirings_of(turned, [p], [q], clamp_errors(LIBRARY.exact, [p], [q], [True])) == (PLAIN,)


def test_small_activations_are_shifted_up_and_large_ones_are_not() -> None:
    small, large = np.exp(-np.abs(VALUES) / 6.0), np.ones(256)
    small, large, q = small / small.sum(), large / large.sum(), np.full(256, 1 / 256)
    seen = [small, large, small], [q, q, q]
    found = wirings_of(ROUGH, *seen, clamp_errors(LIBRARY.exact, *seen, [True, True, False]))
    assert found[0].shift in (1, 2)
    assert [wiring.shift for wiring in found[1:]] == [0, 0]  # the last has a zero point: its codes are not shifted around 0


def test_recovery_wires_units_and_only_in_full() -> None:
    net, seen = network("residual"), images(64, seed=4)
    full = recover_units(net, LIBRARY, seen)
    wirings = {name: layer.variants[ROUGH_A.sha256].wiring for name, layer in full.quantized.items()}
    assert all(wiring.swapped for wiring in wirings.values())
    assert LIBRARY.exact.sha256 not in next(iter(full.quantized.values())).variants
    for method in (Method.MAP, Method.GAIN):
        other = recover_units(net, LIBRARY, seen, method)
        assert all(variant.wiring.is_plain for layer in other.quantized.values() for variant in layer.variants.values())
    everywhere = Assignment.uniform(net.filters, LIBRARY.names, "rough_a")
    truth = net(seen)

    def loss(network: QuantizedNetwork) -> float:
        return float((network.run(seen, BlockExecutor(LIBRARY, everywhere)) - truth).square().mean())

    assert loss(full) < 0.5 * loss(recover_units(net, LIBRARY, seen, Method.MAP))
    whole = DesignRecovery(full, LIBRARY, seen)(everywhere)
    kept = {name: layer.variants[ROUGH_A.sha256].wiring for name, layer in whole.quantized.items()}
    assert kept == wirings


def test_wirings_are_saved_and_decide_identity() -> None:
    net = recover_units(network("residual"), LIBRARY, images(32, seed=5))
    design = net.on(Assignment.uniform(net.filters, LIBRARY.names, "rough_a").labels(LIBRARY.hashes))
    for one in (net, design):
        again = from_bytes(to_bytes(one))
        assert network_identity(again) == network_identity(one)
    plain = replace(design, quantized={name: replace(layer, wirings=()) for name, layer in design.quantized.items()})
    assert network_identity(plain) != network_identity(design)
    unwired = {
        name: replace(layer, variants={block: replace(variant, wiring=PLAIN) for block, variant in layer.variants.items()})
        for name, layer in net.quantized.items()
    }
    assert network_identity(replace(net, quantized=unwired)) != network_identity(net)


@pytest.mark.parametrize("row", [(2, 0), (0, 8), (0, -1)])
def test_a_file_with_impossible_wirings_is_refused(row: tuple[int, int]) -> None:
    data = to_bytes(wired_network(dict.fromkeys(network("residual").filters, UP)))
    tensors, header = load(data), data[8 : 8 + int.from_bytes(data[:8], "little")]
    name = next(key for key in tensors if key.startswith("wirings:"))
    tensors[name][0] = torch.tensor(row)
    with pytest.raises(InputError, match=r"^network 'n' cannot be read; expected a network saved by HAWX"):
        from_bytes(save(tensors, json.loads(header)["__metadata__"]), source="n")


def test_gradients_pass_the_shift_and_stop_at_the_clamp() -> None:
    net = wired_network(dict.fromkeys(network("residual").filters, UP))
    layer = net.quantized[net.layer_names[0]]
    executor = BlockExecutor(LIBRARY, Assignment.uniform(net.filters, LIBRARY.names, "exact"))
    generator = torch.Generator().manual_seed(0)
    codes = torch.randint(-128, 128, (2, *_input(layer)), generator=generator).float().requires_grad_()
    weight = layer.weight.float().requires_grad_()
    still = torch.zeros(len(layer.bias), requires_grad=True)
    found = ApproximateLayer.apply(codes, weight, still, still, layer, executor)
    toward = torch.randn(found.shape, generator=generator)
    by_layer = torch.autograd.grad((found * toward).sum(), (codes, weight))

    top, bottom, left, right = layer.layer.padding
    half, scale = len(layer.bias) // 2, layer.scale.view(-1, 1, 1, 1)
    ways = [(codes, weight[:half]), (2.0 * codes.clamp(-64, 63), weight[half:])]
    facts = layer.layer
    parts = [F.conv2d(F.pad(x, (left, right, top, bottom)), w, None, facts.stride, 0, facts.dilation, facts.groups) for x, w in ways]
    formula = torch.cat(parts, 1) * scale.view(1, -1, 1, 1)
    assert torch.allclose(formula + (layer.bias * layer.scale).view(1, -1, 1, 1), found, rtol=1e-5, atol=1e-5)
    by_formula = torch.autograd.grad((formula * toward).sum(), (codes, weight))
    for ours, theirs in zip(by_layer, by_formula, strict=True):
        assert torch.allclose(ours, theirs, rtol=2e-2, atol=2e-2 * float(theirs.abs().max()))  # in bfloat16 where the processor has it
