"""The HAWX search: predict everything, probe the promising, measure the best of those, learn, repeat; then once more around the goal."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from hawx.designs.space import Choices
from hawx.estimates import Estimate
from hawx.pareto import non_dominated
from hawx.predict import Predictor, Probes, deciding_images
from hawx.search.acquisition import expected_improvement, feasible_improvement
from hawx.search.evolve import thin
from hawx.search.neighbors import neighbors
from hawx.search.pool import build_pool
from hawx.search.problem import Problem

BATCH = 2
"""Designs measured between two corrections: constant, so that the result does not depend on the number of workers."""
PROBED = 12
"""Designs probed between two corrections."""
CANDIDATES = 64
NEIGHBORS = 256
"""Neighbors of the goal's best design that join the pool each time that it changes."""
PATIENCE = 3
"""Batches that may add less than `STAGNATION` of what is sought before the search stops."""
STAGNATION = 1e-3


def hawx(problem: Problem, rng: np.random.Generator, predictor: Predictor) -> None:
    """Search by prediction; every measurement and every probe teaches the predictor.

    First the hypervolume of the measured front is sought; then, where a goal was stated, the cheapest design that keeps it. Each stops when the
    budget is spent, when what is sought stagnates, or when nothing promising is left.
    """
    shortlist = _Shortlist(problem, rng, predictor)
    _until_idle(problem, lambda: shortlist.probe() | shortlist.measure(), problem.hypervolume)
    if problem.goal_drop is not None:
        _until_idle(problem, shortlist.aim, lambda: 1.0 - shortlist.cheapest()[0])


def _until_idle(problem: Problem, step: Callable[[], bool], sought: Callable[[], float]) -> None:
    """Take steps until one finds nothing to do, the budget is spent, or several in a row add next to nothing to what is sought."""
    idle = 0
    while problem.remaining > 0 and idle < PATIENCE:
        before = sought()
        if not step():
            break
        after = sought()
        idle = idle + 1 if after - before < STAGNATION * max(after, 1e-9) else 0


