"""SearchSpace: units × candidate blocks, and the map from a vector of choices to an assignment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import log10

import numpy as np
from numpy.typing import NDArray

from hawx.designs.assignment import Assignment
from hawx.errors import InputError
from hawx.units import Granularity, Unit

Choices = NDArray[np.uint8]
"""Shape (units,) or (designs, units), uint8: index into the library of the block of each unit."""


@dataclass(frozen=True, kw_only=True, eq=False)
class SearchSpace:
    """Every way to give each unit one of its candidate blocks.

    `layers` and `filters` describe the network (names, output channels); `blocks` names the library in its order.
    `candidates[u]` holds the library indices that unit `u` may take, ascending.
    """

    granularity: Granularity
    layers: tuple[str, ...]
    filters: tuple[int, ...]
    blocks: tuple[str, ...]
    units: tuple[Unit, ...]
    candidates: tuple[tuple[int, ...], ...]
    exact: int
    """Library index of the exact block, which filters outside every unit keep."""

    @classmethod
    def build(
        cls,
        granularity: Granularity,
        layers: Sequence[str],
        filters: Sequence[int],
        blocks: Sequence[str],
        *,
        approximable: Sequence[bool] | None = None,
        per_filter: Sequence[bool] | None = None,
        exact: int = 0,
    ) -> SearchSpace:
        """Return the full space of a network at a granularity.

        Args:
            approximable: per layer, False to keep it on block `exact`. All True by default.
            per_filter: at filter granularity, per layer, False to treat it as one unit (as the paper's 22 units of LeNet-5 do
                with the fully connected layers left exact).
        """
        if not layers:
            raise InputError("the network has no layer that multiplies; expected at least one conv, linear or matmul layer.")
        allowed = list(approximable) if approximable is not None else [True] * len(layers)
        split = list(per_filter) if per_filter is not None else [True] * len(layers)
        chosen = [i for i, ok in enumerate(allowed) if ok]
        if granularity is Granularity.NETWORK:
            units = [Unit(tuple(chosen), name="network")] if chosen else []
        elif granularity is Granularity.LAYER:
            units = [Unit((i,), name=layers[i]) for i in chosen]
        else:
            units = []
            for i in chosen:
                if split[i]:
                    units += [Unit((i,), f, f + 1, f"{layers[i]}[{f}]") for f in range(filters[i])]
                else:
                    units.append(Unit((i,), name=layers[i]))
        every = tuple(range(len(blocks)))
        return cls(
            granularity=granularity,
            layers=tuple(layers),
            filters=tuple(int(f) for f in filters),
            blocks=tuple(blocks),
            units=tuple(units),
            candidates=tuple(every for _ in units),
            exact=exact,
        )

    @cached_property
    def log10_size(self) -> float:
        return sum(log10(len(c)) for c in self.candidates)

    @property
    def size(self) -> int:
        """Number of designs, as an exact integer however large."""
        total = 1
        for c in self.candidates:
            total *= len(c)
        return total

    @cached_property
    def unit_filters(self) -> NDArray[np.int64]:
        """Filters of each layer that belong to each unit, shape (units, layers)."""
        result = np.zeros((len(self.units), len(self.layers)), np.int64)
        for u, unit in enumerate(self.units):
            for layer in unit.layers:
                result[u, layer] = (self.filters[layer] if unit.stop is None else unit.stop) - unit.start
        return result

    @property
    def unit_layers(self) -> NDArray[np.int64]:
        """Index of each unit's (first) layer, (units,), ascending."""
        return np.array([unit.layers[0] for unit in self.units], np.int64)

    def exact_choices(self) -> Choices:
        return np.full(len(self.units), self.exact, np.uint8)

    def assignment(self, choices: Choices) -> Assignment:
        """Return the assignment of one vector of choices, shape (units,)."""
        indices = [np.full(n, self.exact, np.uint8) for n in self.filters]
        for unit, choice in zip(self.units, choices, strict=True):
            for layer in unit.layers:
                indices[layer][unit.start : unit.stop] = choice
        return Assignment(self.layers, self.blocks, tuple(indices))

    def counts(self, choices: Choices) -> NDArray[np.int64]:
        """Return the filters of each layer that use each block, (designs, layers, blocks), for choices (designs, units)."""
        rows = np.atleast_2d(choices)
        result = np.zeros((len(rows), len(self.layers), len(self.blocks)), np.int64)
        free = np.array(self.filters) - self.unit_filters.sum(axis=0)
        result[:, :, self.exact] += free
        filters = self.unit_filters.astype(np.float32)  # products of float matrices are fast, and exact for counts below 2^24
        for block in range(len(self.blocks)):
            result[:, :, block] += ((rows == block).astype(np.float32) @ filters).astype(np.int64)
        return result

    def random(self, rng: np.random.Generator, designs: int) -> Choices:
        """Return uniformly random choices, shape (designs, units)."""
        columns = [np.array(c, np.uint8)[rng.integers(len(c), size=designs)] for c in self.candidates]
        return np.stack(columns, axis=1) if columns else np.zeros((designs, 0), np.uint8)

    def restricted(self, candidates: Sequence[Sequence[int]]) -> SearchSpace:
        """Return the space with fewer candidates per unit (the exact block always stays)."""
        kept = tuple(tuple(sorted({*c, self.exact})) for c in candidates)
        return replace(self, candidates=kept)
