"""The whole flow in Python on the embedded network, few images and blocks so that it stays quick."""

import numpy as np
import pytest

import hawx
from hawx import stages
from hawx.accelerators import Spatial, Systolic
from hawx.blocks import Block, Library
from hawx.blocks.families import builtin_library
from hawx.designs import Assignment
from hawx.errors import GoalError, InputError, UnknownNameError
from hawx.flow import evaluate, explore, score
from hawx.networks import zoo
from hawx.progress import SilentProgress, StageClock
from hawx.runner import RunHere
from hawx.verify import MemoryStore, Task, split_images

NETWORK = zoo.load("lenet5")
DATA = zoo.dataset("lenet5").first(600)
CALIBRATION = split_images(DATA, 200, 200, stages.RECOVERY_IMAGES, seed=3)[2].images
LIBRARY = builtin_library().select(["mul8s_ot3", "mul8s_bam_v7h3"])


def run(**changes):
    asked = {"search_images": 200, "report_images": 200, "budget": 8, "seed": 3} | changes
    return explore(NETWORK, LIBRARY, Spatial(), DATA.images, DATA.labels, **asked)


@pytest.fixture(scope="module")
def result():
    return run()


def test_the_front_is_measured_on_images_the_search_never_saw(result) -> None:
    search, report, calibration = (
        {image.tobytes() for image in part.images} for part in split_images(DATA, 200, 200, stages.RECOVERY_IMAGES, seed=3)
    )
    assert not search & report
    assert calibration
    assert not calibration & (search | report)


def test_a_design_measured_again_on_its_network_gives_the_same(result) -> None:
    search, report, _ = split_images(DATA, 200, 200, seed=3)
    for design in result.front:
        network = result.networks.of(design)
        assert design.measurement == evaluate(network, LIBRARY, design.assignment, report.images, report.labels)
        assert design.search == evaluate(network, LIBRARY, design.assignment, search.images, search.labels)


def test_the_budget_holds_and_nothing_is_measured_twice(result) -> None:
    assert result.effort.evaluations == len(result.evaluated) <= 8
    assert len({d.id for d in result.evaluated}) == len(result.evaluated)
    assert [entry[0] for entry in result.hypervolume] == list(range(1, len(result.evaluated) + 1))
    assert all(a[2] <= b[2] for a, b in zip(result.hypervolume, result.hypervolume[1:], strict=False))


def test_the_exact_design_is_the_first_measured_and_every_other_has_an_estimate(result) -> None:
    first, *others = result.evaluated
    assert set(first.assignment.to_dict().values()) == {"mul8s_exact"}
    assert first.mult_power_ratio == pytest.approx(1.0)
    assert all(d.estimate is not None for d in others)


def test_the_same_seed_gives_the_same_result(result) -> None:
    again = run()
    assert [d.to_dict() for d in again.evaluated] == [d.to_dict() for d in result.evaluated]


def test_a_resumed_run_measures_nothing_again() -> None:
    store = MemoryStore()
    first = run(store=store)
    known = len(store)

    class Refusing(RunHere):
        def map(self, work, parts):
            assert not isinstance(work, Task), "measured again"
            return super().map(work, parts)

    again = run(store=store, runner=Refusing())
    assert len(store) == known
    assert [d.id for d in again.front] == [d.id for d in first.front]


def test_an_unreachable_goal_says_what_the_closest_design_reaches(result) -> None:
    with pytest.raises(GoalError, match=r"^no design is expected to lose at most -50 points of top-1; the closest, [0-9a-f]{12}, loses "):
        result.best(max_drop=-50)


def test_best_is_the_cheapest_that_keeps_the_goal(result) -> None:
    best = result.best(max_drop=5.0)
    assert result.claimed_drop(best) <= 5.0
    assert all(d.energy_uj >= best.energy_uj for d in result.front if result.claimed_drop(d) <= 5.0)


@pytest.mark.parametrize("granularity", ["network", "filter"])
def test_the_other_granularities_run(granularity: str) -> None:
    found = run(granularity=granularity, layers=["conv1", "conv2"], budget=5)
    assert found.space_log10 == pytest.approx({"network": np.log10(3), "filter": 22 * np.log10(3)}[granularity])
    exact_layers = {d.assignment.to_dict()["fc1"] for d in found.front}
    assert exact_layers == {"mul8s_exact"}
    if granularity == "filter":
        assert [m.shape for m in found.scores.filter_bias] == [(6, 3), (16, 3), (0, 3), (0, 3), (0, 3)]


def test_a_temporal_accelerator_runs() -> None:
    found = explore(NETWORK, LIBRARY, Systolic(), DATA.images, DATA.labels, search_images=100, report_images=100, budget=5)
    assert found.accelerator["kind"] == "systolic"
    assert len(found.front) > 1


def test_scores_agree_with_measurements_of_single_layers() -> None:
    scores = score(NETWORK, LIBRARY, DATA.images[:150], DATA.labels[:150], score_images=150, recover="none")
    exact = Assignment.uniform(NETWORK.filters, LIBRARY.names, "mul8s_exact")
    base = evaluate(NETWORK, LIBRARY, exact, DATA.images[:150], DATA.labels[:150])
    for layer in ("conv2", "fc2"):
        changed = Assignment.from_dict({**exact.to_dict(), layer: "mul8s_bam_v7h3"}, NETWORK.filters, LIBRARY.names)
        measured = evaluate(NETWORK, LIBRARY, changed, DATA.images[:150], DATA.labels[:150])
        found = scores.layer_drop[scores.layers.index(layer), scores.blocks.index("mul8s_bam_v7h3")]
        assert found == pytest.approx(base.top1 - measured.top1, abs=0.7)  # three competitors of nine decide


