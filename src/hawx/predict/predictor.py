"""Predictor: superposition, calibrated on what was measured. Estimates only; measurements never pass through here."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from hawx.designs.space import Choices
from hawx.predict.calibration import Calibration
from hawx.predict.superposition import Effects


@dataclass(eq=False)
class Predictor:
    """Predicts drops of top-1 in points (against int8, on the search images) and learns from measurements."""

    effects: Effects
    images: int
    """Number of search images."""
    raw: list[float] = field(default_factory=list)
    measured: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._calibrate()

    def observe(self, choices: Choices, drop: float) -> None:
        """Learn that the design `choices` (units,) loses `drop` points on the search images."""
        self.raw.append(float(self.effects.drops(choices)[0]))
        self.measured.append(drop)
        self._calibrate()

    def predict(self, choices: Choices) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return estimated drop and sigma in points, each (designs,), for choices (designs, units)."""
        return self.from_raw(self.effects.drops(choices))

    def from_raw(self, raw: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return estimated drop and sigma for drops of the superposition that are already known, (designs,)."""
        return self._calibration.predict(raw, self.images)

    def _calibrate(self) -> None:
        # The exact design's drop is known to be 0: an anchor at no cost.
        self._calibration = Calibration.fit(np.array([0.0, *self.raw]), np.array([0.0, *self.measured]), self.images)


def validate(estimates: NDArray[np.float64], sigmas: NDArray[np.float64], measured: NDArray[np.float64]) -> tuple[float | None, float, float]:
    """Return Spearman correlation (None where undefined), mean absolute error in points, and the share within two sigma.

    All inputs (designs,), at least one: estimates made before measuring, and the measurements.
    """
    error = np.abs(estimates - measured)
    varied = len(measured) > 2 and np.ptp(estimates) > 0 and np.ptp(measured) > 0
    rank = float(spearmanr(estimates, measured).statistic) if varied else None
    return rank, float(error.mean()), float((error <= 2 * sigmas).mean())
