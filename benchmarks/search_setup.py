"""The stages of `hawx.flow.explore` up to the search, for benchmarks that look between them, and the networks they run on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from benchmarks.data import sources
from hawx import stages
from hawx.accelerators import Accelerator, Spatial
from hawx.blocks import Library
from hawx.designs import SearchSpace
from hawx.networks import Dataset, QuantizedNetwork, zoo
from hawx.predict import Effects, Predictor, ranking_of
from hawx.profile import arriving_operands
from hawx.recover import DesignRecovery
from hawx.score import ScoringProber
from hawx.search import Problem
from hawx.stages import SEARCHING, search_space
from hawx.synthesis.operands import operand_energies
from hawx.verify import Measurer, Task, split_images

OBJECTIVES = ("energy_uj", "area_um2")


@dataclass(eq=False, kw_only=True)
class Prepared:
    """Everything that stands before a search, and what it cost."""

    problem: Problem
    effects: Effects
    task: Task
    baseline_s: float
    """Wall time of the first run of the exact design on the search images: not shared with anything."""
    evaluation_s: float
    """Wall time of one evaluation: median over random designs, each run from its first layer on."""
    work_s: float
    """Wall time of profile and scores."""

    def predictor(self) -> Predictor:
        return Predictor(self.effects, self.problem.images, ranking_of(self.effects, self.problem.space, recovered=self.task.network.varies))


def load(name: str) -> tuple[QuantizedNetwork, Dataset]:
    """Return a network and its evaluation images."""
    data, calibration, weights = sources(name, calibration_images=512)
    return zoo.load(name) if name == "lenet5" else zoo.load(name, weights=weights, calibration=calibration), data


def search_set(data: Dataset, count: int, seed: int = 0) -> Dataset:
    """Return the search images that `hawx.flow.explore` would take."""
    return split_images(data, count, len(data) - count, seed=seed)[0]


def prepare(
    network: QuantizedNetwork,
    library: Library,
    images: Dataset,
    *,
    granularity: str,
    layers: Sequence[str] | None = None,
    accelerator: Accelerator | None = None,
    budget: int,
    reference_drop: float,
    seed: int,
    space: SearchSpace | None = None,
    evaluation_s: float | None = None,
    score_images: int | None = None,
    recovery: DesignRecovery | None = None,
) -> Prepared:
    """Run every stage before the search on `images`, all of them as search images, at most `score_images` of them as scoring images.

    With `recovery`, which is of `network`, designs are measured recovered as a whole.
    """
    chosen = space if space is not None else search_space(network, library, granularity, layers)
    start = perf_counter()
    exact = stages.prepare(network, library, images, chosen, seed=seed)
    task = replace(exact.task, recovery=recovery)
    baseline_s = perf_counter() - start
    evaluation_s = evaluation_s if evaluation_s is not None else time_evaluation(task, chosen)
    start = perf_counter()
    profiled = stages.profile(exact)
    operands = profiled.operands
    seen = arriving_operands(network, operands, list(library.hashes.values()))
    energies = operand_energies(library.blocks, library.costs(), seen.activations, seen.weights, exact=chosen.exact, swapped=seen.swapped)
    units = stages.score(profiled, score_images)
    effects = Effects.of(units.scored, units.sample, chosen)
    work_s = perf_counter() - start
    problem = Problem(
        space=chosen,
        layers=network.layers,
        costs=library.costs(),
        accelerator=accelerator or Spatial(),
        objectives=OBJECTIVES,
        measurer=Measurer(task=task),
        images=len(images),
        baseline_correct=int((exact.logits.argmax(axis=1) == images.labels).sum()),
        budget=budget,
        energies=energies.values_fj,
        reference_drop=reference_drop,
        probe=ScoringProber(network, library, units.sample),
    )
    return Prepared(problem=problem, effects=effects, task=task, baseline_s=baseline_s, evaluation_s=evaluation_s, work_s=work_s)


def time_evaluation(task: Task, space: SearchSpace, designs: int = 5) -> float:
    """Return the median wall time of one evaluation of a random design, with no cached state to start from."""
    rng = np.random.default_rng(99)
    times = []
    for row in space.random(rng, designs):
        fresh = Task(task.network, task.library, task.images, task.labels)
        start = perf_counter()
        fresh.evaluator.correct(space.assignment(row))
        times.append(perf_counter() - start)
    return float(np.median(times))


def search_rng(seed: int) -> np.random.Generator:
    """Return the generator that `hawx.flow.explore` gives to its searcher."""
    return stages.generator(seed, SEARCHING)


def random_designs(space: SearchSpace, rng: np.random.Generator, count: int, most: float = 1.0) -> NDArray[np.uint8]:
    """Return random designs of every aggressiveness, (count, units): each draws its blocks and the share of approximate units, up to `most`."""
    rows = np.empty((count, len(space.units)), np.uint8)
    for i in range(count):
        share = most * rng.random()
        used = rng.permutation(len(space.blocks))[: 1 + rng.integers(len(space.blocks))]
        for u, candidates in enumerate(space.candidates):
            options = [c for c in candidates if c in set(used)] or [space.exact]
            rows[i, u] = rng.choice(options) if rng.random() < share else space.exact
    return rows