def test_blocks_that_are_all_exact_leave_nothing_to_lose() -> None:
    exact = builtin_library().exact
    twins = Library([exact, exact.renamed("twin"), exact.renamed("twin2")])
    found = explore(NETWORK, twins, Spatial(), DATA.images, DATA.labels, search_images=100, report_images=100, budget=6)
    assert {d.search.correct for d in found.evaluated} == {found.evaluated[0].search.correct}


def test_a_block_that_destroys_the_network_stays_off_the_accurate_end() -> None:
    exact = builtin_library().exact
    zero = Block.from_table(np.zeros((256, 256), int), name="zero", costs=builtin_library()["mul8s_ot3"].costs)
    found = explore(
        NETWORK, Library([exact, zero]), Spatial(), DATA.images, DATA.labels, search_images=100, report_images=100, budget=12, max_drop=1.0
    )
    assert found.drop(found.best(max_drop=1.0)) <= 1.0
    everywhere = [d for d in found.evaluated if set(d.assignment.to_dict().values()) == {"zero"}]
    assert all(d.search.top1 < 30 for d in everywhere)


def test_unknown_names_are_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"^unknown granularity 'layers'; did you mean 'layer' or 'filter'\?$"):
        run(granularity="layers")
    with pytest.raises(UnknownNameError, match=r"^unknown layer 'conv3'; did you mean 'conv2' or 'conv1' or 'fc3'\?$"):
        run(layers=["conv3"])
    with pytest.raises(InputError, match=r"^objective 'speed' is not a hardware figure; expected some of: area_um2, "):
        run(objectives=("speed",))
    with pytest.raises(
        InputError, match=r"^500 search and 200 report images do not fit 600 images; expected two positive numbers of at most that sum\.$"
    ):
        run(search_images=500)


def test_the_public_names_resolve() -> None:
    for name in hawx.__all__:
        assert getattr(hawx, name) is not None


def test_the_stages_compose_to_the_same_exploration_and_take_one_more(result) -> None:
    search_set, report_set, _ = split_images(DATA, 200, 200, seed=3)
    seen = []

    def look(profiled: stages.Profiled) -> stages.Profiled:
        seen.append(profiled.operands.activations[0].sum())
        return profiled

    clock = StageClock(SilentProgress())
    network = stages.recover(NETWORK, LIBRARY, CALIBRATION, clock=clock)
    prepared = stages.prepare(network, LIBRARY, search_set, stages.search_space(NETWORK, LIBRARY, "layer"), seed=3, clock=clock)
    profiled = look(stages.profile(prepared))
    units = stages.score(profiled)
    searched = stages.search(units, stages.predict(units), Spatial(), stages.Goal(budget=8), images=CALIBRATION)
    found = stages.result(stages.verify(searched, report_set))
    assert seen == [pytest.approx(1.0)]
    assert [d.to_dict() for d in found.front] == [d.to_dict() for d in result.front]
    assert list(found.effort.stages) == ["recover", "baseline", "profile", "score", "search", "verify"]
    whole = score(NETWORK, LIBRARY, search_set.images, search_set.labels, calibration=CALIBRATION, seed=3)
    assert np.array_equal(whole.layer_drop, result.scores.layer_drop)


def test_a_searcher_of_ones_own_is_called_and_named() -> None:
    def all_on_each(problem, rng, predictor) -> None:
        problem.measure(np.repeat(np.arange(len(LIBRARY), dtype=np.uint8)[:, None], len(problem.space.units), axis=1))

    own, named = run(searcher=all_on_each), run(searcher="uniform")
    assert (own.searcher, named.searcher) == ("all_on_each", "uniform")
    assert [d.id for d in own.front] == [d.id for d in named.front]
    assert len(own.evaluated) == len(LIBRARY)


def test_it_takes_tensors_preprocessed_values_and_names(result) -> None:
    import torch

    pixels = torch.from_numpy(DATA.images)
    values = NETWORK.preprocessing(pixels)
    named = explore(NETWORK, LIBRARY, "spatial", values, torch.from_numpy(DATA.labels), search_images=200, report_images=200, budget=8, seed=3)
    assert [d.to_dict() for d in named.front] == [d.to_dict() for d in result.front]
    with pytest.raises(InputError, match=r"^images of data set 'images' have shape \(600, 1, 28, 28\), dtype float64; expected \(N, C, H, W\), "):
        explore(NETWORK, LIBRARY, "spatial", DATA.images / 255.0, DATA.labels)
    with pytest.raises(
        InputError, match=r"^images are of type bfloat16, which NumPy lacks; expected uint8 or float32\. Convert them: \.float\(\)\.$"
    ):
        explore(NETWORK, LIBRARY, "spatial", values.bfloat16(), DATA.labels)
    for wrong in (DATA.labels.astype(np.float32), np.eye(10, dtype=np.int64)[DATA.labels]):
        with pytest.raises(InputError, match=r"^labels have shape \(600.*; expected \(N,\) whole numbers: one class index per image\.$"):
            explore(NETWORK, LIBRARY, "spatial", DATA.images, wrong)
