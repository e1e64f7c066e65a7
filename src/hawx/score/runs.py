"""Runs on scoring images: which of some chosen scoring images a design answers right, bit-exactly."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hawx.blocks import Library
from hawx.designs import Assignment
from hawx.emulate import Evaluator
from hawx.networks import QuantizedNetwork
from hawx.score.stage import ScoringSet


class ScoringRuns:
    """Runs designs of a network on subsets of its scoring images; designs that begin alike share what they compute."""

    def __init__(self, network: QuantizedNetwork, library: Library, sample: ScoringSet) -> None:
        self._network, self._library, self._sample = network, library, sample
        self._index = np.zeros(0, np.int64)
        self._evaluator: Evaluator | None = None

    def __call__(self, assignments: Sequence[Assignment], images: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return the answers, (designs, images), for the scoring images at indices `images` (images,)."""
        labels = self._sample.competitors.labels[images]
        if self._evaluator is None or not np.array_equal(images, self._index):
            self._index = np.array(images)
            self._evaluator = Evaluator(self._network, self._library, self._sample.images[images], labels)
        return np.stack([self._evaluator.logits(assignment).argmax(axis=1) == labels for assignment in assignments])
