"""Estimate (predicted) and Measurement (observed): two types, so that no report can mix them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from hawx.errors import InputError


@dataclass(frozen=True, slots=True)
class Estimate:
    """A predicted top-1 accuracy in percent, with its standard deviation `sigma` in points."""

    top1: float
    sigma: float

    def to_dict(self) -> dict[str, float]:
        return {"top1": self.top1, "sigma": self.sigma}


@dataclass(frozen=True, slots=True)
class Measurement:
    """A measured top-1 accuracy in percent: `correct` of `images` images, with its Wilson interval.

    Where the same images were measured with the exact design, it also knows the loss against that, with a paired interval.
    """

    correct: int
    images: int
    gained: int | None = None
    """Images answered right here and wrong by the exact design; None where that was not compared."""
    lost: int | None = None
    """Images answered wrong here and right by the exact design."""
    confidence: float = 0.95

    def __post_init__(self) -> None:
        if not 0 <= self.correct <= self.images or self.images == 0:
            raise InputError(f"{self.correct} correct of {self.images} images is not a measurement; expected 0 <= correct <= images, images > 0.")
        gained, lost = self.gained or 0, self.lost or 0
        if not (0 <= gained <= self.correct and 0 <= lost <= self.images - self.correct):
            raise InputError(f"{gained} gained and {lost} lost answers do not fit {self.correct} correct of {self.images}; expected parts of them.")

    @classmethod
    def of(cls, right: Sequence[bool] | NDArray[np.bool_], reference: NDArray[np.bool_] | None = None) -> Measurement:
        """Return the measurement of which images are answered right, (images,), compared with those that the exact design answers right."""
        answers = np.asarray(right, np.bool_)
        if reference is None:
            return cls(int(answers.sum()), len(answers))
        return cls(int(answers.sum()), len(answers), gained=int((answers & ~reference).sum()), lost=int((~answers & reference).sum()))

    @property
    def reference_top1(self) -> float | None:
        """Top-1 of the exact design on the same images, in percent; None where that was not compared."""
        return None if self.lost is None or self.gained is None else 100.0 * (self.correct + self.lost - self.gained) / self.images

    @property
    def drop(self) -> float | None:
        """Points of top-1 lost against the exact design; None where that was not compared."""
        return None if self.lost is None or self.gained is None else 100.0 * (self.lost - self.gained) / self.images

    @property
    def drop_interval(self) -> tuple[float, float] | None:
        """Return the paired score interval of `drop` in points (T. Tango, Statistics in Medicine 17:891-908, 1998)."""
        if self.lost is None or self.gained is None:
            return None
        low, high = paired_interval(self.lost, self.gained, self.images, self.confidence)
        return 100.0 * low, 100.0 * high

    @property
    def drop_sigma(self) -> float | None:
        """Standard deviation of `drop` in points, by the images that it was measured on: of gained and lost answers, at least one image."""
        if self.lost is None or self.gained is None:
            return None
        changed = max(self.lost + self.gained, 1) - (self.lost - self.gained) ** 2 / self.images
        return 100.0 * sqrt(max(changed, 1.0)) / self.images

    @property
    def top1(self) -> float:
        return 100.0 * self.correct / self.images

    @property
    def interval(self) -> tuple[float, float]:
        """Return the Wilson score interval in percent."""
        low, high = wilson(self.correct, self.images, self.confidence)
        return 100.0 * low, 100.0 * high

    def to_dict(self) -> dict[str, float | int]:
        low, high = self.interval
        values: dict[str, float | int] = {"top1": self.top1, "low": low, "high": high, "images": self.images}
        if self.gained is not None and self.lost is not None and self.drop is not None and self.drop_interval is not None:
            least, most = self.drop_interval
            values |= {"gained": self.gained, "lost": self.lost, "drop": self.drop, "drop_low": least, "drop_high": most}
        return values


def wilson(count: int, of: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the Wilson score interval of a probability that was met `count` times `of` so many (E. B. Wilson, JASA 22(158), 1927)."""
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    p = count / of
    center = (p + z * z / (2 * of)) / (1 + z * z / of)
    half = z / (1 + z * z / of) * sqrt(p * (1 - p) / of + z * z / (4 * of * of))
    return max(0.0, center - half), min(1.0, center + half)


def paired_interval(lost: int, gained: int, images: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the score interval of the difference `(lost - gained) / images` of two paired proportions.

    The limits are the differences d at which the score test of d just rejects:
    `(b - c - n·d) / sqrt(n·(2·q + d·(1 - d))) = ±z`, with q the constrained maximum-likelihood estimate of the share of gained answers
    (T. Tango, Statistics in Medicine 17:891-908, 1998, eq. 6 and 7).

    Args:
        lost, gained: b and c, discordant images in each direction.
        images: n, all of them.
    """
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    found = (lost - gained) / images

    def score(d: float) -> float:
        linear = (2 * images - lost + gained) * d - lost - gained
        q = (sqrt(max(linear**2 + 8 * images * gained * d * (1 - d), 0.0)) - linear) / (4 * images)
        return (lost - gained - images * d) / sqrt(max(images * (2 * q + d * (1 - d)), 1e-300))

    def limit(outer: float, sign: float) -> float:
        inner = found
        for _ in range(60):  # bisection: the score falls as d grows
            middle = 0.5 * (inner + outer)
            inner, outer = (middle, outer) if sign * score(middle) < z else (inner, middle)
        return 0.5 * (inner + outer)

    return limit(-1.0, 1.0), limit(1.0, -1.0)
