"""START HERE: the whole of HAWX as one readable list of stages.

split → measure the baseline → profile → score → predict → search → verify. Every value between two stages is typed and can be
looked at; the stages are packages of the same names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hawx.accelerators import Accelerator
from hawx.blocks import Library
from hawx.designs import Assignment, SearchSpace
from hawx.emulate import BlockExecutor
from hawx.errors import UnknownNameError
from hawx.estimates import Measurement
from hawx.networks import Dataset, QuantizedNetwork
from hawx.predict import Effects, Predictor, ranking_of
from hawx.profile import profile_operands
from hawx.progress import Progress, SilentProgress, StageClock
from hawx.report.facts import library_facts, network_facts, validation_of, versions
from hawx.report.result import Baseline, Effort, Result
from hawx.score import Scores, ScoringProber, score_network, scoring_set, work
from hawx.search import Problem, Searcher, name_of, search
from hawx.synthesis.operands import operand_energies
from hawx.units import Granularity
from hawx.verify import Counter, MeasurementStore, Measurer, MemoryStore, Task, count_here, split_images, verify_front

PROFILE_IMAGES = 128
SCORE_IMAGES = 768
"""Images that the scores are taken on, and that probes choose from. 512 left a sixth of LeNet-5's searches just short of 0.99 of its front."""
COMPETITORS = 3
"""Rival classes per image that the scores follow."""
EFFECT_BYTES, LEAST_SCORE_IMAGES = 1 << 29, 64
"""What the effects of all units under all blocks may take, which bounds the scoring images in large spaces; and how many there are at least."""
REFERENCE_DROP = 10.0
"""Points of drop that bound the hypervolume where the user states no goal."""


def explore(
    network: QuantizedNetwork,
    library: Library,
    accelerator: Accelerator,
    images: NDArray[np.uint8],
    labels: NDArray[np.int64],
    *,
    granularity: str = "layer",
    objectives: Sequence[str] = ("energy_uj", "area_um2"),
    searcher: str | Searcher = "hawx",
    max_drop: float | None = None,
    budget: int = 40,
    layers: Sequence[str] | None = None,
    search_images: int | None = None,
    report_images: int | None = None,
    seed: int = 0,
    store: MeasurementStore | None = None,
    counter: Counter = count_here,
    progress: Progress | None = None,
    settings: Mapping[str, Any] | None = None,
) -> Result:
    """Find which block goes where: measured, non-dominated designs of a network on an accelerator.

    Args:
        images: (N, C, H, W) as the network takes them; split here into disjoint, seeded search and report images.
        labels: (N,) class indices.
        granularity: `network`, `layer` or `filter`: what receives one block.
        objectives: hardware figures to minimize together with the loss of top-1, some of `hawx.search.OBJECTIVES`.
        searcher: `hawx`, a baseline (`exhaustive`, `nsga2`, `greedy`, `random`, `uniform`), or one of your own (see `hawx.search.Searcher`).
        max_drop: points of top-1 that may be lost against int8; focuses the search, never cuts the front.
        budget: designs to measure at most.
        layers: names of the layers that may be approximated (the others stay exact); None for all.
        search_images, report_images: sizes of the splits; default at most 2,000 to search, the rest to report.
        store: remembers measurements, so that a killed run resumes with nothing measured twice.
        counter: who runs designs: this process by default, a pool or a cluster (hawx.execution).
        settings: kept in the result as provenance.

    Raises:
        InputError: something given cannot be used; the message names it and the way out.
    """
    clock = StageClock(progress or SilentProgress())
    remembered = store if store is not None else MemoryStore()
    space = search_space(network, library, granularity, layers)
    search_set, report_set = split_images(Dataset("images", images, labels, network.classes), search_images, report_images, seed=seed)

    clock.stage("baseline")
    exact = space.assignment(space.exact_choices())
    task = Task(network, library, search_set.images, search_set.labels)
    logits = task.evaluator.logits(exact)
    measurer = Measurer(task=task, store=remembered, counter=counter)

    clock.stage("profile")
    sample_rng, search_rng = (np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(2))
    operands = profile_operands(network, search_set.images[:PROFILE_IMAGES], BlockExecutor(library, exact))

    energies = operand_energies(library.blocks, library.costs(), operands.activations, operands.weights, exact=space.exact, held=accelerator.held)

    sample = scoring_set(search_set.images, search_set.labels, logits, scoring_images(SCORE_IMAGES, space), COMPETITORS, sample_rng)
    clock.stage("score", work(space, len(sample.images)))
    scored = score_network(network, library, space, operands, sample, advance=clock.progress.advance)

    clock.stage("search", budget)
    problem = Problem(
        space=space,
        layers=network.layers,
        costs=library.costs(),
        accelerator=accelerator,
        objectives=tuple(objectives),
        measurer=measurer,
        images=len(search_set),
        baseline_correct=int((logits.argmax(axis=1) == search_set.labels).sum()),
        budget=budget,
        energies=energies.values_fj,
        reference_drop=REFERENCE_DROP if max_drop is None else max(2.0 * max_drop, 1.0),
        probe=ScoringProber(network, library, sample),
        progress=clock.progress,
    )
    problem.measure(space.exact_choices())
    effects = Effects.of(scored, sample, space)
    search(searcher, problem, search_rng, Predictor(effects, problem.images, ranking_of(effects, space)))

    clock.stage("verify", 1 + len(problem.front()))
    front, int8 = verify_front(
        problem, Measurer(task=Task(network, library, report_set.images, report_set.labels), store=remembered, counter=counter)
    )
    clock.stop()

    one_evaluation = measurer.seconds / measurer.fresh if measurer.fresh else clock.stages["baseline"]
    other_work = clock.stages["profile"] + clock.stages["score"] + clock.stages["search"] - measurer.seconds
    return Result(
        network=network_facts(network),
        granularity=space.granularity.value,
        accelerator={"name": accelerator.name, **accelerator.params, "energy_origin": energies.origin},
        library=library_facts(library),
        objectives=problem.objectives,
        space_log10=space.log10_size,
        baseline=Baseline(
            float_top1=network.float_top1,
            int8_top1=int8.top1,
            search_int8_top1=100.0 * problem.baseline_correct / problem.images,
        ),
        front=front,
        evaluated=tuple(found.design for found in problem.evaluated),
        scores=scored.scores,
        validation=validation_of([found.design for found in problem.evaluated]),
        effort=Effort(
            evaluations=len(problem.evaluated),
            evaluation_equivalents=max(other_work, 0.0) / one_evaluation,
            wall_s=clock.total,
            stages=clock.stages,
        ),
        seed=seed,
        searcher=name_of(searcher),
        max_drop=max_drop,
        settings=settings or {},
        versions=versions(),
        hypervolume=tuple(problem.history),
    )


