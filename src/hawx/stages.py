"""The stages that `hawx.flow` lists, as functions from typed values to typed values. Look at what stands between them, or put one of your own in.

recover → prepare → profile → score → predict → search → verify → result. The packages of the same names hold what the stages do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hawx.accelerators import Accelerator
from hawx.blocks import Library
from hawx.designs import Design, SearchSpace
from hawx.doubts import doubts
from hawx.emulate import BlockExecutor
from hawx.emulate.evaluator import Answers
from hawx.errors import InputError, UnknownNameError
from hawx.estimates import Estimate, Measurement
from hawx.networks import Dataset, QuantizedNetwork
from hawx.predict import Effects, Predictor, ranking_of
from hawx.profile import OperandProfile, arriving_operands, profile_operands
from hawx.progress import SilentProgress, StageClock
from hawx.recover import DesignRecovery, Method, recover_units
from hawx.results.facts import library_facts, network_facts, validation_of, versions
from hawx.results.result import Baseline, Effort, Networks
from hawx.runner import Runner, run_here
from hawx.score import Scored, ScoringProber, ScoringSet, score_network, scoring_set, work
from hawx.search import Evaluated, OnMeasured, Problem, Searcher, name_of
from hawx.search import search as run_searcher
from hawx.search.claims import claims as claims_of
from hawx.store import Result
from hawx.synthesis.operands import OperandEnergies, operand_energies
from hawx.units import Granularity
from hawx.verify import MeasurementStore, Measurer, MemoryStore, Task, verify_front

PROFILE_IMAGES = 128
SCORE_IMAGES = 768
"""Images that the scores are taken on, and that probes choose from. 512 left a sixth of LeNet-5's searches just short of 0.99 of its front."""
SPREAD_IMAGES = 256
"""The same where units were recovered: how far a unit scatters margins takes fewer images than what it does to each."""
COMPETITORS = 3
"""Rival classes per image that the scores follow."""
EFFECT_BYTES, LEAST_SCORE_IMAGES = 1 << 29, 64
"""What the effects of all units under all blocks may take, which bounds the scoring images in large spaces; and how many there are at least."""
Images = NDArray[np.uint8] | NDArray[np.float32]
"""(N, C, H, W)."""

