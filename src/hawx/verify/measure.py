"""Measuring: which images a design answers right, bit-exactly, remembered so that nothing is measured twice."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
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
from hawx.networks.serialize import from_bytes, to_bytes
from hawx.recover import DesignRecovery
from hawx.verify.identity import images_identity, library_identity, network_identity
from hawx.verify.store import MeasurementKey, MeasurementStore, MemoryStore

Images = NDArray[np.uint8] | NDArray[np.float32]
Runner = Callable[["Task", Sequence[Assignment]], Iterable[Answers]]
"""Who runs designs: this process, a pool of processes, a cluster. Answers do not depend on who it is, and are given in order, each as soon as it is
known: what was given is kept, whatever happens to the others."""


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
        return Evaluator(self.network, self.library, self.images, self.labels)

    def network_of(self, assignment: Assignment) -> QuantizedNetwork:
        """Return what a design runs on."""
        return self.network if self.recovery is None else self.recovery(assignment)

    def answers(self, assignments: Sequence[Assignment]) -> list[Answers]:
        """Return which images each design answers right, in this process."""
        if self.recovery is None:
            return self.evaluator.right_many(assignments)
        return [Evaluator(self.network_of(one), self.library, self.images, self.labels, memory_mb=0).right(one) for one in assignments]

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel to another process: the network as bytes, since tensors would each take a file descriptor on the way."""
        unlabelled = None if self.recovery is None else self.recovery.images
        return _arrived, (to_bytes(self.network), self.library, self.images, self.labels, unlabelled)


def _arrived(network: bytes, library: Library, images: Images, labels: NDArray[np.int64], unlabelled: Images | None) -> Task:
    made = from_bytes(network)
    return Task(made, library, images, labels, None if unlabelled is None else DesignRecovery(made, library, unlabelled))


def run_here(task: Task, assignments: Sequence[Assignment]) -> Iterable[Answers]:
    """Run designs in this process."""
    return (task.answers([assignment])[0] for assignment in assignments)


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
        if missing:
            began = perf_counter()
            for i, right in zip(missing, self.runner(self.task, [assignments[i] for i in missing]), strict=True):
                self.store.put(keys[i], right)
                found[i] = right
            self.seconds += perf_counter() - began
            self.fresh += len(missing)
        return [right for right in found if right is not None]
