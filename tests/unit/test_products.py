"""Products of two activations as layers: attention under blocks, against the reference and against real numbers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from small_networks import images, network
from torch import Tensor, nn

from hawx.blocks import Library
from hawx.blocks.families import builtin_library
from hawx.designs import Assignment
from hawx.emulate import BlockExecutor, reference
from hawx.errors import InputError
from hawx.networks import Layer, LayerKind, QuantizedLayer
from hawx.networks.arrange import run_product_step
from hawx.networks.exact import ExactExecutor
from hawx.networks.gradients import output_gradients, product
from hawx.networks.quantization import Activations, quantize
from hawx.networks.serialize import from_bytes, to_bytes
from hawx.networks.steps import LayerStep, ProductStep
from hawx.profile import profile_operands
from hawx.recover import recover_units
from hawx.rtl.dataflow.chain import chain_of
from hawx.rtl.design import layer_vectors

LIBRARY = builtin_library()
FACTORED = LIBRARY.select(["mul8s_tc6", "mul8s_tc8", "mul8s_ot3"])
"""Blocks of few factors, whose products run whole."""
PRODUCTS = ("layer.self_attn.matmul", "layer.self_attn.matmul#1")


def at_rest(groups: int, depth: int, columns: int, zero_point: int = 0) -> QuantizedLayer:
    """A product of `groups` pairs of matrices per image, with scales and biases of its own per column."""
    filters, generator = groups * columns, np.random.default_rng(1)
    return QuantizedLayer(
        layer=Layer(name="p", kind=LayerKind.MATMUL, in_channels=groups * depth, filters=filters, groups=groups),
        weight=torch.empty((0, filters, depth, 1, 1), dtype=torch.int8),
        weight_scale=torch.from_numpy(generator.uniform(0.01, 0.02, filters).astype(np.float32)),
        bias=torch.from_numpy(generator.integers(-500, 500, filters).astype(np.int32)),
        input_scale=0.05,
        input_zero_point=zero_point,
    )


def operands(images: int, groups: int, rows: int, depth: int, columns: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(3)
    left = torch.randint(-128, 128, (images, groups, rows, depth), generator=generator, dtype=torch.int8)
    return left, torch.randint(-128, 128, (images, groups, depth, columns), generator=generator, dtype=torch.int8)


@pytest.mark.parametrize("blocks", [LIBRARY, FACTORED], ids=["any", "factored"])
@pytest.mark.parametrize("zero_point", [0, 7])
@pytest.mark.parametrize(("count", "groups", "rows", "depth", "columns"), [(1, 1, 1, 1, 1), (2, 3, 5, 4, 7), (3, 2, 17, 33, 9), (2, 1, 2, 1200, 3)])
def test_every_column_multiplies_with_its_block(
    blocks: Library, zero_point: int, count: int, groups: int, rows: int, depth: int, columns: int
) -> None:
    held = at_rest(groups, depth, columns, zero_point)
    left, right = operands(count, groups, rows, depth, columns)
    indices = np.random.default_rng(0).integers(0, len(blocks.names), groups * columns).astype(np.uint8)
    executor = BlockExecutor(blocks, Assignment(("p",), blocks.names, (indices,)))
    found = run_product_step(left, right, count, lambda x, w: executor.run_layer(held.times(w), x, None))
    assert found.shape == (count, groups, rows, columns)
    for n in range(count):
        for g in range(groups):
            for c in range(columns):
                f = g * columns + c
                block = blocks[blocks.names[indices[f]]]
                column = right[n, g, :, c]
                sums = reference.matmul(left[n, g].numpy(), column[None].numpy(), [block])[:, 0]
                acc = sums - zero_point * int(column.sum(dtype=torch.int64)) + int(held.bias[f])
                assert np.array_equal(found[n, g, :, c].numpy(), acc.astype(np.float32) * held.scale[f].numpy()), (n, g, c, block.name)


@pytest.mark.parametrize("activations", list(Activations))
def test_attention_is_exact_whatever_runs_it(activations: Activations) -> None:
    net = network("encoder", activations)
    assert [layer.name for layer in net.layers if layer.kind is LayerKind.MATMUL] == list(PRODUCTS)
    facts = {layer.name: layer for layer in net.layers}
    assert (facts[PRODUCTS[0]].groups, facts[PRODUCTS[0]].reduction, facts[PRODUCTS[0]].filters) == (2, 8, 32), "two heads, 8 channels, 16 tokens"
    assert (facts[PRODUCTS[1]].groups, facts[PRODUCTS[1]].reduction, facts[PRODUCTS[1]].filters) == (2, 16, 16)
    assert facts[PRODUCTS[0]].macs == facts[PRODUCTS[1]].macs == 2 * 16 * 16 * 8
    if activations is Activations.UNSIGNED:
        return
    seen = torch.from_numpy(images(5, seed=4))
    everywhere = Assignment.uniform(net.filters, LIBRARY.names, LIBRARY.exact.name)
    for engine in ("auto", "torch"):
        assert torch.equal(net.run(seen, BlockExecutor(LIBRARY, everywhere, engine=engine)), net(seen))
    generator = np.random.default_rng(0)
    mixed = tuple(generator.integers(0, len(LIBRARY.names), filters).astype(np.uint8) for filters in net.filters.values())
    design = BlockExecutor(LIBRARY, Assignment(net.layer_names, LIBRARY.names, mixed))
    together = net.run(seen, design)
    assert torch.equal(together[2:3], net.run(seen[2:3], design)), "an image does not depend on its neighbors"
    assert not torch.equal(together, net(seen))


def test_a_block_in_a_product_alone_changes_the_logits() -> None:
    net, seen = network("encoder"), torch.from_numpy(images(5, seed=4))
    for name in PRODUCTS:
        indices = tuple(
            np.full(filters, LIBRARY.names.index("mul8s_tc8") if layer == name else 0, np.uint8) for layer, filters in net.filters.items()
        )
        assert LIBRARY.names[0] == LIBRARY.exact.name
        assert not torch.equal(net.run(seen, BlockExecutor(LIBRARY, Assignment(net.layer_names, LIBRARY.names, indices))), net(seen))


def test_products_are_saved_and_read() -> None:
    net = network("encoder")
    again = from_bytes(to_bytes(net))
    seen = torch.from_numpy(images(3, seed=2))
    assert torch.equal(again(seen), net(seen))
    assert again.layers == net.layers


def test_a_file_that_gives_a_product_one_operand_is_refused() -> None:
    net = network("encoder")
    at = next(i for i, step in enumerate(net.steps) if isinstance(step, ProductStep))
    step = net.steps[at]
    wrong = replace(net, steps=(*net.steps[:at], LayerStep(output=step.output, input=step.left, layer=step.layer), *net.steps[at + 1 :]))
    with pytest.raises(InputError, match=r"runs the layer 'layer\.self_attn\.matmul' on a wrong number of operands; expected two of a matmul"):
        from_bytes(to_bytes(wrong))


def test_gradients_are_those_of_the_real_product() -> None:
    held = at_rest(2, 4, 3, zero_point=5)
    left, right = (codes.float().requires_grad_() for codes in operands(2, 2, 5, 4, 3))
    found = run_product_step(left, right, 2, lambda x, w: product(held, x, w, ExactExecutor()))
    toward = torch.randn(found.shape, generator=torch.Generator().manual_seed(0))
    (found * toward).sum().backward()
    a, w = (codes.detach().clone().requires_grad_() for codes in (left, right))
    real = (((a - 5) @ w) * held.scale.view(2, 1, 3)) + (held.bias * held.scale).view(2, 1, 3)
    (real * toward).sum().backward()
    assert torch.allclose(found, real, rtol=1e-5)
    assert torch.allclose(left.grad, a.grad, rtol=1e-5, atol=1e-6)
    assert torch.allclose(right.grad, w.grad, rtol=1e-5, atol=1e-6)


def test_margin_gradients_reach_through_both_operands() -> None:
    """A small step along the gradient of a product's output changes the objective by about its length."""
    net, seen = network("encoder"), torch.from_numpy(images(4, seed=4))
    (found,) = output_gradients(net, seen, [lambda logits: logits[:, 0].sum()])
    assert set(PRODUCTS) <= set(found)
    assert all(float(found[name].abs().max()) > 0 for name in ("layer.self_attn.in_proj", *PRODUCTS))


