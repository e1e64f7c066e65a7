"""The full truth against the plain evaluator: the incremental path must give the same bits for every design."""

import numpy as np
import pytest
from benchmarks.truth import FilterTruth

from hawx.blocks import Library
from hawx.blocks.families import builtin_library
from hawx.emulate import Evaluator
from hawx.errors import InputError
from hawx.networks import zoo

IMAGES = 6


@pytest.fixture(scope="module")
def truth() -> FilterTruth:
    library = builtin_library().select(["mul8s_exact", "mul8s_ot3", "mul8s_tcc8"])
    return FilterTruth.of(zoo.load("lenet5"), library, ("mul8s_ot3", "mul8s_tcc8"), split=1)


def test_units_and_numbers_fit_the_search_space(truth: FilterTruth) -> None:
    space = truth.space
    assert truth.units == len(space.units) == 22
    assert [u.name for u in space.units][5:8] == ["conv1[5]", "conv2[0]", "conv2[1]"]
    designs = np.array([0, 1, 64, 2**22 - 1, 1234567])
    choices = truth.choices(designs)
    assert set(np.unique(choices)) == {1, 2}
    assert (choices[2] == 2).nonzero()[0].tolist() == [6]
    np.testing.assert_array_equal(truth.numbers(choices), designs)


def test_logits_are_those_of_the_evaluator(truth: FilterTruth) -> None:
    data = zoo.dataset("lenet5")
    evaluator = Evaluator(truth.network, truth.library, data.images[:IMAGES], data.labels[:IMAGES])
    for number in [0, 2**22 - 1, *np.random.default_rng(1).integers(2**22, size=6)]:
        expected = evaluator.logits(truth.space.assignment(truth.choices(np.array([number]))[0]))
        np.testing.assert_array_equal(truth.logits(int(number), data.images[:IMAGES]), expected)


def test_counts_are_those_of_the_evaluator(truth: FilterTruth) -> None:
    """A small early part keeps this quick: the same law with two of the 64 combinations of conv1, all 65,536 of conv2."""
    data = zoo.dataset("lenet5")
    wrong = np.flatnonzero(np.isin(np.arange(600), [8, 62, 247, 321, 340, 445, 582]))  # images that approximation often loses
    images, labels = data.images[wrong], data.labels[wrong]
    evaluator = Evaluator(truth.network, truth.library, images, labels)
    counts = truth.empty()
    for early in (5, 58):
        truth.add_early(early, images, labels, counts)
        designs = np.random.default_rng(early).integers(2**16, size=24) << 6 | early
        expected = [evaluator.correct(truth.space.assignment(row)) for row in truth.choices(designs)]
        np.testing.assert_array_equal(truth.by_number(counts)[designs], expected)
        assert np.ptp(counts[early]) > 1
    assert counts[[0, 1, 63]].sum() == 0


def test_equal_logits_go_to_the_first_class(truth: FilterTruth) -> None:
    """Two classes with the same weights: the one with the smaller number is the answer, as in NumPy's argmax."""
    folded = truth.tail.fold(np.zeros(120, np.int32), np.full(120, 1 << 20, np.int32))
    last = folded.dense[-1]
    twin = type(last)(weight=last.weight[[3] * 10].copy(), constant=last.constant[[3] * 10].copy())
    tied = type(folded)(
        channels=folded.channels, codes=folded.codes, dense=(*folded.dense[:-1], twin), logit_scale=np.full(10, folded.logit_scale[0], np.float32)
    )
    sums = np.random.default_rng(0).integers(0, 20000, (2, 4, len(folded.channels))).astype(np.int32)
    for label, expected in ((0, 1), (1, 0), (9, 0)):
        counts = np.zeros((4, 4), np.uint16)
        tied.count_correct(sums[0], sums[1], label, counts)
        assert (counts == expected).all()


def test_refuses_a_split_that_no_dense_layer_follows() -> None:
    network = zoo.load("lenet5")
    library = Library([builtin_library().exact], name="exact")
    with pytest.raises(InputError, match=r"^what follows layer 'conv1' mixes its filters|does not end in plain linear layers from 'conv2' on"):
        FilterTruth.of(network, library, ("mul8s_exact", "mul8s_exact"), split=0)
