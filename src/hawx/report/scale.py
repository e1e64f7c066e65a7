"""Scales and ticks: data values to pixels, and the round numbers in between."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, copysign, floor, isfinite, log10, sqrt


def tick_step(low: float, high: float, count: int) -> float:
    """Return the step of 1, 2 or 5 times a power of ten that gives at most `count` intervals in low..high."""
    raw = (high - low) / max(1, count)
    power = 10.0 ** floor(log10(raw))
    return next(m * power for m in (1.0, 2.0, 5.0, 10.0) if m * power >= raw * (1 - 1e-9))


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Return round values within low..high, ascending, about `count` of them. Needs low < high, both finite."""
    step = tick_step(low, high, count)
    first, last = ceil(low / step - 1e-9), floor(high / step + 1e-9)
    return [min(max(round(i * step, 12) + 0.0, low), high) for i in range(first, last + 1)]


def tick_labels(values: Sequence[float]) -> list[str]:
    """Return labels with just the decimals that tell the values apart."""
    if len(values) < 2:
        return [f"{v:g}" for v in values]
    step = abs(values[1] - values[0])
    decimals = max(0, -floor(log10(step) + 1e-9)) if step else 0
    return [f"{v:,.{decimals}f}".replace(",", "\u202f") for v in values]


def root(value: float) -> float:
    """Return the signed square root: 0, 1, 4, 9 become 0, 1, 2, 3."""
    return copysign(sqrt(abs(value)), value)


@dataclass(frozen=True, slots=True)
class Scale:
    """A map from data `low..high` to pixels `start..stop`: linear, or by signed square root, which spreads the values near 0."""

    low: float
    high: float
    start: float
    stop: float
    rooted: bool = False

    def __call__(self, value: float) -> float:
        low, high, at = (root(v) if self.rooted else v for v in (self.low, self.high, value))
        return self.start + (at - low) / (high - low) * (self.stop - self.start)

    def holds(self, value: float) -> bool:
        """Return whether `value` lies within the axis."""
        return isfinite(value) and self.low <= value <= self.high

    def ticks(self, count: int) -> list[tuple[float, str]]:
        """Return about `count` round values within the axis, each with its label."""
        if not self.rooted:
            values = ticks(self.low, self.high, count)
            return list(zip(values, tick_labels(values), strict=True))
        kept: list[float] = []
        for value in sorted((sign * m * 10.0**e for e in range(-2, 5) for m in (1, 2, 5) for sign in (1, -1)), key=abs):
            if self.holds(value) and all(abs(self(value) - self(other)) >= abs(self.stop - self.start) / (2.2 * count) for other in (0.0, *kept)):
                kept.append(value)
        return [(value, f"{value:g}") for value in sorted([*kept, *([0.0] if self.holds(0.0) else [])])]


def span(values: Sequence[float], *, margin: float = 0.06, zero: bool = False) -> tuple[float, float]:
    """Return axis limits around the finite `values` with a relative margin; `zero` includes 0 without a margin below it."""
    finite = [v for v in values if isfinite(v)] or [0.0, 1.0]
    low, high = min(finite), max(finite)
    if zero:
        low, high = min(0.0, low), max(0.0, high)
    width = (high - low) or abs(high) or 1.0
    below = 0.0 if zero and low == 0.0 else margin * width
    return low - below, high + margin * width
