"""Predictor: superposition, corrected by what was measured. Estimates only; measurements never pass through here."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hawx.designs.space import Choices
from hawx.predict.correction import Correction
from hawx.predict.probe import Probes
from hawx.predict.ranking import Ranking
from hawx.predict.superposition import Effects


class Predictor:
    """Predicts drops of top-1 in points (against int8, on the search images) and learns from measurements.

    What is learned is the correction of the composed drop, chosen by the evidence of what was measured and probed so far.
    """

    def __init__(self, effects: Effects, images: int, ranking: Ranking | None = None) -> None:
        """Predict for `images` search images from `effects`; `ranking` (default: the effects) gives the drops before anything is learned."""
        self.effects, self.images = effects, images
        self.ranking: Ranking = effects if ranking is None else ranking
        self.observed: list[Choices] = []
        self.measured: list[float] = []
        self.probes: Probes | None = None
        self._correct()

    def drops(self, choices: Choices) -> NDArray[np.float64]:
        """Return the composed drop in points, before any correction, (designs,), for choices (designs, units)."""
        return self.ranking.drops(choices)

    def observe(self, choices: Choices, drops: Sequence[float]) -> None:
        """Learn that the designs `choices` (designs, units) lose `drops` points on the search images."""
        self.observed.extend(np.atleast_2d(choices))
        self.measured.extend(drops)
        self._correct()

    def observe_probes(self, probes: Probes) -> None:
        """Learn from probes, which replace all earlier ones; a design that was also measured counts as measured."""
        self.probes = probes
        self._correct()

    def predict(self, choices: Choices) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return estimated drop and sigma in points, each (designs,), for choices (designs, units)."""
        return self.from_raw(self.drops(choices), self.effects.parts(choices))

    def from_raw(self, raw: NDArray[np.float64], parts: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return estimated drop and sigma for composed drops and parts of `effects` that are already known, (designs,) and (designs, parts)."""
        return self._correction.predict(raw, parts, self.images)

    def claims(self, choices: Choices, drops: Sequence[float], sigmas: Sequence[float]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return what measured designs lose on images that nobody has seen, and its sigma, in points, each (designs,).

        What was measured on the images that chose a design flatters it. This is the posterior of all measurements together: each is drawn towards
        what the predictor, corrected by all of them, says of the design, the more so the fewer images it was measured on.

        Args:
            choices: (designs, units), all that was measured.
            drops, sigmas: their measured drops, and the standard deviations of those by the search images, in points.
        """
        rows = np.atleast_2d(choices)
        raw, parts = self.drops(rows), self.effects.parts(rows)
        known = Correction.fit(raw, parts, np.asarray(drops, float), self.images, noises=np.asarray(sigmas, float))
        return known.predict(raw, parts, None)

    def _correct(self) -> None:
        # The exact design's drop is known to be 0: an anchor at no cost.
        units = len(self.effects.groups)
        observed = np.array(self.observed, np.uint8).reshape(-1, units)
        drops, sigmas = np.array(self.measured), np.zeros(len(self.measured))
        if self.probes is not None:
            measured = {row.tobytes() for row in observed}
            only = np.array([row.tobytes() not in measured for row in self.probes.choices], bool)
            observed = np.concatenate([observed, self.probes.choices[only]])
            drops, sigmas = np.concatenate([drops, self.probes.drops[only]]), np.concatenate([sigmas, self.probes.sigmas[only]])
        drops, sigmas = np.array([0.0, *drops]), np.array([0.0, *sigmas])
        parts = self.effects.parts(observed)
        parts = np.vstack([np.zeros((1, parts.shape[1])), parts])

        raw = np.array([0.0, *self.drops(observed)])
        self._correction = Correction.fit(raw, parts, drops, self.images, sigmas=sigmas)


def validate(estimates: NDArray[np.float64], sigmas: NDArray[np.float64], measured: NDArray[np.float64]) -> tuple[float | None, float, float]:
    """Return Spearman correlation (None where undefined), mean absolute error in points, and the share within two sigma.

    All inputs (designs,), at least one: estimates made before measuring, and the measurements.
    """
    error = np.abs(estimates - measured)
    varied = len(measured) > 2 and np.ptp(estimates) > 0 and np.ptp(measured) > 0
    rank = float(np.asarray(np.corrcoef(np.column_stack((_ranks(estimates), _ranks(measured))), rowvar=False))[1, 0]) if varied else None
    return rank, float(error.mean()), float((error <= 2 * sigmas).mean())


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the ranks of `values` from 1 on, equal ones at their mean. `scipy.stats` takes a third of a second to import."""
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - (counts - 1) / 2)[places])
