"""Measuring: which images a design answers right, bit-exactly, remembered so that nothing is measured twice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hawx.blocks import Library
from hawx.designs import Assignment
from hawx.emulate import Evaluator
from hawx.emulate.evaluator import Answers
from hawx.estimates import Measurement
from hawx.networks import QuantizedNetwork
from hawx.recover import DesignRecovery, Fit, fitted
from hawx.runner import Runner, run_here, slices
from hawx.verify.identity import images_identity, library_identity, network_identity
from hawx.verify.store import MeasurementKey, MeasurementStore, MemoryStore

Images = NDArray[np.uint8] | NDArray[np.float32]
IMAGES_APIECE = 256
"""A worker's part of the images is not smaller: what kernels prepare for a design is prepared by every worker that runs it."""


@dataclass(frozen=True, slots=True)
class Shard:
    """Some designs on some images: what one worker answers at a time."""

    images: slice
    designs: tuple[tuple[Assignment, Fit | None], ...]
    """Each with what suits it, where it was recovered as a whole."""


@dataclass(eq=False)
class Task:
    """What to run designs of: one network, one library, one set of images. Can be sent to another process."""

    network: QuantizedNetwork
    library: Library
    images: Images
    """(images, C, H, W)."""
    labels: NDArray[np.int64]
    recovery: DesignRecovery | None = None
    """Recovers every design of `network` as a whole before it answers; None: designs run on the network as it is."""

    @cached_property
    def evaluator(self) -> Evaluator:
        """Runs designs on the network as it is."""
        return self._evaluator_of(slice(0, len(self.labels)))

    def answers(self, assignments: Sequence[Assignment], runner: Runner = run_here) -> list[Answers]:
        """Return which images each design answers right, (images,) each."""
        if not assignments:
            return []
        fits: Sequence[Fit | None] = [None] * len(assignments) if self.recovery is None else self.recovery.fits(assignments, runner)
        shards = self._shards(list(zip(assignments, fits, strict=True)), runner.workers)
        found = [np.empty(len(self.labels), np.bool_) for _ in assignments]
        for (shard, group), rows in zip(shards, runner.map(self, [shard for shard, _ in shards]), strict=True):
            for right, row in zip(found[group], rows, strict=True):
                right[shard.images] = row
        return found

    def __call__(self, shard: Shard) -> NDArray[np.bool_]:
        """Return the answers of a shard, (designs, images)."""
        plain = [assignment for assignment, fit in shard.designs if fit is None]
        known = dict(zip(plain, self._evaluator_of(shard.images).right_many(plain), strict=True)) if plain else {}
        return np.stack([known[one] if fit is None else self._recovered(one, fit, shard.images) for one, fit in shard.designs])

    def _shards(self, designs: Sequence[tuple[Assignment, Fit | None]], workers: int) -> list[tuple[Shard, slice]]:
        """Return shards that keep all workers busy, each with which of the designs it has.

        Every worker runs all designs on images of its own, as far as those go around.
        """
        cuts = slices(len(self.labels), min(workers, max(1, len(self.labels) // IMAGES_APIECE)))
        groups = slices(len(designs), -(-workers // len(cuts)))
        return [(Shard(some, tuple(designs[group])), group) for group in groups for some in cuts]

    def _recovered(self, assignment: Assignment, fit: Fit, images: slice) -> Answers:
        network = fitted(self.network, self.library, assignment, fit)
        return Evaluator(network, self.library, self.images[images], self.labels[images], memory_mb=0).right(assignment)

    def _evaluator_of(self, images: slice) -> Evaluator:
        key = images.start, images.stop
        if key not in self._evaluators:
            self._evaluators[key] = Evaluator(self.network, self.library, self.images[images], self.labels[images])
        return self._evaluators[key]

    @cached_property
    def _evaluators(self) -> dict[tuple[int, int], Evaluator]:
        return {}

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel to another process without caches, and without the recovery: a shard brings what suits its designs."""
        return Task, (self.network, self.library, self.images, self.labels)


@dataclass(eq=False, kw_only=True)
class Measurer:
    """Measures designs on one set of images, through a store."""

    task: Task
    store: MeasurementStore = field(default_factory=MemoryStore)
    runner: Runner = run_here
    reference: Answers | None = None
    """Which of the images the exact design answers right: measurements are compared with it."""
    fresh: int = 0
    """Designs really run by this object; the others came from the store."""
    seconds: float = 0.0
    """Wall time of those runs."""

    @cached_property
    def _identity(self) -> tuple[str, str, str]:
        task = self.task
        network = network_identity(task.network)
        if task.recovery is not None:
            network = f"{network}+{images_identity(task.recovery.images, np.zeros(0, np.int64))}"
        return network, library_identity(task.library), images_identity(task.images, task.labels)

    def __call__(self, assignments: Sequence[Assignment]) -> list[Measurement]:
        """Return the measurement of each assignment."""
        return [Measurement.of(right, self.reference) for right in self.answers(assignments)]

    def answers(self, assignments: Sequence[Assignment]) -> list[Answers]:
        """Return which images each assignment answers right, (images,); only those never measured before are run."""
        network, blocks, images = self._identity
        keys = [MeasurementKey(network=network, blocks=blocks, assignment=a.id, images=images) for a in assignments]
        found = [self.store.get(key) for key in keys]
        missing = [i for i, right in enumerate(found) if right is None]
        missing.sort(key=lambda i: [array.tobytes() for array in assignments[i].indices])  # neighbors share the work of their first layers
        for some in (missing[start : start + self.runner.workers] for start in range(0, len(missing), self.runner.workers)):
            began = perf_counter()
            ran = self.task.answers([assignments[i] for i in some], self.runner)
            self.seconds += perf_counter() - began
            self.fresh += len(some)
            for i, right in zip(some, ran, strict=True):  # kept at once, whatever happens to those behind them
                self.store.put(keys[i], right)
                found[i] = right
        return [right for right in found if right is not None]
