"""The full truth at filter level: every design of the filters of a network's first layers, each on one of two blocks.

The network is split at one layer: the *early* layers before it, the *split* layer itself, and a tail of dense layers.

* Every combination of the early filters is run through the network once, and once more through the split layer per block: a filter of
  the split layer depends on the early layers and on its own block alone.
* The accumulators of the first dense layer are sums over the filters of the split layer. The partial sum of every (filter, block) is
  computed once; those of half of the filters are added up to 2^(filters/2) rows, and those of the other half likewise. A design is
  one row of each.
* Requantization and the dense layers behind it are run for every design in integers (`tail.cpp`).

The counts equal those of `hawx.emulate.Evaluator` on every design, to the last image.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.truth.tail import DenseTail, Folded
from hawx.blocks import Library
from hawx.designs import Assignment, SearchSpace
from hawx.emulate import BlockExecutor
from hawx.errors import InputError
from hawx.networks import QuantizedNetwork
from hawx.networks.fusion import CLAMPS, POOLS
from hawx.networks.steps import Glue, LayerStep, operators
from hawx.units import Granularity

FLATTENING: frozenset[str] = operators("max_pool_codes flatten.using_ints view.default reshape.default _unsafe_view.default dropout.default identity")
"""Operators after the split layer that keep every filter's values together, in order."""

Counts = NDArray[np.uint16]
"""Shape (early combinations, high halves, low halves): correct answers per design."""


