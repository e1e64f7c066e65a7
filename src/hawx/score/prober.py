"""Prober: which of its chosen scoring images each design answers right, bit-exactly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hawx.blocks import Library
from hawx.designs import Assignment
from hawx.emulate import Evaluator
from hawx.networks import QuantizedNetwork
from hawx.runner import Runner, run_here
from hawx.score.stage import ScoringSet


class ScoringProber:
    """Runs designs of a network, each on some of its scoring images."""

    def __init__(self, network: QuantizedNetwork, library: Library, sample: ScoringSet, runner: Runner = run_here) -> None:
        self._probe, self._runner = _Probe(network, library, sample), runner

    def __call__(self, assignments: Sequence[Assignment], images: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return the answers, (designs, images), for each design's scoring images at indices `images` (designs, images)."""
        return np.stack(list(self._runner.map(self._probe, list(zip(assignments, images, strict=True)))))


@dataclass(frozen=True, eq=False)
class _Probe:
    network: QuantizedNetwork
    library: Library
    sample: ScoringSet

    def __call__(self, part: tuple[Assignment, NDArray[np.int64]]) -> NDArray[np.bool_]:
        assignment, images = part
        labels = self.sample.competitors.labels[images]
        evaluator = Evaluator(self.network, self.library, self.sample.images[images], labels, memory_mb=0)
        return np.asarray(evaluator.logits(assignment).argmax(axis=1) == labels)
