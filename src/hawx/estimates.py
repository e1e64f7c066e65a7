"""Estimate (predicted) and Measurement (observed): two types, so that no report can mix them."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist

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
    """A measured top-1 accuracy in percent: `correct` of `images` images, with its Wilson interval."""

    correct: int
    images: int
    confidence: float = 0.95

    def __post_init__(self) -> None:
        if not 0 <= self.correct <= self.images or self.images == 0:
            raise InputError(f"{self.correct} correct of {self.images} images is not a measurement; expected 0 <= correct <= images, images > 0.")

    @property
    def top1(self) -> float:
        return 100.0 * self.correct / self.images

    @property
    def interval(self) -> tuple[float, float]:
        """Return the Wilson score interval in percent (E. B. Wilson, JASA 22(158), 1927)."""
        z = NormalDist().inv_cdf(0.5 + self.confidence / 2)
        n, p = self.images, self.correct / self.images
        center = (p + z * z / (2 * n)) / (1 + z * z / n)
        half = z / (1 + z * z / n) * sqrt(p * (1 - p) / n + z * z / (4 * n * n))
        return 100.0 * max(0.0, center - half), 100.0 * min(1.0, center + half)

    def to_dict(self) -> dict[str, float | int]:
        low, high = self.interval
        return {"top1": self.top1, "low": low, "high": high, "images": self.images}
