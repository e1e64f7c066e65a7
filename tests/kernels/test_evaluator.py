"""Executor and evaluator: the requantization law, shared prefixes, and results that never depend on what is cached."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from blocks import exact, full_rank, low_rank

from hawx import emulate
from hawx.blocks import Block, Library
from hawx.designs import Assignment
from hawx.emulate import BlockExecutor, Evaluator, Machine, reference
from hawx.emulate.memory import give_back
from hawx.emulate.prefix import PrefixCache
from hawx.errors import InputError, UnknownNameError
from hawx.formats import S8, U8
from hawx.networks import zoo
from hawx.networks.exact import ExactExecutor
from hawx.networks.layer import Layer, LayerKind
from hawx.networks.quantized import CodesOutput, QuantizedLayer
from hawx.networks.requantize import finish

sys.path.insert(0, str(Path(__file__).parents[1] / "unit"))

RNG = np.random.default_rng(3)
LIBRARY = Library([exact(), low_rank(2), full_rank()])


def layer(*, filters: int = 7, zero_point: int = 0, groups: int = 1, bias: int = 9999) -> QuantizedLayer:
    depth = 6 // groups
    facts = Layer(
        name="l",
        kind=LayerKind.CONV,
        in_channels=6,
        filters=filters,
        kernel=(3, 3),
        padding=(1, 0, 2, 1),
        groups=groups,
        in_size=(5, 6),
        out_size=(4, 7),
    )
    return QuantizedLayer(
        layer=facts,
        weight=torch.from_numpy(RNG.integers(-128, 128, (filters, depth, 3, 3)).astype(np.int8)),
        weight_scale=torch.from_numpy(RNG.uniform(1e-4, 1e-3, filters).astype(np.float32)),
        bias=torch.from_numpy(RNG.integers(-bias, bias, filters).astype(np.int32)),
        input_scale=0.037,
        input_zero_point=zero_point,
        input_format=S8,
    )


OUTPUTS = [
    None,
    CodesOutput(scale=0.011),
    CodesOutput(scale=0.2, relu=True),
    CodesOutput(scale=0.05, zero_point=-7, relu=True),
    CodesOutput(scale=0.05, zero_point=120, format=U8),
]


@pytest.mark.parametrize("engine", ["auto", "table", "lookup", "torch"])
@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize(("zero_point", "groups"), [(0, 1), (-5, 1), (3, 6), (0, 2)])
def test_a_layer_follows_the_law_to_the_bit(engine: str, output: CodesOutput | None, zero_point: int, groups: int) -> None:
    quantized = layer(filters=6 if groups == 6 else 8, zero_point=zero_point, groups=groups)
    filters = quantized.layer.filters
    indices = RNG.integers(0, 3, filters).astype(np.uint8)
    assignment = Assignment(("l",), LIBRARY.names, (indices,))
    codes = RNG.integers(-128, 128, (3, 6, 5, 6)).astype(np.int8)
    blocks = [LIBRARY.blocks[i] for i in indices]
    weight = quantized.weight.numpy()
    acc = reference.conv2d(codes, weight, blocks, padding=(1, 0, 2, 1), groups=groups, pad=zero_point)
    acc += (quantized.bias.numpy() - zero_point * weight.astype(np.int64).reshape(filters, -1).sum(1))[None, :, None, None]
    expected = finish(quantized, torch.from_numpy(acc.astype(np.int32)), output)
    found = BlockExecutor(LIBRARY, assignment, engine=engine).run_layer(quantized, torch.from_numpy(codes), output)
    assert found.dtype == expected.dtype
    assert torch.equal(found, expected)


def test_accumulators_beyond_int32_are_finished_in_int64() -> None:
    quantized = layer(bias=2**31 - 1)
    codes = torch.from_numpy(RNG.integers(-128, 128, (2, 6, 5, 6)).astype(np.int8))
    assignment = Assignment.uniform({"l": 7}, LIBRARY.names, "exact")
    found = BlockExecutor(LIBRARY, assignment).run_layer(quantized, codes, None)
    acc = reference.conv2d(codes.numpy(), quantized.weight.numpy(), [exact()] * 7, padding=(1, 0, 2, 1)) + quantized.bias.numpy()[None, :, None, None]
    assert torch.equal(found, torch.from_numpy(acc).to(torch.float32) * quantized.scale.view(1, -1, 1, 1))


def test_executor_refuses_an_unknown_engine() -> None:
    with pytest.raises(UnknownNameError, match=r"^unknown engine 'gpu'; "):
        BlockExecutor(LIBRARY, Assignment.uniform({"l": 7}, LIBRARY.names, "exact"), engine="gpu")


@pytest.fixture(scope="module")
def lenet() -> tuple[object, np.ndarray, np.ndarray]:
    from hawx.networks import zoo

    data = zoo.dataset("lenet5")
    return zoo.load("lenet5"), data.images[:60], data.labels[:60]


def assignments(network: object, count: int) -> list[Assignment]:
    filters = network.filters  # type: ignore[attr-defined]
    rng = np.random.default_rng(5)
    chosen = [Assignment.uniform(filters, LIBRARY.names, "exact")]
    for _ in range(count - 1):
        start = rng.integers(0, len(filters))
        base = chosen[rng.integers(0, len(chosen))]
        indices = [a if i < start else rng.integers(0, 2, len(a)).astype(np.uint8) for i, a in enumerate(base.indices)]
        chosen.append(Assignment(tuple(filters), LIBRARY.names, tuple(indices)))
    return chosen


def test_exact_design_equals_the_plain_network(lenet: tuple) -> None:
    network, images, labels = lenet
    evaluator = Evaluator(network, LIBRARY, images, labels, batch=17)
    exact_design = Assignment.uniform(network.filters, LIBRARY.names, "exact")
    expected = network.run(images, ExactExecutor())
    np.testing.assert_array_equal(evaluator.logits(exact_design), expected.numpy())
    assert evaluator.correct(exact_design) == int((expected.argmax(1).numpy() == labels).sum())


@pytest.mark.parametrize("memory_mb", [0, 1, 64])
def test_cached_prefixes_change_nothing(lenet: tuple, memory_mb: int) -> None:
    network, images, labels = lenet
    evaluator = Evaluator(network, LIBRARY, images, labels, batch=25, memory_mb=memory_mb)
    designs = assignments(network, 12)
    for design in [*designs, *reversed(designs)]:
        fresh = network.run(images, BlockExecutor(LIBRARY, design, engine="torch")).numpy()
        np.testing.assert_array_equal(evaluator.logits(design), fresh)
    assert [right.tolist() for right in evaluator.right_many(designs)] == [evaluator.right(design).tolist() for design in designs]


def test_a_shared_prefix_is_run_once(lenet: tuple, monkeypatch: pytest.MonkeyPatch) -> None:
    network, images, labels = lenet
    ran: list[str] = []
    run_layer = BlockExecutor.run_layer
    monkeypatch.setattr(
        BlockExecutor, "run_layer", lambda self, quantized, c, o: (ran.append(quantized.layer.name), run_layer(self, quantized, c, o))[1]
    )
    evaluator = Evaluator(network, LIBRARY, images, labels, batch=60)
    first = Assignment.uniform(network.filters, LIBRARY.names, "exact")
    evaluator.logits(first)
    assert ran == list(network.layer_names)
    ran.clear()
    last = [*first.indices[:-1], np.ones_like(first.indices[-1])]
    evaluator.logits(Assignment(first.layers, first.blocks, tuple(last)))
    assert ran == [network.layer_names[-1]]
    ran.clear()
    evaluator.logits(first)
    assert ran == []


def test_results_do_not_depend_on_tier_batch_or_threads(lenet: tuple) -> None:
    network, images, labels = lenet
    design = assignments(network, 6)[-1]
    found = []
    for machine in map(Machine, emulate.targets()):
        found += [Evaluator(network, LIBRARY, images, labels, batch=b, threads=t, machine=machine).logits(design) for b, t in ((7, 1), (60, 2))]
    for other in found[1:]:
        np.testing.assert_array_equal(other, found[0])


def test_bad_evaluations_are_refused(lenet: tuple) -> None:
    network, images, labels = lenet
    with pytest.raises(InputError, match=r"^60 images with 59 labels cannot be evaluated; expected as many labels as images, at least one\.$"):
        Evaluator(network, LIBRARY, images, labels[:59])
    with pytest.raises(InputError, match=r"^batch 0 with memory_mb 5 is not usable; expected batch >= 1, memory_mb >= 0\.$"):
        Evaluator(network, LIBRARY, images, labels, batch=0, memory_mb=5)
    with pytest.raises(InputError, match=r"^the assignment is for layers \('l',\); expected \('conv1', .*\)\.$"):
        Evaluator(network, LIBRARY, images, labels).logits(Assignment.uniform({"l": 3}, LIBRARY.names, "exact"))


def test_library_without_a_block_of_the_design(lenet: tuple) -> None:
    network, images, labels = lenet
    other = Library([exact(), Block.from_table(np.zeros((256, 256), int), name="zero")])
    design = Assignment.uniform(network.filters, ("exact", "nothing"), "nothing")
    with pytest.raises(UnknownNameError, match=r"^unknown block 'nothing'; "):
        Evaluator(network, other, images, labels).logits(design)


def test_prefix_cache_keeps_what_saves_most_per_byte() -> None:
    cache: PrefixCache[str] = PrefixCache(100)
    cache.put(b"cheap", "cheap", 60, work=1.0)
    cache.put(b"dear", "dear", 60, work=100.0)
    assert cache.get(b"cheap") is None
    assert cache.get(b"dear") == "dear"
    cache.put(b"huge", "huge", 101, work=1e9)
    assert cache.get(b"huge") is None
    assert cache.nbytes == 60
    for i in range(10):  # what is never asked for again ages, whatever it cost
        cache.put(f"{i}".encode(), "x", 50, work=60.0)
        cache.get(f"{i}".encode())
    assert cache.get(b"dear") is None
    assert cache.nbytes <= 100


def test_memory_is_given_back_after_much_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Work is counted from where a design leaves what is cached, over all evaluators of a machine."""
    given: list[int] = []
    machine = Machine()
    monkeypatch.setattr("hawx.emulate.memory.give_back", lambda: given.append(1))
    network, data = zoo.load("lenet5"), zoo.dataset("lenet5").first(20)
    whole = sum(layer.macs for layer in network.layers) * 20
    monkeypatch.setattr("hawx.emulate.memory.GIVE_BACK_EVERY", 2 * whole - 1)
    library = Library([exact(), low_rank(2)])
    evaluator = Evaluator(network, library, data.images, data.labels, machine=machine)
    for count, index in enumerate(([0, 0, 0, 0, 0], [1, 0, 0, 0, 0], [1, 0, 0, 0, 1], [1, 0, 0, 0, 1])):
        rows = tuple(np.full(layer.filters, i, np.uint8) for layer, i in zip(network.layers, index, strict=True))
        evaluator.correct(Assignment(network.layer_names, tuple(library.names), rows))
        assert len(given) == (count > 0)
    for _ in range(2):
        Evaluator(network, library, data.images, data.labels, machine=machine).correct(Assignment(network.layer_names, tuple(library.names), rows))
    assert len(given) == 2


@pytest.mark.skipif(not sys.platform.startswith("linux") or "glibc" not in platform.libc_ver()[0], reason="needs glibc")
def test_free_memory_goes_back_to_the_system() -> None:
    """Pieces between what is held stay with the C library until it is asked."""
    pieces = [np.ones(1 << 16, np.uint8) for _ in range(3000)]
    held = pieces[::2]
    del pieces
    before = resident()
    give_back()
    assert resident() < before - (50 << 20)
    assert all(piece[0] == 1 for piece in held)


def resident() -> int:
    return int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1]) * os.sysconf("SC_PAGE_SIZE")
