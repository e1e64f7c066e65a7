"""Predictor: superposition, calibrated on what was measured. Estimates only; measurements never pass through here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from hawx.designs.space import Choices
from hawx.predict.calibration import Calibration
from hawx.predict.superposition import ATTENUATIONS, Effects


@dataclass(eq=False)
class Predictor:
    """Predicts drops of top-1 in points (against int8, on the search images) and learns from measurements.

    Two things are learned: how much layers shrink one another's errors (`effects.attenuation`) and the calibration of the composed drop. Both are
    chosen by the evidence of the measurements so far.
    """

    effects: Effects
    images: int
    """Number of search images."""
    observed: list[Choices] = field(default_factory=list)
    measured: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._calibrate()

    def observe(self, choices: Choices, drops: Sequence[float]) -> None:
        """Learn that the designs `choices` (designs, units) lose `drops` points on the search images."""
        self.observed.extend(np.atleast_2d(choices))
        self.measured.extend(drops)
        self._calibrate()

    def predict(self, choices: Choices) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return estimated drop and sigma in points, each (designs,), for choices (designs, units)."""
        return self.from_raw(self.effects.drops(choices), self.effects.parts(choices))

    def from_raw(self, raw: NDArray[np.float64], parts: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return estimated drop and sigma for drops and parts of `effects` that are already known, (designs,) and (designs, parts)."""
        return self._calibration.predict(raw, parts, self.images)

    def _calibrate(self) -> None:
        # The exact design's drop is known to be 0: an anchor at no cost.
        measured = np.array([0.0, *self.measured])
        observed = np.array(self.observed) if self.observed else np.zeros((0, len(self.effects.groups)), np.uint8)
        parts = self.effects.parts(observed)
        parts = np.vstack([np.zeros((1, parts.shape[1])), parts])
        best: Calibration | None = None
        for attenuation in self._attenuations():
            effects = self.effects.with_attenuation(attenuation)
            found = Calibration.fit(np.array([0.0, *effects.drops(observed)]), parts, measured, self.images)
            if best is None or found.evidence > best.evidence:
                best, chosen = found, effects
        assert best is not None
        if chosen.attenuation != self.effects.attenuation:
            self.effects = chosen
        self._calibration = best

    def _attenuations(self) -> tuple[float | None, ...]:
        own = self.effects.attenuation
        return ATTENUATIONS if own is not None and len(self.measured) >= 3 else (own,)


def validate(estimates: NDArray[np.float64], sigmas: NDArray[np.float64], measured: NDArray[np.float64]) -> tuple[float | None, float, float]:
    """Return Spearman correlation (None where undefined), mean absolute error in points, and the share within two sigma.

    All inputs (designs,), at least one: estimates made before measuring, and the measurements.
    """
    error = np.abs(estimates - measured)
    varied = len(measured) > 2 and np.ptp(estimates) > 0 and np.ptp(measured) > 0
    rank = float(spearmanr(estimates, measured).statistic) if varied else None
    return rank, float(error.mean()), float((error <= 2 * sigmas).mean())
