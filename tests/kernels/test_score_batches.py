"""Scores and runs on scoring images do not depend on which others are run with them."""

from __future__ import annotations

import numpy as np
import pytest
from blocks import exact, full_rank, low_rank

from hawx.blocks import Library
from hawx.designs import SearchSpace
from hawx.emulate import BlockExecutor, Evaluator
from hawx.networks import zoo
from hawx.profile import profile_operands
from hawx.score import ScoringProber, score_network, scoring_set, work
from hawx.units import Granularity

LIBRARY = Library([exact(), low_rank(2), full_rank()])


@pytest.mark.parametrize("granularity", [Granularity.LAYER, Granularity.NETWORK])
def test_batches_give_the_same_scores(granularity: Granularity, monkeypatch: pytest.MonkeyPatch) -> None:
    network, data = zoo.load("lenet5"), zoo.dataset("lenet5").first(50)
    names, filters = list(network.filters), list(network.filters.values())
    space = SearchSpace.build(granularity, names, filters, LIBRARY.names, exact=LIBRARY.index("exact"))
    design = space.assignment(space.exact_choices())
    logits = Evaluator(network, LIBRARY, data.images, data.labels).logits(design)
    operands = profile_operands(network, data.images, BlockExecutor(LIBRARY, design))
    sample = scoring_set(data.images, data.labels, logits, 40, 2, np.random.default_rng(0))
    whole = score_network(network, LIBRARY, space, operands, sample)
    monkeypatch.setattr("hawx.score.stage.default_batch", lambda _: 7)
    told: list[int] = []
    parts = score_network(network, LIBRARY, space, operands, sample, advance=told.append)
    np.testing.assert_array_equal(parts.base, whole.base)
    np.testing.assert_array_equal(parts.delta, whole.delta)
    np.testing.assert_array_equal(parts.scores.layer_margin, whole.scores.layer_margin)
    assert np.abs(whole.delta).max() > 0
    assert sum(told) == work(space, len(sample.images))


def test_every_design_runs_its_own_scoring_images() -> None:
    network, data = zoo.load("lenet5"), zoo.dataset("lenet5").first(60)
    space = SearchSpace.build(Granularity.LAYER, list(network.filters), list(network.filters.values()), LIBRARY.names, exact=LIBRARY.index("exact"))
    whole = Evaluator(network, LIBRARY, data.images, data.labels)
    exact_logits = whole.logits(space.assignment(space.exact_choices()))
    sample = scoring_set(data.images, data.labels, exact_logits, 40, 2, np.random.default_rng(0))
    rng = np.random.default_rng(1)
    designs = [space.assignment(row) for row in space.random(rng, 4)]
    images = np.stack([np.sort(rng.choice(40, 9, replace=False)) for _ in designs])
    found = ScoringProber(network, LIBRARY, sample)(designs, images)
    everything = Evaluator(network, LIBRARY, sample.images, sample.competitors.labels)
    for design, chosen, answers in zip(designs, images, found, strict=True):
        np.testing.assert_array_equal(answers, (everything.logits(design).argmax(axis=1) == sample.competitors.labels)[chosen])
    assert 0 < found.mean() < 1