def test_the_profile_counts_both_operands() -> None:
    net = network("encoder")
    profile = profile_operands(net, images(6, seed=5), ExactExecutor(), batch=4)
    seen: dict[str, tuple[Tensor, Tensor]] = {}

    class Spy:
        def run_layer(self, layer, codes, output):
            seen[layer.layer.name] = codes, layer.weight
            return ExactExecutor().run_layer(layer, codes, output)

    net.run(torch.from_numpy(images(6, seed=5)), Spy())
    for name in PRODUCTS:
        at = net.layer_names.index(name)
        codes, weight = seen[name]
        assert profile.activations[at] == pytest.approx(np.bincount(codes.flatten().int().numpy() + 128, minlength=256) / codes.numel())
        assert profile.weights[at] == pytest.approx(np.bincount(weight.flatten().int().numpy() + 128, minlength=256) / weight.numel())
        last = weight[:, -1].flatten().int().numpy() + 128
        assert profile.filter_weights[at][-1] == pytest.approx(np.bincount(last, minlength=256) / len(last))


def test_recovery_leaves_second_operands_as_they_are_and_brings_scales_back() -> None:
    library = LIBRARY.select(["mul8s_tc8"])
    net = network("encoder")
    recovered = recover_units(net, library, images(48, seed=6))
    for name in PRODUCTS:
        (variant,) = recovered.quantized[name].variants.values()
        assert torch.equal(variant.codes, torch.arange(-128, 128, dtype=torch.int8))
    seen = torch.from_numpy(images(64, seed=7))
    uniform = Assignment.uniform(net.filters, library.names, "mul8s_tc8")
    lost = [float((n.run(seen, BlockExecutor(library, uniform)) - net(seen)).norm()) for n in (net, recovered)]
    assert lost[1] < 0.6 * lost[0]