RECOVERY_IMAGES = 256
"""Images that weights, biases and scales are recovered on."""
LEAST_WHOLE = 32
REFERENCE_DROP, LEAST_REFERENCE = 10.0, 2.0
"""Points of drop that bound the hypervolume where the user states no goal, and at least where there is one: predictions err by half a point and more,
and a design that is wrongly expected to lose a point must still be worth a look."""
SAMPLING, SEARCHING = 0, 1
"""What draws random numbers: each has a stream of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """What a search is asked for; fields as of `hawx.explore`."""

    objectives: tuple[str, ...] = ("energy_uj", "area_um2")
    searcher: str | Searcher = "hawx"
    max_drop: float | None = None
    budget: int = 40

    def __post_init__(self) -> None:
        drop: object = self.max_drop
        budget: object = self.budget
        if drop is not None and not isinstance(drop, float | int):
            raise InputError(f"max_drop {drop!r} is not usable; expected points of top-1 that may be lost, a number.")
        if not isinstance(budget, int) or budget < 1:
            raise InputError(f"budget {self.budget!r} is not usable; expected how many designs to measure, at least 1.")


@dataclass(frozen=True, kw_only=True, eq=False)
class Prepared:
    """What is approximated, on the images that guide it."""

    task: Task
    """Network, library, search images and their labels."""
    space: SearchSpace
    logits: NDArray[np.float32]
    """Of the all-exact design, (images, classes): the baseline of every drop."""
    seed: int
    clock: StageClock
    runner: Runner
    """Who does the parts of this stage and of those behind it."""

    @property
    def right(self) -> Answers:
        """Which images the all-exact design answers right."""
        return np.asarray(self.logits.argmax(axis=1) == self.task.labels)

    def measurer(self, task: Task, store: MeasurementStore, reference: Answers | None = None) -> Measurer:
        """Return a measurer on the images of `task`; `reference` are the answers of the exact design."""
        return Measurer(task=task, store=store, runner=self.runner, reference=reference)

    def rng(self, stream: int) -> np.random.Generator:
        return generator(self.seed, stream)


@dataclass(frozen=True, kw_only=True, eq=False)
class Profiled:
    """Which operands the multipliers of every layer see."""

    prepared: Prepared
    operands: OperandProfile


@dataclass(frozen=True, kw_only=True, eq=False)
class ScoredUnits:
    """How much each unit suffers from each block, on a sample of the images."""

    profiled: Profiled
    scored: Scored
    sample: ScoringSet


@dataclass(frozen=True, kw_only=True, eq=False)
class Searched:
    """What a search measured: `problem` has it all, and the front that the search images choose."""

    units: ScoredUnits
    goal: Goal
    problem: Problem
    predictor: Predictor
    energies: OperandEnergies
    measurer: Measurer


@dataclass(frozen=True, kw_only=True, eq=False)
class Verified:
    """The front that the search images choose, on images that no search ever saw."""

    searched: Searched
    front: tuple[Design, ...]
    int8: Measurement


def recover(
    network: QuantizedNetwork,
    library: Library,
    images: Images,
    method: Method | str = Method.FULL,
    *,
    runner: Runner = run_here,
    clock: StageClock | None = None,
) -> QuantizedNetwork:
    """Return `network` with weights, biases and scales of every layer that suit each block, calibrated on `images` (no labels)."""
    timed = clock or StageClock(SilentProgress())
    timed.stage("recover", len(images))
    return recover_units(network, library, images, method, runner=runner, advance=timed.progress.advance)


def prepare(
    network: QuantizedNetwork,
    library: Library,
    images: Dataset,
    space: SearchSpace,
    *,
    seed: int = 0,
    runner: Runner = run_here,
    clock: StageClock | None = None,
) -> Prepared:
    """Run the all-exact design on `images`, which guide all that follows and report nothing."""
    timed = clock or StageClock(SilentProgress())
    timed.stage("baseline")
    task = Task(network, library, images.images, images.labels)
    logits = task.evaluator.logits(space.assignment(space.exact_choices()))
    for doubt in doubts(network, library, images.images, int((logits.argmax(axis=1) == images.labels).sum())):
        timed.doubt(doubt)
    return Prepared(task=task, space=space, logits=logits, seed=seed, clock=timed, runner=runner)


def profile(prepared: Prepared) -> Profiled:
    """Record the operands of every layer of the exact network."""
    prepared.clock.stage("profile")
    task, space = prepared.task, prepared.space
    executor = BlockExecutor(task.library, space.assignment(space.exact_choices()))
    return Profiled(prepared=prepared, operands=profile_operands(task.network, task.images[:PROFILE_IMAGES], executor, runner=prepared.runner))


def score(profiled: Profiled, images: int | None = None) -> ScoredUnits:
    """Score every unit under every block on at most `images` images; by default as many as what ranks the designs needs."""
    prepared = profiled.prepared
    task, space, clock = prepared.task, prepared.space, prepared.clock
    images = (SPREAD_IMAGES if task.network.varies else SCORE_IMAGES) if images is None else images
    sample = scoring_set(task.images, task.labels, prepared.logits, scoring_images(images, space), COMPETITORS, prepared.rng(SAMPLING))
    clock.stage("score", work(space, len(sample.images)))
    scored = score_network(task.network, task.library, space, profiled.operands, sample, runner=prepared.runner, advance=clock.progress.advance)
    return ScoredUnits(profiled=profiled, scored=scored, sample=sample)


def predict(units: ScoredUnits) -> Predictor:
    """Compose the scores to a predictor of any design's drop."""
    prepared = units.profiled.prepared
    effects = Effects.of(units.scored, units.sample, prepared.space)
    return Predictor(effects, len(prepared.task.labels), ranking_of(effects, prepared.space, recovered=prepared.task.network.varies))


def search(
    units: ScoredUnits,
    predictor: Predictor,
    accelerator: Accelerator,
    goal: Goal,
    store: MeasurementStore | None = None,
    images: Images | None = None,
    on_measured: OnMeasured | None = None,
) -> Searched:
    """Measure the designs that the searcher proposes, the all-exact one first; each recovered as a whole on `images` (no labels), if any.

    `on_measured` is called with each; the search ends where it returns True.

    Nothing is probed where units are recovered: a probe runs some fifty images, and those designs lose less than one image in a hundred.
    """
    prepared, operands = units.profiled.prepared, units.profiled.operands
    task, space = prepared.task, prepared.space
    if images is not None:
        task = replace(task, recovery=DesignRecovery(task.network, task.library, images[: whole_images(len(task.labels))]))
    prepared.clock.stage("search", goal.budget)
    costs, measurer = task.library.costs(), prepared.measurer(task, MemoryStore() if store is None else store, prepared.right)
    arriving = arriving_operands(task.network, operands, list(task.library.hashes.values()))
    energies = operand_energies(
        task.library.blocks,
        costs,
        arriving.activations,
        arriving.weights,
        exact=space.exact,
        held=accelerator.held,
        swapped=arriving.swapped,
        runner=prepared.runner,
    )
    problem = Problem(
        space=space,
        layers=task.network.layers,
        costs=costs,
        accelerator=accelerator,
        objectives=goal.objectives,
        measurer=measurer,
        images=len(task.labels),
        baseline_correct=int(prepared.right.sum()),
        budget=goal.budget,
        energies=energies.values_fj,
        reference_drop=REFERENCE_DROP if goal.max_drop is None else max(4.0 * goal.max_drop, LEAST_REFERENCE),
        goal_drop=goal.max_drop,
        probe=None if task.network.varies else ScoringProber(task.network, task.library, units.sample, prepared.runner),
        progress=prepared.clock.progress,
        on_measured=on_measured,
    )
    run_searcher(goal.searcher, problem, prepared.rng(SEARCHING), predictor)
    return Searched(units=units, goal=goal, problem=problem, predictor=predictor, energies=energies, measurer=measurer)