def search_space(network: QuantizedNetwork, library: Library, granularity: str, layers: Sequence[str] | None = None) -> SearchSpace:
    """Return the space of every way to give the units of a network their blocks.

    Raises:
        UnknownNameError: no such granularity or layer.
    """
    if granularity not in set(Granularity):
        raise UnknownNameError("granularity", granularity, [g.value for g in Granularity])
    names = list(network.filters)
    for name in layers or ():
        if name not in names:
            raise UnknownNameError("layer", name, names)
    return SearchSpace.build(
        Granularity(granularity),
        names,
        list(network.filters.values()),
        library.names,
        approximable=None if layers is None else [name in set(layers) for name in names],
        exact=library.index(library.exact.name),
    )


def score(
    network: QuantizedNetwork,
    library: Library,
    images: NDArray[np.uint8],
    labels: NDArray[np.int64],
    *,
    granularity: str = "layer",
    layers: Sequence[str] | None = None,
    score_images: int = SCORE_IMAGES,
    seed: int = 0,
    progress: Progress | None = None,
) -> Scores:
    """Return the scores of every unit under every block, without searching anything; arguments as of `explore`."""
    told = progress or SilentProgress()
    space = search_space(network, library, granularity, layers)
    exact = space.assignment(space.exact_choices())
    told.stage("baseline")
    logits = Task(network, library, images, labels).evaluator.logits(exact)
    told.stage("profile")
    operands = profile_operands(network, images[:PROFILE_IMAGES], BlockExecutor(library, exact))
    sample = scoring_set(images, labels, logits, scoring_images(score_images, space), COMPETITORS, np.random.default_rng(seed))
    told.stage("score", work(space, len(sample.images)))
    return score_network(network, library, space, operands, sample, advance=told.advance).scores


def scoring_images(count: int, space: SearchSpace) -> int:
    """Return how many images to score `space` on, at most `count`."""
    fitting = EFFECT_BYTES // (4 * len(space.units) * len(space.blocks) * COMPETITORS)
    return min(count, max(LEAST_SCORE_IMAGES, fitting))


def evaluate(
    network: QuantizedNetwork,
    library: Library,
    assignment: Assignment,
    images: NDArray[np.uint8],
    labels: NDArray[np.int64],
    *,
    counter: Counter = count_here,
) -> Measurement:
    """Return the bit-exactly measured top-1 of one assignment on labelled images."""
    correct = counter(Task(network, library, images, labels), [assignment])[0]
    return Measurement(correct=int(correct), images=len(labels))