class OneKeyForAll(nn.Module):
    """Two heads of queries against one of keys (multi-query attention, Shazeer 2019, arXiv 1911.02150)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 16, 4, 4)
        self.head = nn.Linear(16, 5)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.conv(x).flatten(2).transpose(1, 2)  # (N, 16 tokens, 16 channels)
        queries = tokens.reshape(-1, 16, 2, 8).transpose(1, 2)
        keys = tokens[..., :8].unsqueeze(1)
        return self.head((queries @ keys.transpose(-1, -2)).mean((1, 2)))


def test_a_second_operand_that_heads_share_is_repeated() -> None:
    torch.manual_seed(1)
    module = OneKeyForAll().eval()
    net = quantize(module, images(32), name="shared")
    facts = net.layers[1]
    assert (facts.kind, facts.groups, facts.filters, facts.macs) == (LayerKind.MATMUL, 2, 32, 2 * 16 * 16 * 8)
    seen = torch.from_numpy(images(8, seed=1))
    everywhere = Assignment.uniform(net.filters, LIBRARY.names, LIBRARY.exact.name)
    assert torch.equal(net.run(seen, BlockExecutor(LIBRARY, everywhere)), net(seen))
    with torch.no_grad():
        real = module(seen)
    assert float((net(seen) - real).norm() / (real - real.mean(0)).norm()) < 0.2


class HeadsOutermost(OneKeyForAll):
    """The images lie within the heads, where no layer looks for them."""

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.conv(x).flatten(2).transpose(1, 2)
        heads = tokens.reshape(-1, 16, 2, 8).permute(2, 0, 1, 3).reshape(-1, 16, 8)
        return self.head((heads @ heads.transpose(1, 2)).reshape(2, -1, 16, 16).mean((0, 2)))


def test_a_product_whose_images_are_not_outermost_stays_real_and_is_named() -> None:
    torch.manual_seed(1)
    module = HeadsOutermost().eval()
    net = quantize(module, images(32), name="inside")
    assert net.layer_names == ("conv", "head")
    assert net.unconverted == ("matmul (matmul.default)",)
    seen = torch.from_numpy(images(8, seed=1))
    with torch.no_grad():
        real = module(seen)
    assert float((net(seen) - real).norm() / (real - real.mean(0)).norm()) < 0.2
    assert torch.equal(net(seen)[3:4], net(seen[3:4]))


def test_products_can_be_kept_in_float() -> None:
    net = quantize(OneKeyForAll(), images(16), name="shared", keep_float=["matmul"])
    assert net.layer_names == ("conv", "head")
    assert net.unconverted == ("matmul (matmul.default)",)


class Decoder(nn.Module):
    """A language model of one block: tokens as pixels in, logits of the next one out; two heads of queries share their keys."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(20, 16)
        self.queries, self.keys, self.values = nn.Linear(16, 16), nn.Linear(16, 8), nn.Linear(16, 8)
        self.norm, self.head = nn.LayerNorm(16), nn.Linear(16, 20)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embedding(tokens.flatten(1).long())
        q = self.queries(x).reshape(-1, 12, 2, 8).transpose(1, 2)
        k, v = (part(x).reshape(-1, 12, 1, 8).transpose(1, 2) for part in (self.keys, self.values))
        seen = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
        return self.head(self.norm(x + seen.transpose(1, 2).flatten(2)))[:, -1]