def _claimed(searched: Searched) -> list[Evaluated]:
    """Return the front with what each of its designs claims to lose on images that nobody has seen."""
    problem = searched.problem
    drops, sigmas = claims_of(problem, searched.predictor)
    int8 = 100.0 * problem.baseline_correct / problem.images
    claims = {
        found.design.id: Estimate(top1=float(np.clip(int8 - drop, 0.0, 100.0)), sigma=float(sigma))
        for found, drop, sigma in zip(problem.evaluated, drops, sigmas, strict=True)
    }
    return [replace(found, design=found.design.with_claim(claims[found.design.id])) for found in problem.front()]


def verify(searched: Searched, images: Dataset) -> Verified:
    """Measure the front on `images`, which nothing before this stage has seen."""
    prepared, front = searched.units.profiled.prepared, _claimed(searched)
    prepared.clock.stage("verify", 1 + len(front))
    task, store = replace(searched.measurer.task, images=images.images, labels=images.labels), searched.measurer.store
    plain = prepared.measurer(replace(task, network=task.network.plain, recovery=None), store) if task.network.varies else None
    designs, int8 = verify_front(searched.problem, front, prepared.measurer(task, store), plain)
    prepared.clock.stop()
    return Verified(searched=searched, front=designs, int8=int8)


def result(verified: Verified, settings: Mapping[str, Any] | None = None) -> Result:
    """Return all that was found, with what it cost; `settings` are kept as provenance."""
    searched = verified.searched
    prepared, problem, measurer, goal = searched.units.profiled.prepared, searched.problem, searched.measurer, searched.goal
    clock, network, accelerator = prepared.clock, prepared.task.network, problem.accelerator
    one_evaluation = measurer.seconds / measurer.fresh if measurer.fresh else clock.stages["baseline"]
    other_work = sum(clock.stages.get(name, 0.0) for name in ("recover", "profile", "score", "search")) - measurer.seconds
    own, recovery = {}, measurer.task.recovery
    if recovery is not None:
        recovery.fits([design.assignment for design in verified.front], prepared.runner)  # a resumed run has measured them, and no more
        own = {design.id: recovery(design.assignment) for design in verified.front}
    return Result(
        network=network_facts(network),
        granularity=prepared.space.granularity.value,
        accelerator={"name": accelerator.name, **accelerator.params, "energy_origin": searched.energies.origin},
        library=library_facts(prepared.task.library),
        objectives=problem.objectives,
        space_log10=prepared.space.log10_size,
        baseline=Baseline(
            float_top1=network.float_top1,
            int8_top1=verified.int8.top1,
            search_int8_top1=100.0 * problem.baseline_correct / problem.images,
        ),
        front=verified.front,
        evaluated=tuple(found.design for found in problem.evaluated),
        scores=searched.units.scored.scores,
        validation=validation_of([found.design for found in problem.evaluated]),
        effort=Effort(
            evaluations=len(problem.evaluated),
            evaluation_equivalents=max(other_work, 0.0) / one_evaluation,
            wall_s=clock.total,
            stages=clock.stages,
        ),
        seed=prepared.seed,
        searcher=name_of(goal.searcher),
        max_drop=goal.max_drop,
        settings=settings or {},
        versions=versions(),
        networks=Networks(shared=prepared.task.network, own=own),
        hypervolume=tuple(problem.history),
    )


def generator(seed: int, stream: int) -> np.random.Generator:
    """Return a fresh generator of one stream of `seed`."""
    return np.random.default_rng(np.random.SeedSequence(seed).spawn(stream + 1)[stream])


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


def whole_images(search_images: int) -> int:
    """Return how many images each measured design is recovered on as a whole: two runs of them must stay cheap beside one of the search images."""
    return max(LEAST_WHOLE, min(RECOVERY_IMAGES, search_images // 8))


def scoring_images(count: int, space: SearchSpace) -> int:
    """Return how many images to score `space` on, at most `count`."""
    fitting = EFFECT_BYTES // (4 * len(space.units) * len(space.blocks) * COMPETITORS)
    return min(count, max(LEAST_SCORE_IMAGES, fitting))
