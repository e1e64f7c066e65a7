"""Prober: which of its chosen scoring images each design answers right, bit-exactly."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hawx.blocks import Library
from hawx.designs import Assignment
from hawx.emulate import Evaluator
from hawx.networks import QuantizedNetwork
from hawx.score.stage import ScoringSet


class ScoringProber:
    """Runs designs of a network, each on some of its scoring images."""

    def __init__(self, network: QuantizedNetwork, library: Library, sample: ScoringSet) -> None:
        self._network, self._library, self._sample = network, library, sample

    def __call__(self, assignments: Sequence[Assignment], images: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return the answers, (designs, images), for each design's scoring images at indices `images` (designs, images)."""
        return np.stack([self._right(assignment, chosen) for assignment, chosen in zip(assignments, images, strict=True)])

    def _right(self, assignment: Assignment, images: NDArray[np.int64]) -> NDArray[np.bool_]:
        labels = self._sample.competitors.labels[images]
        evaluator = Evaluator(self._network, self._library, self._sample.images[images], labels, memory_mb=0)
        return np.asarray(evaluator.logits(assignment).argmax(axis=1) == labels)
