"""The HAWX search: predict everything, probe the promising, measure the best of those, learn, repeat."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hawx.estimates import Estimate
from hawx.pareto import non_dominated
from hawx.predict import Predictor, Probes, deciding_images
from hawx.search.acquisition import expected_improvement
from hawx.search.evolve import thin
from hawx.search.pool import build_pool
from hawx.search.problem import Problem

BATCH = 2
"""Designs measured between two corrections: constant, so that the result does not depend on the number of workers."""
PROBED = 12
"""Designs probed between two corrections."""
CANDIDATES = 64
PATIENCE = 3
"""Batches that may add less than `STAGNATION` of the hypervolume before the search stops."""
STAGNATION = 1e-3


def hawx(problem: Problem, rng: np.random.Generator, predictor: Predictor) -> None:
    """Search by prediction; every measurement and every probe teaches the predictor.

    Stops when the budget is spent, when the hypervolume of the measured front stagnates, or when nothing promising is left.
    """
    shortlist = _Shortlist(problem, rng, predictor)
    idle = 0
    while problem.remaining > 0 and idle < PATIENCE:
        before = problem.hypervolume()
        if not (shortlist.probe() | shortlist.measure()):
            break
        after = problem.hypervolume()
        idle = idle + 1 if after - before < STAGNATION * max(after, 1e-9) else 0


class _Shortlist:
    """The pool with what is known of each design."""

    def __init__(self, problem: Problem, rng: np.random.Generator, predictor: Predictor) -> None:
        self.problem, self.predictor = problem, predictor
        self.choices = build_pool(problem, predictor, rng)
        self._raw = predictor.drops(self.choices)
        self.ratios = problem.ratios(self.choices)
        self._parts = predictor.effects.parts(self.choices)
        self.known = np.array([problem.is_known(row) for row in self.choices])
        self._errors: list[float] = []
        """Measured less estimated drops so far, in points."""
        self.probed: list[int] = []
        """Designs with a probe, in the order of `_probes`."""
        self._probes: Probes | None = None

    def probe(self) -> bool:
        """Probe the designs of largest expected improvement; return whether there were any."""
        if self.problem.probe is None:
            return False
        picked = self._select(~(self.known | self._has_probe()), PROBED, *self._estimates())
        if not len(picked):
            return False
        rows = self.choices[picked]
        images = deciding_images(self.predictor.effects, rows)
        right = self.problem.probe([self.problem.space.assignment(row) for row in rows], images)
        probes = Probes.of(self.predictor.effects, rows, images, right)
        self._probes = self._probes.joined(probes) if self._probes else probes
        self.probed += picked.tolist()
        self.predictor.observe_probes(self._probes)
        return True

    def measure(self) -> bool:
        """Measure the designs of largest expected improvement, probed ones where there are probes; return whether there were any."""
        open_ones = ~self.known
        if self.problem.probe is not None:
            open_ones &= self._has_probe()
        drops, sigmas = self._estimates()
        picked = self._select(open_ones, min(BATCH, self.problem.remaining), drops, sigmas)
        if not len(picked):
            return False
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