@dataclass(frozen=True, eq=False, kw_only=True)
class FilterTruth:
    """Designs are numbered: bit u of a design's number chooses the block of filter u, filters counted through the approximable layers."""

    network: QuantizedNetwork
    library: Library
    blocks: tuple[str, str]
    """Of bit 0 and of bit 1."""
    split: int
    """Number of the last layer whose filters take part."""
    tail: DenseTail

    @classmethod
    def of(cls, network: QuantizedNetwork, library: Library, blocks: tuple[str, str], split: int) -> FilterTruth:
        """Return the truth of layers 0..`split` of `network`, every filter on one of two blocks, all other layers exact.

        Raises:
            InputError: the network cannot be split there.
        """
        positions = [i for i, step in enumerate(network.program) if isinstance(step, LayerStep)]
        between = network.program[positions[split] + 1 : positions[split + 1]]
        if not all(isinstance(step, Glue) and step.op in FLATTENING | CLAMPS | POOLS for step in between):
            raise InputError(f"what follows layer {network.layers[split].name!r} mixes its filters; expected pooling, ReLU and flattening only.")
        truth = cls(network=network, library=library, blocks=blocks, split=split, tail=DenseTail.of(network, split + 1))
        if network.layers[split + 1].in_channels % network.layers[split].filters:
            raise InputError(f"layer {network.layers[split + 1].name!r} does not take equal parts of every filter of {network.layers[split].name!r}.")
        if truth.early > 12 or truth.halves[1] > 12:
            raise InputError(f"{truth.units} filters are too many for a full truth; expected at most 12 before the split layer and 24 in it.")
        return truth

    @property
    def early(self) -> int:
        """Filters before the split layer."""
        return sum(layer.filters for layer in self.network.layers[: self.split])

    @property
    def halves(self) -> tuple[int, int]:
        """Filters of the split layer in the low and in the high half of a design's number."""
        filters = self.network.layers[self.split].filters
        return filters // 2, filters - filters // 2

    @property
    def units(self) -> int:
        return self.early + sum(self.halves)

    @property
    def space(self) -> SearchSpace:
        """The space of these designs, for searchers: its units in the order of the bits."""
        names = self.network.layer_names
        space = SearchSpace.build(
            Granularity.FILTER,
            names,
            list(self.network.filters.values()),
            self.library.names,
            approximable=[i <= self.split for i in range(len(names))],
            exact=self.library.index(self.library.exact.name),
        )
        return space.restricted([[self.library.index(name) for name in self.blocks]] * len(space.units))

    def choices(self, designs: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Return the choices (designs, units) of design numbers (designs,), as `space` takes them."""
        bits = (designs[:, None] >> np.arange(self.units)) & 1
        index = np.array([self.library.index(name) for name in self.blocks], np.uint8)
        return np.asarray(index[bits])

    def numbers(self, choices: NDArray[np.uint8]) -> NDArray[np.int64]:
        """Return the design numbers (designs,) of choices (designs, units)."""
        bits = (choices == self.library.index(self.blocks[1])).astype(np.int64)
        return np.asarray(bits @ (1 << np.arange(self.units, dtype=np.int64)))

    def empty(self) -> Counts:
        low, high = self.halves
        return np.zeros((1 << self.early, 1 << high, 1 << low), np.uint16)

    def by_number(self, counts: Counts) -> NDArray[np.uint16]:
        """Return counts in the order of design numbers, (2^units,)."""
        return np.ascontiguousarray(np.moveaxis(counts, 0, -1)).reshape(-1)

    def add(self, images: NDArray[np.uint8], labels: NDArray[np.int64], counts: Counts, *, threads: int = 1) -> None:
        """Add the correct answers of every design on `images` (images, C, H, W) to `counts`."""
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(lambda early: self.add_early(early, images, labels, counts), range(1 << self.early)))

    def add_early(self, early: int, images: NDArray[np.uint8], labels: NDArray[np.int64], counts: Counts) -> None:
        """Do `add` for one combination of the early filters; different combinations may run at once."""
        for folded, low, high, label in self._pairs(early, torch.as_tensor(images), labels):
            folded.count_correct(high, low, int(label), counts[early])

    def logits(self, number: int, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the logits (images, classes) of one design by the incremental path in NumPy: the same sums, folding and law."""
        early, rest = number & ((1 << self.early) - 1), number >> self.early
        half = self.halves[0]
        low_row, high_row = rest & ((1 << half) - 1), rest >> half
        rows = self._pairs(early, torch.as_tensor(images), np.zeros(len(images), np.int64))
        return np.concatenate([folded.logits((low[low_row] + high[high_row])[None]) for folded, low, high, _ in rows])

    def _pairs(
        self, early: int, images: torch.Tensor, labels: NDArray[np.int64]
    ) -> Iterator[tuple[Folded, NDArray[np.int32], NDArray[np.int32], np.int64]]:
        """Yield per image its folded tail and the sums of both halves, (2^filters, kept channels) each; `high` holds the constant."""
        partial = self._partial_sums(early, images)
        half = self.halves[0]
        for sums, label in zip(partial, labels, strict=True):
            least = self.tail.first.constant + sums.min(axis=1).sum(axis=0)
            most = self.tail.first.constant + sums.max(axis=1).sum(axis=0)
            folded = self.tail.fold(least, most)
            kept = sums[:, :, folded.channels]
            yield folded, _all_sums(kept[:half]), _all_sums(kept[half:]) + self.tail.first.constant[folded.channels], label

    def _partial_sums(self, early: int, images: torch.Tensor) -> NDArray[np.int32]:
        """Return what every (filter, block) of the split layer adds to the first dense layer: (images, filters, 2, channels)."""
        filters = self.network.layers[self.split].filters
        channels = len(self.tail.first.constant)
        weight = torch.from_numpy(self.tail.first.weight.astype(np.float32)).view(channels, filters, -1).permute(1, 2, 0).contiguous()
        positions = [i for i, step in enumerate(self.network.program) if isinstance(step, LayerStep)]
        entry = self.network.program[positions[self.split + 1]]
        assert isinstance(entry, LayerStep)
        state = self.network.advance(self.network.begin(images), BlockExecutor(self.library, self._assignment(early, 0), threads=1), self.split)
        parts = []
        for block in (0, 1):
            after = self.network.advance(state, BlockExecutor(self.library, self._assignment(early, block), threads=1), self.split + 1)
            codes = after.values[entry.input].to(torch.float32).reshape(len(images), filters, -1)
            parts.append(torch.bmm(codes.transpose(0, 1), weight))  # exact: |sums| < 2^24, proved for the whole layer
        return torch.stack(parts, dim=2).permute(1, 0, 2, 3).to(torch.int32).contiguous().numpy()

    def _assignment(self, early: int, block: int) -> Assignment:
        """Return the assignment of a combination of the early filters, the whole split layer on `blocks[block]`, all else exact."""
        index = [self.library.index(name) for name in self.blocks]
        exact = self.library.index(self.library.exact.name)
        rows, bit = [], 0
        for number, layer in enumerate(self.network.layers):
            if number < self.split:
                rows.append(np.array([index[early >> (bit + f) & 1] for f in range(layer.filters)], np.uint8))
                bit += layer.filters
            else:
                rows.append(np.full(layer.filters, index[block] if number == self.split else exact, np.uint8))
        return Assignment(self.network.layer_names, tuple(self.library.names), tuple(rows))


def _all_sums(parts: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return every sum of one of two rows per filter, (2^filters, channels), for parts (filters, 2, channels); filter f is bit f."""
    total = np.zeros((1, parts.shape[2]), np.int32)
    for part in parts:
        total = (part[:, None] + total[None]).reshape(-1, parts.shape[2])
    return total
