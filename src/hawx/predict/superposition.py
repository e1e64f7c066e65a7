"""Superposition: what every unit does to the margins of the scoring images under every block, and the loss of designs composed of it.

How effects compose is the law of hawx.predict.composition; how well they do depends on how they were taken.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from hawx.designs import SearchSpace
from hawx.designs.space import Choices
from hawx.errors import InputError
from hawx.predict.composition import Composition
from hawx.score import EffectKind, Scored, ScoringSet

CHUNK_VALUES = 1 << 18
"""Margins held at once while many designs are predicted, in float32 values, so that they stay in cache."""

ATTENUATION, MARGIN_ERROR = 0.9, 0.1
"""The g of effects that were measured one layer at a time, and the error of margins composed from them as a share of the design's root-mean-square
shift of margins (0.085 measured on LeNet-5)."""


@dataclass(frozen=True, slots=True)
class Law:
    """How effects of one kind compose, and how far the composed margins are off."""

    attenuation: float | None
    margin_error: float


LAWS: Mapping[EffectKind, Law] = MappingProxyType(
    {
        EffectKind.MEASURED: Law(ATTENUATION, MARGIN_ERROR),
        EffectKind.TWO_ENDED: Law(None, MARGIN_ERROR),
        EffectKind.MIDPOINT: Law(1.0, 0.16),
        EffectKind.FIRST_ORDER: Law(1.25, 0.23),
    }
)
"""Effects of filters by gradients add up to more than the filters do together, so they fade more; how much they err was measured on LeNet-5.
Choosing g by a few measured designs made estimates worse: 0.90 for 0.91 in rank correlation on LeNet-5."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Effects:
    """What every (unit, block) does to the margins of the scoring images, alone, and how effects compose."""

    base: NDArray[np.float32]
    """Margins of the exact network, (competitors, images); see hawx.score.competitors."""
    delta: NDArray[np.float32]
    """Change of those margins, (units, blocks, competitors, images); zero for the exact block."""
    weights: NDArray[np.float64]
    """How many search images each scoring image stands for, (images,)."""
    groups: NDArray[np.int64]
    """The layer of each unit, (units,), ascending: effects within a group add."""
    attenuation: float | None = ATTENUATION
    """The g of the composition: how much the gains of other layers shrink a layer's residual. None: all effects add."""
    margin_error: float = MARGIN_ERROR
    """Error of composed margins, as a share of the design's root-mean-square shift of margins."""

    def __post_init__(self) -> None:
        fits = self.delta.shape[2:] == self.base.shape and self.weights.shape == self.base.shape[1:] and self.groups.shape == self.delta.shape[:1]
        if not fits or (np.diff(self.groups) < 0).any():
            raise InputError(
                f"effects have shapes base {self.base.shape}, delta {self.delta.shape}, weights {self.weights.shape}, groups {self.groups.shape}; "
                "expected (competitors, images), (units, blocks, competitors, images), (images,), (units,) ascending."
            )

    @classmethod
    def of(cls, scored: Scored, sample: ScoringSet, space: SearchSpace) -> Effects:
        """Return the effects of the units of `space` as they were scored, composed as suits how that was done."""
        law = LAWS[scored.how]
        return cls(
            base=scored.base,
            delta=scored.delta,
            weights=sample.weights,
            groups=space.unit_layers,
            attenuation=law.attenuation,
            margin_error=law.margin_error,
        )

    @property
    def images(self) -> int:
        return int(self.base.shape[1])

    def with_attenuation(self, attenuation: float | None) -> Effects:
        return replace(self, attenuation=attenuation)

    def margins(self, choices: Choices) -> NDArray[np.float32]:
        """Return predicted margins, (designs, competitors, images), for choices (designs, units)."""
        return self.composition.margins(np.atleast_2d(choices))

    @cached_property
    def composition(self) -> Composition:
        """The law that composes these effects."""
        return Composition(base=self.base, delta=self.delta, groups=self.groups, attenuation=self.attenuation)

    def drops(self, choices: Choices) -> NDArray[np.float64]:
        """Return predicted loss of top-1 in points against the exact network, (designs,), before any correction."""
        rows = np.atleast_2d(choices)
        step = max(64, CHUNK_VALUES // max(1, self.base.size))
        result = np.empty(len(rows))
        base = self._accuracy(self.base[None])[0]
        for start in range(0, len(rows), step):
            result[start : start + step] = base - self._accuracy(self.margins(rows[start : start + step]))
        return result

    def parts(self, choices: Choices) -> NDArray[np.float64]:
        """Return how far designs use each block in each layer, (designs, groups · blocks): shares of its units, 0 for exact blocks."""
        rows = np.atleast_2d(choices)
        blocks = self.delta.shape[1]
        shares = np.zeros((len(rows), len(self.composition.layers), blocks))
        for group, (first, last) in enumerate(self.composition.layers):
            active = self._active[first:last]
            for block in np.flatnonzero(active.any(axis=0)):
                shares[:, group, block] = (rows[:, first:last] == block).mean(axis=1)
        return shares.reshape(len(rows), len(self.composition.layers) * blocks)

    @cached_property
    def _active(self) -> NDArray[np.bool_]:
        """Which (unit, block) change anything at all."""
        return np.asarray(self.delta.any(axis=(2, 3)), np.bool_)

    def _accuracy(self, margins: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return predicted top-1 in percent, (designs,), of margins (designs, competitors, images)."""
        right = margins[:, 0] > 0
        for competitor in range(1, margins.shape[1]):
            right &= margins[:, competitor] > 0
        return np.asarray(100.0 * (right.astype(np.float32) @ self.shares.astype(np.float32)), np.float64)

    @cached_property
    def shares(self) -> NDArray[np.float64]:
        """Share of the search images that each scoring image stands for, (images,), summing to 1."""
        return np.asarray(self.weights / self.weights.sum(), np.float64)
