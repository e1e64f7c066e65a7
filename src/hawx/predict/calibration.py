"""Calibration: from the raw superposition to an estimate with sigma, learned from the designs measured so far.

The superposition over-predicts the loss of designs that are approximate everywhere (errors partly cancel, and a lost image cannot
be lost twice). The relation is smooth and monotone in practice, so a Gaussian process on the compressed raw drop, with the identity
as its prior mean, learns it from a handful of measurements (C. E. Rasmussen, C. K. I. Williams, Gaussian Processes for Machine
Learning, 2006, eq. 2.25-2.26 for the posterior and 5.9 for its evidence).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve

Vector = NDArray[np.float64]

SCALE = 1.0
"""Points of drop around which the compression turns from linear to logarithmic."""


def compress(drop: Vector) -> Vector:
    """Return the drop on a scale where small and large drops have comparable errors: sign(d)·log(1 + |d|/SCALE)."""
    return np.asarray(np.sign(drop) * np.log1p(np.abs(drop) / SCALE))


def expand(value: Vector) -> Vector:
    """Return the inverse of `compress`."""
    return np.asarray(np.sign(value) * SCALE * np.expm1(np.abs(value)))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Calibration:
    """The posterior on measured minus raw drop, in compressed units."""

    inputs: Vector
    alpha: Vector
    factor: NDArray[np.float64]
    amplitude: float
    length: float
    slope: float
    evidence: float
    """Log evidence of the measurements, up to a constant: larger fits better."""

    @classmethod
    def fit(cls, raw: Vector, measured: Vector, images: int) -> Calibration:
        """Return the calibration of raw predicted drops against measured drops, both (designs,) in points.

        Args:
            images: number of search images; sets the noise of a measurement (paired, so only changed answers count).
        """
        x, y = compress(np.asarray(raw, float)), compress(np.asarray(measured, float))
        noise = _noise(np.asarray(measured, float), images)
        tried = [cls._posterior(x, y, noise, amplitude, length) for amplitude in (0.1, 0.25, 0.5, 1.0) for length in (0.5, 1.0, 2.0, 4.0)]
        return max(tried, key=lambda calibration: calibration.evidence)

    @classmethod
    def _posterior(cls, x: Vector, y: Vector, noise: Vector, amplitude: float, length: float) -> Calibration:
        """Return the posterior for one pair of hyperparameters."""
        slope = 0.3  # prior standard deviation of a systematic over- or under-prediction, as a share of the raw drop
        covariance = _kernel(x, x, amplitude, length, slope) + np.diag(noise**2)
        factor, lower = cho_factor(covariance, lower=True)
        residual = y - x
        alpha = cho_solve((factor, lower), residual)
        evidence = float(-0.5 * residual @ alpha - np.log(np.diag(factor)).sum())
        evidence -= 0.5 * np.log(amplitude / 0.25) ** 2 + 0.5 * np.log(length / 2.0) ** 2  # weak log-normal priors
        return cls(inputs=x, alpha=alpha, factor=factor, amplitude=amplitude, length=length, slope=slope, evidence=evidence)

    def predict(self, raw: Vector, images: int) -> tuple[Vector, Vector]:
        """Return estimated drop and its sigma in points, each (designs,), for raw predicted drops (designs,).

        Sigma is that of a measurement on `images` images: it holds the uncertainty of the calibration and of the sample.
        """
        x = compress(np.asarray(raw, float))
        cross = _kernel(x, self.inputs, self.amplitude, self.length, self.slope)
        mean = x + cross @ self.alpha
        prior = self.amplitude**2 + (self.slope * x) ** 2
        variance = prior - np.einsum("ij,ji->i", cross, cho_solve((self.factor, True), cross.T))
        drop = expand(mean)
        sigma = np.sqrt(np.maximum(variance, 0.0) + _noise(drop, images) ** 2)
        return drop, sigma * (SCALE + np.abs(drop))


def _kernel(a: Vector, b: Vector, amplitude: float, length: float, slope: float) -> NDArray[np.float64]:
    """Squared exponential plus a linear term through the origin."""
    distance = (a[:, None] - b[None]) / length
    return np.asarray(amplitude**2 * np.exp(-0.5 * distance**2) + slope**2 * a[:, None] * b[None])


def _noise(drop: Vector, images: int) -> Vector:
    """Standard deviation of a measured drop in compressed units.

    The same images are measured with and without approximation, so only images whose answer changes scatter: about the
    drop itself plus as many that change in pairs, never less than one image.
    """
    points = np.sqrt(2.0 * np.maximum(np.abs(drop), 100.0 / images) * 100.0 / images)
    return np.asarray(points / (SCALE + np.abs(drop)))
