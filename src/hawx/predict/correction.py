"""Correction: from the composed drop to an estimate with sigma, learned from the designs measured so far.

Composition misses how layers interact, and a design that is put forward was chosen among thousands because its effects look
harmless. Both are learned from a handful of measurements by a Gaussian process whose prior mean is the composed drop, with three
kinds of error: a smooth function of that drop, a share of it, and one for every (layer, block), common to all designs that use it
(C. E. Rasmussen, C. K. I. Williams, Gaussian Processes for Machine Learning, 2006: posterior eq. 2.25-2.26, evidence eq. 5.8).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve

Vector = NDArray[np.float64]

SCALE = 1.0
"""Points of drop around which the compression turns from linear to logarithmic."""
RELEVANT, LEAST_RELEVANT = 5.0, 12.5
"""Points of drop from which on a measurement counts less and less, and from which on as little as any: a destroyed network says something about
designs that were expected to work, and little about how much those lose that do."""


def compress(drop: Vector) -> Vector:
    """Return the drop on a scale where small and large drops have comparable errors: sign(d)·log(1 + |d|/SCALE)."""
    return np.asarray(np.sign(drop) * np.log1p(np.abs(drop) / SCALE))


def expand(value: Vector) -> Vector:
    """Return the inverse of `compress`."""
    return np.asarray(np.sign(value) * SCALE * np.expm1(np.abs(value)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Prior:
    """Standard deviations, on the compressed scale, of what the composed drop gets wrong before anything is measured."""

    amplitude: float
    """Of a smooth function of the composed drop."""
    length: float
    """Length scale of that function."""
    slope: float = 0.3
    """Of a systematic over- or under-prediction, as a share of the composed drop."""
    part: float = 0.1
    """Of an error that every design with a given block in a given layer shares, when the whole layer uses it."""


PRIORS = tuple(
    Prior(amplitude=amplitude, length=length, part=part)
    for amplitude in (0.1, 0.25, 0.5)
    for length in (0.5, 1.5, 4.0)
    for part in (0.05, 0.15, 0.3, 0.6)
)
USUAL = Prior(amplitude=0.25, length=1.5, part=0.15)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Correction:
    """The posterior on measured minus composed drop, on the compressed scale."""

    prior: Prior
    drops: Vector
    parts: NDArray[np.float64]
    alpha: Vector
    factor: NDArray[np.float64]
    evidence: float
    """Log evidence of the measurements, up to a constant: larger fits better."""

    @classmethod
    def fit(
        cls,
        raw: Vector,
        parts: NDArray[np.float64],
        measured: Vector,
        images: int,
        *,
        sigmas: Vector | None = None,
        noises: Vector | None = None,
        priors: Sequence[Prior] = PRIORS,
    ) -> Correction:
        """Return the correction of composed drops against measured drops, both (designs,) in points.

        Args:
            parts: (designs, parts), how far each design uses each part, 0..1; see `Effects.parts`.
            images: number of search images; sets the noise of a measurement (paired, so only changed answers count).
            sigmas: (designs,) in points: how uncertain `measured` is where it was estimated; 0 where it was measured.
            noises: (designs,) in points: standard deviation of each measurement by its images, where gained and lost answers are known.
            priors: those to choose from by the evidence.
        """
        truth = np.asarray(measured, float)
        x, y = compress(np.asarray(raw, float)), compress(truth)
        sampled = _noise(truth, images) if noises is None else noises / (SCALE + np.abs(truth))
        noise = np.hypot(sampled, _distance(truth))
        if sigmas is not None:
            noise = np.hypot(noise, sigmas / (SCALE + np.abs(truth)))
        return max((cls._posterior(prior, x, parts, y, noise) for prior in priors), key=lambda correction: correction.evidence)

    @classmethod
    def _posterior(cls, prior: Prior, x: Vector, parts: NDArray[np.float64], y: Vector, noise: Vector) -> Correction:
        factor, lower = cho_factor(_kernel(prior, x, parts, x, parts) + np.diag(noise**2), lower=True)
        residual = y - x
        alpha = cho_solve((factor, lower), residual)
        evidence = float(-0.5 * residual @ alpha - np.log(np.diag(factor)).sum())
        # weak log-normal priors around the usual values, so that few measurements do not overturn them
        evidence -= 0.5 * sum(float(np.log(getattr(prior, name) / getattr(USUAL, name))) ** 2 for name in ("amplitude", "length", "part"))
        return cls(prior=prior, drops=x, parts=parts, alpha=alpha, factor=factor, evidence=evidence)

    def predict(self, raw: Vector, parts: NDArray[np.float64], images: int | None) -> tuple[Vector, Vector]:
        """Return estimated drop and its sigma in points, each (designs,), for composed drops (designs,) and parts (designs, parts).

        Sigma is that of a measurement on `images` images: it holds the uncertainty of the correction and of the sample. None: of endless images.
        """
        x = compress(np.asarray(raw, float))
        cross = _kernel(self.prior, x, parts, self.drops, self.parts)
        mean = x + cross @ self.alpha
        alone = self.prior.amplitude**2 + (self.prior.slope * x) ** 2 + self.prior.part**2 * (parts**2).sum(axis=1)
        variance = alone - np.einsum("ij,ji->i", cross, cho_solve((self.factor, True), cross.T))
        drop = expand(mean)
        sigma = np.sqrt(np.maximum(variance, 0.0) + (0.0 if images is None else _noise(drop, images) ** 2))
        return drop, sigma * (SCALE + np.abs(drop))


def _kernel(prior: Prior, a: Vector, a_parts: NDArray[np.float64], b: Vector, b_parts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the prior covariance of two sets of designs: smooth in the drop, linear in it, and by shared parts."""
    distance = (a[:, None] - b[None]) / prior.length
    smooth = prior.amplitude**2 * np.exp(-0.5 * distance**2)
    return np.asarray(smooth + prior.slope**2 * a[:, None] * b[None] + prior.part**2 * (a_parts @ b_parts.T))


def _distance(drop: Vector) -> Vector:
    """Return the noise, in compressed units, of drops so large that they say little about designs anyone would choose."""
    return np.asarray(np.clip(np.abs(drop), RELEVANT, LEAST_RELEVANT) / RELEVANT - 1.0)


def _noise(drop: Vector, images: int) -> Vector:
    """Standard deviation of a measured drop in compressed units.

    The same images are measured with and without approximation, so only images whose answer changes scatter: about the
    drop itself plus as many that change in pairs, never less than one image.
    """
    points = np.sqrt(2.0 * np.maximum(np.abs(drop), 100.0 / images) * 100.0 / images)
    return np.asarray(points / (SCALE + np.abs(drop)))