class Masked(OneKeyForAll):
    """Attention under a mask of truth values, its products written as sums over letters."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mask", torch.ones(16, 16).tril(3).bool())

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.conv(x).flatten(2).transpose(1, 2)
        fused = F.scaled_dot_product_attention(tokens[:, None], tokens[:, None], tokens[:, None], attn_mask=self.mask)[:, 0]
        scores = torch.einsum("bic, bjc -> bji", fused, tokens).softmax(1)
        return self.head(torch.einsum("bjc,bji->bci", tokens, scores).mean(2))


@pytest.mark.parametrize(("make", "inputs"), [(Decoder, (1, 1, 12)), (Masked, (3, 16, 16))])
def test_other_spellings_of_attention_are_products_too(make: type[nn.Module], inputs: tuple[int, int, int]) -> None:
    torch.manual_seed(1)
    module, generator = make().eval(), np.random.default_rng(0)
    some = generator.integers(0, 20, (64, *inputs)).astype(np.float32) if make is Decoder else generator.normal(size=(64, *inputs)).astype(np.float32)
    net = quantize(module, some[:48], name="attention")
    assert net.unconverted == ()
    assert sum(layer.kind is LayerKind.MATMUL for layer in net.layers) == (2 if make is Decoder else 4)
    with torch.no_grad():
        real = module(torch.from_numpy(some[48:]))
    assert float((net(some[48:]) - real).norm() / (real - real.mean(0)).norm()) < 0.2


def test_rtl_of_a_product_is_refused() -> None:
    net = network("encoder")
    with pytest.raises(
        InputError, match=r"^layer 'layer\.self_attn\.matmul' multiplies two activations; RTL is written for layers that have weights"
    ):
        layer_vectors(net, PRODUCTS[0], images(2), ExactExecutor())
    with pytest.raises(InputError, match=r"^node '.+' cannot be made hardware: .+; expected a chain of convolutions, linear layers"):
        chain_of(net)