class _Shortlist:
    """The pool with what is known of each design."""

    def __init__(self, problem: Problem, rng: np.random.Generator, predictor: Predictor) -> None:
        self.problem, self.predictor = problem, predictor
        self.choices = np.zeros((0, len(problem.space.units)), np.uint8)
        self._add(build_pool(problem, predictor, rng))
        self._around = b""
        """The design whose neighbors joined last."""
        self._errors: list[float] = []
        """Measured less estimated drops so far, in points."""
        self.probed: list[int] = []
        """Designs with a probe, in the order of `_probes`."""
        self._probes: Probes | None = None

    def _add(self, choices: Choices) -> None:
        """Let designs (designs, units), none of which is in the pool, join it."""
        self.choices = np.concatenate([self.choices, choices])
        self._raw = self.predictor.drops(self.choices)
        self.ratios = self.problem.ratios(self.choices)
        self._parts = self.predictor.effects.parts(self.choices)
        self.known = np.array([self.problem.is_known(row) for row in self.choices])

    def probe(self) -> bool:
        """Probe the designs of largest expected improvement; return whether there were any."""
        return self._probe(self._select(~(self.known | self._has_probe()), PROBED, *self._estimates()))

    def measure(self) -> bool:
        """Measure the designs of largest expected improvement, probed ones where there are probes; return whether there were any."""
        return self._measure(self._select(self._open(), min(BATCH, self.problem.remaining), *self._estimates()))

    def aim(self) -> bool:
        """Probe and measure the designs that are expected to save most within the goal; return whether any was measured."""
        self._join_neighbors()
        self._probe(self._within_goal(~(self.known | self._has_probe()), PROBED))
        return self._measure(self._within_goal(self._open(), min(BATCH, self.problem.remaining)))

    def cheapest(self) -> tuple[float, Choices]:
        """Return the least first objective, relative to the all-exact design, of the measured designs that keep the goal, and that design."""
        assert self.problem.goal_drop is not None
        kept = [found for found in self.problem.evaluated if found.drop <= self.problem.goal_drop]
        best = min(kept, key=lambda found: float(found.ratios[0]), default=self.problem.evaluated[0])
        return float(best.ratios[0]), best.choices

    def _join_neighbors(self) -> None:
        """Let the most promising neighbors of the goal's cheapest design join the pool, once."""
        _, choices = self.cheapest()
        if choices.tobytes() == self._around:
            return
        self._around = choices.tobytes()
        pool = {row.tobytes() for row in self.choices}
        near = np.array([row for row in neighbors(self.problem.space, choices) if row.tobytes() not in pool], np.uint8)
        if len(near):
            gains = self._saving(*self.predictor.predict(near), self.problem.ratios(near))
            self._add(near[np.argsort(-gains, kind="stable")[:NEIGHBORS]])

    def _within_goal(self, open_ones: NDArray[np.bool_], count: int) -> NDArray[np.intp]:
        """Return indices of at most `count` of the `open_ones`: those that are expected to save most within the goal."""
        gains = np.where(open_ones, self._saving(*self._estimates(), self.ratios), 0.0)
        order = np.argsort(-gains, kind="stable")[:count]
        return order[gains[order] > 0]

    def _saving(self, drops: NDArray[np.float64], sigmas: NDArray[np.float64], ratios: NDArray[np.float64]) -> NDArray[np.float64]:
        assert self.problem.goal_drop is not None
        return feasible_improvement(drops, sigmas, ratios[:, 0], self.problem.goal_drop, self.cheapest()[0])

    def _probe(self, picked: NDArray[np.intp]) -> bool:
        """Probe designs of the pool; return whether there were any."""
        if self.problem.probe is None or not len(picked):
            return False
        rows = self.choices[picked]
        images = deciding_images(self.predictor.effects, rows)
        right = self.problem.probe([self.problem.space.assignment(row) for row in rows], images)
        probes = Probes.of(self.predictor.effects, rows, images, right)
        self._probes = self._probes.joined(probes) if self._probes else probes
        self.probed += picked.tolist()
        self.predictor.observe_probes(self._probes)
        return True

    def _open(self) -> NDArray[np.bool_]:
        """Return which designs may be measured next, (designs,): probed ones where there are probes."""
        return ~self.known if self.problem.probe is None else ~self.known & self._has_probe()

    def _measure(self, picked: NDArray[np.intp]) -> bool:
        """Measure designs of the pool; return whether there were any."""
        if not len(picked):
            return False
        drops, sigmas = self._estimates()
        if self._errors:  # an estimate is no surer than the earlier ones turned out to be
            sigmas = np.hypot(sigmas, np.sqrt(np.mean(np.square(self._errors))))
        baseline = 100.0 * self.problem.baseline_correct / self.problem.images
        guesses = [Estimate(top1=float(np.clip(baseline - drops[i], 0.0, 100.0)), sigma=float(min(sigmas[i], 50.0))) for i in picked]
        measured = self.problem.measure(self.choices[picked], guesses)
        self.known[picked] = True
        self._errors += [found.drop - float(drops[i]) for i, found in zip(picked, measured, strict=False)]
        self.predictor.observe(self.choices[picked][: len(measured)], [found.drop for found in measured])
        return True

    def _has_probe(self) -> NDArray[np.bool_]:
        """Return which designs were probed, (designs,)."""
        result = np.zeros(len(self.choices), bool)
        result[self.probed] = True
        return result

    def _estimates(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return drop and sigma of every design in points, each (designs,): from its probe where it has one."""
        drops, sigmas = self.predictor.from_raw(self._raw, self._parts)
        if self._probes is not None:
            drops[self.probed], sigmas[self.probed] = self._probes.drops, self._probes.sigmas
        return drops, sigmas

    def _select(self, open_ones: NDArray[np.bool_], count: int, drops: NDArray[np.float64], sigmas: NDArray[np.float64]) -> NDArray[np.intp]:
        """Return indices of at most `count` of the `open_ones`: greedy expected improvement over the estimated front."""
        open_index = np.flatnonzero(open_ones)
        if not len(open_index):
            return open_index
        points = np.column_stack([drops, self.ratios])[open_index]
        useful = np.flatnonzero(non_dominated(points))
        if len(useful) > CANDIDATES:
            useful = thin(points, CANDIDATES)
        candidates = open_index[useful]
        front = self.problem.points()
        front = front[non_dominated(front)] if len(front) else front
        picked: list[int] = []
        while len(picked) < count and len(candidates):
            gains = expected_improvement(drops[candidates], sigmas[candidates], self.ratios[candidates], front, self.problem.point)
            best = int(gains.argmax())
            if gains[best] <= 0:
                break
            chosen = candidates[best]
            picked.append(int(chosen))
            candidates = np.delete(candidates, best)
            front = np.vstack([front, self.problem.point(float(drops[chosen]), self.ratios[chosen])])
        return np.array(picked, np.intp)
