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
from hawx.search.claims import claims
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
GOAL_SHARE = 0.5
"""Of the budget, for the goal."""
PATIENCE, GOAL_PATIENCE = 3, 10
"""Batches that may add less than `STAGNATION` of the hypervolume before the search stops, and of what the goal's best design saves: most that are
measured for it miss it by little, and each says where it is."""
STAGNATION = 1e-3

_Choose = Callable[[NDArray[np.bool_], int, NDArray[np.float64], NDArray[np.float64]], NDArray[np.intp]]
"""(open designs, how many at most, estimated drops, their sigmas) → indices of those to look at next."""
_Facts = tuple[Choices, NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]


def hawx(problem: Problem, rng: np.random.Generator, predictor: Predictor) -> None:
    """Search by prediction; every measurement and every probe teaches the predictor.

    First the hypervolume of the measured front is sought; then, where a goal was stated, the cheapest design that keeps it, with `GOAL_SHARE` of the
    budget and what is left. Each stops when its budget is spent, when what is sought stagnates, or when nothing promising is left.
    """
    shortlist = _Shortlist(problem, rng, predictor)
    kept = 0 if problem.goal_drop is None else int(GOAL_SHARE * problem.budget)
    _until_idle(problem, shortlist.improve, problem.hypervolume, kept)
    if problem.goal_drop is not None:
        _until_idle(problem, shortlist.aim, lambda: 1.0 - shortlist.cheapest()[0], patience=GOAL_PATIENCE)


def _until_idle(problem: Problem, step: Callable[[], bool], sought: Callable[[], float], kept: int = 0, patience: int = PATIENCE) -> None:
    """Take steps until one finds nothing to do, `kept` measurements are left, or `patience` in a row add next to nothing to what is sought."""
    idle = 0
    while problem.remaining > kept and idle < patience:
        before = sought()
        if not step():
            break
        after = sought()
        idle = idle + 1 if after - before < STAGNATION * max(after, 1e-9) else 0


class _Shortlist:
    """The pool with what is known of each design."""

    def __init__(self, problem: Problem, rng: np.random.Generator, predictor: Predictor) -> None:
        self.problem, self.predictor = problem, predictor
        self.choices, self._raw, self.ratios, self._parts, self.known = self._facts(build_pool(problem, predictor, rng))
        self._around = b""
        """The design whose neighbors joined last."""
        self._claimed = 0, np.zeros(0)
        """How many designs were measured when claims were last made, and the drops that they claim."""
        self._errors: list[float] = []
        """Measured less estimated drops so far, in points."""
        self.probed: list[int] = []
        """Designs with a probe, in the order of `_probes`."""
        self._probes: Probes | None = None

    def improve(self) -> bool:
        """Probe and measure the designs of largest expected improvement of the front; return whether there were any."""
        return self._probe(self._by_improvement) | self._measure(self._by_improvement)

    def aim(self) -> bool:
        """Probe and measure the designs that are expected to save most within the goal; return whether any was measured."""
        self._join_neighbors()
        self._probe(self._by_saving)
        return self._measure(self._by_saving)

    def cheapest(self) -> tuple[float, Choices]:
        """Return the least first objective, relative to the all-exact design, of the measured designs that claim to keep the goal, and that design.

        Claims decide which design is put forward, so they decide what is sought: a design that was lucky on the search images is no end of it.
        """
        assert self.problem.goal_drop is not None
        measured = self.problem.evaluated
        if self._claimed[0] != len(measured):
            self._claimed = len(measured), claims(self.problem, self.predictor)[0]
        kept = [found for found, drop in zip(measured, self._claimed[1], strict=True) if drop <= self.problem.goal_drop]
        best = min(kept, key=lambda found: float(found.ratios[0]), default=measured[0])
        return float(best.ratios[0]), best.choices

    def _join_neighbors(self) -> None:
        """Let the most promising neighbors of the goal's cheapest design join the pool, once."""
        cost, choices = self.cheapest()
        if choices.tobytes() == self._around:
            return
        self._around = choices.tobytes()
        pool = {row.tobytes() for row in self.choices}
        near = [row for row in neighbors(self.problem.space, choices) if row.tobytes() not in pool]
        rows = np.array(near, np.uint8).reshape(len(near), len(choices))
        ratios = self.problem.ratios(rows)
        cheaper = ratios[:, 0] < cost
        if cheaper.any():
            rows, ratios = rows[cheaper], ratios[cheaper]
            gains = self._savings(*self.predictor.predict(rows), ratios)
            choices, raw, ratios, parts, known = self._facts(rows[np.argsort(-gains, kind="stable")[:NEIGHBORS]])
            self.choices, self._raw = np.concatenate([self.choices, choices]), np.concatenate([self._raw, raw])
            self.ratios, self._parts = np.concatenate([self.ratios, ratios]), np.concatenate([self._parts, parts])
            self.known = np.concatenate([self.known, known])

    def _facts(self, choices: Choices) -> _Facts:
        """Return `choices` (designs, units), and of each its composed drop, ratios, parts of effects, and whether it was measured."""
        known = np.array([self.problem.is_known(row) for row in choices])
        return choices, self.predictor.drops(choices), self.problem.ratios(choices), self.predictor.effects.parts(choices), known

    def _by_saving(self, open_ones: NDArray[np.bool_], count: int, drops: NDArray[np.float64], sigmas: NDArray[np.float64]) -> NDArray[np.intp]:
        """Return indices of at most `count` of the `open_ones`: those that are expected to save most within the goal."""
        gains = np.where(open_ones, self._savings(drops, sigmas, self.ratios), 0.0)
        order = np.argsort(-gains, kind="stable")[:count]
        return order[gains[order] > 0]

    def _savings(self, drops: NDArray[np.float64], sigmas: NDArray[np.float64], ratios: NDArray[np.float64]) -> NDArray[np.float64]:
        assert self.problem.goal_drop is not None
        return feasible_improvement(drops, sigmas, ratios[:, 0], self.problem.goal_drop, self.cheapest()[0])

    def _probe(self, choose: _Choose) -> bool:
        """Probe designs of the pool; return whether there were any."""
        if self.problem.probe is None:
            return False
        picked = choose(~(self.known | self._has_probe()), PROBED, *self._estimates())
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

    def _measure(self, choose: _Choose) -> bool:
        """Measure designs of the pool, probed ones where there are probes; return whether there were any."""
        open_ones = ~self.known
        if self.problem.probe is not None:
            open_ones &= self._has_probe()
        drops, sigmas = self._estimates()
        picked = choose(open_ones, min(BATCH, self.problem.remaining), drops, sigmas)
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

    def _by_improvement(self, open_ones: NDArray[np.bool_], count: int, drops: NDArray[np.float64], sigmas: NDArray[np.float64]) -> NDArray[np.intp]:
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
