"""A toy world for searchers: a space, costs and an accuracy that is the superposition itself, so that truth is known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hawx.accelerators import Accelerator, Spatial
from hawx.blocks import Costs
from hawx.designs import Assignment, SearchSpace
from hawx.estimates import Measurement
from hawx.networks import Layer, LayerKind
from hawx.predict import Effects
from hawx.search import Problem
from hawx.units import Granularity

BLOCKS = ("exact", "good", "cheap", "useless")


def costs() -> list[Costs]:
    figures = [(10_000.0, 10_000.0), (8_000.0, 7_000.0), (4_000.0, 3_000.0), (9_000.0, 9_000.0)]
    return [Costs(technology="toy", area_um2=a, delay_ns=1.0, energy_fj=e, origin="toy") for a, e in figures]


def layers(count: int, filters: int = 4) -> list[Layer]:
    return [
        Layer(name=f"layer{i}", kind=LayerKind.CONV, in_channels=4, filters=filters, kernel=(3, 3), in_size=(8, 8), out_size=(6 - i % 3, 6))
        for i in range(count)
    ]


class World:
    """A network of `count` layers whose margins change additively."""

    def __init__(self, count: int, *, granularity: Granularity = Granularity.LAYER, images: int = 200, seed: int = 0, filters: int = 4) -> None:
        rng = np.random.default_rng(seed)
        self.layers = layers(count, filters)
        self.space = SearchSpace.build(granularity, [la.name for la in self.layers], [la.filters for la in self.layers], BLOCKS)
        units = len(self.space.units)
        base = rng.gamma(2.0, 1.0, (2, images)).astype(np.float32)
        harm = np.array([0.0, 0.15, 0.6, 0.6]) * 5 / units
        delta = rng.normal(-harm[:, None, None], harm[:, None, None] + 1e-9, (units, len(BLOCKS), 2, images)).astype(np.float32)
        delta[:, 0] = 0
        self.effects = Effects(base=base, delta=delta, weights=np.ones(images), groups=self.space.unit_layers, attenuation=None)
        self.measured = 0

    def measure(self, assignments: Sequence[Assignment]) -> list[Measurement]:
        """Truth: answers by the composed margins, added up one unit at a time; the exact design answers all images right."""
        self.measured += len(assignments)
        return [Measurement.of(self.right(assignment), np.ones(self.effects.images, np.bool_)) for assignment in assignments]

    def right(self, assignment: Assignment) -> NDArray[np.bool_]:
        """Return which images the design answers right, (images,)."""
        margins = self.effects.base.copy()
        for u, unit in enumerate(self.space.units):
            layer = self.layers[unit.layers[0]].name
            margins = margins + self.effects.delta[u, assignment[layer][unit.start]]
        return np.asarray((margins > 0).all(axis=0))

    def problem(self, budget: int, *, objectives: tuple[str, ...] = ("energy_uj", "area_um2"), accelerator: Accelerator | None = None) -> Problem:
        return Problem(
            space=self.space,
            layers=self.layers,
            costs=costs(),
            accelerator=accelerator or Spatial(),
            objectives=objectives,
            measurer=self.measure,
            images=self.effects.images,
            baseline_correct=self.effects.images,
            budget=budget,
            reference_drop=20.0,
        )
