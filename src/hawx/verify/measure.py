"""Measuring: bit-exact counts of correct answers, remembered so that nothing is measured twice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from hawx.blocks import Library
from hawx.designs import Assignment
from hawx.emulate import Evaluator
from hawx.networks import QuantizedNetwork
from hawx.verify.identity import images_identity, library_identity, network_identity
from hawx.verify.store import MeasurementKey, MeasurementStore, MemoryStore

Counter = Callable[["Task", Sequence[Assignment]], Sequence[int]]
"""Who counts: this process, a pool of processes, a cluster. Counts do not depend on who it is."""


@dataclass(eq=False)
class Task:
    """What to run designs of: one network, one library, one set of images. Can be sent to another process."""

    network: QuantizedNetwork
    library: Library
    images: NDArray[np.uint8] | NDArray[np.float32]
    """(images, C, H, W)."""
    labels: NDArray[np.int64]

    @cached_property
    def evaluator(self) -> Evaluator:
        return Evaluator(self.network, self.library, self.images, self.labels)

    def count(self, assignments: Sequence[Assignment]) -> list[int]:
        """Return the number of correct answers of each design, in this process."""
        return self.evaluator.correct_many(assignments)

    def __getstate__(self) -> dict[str, object]:
        return {key: value for key, value in self.__dict__.items() if key != "evaluator"}


def count_here(task: Task, assignments: Sequence[Assignment]) -> Sequence[int]:
    """Count in this process."""
    return task.count(assignments)


@dataclass(eq=False, kw_only=True)
class Measurer:
    """Counts correct answers of designs on one set of images, through a store."""

    task: Task
    store: MeasurementStore = field(default_factory=MemoryStore)
    counter: Counter = count_here
    fresh: int = 0
    """Designs really run by this object; the others came from the store."""
    seconds: float = 0.0
    """Wall time of those runs."""

    @cached_property
    def _identity(self) -> tuple[str, str, str]:
        task = self.task
        return network_identity(task.network), library_identity(task.library), images_identity(task.images, task.labels)

    def __call__(self, assignments: Sequence[Assignment]) -> list[int]:
        """Return the number of correct answers of each assignment; only those never measured before are run."""
        network, blocks, images = self._identity
        keys = [MeasurementKey(network=network, blocks=blocks, assignment=a.id, images=images) for a in assignments]
        counts = [self.store.get(key) for key in keys]
        missing = [i for i, count in enumerate(counts) if count is None]
        if missing:
            began = perf_counter()
            counted = self.counter(self.task, [assignments[i] for i in missing])
            self.seconds += perf_counter() - began
            self.fresh += len(missing)
            for i, count in zip(missing, counted, strict=True):
                self.store.put(keys[i], int(count))
                counts[i] = int(count)
        return [int(count) for count in counts if count is not None]
