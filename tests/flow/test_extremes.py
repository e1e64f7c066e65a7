"""The whole flow where things degenerate: equal blocks, a block that destroys the network, one layer, one filter, one block; and who runs it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from hawx.accelerators import Spatial, Systolic
from hawx.blocks import Block, Costs, Library
from hawx.blocks.families import builtin_library
from hawx.designs import Assignment, SearchSpace
from hawx.emulate import BlockExecutor, Evaluator
from hawx.execution import runner_for
from hawx.flow import explore
from hawx.networks import Dataset, QuantizedNetwork, zoo
from hawx.networks.preprocessing import Preprocessing
from hawx.networks.quantization import quantize
from hawx.profile import profile_operands
from hawx.runner import RunHere
from hawx.score import exchanged_logits, filter_effects, measured_effects, scoring_set, two_ended_effects
from hawx.score.competitors import Competitors
from hawx.stages import search_space
from hawx.units import Granularity
from hawx.verify import Shard, Task, split_images

NETWORK = zoo.load("lenet5")
DATA = zoo.dataset("lenet5").first(300)
EXACT = np.arange(-128, 128)[:, None] * np.arange(-128, 128)[None]


def block(name: str, table: np.ndarray, share: float) -> Block:
    """Return a block that costs `share` of the exact one below."""
    costs = Costs(technology="toy", area_um2=100.0 * share, delay_ns=1.0, energy_fj=100.0 * share, origin="toy")
    return Block.from_table(table.astype(np.int32), name=name).with_costs(costs)


def run(library: Library, network: QuantizedNetwork = NETWORK, images=DATA.images, labels=DATA.labels, **changes):
    asked = {"search_images": len(images) // 2, "report_images": len(images) // 2, "budget": 8, "seed": 1, "recover": "none"} | changes
    return explore(network, library, changes.pop("accelerator", Spatial()), images, labels, **asked)


def front_of(result) -> list[tuple]:
    return [(d.id, d.measurement, d.search, d.estimate, d.hardware) for d in result.front]


@pytest.mark.parametrize("granularity", ["layer", pytest.param("filter", marks=pytest.mark.slow)])
def test_two_workers_find_what_one_finds(granularity: str) -> None:
    library = builtin_library().select(["mul8s_ot3", "mul8s_tc8"])
    alone = run(library, granularity=granularity)
    with runner_for(jobs=2) as runner:
        together = run(library, granularity=granularity, runner=runner)
    assert front_of(together) == front_of(alone)
    assert [d.to_dict() for d in together.evaluated] == [d.to_dict() for d in alone.evaluated]


@pytest.mark.parametrize("granularity", ["network", "layer", "filter"])
def test_equal_blocks_lose_nothing_and_the_cheapest_wins(granularity: str) -> None:
    library = Library([block("exact", EXACT, 1.0), block("twin", EXACT, 0.8), block("triplet", EXACT, 0.6)], name="same")
    result = run(library, granularity=granularity)
    assert {d.search.correct for d in result.evaluated} == {result.evaluated[0].search.correct}
    np.testing.assert_allclose(result.scores.layer_drop, 0, atol=1e-9)
    assert not np.any(result.scores.operator_std)
    cheapest = min(result.evaluated, key=lambda d: d.energy_uj)
    assert set(np.concatenate(cheapest.assignment.indices)) == {2}
    assert [d.id for d in result.front] == [cheapest.id]


@pytest.mark.parametrize("granularity", ["network", "layer", "filter"])
def test_a_block_that_destroys_the_network_is_kept_away_from_good_designs(granularity: str) -> None:
    library = Library([block("exact", EXACT, 1.0), block("mute", np.zeros((256, 256)), 0.01), block("mild", EXACT & ~3, 0.7)], name="cruel")
    more = zoo.dataset("lenet5").first(2000)  # filters chosen on few images do less well on others
    result = run(library, granularity=granularity, max_drop=1.0, images=more.images, labels=more.labels, search_images=1500, report_images=500)
    best = result.best(max_drop=1.0)
    assert result.claimed_drop(best) <= 1.0
    assert result.drop_interval(best)[0] <= 1.0
    assert best.energy_uj < result.evaluated[0].energy_uj
    mute = library.index("mute")
    assert sum(int((rows == mute).sum()) for rows in best.assignment.indices) < sum(NETWORK.filters.values()) / 2
    assert result.scores.layer_drop[:, mute].max() > 50
    assert all(np.isfinite(entry[2]) for entry in result.hypervolume)
    assert all(0 <= d.estimate.top1 <= 100 and np.isfinite(d.estimate.sigma) for d in result.evaluated if d.estimate)


@pytest.mark.parametrize("better", [0, 1], ids=["a chance of the search images", "true on the report images"])
def test_the_exact_design_leaves_the_front_only_where_the_report_images_agree(better: int) -> None:
    """The search is told that the cheapest design answers all its images; the report images are counted as they are, or in its favor too."""
    library = Library([block("exact", EXACT, 1.0), block("crude", EXACT & ~1023, 0.5)], name="chance")

    class Flattering(RunHere):
        def map(self, work: Any, parts: Sequence[Any]) -> Iterator[Any]:
            return (self.flattered(work, part) if isinstance(work, Task) else work(part) for part in parts)

        def flattered(self, task: Task, shard: Shard) -> NDArray[np.bool_]:
            answers = task(shard)
            if np.array_equal(task.labels, searched.labels) or better:
                answers[[all((rows == 1).all() for rows in design.indices) for design, _ in shard.designs]] = True
            return answers

    searched, *_ = split_images(Dataset("images", DATA.images, DATA.labels, 10), 150, 150, seed=1)
    result = run(library, granularity="network", searcher="exhaustive", runner=Flattering())
    uses = [frozenset(np.unique(np.concatenate(d.assignment.indices)).tolist()) for d in result.front]
    assert uses == ([{1}] if better else [{0}, {1}])
    assert min(result.drop(design) for design in result.front) <= 0.0


@pytest.fixture(scope="module")
def smallest() -> tuple[QuantizedNetwork, np.ndarray, np.ndarray]:
    """One convolution with one filter whose four output positions are the classes, and images whose bright quarter is the label."""
    module = nn.Sequential(nn.Conv2d(1, 1, 2, stride=2), nn.Flatten())
    with torch.no_grad():
        module[0].weight.copy_(torch.tensor([[[[0.9, 0.7], [0.8, 0.6]]]]))
        module[0].bias.zero_()
    rng = np.random.default_rng(5)
    labels = rng.integers(4, size=80)
    images = rng.integers(0, 150, (80, 1, 4, 4))
    for image, label in zip(images, labels, strict=True):
        image[0, 2 * (label // 2) : 2 * (label // 2) + 2, 2 * (label % 2) : 2 * (label % 2) + 2] += 60
    pixels = images.clip(0, 255).astype(np.uint8)
    network = quantize(module, torch.from_numpy(pixels[:32]), name="smallest", preprocessing=Preprocessing(mean=(0.0,), std=(1.0,)))
    return network, pixels, labels.astype(np.int64)


@pytest.mark.parametrize("searcher", ["hawx", "exhaustive", "greedy", "random", "uniform", "nsga2"])
@pytest.mark.parametrize("granularity", ["network", "layer", "filter"])
def test_one_layer_with_one_filter(smallest, granularity: str, searcher: str) -> None:
    network, images, labels = smallest
    assert [layer.filters for layer in network.layers] == [1]
    library = Library([block("exact", EXACT, 1.0), block("coarse", EXACT // 4096 * 4096, 0.3)], name="two")
    result = run(library, network, images, labels, granularity=granularity, searcher=searcher)
    assert sorted(d.assignment.to_dict().popitem()[1] for d in result.evaluated) == ["coarse", "exact"]
    assert result.space_log10 == pytest.approx(np.log10(2))


@pytest.mark.parametrize("accelerator", [Spatial(), Systolic()], ids=["spatial", "systolic"])
def test_one_layer_one_filter_one_block(smallest, accelerator) -> None:
    network, images, labels = smallest
    library = Library([block("exact", EXACT, 1.0)], name="one")
    result = explore(
        network, library, accelerator, images, labels, granularity="filter", search_images=40, report_images=40, budget=5, recover="none"
    )
    assert len(result.evaluated) == len(result.front) == 1
    assert result.front[0].measurement.top1 == result.baseline.int8_top1
    assert result.space_log10 == 0


def test_measured_scores_do_not_depend_on_the_batch() -> None:
    library = builtin_library().select(["mul8s_ot3", "mul8s_tc8"])
    space = search_space(NETWORK, library, "layer")
    images, labels = DATA.images[:30], DATA.labels[:30]
    logits = Evaluator(NETWORK, library, images, labels).logits(space.assignment(space.exact_choices()))
    rivals = Competitors.of(logits, labels, 3)
    found = [measured_effects(Evaluator(NETWORK, library, images, labels, batch=batch).logits, space, rivals) for batch in (1, 7, 30)]
    for base, delta in found[1:]:
        np.testing.assert_array_equal(base, found[0][0])
        np.testing.assert_array_equal(delta, found[0][1])
    assert np.abs(found[0][1]).max() > 0


def test_filter_scores_do_not_depend_on_the_batch() -> None:
    """Gradients are sums of floats, so equal up to their rounding."""
    library = builtin_library().select(["mul8s_ot3", "mul8s_tc8"])
    space = SearchSpace.build(Granularity.FILTER, NETWORK.layer_names, list(NETWORK.filters.values()), library.names)
    everywhere = [space.assignment(np.full(len(space.units), b, np.uint8)) for b in range(len(library))]
    executors = [None if b.is_exact else BlockExecutor(library, a) for b, a in zip(library, everywhere, strict=True)]
    exact = BlockExecutor(library, everywhere[library.index(library.exact.name)])
    logits = NETWORK.run(torch.from_numpy(DATA.images[:30]), exact).numpy()
    sample = scoring_set(DATA.images[:30], DATA.labels[:30], logits, 30, 2, np.random.default_rng(0))
    found = [filter_effects(NETWORK, sample.images, sample.competitors, executors, range(len(NETWORK.layers)), batch=batch) for batch in (1, 7, 30)]
    for other in found[1:]:
        for one, two in zip(found[0].margin, other.margin, strict=True):
            np.testing.assert_allclose(two, one, rtol=1e-4, atol=1e-4 * np.abs(one).max())
        for one, two in zip((*found[0].bias, *found[0].std), (*other.bias, *other.std), strict=True):
            np.testing.assert_allclose(two, one, rtol=1e-9, atol=1e-12)


def test_profiles_do_not_depend_on_the_batch() -> None:
    exact = BlockExecutor(
        builtin_library(),
        search_space(NETWORK, builtin_library(), "network").assignment(np.array([builtin_library().index("mul8s_exact")], np.uint8)),
    )
    whole = profile_operands(NETWORK, DATA.images[:20], exact)
    parts = [profile_operands(NETWORK, DATA.images[i : i + 5], exact) for i in range(0, 20, 5)]
    for layer, activations in enumerate(whole.activations):
        np.testing.assert_allclose(np.mean([p.activations[layer] for p in parts], axis=0), activations, atol=1e-12)


@pytest.mark.parametrize("far", [False, True], ids=["around exact", "around the blocks"])
def test_units_that_exchange_their_channels_are_designs_run_as_a_whole(far: bool) -> None:
    """The oracle is the evaluator on every such design: to the bit, in batches or not."""
    library = builtin_library().select(["mul8s_exact", "mul8s_ot3", "mul8s_tc8"])
    space = search_space(NETWORK, library, "filter", ["conv1", "conv2", "fc3"])
    images, labels = DATA.images[:40], DATA.labels[:40]
    blocks = np.random.default_rng(0).integers(1, 3, len(space.units)).astype(np.uint8)
    around, other = (blocks, space.exact_choices()) if far else (space.exact_choices(), blocks)
    units = np.array([0, 5, 7, 21, 22, 31])
    found = exchanged_logits(NETWORK, library, space, images, around, other, units)
    evaluator = Evaluator(NETWORK, library, images, labels)
    for unit, logits in zip(units, found, strict=True):
        design = around.copy()
        design[unit] = other[unit]
        np.testing.assert_array_equal(logits, evaluator.logits(space.assignment(design)))
    assert len({logits.tobytes() for logits in found}) == len(units)


def test_two_ended_effects_average_both_ends() -> None:
    library = builtin_library().select(["mul8s_exact", "mul8s_tc7"])
    space = search_space(NETWORK, library, "filter", ["conv1"])
    images, labels = DATA.images[:40], DATA.labels[:40]
    evaluator = Evaluator(NETWORK, library, images, labels)
    exact, block = space.exact_choices(), np.full(len(space.units), 1, np.uint8)
    rivals = Competitors.of(evaluator.logits(space.assignment(exact)), labels, 3)
    found = two_ended_effects(NETWORK, library, space, images, rivals)
    for unit in range(len(space.units)):
        margins = []
        for around, other in ((exact, block), (block, exact)):
            design = around.copy()
            design[unit] = other[unit]
            margins.append([rivals.margins(evaluator.logits(space.assignment(c))) for c in (around, design)])
        (base, one), (far, without) = margins
        np.testing.assert_array_equal(found[unit, 1], np.float32(0.5) * (one - base + far - without))
    assert not found[:, 0].any()


def test_midpoint_effects_of_filters_add_up_to_what_their_layer_does() -> None:
    """Measured layer effects are the oracle: half way to the block, gradients explain them much better than at the exact network."""
    library = builtin_library().select(["mul8s_exact", "mul8s_tc7"])
    space = search_space(NETWORK, library, "layer")
    images, labels = DATA.images[:60], DATA.labels[:60]
    evaluator = Evaluator(NETWORK, library, images, labels)
    rivals = Competitors.of(evaluator.logits(space.assignment(space.exact_choices())), labels, 3)
    _, measured = measured_effects(evaluator.logits, space, rivals)
    executors = [None, BlockExecutor(library, Assignment.uniform(NETWORK.filters, library.names, "mul8s_tc7"))]
    unexplained = {}
    for midpoint in (False, True):
        found = filter_effects(NETWORK, images, rivals, executors, range(len(NETWORK.layers)), midpoint=midpoint)
        errors = [np.abs(margin[:, 1].sum(axis=0) - measured[i, 1]).mean() for i, margin in enumerate(found.margin)]
        unexplained[midpoint] = np.array(errors) / np.abs(measured[:, 1]).mean(axis=(1, 2))
    assert (unexplained[True][:-1] < 0.75 * unexplained[False][:-1]).all()
    assert (unexplained[True][-1], unexplained[False][-1]) == pytest.approx((0, 0), abs=1e-5)  # nothing follows: linear
