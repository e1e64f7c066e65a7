"""Superposition: predicted margins of a design from the effects of its units, each known alone (DESIGN 3.3, model level).

Filters of one layer act on the network at the same depth: their effects add. Layers act one after the other: most of what an approximate
layer does is to shrink (or stretch) the signal, and gains multiply; what it does besides is shrunk by the gains of the other layers. So a layer's
effect δ on the margins m is split into a gain and a residual, `δ = (a - 1)·m + r` with a by least squares over all images, and a design has

    margins = A·m + A^g · Σ_layers r / a^g,      A = Π_layers a.

With g = 0 the residuals of the layers simply add, with g = 1 every other layer shrinks them in full. On LeNet-5 with random blocks in all
layers (drops of 0 to 5 points, nothing learned) g = 0.9 gives a mean error of 0.5 points and Spearman 0.91; adding the effects up over-predicts
the loss many times over. g = None adds them: for effects that already hold the interactions on average (hawx.score.two_ended_effects).

Composing a design costs gathers and sums; many designs at once are matrix products of their one-hot choices with the effects.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from types import MappingProxyType

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hawx.designs import SearchSpace
from hawx.designs.space import Choices
from hawx.errors import InputError
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
GAINS = (0.05, 2.0)
"""Range of a layer's gain: what a block does beyond it is residual."""


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
        rows = np.atleast_2d(choices)
        if self.attenuation is None:
            total = (self._one_hot(rows, 0, len(self.groups)) @ self._flat).add_(self._base)
        else:
            gain, total = self._single_units(rows)
            for first, last in self._shared_groups:
                blocks = self.delta.shape[1]
                shift = self._one_hot(rows, first, last) @ self._flat[first * blocks : last * blocks]
                own = (1 + shift @ self._projection).clamp_(*GAINS)
                total += shift.sub_(torch.outer(own - 1, self._base)).mul_(own.pow(-self.attenuation)[:, None])
                gain = gain * own
            total = total.mul_(gain.pow(self.attenuation)[:, None]).add_(torch.outer(gain, self._base))
        return total.numpy().reshape(len(rows), *self.base.shape)

    def drops(self, choices: Choices) -> NDArray[np.float64]:
        """Return predicted loss of top-1 in points against the exact network, (designs,), before any calibration."""
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
        shares = np.zeros((len(rows), len(self._bounds), blocks))
        for group, (first, last) in enumerate(self._bounds):
            active = self._active[first:last]
            for block in np.flatnonzero(active.any(axis=0)):
                shares[:, group, block] = (rows[:, first:last] == block).mean(axis=1)
        return shares.reshape(len(rows), len(self._bounds) * blocks)

    @cached_property
    def _active(self) -> NDArray[np.bool_]:
        """Which (unit, block) change anything at all."""
        return np.asarray(self.delta.any(axis=(2, 3)), np.bool_)

    def _one_hot(self, rows: Choices, first: int, last: int) -> Tensor:
        """Return the choices of units `first..last` as zeros and ones, (designs, units · blocks)."""
        blocks = self.delta.shape[1]
        result = np.zeros((len(rows), (last - first) * blocks), np.float32)
        np.put_along_axis(result, np.arange(last - first) * blocks + rows[:, first:last].astype(np.int64), 1.0, axis=1)
        return torch.from_numpy(result)

    def _single_units(self, rows: Choices) -> tuple[Tensor, Tensor]:
        """Return the product of gains (designs,) and the sum of `r / a^g` (designs, competitors · images) of units alone in their layer.

        Such a unit has one gain and one residual per block, so both are tables: a matrix product each.
        """
        units, logarithms, residuals = self._single_tables
        one_hot = self._one_hot(rows[:, units], 0, len(units))
        return (one_hot @ logarithms).exp(), one_hot @ residuals

    @cached_property
    def _base(self) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(self.base)).flatten()

    @cached_property
    def _projection(self) -> Tensor:
        """`shift @ _projection` is the least-squares gain of a shift, less 1."""
        return self._base / (self._base @ self._base).clamp(min=1e-30)

    @cached_property
    def _flat(self) -> Tensor:
        """`delta` as a matrix (units · blocks, competitors · images)."""
        return torch.from_numpy(np.ascontiguousarray(self.delta.reshape(-1, self.base.size)))

    @cached_property
    def _bounds(self) -> list[tuple[int, int]]:
        """First unit and unit after the last of each group."""
        edges = np.flatnonzero(np.diff(self.groups, prepend=-1, append=-1))
        return [(int(first), int(last)) for first, last in pairwise(edges)]

    @property
    def _shared_groups(self) -> list[tuple[int, int]]:
        return [(first, last) for first, last in self._bounds if last - first > 1]

    @cached_property
    def _single_tables(self) -> tuple[NDArray[np.int64], Tensor, Tensor]:
        units = np.array([first for first, last in self._bounds if last - first == 1], np.int64)
        shift = torch.from_numpy(self.delta[units].reshape(-1, self.base.size))
        gain = (1 + shift @ self._projection).clamp_(*GAINS)
        residual = shift - torch.outer(gain - 1, self._base)
        assert self.attenuation is not None
        return units, gain.log(), residual * gain.pow(-self.attenuation)[:, None]

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
