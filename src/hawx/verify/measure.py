"""Measuring: which images a design answers right, bit-exactly, remembered so that nothing is measured twice."""

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
from hawx.emulate.evaluator import Answers
from hawx.estimates import Measurement
from hawx.networks import QuantizedNetwork
from hawx.verify.identity import images_identity, library_identity, network_identity
from hawx.verify.store import MeasurementKey, MeasurementStore, MemoryStore

Runner = Callable[["Task", Sequence[Assignment]], Sequence[Answers]]
"""Who runs designs: this process, a pool of processes, a cluster. Answers do not depend on who it is."""


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

    def answers(self, assignments: Sequence[Assignment]) -> list[Answers]:
        """Return which images each design answers right, in this process."""
        return self.evaluator.right_many(assignments)

    def __getstate__(self) -> dict[str, object]:
        return {key: value for key, value in self.__dict__.items() if key != "evaluator"}


def run_here(task: Task, assignments: Sequence[Assignment]) -> Sequence[Answers]:
    """Run designs in this process."""
    return task.answers(assignments)


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
        return network_identity(task.network), library_identity(task.library), images_identity(task.images, task.labels)

    def __call__(self, assignments: Sequence[Assignment]) -> list[Measurement]:
        """Return the measurement of each assignment."""
        return [Measurement.of(right, self.reference) for right in self.answers(assignments)]

    def answers(self, assignments: Sequence[Assignment]) -> list[Answers]:
        """Return which images each assignment answers right, (images,); only those never measured before are run."""
        network, blocks, images = self._identity
        keys = [MeasurementKey(network=network, blocks=blocks, assignment=a.id, images=images) for a in assignments]
        found = [self.store.get(key) for key in keys]
        missing = [i for i, right in enumerate(found) if right is None]
        if missing:
            began = perf_counter()
            ran = self.runner(self.task, [assignments[i] for i in missing])
            self.seconds += perf_counter() - began
            self.fresh += len(missing)
            for i, right in zip(missing, ran, strict=True):
                self.store.put(keys[i], right)
                found[i] = right
        return [right for right in found if right is not None]
